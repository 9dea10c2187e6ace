-- Storage settings for the small tables that change all the time, so that neither grows nor waits for a default that is
-- meant for large ones. A lease is renewed several times a second by many shards, in place if its page has room for it.
alter table outbox.lease set (fillfactor = 40, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);
alter table outbox.position set (autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.5);
alter table outbox.relay set (fillfactor = 40, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);
-- Compiled, its many small queries took seconds; as they are, milliseconds.
alter function outbox.explain(interval) set jit = off;
