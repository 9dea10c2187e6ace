-- Replays: published history, published again, for a consumer that is new, another topic, or an inbox that was built
-- anew. Requested here, done by the relay of the shard, a batch between two windows.

create table outbox.replay (
    id             bigint      generated always as identity primary key,
    shard          int         not null references outbox.lease,
    state          text        not null default 'running'
                               check (state in ('running', 'cancelled', 'failed', 'done')),
    total          bigint      not null,
    done           bigint      not null default 0,
    cursor         bigint      not null,
    last_seq       bigint      not null,
    upto           pg_snapshot not null,
    from_time      timestamptz not null,
    to_time        timestamptz not null,
    types          text[],
    keys           text[],
    aggregatetypes text[],
    topic          text        check (topic ~ '^[A-Za-z0-9._-]{1,249}$'),
    rate           int         not null check (rate between 1 and 1000000),
    error          text,
    requested_by   text        not null default session_user,
    requested_at   timestamptz not null default clock_timestamp(),
    finished_at    timestamptz
);
create index replay_running on outbox.replay (shard, id) where state = 'running';
comment on table outbox.replay is
    'Requests to publish history again, one row a shard, and how far each is. The relay goes on where the cursor is';
comment on column outbox.replay.total is 'How many events were wanted when it was asked for';
comment on column outbox.replay.done is 'How many Kafka has acknowledged; what a crash repeats counts once';
comment on column outbox.replay.cursor is 'What is wanted up to this seq is published; the rest ends at last_seq';
comment on column outbox.replay.upto is 'What was published when it was asked for: later events are not wanted';
comment on column outbox.replay.topic is 'Everything goes there; null: each event to its own topic';
comment on column outbox.replay.rate is 'Events a second, at most';

create function outbox.find_history(from_time timestamptz, to_time timestamptz, types text[], keys text[],
                                    aggregatetypes text[], max_events bigint)
returns table (shard int, seq bigint, type text, created_at timestamptz)
language sql stable
begin atomic
    select p.shard, e.seq, e.type, e.created_at
    from outbox.event e cross join outbox.current_position p
    where pg_visible_in_snapshot(e.tx, p.lower)
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

create function outbox.check_kept(from_time timestamptz) returns void
language plpgsql stable as $$
declare
    oldest timestamptz := (select e.created_at from outbox.event e order by e.seq limit 1);
    newest timestamptz := (select e.created_at from outbox.event e order by e.seq desc limit 1);
begin
    if oldest is null then
        raise exception 'no history is kept' using errcode = 'no_data_found';
    elsif from_time < oldest then
        raise exception 'history is kept from % to % only', oldest, newest
            using errcode = 'invalid_parameter_value',
                  hint = 'Begin there, or give no beginning for all of it. How much is kept, outbox.setting says';
    end if;
end
$$;
comment on function outbox.check_kept(timestamptz) is 'Refuses a time that the history does not reach back to';

create function outbox.replay_effect(from_time timestamptz default null, to_time timestamptz default null,
                                     types text[] default null, keys text[] default null,
                                     aggregatetypes text[] default null, max_events bigint default null)
returns table (type text, events bigint, first_at timestamptz, last_at timestamptz)
language plpgsql stable as $$
#variable_conflict use_column
begin
    perform outbox.check_kept(replay_effect.from_time);
    return query
    select h.type, count(*), min(h.created_at), max(h.created_at)
    from outbox.find_history(coalesce(replay_effect.from_time, '-infinity'),
                             coalesce(replay_effect.to_time, statement_timestamp()), replay_effect.types,
                             replay_effect.keys, replay_effect.aggregatetypes, replay_effect.max_events) h
    group by h.type order by h.type;
end
$$;
comment on function outbox.replay_effect(timestamptz, timestamptz, text[], text[], text[], bigint) is
    'How many events a replay would publish again, by type, and of which time';

create function outbox.start_replay(
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
        insert into outbox.replay (shard, total, cursor, last_seq, upto, from_time, to_time, types, keys,
                                   aggregatetypes, topic, rate)
        select h.shard, h.events, h.first_seq - 1, h.last_seq, p.lower, begins, ends, start_replay.types,
               start_replay.keys, start_replay.aggregatetypes, start_replay.topic, start_replay.rate
        from (select f.shard, count(*) as events, min(f.seq) as first_seq, max(f.seq) as last_seq
              from outbox.find_history(begins, ends, start_replay.types, start_replay.keys,
                                       start_replay.aggregatetypes, start_replay.max_events) f
              group by f.shard) h
        join outbox.current_position p on p.shard = h.shard
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

create function outbox.cancel_replay(replay_id bigint) returns outbox.audit
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare
    ended outbox.replay;
begin
    update outbox.replay r set state = 'cancelled', finished_at = clock_timestamp()
    where r.id = replay_id and r.state = 'running' returning * into ended;
    if not found then
        raise exception 'no replay % is running', replay_id
            using errcode = 'no_data_found', hint = 'See them: select * from outbox.replay, or: postroom replay list';
    end if;
    return outbox.note('replay cancel', 'replay ' || replay_id, to_jsonb(ended));
end
$$;
comment on function outbox.cancel_replay(bigint) is 'Cancels a replay after the batch that is under way';

create function outbox.resume_replay(replay_id bigint) returns outbox.audit
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare
    resumed outbox.replay;
begin
    select * into resumed from outbox.replay r
    where r.id = replay_id and r.state in ('cancelled', 'failed') for update;
    if not found then
        raise exception 'no replay % is cancelled or failed', replay_id
            using errcode = 'no_data_found', hint = 'See them: select * from outbox.replay, or: postroom replay list';
    elsif not exists (select from outbox.event e where e.seq between resumed.cursor and resumed.cursor + 1) then
        raise exception 'the history that replay % has still to publish is not kept whole any more', replay_id
            using errcode = 'object_not_in_prerequisite_state', hint = 'Start another one from what is kept';
    end if;
    update outbox.replay r set state = 'running', error = null, finished_at = null where r.id = replay_id;
    perform outbox.wake_relay();
    return outbox.note('replay resume', 'replay ' || replay_id, to_jsonb(resumed));
end
$$;
comment on function outbox.resume_replay(bigint) is 'Goes on with a replay that was cancelled or has failed';

-- The relay's side of it. A turn looks at so many events at most, however few of them are wanted.
create function outbox.next_turn(replay_id bigint, after_seq bigint) returns bigint
language sql stable
begin atomic
    select max(t.seq) from (
        select e.seq from outbox.event e
        where e.seq > next_turn.after_seq
          and e.seq <= (select r.last_seq from outbox.replay r where r.id = next_turn.replay_id)
        order by e.seq limit 10000) t;
end;
comment on function outbox.next_turn(bigint, bigint) is 'Where a replay''s next turn ends; null when it is through';

create function outbox.read_replay(replay_id bigint, after_seq bigint, until_seq bigint, max_rows int)
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
    where r.id = read_replay.replay_id and pg_visible_in_snapshot(e.tx, r.upto)
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

create function outbox.replayed(replay_id bigint, after_seq bigint, new_cursor bigint, events bigint, refusal text)
returns void
language sql volatile security definer set search_path = pg_catalog, pg_temp
begin atomic
    update outbox.replay r
    set cursor = coalesce(replayed.new_cursor, r.last_seq), done = r.done + replayed.events,
        error = replayed.refusal,
        state = case when replayed.refusal is not null then 'failed'
                     when coalesce(replayed.new_cursor, r.last_seq) >= r.last_seq then 'done' else r.state end,
        finished_at = case when replayed.refusal is not null
                             or coalesce(replayed.new_cursor, r.last_seq) >= r.last_seq
                           then clock_timestamp() else r.finished_at end
    -- A relay that has been superseded moves nothing.
    where r.id = replayed.replay_id and r.cursor = replayed.after_seq;
end;
comment on function outbox.replayed(bigint, bigint, bigint, bigint, text) is
    'How far a replay is after a turn; a null cursor is the end. What Kafka refuses ends it, until it is resumed';

create or replace function outbox.is_needed(first_seq bigint, last_seq bigint) returns boolean
language sql stable
begin atomic
    select exists (select from outbox.dead_letter d
                   where d.resolved_at is null and d.seq between is_needed.first_seq and is_needed.last_seq)
        or exists (select from outbox.delayed d where d.seq between is_needed.first_seq and is_needed.last_seq)
        or exists (select from outbox.replay r where r.state = 'running'
                   and r.cursor < is_needed.last_seq and r.last_seq >= is_needed.first_seq);
end;
comment on function outbox.is_needed(bigint, bigint) is
    'Whether events that the position has passed are needed all the same: an open dead letter''s, a delayed one, or '
    'what a running replay has still to publish';

revoke execute on function outbox.find_history(timestamptz, timestamptz, text[], text[], text[], bigint),
    outbox.check_kept(timestamptz), outbox.next_turn(bigint, bigint),
    outbox.replay_effect(timestamptz, timestamptz, text[], text[], text[], bigint),
    outbox.start_replay(timestamptz, timestamptz, text[], text[], text[], bigint, text, int),
    outbox.cancel_replay(bigint), outbox.resume_replay(bigint),
    outbox.read_replay(bigint, bigint, bigint, int), outbox.replayed(bigint, bigint, bigint, bigint, text) from public;
grant execute on function outbox.start_replay(timestamptz, timestamptz, text[], text[], text[], bigint, text, int),
    outbox.cancel_replay(bigint), outbox.resume_replay(bigint) to postroom_operator;
grant execute on function outbox.find_history(timestamptz, timestamptz, text[], text[], text[], bigint),
    outbox.check_kept(timestamptz), outbox.replay_effect(timestamptz, timestamptz, text[], text[], text[], bigint)
    to postroom_operator, postroom_reader;
grant execute on function outbox.next_turn(bigint, bigint), outbox.read_replay(bigint, bigint, bigint, int),
    outbox.replayed(bigint, bigint, bigint, bigint, text) to postroom_relay;
grant select on outbox.replay to postroom_service, postroom_relay, postroom_operator, postroom_reader;
