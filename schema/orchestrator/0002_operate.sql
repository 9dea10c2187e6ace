-- How people see sagas, and what operators may do about them.

create function saga.step_name(step int) returns text
language sql immutable
return (array['UPDATE_PRODUCT_INVENTORY', 'CREATE_ORDER', 'CREATE_PAYMENT'])[step + 1];
comment on function saga.step_name(int) is 'A step as people call it';

create view saga.in_flight as
select i.id, i.state, saga.step_name(i.step) as step, i.tries, clock_timestamp() - i.created_at as age,
       i.deadline, i.deadline - clock_timestamp() as next_try_in, i.stuck_at, i.created_at, i.updated_at,
       l.input as last_input, l.detail as last_detail
from saga.instance i
left join lateral (
    select s.input, s.detail from saga.step s where s.saga_id = i.id order by s.n desc limit 1
) l on true
where i.wake is not null and i.deadline is not null;
comment on view saga.in_flight is 'The sagas that have not ended: what each waits for, since when, and until when';

create view saga.stuck as
select f.*, clock_timestamp() - f.stuck_at as stuck_for from saga.in_flight f where f.stuck_at is not null;
comment on view saga.stuck is
    'The sagas whose compensation is overdue. It is still tried; see saga.timeline(id), then saga.retry or saga.force';

create function saga.timeline(id bigint)
returns table (at timestamptz, elapsed interval, happened text, decided text, sent text, event_id uuid,
               traceparent text)
language sql stable
begin atomic
    select s.at, s.at - first_value(s.at) over w, s.input || case s.detail when '' then '' else ': ' || s.detail end,
           s.decision, array_to_string(s.sent, ', '), s.event_id, s.traceparent
    from saga.step s where s.saga_id = timeline.id
    window w as (order by s.n) order by s.n;
end;
comment on function saga.timeline(bigint) is
    'All that happened to a saga, a line each: what came, what was decided, which events were sent';

-- What an operator asks for is only noted in the row; the sweeper of any process does it, at once.
create function saga.ask(saga_id bigint, action text, step int, success boolean, reason text) returns saga.audit
language plpgsql volatile as $$
#variable_conflict use_variable
declare
    found_one saga.instance;
    noted saga.audit;
begin
    select * into found_one from saga.instance i where i.id = saga_id for update;
    if not found then
        raise exception 'there is no saga %', saga_id
            using errcode = 'no_data_found', hint = 'See those that run: select * from saga.in_flight';
    elsif coalesce(reason, '') !~ '\S' then
        raise exception 'give a reason' using errcode = 'invalid_parameter_value';
    elsif found_one.deadline is null then
        raise exception 'saga % has ended: %', saga_id, found_one.state
            using errcode = 'object_not_in_prerequisite_state';
    elsif found_one.request is not null then
        raise exception 'what was asked for before is not done yet'
            using errcode = 'object_not_in_prerequisite_state',
                  hint = 'Is an orchestrator running? See: select * from saga.audit';
    elsif action = 'compensate' and found_one.state <> 'EXECUTING' then
        raise exception 'saga % is being compensated already', saga_id
            using errcode = 'object_not_in_prerequisite_state';
    elsif action = 'force' and step is distinct from found_one.step then
        raise exception 'saga % is at %', saga_id, saga.step_name(found_one.step)
            using errcode = 'object_not_in_prerequisite_state', hint = 'Only the step that it waits for can be forced';
    elsif action = 'force' and found_one.state = 'COMPENSATING' and not success then
        raise exception 'a compensation is never given up'
            using errcode = 'object_not_in_prerequisite_state',
                  hint = 'Force its success when you have done by hand what it was to do';
    end if;
    insert into saga.audit (saga_id, action, step, success, reason)
    values (saga_id, action, step, success, reason) returning * into noted;
    update saga.instance i set request = noted.n where i.id = saga_id;
    return noted;
end
$$;
comment on function saga.ask(bigint, text, int, boolean, text) is
    'Notes what an operator asks for, or says why it cannot be; for the functions below only';

create function saga.retry(id bigint, reason text) returns saga.audit
language sql volatile security definer set search_path = pg_catalog, pg_temp
as $$ select saga.ask($1, 'retry', null, null, $2) $$;
comment on function saga.retry(bigint, text) is
    'Asks again, now, for what the saga waits for, and begins to count tries and pauses anew';

create function saga.compensate(id bigint, reason text) returns saga.audit
language sql volatile security definer set search_path = pg_catalog, pg_temp
as $$ select saga.ask($1, 'compensate', null, null, $2) $$;
comment on function saga.compensate(bigint, text) is
    'Gives up the step that the saga waits for, and takes back what is or may be done';

create function saga.force(id bigint, step int, outcome boolean, reason text) returns saga.audit
language sql volatile security definer set search_path = pg_catalog, pg_temp
as $$ select saga.ask($1, 'force', $2, $3, $4) $$;
comment on function saga.force(bigint, int, boolean, text) is
    'Goes on as if the step (0, 1, 2) that the saga waits for, or its compensation, had had this outcome: for what '
    'has been seen to, or done, by hand. A step that is forced to have failed is taken back, too';

revoke all on function saga.ask(bigint, text, int, boolean, text), saga.retry(bigint, text),
    saga.compensate(bigint, text), saga.force(bigint, int, boolean, text) from public;
grant execute on function saga.retry(bigint, text), saga.compensate(bigint, text),
    saga.force(bigint, int, boolean, text) to saga_operator;
grant select on saga.in_flight, saga.stuck to shop_orchestrator, saga_operator;
