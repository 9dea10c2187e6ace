-- Order as a participant of the purchase saga: an order keeps what its customer saw when buying, and a rollback that
-- came before its order leaves a tombstone.

alter table order_items
    drop constraint order_items_product_id_fkey,
    add column category_id bigint not null default 0,
    add column name        text   not null default '',
    add column brand_name  text   not null default '',
    add column description text   not null default '';
comment on column order_items.product_id is 'The product service''s number; no row here has to know it';
comment on column order_items.category_id is 'This and the texts: as they were when the order was placed';

update order_items i
set category_id = c.category_id, name = c.name, brand_name = c.brand_name, description = c.description
from catalogue c
where c.product_id = i.product_id;

alter table orders add column never_created boolean not null default false,
    add constraint tombstones_are_cancelled check (not never_created or status = 'CANCELLED');
comment on column orders.never_created is
    'A tombstone: rolled back before CreateOrder came, which is refused from now on (customer_id 0, currency XXX)';
comment on column orders.status is
    'PENDING until payment answers or the purchase ends, then PAID or CANCELLED for good';
comment on column orders.amount is 'In minor units of currency_code: the sum of its items, or as the purchase says';
