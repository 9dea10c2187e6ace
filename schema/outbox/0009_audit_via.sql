-- The audit trail tells by which way an operator came: the program, psql, or the relay's admin port.

create or replace function outbox.note(action text, subject text, detail jsonb) returns outbox.audit
language sql volatile
begin atomic
    insert into outbox.audit (action, subject, detail)
    values (note.action, note.subject,
            note.detail || jsonb_build_object('via', current_setting('application_name')))
    returning *;
end;
comment on function outbox.note(text, text, jsonb) is
    'Writes the audit trail, for the operator''s functions only; detail.via is the session''s application_name';
comment on column outbox.audit.detail is
    'What the action was about, and via: the application_name of the session, "admin http" for the admin port';
