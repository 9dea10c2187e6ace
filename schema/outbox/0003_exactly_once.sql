-- exactly_once: which positions in Kafka still count.

alter table outbox.lease add column rebased bigint not null default 0;
comment on column outbox.lease.rebased is
    'A position that a relay left in Kafka under an older epoch than this counts no more: the shard was rebased since';

create or replace function outbox.rebase(moved_shard int, from_snapshot pg_snapshot) returns outbox.position
language sql volatile
begin atomic
    -- A relay at work has lost its lease by this, and begins again from here.
    update outbox.lease l set epoch = l.epoch + 1, rebased = l.epoch + 1, holder = null, expires_at = '-infinity'
    where l.shard = rebase.moved_shard;
    insert into outbox.position (shard, n, epoch, system_identifier, timeline, lower, lower_floor, published)
    select p.shard, p.n + 1, p.epoch, i.system_identifier, i.timeline, rebase.from_snapshot, 0, p.published
    from outbox.current_position p, outbox.identity() i where p.shard = rebase.moved_shard
    returning *;
end;
comment on function outbox.rebase(int, pg_snapshot) is
    'Binds a position to this system and timeline after a failover, restore or dump. Everything not visible in '
    'the snapshot is published: ''1:1:'' repeats all of the history, pg_current_snapshot() skips what is there';
grant update (epoch, rebased, holder, expires_at) on outbox.lease to postroom_operator;
