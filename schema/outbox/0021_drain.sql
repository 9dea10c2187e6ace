-- Drain: a pause that begins once what was committed when it was asked for is published.

alter table outbox.paused
    add column upto       pg_snapshot,
    add column stopped_at timestamptz;
comment on table outbox.paused is
    'The shards that are not to be published for now, or, to be drained, only so far. Their relay keeps its lease, and '
    'goes on when the row is gone';
comment on column outbox.paused.upto is
    'To be drained: what is visible in this snapshot is still published, then the pause begins. Null: at once';
comment on column outbox.paused.stopped_at is 'When the relay said that it publishes nothing any more; null before';

create function outbox.drain_left(of_shard int, most int) returns bigint
language sql stable
begin atomic
    select (select count(*) from outbox.read_window(
                p.lower, p.lower_floor, coalesce(p.upper, a.upto), case when p.upper is null then 0 else p.last_seq end,
                drain_left.most, l.shard, l.shards))
         -- An open window is finished; this is what lies beyond it.
         + (select count(*) from outbox.read_window(
                p.upper, p.upper_floor, a.upto, 0, drain_left.most, l.shard, l.shards) where p.upper is not null)
         + (select count(*) from outbox.delayed d where d.shard = a.shard and d.due_at <= a.paused_at)
         + (select count(*) from outbox.retry t where t.shard = a.shard and t.requested_at <= a.paused_at)
    from outbox.paused a
    join outbox.current_position p on p.shard = a.shard
    join outbox.lease l on l.shard = a.shard
    where a.shard = drain_left.of_shard and a.upto is not null;
end;
comment on function outbox.drain_left(int, int) is
    'How many events a shard that is drained has to publish before it pauses: what was committed when that was asked '
    'for, delayed events that were due, and dead ones to be retried. Each of these counts no further than most; null '
    'when it is not drained';

create function outbox.drain(reason text default 'drain', shard int default null) returns setof outbox.audit
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
    held outbox.paused;
begin
    perform outbox.keep_shards();
    if not exists (select from outbox.lease l
                   where l.shard < l.shards and l.shard = coalesce(drain.shard, l.shard)) then
        raise exception 'there is no shard %', drain.shard
            using errcode = 'no_data_found', hint = 'See them: select * from outbox.lag, or: postroom lag';
    end if;
    select * into held from outbox.paused a where a.shard = coalesce(drain.shard, a.shard) and a.upto is null limit 1;
    if found then
        raise exception 'shard % is paused, by % since %: %', held.shard, held.paused_by, held.paused_at, held.reason
            using errcode = 'object_not_in_prerequisite_state',
                  hint = format('What is paused cannot be drained: postroom resume --shard %s', held.shard);
    elsif exists (select from outbox.resharding) then
        raise exception 'the number of shards is being changed'
            using errcode = 'object_not_in_prerequisite_state', hint = 'See what it waits for: postroom explain';
    end if;
    insert into outbox.paused (shard, reason, upto)
    select l.shard, drain.reason, pg_current_snapshot() from outbox.lease l
    where l.shard < l.shards and l.shard = coalesce(drain.shard, l.shard)
    on conflict (shard) do update
    set reason = excluded.reason, paused_by = excluded.paused_by, paused_at = excluded.paused_at, upto = excluded.upto,
        stopped_at = null;
    perform outbox.wake_relay();
    return query
    select a.* from outbox.lease l
    cross join lateral outbox.note('drain', 'shard ' || l.shard, jsonb_build_object('reason', drain.reason)) a
    where l.shard < l.shards and l.shard = coalesce(drain.shard, l.shard);
end
$$;
comment on function outbox.drain(text, int) is
    'Makes the relay of a shard (without one: of every shard) publish what is committed by now, then pause, and keep '
    'its lease. Returns at once: outbox.paused.stopped_at tells when it has. Asked once more, it goes up to then';

create function outbox.stopped(at_shard int, held_epoch bigint) returns void
language sql volatile security definer set search_path = pg_catalog, pg_temp
begin atomic
    update outbox.paused a set stopped_at = clock_timestamp()
    where a.shard = stopped.at_shard and a.stopped_at is null
      and (a.upto is null or outbox.drain_left(a.shard, 1) = 0)
      and exists (select from outbox.lease l where l.shard = stopped.at_shard and l.epoch = stopped.held_epoch);
end;
comment on function outbox.stopped(int, bigint) is
    'That a paused shard''s relay publishes nothing any more, by who has the lease under that epoch. The relay '
    'calls it';

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
    set reason = excluded.reason, paused_by = excluded.paused_by, paused_at = excluded.paused_at, upto = null,
        stopped_at = null;
    perform outbox.wake_relay();
    return query
    select a.* from outbox.lease l
    cross join lateral outbox.note('pause', 'shard ' || l.shard, jsonb_build_object('reason', pause.reason)) a
    where l.shard < l.shards and l.shard = coalesce(pause.shard, l.shard);
end
$$;
comment on function outbox.pause(text, int) is
    'Makes the relay of a shard (without one: of every shard) stop publishing within a second, and keep its lease';

create or replace function outbox.read_lag()
returns table (shard int, pending bigint, oldest_age interval, published bigint, dead bigint, holder text, epoch bigint,
               leased boolean, moved_at timestamptz, paused boolean)
language sql stable security definer rows 4 set search_path = pg_catalog, pg_temp set jit = off
begin atomic
    select p.shard, w.pending, w.oldest_age, p.published,
           (select count(*) from outbox.dead_letter d where d.shard = p.shard and d.resolved_at is null),
           l.holder, l.epoch, l.expires_at > clock_timestamp(), p.recorded_at,
           exists (select from outbox.paused a
                   where a.shard = p.shard and (a.upto is null or a.stopped_at is not null))
    from outbox.current_position p
    join outbox.lease l using (shard)
    cross join lateral (
        select count(*) as pending, max(q.age) as oldest_age from outbox.pending q where q.shard = p.shard) w;
end;
comment on function outbox.read_lag() is 'outbox.lag';

create or replace function outbox.explain(patience interval default '10 seconds')
returns table (shard int, level text, cause text, detail text, remedy text)
language sql stable security definer set search_path = pg_catalog, pg_temp set jit = off
begin atomic
    with state as (
        select g.*, l.expires_at, l.trouble, l.trouble_at, p.system_identifier, p.timeline,
               case when g.pending > 0 then 'problem' else 'warning' end as level_if_pending,
               l.slot, r.slot_name, p.lsn is not null as in_stream, r.inactive_since,
               p.lsn is not null and l.slot is not null
               and (r.slot_name is null or r.wal_status = 'lost' or r.invalidation_reason is not null) as is_lost
        from outbox.lag g join outbox.lease l using (shard) join outbox.current_position p using (shard)
        left join pg_replication_slots r on r.slot_name = l.slot
    )
    select s.shard, case when s.leased then 'ok' else s.level_if_pending end, 'lease',
           case when s.leased then format('held by %s under epoch %s', s.holder, s.epoch)
                when s.epoch = 0 then 'no relay has ever run'
                when s.holder is null then format('no relay runs: the last one, of epoch %s, was stopped', s.epoch)
                else format('%s has not renewed it since it ran out at %s', s.holder, s.expires_at) end,
           case when not s.leased then 'start a relay: postroom relay --database-dsn DSN --kafka-brokers HOSTS' end
    from state s
    union all
    select s.shard, 'problem', 'system', format(
               'the position belongs to system %s, timeline %s, but this is %s, %s: a failover, restore or dump',
               s.system_identifier, s.timeline, i.system_identifier, i.timeline),
           format('decide what to repeat: postroom rebase --shard %s --from all|now|SNAPSHOT --dry-run', s.shard)
    from state s, outbox.identity() i
    where (s.system_identifier, s.timeline) <> (i.system_identifier, i.timeline)
    union all
    select a.shard, 'warning', case when a.upto is not null and a.stopped_at is null then 'draining' else 'paused' end,
           case when a.upto is null then format('by %s since %s: %s', a.paused_by, a.paused_at, a.reason)
                when a.stopped_at is null
                    then format('asked for by %s at %s: %s; %s events to publish before it pauses (10000: or more)',
                                a.paused_by, a.paused_at, a.reason, outbox.drain_left(a.shard, 10000))
                else format('drained at %s, as %s asked at %s: %s',
                            a.stopped_at, a.paused_by, a.paused_at, a.reason) end,
           format('postroom resume --shard %s', a.shard)
    from outbox.paused a
    union all
    select s.shard, s.level_if_pending, 'broker', format('the relay said at %s: %s', s.trouble_at, s.trouble),
           'see to Kafka, or to the relay''s kafka settings'
    from state s where s.trouble is not null
    union all
    select s.shard, 'problem', 'stalled', format('nothing has moved since %s, though the lease is held', s.moved_at),
           'look at the relay''s log'
    from state s
    where s.leased and not s.paused and s.trouble is null and s.pending > 0
      and s.oldest_age >= explain.patience and s.moved_at <= clock_timestamp() - explain.patience
    union all
    select d.shard, 'problem', 'dead', format('dead: %s, waiting behind them: %s, about to be retried: %s',
               count(*) filter (where d.behind is null), count(d.behind),
               count(d.retried_at) filter (where d.behind is null)),
           'postroom dead list; then dead retry, skip or edit ID'
    from outbox.dead d group by d.shard
    union all
    select l.shard, 'warning', 'reshard', format('to %s shards, asked for by %s at %s: waits for this shard%s',
               r.shards, r.requested_by, r.requested_at,
               case when exists (select from outbox.paused a where a.shard = l.shard) then ', which is paused' end),
           format('see what holds it up; to give it up: postroom shards %s', l.shards)
    from outbox.resharding r cross join outbox.lease l
    where l.shard < l.shards and (l.arrived is distinct from l.epoch
                                  or exists (select from outbox.paused a where a.shard = l.shard))
    union all
    select s.shard, case when s.is_lost then 'problem' when s.in_stream then s.level_if_pending else 'warning' end,
           'slot',
           case when s.slot_name is null then format('slot %s is gone, with what it had not given yet', s.slot)
                when s.is_lost then format('slot %s has been invalidated, with what it had not given yet', s.slot)
                else format('nobody has read slot %s since %s, and it holds WAL back', s.slot, s.inactive_since) end,
           case when s.is_lost then format('postroom rebase --shard %s --from recorded: goes on by the table, without '
                                           'loss, and then with a new slot', s.shard)
                when s.in_stream then 'start a relay that reads it: postroom relay --relay-source logical'
                else format('unless a relay is to go on with it: select pg_drop_replication_slot(%L)', s.slot) end
    from state s where s.is_lost or s.inactive_since <= clock_timestamp() - explain.patience
    union all
    select null, 'warning', 'transaction',
           format('%s has appended events and is open since %s', w.writer, w.since), w.remedy
    from outbox.open_writers(explain.patience) w
    union all
    select s.shard, 'ok', 'pending', case when s.pending = 0 then 'nothing'
               else format('%s events, the oldest of %s ago', s.pending, s.oldest_age) end, null
    from state s;
end;
comment on function outbox.explain(interval) is
    'Why events are not published: all that holds them up, or could, with what to do about it. Patience is how long '
    'a transaction may be open, or a pending event wait, before it counts';

revoke execute on function outbox.drain_left(int, int), outbox.drain(text, int), outbox.stopped(int, bigint)
    from public;
grant execute on function outbox.drain_left(int, int) to postroom_relay, postroom_operator, postroom_reader;
grant execute on function outbox.drain(text, int) to postroom_operator;
grant execute on function outbox.stopped(int, bigint) to postroom_relay;
