-- Replays of an outbox with several shards: each is of the keys of one, as they were divided when it was asked for.

alter table outbox.replay
    add column part  int not null default 0,
    add column parts int not null default 1;
comment on column outbox.replay.part is 'It publishes the keys of this shard among so many as there were: parts';
comment on column outbox.replay.shard is 'Whose relay does it';

create or replace function outbox.find_history(from_time timestamptz, to_time timestamptz, types text[], keys text[],
                                    aggregatetypes text[], max_events bigint)
returns table (shard int, seq bigint, type text, created_at timestamptz)
language sql stable
begin atomic
    select p.shard, e.seq, e.type, e.created_at
    from outbox.event e cross join outbox.current_position p
    join outbox.lease l on l.shard = p.shard
    where (l.shards = 1 or outbox.shard_of(e.aggregateid, l.shards) = l.shard)
      and pg_visible_in_snapshot(e.tx, p.lower)
      and e.created_at >= find_history.from_time and e.created_at < find_history.to_time
      and (find_history.types is null or e.type = any (find_history.types))
      and (find_history.keys is null or e.aggregateid = any (find_history.keys))
      and (find_history.aggregatetypes is null or e.aggregatetype = any (find_history.aggregatetypes))
      and not exists (select from outbox.dead_letter d
                      where d.event_id = e.id and d.resolution is distinct from 'published')
      and not exists (select from outbox.delayed d where d.seq = e.seq)
    order by e.seq limit find_history.max_events;
end;
comment on function outbox.find_history(timestamptz, timestamptz, text[], text[], text[], bigint) is
    'The published events that were appended from one time to before another, by seq; null filters let all pass. It '
    'looks through all of the history that is kept';

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

create or replace function outbox.read_replay(replay_id bigint, after_seq bigint, until_seq bigint, max_rows int)
returns table (seq bigint, id uuid, aggregatetype text, aggregateid text, type text, payload jsonb, body bytea,
               content_type text, headers jsonb)
language sql stable
begin atomic
    select e.seq, e.id, e.aggregatetype, e.aggregateid, e.type,
           case when n.event_id is null then e.payload else n.payload end,
           case when n.event_id is null then e.body else n.body end,
           case when n.event_id is null then e.content_type else n.content_type end,
           coalesce(case when n.event_id is null then e.headers else n.headers end, '{}')
               || jsonb_build_object('postroom-replay', r.id::text)
    from outbox.replay r
    join outbox.event e on e.seq > read_replay.after_seq and e.seq <= read_replay.until_seq
    left join outbox.dead_letter d on d.event_id = e.id
    left join outbox.replacement n on n.event_id = e.id
    where r.id = read_replay.replay_id
      and (r.parts = 1 or outbox.shard_of(e.aggregateid, r.parts) = r.part)
      and pg_visible_in_snapshot(e.tx, r.upto)
      and e.created_at >= r.from_time and e.created_at < r.to_time
      and (r.types is null or e.type = any (r.types))
      and (r.keys is null or e.aggregateid = any (r.keys))
      and (r.aggregatetypes is null or e.aggregatetype = any (r.aggregatetypes))
      and (d.event_id is null or d.resolution = 'published')
      and not exists (select from outbox.delayed w where w.seq = e.seq)
    order by e.seq limit read_replay.max_rows;
end;
comment on function outbox.read_replay(bigint, bigint, bigint, int) is
    'What a replay wants of the history between two seqs, as it was published';
