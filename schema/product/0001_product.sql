-- The product service's own tables. Needs schema/outbox in the same database.

-- Shared by every database of the cluster; operations give it a password, or grant it to a login role.
do $$
begin
    create role shop_product nologin;
exception when duplicate_object or unique_violation then
    null;  -- another database of this cluster has made it
end
$$;
do $$
begin
    grant postroom_service to shop_product;
exception when unique_violation then
    null;
end
$$;

create table categories (
    id          bigint primary key check (id > 0),
    name        text   not null,
    description text   not null
);
comment on table categories is 'What products are sorted into';

create table products (
    id          bigint primary key check (id > 0),
    category_id bigint not null references categories,
    name        text   not null,
    description text   not null,
    brand_name  text   not null,
    price       bigint not null check (price >= 0),
    inventory   bigint not null check (inventory >= 0)
);
comment on table products is 'What is sold. The row is locked before an event of the product is appended';
comment on column products.id is 'Sonyflake: id >> 24 is the time of its making, in 10 ms since 2014-09-01';
comment on column products.price is
    'Of one piece, in minor units of whatever currency the purchase names; 0 is a price';
comment on column products.inventory is
    'Pieces that nobody has reserved; this and the reservations in force add up to the same all the time';

create table reservations (
    purchase_id bigint      primary key check (purchase_id > 0),
    refusal     text,
    rolled_back boolean     not null default false,
    created_at  timestamptz not null default clock_timestamp()
);
comment on table reservations is
    'The first answer to each purchase''s UpdateProductInventory, which every repeat gets again';
comment on column reservations.refusal is 'Why nothing was reserved; null: the items are';
comment on column reservations.rolled_back is
    'Whether RollbackProductInventory came. When it came first, the row is made refused, and so is a late command';

create table reservation_items (
    purchase_id bigint not null references reservations,
    product_id  bigint not null references products,
    quantity    bigint not null check (quantity > 0),
    primary key (purchase_id, product_id)
);
comment on table reservation_items is
    'What a purchase took from products.inventory, and a rollback gives back; written once, never changed';

create sequence machine as int minvalue 0 maxvalue 65535 cycle;
comment on sequence machine is
    'Hands each process that starts its machine number for ids; returns to a number after 65536 starts';

grant select, insert on categories, products, reservations, reservation_items to shop_product;
grant update (name, description, brand_name, price, inventory) on products to shop_product;
grant update (refusal, rolled_back) on reservations to shop_product;
grant usage on sequence machine to shop_product;
