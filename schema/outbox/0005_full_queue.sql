-- PostgreSQL has one notification queue for all of its databases, and fails a transaction that notifies into a full
-- one, at its commit. A single session anywhere that listens and never ends its transaction fills it: no reason for
-- the business to stop.
create or replace function outbox.ring() returns trigger
language plpgsql as $$
begin
    if current_setting('outbox.ring', true) is distinct from 'off' and pg_notification_queue_usage() < 0.5 then
        perform pg_notify('outbox', '');
    end if;
    return null;
end
$$;
comment on function outbox.ring() is
    'Wakes a sleeping relay at commit, unless the server''s notification queue is half full. PostgreSQL prepares no '
    'transaction that has notified: before a PREPARE TRANSACTION, set local outbox.ring = off. What has not rung, '
    'the relay finds within a second';
