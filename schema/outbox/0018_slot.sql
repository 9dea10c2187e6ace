-- The slot of a logical source: whoever asks why nothing moves is told of one that is gone, or that nobody reads.
alter table outbox.lease add column slot name;
comment on column outbox.lease.slot is
    'The replication slot that a relay of this shard has read last; null when none ever did';

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
