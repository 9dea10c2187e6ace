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

create table catalogue (
    product_id  bigint primary key check (product_id > 0),
    category_id bigint not null,
    name        text   not null,
    brand_name  text   not null,
    description text   not null,
    price       bigint not null check (price >= 0)
);
comment on table catalogue is 'What order knows about products: what they cost now, and how to show them';
comment on column catalogue.price is 'Of one piece, in minor units of whatever currency the purchase names';

create table orders (
    id              bigint      primary key check (id > 0),
    customer_id     bigint      not null,
    status          text        not null check (status in ('PENDING', 'PAID', 'CANCELLED')),
    currency_code   text        not null check (currency_code ~ '^[A-Z]{3}$'),
    amount          bigint      not null check (amount >= 0),
    cancel_reason   text,
    idempotency_key text        check (octet_length(idempotency_key) between 1 and 128),
    created_at      timestamptz not null default clock_timestamp(),
    updated_at      timestamptz not null default clock_timestamp(),
    constraint one_order_a_key unique (customer_id, idempotency_key),
    constraint cancelled_for_a_reason check ((cancel_reason is not null) = (status = 'CANCELLED'))
);
comment on table orders is 'Purchases that were accepted. The row is locked before an event of the order is appended';
comment on column orders.id is
    'Sonyflake: id >> 24 is the time of placing, in 10 ms since 2014-09-01; also the payment''s id';
comment on column orders.status is 'PENDING until payment answers, then PAID or CANCELLED for good';
comment on column orders.amount is 'Sum of quantity × price of its items, in minor units of currency_code';
comment on column orders.idempotency_key is 'The client''s Idempotency-Key; a repeat answers with this order';

create table order_items (
    order_id   bigint not null references orders,
    product_id bigint not null references catalogue,
    quantity   bigint not null check (quantity > 0),
    price      bigint not null check (price >= 0),
    primary key (order_id, product_id)
);
comment on table order_items is 'What an order consists of; written with the order, never changed';
comment on column order_items.price is 'Of one piece, when the order was placed';

create sequence machine as int minvalue 0 maxvalue 65535 cycle;
comment on sequence machine is
    'Hands each process that starts its machine number for ids; returns to a number after 65536 starts';

grant select on catalogue to shop_order;
grant select, insert on orders, order_items to shop_order;
grant update (status, cancel_reason, updated_at) on orders to shop_order;
grant usage on sequence machine to shop_order;
