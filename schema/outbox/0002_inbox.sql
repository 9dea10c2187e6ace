-- The inbox: what a consumer has already applied. A row is inserted in the transaction of the effect,
-- so that an event delivered twice, even at once, takes effect once.

create schema inbox;
comment on schema inbox is 'Inbox: remembers every event that a consumer has applied, in the transaction of its effect';

create table inbox.received (
    event_id            uuid        not null,
    consumer            text        not null check (consumer <> ''),
    received_at         timestamptz not null default clock_timestamp(),
    source              text,
    redeliveries        int         not null default 0,
    last_redelivered_at timestamptz,
    primary key (event_id, consumer)
) partition by range (event_id);
comment on table inbox.received is
    'Applied events. Partitioned by the id itself: a version 7 UUID begins with its time, so a day of ids is a range';
comment on column inbox.received.consumer is 'The consumer''s stable name: its Kafka group, as a rule';
comment on column inbox.received.source is 'Where it came from: topic/partition/offset';
comment on column inbox.received.redeliveries is 'How often it was delivered again, and suppressed';

-- Ids without a time (version 4), and those of days not made yet.
create table inbox.received_default partition of inbox.received default;

create function inbox.first_id(at timestamptz) returns uuid
language sql immutable parallel safe
return (lpad(to_hex((extract(epoch from first_id.at) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid;
comment on function inbox.first_id(timestamptz) is
    'The lowest version 7 UUID of that millisecond, without version bits';

create function inbox.make_partitions(days_ahead int default 7) returns int
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    day date;
    name text;
    made int := 0;
begin
    perform pg_advisory_xact_lock(1886352244, 2);
    for day in select generate_series(current_date - 1, current_date + least(days_ahead, 60), '1 day')::date loop
        name := 'received_' || to_char(day, 'YYYYMMDD');
        continue when to_regclass('inbox.' || name) is not null;
        -- Ids of a day that fell into the default partition already stay there, and the day with them.
        continue when exists (
            select from inbox.received_default r
            where r.event_id >= inbox.first_id(day::timestamp at time zone 'UTC')
              and r.event_id < inbox.first_id((day + 1)::timestamp at time zone 'UTC'));
        execute format('create table inbox.%I (like inbox.received including defaults including constraints)', name);
        execute format('alter table inbox.received attach partition inbox.%I for values from (%L) to (%L)', name,
                       inbox.first_id(day::timestamp at time zone 'UTC'),
                       inbox.first_id((day + 1)::timestamp at time zone 'UTC'));
        made := made + 1;
    end loop;
    return made;
end
$$;
comment on function inbox.make_partitions(int) is
    'Attaches a partition a day, ahead of time, and returns how many were missing. The consumer calls it';
select inbox.make_partitions();

create function inbox.accept(consumer text, event_id uuid, source text default null) returns boolean
language plpgsql volatile as $$
#variable_conflict use_variable
begin
    -- Waits for a concurrent delivery of the same event to commit or roll back, then decides.
    insert into inbox.received as r (event_id, consumer, source) values (event_id, consumer, source)
    on conflict do nothing;
    if found then
        return true;
    end if;
    update inbox.received r set redeliveries = r.redeliveries + 1, last_redelivered_at = clock_timestamp()
    where r.event_id = accept.event_id and r.consumer = accept.consumer;
    return false;
end
$$;
comment on function inbox.accept(text, uuid, text) is
    'True when the event is new to the consumer: apply it in this transaction. False when it was applied before';

create function inbox.accept_all(consumer text, event_ids uuid[], sources text[] default null) returns setof uuid
language plpgsql volatile as $$
#variable_conflict use_variable
declare
    fresh uuid[];
begin
    with inserted as (
        -- In one order everywhere, so that two batches that overlap cannot deadlock.
        insert into inbox.received as r (event_id, consumer, source, redeliveries)
        select d.event_id, accept_all.consumer, min(d.source), count(*) - 1
        from unnest(event_ids, sources) as d(event_id, source)
        group by d.event_id order by d.event_id
        on conflict do nothing
        returning r.event_id
    )
    select coalesce(array_agg(i.event_id), '{}') into fresh from inserted i;
    if cardinality(fresh) < cardinality(event_ids) then
        update inbox.received r
        set redeliveries = r.redeliveries + d.times, last_redelivered_at = clock_timestamp()
        from (select u.event_id, count(*) as times from unnest(event_ids) as u(event_id)
              where u.event_id <> all (fresh) group by u.event_id order by u.event_id) d
        where r.event_id = d.event_id and r.consumer = accept_all.consumer;
    end if;
    return query select unnest(fresh);
end
$$;
comment on function inbox.accept_all(text, uuid[], text[]) is
    'Accepts a batch in one statement and returns the ids that are new to the consumer';

create table inbox.dead_letter (
    consumer    text        not null,
    event_id    uuid        not null,
    topic       text        not null,
    partition   int         not null,
    "offset"    bigint      not null,
    key         text,
    type        text,
    headers     jsonb,
    payload     bytea,
    attempts    int         not null,
    error       text        not null,
    behind      uuid,
    parked_at   timestamptz not null default clock_timestamp(),
    resolved_at timestamptz,
    resolution  text,
    primary key (consumer, event_id)
);
-- By hash, as a key may be longer than an entry of a btree.
create index dead_letter_open on inbox.dead_letter using hash (key) where resolved_at is null;
comment on table inbox.dead_letter is
    'Events that a handler could not apply, whole, and those of the same key that wait behind them';
comment on column inbox.dead_letter.resolved_at is
    'Set by an operator. What is resolved is delivered no more, unless its offset is read again: then it is tried anew';
comment on column inbox.dead_letter.behind is
    'The failed event of the same key that this one waits for; null for the failed one';

create view inbox.recent as
select r.event_id, r.consumer, r.received_at, r.source, r.redeliveries, r.last_redelivered_at
from inbox.received r where r.received_at > clock_timestamp() - interval '1 hour';
comment on view inbox.recent is 'What was applied in the last hour';

create view inbox.duplicates as
select r.event_id, r.consumer, r.received_at, r.source, r.redeliveries, r.last_redelivered_at
from inbox.received r where r.redeliveries > 0;
comment on view inbox.duplicates is 'Events that were delivered again, and suppressed';

create view inbox.dead as
select d.consumer, d.event_id, d.topic, d.partition, d."offset", d.key, d.type, d.attempts, d.error, d.behind,
       d.parked_at, clock_timestamp() - d.parked_at as age
from inbox.dead_letter d where d.resolved_at is null;
comment on view inbox.dead is 'Dead letters that nobody has resolved';

grant usage on schema inbox to postroom_service, postroom_operator, postroom_reader;
revoke execute on all functions in schema inbox from public;
grant select, insert on inbox.received, inbox.dead_letter to postroom_service;
grant update (redeliveries, last_redelivered_at) on inbox.received to postroom_service;
grant execute on function inbox.accept(text, uuid, text), inbox.accept_all(text, uuid[], text[]),
    inbox.make_partitions(int) to postroom_service;
grant execute on function inbox.first_id(timestamptz) to postroom_service, postroom_operator, postroom_reader;
grant select on inbox.recent, inbox.duplicates, inbox.dead to postroom_service;
grant select on all tables in schema inbox to postroom_operator, postroom_reader;
-- A service parks an event again that was resolved and then failed once more.
grant update (attempts, error, behind, parked_at, resolved_at, resolution) on inbox.dead_letter to postroom_service;
grant update (resolved_at, resolution) on inbox.dead_letter to postroom_operator;
