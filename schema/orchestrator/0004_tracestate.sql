-- What other tracers have to say goes on after a time-out as well.

alter table saga.instance add column tracestate text not null default '';
comment on column saga.instance.tracestate is 'W3C''s, of the purchase''s creation; empty: nothing';
