"""Databases with an outbox in them, and events in the outbox."""

import concurrent.futures
import subprocess

import psycopg

# About 270 bytes an event as Kafka gets it. Keys repeat, so that order per key means something.
FILL = """
do $$
begin
    for i in 1..{transactions} loop
        insert into outbox.event (aggregatetype, aggregateid, type, payload)
        select '{aggregatetype}', (random() * 100000)::int::text, 'OrderPlaced',
               jsonb_build_object('order_id', i * 1000 + j, 'customer_id', 42,
                                  'currency_code', 'EUR',
                                  'amount', 12345, 'note', repeat('x', 150))
        from generate_series(1, {per_transaction}) j;
        commit;
    end loop;
end
$$"""
FILLERS = 2


def create(postgres, name, postroom):
    """A fresh, migrated database; returns its conninfo."""
    for statement in [f"drop database if exists {name} with (force)", f"create database {name}"]:
        execute(postgres.dsn(), statement)
    dsn = postgres.dsn(name)
    subprocess.run(
        [postroom, "migrate", "--dsn", dsn],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return dsn


def execute(dsn, sql, *parameters):
    """Runs one statement; returns its first value, if it has one."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        cursor = connection.execute(sql, parameters)
        return cursor.fetchone()[0] if cursor.description else None


def fill(dsn, events, per_transaction, aggregatetype="bench"):
    """Appends the events in committed transactions of that size, and leaves the table vacuumed."""

    def part(_):
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("set synchronous_commit = off")
            connection.execute(
                FILL.format(
                    transactions=events // per_transaction // FILLERS,
                    per_transaction=per_transaction,
                    aggregatetype=aggregatetype,
                )
            )

    with concurrent.futures.ThreadPoolExecutor(FILLERS) as pool:
        list(pool.map(part, range(FILLERS)))
    execute(dsn, "vacuum analyze outbox.event")
    execute(dsn, "checkpoint")
    filled = execute(dsn, "select count(*) from outbox.event")
    if filled != events:
        raise RuntimeError(
            f"{filled} events instead of {events}: take a multiple of {FILLERS * per_transaction}"
        )
