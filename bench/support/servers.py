"""A benchmark's own PostgreSQL and Kafka broker, as ops/stack makes them."""

import concurrent.futures
import contextlib
import multiprocessing
import os
import pathlib
import shutil
import sys

import confluent_kafka
import confluent_kafka.admin
import psycopg

sys.path.append(str(pathlib.Path(__file__).resolve().parents[2] / "ops/stack"))

import kafka
import postgres
import process
from stages import RUN_DIR, stage

DIRECTORY = RUN_DIR / "bench"
POSTGRES_SETTINGS = {
    "shared_buffers": "1GB",
    "max_wal_size": "16GB",
    "checkpoint_timeout": "1h",
    # It would disturb one measurement and not another; benchmarks vacuum themselves.
    "autovacuum": "off",
}


@contextlib.contextmanager
def running():
    """Yields both servers, empty and started; their data is gone afterwards."""
    shutil.rmtree(DIRECTORY, ignore_errors=True)
    pg = postgres.Postgres(DIRECTORY / "postgres", DIRECTORY / "postgres.log")
    broker = kafka.Kafka(DIRECTORY / "kafka", DIRECTORY / "kafka.log")
    try:
        with stage("PostgreSQL and Kafka"):
            pg.start()
            with psycopg.connect(pg.dsn(), autocommit=True) as connection:
                for name, value in POSTGRES_SETTINGS.items():
                    connection.execute(f"alter system set {name} = '{value}'")
            pg.stop()
            pg.start()
            broker.start()
        yield pg, broker
    finally:
        broker.stop()
        pg.stop()
        shutil.rmtree(DIRECTORY)


@contextlib.contextmanager
def child(argv, log):
    """A process that does not outlive the block; its output goes to the file."""
    started = process.spawn(argv, log)
    try:
        yield started
    finally:
        process.stop(started)


def relay(postroom, dsn, brokers):
    """The command line of a relay without its HTTP port."""
    where = ["--database-dsn", dsn, "--kafka-brokers", brokers]
    return [postroom, "relay", *where, "--admin-listen", ""]


def reader(brokers, name, partitions):
    """A read_committed consumer at the topic's beginning; tells of each partition's end."""
    settings = {"bootstrap.servers": brokers, "log_level": 0, "group.id": "bench"}
    made = confluent_kafka.Consumer({**settings, "enable.partition.eof": True})
    made.assign([confluent_kafka.TopicPartition(name, p, 0) for p in range(partitions)])
    return made


def count(brokers, name, partitions):
    consumer = reader(brokers, name, partitions)
    found, open_partitions = 0, partitions
    while open_partitions:
        for message in consumer.consume(10_000, timeout=5):
            if message.error() is None:
                found += 1
            elif message.error().code() == confluent_kafka.KafkaError._PARTITION_EOF:
                open_partitions -= 1
            else:
                raise confluent_kafka.KafkaException(message.error())
    consumer.close()
    return found


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Topics:
    """Makes topics, counts the records that they were ever sent, and deletes them."""

    def __init__(self, broker):
        self._broker = broker
        quiet = {"bootstrap.servers": broker.brokers, "log_level": 0}
        self._admin = confluent_kafka.admin.AdminClient(quiet)
        self._consumer = confluent_kafka.Consumer({**quiet, "group.id": "bench"})

    def create(self, name, partitions):
        made = self._admin.create_topics([confluent_kafka.admin.NewTopic(name, partitions, 1)])
        made[name].result()

        def readable():
            self._consumer.list_topics(
                name
            )  # without it, the consumer never learns of a new topic's leaders
            with contextlib.suppress(confluent_kafka.KafkaException):
                return self.records(name, partitions) == 0

        process.wait_until(
            readable, f"topic {name}", lambda: self._broker.process.poll() is None, self._broker.log
        )

    def delete(self, name):
        self._admin.delete_topics([name])[name].result()

    def reader(self, name, partitions):
        return reader(self._broker.brokers, name, partitions)

    def count_committed(self, name, partitions):
        """How many records a read_committed consumer finds; reads them all.

        In a process of its own: what this one holds at its peak, its children seem to have held.
        """
        spawn = multiprocessing.get_context("spawn")
        with concurrent.futures.ProcessPoolExecutor(1, spawn) as pool:
            return pool.submit(count, self._broker.brokers, name, partitions).result()

    def records(self, name, partitions):
        ends = (
            self._consumer.get_watermark_offsets(confluent_kafka.TopicPartition(name, p), timeout=5)
            for p in range(partitions)
        )
        return sum(end for _, end in ends)
