-- The second source, logical decoding: what its slot publishes, and how far that is published.

-- A server whose wal_level is not logical warns; whoever reads by the table need not know.
set local client_min_messages = error;
create publication postroom for table outbox.event with (publish = 'insert', publish_via_partition_root = true);
reset client_min_messages;
comment on publication postroom is 'What a relay with relay.source = logical decodes: outbox.event, and nothing else';

alter table outbox.position
    add column lsn      pg_lsn,
    add column lsn_row  bigint,
    add column last_row bigint,
    add constraint a_stream_is_whole check ((lsn is null) = (lsn_row is null) and (lsn is null) = (last_row is null)),
    add constraint a_stream_comes_after_its_window check (lsn is null or upper is not null or last_seq = 0);
comment on column outbox.position.lower is
    'Every event visible in this snapshot is published. A logical source has published some more than these: its '
    'snapshot follows behind, by a fraction of a second under load';
comment on column outbox.position.lsn is
    'Logical source: every event of the transactions that committed before this is published; beside an upper '
    'snapshot, where the stream begins once that window is. Null for the table';
comment on column outbox.position.lsn_row is 'How many rows the slot has given up to lsn';
comment on column outbox.position.last_row is
    'How many of its rows are published; those beyond lsn_row are the first ones after lsn';

create or replace view outbox.current_position as
select p.* from outbox.lease l
cross join lateral (select * from outbox.position p where p.shard = l.shard order by p.n desc limit 1) p;
comment on view outbox.current_position is 'The position that counts, one row a shard';

create or replace function outbox.acquire_lease(wanted_shard int, new_holder text, ttl interval)
returns setof outbox.position
language plpgsql volatile as $$
declare
    new_epoch bigint;
begin
    update outbox.lease l set epoch = l.epoch + 1, holder = new_holder, expires_at = clock_timestamp() + ttl
    where l.shard = wanted_shard and l.expires_at < clock_timestamp()
    returning l.epoch into new_epoch;
    if new_epoch is null then
        return;
    end if;
    -- The same position under the new epoch takes the number that the predecessor would write next.
    return query
    insert into outbox.position (shard, n, epoch, system_identifier, timeline, lower, lower_floor, upper, upper_floor,
                                 last_seq, published, lsn, lsn_row, last_row)
    select p.shard, p.n + 1, new_epoch, p.system_identifier, p.timeline, p.lower, p.lower_floor, p.upper,
           p.upper_floor, p.last_seq, p.published, p.lsn, p.lsn_row, p.last_row
    from outbox.current_position p where p.shard = wanted_shard
    returning *;
end
$$;
comment on function outbox.acquire_lease(int, text, interval) is
    'Takes a shard whose lease has run out, fences its former holder, and returns the position; no row if it is held';
