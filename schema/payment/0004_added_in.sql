-- By which a process learns of payments that others have made since it last asked (decision 22).

alter table payments add column added_in xid8;
alter table payments alter column added_in set default pg_current_xact_id();
comment on column payments.added_in is
    'The transaction that made it, by which filters of ids catch up; null: older than this column';
create index payments_added_in on payments (added_in) where added_in is not null;
