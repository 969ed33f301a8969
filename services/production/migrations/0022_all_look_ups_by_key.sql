-- The other look-ups by key, for the reason given in 0021.
alter function production.plate_covers(text[], text[], text[], timestamptz[], timestamptz[]) set enable_seqscan = off;
alter function production.plate_carriers(text, text, timestamptz) set enable_seqscan = off;
alter function production.vehicle_chain(integer, text, timestamptz) set enable_seqscan = off;
alter function production.chain_claims(integer, text, timestamptz) set enable_seqscan = off;
alter function production.claims_on_vehicle(integer, text, timestamptz) set enable_seqscan = off;
alter function production.accident_marks(integer[], text[], timestamptz) set enable_seqscan = off;
alter function production.accident_claims(text[], bytea[], timestamptz[], timestamptz[], timestamptz, integer)
    set enable_seqscan = off;
alter function production.liable_policies(integer[], text[], text, timestamptz) set enable_seqscan = off;
