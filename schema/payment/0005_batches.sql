-- Payments move, and are booked, by the batch: one statement for all that a consumer has heard at once.

drop function payment.move(bigint, text, text, text, boolean, boolean, boolean);
create function payment.move(p_ids bigint[], p_statuses text[], p_decline_reasons text[], p_references text[],
                             p_taken boolean[], p_rolled_back boolean[], p_waits boolean[]) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    refused text;
begin
    with moved as (
        update public.payments p
        set status = m.status, decline_reason = nullif(m.decline_reason, ''), reference = m.reference, taken = m.taken,
            rolled_back = m.rolled_back, attempts = 0, due_at = case when m.waits then clock_timestamp() end,
            updated_at = clock_timestamp()
        from unnest(p_ids, p_statuses, p_decline_reasons, p_references, p_taken, p_rolled_back, p_waits)
            m (id, status, decline_reason, reference, taken, rolled_back, waits)
        where p.id = m.id and (m.taken or not p.taken) and (m.rolled_back or not p.rolled_back)
            and (p.status = m.status or (p.status, m.status) in (
                ('PENDING', 'TAKEN'), ('PENDING', 'DECLINED'), ('PENDING', 'REFUNDING'), ('TAKEN', 'REFUNDING'),
                ('TAKEN', 'REFUNDED'), ('DECLINED', 'REFUNDING'), ('REFUNDING', 'DECLINED'), ('REFUNDING', 'REFUNDED')))
        returning p.id
    )
    select string_agg(format('payment %s cannot become %s', m.id, m.status), ', ') into refused
    from unnest(p_ids, p_statuses) m (id, status) where m.id not in (select moved.id from moved);
    if refused is not null then
        raise check_violation using message = refused;
    end if;
end
$$;
comment on function payment.move(bigint[], text[], text[], text[], boolean[], boolean[], boolean[]) is
    'The one way to change payments'' states: along their lives, never back, and never their amounts; '
    'all of them, or none';

drop function payment.book(text, bigint, text, text, text, text, bigint);
create function payment.book(p_keys text[], p_payments bigint[], p_reverses text[], p_from text[], p_to text[],
                             p_currencies text[], p_amounts bigint[]) returns void
language plpgsql as $$
begin
    -- In one order everywhere, so that two batches that overlap cannot deadlock.
    with movement as materialized (
        select * from unnest(p_keys, p_payments, p_reverses, p_from, p_to, p_currencies, p_amounts)
            m (key, payment_id, reverses, giver, taker, currency_code, amount)
    ), booked as (
        insert into payment.entry (key, payment_id, reverses)
        select key, payment_id, nullif(reverses, '') from movement order by key
        on conflict (key) do nothing
        returning key
    ), side as materialized (
        select key, s.account, m.currency_code, s.amount
        from booked join movement m using (key),
            lateral (values (m.giver, -m.amount), (m.taker, m.amount)) s (account, amount)
    ), opened as (
        insert into payment.account (name, currency_code)
        select distinct account, currency_code from side order by account, currency_code
        on conflict do nothing
    )
    insert into payment.posting (entry, account, currency_code, amount) select * from side;
end
$$;
comment on function payment.book(text[], bigint[], text[], text[], text[], text[], bigint[]) is
    'Moves amounts from one account to another each, once for each key: a key that is booked already moves nothing. '
    'Waits for a transaction that books the same key';

revoke all on function
    payment.move(bigint[], text[], text[], text[], boolean[], boolean[], boolean[]),
    payment.book(text[], bigint[], text[], text[], text[], text[], bigint[]) from public;
grant execute on function
    payment.move(bigint[], text[], text[], text[], boolean[], boolean[], boolean[]),
    payment.book(text[], bigint[], text[], text[], text[], text[], bigint[]) to shop_payment;
