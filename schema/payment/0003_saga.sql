-- Payment as a participant of the purchase saga: payments that wait for their provider, that are given back, and
-- tombstones of those that were rolled back before they came; and the books, by double entry.

alter table payments
    drop constraint payments_status_check,
    drop constraint declined_for_a_reason,
    drop constraint nothing_negative_is_taken,
    add column provider    text        not null default '',
    add column reference   text        not null default '',
    add column taken       boolean     not null default false,
    add column rolled_back boolean     not null default false,
    add column purchase    json,
    add column headers     jsonb,
    add column attempts    int         not null default 0,
    add column due_at      timestamptz,
    add column updated_at  timestamptz not null default clock_timestamp(),
    add constraint payments_status_check
        check (status in ('PENDING', 'TAKEN', 'DECLINED', 'REFUNDING', 'REFUNDED', 'CANCELLED')),
    add constraint declined_for_a_reason check (status <> 'DECLINED' or decline_reason is not null),
    add constraint nothing_negative_is_taken check (amount >= 0 or status in ('DECLINED', 'CANCELLED')),
    add constraint only_a_provider_keeps_waiting
        check ((due_at is not null) = (status in ('PENDING', 'REFUNDING')));
comment on table payments is
    'One try to take the money of each order or purchase. The row is locked before an event of the payment is appended';
comment on column payments.id is 'The order''s and the purchase''s id; of it are made the provider''s idempotency keys';
comment on column payments.status is
    'PENDING until the provider answers: TAKEN or DECLINED; REFUNDING until it has given back: REFUNDED; '
    'CANCELLED: a tombstone, rolled back before it was asked for (customer_id 0, currency XXX)';
comment on column payments.provider is 'Who takes the money, as the service was configured when it was asked; '''' '
    'for what OrderPlaced asked for';
comment on column payments.reference is 'The provider''s own number for it; '''' while unknown';
comment on column payments.taken is 'Whether the provider has ever taken the money';
comment on column payments.rolled_back is 'Whether the saga has asked for it back';
comment on column payments.purchase is 'The saga''s PURCHASE, for replies that come later';
comment on column payments.headers is 'Trace headers of the last command, for replies that come later';
comment on column payments.attempts is 'Calls to the provider in the present state; counted before each';
comment on column payments.due_at is 'When the provider is called next, unless it has answered; null: never';
update payments set taken = status = 'TAKEN';
create index payments_due on payments (due_at) where due_at is not null;

-- Not of status and what goes with it: payment.move alone changes those.
grant update (purchase, headers, attempts, due_at) on payments to shop_payment;

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

create table payment.account (
    name          text not null check (name <> ''),
    currency_code text not null check (currency_code ~ '^[A-Z]{3}$'),
    primary key (name, currency_code)
);
comment on table payment.account is 'Whose money: customer:N, or sales. No balance is kept: payment.balance adds it up';

create table payment.entry (
    key        text        primary key check (key <> ''),
    payment_id bigint      not null,
    reverses   text        unique references payment.entry,
    booked_at  timestamptz not null default clock_timestamp()
);
comment on table payment.entry is 'The journal: one row a movement of money, for good. Its postings add up to zero';
comment on column payment.entry.key is 'take-N or refund-N of payment N: the same is never booked twice';
comment on column payment.entry.reverses is 'The entry that this one takes back; at most one does';

create table payment.posting (
    entry         text   not null references payment.entry,
    account       text   not null,
    currency_code text   not null,
    amount        bigint not null,
    primary key (entry, account, currency_code),
    foreign key (account, currency_code) references payment.account
);
comment on table payment.posting is 'What an entry moves: negative out of an account, positive into it';
comment on column payment.posting.amount is 'In minor units of currency_code';
create index posting_account on payment.posting (account, currency_code);

create function payment.check_balanced() returns trigger language plpgsql as $$
declare
    checked text;
begin
    -- An array of both, because an update may move a posting from one entry to another.
    foreach checked in array case tg_op when 'INSERT' then array[new.entry] when 'DELETE' then array[old.entry]
                                        else array[old.entry, new.entry] end loop
        if exists (select from payment.posting where entry = checked group by currency_code having sum(amount) <> 0)
        then
            raise check_violation using message = format('entry %s does not add up to zero', checked);
        end if;
    end loop;
    return null;
end
$$;
comment on function payment.check_balanced() is 'Refuses a commit that leaves an entry out of balance';
create constraint trigger entries_balance after insert or update or delete on payment.posting
    deferrable initially deferred for each row execute function payment.check_balanced();

create function payment.book(p_key text, p_payment bigint, p_reverses text, p_from text, p_to text,
                             p_currency text, p_amount bigint) returns boolean
language plpgsql as $$
begin
    insert into payment.entry (key, payment_id, reverses) values (p_key, p_payment, p_reverses)
    on conflict (key) do nothing;
    if not found then
        return false;
    end if;
    insert into payment.account (name, currency_code)
    select wanted.name, p_currency from unnest(array[p_from, p_to]) as wanted (name)
    where not exists (select from payment.account a where a.name = wanted.name and a.currency_code = p_currency)
    on conflict do nothing;
    insert into payment.posting (entry, account, currency_code, amount)
    values (p_key, p_from, p_currency, -p_amount), (p_key, p_to, p_currency, p_amount);
    return true;
end
$$;
comment on function payment.book(text, bigint, text, text, text, text, bigint) is
    'Moves an amount from one account to another, once for each key; false when the key is booked already. '
    'Waits for a transaction that books the same key';

create view payment.balance as
select a.name as account, a.currency_code, coalesce(sum(p.amount), 0)::numeric as balance, count(p.entry) as postings
from payment.account a left join payment.posting p on p.account = a.name and p.currency_code = a.currency_code
group by a.name, a.currency_code;
comment on view payment.balance is 'Every account''s balance, added up anew from its postings; together they are zero';

revoke all on function payment.book(text, bigint, text, text, text, text, bigint), payment.check_balanced(),
    payment.move(bigint, text, text, text, boolean, boolean, boolean) from public;
grant usage on schema payment to shop_payment;
grant select, insert on payment.account, payment.entry, payment.posting to shop_payment;
grant select on payment.balance to shop_payment;
grant execute on function payment.book(text, bigint, text, text, text, text, bigint),
    payment.move(bigint, text, text, text, boolean, boolean, boolean) to shop_payment;
