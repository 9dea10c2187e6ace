-- The books, by double entry: what was taken and given back.

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

revoke all on function payment.book(text, bigint, text, text, text, text, bigint), payment.check_balanced() from public;
grant select, insert on payment.account, payment.entry, payment.posting to shop_payment;
grant select on payment.balance to shop_payment;
grant execute on function payment.book(text, bigint, text, text, text, text, bigint) to shop_payment;
