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
comment on column payment_limit.most is 'In minor units; a purchase above it is declined';

create table payments (
    id             bigint      primary key check (id > 0),
    customer_id    bigint      not null,
    currency_code  text        not null check (currency_code ~ '^[A-Z]{3}$'),
    amount         bigint      not null,
    status         text        not null
        check (status in ('PENDING', 'TAKEN', 'DECLINED', 'REFUNDING', 'REFUNDED', 'CANCELLED')),
    decline_reason text,
    provider       text        not null,
    reference      text        not null default '',
    taken          boolean     not null,
    rolled_back    boolean     not null,
    purchase       json,
    headers        jsonb,
    attempts       int         not null default 0,
    due_at         timestamptz,
    created_at     timestamptz not null default clock_timestamp(),
    updated_at     timestamptz not null default clock_timestamp(),
    constraint declined_for_a_reason check (status <> 'DECLINED' or decline_reason is not null),
    constraint nothing_negative_is_taken check (amount >= 0 or status in ('DECLINED', 'CANCELLED')),
    constraint only_a_provider_keeps_waiting
        check ((due_at is not null) = (status in ('PENDING', 'REFUNDING')))
);
comment on table payments is
    'One try to take the money of each purchase. The row is locked before an event of the payment is appended';
comment on column payments.id is 'The purchase''s id; of it are made the provider''s idempotency keys';
comment on column payments.amount is 'In minor units of currency_code';
comment on column payments.status is
    'PENDING until the provider answers: TAKEN or DECLINED; REFUNDING until it has given back: REFUNDED; '
    'CANCELLED: a tombstone, rolled back before it was asked for (customer_id 0, currency XXX)';
comment on column payments.provider is
    'Who takes the money, as the service was configured when it was asked; '''' of a tombstone';
comment on column payments.reference is 'The provider''s own number for it; '''' while unknown';
comment on column payments.taken is 'Whether the provider has ever taken the money';
comment on column payments.rolled_back is 'Whether the saga has asked for it back';
comment on column payments.purchase is 'The saga''s PURCHASE, for replies that come later';
comment on column payments.headers is 'Trace headers of the last command, for replies that come later';
comment on column payments.attempts is 'Calls to the provider in the present state; counted before each';
comment on column payments.due_at is 'When the provider is called next, unless it has answered; null: never';
create index payments_due on payments (due_at) where due_at is not null;

create schema payment;
comment on schema payment is 'How payments move, and the local ledger: what was taken and given back, by double entry';

create function payment.move(p_id bigint, p_status text, p_decline_reason text, p_reference text, p_taken boolean,
                             p_rolled_back boolean, p_waits boolean) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    update public.payments
    set status = p_status, decline_reason = p_decline_reason, reference = p_reference, taken = p_taken,
        rolled_back = p_rolled_back, attempts = 0, due_at = case when p_waits then clock_timestamp() end,
        updated_at = clock_timestamp()
    where id = p_id and (p_taken or not taken) and (p_rolled_back or not rolled_back)
        and (status = p_status or (status, p_status) in (
            ('PENDING', 'TAKEN'), ('PENDING', 'DECLINED'), ('PENDING', 'REFUNDING'), ('TAKEN', 'REFUNDING'),
            ('TAKEN', 'REFUNDED'), ('DECLINED', 'REFUNDING'), ('REFUNDING', 'DECLINED'), ('REFUNDING', 'REFUNDED')));
    if not found then
        raise check_violation using message = format('payment %s cannot become %s', p_id, p_status);
    end if;
end
$$;
comment on function payment.move(bigint, text, text, text, boolean, boolean, boolean) is
    'The one way to change a payment''s state: along its life, never back, and never its amount';

grant select on payment_limit to shop_payment;
grant select, insert on payments to shop_payment;
-- Not of status and what goes with it: payment.move alone changes those.
grant update (purchase, headers, attempts, due_at) on payments to shop_payment;

revoke all on function payment.move(bigint, text, text, text, boolean, boolean, boolean) from public;
grant usage on schema payment to shop_payment;
grant execute on function payment.move(bigint, text, text, text, boolean, boolean, boolean) to shop_payment;
