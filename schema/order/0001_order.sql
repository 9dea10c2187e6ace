-- The order service's own tables. Needs schema/outbox in the same database.

-- Shared by every database of the cluster; operations give it a password, or grant it to a login role.
do $$
begin
    create role shop_order nologin;
exception when duplicate_object or unique_violation then
    null;  -- another database of this cluster has made it
end
$$;
do $$
begin
    grant postroom_service to shop_order;
exception when unique_violation then
    null;
end
$$;

create table orders (
    id            bigint      primary key check (id > 0),
    customer_id   bigint      not null,
    status        text        not null check (status in ('PENDING', 'PAID', 'CANCELLED')),
    currency_code text        not null check (currency_code ~ '^[A-Z]{3}$'),
    amount        bigint      not null check (amount >= 0),
    cancel_reason text,
    never_created boolean     not null default false,
    created_at    timestamptz not null default clock_timestamp(),
    updated_at    timestamptz not null default clock_timestamp(),
    constraint cancelled_for_a_reason check ((cancel_reason is not null) = (status = 'CANCELLED')),
    constraint tombstones_are_cancelled check (not never_created or status = 'CANCELLED')
);
comment on table orders is 'What customers bought. The row is locked before an event of the order is appended';
comment on column orders.id is 'The purchase''s id, also its payment''s';
comment on column orders.status is 'PENDING until the purchase ends, then PAID or CANCELLED for good';
comment on column orders.amount is 'In minor units of currency_code: as the purchase says';
comment on column orders.never_created is
    'A tombstone: rolled back before CreateOrder came, which is refused from now on (customer_id 0, currency XXX)';

create table order_items (
    order_id    bigint not null references orders,
    product_id  bigint not null,
    quantity    bigint not null check (quantity > 0),
    price       bigint not null check (price >= 0),
    category_id bigint not null,
    name        text   not null,
    brand_name  text   not null,
    description text   not null,
    primary key (order_id, product_id)
);
comment on table order_items is 'What an order consists of; written with the order, never changed';
comment on column order_items.product_id is 'The product service''s number; no row here has to know it';
comment on column order_items.price is 'Of one piece, when the order was placed';
comment on column order_items.category_id is 'This and the texts: as they were when the order was placed';

grant select, insert on orders, order_items to shop_order;
grant update (status, cancel_reason, updated_at) on orders to shop_order;
