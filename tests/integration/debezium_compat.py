"""Debezium's Outbox Event Router and `postroom relay` agree on one table, in order per key.

Whoever uses the one can change to the other without touching the table, its writers or the
consumers: same keys, ids, types and values, on the same partitions; and with kafka.format =
debezium, the very headers that the router has by its defaults, tombstones included. Writers that overlap, roll
back, use savepoints and mix outbox.append with plain INSERTs in Debezium's layout cross from one
partition of the table into the next.
"""

import concurrent.futures
import itertools
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
            tombstone = random_source.random() < 0.1
            connection.execute(
                "insert into outbox.event (id, aggregatetype, aggregateid, type, payload)"
                " values (%s, 'order', %s, 'OrderPaid', %s)",
                [uuid.uuid4(), key, None if tombstone else payload],
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
    """Migrates, opens two slots, and appends across the border of two partitions."""
    subprocess.run([POSTROOM, "migrate", "--dsn", dsn], check=True)
    name = psycopg.conninfo.conninfo_to_dict(dsn)["dbname"]
    debezium.create_slot(dsn, name)
    debezium.copy_slot(dsn, name, f"{name}_2")
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
    """Per key, the records that the topic holds of it, in order: headers, value, partition."""
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
            record = (sorted(message.headers()), message.value(), message.partition())
            by_key.setdefault(message.key(), []).append(record)
            count += 1
    ends = [
        consumer.get_watermark_offsets(confluent_kafka.TopicPartition(topic, p))[1]
        for p in range(PARTITIONS)
    ]
    if sum(ends) != events:
        sys.exit(f"{topic}: {sum(ends)} records for {events} events")
    consumer.close()
    return by_key


def by_postroom(dsn, topic, events, form):
    argv = [POSTROOM, "relay", "--database-dsn", dsn, "--kafka-brokers", BROKERS]
    argv += ["--kafka-topic", topic, "--kafka-format", form, "--admin-listen", ""]
    argv += ["--relay-stop-when-drained", "true"]
    execute(dsn, "select outbox.rebase(0, '1:1:')")
    subprocess.run(argv, check=True, timeout=LIMIT_SECONDS)
    return read(topic, events, check=lambda: None)


def by_debezium(worker, dsn, topic, slot, events, typed):
    config = debezium.connector(dsn, slot, topic, debezium.TUNED)
    if not typed:
        del config["transforms.outbox.table.fields.additional.placement"]
    worker.start(slot, config)
    return read(topic, events, check=lambda: worker.check(slot))


def without(prefix, by_key):
    """Less the headers whose names begin so."""
    return {
        key: [
            ([header for header in headers if not header[0].startswith(prefix)], *rest)
            for headers, *rest in records
        ]
        for key, records in by_key.items()
    }


def compare(ours, theirs):
    for key in sorted(ours.keys() | theirs.keys()):
        for mine, its in itertools.zip_longest(ours.get(key, []), theirs.get(key, [])):
            if mine != its:
                sys.exit(f"key {key}:\n  postroom: {mine}\n  Debezium: {its}")


def drop(name):
    """Also its slots, once the server has noticed that their reader is gone."""
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
    topics = [f"{name}.{n}" for n in ("plain", "debezium", "router.typed", "router")]
    execute(SERVER, f"create database {name}")
    try:
        events = prepare(dsn)
        create_topics(topics)
        ours = [by_postroom(dsn, topic, events, form)
                for topic, form in zip(topics, ("plain", "debezium"))]
        with (
            tempfile.TemporaryDirectory() as directory,
            debezium.connect(pathlib.Path(directory), JARS, BROKERS, heap="512m") as worker,
        ):
            theirs = [by_debezium(worker, dsn, topics[2], name, events, typed=True),
                      by_debezium(worker, dsn, topics[3], f"{name}_2", events, typed=False)]
    finally:
        drop(name)
    # The connector's, not the router's: they tell which connector it was.
    theirs = [without("__debezium.context.", by_key) for by_key in theirs]
    compare(without("content-type", ours[0]), theirs[0])
    compare(ours[1], theirs[1])
    tombstones = sum(record[1] is None for records in ours[1].values() for record in records)
    if not tombstones:
        sys.exit("no event was a tombstone")
    print(f"{events} events of {len(ours[0])} keys, {tombstones} tombstones: the same from both")


if __name__ == "__main__":
    main()
