-- The orchestrator's own tables: the sagas of the purchases. Needs schema/outbox in the same database.

-- Shared by every database of the cluster; operations give them a password, or grant them to login roles.
do $$
declare
    wanted text;
begin
    foreach wanted in array array['shop_orchestrator', 'saga_operator'] loop
        begin
            execute format('create role %I nologin', wanted);
        exception when duplicate_object or unique_violation then
            null;  -- another database of this cluster has made it
        end;
    end loop;
end
$$;
do $$
begin
    grant postroom_service to shop_orchestrator;
exception when unique_violation then
    null;
end
$$;
-- Only by SET ROLE: what an operator asks for over HTTP is done as the operator.
do $$
begin
    grant saga_operator to shop_orchestrator with inherit false, set true;
exception when unique_violation then
    null;
end
$$;

create schema saga;
comment on schema saga is 'Sagas of the purchases: where each is, all that happened to it, and what operators may do';

create table saga.instance (
    id              bigint      primary key check (id > 0),
    state           text        not null check (state in ('EXECUTING', 'COMPENSATING', 'COMPLETED', 'COMPENSATED')),
    step            smallint    not null check (step between 0 and 2),
    tries           int         not null check (tries > 0),
    covered         smallint    not null check (covered between -1 and 2),
    stuck_at        timestamptz,
    deadline        timestamptz,
    request         bigint,
    wake            timestamptz generated always as
                    (case when request is null then deadline else '-infinity' end) stored,
    purchase        jsonb       not null,
    traceparent     text        not null,
    correlation_id  text        not null,
    created_at      timestamptz not null default clock_timestamp(),
    updated_at      timestamptz not null default clock_timestamp(),
    constraint waits_unless_ended check ((deadline is null) = (state in ('COMPLETED', 'COMPENSATED'))),
    constraint stuck_in_compensation check (stuck_at is null or state = 'COMPENSATING')
);
create index instance_wake on saga.instance (wake) where wake is not null;
create index instance_stuck on saga.instance (stuck_at) where stuck_at is not null;
comment on table saga.instance is
    'One row a purchase. Locked, changed, and its commands appended, in one transaction an input';
comment on column saga.instance.id is 'The purchase''s, and with it the order''s and the payment''s';
comment on column saga.instance.state is 'COMPLETED and COMPENSATED are final';
comment on column saga.instance.step is
    'What is asked for, or compensated: 0 UpdateProductInventory, 1 CreateOrder, 2 CreatePayment';
comment on column saga.instance.tries is 'How often it has been asked for without an answer, this one included';
comment on column saga.instance.covered is 'The highest step that compensation takes back; -1: none';
comment on column saga.instance.stuck_at is 'Since when its compensation is overdue: a person must look';
comment on column saga.instance.deadline is
    'By the server''s clock: when no answer has come by then, any process of the orchestrator acts. Null: ended';
comment on column saga.instance.request is 'What an operator has asked for and no process has done yet: saga.audit.n';
comment on column saga.instance.wake is 'From when on it is due: any process may pick it. Null: there is nothing to do';
comment on column saga.instance.purchase is 'Order and payment, as every command carries them';

create table saga.step (
    n           bigint      generated always as identity,
    saga_id     bigint      not null references saga.instance,
    at          timestamptz not null default clock_timestamp(),
    input       text        not null,
    detail      text        not null default '',
    event_id    uuid,
    traceparent text        not null,
    decision    text        not null,
    sent        text[]      not null default '{}',
    sent_ids    uuid[]      not null default '{}',
    primary key (saga_id, n)
);
comment on table saga.step is
    'All that happened to a saga, in order: each input, also one that came late or twice, and what was decided';
comment on column saga.step.input is 'What happened: an event, a time-out, or an operator''s request';
comment on column saga.step.detail is 'The participant''s error message, or the operator''s reason';
comment on column saga.step.event_id is 'Of the event that came; null for a time-out and an operator''s request';
comment on column saga.step.sent is 'The types of the events that were appended for it';
comment on column saga.step.sent_ids is 'Their ids, in the same order: what the participants'' inboxes know them by';

create table saga.audit (
    n       bigint      generated always as identity primary key,
    at      timestamptz not null default clock_timestamp(),
    actor   text        not null default session_user,
    via     text        not null default current_setting('application_name'),
    saga_id bigint      not null references saga.instance,
    action  text        not null check (action in ('retry', 'compensate', 'force')),
    step    smallint    check (step between 0 and 2),
    success boolean,
    reason  text        not null check (reason ~ '\S'),
    constraint force_names_step_and_outcome
        check ((action = 'force') = (step is not null) and (action = 'force') = (success is not null))
);
comment on table saga.audit is 'Who asked for what, and why: one row for every call of an operator''s function';
comment on column saga.audit.actor is 'The login role of the session, whatever role it had set';
comment on column saga.audit.via is 'The application_name of the session; "http" for the orchestrator''s routes';

alter table saga.instance add foreign key (request) references saga.audit;

grant usage on schema saga to shop_orchestrator, saga_operator;
grant select, insert on saga.instance, saga.step to shop_orchestrator;
grant update (state, step, tries, covered, stuck_at, deadline, request, updated_at) on saga.instance
    to shop_orchestrator;
grant select on saga.audit to shop_orchestrator;
grant select on saga.instance, saga.step, saga.audit to saga_operator;
