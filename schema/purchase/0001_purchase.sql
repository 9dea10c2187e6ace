-- The purchase service's own tables. Needs schema/outbox in the same database.

-- Shared by every database of the cluster; operations give it a password, or grant it to a login role.
do $$
begin
    create role shop_purchase nologin;
exception when duplicate_object or unique_violation then
    null;  -- another database of this cluster has made it
end
$$;
do $$
begin
    grant postroom_service to shop_purchase;
exception when unique_violation then
    null;
end
$$;

create table purchases (
    id              bigint      primary key check (id > 0),
    customer_id     bigint      not null,
    currency_code   text        not null check (currency_code ~ '^[A-Z]{3}$'),
    amount          bigint      not null check (amount >= 0),
    idempotency_key text        check (octet_length(idempotency_key) between 1 and 128),
    status          smallint    not null default 0 check (status between 0 and 4),
    step            smallint    not null default 0 check (step between 0 and 2),
    success         boolean,
    last_seq        bigint      not null default 0,
    created_at      timestamptz not null default clock_timestamp(),
    updated_at      timestamptz not null default clock_timestamp(),
    constraint one_purchase_a_key unique (customer_id, idempotency_key)
);
comment on table purchases is
    'Purchases that were accepted, and how far each has come. The row is locked before its events are added';
comment on column purchases.id is
    'Sonyflake: id >> 24 is the time of the request, in 10 ms since 2014-09-01; also its order''s and payment''s id';
comment on column purchases.amount is 'Sum of quantity × price of its items, in minor units of currency_code';
comment on column purchases.idempotency_key is
    'The client''s Idempotency-Key; a repeat answers with this purchase';
comment on column purchases.status is
    '0 EXECUTE, 1 SUCCESS, 2 FAILED, 3 ROLLBACK, 4 ROLLBACK_FAILED: of its last event';
comment on column purchases.step is
    '0 UPDATE_PRODUCT_INVENTORY, 1 CREATE_ORDER, 2 CREATE_PAYMENT: of its last event';
comment on column purchases.success is 'How it ended, for good; null while it is under way';
comment on column purchases.last_seq is 'Of its last event; 0 before the first';

create table purchase_items (
    purchase_id bigint not null references purchases,
    product_id  bigint not null check (product_id > 0),
    quantity    bigint not null check (quantity > 0),
    price       bigint not null check (price >= 0),
    primary key (purchase_id, product_id)
);
comment on table purchase_items is 'What a purchase consists of; written with it, never changed';
comment on column purchase_items.price is 'Of one piece, as product had it when the purchase was accepted';

create table purchase_event (
    purchase_id bigint      not null references purchases,
    seq         bigint      not null check (seq > 0),
    step        smallint    not null check (step between 0 and 2),
    status      smallint    not null check (status between 0 and 4),
    success     boolean,
    at          timestamptz not null,
    primary key (purchase_id, seq)
);
comment on table purchase_event is
    'What became of each purchase, one row a change; the one that has a success is the last';
comment on column purchase_event.seq is 'From 1, without gaps: the id of the server-sent event';
comment on column purchase_event.at is 'When it came about, by the orchestrator''s clock';

create sequence machine as int minvalue 0 maxvalue 65535 cycle;
comment on sequence machine is
    'Hands each process that starts its machine number for ids; returns to a number after 65536 starts';

grant select, insert on purchases, purchase_items, purchase_event to shop_purchase;
grant update (status, step, success, last_seq, updated_at) on purchases to shop_purchase;
grant usage on sequence machine to shop_purchase;
