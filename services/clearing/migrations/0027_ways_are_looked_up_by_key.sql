-- Sets of claim steps look ways up by their holders. A plan made while a table was analysed with a handful of
-- rows reads all of it, and sessions keep it until the next analysis: so it stays unanalysed until it holds
-- enough for the index to win (as production 0028 has it for the claims themselves).
alter table clearing.accident_route set (autovacuum_analyze_threshold = 5000,
    autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_insert_threshold = 5000);
