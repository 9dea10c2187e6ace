-- What is going on, and why nothing moves.

alter table outbox.lease add column trouble text, add column trouble_at timestamptz;
comment on column outbox.lease.trouble is
    'What the relay said last that keeps it from publishing, as of trouble_at; null once it has published again';

create or replace view outbox.published as
select p.shard, e.seq, e.id, e.aggregatetype, e.aggregateid, e.type, e.created_at
from outbox.event e cross join outbox.current_position p
where (pg_visible_in_snapshot(e.tx, p.lower)
       or (p.upper is not null and e.seq <= p.last_seq and pg_visible_in_snapshot(e.tx, p.upper)))
  and not exists (select from outbox.dead_letter d
                  where d.event_id = e.id and d.resolution is distinct from 'published');
comment on view outbox.published is 'Events that Kafka has acknowledged and that history still keeps';

create or replace view outbox.dead as
select d.shard, d.event_id, e.aggregatetype, e.aggregateid, e.type, d.topic, d.error, d.behind,
       d.parked_at, clock_timestamp() - d.parked_at as age, d.seq, d.attempts,
       exists (select from outbox.replacement r where r.event_id = d.event_id) as edited,
       (select t.requested_at from outbox.retry t where t.event_id = coalesce(d.behind, d.event_id)) as retried_at
from outbox.dead_letter d left join outbox.event e on e.seq = d.seq
where d.resolved_at is null;
comment on view outbox.dead is
    'Dead letters that nobody has resolved; retried_at is when an operator last asked the relay to go on with them';

create or replace view outbox.lag as
select p.shard, w.pending, w.oldest_age, p.published,
       (select count(*) from outbox.dead_letter d where d.shard = p.shard and d.resolved_at is null) as dead,
       l.holder, l.epoch, l.expires_at > clock_timestamp() as leased, p.recorded_at as moved_at,
       exists (select from outbox.paused a where a.shard = p.shard) as paused
from outbox.current_position p
join outbox.lease l using (shard)
cross join lateral (
    select count(*) as pending, max(q.age) as oldest_age from outbox.pending q where q.shard = p.shard) w;
comment on view outbox.lag is 'One row a shard: what waits, for how long, and who is publishing';

create function outbox.rebase_effect(moved_shard int, from_snapshot pg_snapshot)
returns table (repeated bigint, skipped bigint, to_publish bigint)
language sql stable
begin atomic
    select count(*) filter (where e.published and not e.left_out),
           count(*) filter (where not e.published and e.left_out),
           count(*) filter (where not e.left_out)
    from (
        select pg_visible_in_snapshot(e.tx, p.lower)
               or (p.upper is not null and e.seq <= p.last_seq and pg_visible_in_snapshot(e.tx, p.upper)) as published,
               pg_visible_in_snapshot(e.tx, rebase_effect.from_snapshot) as left_out
        from outbox.event e join outbox.current_position p on p.shard = rebase_effect.moved_shard
    ) e;
end;
comment on function outbox.rebase_effect(int, pg_snapshot) is
    'What a rebase would do: how many published events it repeats, how many pending ones it skips, and how many it '
    'leaves to publish, by the position as it stands';

-- Rebasing leaves a trace, too; so nobody but the relay writes a position otherwise.
create or replace function outbox.rebase(moved_shard int, from_snapshot pg_snapshot) returns outbox.position
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare
    moved outbox.position;
begin
    -- A relay at work has lost its lease by this, and what it has left in Kafka counts no more.
    update outbox.lease l set epoch = l.epoch + 1, rebased = l.epoch + 1, holder = null, expires_at = '-infinity'
    where l.shard = moved_shard;
    loop
        begin
            insert into outbox.position (shard, n, epoch, system_identifier, timeline, lower, lower_floor, published)
            select p.shard, p.n + 1, p.epoch, i.system_identifier, i.timeline, from_snapshot, 0, p.published
            from outbox.current_position p, outbox.identity() i where p.shard = moved_shard
            returning * into moved;
            exit;
        exception when unique_violation then  -- a relay at work was faster; it ends at its next renewal
            perform pg_sleep(0.001);
        end;
    end loop;
    if moved.n is null then
        raise exception 'there is no shard %', moved_shard
            using errcode = 'no_data_found', hint = 'See them: select * from outbox.lag, or: postroom lag';
    end if;
    perform outbox.wake_relay();
    perform outbox.note('rebase', 'shard ' || moved_shard,
                        jsonb_build_object('from', from_snapshot::text, 'n', moved.n));
    return moved;
end
$$;
comment on function outbox.rebase(int, pg_snapshot) is
    'Binds a position to this system and timeline after a failover, restore or dump. Everything not visible in '
    'the snapshot is published: ''1:1:'' repeats all of the history, pg_current_snapshot() skips what is there';

create function outbox.open_writers(patience interval)
returns table (writer text, since timestamptz, remedy text)
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
    select format('session %s of %s (%s)', a.pid, a.usename, coalesce(nullif(a.application_name, ''), 'unnamed')),
           a.xact_start, format('end it, or: select pg_terminate_backend(%s)', a.pid)
    from pg_stat_activity a
    where a.datname = current_database() and a.xact_start <= clock_timestamp() - open_writers.patience
      and exists (select from pg_locks l where l.pid = a.pid and l.relation = 'outbox.event'::regclass
                  and l.mode = 'RowExclusiveLock')
    union all
    select format('prepared transaction %L of %s', x.gid, x.owner), x.prepared,
           format('commit prepared %L, or: rollback prepared %1$L', x.gid)
    from pg_prepared_xacts x
    where x.database = current_database() and x.prepared <= clock_timestamp() - open_writers.patience
      and exists (select from pg_locks own join pg_locks l using (virtualtransaction)
                  where own.pid is null and own.transactionid = x.transaction
                    and l.pid is null and l.relation = 'outbox.event'::regclass);
end;
comment on function outbox.open_writers(interval) is
    'Transactions, open for longer than that, that have appended events: those are published once they commit';

create function outbox.explain(patience interval default '10 seconds')
returns table (shard int, level text, cause text, detail text, remedy text)
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
    with state as (
        select g.*, l.expires_at, l.trouble, l.trouble_at, p.system_identifier, p.timeline,
               case when g.pending > 0 then 'problem' else 'warning' end as level_if_pending
        from outbox.lag g join outbox.lease l using (shard) join outbox.current_position p using (shard)
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
    select a.shard, 'warning', 'paused', format('by %s since %s: %s', a.paused_by, a.paused_at, a.reason),
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

create view outbox.status as
select g.shard, w.level, w.causes, g.holder, g.leased, g.paused, g.pending, g.oldest_age, g.dead, g.published,
       g.moved_at
from outbox.lag g
cross join lateral (
    select case when bool_or(e.level = 'problem') then 'problem'
                when bool_or(e.level = 'warning') then 'warning' else 'ok' end as level,
           coalesce(string_agg(distinct e.cause, ', ') filter (where e.level <> 'ok'), '') as causes
    from outbox.explain() e where coalesce(e.shard, g.shard) = g.shard) w;
comment on view outbox.status is 'One row a shard: outbox.lag, and the worst that outbox.explain() finds';

revoke execute on all functions in schema outbox from public;
grant execute on function outbox.explain(interval)
    to postroom_service, postroom_relay, postroom_operator, postroom_reader;
grant execute on function outbox.rebase_effect(int, pg_snapshot) to postroom_operator, postroom_reader;
grant select on outbox.status to postroom_service, postroom_relay, postroom_operator, postroom_reader;
