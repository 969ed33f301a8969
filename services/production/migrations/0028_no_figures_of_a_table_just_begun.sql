-- Sessions keep the plans of the statements that work through sets of calls. PostgreSQL takes a table nobody
-- analysed for one of ten pages and looks its rows up by key; one that was analysed with a handful of
-- rows it reads whole with every set, until it is analysed again, a minute and tens of thousands of rows later. So
-- the tables that sets are looked up in are left unanalysed until they hold enough for the index to win.
alter table production.claim set (autovacuum_analyze_threshold = 5000, autovacuum_vacuum_threshold = 5000,
    autovacuum_vacuum_insert_threshold = 5000);
alter table production.claim_step set (autovacuum_analyze_threshold = 5000, autovacuum_vacuum_threshold = 5000,
    autovacuum_vacuum_insert_threshold = 5000);
alter table production.claim_mark set (autovacuum_analyze_threshold = 5000, autovacuum_vacuum_threshold = 5000,
    autovacuum_vacuum_insert_threshold = 5000);
alter table production.quote set (autovacuum_analyze_threshold = 5000, autovacuum_vacuum_threshold = 5000,
    autovacuum_vacuum_insert_threshold = 5000);
alter table production.proposal set (autovacuum_analyze_threshold = 5000, autovacuum_vacuum_threshold = 5000,
    autovacuum_vacuum_insert_threshold = 5000);
alter table production.policy set (autovacuum_analyze_threshold = 5000, autovacuum_vacuum_threshold = 5000,
    autovacuum_vacuum_insert_threshold = 5000);
alter table production.policy_version set (autovacuum_analyze_threshold = 5000, autovacuum_vacuum_threshold = 5000,
    autovacuum_vacuum_insert_threshold = 5000);
