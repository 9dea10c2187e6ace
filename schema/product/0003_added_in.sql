-- By which a process learns of products that others have made since it last asked (decision 22).

alter table products add column added_in xid8;
alter table products alter column added_in set default pg_current_xact_id();
comment on column products.added_in is
    'The transaction that made it, by which filters of ids catch up; null: older than this column';
create index products_added_in on products (added_in) where added_in is not null;
