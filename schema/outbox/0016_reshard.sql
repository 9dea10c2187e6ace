-- What a change of the number of shards left open: an arrival at a barrier that was given up, and what an operator asks
-- for at the very moment of the change.

create or replace function outbox.barrier(valid_floor bigint, out snapshot pg_snapshot, out floor bigint)
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
begin
    update outbox.resharding r set barrier = pg_current_snapshot(), barrier_floor = valid_floor where r.barrier is null;
    if found then  -- who is at one that was given up is not at this one
        update outbox.lease l set arrived = null where l.arrived is not null;
    end if;
    select r.barrier, r.barrier_floor into snapshot, floor from outbox.resharding r;
end
$$;
comment on function outbox.barrier(bigint) is
    'Where the shards meet, fixed by the first relay that asks, with a floor that holds for any snapshot from now on; '
    'null when nothing is under way. The relay calls it';

-- A relay may tell, or have told, of its arrival at a barrier that was given up; its position tells which one it was.
create or replace function outbox.all_arrived() returns boolean
language sql volatile
begin atomic
    select not exists (select from outbox.lease l where l.shard < l.shards and l.arrived is distinct from l.epoch)
       and not exists (select from outbox.current_position p
                       where p.lower::text is distinct from (select r.barrier::text from outbox.resharding r))
       and not exists (select from outbox.paused a join outbox.lease l using (shard) where l.shard < l.shards);
end;
comment on function outbox.all_arrived() is
    'Whether every shard waits at the barrier, by its own account and by its position, and none is paused';

-- Both of these name shards by their number, which must not change between a look at it and the end of the transaction.
create function outbox.keep_shards() returns void
language plpgsql volatile as $$
begin
    perform from outbox.lease l where l.shard = 0 for key share;
end
$$;
comment on function outbox.keep_shards() is
    'Holds a change of the number of shards up until the end of the transaction; for the functions below only';
revoke execute on function outbox.keep_shards() from public;

create or replace function outbox.pause(reason text, shard int default null) returns setof outbox.audit
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
begin
    perform outbox.keep_shards();
    if not exists (select from outbox.lease l
                   where l.shard < l.shards and l.shard = coalesce(pause.shard, l.shard)) then
        raise exception 'there is no shard %', pause.shard
            using errcode = 'no_data_found', hint = 'See them: select * from outbox.lag, or: postroom lag';
    end if;
    insert into outbox.paused (shard, reason)
    select l.shard, pause.reason from outbox.lease l
    where l.shard < l.shards and l.shard = coalesce(pause.shard, l.shard)
    on conflict (shard) do update
    set reason = excluded.reason, paused_by = excluded.paused_by, paused_at = excluded.paused_at;
    perform outbox.wake_relay();
    return query
    select a.* from outbox.lease l
    cross join lateral outbox.note('pause', 'shard ' || l.shard, jsonb_build_object('reason', pause.reason)) a
    where l.shard < l.shards and l.shard = coalesce(pause.shard, l.shard);
end
$$;
comment on function outbox.pause(text, int) is
    'Makes the relay of a shard (without one: of every shard) stop publishing within a second, and keep its lease';

create or replace function outbox.start_replay(
    from_time timestamptz default null, to_time timestamptz default null, types text[] default null,
    keys text[] default null, aggregatetypes text[] default null, max_events bigint default null,
    topic text default null, rate int default 5000) returns setof outbox.replay
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
    begins timestamptz := coalesce(start_replay.from_time, '-infinity');
    ends timestamptz := coalesce(start_replay.to_time, statement_timestamp());
    wanted outbox.replay;
begin
    perform outbox.keep_shards();
    perform outbox.check_kept(start_replay.from_time);
    for wanted in
        insert into outbox.replay (shard, part, parts, total, cursor, last_seq, upto, from_time, to_time, types, keys,
                                   aggregatetypes, topic, rate)
        select h.shard, h.shard, l.shards, h.events, h.first_seq - 1, h.last_seq, p.lower, begins, ends,
               start_replay.types, start_replay.keys, start_replay.aggregatetypes, start_replay.topic, start_replay.rate
        from (select f.shard, count(*) as events, min(f.seq) as first_seq, max(f.seq) as last_seq
              from outbox.find_history(begins, ends, start_replay.types, start_replay.keys,
                                       start_replay.aggregatetypes, start_replay.max_events) f
              group by f.shard) h
        join outbox.current_position p on p.shard = h.shard
        join outbox.lease l on l.shard = h.shard
        returning *
    loop
        perform outbox.note('replay', 'replay ' || wanted.id, to_jsonb(wanted));
        return next wanted;
    end loop;
    perform outbox.wake_relay();
end
$$;
comment on function outbox.start_replay(timestamptz, timestamptz, text[], text[], text[], bigint, text, int) is
    'Has the relay publish history again, under the events'' own ids and with a header postroom-replay, in the order '
    'of seq, and beside what is new: a consumer''s inbox suppresses what it has applied. No row: nothing matches';
