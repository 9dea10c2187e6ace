-- What waits, as people ask for it. The planner takes the few rows of a backlog for millions, and compiled the view for
-- seconds, to run it for milliseconds: it stands behind a function that compiles nothing.
create function outbox.read_lag()
returns table (shard int, pending bigint, oldest_age interval, published bigint, dead bigint, holder text, epoch bigint,
               leased boolean, moved_at timestamptz, paused boolean)
language sql stable security definer rows 4 set search_path = pg_catalog, pg_temp set jit = off
begin atomic
    select p.shard, w.pending, w.oldest_age, p.published,
           (select count(*) from outbox.dead_letter d where d.shard = p.shard and d.resolved_at is null),
           l.holder, l.epoch, l.expires_at > clock_timestamp(), p.recorded_at,
           exists (select from outbox.paused a where a.shard = p.shard)
    from outbox.current_position p
    join outbox.lease l using (shard)
    cross join lateral (
        select count(*) as pending, max(q.age) as oldest_age from outbox.pending q where q.shard = p.shard) w;
end;
comment on function outbox.read_lag() is 'outbox.lag';
revoke execute on function outbox.read_lag() from public;
grant execute on function outbox.read_lag() to postroom_service, postroom_relay, postroom_operator, postroom_reader;

create or replace view outbox.lag as select * from outbox.read_lag();
comment on view outbox.lag is 'One row a shard: what waits, for how long, and who is publishing';
