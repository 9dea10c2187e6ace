-- How long history is kept: partitions that are published, and old or too many, are dropped.

alter table outbox.setting
    add column retain_for   interval not null default '24 hours' check (retain_for >= '0'),
    add column retain_bytes bigint   check (retain_bytes > 0);
comment on column outbox.setting.partition_events is
    'Events a partition has room for; it is closed before when it gets old';
comment on column outbox.setting.partitions_ahead is 'Partitions attached beyond the one in use';
comment on column outbox.setting.retain_for is
    'Published events are kept this long at least, and by a quarter longer at most while a relay runs';
comment on column outbox.setting.retain_bytes is
    'Above this, published partitions go before their time, oldest first; null: time alone decides';

create index dead_letter_seq on outbox.dead_letter (seq) where resolved_at is null;

create view outbox.partition as
select c.relname::text as name, substring(c.relname from '^event_([0-9]+)$')::bigint as upper_bound,
       pg_total_relation_size(c.oid) as bytes
from pg_inherits i join pg_class c on c.oid = i.inhrelid
where i.inhparent = 'outbox.event'::regclass;
comment on view outbox.partition is
    'The partitions of outbox.event: their seqs lie below upper_bound; null is the default one''s';

create function outbox.rotate() returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    newest bigint;
    bound bigint;
    oldest timestamptz;
begin
    -- Cheap, and mostly the end of it.
    select last_value into newest from outbox.event_seq_seq;
    select min(p.upper_bound) into bound from outbox.partition p where p.upper_bound > newest;
    execute format('select e.created_at from outbox.%I e order by e.seq limit 1', 'event_' || bound) into oldest;
    if oldest is null or oldest > clock_timestamp() - (select s.retain_for / 4 from outbox.setting s) then
        return false;
    end if;
    -- Waits for whoever has drawn a seq, so that none is drawn between looking and setting: a seq must never
    -- come back, as the relay's floor rests on that.
    alter sequence outbox.event_seq_seq cache 1;
    select last_value into newest from outbox.event_seq_seq;
    if newest < bound - 1 then
        execute format('alter sequence outbox.event_seq_seq restart with %s', bound);
        perform nextval('outbox.event_seq_seq');  -- else last_value would not count
    end if;
    return true;
end
$$;
comment on function outbox.rotate() is
    'Goes on with the next partition once the one in use holds events older than a quarter of retain_for, so that '
    'a quiet outbox drops its history, too. Needs a lock that waits for open transactions: set lock_timeout. The '
    'relay calls it';

create function outbox.is_published(partition text) returns boolean
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
                or exists (select from outbox.dead_letter d
                           where d.resolved_at is null
                             and d.seq between (select min(e.seq) from outbox.%1$I e)
                                           and (select max(e.seq) from outbox.%1$I e))
            $sql$, partition) into waiting using position.lower;
        if waiting then
            return false;
        end if;
    end loop;
    return true;
end
$$;
comment on function outbox.is_published(text) is
    'Whether a partition holds no committed event that is still to be published, nor an open dead letter''s';

create function outbox.drop_history() returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    victim text;
begin
    select p.name into victim
    from (select q.*, sum(q.bytes) over () as all_bytes from outbox.partition q) p, outbox.setting s
    where p.upper_bound <= (select min(c.lower_floor) from outbox.current_position c)
      and outbox.is_published(p.name)
      and (p.all_bytes > s.retain_bytes
           or coalesce(outbox.newest_in(p.name), '-infinity') < clock_timestamp() - s.retain_for)
    order by p.upper_bound limit 1;
    if victim is null then
        return null;
    end if;
    if current_setting('transaction_isolation') <> 'read committed' then
        raise exception 'outbox.drop_history needs to see what commits while it waits: use read committed'
            using errcode = 'invalid_transaction_state';
    end if;
    -- The parent first, as writers do. Whoever has written into the partition and is still open holds it up.
    lock table only outbox.event in access exclusive mode;
    execute format('lock table outbox.%I in access exclusive mode', victim);
    if not outbox.is_published(victim) then
        raise exception 'outbox.% got an event while it was about to be dropped', victim
            using errcode = 'object_in_use', hint = 'It is tried again by itself, a minute from now';
    end if;
    execute format('drop table outbox.%I', victim);
    return victim;
end
$$;
comment on function outbox.drop_history() is
    'Drops the oldest partition that is published and beyond retain_for or retain_bytes, and returns its name. '
    'Never one with an unpublished event or an open dead letter. It needs the whole table for a moment, which any open '
    'transaction that has used it holds up, and makes writers wait: set lock_timeout. The relay calls it';

create function outbox.newest_in(partition text) returns timestamptz
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    newest timestamptz;
begin
    execute format('select e.created_at from outbox.%I e order by e.seq desc limit 1', partition) into newest;
    return newest;
end
$$;
comment on function outbox.newest_in(text) is 'When the last event of a partition was appended';

-- Each step of the relay's housekeeping stands alone: one that is held up must not hold the others up.
drop function outbox.maintain();
create function outbox.trim_positions() returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    gone bigint;
begin
    delete from outbox.position p where (p.shard, p.n) in (
        select o.shard, o.n from outbox.current_position c
        cross join lateral (select q.shard, q.n from outbox.position q
                            where q.shard = c.shard and q.n < c.n - 10000 order by q.n limit 50000) o);
    get diagnostics gone = row_count;
    return gone;
end
$$;
comment on function outbox.trim_positions() is
    'Removes all but the last 10,000 positions of each shard, 50,000 at most. The relay calls it';

-- What fell beside the ranges goes by rows.
create function outbox.trim_default() returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    gone bigint;
begin
    delete from outbox.event_default e where e.seq = any (array(
        select o.seq from outbox.event_default o
        where o.created_at < clock_timestamp() - (select s.retain_for from outbox.setting s)
          and not exists (select from outbox.current_position c where not pg_visible_in_snapshot(o.tx, c.lower))
          and not exists (select from outbox.dead_letter d where d.seq = o.seq and d.resolved_at is null)
        order by o.seq limit 10000));
    get diagnostics gone = row_count;
    return gone;
end
$$;
comment on function outbox.trim_default() is
    'Removes old published events from event_default, 10,000 at most, and returns how many. The relay calls it';

revoke execute on function outbox.rotate(), outbox.is_published(text), outbox.drop_history(), outbox.newest_in(text),
    outbox.trim_default(), outbox.trim_positions() from public;
grant execute on function outbox.make_partitions(), outbox.rotate(), outbox.drop_history(), outbox.trim_default(),
    outbox.trim_positions() to postroom_relay;
grant select on outbox.partition to postroom_service, postroom_relay, postroom_operator, postroom_reader;

-- The inbox forgets by days. What is older than all that it remembers is refused, as nobody can tell any more whether
-- it was applied.
create table inbox.setting (
    retain_for interval not null default '8 days' check (retain_for >= '1 day'),
    forgotten_before timestamptz,
    one boolean primary key default true check (one)
);
insert into inbox.setting default values;
comment on table inbox.setting is 'One row of settings of the inbox';
comment on column inbox.setting.retain_for is
    'How long an applied event is remembered, in whole days of its id; longer than Kafka keeps the topics, so that '
    'no replay is older (Kafka''s default is 7 days)';

create function inbox.refuse_forgotten() returns trigger
language plpgsql as $$
begin
    if exists (select from inbox.received r where r.event_id = new.event_id and r.consumer = new.consumer) then
        return null;  -- remembered all the same: a duplicate
    end if;
    raise exception 'event % is older than the history of the inbox: whether it was applied is not known any more',
        new.event_id using errcode = 'object_not_in_prerequisite_state',
        hint = 'Nothing is applied twice. To apply it once more on purpose, publish it again under a new id';
end
$$;
comment on function inbox.refuse_forgotten() is 'Keeps an event from being applied that may have been, long ago';

create function inbox.border() returns timestamptz
language sql stable
return (((now() - (select s.retain_for from inbox.setting s)) at time zone 'UTC')::date)::timestamp at time zone 'UTC';
comment on function inbox.border() is 'The midnight (UTC) before which events may be forgotten';

create function inbox.refuse_before(at timestamptz) returns void
language plpgsql as $$
declare
    forgotten timestamptz;
begin
    -- It never moves back: what has been forgotten stays so, however long retain_for is now.
    update inbox.setting s set forgotten_before = greatest(s.forgotten_before, refuse_before.at)
    returning s.forgotten_before into forgotten;
    -- Days that are gone fall into the default partition. Ids without a time (other than version 7) are not touched:
    -- they are remembered for retain_for after their receipt.
    execute format(
        'create or replace trigger refuse_forgotten before insert on inbox.received_default for each row '
        'when (new.event_id < %L and get_byte(uuid_send(new.event_id), 6) >> 4 = 7) '
        'execute function inbox.refuse_forgotten()', inbox.first_id(forgotten));
end
$$;
comment on function inbox.refuse_before(timestamptz) is
    'Has events from before that time refused; for the functions below';

create function inbox.drop_history() returns int
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '100ms' as $$
declare
    partitions text[] := array(
        select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid
        where i.inhparent = 'inbox.received'::regclass and c.relname ~ '^received_[0-9]{8}$'
          and to_date(right(c.relname, 8), 'YYYYMMDD') < (inbox.border() at time zone 'UTC')::date);
    partition text;
begin
    if cardinality(partitions) = 0 then
        return 0;
    end if;
    perform pg_advisory_xact_lock(1886352244, 2);
    lock table only inbox.received in access exclusive mode;
    foreach partition in array partitions loop
        execute format('drop table if exists inbox.%I', partition);
    end loop;
    perform inbox.refuse_before(inbox.border());
    return cardinality(partitions);
exception when lock_not_available then
    return 0;
end
$$;
comment on function inbox.drop_history() is
    'Forgets the days beyond retain_for, and refuses their events from then on; returns how many. Gives up when an '
    'open transaction holds it up for 100 ms. The consumer calls it';

create index received_default_age on inbox.received_default (received_at);
create function inbox.trim_default() returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '100ms' as $$
declare
    gone bigint;
begin
    delete from inbox.received_default r where r.ctid = any (array(
        select o.ctid from inbox.received_default o where o.received_at < inbox.border()
        order by o.received_at limit 10000));
    get diagnostics gone = row_count;
    if gone > 0 then
        perform inbox.refuse_before(inbox.border());
    end if;
    return gone;
exception when lock_not_available then
    return 0;
end
$$;
comment on function inbox.trim_default() is
    'Forgets what fell beside the days, such as ids without a time, beyond retain_for: 10,000 at most; returns how '
    'many. The consumer calls it until nothing is left';

comment on column inbox.setting.forgotten_before is
    'Events from before then are refused; null while nothing is forgotten';

revoke execute on function inbox.refuse_forgotten(), inbox.border(), inbox.refuse_before(timestamptz),
    inbox.drop_history(), inbox.trim_default() from public;
grant execute on function inbox.drop_history(), inbox.trim_default() to postroom_service;
grant select on inbox.setting to postroom_service, postroom_operator, postroom_reader;
grant update (retain_for) on inbox.setting to postroom_operator;
