-- Look-ups by key use their index whatever the tables looked like when a session planned them. A plan
-- made while a table was all but empty reads all of it, and stays until the table is analysed again: on a
-- market's first day, and on any day on which a table grows by multiples between two analyses.
alter function production.claims_marked(text[], bytea[], timestamptz[], timestamptz[], integer)
    set enable_seqscan = off;
alter function production.claims_corrected_since(integer[], text[], timestamptz[]) set enable_seqscan = off;
alter function production.vehicle_claims(integer[], text[]) set enable_seqscan = off;
alter function production.vehicle_policies(integer[], text[]) set enable_seqscan = off;
