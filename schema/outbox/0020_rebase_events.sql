-- A rebase tells which events it would repeat or skip, not only how many.

create function outbox.rebase_events(moved_shard int, from_snapshot pg_snapshot)
returns table (seq bigint, id uuid, aggregatetype text, key text, type text, created_at timestamptz, state text,
               left_out boolean)
language sql stable
begin atomic
    select e.seq, e.id, e.aggregatetype, e.aggregateid, e.type, e.created_at,
           case when exists (select from outbox.delayed d where d.seq = e.seq) then 'delayed'
                when exists (select from outbox.dead_letter d
                             where d.event_id = e.id and d.resolution is distinct from 'published') then 'dead'
                -- On another server, new events go by the old one's transaction ids; they are younger than it.
                when e.created_at <= p.recorded_at
                     and (pg_visible_in_snapshot(e.tx, p.lower)
                          or (p.upper is not null and e.seq <= p.last_seq and pg_visible_in_snapshot(e.tx, p.upper)))
                    then 'published'
                else 'pending' end,
           pg_visible_in_snapshot(e.tx, rebase_events.from_snapshot)
    from outbox.event e
    join outbox.current_position p on p.shard = rebase_events.moved_shard
    join outbox.lease l on l.shard = p.shard and (l.shards = 1 or outbox.shard_of(e.aggregateid, l.shards) = l.shard);
end;
comment on function outbox.rebase_events(int, pg_snapshot) is
    'Every event of a shard that is kept: what became of it, by the position as it stands, and whether a rebase leaves '
    'it out. What a relay published after that position was recorded, Kafka alone knows: postroom rebase --dry-run';

create or replace function outbox.rebase_effect(moved_shard int, from_snapshot pg_snapshot)
returns table (repeated bigint, skipped bigint, to_publish bigint)
language sql stable
begin atomic
    select count(*) filter (where e.state = 'published' and not e.left_out),
           count(*) filter (where e.state = 'pending' and e.left_out),
           count(*) filter (where not e.left_out)
    from outbox.rebase_events(rebase_effect.moved_shard, rebase_effect.from_snapshot) e;
end;
comment on function outbox.rebase_effect(int, pg_snapshot) is
    'What a rebase would do: how many published events it repeats, how many pending ones it skips, and how many it '
    'leaves to publish, by the position as it stands';

create function outbox.position_since(of_shard int) returns timestamptz
language sql stable
begin atomic
    select min(p.recorded_at)
    from outbox.position p
    join outbox.current_position c on c.shard = p.shard and c.lower::text = p.lower::text
    where p.shard = position_since.of_shard;
end;
comment on function outbox.position_since(int) is
    'Since when a shard stands where it does: what Kafka was given before is behind its position, but for what was on '
    'its way to it';

revoke execute on function outbox.rebase_events(int, pg_snapshot), outbox.position_since(int) from public;
grant execute on function outbox.rebase_events(int, pg_snapshot), outbox.position_since(int)
    to postroom_operator, postroom_reader;
