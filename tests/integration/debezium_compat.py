"""Debezium's Outbox Event Router and `postroom relay` agree on one table, in order per key.

Whoever uses the one can change to the other without touching the table, its writers or the
consumers: same keys, ids, types and values, on the same partitions. Writers that overlap, roll
back, use savepoints and mix outbox.append with plain INSERTs in Debezium's layout cross from one
partition of the table into the next.
"""

import concurrent.futures
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import time
import uuid

import confluent_kafka
import confluent_kafka.admin
import psycopg


def need(variable):
    if variable not in os.environ:
        sys.exit(f"{variable} is not set: run ./ops/test")
    return os.environ[variable]


SOURCE_DIR = pathlib.Path(need("POSTROOM_SOURCE_DIR"))
sys.path += [str(SOURCE_DIR / "ops/stack"), str(SOURCE_DIR / "bench/peers/debezium")]

import connect as debezium

POSTROOM = pathlib.Path(need("POSTROOM_BIN")).resolve() / "postroom"
SERVER, BROKERS = need("POSTROOM_TEST_PG"), need("POSTROOM_TEST_KAFKA")
JARS = need("POSTROOM_DEBEZIUM_JARS")
PARTITIONS = 3
KEYS = 40
WRITERS = 4
TRANSACTIONS = 150
LIMIT_SECONDS = 45


def execute(dsn, sql, *parameters):
    with psycopg.connect(dsn, autocommit=True) as connection:
        return connection.execute(sql, parameters)


def transaction(connection, random_source):
    """One to five events of locked keys; sometimes some of them, or all, are taken back."""
    # Sorted: no deadlock.
    keys = sorted(random_source.sample(range(KEYS), random_source.randint(1, 5)))
    for key in map(str, keys):
        connection.execute("select outbox.lock_aggregate('order', %s)", [key])
        connection.execute("savepoint before")
        payload = json.dumps(
            {"order_id": key, "note": "für 5 €", "amount": random_source.randint(1, 10**6)}
        )
        if random_source.random() < 0.5:
            connection.execute(
                "select outbox.append('order', %s, 'OrderPlaced', %s::jsonb)", [key, payload]
            )
        else:
            connection.execute(
                "insert into outbox.event (id, aggregatetype, aggregateid, type, payload)"
                " values (%s, 'order', %s, 'OrderPaid', %s)",
                [uuid.uuid4(), key, payload],
            )
        if random_source.random() < 0.1:
            connection.execute("rollback to before")
    connection.rollback() if random_source.random() < 0.1 else connection.commit()


def write(dsn, seed):
    random_source = random.Random(seed)
    with psycopg.connect(dsn) as connection:
        for _ in range(TRANSACTIONS):
            transaction(connection, random_source)


def prepare(dsn):
    """Migrates, opens the slot, and appends across the border of two partitions."""
    subprocess.run([POSTROOM, "migrate", "--dsn", dsn], check=True)
    debezium.create_slot(dsn, psycopg.conninfo.conninfo_to_dict(dsn)["dbname"])
    execute(
        dsn,
        "select setval('outbox.event_seq_seq', partition_events - 300) from outbox.setting",
    )
    with concurrent.futures.ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(lambda seed: write(dsn, seed), range(WRITERS)))
    parts = execute(dsn, "select count(distinct tableoid), count(*) from outbox.event").fetchone()
    if parts[0] != 2:
        sys.exit(f"the events are in {parts[0]} partitions, not in two")
    return parts[1]


def create_topics(names):
    admin = confluent_kafka.admin.AdminClient({"bootstrap.servers": BROKERS})
    for made in admin.create_topics(
        [confluent_kafka.admin.NewTopic(n, PARTITIONS, 1) for n in names]
    ).values():
        made.result()


def read(topic, events, check):
    """Per key, what the topic holds of it, in order."""
    consumer = confluent_kafka.Consumer(
        {"bootstrap.servers": BROKERS, "group.id": topic, "auto.offset.reset": "earliest"}
    )
    consumer.assign([confluent_kafka.TopicPartition(topic, p, 0) for p in range(PARTITIONS)])
    by_key, count, deadline = {}, 0, time.monotonic() + LIMIT_SECONDS
    while count < events:
        if time.monotonic() > deadline:
            sys.exit(f"{topic}: {count} of {events} events after {LIMIT_SECONDS} s")
        check()
        for message in consumer.consume(500, timeout=0.2):
            if message.error():
                raise confluent_kafka.KafkaException(message.error())
            headers = dict(message.headers())
            by_key.setdefault(message.key().decode(), []).append(
                (
                    headers["id"].decode(),
                    headers["type"].decode(),
                    message.value().decode(),
                    message.partition(),
                )
            )
            count += 1
    ends = [
        consumer.get_watermark_offsets(confluent_kafka.TopicPartition(topic, p))[1]
        for p in range(PARTITIONS)
    ]
    if sum(ends) != events:
        sys.exit(f"{topic}: {sum(ends)} records for {events} events")
    consumer.close()
    return by_key


def by_postroom(dsn, name, events):
    argv = [POSTROOM, "relay", "--database-dsn", dsn, "--kafka-brokers", BROKERS]
    argv += ["--kafka-topic-prefix", f"{name}.postroom.", "--admin-listen", ""]
    argv += ["--relay-stop-when-drained", "true"]
    subprocess.run(argv, check=True, timeout=LIMIT_SECONDS)
    return read(f"{name}.postroom.order", events, check=lambda: None)


def by_debezium(dsn, name, events):
    with (
        tempfile.TemporaryDirectory() as directory,
        debezium.connect(pathlib.Path(directory), JARS, BROKERS, heap="512m") as worker,
    ):
        topic = f"{name}.debezium.${{routedByValue}}"
        worker.start(name, debezium.connector(dsn, name, topic, debezium.TUNED))
        return read(f"{name}.debezium.order", events, check=lambda: worker.check(name))


def drop(name):
    """Also its slot, once the server has noticed that its reader is gone."""
    execute(
        SERVER,
        "select pg_terminate_backend(active_pid, 5000) from pg_replication_slots"
        " where database = %s and active",
        name,
    )
    execute(SERVER, f"drop database {name} with (force)")


def main():
    name = f"debezium_{uuid.uuid4().hex[:12]}"
    dsn = f"{SERVER} dbname={name}"
    execute(SERVER, f"create database {name}")
    try:
        events = prepare(dsn)
        create_topics([f"{name}.postroom.order", f"{name}.debezium.order"])
        ours, theirs = by_postroom(dsn, name, events), by_debezium(dsn, name, events)
    finally:
        drop(name)
    for key in sorted(ours.keys() | theirs.keys()):
        if ours.get(key) != theirs.get(key):
            sys.exit(f"key {key}:\n  postroom: {ours.get(key)}\n  Debezium: {theirs.get(key)}")
    print(f"{events} events of {len(ours)} keys: the same from both")


if __name__ == "__main__":
    main()
