-- The second lock of rule L03 compares plate, plate kind and engine number. Three texts in a GiST index
-- that mostly begin alike are dear to place and to find. Their digest is equal when they are; two that
-- differ share one only by chance, or if somebody made engine numbers to that end: they would be
-- refused a cover, never given two. Plates and kinds hold no '/', so no two triples make one text.
-- Same name, so that the previous release goes on telling this refusal from others.
alter table production.compulsory_plate_cover
    drop constraint plate_no_duplicate_compulsory,
    add constraint plate_no_duplicate_compulsory
        exclude using gist (
            (md5(plate || '/' || plate_kind || '/' || engine_no)::uuid) with =, cover with &&);
