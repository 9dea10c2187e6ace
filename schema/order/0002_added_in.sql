-- By which a process learns of orders that others have made since it last asked (decision 22).

alter table orders add column added_in xid8;
alter table orders alter column added_in set default pg_current_xact_id();
comment on column orders.added_in is
    'The transaction that made it, by which filters of ids catch up; null: older than this column';
create index orders_added_in on orders (added_in) where added_in is not null;
