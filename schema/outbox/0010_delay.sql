-- Delayed events: available_at makes an event wait. The relay notes it when it meets it in a window, which it holds
-- up no further, and publishes it when it is due, beside the windows: in the order of due time, then seq.

alter table outbox.event add column available_at timestamptz;
comment on column outbox.event.available_at is
    'Not to be published before then (server clock). With one, even one in the past, an event is ordered by it and not '
    'among the others of its key; null: at once, in order';
grant insert (available_at) on outbox.event to postroom_service;

drop function outbox.append(text, text, text, jsonb, jsonb, uuid, bytea, text);
create function outbox.append(
    aggregatetype text, aggregateid text, type text, payload jsonb default null, headers jsonb default null,
    id uuid default null, body bytea default null, content_type text default null,
    available_at timestamptz default null) returns uuid
language plpgsql volatile as $$
#variable_conflict use_variable
declare
    event_id uuid := coalesce(id, outbox.uuidv7());
begin
    insert into outbox.event (id, aggregatetype, aggregateid, type, payload, body, content_type, headers, available_at)
    values (event_id, aggregatetype, aggregateid, type, payload, body, content_type, headers, available_at);
    return event_id;
end
$$;
comment on function outbox.append(text, text, text, jsonb, jsonb, uuid, bytea, text, timestamptz) is
    'Appends one event to the caller''s transaction and returns its id. Lock the aggregate''s row before, '
    'and its events are published in the order of their commits; but one with available_at, when it is due';
revoke execute on function outbox.append(text, text, text, jsonb, jsonb, uuid, bytea, text, timestamptz) from public;
grant execute on function outbox.append(text, text, text, jsonb, jsonb, uuid, bytea, text, timestamptz)
    to postroom_service;

create table outbox.delayed (
    shard    int         not null references outbox.lease,
    seq      bigint      primary key,
    event_id uuid        not null,
    due_at   timestamptz not null,
    noted_at timestamptz not null default clock_timestamp()
);
create index delayed_due on outbox.delayed (shard, due_at, seq);
comment on table outbox.delayed is
    'The delayed events that the position has passed, or is about to pass; gone once Kafka has acknowledged them';

create function outbox.read_window(lower pg_snapshot, floor bigint, upper pg_snapshot, after_seq bigint, max_rows int)
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
         order by e.seq limit read_window.max_rows)
        union all
        -- Transactions that were running when lower was taken: few, and they may lie far back. "+ 0" keeps
        -- the planner from walking the whole history by seq; the index on tx finds them at once.
        (select e.* from outbox.event e
         where e.tx = any (array(select pg_snapshot_xip(read_window.lower)))
           and e.seq + 0 <= read_window.floor and e.seq + 0 > read_window.after_seq
           and (read_window.upper is null or pg_visible_in_snapshot(e.tx, read_window.upper))
         order by e.seq + 0 limit read_window.max_rows)
    ) w
    order by w.seq limit read_window.max_rows;
end;
comment on function outbox.read_window(pg_snapshot, bigint, pg_snapshot, bigint, int) is
    'The committed events between two snapshots, by seq, above after_seq, the delayed ones among them; without an '
    'upper one, all that the caller sees. Nothing is missed and nothing waits for a running transaction';

-- As before: a relay that knows nothing of delays publishes such an event at once rather than never.
create or replace function outbox.read(lower pg_snapshot, floor bigint, upper pg_snapshot, after_seq bigint,
                                       max_rows int)
returns table (seq bigint, id uuid, aggregatetype text, aggregateid text, type text, payload jsonb, body bytea,
               content_type text, headers jsonb, created_at timestamptz, tx xid8)
language sql stable
begin atomic
    select w.seq, w.id, w.aggregatetype, w.aggregateid, w.type, w.payload, w.body,
           w.content_type, w.headers, w.created_at, w.tx
    from outbox.read_window(read.lower, read.floor, read.upper, read.after_seq, read.max_rows) w
    order by w.seq;
end;
comment on function outbox.read(pg_snapshot, bigint, pg_snapshot, bigint, int) is
    'outbox.read_window without available_at';

create function outbox.read_due(due_shard int, max_rows int)
returns table (seq bigint, id uuid, aggregatetype text, aggregateid text, type text, payload jsonb, body bytea,
               content_type text, headers jsonb)
language sql stable
begin atomic
    select e.seq, e.id, e.aggregatetype, e.aggregateid, e.type, e.payload, e.body, e.content_type, e.headers
    from (select d.seq, d.due_at from outbox.delayed d
          where d.shard = read_due.due_shard and d.due_at <= statement_timestamp()
          order by d.due_at, d.seq limit read_due.max_rows) d
    join outbox.event e on e.seq = d.seq
    order by d.due_at, d.seq;
end;
comment on function outbox.read_due(int, int) is
    'The delayed events of a shard whose time has come, in the order in which they are to be published';

-- What waits is not behind; what is due is, as of then.
create or replace view outbox.pending as
select p.shard, r.seq, r.id, r.aggregatetype, r.aggregateid, r.type, r.created_at,
       clock_timestamp() - greatest(r.created_at, r.available_at) as age
from outbox.current_position p
cross join lateral outbox.read_window(p.lower, p.lower_floor, null, 0, null) r
where not (p.upper is not null and r.seq <= p.last_seq and pg_visible_in_snapshot(r.tx, p.upper))
  and (r.available_at is null
       or (r.available_at <= statement_timestamp() and not exists (select from outbox.delayed d where d.seq = r.seq)))
union all
select d.shard, e.seq, e.id, e.aggregatetype, e.aggregateid, e.type, e.created_at,
       clock_timestamp() - greatest(e.created_at, d.due_at)
from outbox.delayed d join outbox.event e on e.seq = d.seq
where d.due_at <= statement_timestamp();
comment on view outbox.pending is
    'Committed events that should be published by now and are not; their age counts from when they could be';

create view outbox.delayed_event as
select d.shard, e.seq, e.id, e.aggregatetype, e.aggregateid, e.type, e.created_at, e.available_at,
       e.available_at - clock_timestamp() as due_in, true as noted
from outbox.delayed d join outbox.event e on e.seq = d.seq
union all
select p.shard, r.seq, r.id, r.aggregatetype, r.aggregateid, r.type, r.created_at, r.available_at,
       r.available_at - clock_timestamp(), false
from outbox.current_position p
cross join lateral outbox.read_window(p.lower, p.lower_floor, null, 0, null) r
where r.available_at is not null
  and not (p.upper is not null and r.seq <= p.last_seq and pg_visible_in_snapshot(r.tx, p.upper))
  and not exists (select from outbox.delayed d where d.seq = r.seq);
comment on view outbox.delayed_event is
    'Committed events that wait for their time, or for their turn after it; noted: the relay has met them';

create or replace view outbox.published as
select p.shard, e.seq, e.id, e.aggregatetype, e.aggregateid, e.type, e.created_at
from outbox.event e cross join outbox.current_position p
where (pg_visible_in_snapshot(e.tx, p.lower)
       or (p.upper is not null and e.seq <= p.last_seq and pg_visible_in_snapshot(e.tx, p.upper)))
  and not exists (select from outbox.dead_letter d
                  where d.event_id = e.id and d.resolution is distinct from 'published')
  and not exists (select from outbox.delayed d where d.seq = e.seq);
comment on view outbox.published is 'Events that Kafka has acknowledged and that history still keeps';

-- Retention: history stays while it is needed.
create function outbox.is_needed(first_seq bigint, last_seq bigint) returns boolean
language sql stable
begin atomic
    select exists (select from outbox.dead_letter d
                   where d.resolved_at is null and d.seq between is_needed.first_seq and is_needed.last_seq)
        or exists (select from outbox.delayed d where d.seq between is_needed.first_seq and is_needed.last_seq);
end;
comment on function outbox.is_needed(bigint, bigint) is
    'Whether events that the position has passed are needed all the same: an open dead letter''s, a delayed one';

create or replace function outbox.is_published(partition text) returns boolean
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    position outbox.position;
    waiting boolean;
begin
    for position in select c.* from outbox.current_position c loop
        if (position.system_identifier, position.timeline) is distinct from
           (select (i.system_identifier, i.timeline) from outbox.identity() i) then
            return false;
        end if;
        execute format($sql$
            select exists (select from outbox.%1$I e where e.tx >= pg_snapshot_xmax($1))
                or exists (select from outbox.%1$I e where e.tx = any (array(select pg_snapshot_xip($1))))
                or outbox.is_needed((select min(e.seq) from outbox.%1$I e), (select max(e.seq) from outbox.%1$I e))
            $sql$, partition) into waiting using position.lower;
        if waiting then
            return false;
        end if;
    end loop;
    return true;
end
$$;
comment on function outbox.is_published(text) is
    'Whether a partition holds no committed event that is still to be published, nor one that is needed otherwise';

create or replace function outbox.trim_default() returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    gone bigint;
begin
    delete from outbox.event_default e where e.seq = any (array(
        select o.seq from outbox.event_default o
        where o.created_at < clock_timestamp() - (select s.retain_for from outbox.setting s)
          and not exists (select from outbox.current_position c where not pg_visible_in_snapshot(o.tx, c.lower))
          and not outbox.is_needed(o.seq, o.seq)
        order by o.seq limit 10000));
    get diagnostics gone = row_count;
    return gone;
end
$$;
comment on function outbox.trim_default() is
    'Removes old published events from event_default, 10,000 at most, and returns how many. The relay calls it';

revoke execute on function outbox.is_needed(bigint, bigint), outbox.read_due(int, int),
    outbox.read_window(pg_snapshot, bigint, pg_snapshot, bigint, int) from public;
grant execute on function outbox.read_window(pg_snapshot, bigint, pg_snapshot, bigint, int)
    to postroom_service, postroom_relay, postroom_operator, postroom_reader;
grant execute on function outbox.read_due(int, int) to postroom_relay;
grant insert, delete on outbox.delayed to postroom_relay;
grant select on outbox.delayed, outbox.delayed_event
    to postroom_service, postroom_relay, postroom_operator, postroom_reader;
