-- The outbox: what a service appends in its own transaction, and where the relay stands in it.
--
-- Any client that speaks SQL may append (outbox.append, or a plain INSERT in Debezium's outbox layout),
-- inspect (the views at the end) and read (outbox.read). The relay never updates or deletes an event.

create schema outbox;
comment on schema outbox is
    'Transactional outbox: events are appended in the transaction of the change that they announce';

-- Group roles, shared by every database of the cluster. Grant them to login roles; they own nothing.
do $$
declare
    wanted text;
begin
    foreach wanted in array array['postroom_service', 'postroom_relay', 'postroom_operator', 'postroom_reader'] loop
        begin
            execute format('create role %I nologin', wanted);
        exception when duplicate_object or unique_violation then
            null;  -- another database of this cluster has made it
        end;
    end loop;
end
$$;

-- RFC 9562 version 7: 48 bits of Unix milliseconds, then random bits, so that ids sort by age.
create function outbox.uuidv7() returns uuid
language sql volatile parallel safe
return encode(
    set_bit(set_bit(
        overlay(uuid_send(gen_random_uuid())
                placing substring(int8send((extract(epoch from clock_timestamp()) * 1000)::bigint) from 3)
                from 1 for 6),
        52, 1), 53, 1),
    'hex')::uuid;
comment on function outbox.uuidv7() is 'A new time-ordered UUID (RFC 9562, version 7)';

create table outbox.event (
    -- tx stands before seq: defaults are computed in column order, so a transaction has its xid before it
    -- draws a seq. outbox.poll's floor rests on that, and on a sequence that caches nothing.
    tx            xid8        not null default pg_current_xact_id(),
    seq           bigint      generated always as identity (cache 1),
    created_at    timestamptz not null default clock_timestamp(),
    id            uuid        not null default outbox.uuidv7(),
    aggregatetype text        not null,
    aggregateid   text        not null,
    type          text        not null,
    payload       jsonb,
    body          bytea,
    content_type  text,
    headers       jsonb,
    primary key (seq),
    -- The length stands apart: counted by the expression ({1,200}), it cost 6 µs of every insert, not 0.3.
    constraint aggregatetype_names_a_topic check (aggregatetype ~ '^[A-Za-z0-9._-]+$' and length(aggregatetype) <= 200),
    constraint aggregateid_is_a_key check (aggregateid <> '' and octet_length(aggregateid) <= 4096),
    constraint type_is_a_name check (type <> '' and octet_length(type) <= 255),
    constraint one_content check (payload is null or body is null),
    constraint headers_are_an_object_and_name_no_column
        check (jsonb_typeof(headers) = 'object' and not headers ?| array['id', 'type', 'content-type'])
) partition by range (seq);
create index event_tx on outbox.event (tx);

comment on table outbox.event is 'Events, insert-only: a strict superset of Debezium''s outbox layout';
comment on column outbox.event.tx is 'The appending transaction; never given by the writer';
comment on column outbox.event.seq is 'The order of appends. Gaps are normal; a later seq may commit earlier';
comment on column outbox.event.created_at is 'When it was appended (server clock), not when it was committed';
comment on column outbox.event.id is 'The identity that consumers dedupe by; keep it when an append is retried';
comment on column outbox.event.aggregatetype is 'Routes the event: topic outbox.event.<aggregatetype> by default';
comment on column outbox.event.aggregateid is 'The Kafka key: events of one key keep their order';
comment on column outbox.event.type is 'What happened, in the past tense: OrderPlaced';
comment on column outbox.event.payload is 'JSON content; neither payload nor body makes a tombstone';
comment on column outbox.event.body is 'Content that is not JSON, as bytes, described by content_type';
comment on column outbox.event.content_type is
    'Media type; null means application/json, or application/octet-stream for a body';
comment on column outbox.event.headers is
    'String values that become Kafka headers: traceparent, correlation-id, your own';

-- The net under the partitions made ahead: with the relay away for long, appends still succeed.
create table outbox.event_default partition of outbox.event default;

create table outbox.setting (
    partition_events bigint not null default 8388608 check (partition_events between 1000 and 1e12::bigint),
    partitions_ahead int    not null default 2 check (partitions_ahead between 1 and 16),
    one boolean primary key default true check (one)
);
insert into outbox.setting default values;
comment on table outbox.setting is 'One row of settings that belong to the data, not to a relay';

create function outbox.make_partitions() returns int
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    size bigint;
    ahead int;
    newest bigint;
    lower_bound bigint;
    name text;
    made int := 0;
begin
    perform pg_advisory_xact_lock(1886352244, 1);  -- two relays may ask at once
    select s.partition_events, s.partitions_ahead into size, ahead from outbox.setting s;
    select last_value into newest from outbox.event_seq_seq;
    select coalesce(max(substring(c.relname from '^event_([0-9]+)$')::bigint), 0) into lower_bound
    from pg_inherits i join pg_class c on c.oid = i.inhrelid
    where i.inhparent = 'outbox.event'::regclass and c.relname ~ '^event_[0-9]+$';
    -- Names carry the exclusive upper bound. Rows that fell into the default partition stay there, so
    -- a new range must begin above everything that was drawn.
    if lower_bound <= newest and (lower_bound > 0 or newest > 1) then
        lower_bound := newest + size;
    end if;
    while lower_bound <= newest + ahead * size loop
        name := format('event_%s', lower_bound + size);
        execute format('create table outbox.%I (like outbox.event including defaults including constraints)', name);
        execute format('alter table outbox.event attach partition outbox.%I for values from (%s) to (%s)',
                       name, lower_bound, lower_bound + size);
        lower_bound := lower_bound + size;
        made := made + 1;
    end loop;
    return made;
end
$$;
comment on function outbox.make_partitions() is
    'Attaches the partitions that should stand ahead, and returns how many. Writers wait for the moment of attaching, '
    'and for a scan of event_default where that has rows. The relay calls it';

-- The doorbell. Relays share the session lock (1886352244, 4); one that is awake holds (1886352244, 0) and polls.
-- Nobody rings it, nor where there is none: a notification per commit would serialize every commit of the cluster.
create function outbox.ring() returns trigger
language plpgsql as $$
begin
    if current_setting('outbox.ring', true) is distinct from 'off' then
        perform pg_notify('outbox', '');
    end if;
    return null;
end
$$;
comment on function outbox.ring() is
    'Wakes a sleeping relay at commit. PostgreSQL prepares no transaction that has notified: before a PREPARE '
    'TRANSACTION, set local outbox.ring = off; the relay then finds the events within a second';
-- After the statement, so that its xid is assigned before the doorbell is looked at. A lock is given back at
-- once, lest many writers together keep a waking relay from it; in one expression, which no cancellation splits.
create trigger ring after insert on outbox.event for each statement
when (case when not pg_try_advisory_lock_shared(1886352244, 0) then false
           when not pg_advisory_unlock_shared(1886352244, 0) then null  -- cannot be
           when pg_try_advisory_lock(1886352244, 4) then not pg_advisory_unlock(1886352244, 4)
           else true end)
execute function outbox.ring();
comment on trigger ring on outbox.event is
    'Every writer rings, one that uses plain INSERT or COPY as well; nothing to do while the relay is awake';

create function outbox.append(
    aggregatetype text, aggregateid text, type text, payload jsonb default null, headers jsonb default null,
    id uuid default null, body bytea default null, content_type text default null) returns uuid
language plpgsql volatile as $$
#variable_conflict use_variable
declare
    event_id uuid := coalesce(id, outbox.uuidv7());
begin
    insert into outbox.event (id, aggregatetype, aggregateid, type, payload, body, content_type, headers)
    values (event_id, aggregatetype, aggregateid, type, payload, body, content_type, headers);
    return event_id;
end
$$;
comment on function outbox.append(text, text, text, jsonb, jsonb, uuid, bytea, text) is
    'Appends one event to the caller''s transaction and returns its id. Lock the aggregate''s row before, '
    'and its events are published in the order of their commits';

create function outbox.lock_aggregate(aggregatetype text, aggregateid text) returns void
language sql volatile
return pg_advisory_xact_lock(hashtextextended(aggregatetype || '/' || aggregateid, 1886352244));
comment on function outbox.lock_aggregate(text, text) is
    'Serializes the transactions of one aggregate that has no row to lock; call it before append';

create table outbox.lease (
    shard      int primary key,
    epoch      bigint not null default 0,
    holder     text,
    expires_at timestamptz not null default '-infinity'
);
insert into outbox.lease (shard) values (0);
comment on table outbox.lease is 'Which relay publishes a shard, until when (server clock), and its fencing epoch';

create table outbox.position (
    shard             int         not null references outbox.lease,
    n                 bigint      not null,
    epoch             bigint      not null,
    system_identifier bigint      not null,
    timeline          int         not null,
    lower             pg_snapshot not null,
    lower_floor       bigint      not null,
    upper             pg_snapshot,
    upper_floor       bigint,
    last_seq          bigint      not null default 0,
    published         bigint      not null default 0,
    recorded_at       timestamptz not null default clock_timestamp(),
    primary key (shard, n),
    constraint a_window_has_both_ends check ((upper is null) = (upper_floor is null))
);
comment on table outbox.position is
    'How far each shard is published: an insert-only log of which the highest n counts. (shard, n) being unique, '
    'a relay that has been superseded cannot write';
comment on column outbox.position.epoch is 'The lease''s epoch under which it was written';
comment on column outbox.position.lower is 'Every event visible in this snapshot is published';
comment on column outbox.position.lower_floor is
    'An event not visible in lower, and of no transaction listed in it, has a higher seq than this';
comment on column outbox.position.upper is
    'The window being published, fixed before its first event; null between windows';
comment on column outbox.position.last_seq is 'Of that window, the events up to this seq are published';
comment on column outbox.position.published is 'Events published since the outbox was made';

create function outbox.identity(out system_identifier bigint, out timeline int)
language sql stable
begin atomic
    select s.system_identifier,
           ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int
    from pg_control_system() s;
end;
comment on function outbox.identity() is
    'What a position is bound to: another system or timeline may have given the same ids to other events';

insert into outbox.position (shard, n, epoch, system_identifier, timeline, lower, lower_floor)
select 0, 0, 0, i.system_identifier, i.timeline, '1:1:', 0 from outbox.identity() i;

create view outbox.current_position as
select p.* from outbox.lease l
cross join lateral (select * from outbox.position p where p.shard = l.shard order by p.n desc limit 1) p;
comment on view outbox.current_position is 'The position that counts, one row a shard';

create function outbox.acquire_lease(wanted_shard int, new_holder text, ttl interval)
returns setof outbox.position
language plpgsql volatile as $$
declare
    new_epoch bigint;
begin
    update outbox.lease l set epoch = l.epoch + 1, holder = new_holder, expires_at = clock_timestamp() + ttl
    where l.shard = wanted_shard and l.expires_at < clock_timestamp()
    returning l.epoch into new_epoch;
    if new_epoch is null then
        return;
    end if;
    -- The same position under the new epoch takes the number that the predecessor would write next.
    return query
    insert into outbox.position (shard, n, epoch, system_identifier, timeline,
                                 lower, lower_floor, upper, upper_floor, last_seq, published)
    select p.shard, p.n + 1, new_epoch, p.system_identifier, p.timeline,
           p.lower, p.lower_floor, p.upper, p.upper_floor, p.last_seq, p.published
    from outbox.current_position p where p.shard = wanted_shard
    returning *;
end
$$;
comment on function outbox.acquire_lease(int, text, interval) is
    'Takes a shard whose lease has run out, fences its former holder, and returns the position; no row if it is held';

create function outbox.renew_lease(held_shard int, held_epoch bigint, ttl interval) returns boolean
language plpgsql volatile as $$
begin
    update outbox.lease l set expires_at = clock_timestamp() + ttl
    where l.shard = held_shard and l.epoch = held_epoch;
    return found;
end
$$;
comment on function outbox.renew_lease(int, bigint, interval) is 'False when another relay has taken the shard';

create function outbox.release_lease(held_shard int, held_epoch bigint) returns boolean
language plpgsql volatile as $$
begin
    update outbox.lease l set expires_at = '-infinity', holder = null
    where l.shard = held_shard and l.epoch = held_epoch;
    return found;
end
$$;
comment on function outbox.release_lease(int, bigint) is 'Gives a shard back at once, for a graceful stop';

create function outbox.rebase(moved_shard int, from_snapshot pg_snapshot) returns outbox.position
language sql volatile
begin atomic
    insert into outbox.position (shard, n, epoch, system_identifier, timeline, lower, lower_floor, published)
    select p.shard, p.n + 1, p.epoch, i.system_identifier, i.timeline, rebase.from_snapshot, 0, p.published
    from outbox.current_position p, outbox.identity() i where p.shard = rebase.moved_shard
    returning *;
end;
comment on function outbox.rebase(int, pg_snapshot) is
    'Binds a position to this system and timeline after a failover, restore or dump. Everything not visible in '
    'the snapshot is published: ''1:1:'' repeats all of the history, pg_current_snapshot() skips what is there';

create function outbox.read(lower pg_snapshot, floor bigint, upper pg_snapshot, after_seq bigint, max_rows int)
returns table (seq bigint, id uuid, aggregatetype text, aggregateid text, type text, payload jsonb, body bytea,
               content_type text, headers jsonb, created_at timestamptz, tx xid8)
language sql stable
begin atomic
    select w.seq, w.id, w.aggregatetype, w.aggregateid, w.type, w.payload, w.body,
           w.content_type, w.headers, w.created_at, w.tx
    from (
        (select e.* from outbox.event e
         where e.seq > greatest(read.floor, read.after_seq)
           and not pg_visible_in_snapshot(e.tx, read.lower)
           and (read.upper is null or pg_visible_in_snapshot(e.tx, read.upper))
         order by e.seq limit read.max_rows)
        union all
        -- Transactions that were running when lower was taken: few, and they may lie far back. "+ 0" keeps
        -- the planner from walking the whole history by seq; the index on tx finds them at once.
        (select e.* from outbox.event e
         where e.tx = any (array(select pg_snapshot_xip(read.lower)))
           and e.seq + 0 <= read.floor and e.seq + 0 > read.after_seq
           and (read.upper is null or pg_visible_in_snapshot(e.tx, read.upper))
         order by e.seq + 0 limit read.max_rows)
    ) w
    order by w.seq limit read.max_rows;
end;
comment on function outbox.read(pg_snapshot, bigint, pg_snapshot, bigint, int) is
    'The committed events between two snapshots, by seq, above after_seq; without an upper one, all that the '
    'caller sees. Nothing is missed and nothing waits for a running transaction';

create table outbox.dead_letter (
    shard       int         not null references outbox.lease,
    seq         bigint      not null,
    event_id    uuid        not null,
    topic       text        not null,
    key         text        not null,
    error       text        not null,
    behind      uuid,
    parked_at   timestamptz not null default clock_timestamp(),
    resolved_at timestamptz,
    resolution  text,
    primary key (event_id)
);
create index dead_letter_open on outbox.dead_letter (shard) where resolved_at is null;
comment on table outbox.dead_letter is 'Events that Kafka refused, and those of the same key that wait behind them';
comment on column outbox.dead_letter.behind is
    'The refused event of the same key that this one waits for; null for the refused one';

create function outbox.maintain() returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    perform outbox.make_partitions();
    delete from outbox.position p using outbox.current_position c
    where p.shard = c.shard and p.n < c.n - 10000;
end
$$;
comment on function outbox.maintain() is 'Partitions ahead, old positions away. The relay calls it every minute';

select outbox.make_partitions();

create view outbox.pending as
select p.shard, r.seq, r.id, r.aggregatetype, r.aggregateid, r.type, r.created_at,
       clock_timestamp() - r.created_at as age
from outbox.current_position p
cross join lateral outbox.read(p.lower, p.lower_floor, null, 0, null) r
where not (p.upper is not null and r.seq <= p.last_seq and pg_visible_in_snapshot(r.tx, p.upper));
comment on view outbox.pending is 'Committed events that are not published yet, oldest append first';

create view outbox.published as
select p.shard, e.seq, e.id, e.aggregatetype, e.aggregateid, e.type, e.created_at
from outbox.event e cross join outbox.current_position p
where (pg_visible_in_snapshot(e.tx, p.lower)
       or (p.upper is not null and e.seq <= p.last_seq and pg_visible_in_snapshot(e.tx, p.upper)))
  and not exists (select from outbox.dead_letter d where d.event_id = e.id);
comment on view outbox.published is 'Events that Kafka has acknowledged and that history still keeps';

create view outbox.dead as
select d.shard, d.event_id, e.aggregatetype, e.aggregateid, e.type, d.topic, d.error, d.behind,
       d.parked_at, clock_timestamp() - d.parked_at as age
from outbox.dead_letter d left join outbox.event e on e.seq = d.seq
where d.resolved_at is null;
comment on view outbox.dead is 'Dead letters that nobody has resolved';

create view outbox.lag as
select p.shard, w.pending, w.oldest_age, p.published,
       (select count(*) from outbox.dead d where d.shard = p.shard) as dead,
       l.holder, l.epoch, l.expires_at > clock_timestamp() as leased, p.recorded_at as moved_at
from outbox.current_position p
join outbox.lease l using (shard)
cross join lateral (
    select count(*) as pending, max(q.age) as oldest_age from outbox.pending q where q.shard = p.shard) w;
comment on view outbox.lag is 'One row a shard: what waits, for how long, and who is publishing';

-- Least privilege. A service appends and looks; it cannot choose seq or tx, nor change or remove an event.
grant usage on schema outbox to postroom_service, postroom_relay, postroom_operator, postroom_reader;
revoke execute on all functions in schema outbox from public;
grant insert (id, aggregatetype, aggregateid, type, payload, body, content_type, headers)
    on outbox.event to postroom_service;
grant execute on function outbox.append(text, text, text, jsonb, jsonb, uuid, bytea, text), outbox.uuidv7(),
    outbox.lock_aggregate(text, text) to postroom_service;
grant select on outbox.event, outbox.lease, outbox.position, outbox.dead_letter, outbox.setting,
    outbox.current_position, outbox.pending, outbox.published, outbox.lag, outbox.dead
    to postroom_service, postroom_relay, postroom_operator, postroom_reader;
grant execute on function outbox.read(pg_snapshot, bigint, pg_snapshot, bigint, int)
    to postroom_service, postroom_relay, postroom_operator, postroom_reader;
grant execute on function outbox.identity() to postroom_relay, postroom_operator, postroom_reader;
grant select on sequence outbox.event_seq_seq to postroom_relay;
grant insert on outbox.position, outbox.dead_letter to postroom_relay;
grant update on outbox.lease to postroom_relay;
grant execute on function outbox.acquire_lease(int, text, interval), outbox.renew_lease(int, bigint, interval),
    outbox.release_lease(int, bigint), outbox.maintain() to postroom_relay;
grant insert on outbox.position to postroom_operator;
grant execute on function outbox.rebase(int, pg_snapshot) to postroom_operator;
grant update (resolved_at, resolution) on outbox.dead_letter to postroom_operator;
grant update on outbox.setting to postroom_operator;
