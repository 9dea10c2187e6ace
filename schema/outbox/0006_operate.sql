-- What an operator does to the outbox: pause, resume, rebase, and what becomes of a dead letter. Each is a
-- function that leaves a line in outbox.audit, in the transaction of what it did.

create table outbox.audit (
    n       bigint      generated always as identity primary key,
    at      timestamptz not null default clock_timestamp(),
    actor   text        not null default session_user,
    action  text        not null,
    subject text        not null,
    detail  jsonb       not null default '{}'
);
comment on table outbox.audit is 'Who did what, and why: one row for every call of an operator''s function';
comment on column outbox.audit.actor is 'The login role of the session, whatever role it had set';
comment on column outbox.audit.subject is 'An event''s id, or a shard';

create function outbox.note(action text, subject text, detail jsonb) returns outbox.audit
language sql volatile
begin atomic
    insert into outbox.audit (action, subject, detail) values (note.action, note.subject, note.detail) returning *;
end;
comment on function outbox.note(text, text, jsonb) is 'Writes the audit trail, for the functions below only';

create function outbox.wake_relay() returns void
language sql volatile
begin atomic
    select pg_notify('outbox', '') where pg_notification_queue_usage() < 0.5;
end;
comment on function outbox.wake_relay() is
    'Rings, unless the notification queue fills up: the relay looks a few times a second all the same';

-- Pause and resume.
create table outbox.paused (
    shard     int         primary key references outbox.lease,
    reason    text        not null,
    paused_by text        not null default session_user,
    paused_at timestamptz not null default clock_timestamp()
);
comment on table outbox.paused is
    'The shards that are not to be published for now. Their relay keeps its lease, and goes on when the row is gone';

create function outbox.pause(reason text, shard int default null) returns setof outbox.audit
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
begin
    if not exists (select from outbox.lease l where l.shard = coalesce(pause.shard, l.shard)) then
        raise exception 'there is no shard %', pause.shard
            using errcode = 'no_data_found', hint = 'See them: select * from outbox.lag, or: postroom lag';
    end if;
    insert into outbox.paused (shard, reason)
    select l.shard, pause.reason from outbox.lease l where l.shard = coalesce(pause.shard, l.shard)
    on conflict (shard) do update
    set reason = excluded.reason, paused_by = excluded.paused_by, paused_at = excluded.paused_at;
    perform outbox.wake_relay();
    return query
    select a.* from outbox.lease l
    cross join lateral outbox.note('pause', 'shard ' || l.shard, jsonb_build_object('reason', pause.reason)) a
    where l.shard = coalesce(pause.shard, l.shard);
end
$$;
comment on function outbox.pause(text, int) is
    'Makes the relay of a shard (without one: of every shard) stop publishing within a second, and keep its lease';

create function outbox.resume(shard int default null) returns setof outbox.audit
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
begin
    perform outbox.wake_relay();
    return query
    with resumed as (
        delete from outbox.paused p where p.shard = coalesce(resume.shard, p.shard) returning *
    )
    select a.* from resumed p
    cross join lateral outbox.note('resume', 'shard ' || p.shard, jsonb_build_object(
        'paused_at', p.paused_at, 'paused_by', p.paused_by, 'paused_for', p.reason)) a;
    if not found then
        raise exception 'nothing is paused%', coalesce(' in shard ' || resume.shard, '')
            using errcode = 'object_not_in_prerequisite_state',
                  hint = 'See what holds events up: select * from outbox.explain(), or: postroom explain';
    end if;
end
$$;
comment on function outbox.resume(int) is 'Lets the relay of a shard (without one: of every shard) publish again';

-- Dead letters. Published events are only ever added to, so that what an operator changes stands beside them.
alter table outbox.dead_letter add column attempts int not null default 0;
update outbox.dead_letter set attempts = 1 where behind is null;
comment on column outbox.dead_letter.attempts is 'How often Kafka has refused it; 0 for one that only waits';
comment on column outbox.dead_letter.resolution is 'published, or skipped by an operator';
create index dead_letter_behind on outbox.dead_letter (behind, seq) where resolved_at is null;
-- By hash, as a key may be longer than an entry of a btree.
create index dead_letter_key on outbox.dead_letter using hash (key) where resolved_at is null;

create table outbox.replacement (
    event_id     uuid  primary key references outbox.dead_letter,
    payload      jsonb,
    body         bytea,
    content_type text,
    headers      jsonb,
    constraint one_content check (payload is null or body is null),
    constraint headers_are_an_object_and_name_no_column
        check (jsonb_typeof(headers) = 'object' and not headers ?| array['id', 'type', 'content-type'])
);
comment on table outbox.replacement is
    'What is published, under the event''s own id, in place of a dead event''s content; whole, not only what changed';

create table outbox.retry (
    event_id     uuid        primary key references outbox.dead_letter,
    shard        int         not null references outbox.lease,
    requested_at timestamptz not null default clock_timestamp()
);
comment on table outbox.retry is
    'The dead events whose key the relay is to go on with: the event itself if it is still open, then, by seq, all '
    'that wait behind it';

-- Until now nobody published what waited behind an event once that was resolved.
insert into outbox.retry (event_id, shard)
select distinct d.event_id, d.shard from outbox.dead_letter d
join outbox.dead_letter w on w.behind = d.event_id and w.resolved_at is null
where d.resolved_at is not null;

create function outbox.open_letter(wanted uuid) returns outbox.dead_letter
language plpgsql volatile as $$
declare
    letter outbox.dead_letter;
begin
    select * into letter from outbox.dead_letter d where d.event_id = wanted for update;
    if not found then
        raise exception 'no event % is dead', wanted
            using errcode = 'no_data_found',
                  hint = 'See those that are: select * from outbox.dead, or: postroom dead list';
    elsif letter.resolved_at is not null then
        raise exception 'event % is dead no more: it was % at %', wanted, letter.resolution, letter.resolved_at
            using errcode = 'object_not_in_prerequisite_state',
                  hint = 'See those that are: select * from outbox.dead, or: postroom dead list';
    elsif letter.behind is not null then
        raise exception 'event % only waits behind %', wanted, letter.behind
            using errcode = 'object_not_in_prerequisite_state',
                  hint = 'Retry or skip that one: this one follows by itself';
    end if;
    return letter;
end
$$;
comment on function outbox.open_letter(uuid) is
    'Locks a dead event that an operator may act on, or says why there is none; for the functions below only';

create function outbox.retry_dead(event_id uuid) returns outbox.audit
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare
    letter outbox.dead_letter := outbox.open_letter(event_id);
begin
    insert into outbox.retry (event_id, shard) values (letter.event_id, letter.shard) on conflict do nothing;
    perform outbox.wake_relay();
    return outbox.note('retry', letter.event_id::text, jsonb_build_object('error', letter.error));
end
$$;
comment on function outbox.retry_dead(uuid) is
    'Has the relay publish a dead event again, or its replacement, and then all that wait behind it';

create function outbox.skip_dead(event_id uuid, reason text) returns outbox.audit
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare
    letter outbox.dead_letter := outbox.open_letter(event_id);
begin
    update outbox.dead_letter d set resolved_at = clock_timestamp(), resolution = 'skipped'
    where d.event_id = letter.event_id;
    insert into outbox.retry (event_id, shard) values (letter.event_id, letter.shard) on conflict do nothing;
    perform outbox.wake_relay();
    return outbox.note('skip', letter.event_id::text,
                       jsonb_build_object('reason', skip_dead.reason, 'error', letter.error));
end
$$;
comment on function outbox.skip_dead(uuid, text) is
    'Gives a dead event up, and has the relay publish all that wait behind it';

create function outbox.edit_dead(event_id uuid, reason text, payload jsonb default null, body bytea default null,
                                 content_type text default null, headers jsonb default null) returns outbox.audit
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
    letter outbox.dead_letter := outbox.open_letter(edit_dead.event_id);
    keeps_content boolean := edit_dead.payload is null and edit_dead.body is null;
begin
    if keeps_content and edit_dead.headers is null then
        raise exception 'the edit of event % changes nothing', letter.event_id
            using errcode = 'invalid_parameter_value', hint = 'Give a payload, a body or headers';
    elsif exists (select from outbox.retry t where t.event_id = letter.event_id) then
        raise exception 'event % is about to be published again', letter.event_id
            using errcode = 'object_not_in_prerequisite_state',
                  hint = 'Wait for what becomes of that; it can be edited if Kafka refuses it';
    end if;
    insert into outbox.replacement as r (event_id, payload, body, content_type, headers)
    select e.id, case when keeps_content then coalesce(p.payload, case when p.event_id is null then e.payload end)
                 else edit_dead.payload end,
           case when keeps_content then coalesce(p.body, case when p.event_id is null then e.body end)
           else edit_dead.body end,
           coalesce(edit_dead.content_type, case when keeps_content then coalesce(p.content_type, e.content_type) end),
           coalesce(edit_dead.headers, p.headers, e.headers)
    from outbox.event e left join outbox.replacement p on p.event_id = e.id
    where e.seq = letter.seq
    on conflict (event_id) do update set payload = excluded.payload, body = excluded.body,
                                         content_type = excluded.content_type, headers = excluded.headers;
    return outbox.note('edit', letter.event_id::text, jsonb_build_object(
        'reason', edit_dead.reason, 'payload', edit_dead.payload, 'headers', edit_dead.headers,
        'content_type', edit_dead.content_type, 'body_sha256', encode(sha256(edit_dead.body), 'hex')));
end
$$;
comment on function outbox.edit_dead(uuid, text, jsonb, bytea, text, jsonb) is
    'Replaces a dead event''s content (by a payload or a body, and its content type), its headers, or both: what is '
    'not given stays. The event itself is never changed; retry_dead publishes the replacement under its id';

-- The relay's side of it.
create function outbox.read_letters(head uuid, max_rows int)
returns table (seq bigint, id uuid, aggregatetype text, aggregateid text, type text, payload jsonb, body bytea,
               content_type text, headers jsonb)
language sql stable
begin atomic
    select e.seq, e.id, e.aggregatetype, e.aggregateid, e.type,
           case when r.event_id is null then e.payload else r.payload end,
           case when r.event_id is null then e.body else r.body end,
           case when r.event_id is null then e.content_type else r.content_type end,
           case when r.event_id is null then e.headers else r.headers end
    from (
        (select d.seq, 1 as turn from outbox.dead_letter d
         where d.event_id = read_letters.head and d.resolved_at is null)
        union all
        (select d.seq, 2 from outbox.dead_letter d
         where d.behind = read_letters.head and d.resolved_at is null
         order by d.seq limit read_letters.max_rows)
    ) d
    join outbox.event e on e.seq = d.seq
    left join outbox.replacement r on r.event_id = e.id
    order by d.turn, d.seq limit read_letters.max_rows;
end;
comment on function outbox.read_letters(uuid, int) is
    'A dead event, unless it is resolved, and what waits behind it, as they are to be published, in that order';

create function outbox.retried(head uuid, published uuid[], refused uuid, error text) returns void
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
begin
    update outbox.dead_letter d set resolved_at = clock_timestamp(), resolution = 'published'
    where d.event_id = any (retried.published);
    if refused is not null then
        update outbox.dead_letter d set behind = null, attempts = d.attempts + 1, error = retried.error
        where d.event_id = retried.refused;
        update outbox.dead_letter d set behind = retried.refused
        where d.behind = retried.head and d.resolved_at is null and retried.refused <> retried.head;
    end if;
    delete from outbox.retry t
    -- If the refused head was skipped meanwhile, what waits behind it still goes on.
    where t.event_id = retried.head
      and (retried.refused <> retried.head
           or exists (select from outbox.dead_letter d
                      where d.event_id = retried.refused and d.resolved_at is null)
           or not exists (select from outbox.read_letters(retried.head, 1)));
end
$$;
comment on function outbox.retried(uuid, uuid[], uuid, text) is
    'What became of letters that were read: these are published, and if one was refused, it is dead again and the '
    'rest waits behind it. A head with nothing left is done with. The relay calls it';

-- An operator acts through the functions alone; everybody may see what was done.
revoke execute on all functions in schema outbox from public;
revoke update (resolved_at, resolution) on outbox.dead_letter from postroom_operator;
revoke insert on outbox.position from postroom_operator;
revoke update (epoch, rebased, holder, expires_at) on outbox.lease from postroom_operator;
grant execute on function outbox.pause(text, int), outbox.resume(int), outbox.retry_dead(uuid),
    outbox.skip_dead(uuid, text), outbox.edit_dead(uuid, text, jsonb, bytea, text, jsonb) to postroom_operator;
grant select on outbox.audit, outbox.paused, outbox.replacement, outbox.retry
    to postroom_service, postroom_relay, postroom_operator, postroom_reader;
grant execute on function outbox.read_letters(uuid, int), outbox.retried(uuid, uuid[], uuid, text) to postroom_relay;
-- A history that is replayed may have an event refused again that was published after all.
grant update (topic, error, behind, attempts, resolved_at, resolution) on outbox.dead_letter to postroom_relay;
