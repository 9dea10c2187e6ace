-- How purchases that ended long ago went is forgotten, so many at a time; how they ended is not.

create schema purchase;
comment on schema purchase is 'What the purchase service may do beyond reading and writing its tables';

create function purchase.forget_events(keep interval, most int) returns int
language sql volatile security definer set search_path = pg_catalog, pg_temp
begin atomic
    with old as (
        -- By the time in the id: those that are left are the newest, so that nothing old is passed in vain.
        select e.purchase_id
        from (select distinct purchase_id from public.purchase_event
              where purchase_id < (extract(epoch from clock_timestamp() - keep - '2014-09-01 00:00Z'::timestamptz)
                                   * 100)::bigint << 24) e
        join public.purchases p on p.id = e.purchase_id
        where p.success is not null and p.updated_at < clock_timestamp() - keep
        order by 1 limit most
    ), forgotten as (
        delete from public.purchase_event e using old where e.purchase_id = old.purchase_id returning e.purchase_id
    )
    select count(distinct purchase_id)::int from forgotten;
end;
comment on function purchase.forget_events(interval, int) is
    'Deletes the events of purchases that ended longer ago than that, at most of so many; returns of how many';
revoke all on function purchase.forget_events(interval, int) from public;
grant usage on schema purchase to shop_purchase;
grant execute on function purchase.forget_events(interval, int) to shop_purchase;

comment on table purchase_event is
    'What became of each purchase, one row a change; the one that has a success is the last. Forgotten after a time';
