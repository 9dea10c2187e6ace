-- The payment service's own tables. Needs schema/outbox in the same database.

-- Shared by every database of the cluster; operations give it a password, or grant it to a login role.
do $$
begin
    create role shop_payment nologin;
exception when duplicate_object or unique_violation then
    null;  -- another database of this cluster has made it
end
$$;
do $$
begin
    grant postroom_service to shop_payment;
exception when unique_violation then
    null;
end
$$;

create table payment_limit (
    currency_code text   primary key check (currency_code ~ '^[A-Z]{3}$'),
    most          bigint not null check (most >= 0)
);
comment on table payment_limit is 'The currencies that payment supports, and what one payment may take at most';
comment on column payment_limit.most is 'In minor units; an order above it is declined';

create table payments (
    id             bigint      primary key check (id > 0),
    order_id       bigint      not null unique,
    customer_id    bigint      not null,
    currency_code  text        not null check (currency_code ~ '^[A-Z]{3}$'),
    amount         bigint      not null,
    status         text        not null check (status in ('TAKEN', 'DECLINED')),
    decline_reason text,
    created_at     timestamptz not null default clock_timestamp(),
    constraint declined_for_a_reason check ((decline_reason is not null) = (status = 'DECLINED')),
    constraint nothing_negative_is_taken check (amount >= 0 or status = 'DECLINED')
);
comment on table payments is 'The answer to each order, decided once and never changed';
comment on column payments.id is 'The order''s id: there is one payment an order';
comment on column payments.amount is 'In minor units of currency_code';

grant select on payment_limit to shop_payment;
grant select, insert on payments to shop_payment;
