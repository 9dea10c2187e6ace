-- Shards: the events are divided by a hash of their key, and each shard is leased, read and recorded by itself, so that
-- several relays publish one outbox at once. How many there are belongs to the data, and can be changed at any time.

create function outbox.shard_of(aggregateid text, shards int) returns int
language sql immutable parallel safe
return case when shards = 1 then 0
            else ((hashtextextended(aggregateid, 0) & 9223372036854775807) % shards)::int end;
comment on function outbox.shard_of(text, int) is 'The shard, of so many, that a key belongs to';

alter table outbox.lease
    add column shards  int not null default 1 check (shards between 1 and 64),
    add column arrived bigint;
comment on column outbox.lease.shards is
    'The number of shards, the same in every row. Rows of this number and above are kept as a fence, and mean nothing';
comment on column outbox.lease.arrived is
    'The epoch under which this shard has reached the barrier of outbox.resharding';

create or replace view outbox.current_position as
select p.* from outbox.lease l
cross join lateral (select * from outbox.position p where p.shard = l.shard order by p.n desc limit 1) p
where l.shard < l.shards;
comment on view outbox.current_position is 'The position that counts, one row a shard';

-- A second form, so that a single shard is read as before.
create function outbox.read_window(lower pg_snapshot, floor bigint, upper pg_snapshot, after_seq bigint, max_rows int,
                                   shard int, shards int)
returns table (seq bigint, id uuid, aggregatetype text, aggregateid text, type text, payload jsonb, body bytea,
               content_type text, headers jsonb, created_at timestamptz, tx xid8, available_at timestamptz)
language sql stable
begin atomic
    select w.seq, w.id, w.aggregatetype, w.aggregateid, w.type, w.payload, w.body,
           w.content_type, w.headers, w.created_at, w.tx, w.available_at
    from (
        (select e.* from outbox.event e
         where e.seq > greatest(read_window.floor, read_window.after_seq)
           and not pg_visible_in_snapshot(e.tx, read_window.lower)
           and (read_window.upper is null or pg_visible_in_snapshot(e.tx, read_window.upper))
           and outbox.shard_of(e.aggregateid, read_window.shards) = read_window.shard
         order by e.seq limit read_window.max_rows)
        union all
        -- Transactions that were running when lower was taken: few, and they may lie far back. "+ 0" keeps
        -- the planner from walking the whole history by seq; the index on tx finds them at once.
        (select e.* from outbox.event e
         where e.tx = any (array(select pg_snapshot_xip(read_window.lower)))
           and e.seq + 0 <= read_window.floor and e.seq + 0 > read_window.after_seq
           and (read_window.upper is null or pg_visible_in_snapshot(e.tx, read_window.upper))
           and outbox.shard_of(e.aggregateid, read_window.shards) = read_window.shard
         order by e.seq + 0 limit read_window.max_rows)
    ) w
    order by w.seq limit read_window.max_rows;
end;
comment on function outbox.read_window(pg_snapshot, bigint, pg_snapshot, bigint, int, int, int) is
    'The same, of one shard among so many';

create or replace view outbox.pending as
select p.shard, r.seq, r.id, r.aggregatetype, r.aggregateid, r.type, r.created_at,
       clock_timestamp() - greatest(r.created_at, r.available_at) as age
from outbox.current_position p
join outbox.lease l on l.shard = p.shard
cross join lateral outbox.read_window(p.lower, p.lower_floor, null, 0, null) r
where not (p.upper is not null and r.seq <= p.last_seq and pg_visible_in_snapshot(r.tx, p.upper))
  and (l.shards = 1 or outbox.shard_of(r.aggregateid, l.shards) = l.shard)
  and (r.available_at is null
       or (r.available_at <= statement_timestamp() and not exists (select from outbox.delayed d where d.seq = r.seq)))
union all
select d.shard, e.seq, e.id, e.aggregatetype, e.aggregateid, e.type, e.created_at,
       clock_timestamp() - greatest(e.created_at, d.due_at)
from outbox.delayed d join outbox.event e on e.seq = d.seq
where d.due_at <= statement_timestamp();
comment on view outbox.pending is
    'Committed events that should be published by now and are not; their age counts from when they could be';

create or replace view outbox.delayed_event as
select d.shard, e.seq, e.id, e.aggregatetype, e.aggregateid, e.type, e.created_at, e.available_at,
       e.available_at - clock_timestamp() as due_in, true as noted
from outbox.delayed d join outbox.event e on e.seq = d.seq
union all
select p.shard, r.seq, r.id, r.aggregatetype, r.aggregateid, r.type, r.created_at, r.available_at,
       r.available_at - clock_timestamp(), false
from outbox.current_position p
join outbox.lease l on l.shard = p.shard
cross join lateral outbox.read_window(p.lower, p.lower_floor, null, 0, null) r
where r.available_at is not null
  and (l.shards = 1 or outbox.shard_of(r.aggregateid, l.shards) = l.shard)
  and not (p.upper is not null and r.seq <= p.last_seq and pg_visible_in_snapshot(r.tx, p.upper))
  and not exists (select from outbox.delayed d where d.seq = r.seq);
comment on view outbox.delayed_event is
    'Committed events that wait for their time, or for their turn after it; noted: the relay has met them';

create or replace view outbox.published as
select p.shard, e.seq, e.id, e.aggregatetype, e.aggregateid, e.type, e.created_at
from outbox.event e cross join outbox.current_position p
join outbox.lease l on l.shard = p.shard
where (l.shards = 1 or outbox.shard_of(e.aggregateid, l.shards) = l.shard)
  and (pg_visible_in_snapshot(e.tx, p.lower)
       or (p.upper is not null and e.seq <= p.last_seq and pg_visible_in_snapshot(e.tx, p.upper)))
  and not exists (select from outbox.dead_letter d
                  where d.event_id = e.id and d.resolution is distinct from 'published')
  and not exists (select from outbox.delayed d where d.seq = e.seq);
comment on view outbox.published is 'Events that Kafka has acknowledged and that history still keeps';

-- The relays at work, and the leases that they share out among themselves.
create table outbox.relay (
    holder     text        primary key,
    shards     int[],
    since      timestamptz not null default clock_timestamp(),
    expires_at timestamptz not null
);
comment on table outbox.relay is 'The relays that run, by their own account: one whose expires_at has passed is gone';
comment on column outbox.relay.shards is 'Those that it can publish just now; null: any';

create function outbox.tell_relays() returns void
language sql volatile
begin atomic
    select pg_notify('outbox_lease', '') where pg_notification_queue_usage() < 0.5;
end;
comment on function outbox.tell_relays() is
    'That leases may have to change hands: now rather than at the relays'' next look, a second later at most';

create function outbox.attend(new_holder text, able int[], ttl interval) returns void
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare
    before outbox.relay;
begin
    select * into before from outbox.relay r where r.holder = new_holder;
    insert into outbox.relay (holder, shards, expires_at) values (new_holder, able, clock_timestamp() + ttl)
    on conflict (holder) do update set shards = excluded.shards, expires_at = excluded.expires_at;
    if before.expires_at > clock_timestamp() and before.shards is not distinct from able then
        return;
    end if;
    delete from outbox.relay r where r.expires_at < clock_timestamp() - interval '1 hour';
    perform outbox.tell_relays();
end
$$;
comment on function outbox.attend(text, int[], interval) is
    'Tells the others that this relay runs, and which shards it can publish (null: any). It says so again before the '
    'time is over';

create function outbox.leave(old_holder text) returns void
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
begin
    delete from outbox.relay r where r.holder = old_holder;
    perform outbox.tell_relays();
end
$$;
comment on function outbox.leave(text) is 'Tells the others that this relay stops';

create or replace function outbox.acquire_lease(wanted_shard int, new_holder text, ttl interval)
returns setof outbox.position
language plpgsql volatile as $$
declare
    new_epoch bigint;
begin
    update outbox.lease l set epoch = l.epoch + 1, holder = new_holder, expires_at = clock_timestamp() + ttl
    where l.shard = wanted_shard and l.shard < l.shards and l.expires_at < clock_timestamp()
    returning l.epoch into new_epoch;
    if new_epoch is null then
        return;
    end if;
    -- The same position under the new epoch takes the number that the predecessor would write next.
    return query
    insert into outbox.position (shard, n, epoch, system_identifier, timeline, lower, lower_floor, upper, upper_floor,
                                 last_seq, published, lsn, lsn_row, last_row)
    select p.shard, p.n + 1, new_epoch, p.system_identifier, p.timeline, p.lower, p.lower_floor, p.upper,
           p.upper_floor, p.last_seq, p.published, p.lsn, p.lsn_row, p.last_row
    from outbox.current_position p where p.shard = wanted_shard
    returning *;
end
$$;
comment on function outbox.acquire_lease(int, text, interval) is
    'Takes a shard whose lease has run out, fences its former holder, and returns the position; no row if it is held';

create or replace function outbox.release_lease(held_shard int, held_epoch bigint) returns boolean
language plpgsql volatile as $$
begin
    update outbox.lease l set expires_at = '-infinity', holder = null
    where l.shard = held_shard and l.epoch = held_epoch;
    if not found then
        return false;
    end if;
    perform outbox.tell_relays();
    return true;
end
$$;
comment on function outbox.release_lease(int, bigint) is
    'Gives a shard back at once, for a graceful stop, and tells the other relays';

create or replace function outbox.pause(reason text, shard int default null) returns setof outbox.audit
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
begin
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

-- Another number of shards. What is asked for is a row; each relay sees it in the snapshot of the poll after which it
-- would publish, and then does not. So whatever is published by then lies within any snapshot that shows the row. The
-- first of those that a relay takes becomes the barrier: all shards publish up to exactly there and wait, and whoever
-- finds that all have arrived begins the new shards from it, in one transaction.
create table outbox.resharding (
    one           boolean     primary key default true check (one),
    shards        int         not null check (shards between 1 and 64),
    requested_by  text        not null default session_user,
    requested_at  timestamptz not null default clock_timestamp(),
    barrier       pg_snapshot,
    barrier_floor bigint
);
comment on table outbox.resharding is 'The change of the number of shards that is under way, if one is';
comment on column outbox.resharding.barrier is 'Where all shards meet; null until the first relay has seen the request';
comment on column outbox.resharding.barrier_floor is
    'An event not visible in barrier, and of no transaction listed in it, has a higher seq than this';

create function outbox.give_up_reshard() returns boolean
language plpgsql volatile as $$
begin
    delete from outbox.resharding;
    return found;
end
$$;
comment on function outbox.give_up_reshard() is
    'Until it is done, a change has changed nothing; for the functions below only';

create function outbox.reshard(wanted int) returns outbox.audit
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare
    now_there int;
    under_way outbox.resharding;
begin
    if wanted is null or wanted not between 1 and 64 then
        raise exception 'there can be 1 to 64 shards, not %', wanted using errcode = 'invalid_parameter_value';
    end if;
    if wanted > 1 and exists (select from outbox.current_position p where p.lsn is not null) then
        raise exception 'an outbox that is read by logical decoding has one shard'
            using errcode = 'object_not_in_prerequisite_state',
                  hint = 'Go back to the table first: set relay.source = table, and postroom rebase --from recorded';
    end if;
    insert into outbox.resharding (shards) values (wanted) on conflict do nothing;
    if not found then
        select * into under_way from outbox.resharding for update;
    end if;
    select l.shards into now_there from outbox.lease l where l.shard = 0;
    if under_way.shards is not null and now_there = wanted then
        perform outbox.give_up_reshard();
        perform outbox.wake_relay();
        return outbox.note('reshard', 'all shards', jsonb_build_object('given_up', under_way.shards));
    elsif under_way.shards is not null then
        raise exception 'a change to % shards is under way', under_way.shards
            using errcode = 'object_not_in_prerequisite_state',
                  hint = format('See what it waits for: postroom explain. To give it up: postroom shards %s',
                                now_there);
    elsif now_there = wanted then
        raise exception 'there are % shards already', wanted using errcode = 'object_not_in_prerequisite_state';
    end if;
    perform outbox.wake_relay();
    return outbox.note('reshard', 'all shards', jsonb_build_object('from', now_there, 'to', wanted));
end
$$;
comment on function outbox.reshard(int) is
    'Has the relays change the number of shards, while they and the writers go on: nothing is lost, repeated or out of '
    'order. Takes until every shard has published what is there now; the number that is there gives a change up';

create function outbox.barrier(valid_floor bigint, out snapshot pg_snapshot, out floor bigint)
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
begin
    update outbox.resharding r set barrier = pg_current_snapshot(), barrier_floor = valid_floor where r.barrier is null;
    select r.barrier, r.barrier_floor into snapshot, floor from outbox.resharding r;
end
$$;
comment on function outbox.barrier(bigint) is
    'Where the shards meet, fixed by the first relay that asks, with a floor that holds for any snapshot from now on; '
    'null when nothing is under way. The relay calls it';

create function outbox.arrive(at_shard int, held_epoch bigint, at_barrier pg_snapshot) returns boolean
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare
    under_way outbox.resharding;
begin
    update outbox.lease l set arrived = held_epoch
    where l.shard = at_shard and l.epoch = held_epoch and l.arrived is distinct from held_epoch
      and exists (select from outbox.resharding r where r.barrier::text = at_barrier::text);
    if not exists (select from outbox.lease l join outbox.resharding r on r.barrier::text = at_barrier::text
                   where l.shard = at_shard and l.epoch = held_epoch) then
        return false;
    end if;
    -- Who finds all there locks them, so that none is taken over, and looks again.
    if outbox.all_arrived() then
        select * into under_way from outbox.resharding r where r.barrier::text = at_barrier::text for update;
        perform from outbox.lease l order by l.shard for update;
        if under_way.shards is not null and outbox.all_arrived() then
            perform outbox.begin_shards(under_way);
            return false;
        end if;
    end if;
    return true;
end
$$;
comment on function outbox.arrive(int, bigint, pg_snapshot) is
    'Tells that a shard is published up to exactly the barrier and does nothing more, and begins the new shards if it '
    'is the last one; false once there is nothing more to wait for. The relay calls it until then';

create function outbox.all_arrived() returns boolean
language sql volatile
begin atomic
    select not exists (select from outbox.lease l where l.shard < l.shards and l.arrived is distinct from l.epoch)
       and not exists (select from outbox.paused a join outbox.lease l using (shard) where l.shard < l.shards);
end;
comment on function outbox.all_arrived() is 'Whether every shard waits at the barrier, and none is paused';

create function outbox.begin_shards(wanted outbox.resharding) returns void
language plpgsql volatile as $$
declare
    before int := (select l.shards from outbox.lease l where l.shard = 0);
    new_epoch bigint := (select max(l.epoch) + 1 from outbox.lease l);
begin
    insert into outbox.lease (shard) select generate_series(0, wanted.shards - 1) on conflict do nothing;
    -- Each position takes the number that whoever had the shard would write next. What the shards that go have
    -- published counts as shard 0's.
    insert into outbox.position (shard, n, epoch, system_identifier, timeline, lower, lower_floor, published)
    select l.shard, coalesce(p.n + 1, 0), new_epoch, i.system_identifier, i.timeline, wanted.barrier,
           wanted.barrier_floor,
           case when l.shard >= least(before, wanted.shards) then 0
                when l.shard > 0 then p.published
                else p.published + coalesce((select sum(c.published) from outbox.current_position c
                                             where c.shard >= wanted.shards), 0) end
    from outbox.lease l cross join outbox.identity() i
    left join lateral (select * from outbox.position q where q.shard = l.shard order by q.n desc limit 1) p on true;
    -- What was left in Kafka under an older epoch counts no more.
    update outbox.lease l set shards = wanted.shards, epoch = new_epoch, rebased = new_epoch, holder = null,
                              expires_at = '-infinity', arrived = null, trouble = null;
    update outbox.dead_letter d set shard = outbox.shard_of(d.key, wanted.shards);
    update outbox.retry t set shard = d.shard from outbox.dead_letter d where d.event_id = t.event_id;
    update outbox.delayed d set shard = outbox.shard_of(e.aggregateid, wanted.shards)
    from outbox.event e where e.seq = d.seq;
    -- A replay keeps to the keys that it began with, whoever does it.
    update outbox.replay r set shard = 0 where r.shard >= wanted.shards;
    perform outbox.give_up_reshard();
    perform outbox.note('resharded', 'all shards', jsonb_build_object(
        'from', before, 'to', wanted.shards, 'requested_by', wanted.requested_by,
        'requested_at', wanted.requested_at, 'barrier', wanted.barrier::text));
    perform outbox.tell_relays();
end
$$;
comment on function outbox.begin_shards(outbox.resharding) is
    'Replaces the shards by new ones that begin at the barrier; for outbox.arrive only';

create or replace function outbox.rebase_effect(moved_shard int, from_snapshot pg_snapshot)
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
        join outbox.lease l
            on l.shard = p.shard and (l.shards = 1 or outbox.shard_of(e.aggregateid, l.shards) = l.shard)
    ) e;
end;
comment on function outbox.rebase_effect(int, pg_snapshot) is
    'What a rebase would do: how many published events it repeats, how many pending ones it skips, and how many it '
    'leaves to publish, by the position as it stands';

create or replace function outbox.rebase(moved_shard int, from_snapshot pg_snapshot) returns outbox.position
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare
    moved outbox.position;
begin
    -- A relay at work has lost its lease by this, and what it has left in Kafka counts no more.
    if outbox.give_up_reshard() then
        perform outbox.note('reshard', 'all shards', jsonb_build_object('given_up_for', 'rebase'));
    end if;
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

create or replace function outbox.explain(patience interval default '10 seconds')
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
    select l.shard, 'warning', 'reshard', format('to %s shards, asked for by %s at %s: waits for this shard%s',
               r.shards, r.requested_by, r.requested_at,
               case when exists (select from outbox.paused a where a.shard = l.shard) then ', which is paused' end),
           format('see what holds it up; to give it up: postroom shards %s', l.shards)
    from outbox.resharding r cross join outbox.lease l
    where l.shard < l.shards and (l.arrived is distinct from l.epoch
                                  or exists (select from outbox.paused a where a.shard = l.shard))
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

revoke execute on all functions in schema outbox from public;
grant execute on function outbox.shard_of(text, int),
    outbox.read_window(pg_snapshot, bigint, pg_snapshot, bigint, int, int, int)
    to postroom_service, postroom_relay, postroom_operator, postroom_reader;
grant execute on function outbox.tell_relays(), outbox.attend(text, int[], interval), outbox.leave(text),
    outbox.barrier(bigint), outbox.arrive(int, bigint, pg_snapshot) to postroom_relay;
grant execute on function outbox.reshard(int) to postroom_operator;
grant select on outbox.relay, outbox.resharding
    to postroom_service, postroom_relay, postroom_operator, postroom_reader;
