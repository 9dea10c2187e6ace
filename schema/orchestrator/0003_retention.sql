-- Sagas that ended long ago are forgotten, so many at a time.

create index instance_ended on saga.instance (updated_at) where deadline is null;
-- For the foreign keys, which are asked about every row that goes.
create index audit_of_saga on saga.audit (saga_id);
create index instance_request on saga.instance (request) where request is not null;

create function saga.forget(keep interval, most int) returns int
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare
    forgotten bigint[];
begin
    if keep <= (select s.retain_for from inbox.setting s) then
        raise exception 'sagas cannot be forgotten before the inbox refuses their events: % is too short', keep
            using errcode = 'invalid_parameter_value', hint = 'Keep them longer than inbox.setting.retain_for';
    end if;
    forgotten := array(
        select i.id from saga.instance i
        where i.deadline is null and i.request is null and i.updated_at < clock_timestamp() - keep
        order by i.updated_at limit most for update skip locked);
    delete from saga.step s where s.saga_id = any (forgotten);
    delete from saga.audit a where a.saga_id = any (forgotten);
    delete from saga.instance i where i.id = any (forgotten);
    return cardinality(forgotten);
end
$$;
comment on function saga.forget(interval, int) is
    'Deletes sagas that ended longer ago than that, with all that is known of them, at most so many; returns how many. '
    'Refuses a time within which CreatePurchase may come again, as that would begin the saga anew';
revoke all on function saga.forget(interval, int) from public;
grant execute on function saga.forget(interval, int) to shop_orchestrator;
