#!/usr/bin/env python3
"""How fast a full outbox reaches Kafka: what the machine allows, postroom, Debezium.

    ./ops/bench relay [--events N] [--rounds N]

Each shape fills one table. The ceiling and postroom take turns at draining it, in both delivery
modes; Debezium then drains the same changes, each time through a slot of its own: tuned for
throughput twice in one JVM, so that the second drain is a warm one, then tuned for latency and at
its defaults, each in a new JVM. Every drain has a fresh topic with the same partitions, and lasts
from the start of its process (or connector) until the topic holds all events; in transactions,
until the process has committed the last one and ended. Last comes a backlog five times as large.
"""

import argparse
import dataclasses
import os
import pathlib
import sys
import time

HERE = pathlib.Path(__file__).parent
sys.path += [str(HERE / "support"), str(HERE / "peers/debezium")]

import database
import report
import servers  # first: it makes ops/stack importable
from drain import Drain, Process, median, peak_mb
from stages import stage

import connect as debezium

PARTITIONS = 3
DRAIN_SECONDS = 300
SHAPES = {"10 events a transaction": 10, "1 event a transaction": 1}
LARGE = 5  # times the events, for the last shape
# The name of a slot, and what a JVM drains through it; the same JVM for consecutive ones of a list.
DEBEZIUM = {
    "debezium tuned": [("first", debezium.TUNED), ("warm", debezium.TUNED)],
    "debezium for latency": [("latency", debezium.FOR_LATENCY)],
    "debezium at defaults": [("defaults", debezium.DEFAULTS)],
}
BIN = pathlib.Path(os.environ["POSTROOM_BIN"]).resolve()


class Bench:
    def __init__(self, dsn, broker, events):
        self.dsn, self.brokers, self.events = dsn, broker.brokers, events
        self.topics = servers.Topics(broker)
        self._drains = 0

    def fresh_topic(self):
        """Returns a prefix that makes a topic's name of the aggregate type, and that name."""
        self._drains += 1
        prefix = f"drain-{self._drains}."
        self.topics.create(f"{prefix}bench", PARTITIONS)
        return prefix, f"{prefix}bench"

    def await_all(self, topic, check):
        """Waits until the topic holds every event, and no more."""
        deadline = time.monotonic() + DRAIN_SECONDS
        while (records := self.topics.records(topic, PARTITIONS)) < self.events:
            check()
            if time.monotonic() > deadline:
                raise RuntimeError(
                    f"{topic}: {records} of {self.events} events after {DRAIN_SECONDS} s"
                )
            time.sleep(0.01)
        if records > self.events:
            raise RuntimeError(f"{topic}: {records} records for {self.events} events")

    def process(self, argv, topic):
        """Measures a process that ends by itself once it has drained the outbox into the topic."""
        started = time.monotonic()
        with Process(argv) as process:
            self.await_all(topic, process.check)
            elapsed = time.monotonic() - started
            usage = process.wait()
        self.topics.delete(topic)
        return self.drain(elapsed, usage)

    def transactional(self, argv, topic):
        """The same for one that publishes in transactions, whose markers count as records, too."""
        started = time.monotonic()
        with Process(argv) as process:
            usage = process.wait()
            elapsed = time.monotonic() - started
        committed = self.topics.count_committed(topic, PARTITIONS)
        if committed != self.events:
            raise RuntimeError(f"{topic}: {committed} committed records of {self.events} events")
        self.topics.delete(topic)
        return self.drain(elapsed, usage)

    def drain(self, elapsed, usage):
        return Drain(
            self.events / elapsed,
            (usage.ru_utime + usage.ru_stime) / self.events * 1e6,
            usage.ru_maxrss / 1024,
        )

    def ceiling(self):
        return self.process(*self.ceiling_command())

    def ceiling_in_transactions(self):
        argv, topic = self.ceiling_command()
        return self.transactional([*argv, "transactions"], topic)

    def ceiling_command(self):
        _, topic = self.fresh_topic()
        return [BIN / "bench_ceiling", self.dsn, self.brokers, topic], topic

    def postroom(self):
        return self.process(*self.postroom_command())

    def postroom_exactly_once(self):
        argv, topic = self.postroom_command()
        return self.transactional([*argv, "--relay-delivery", "exactly_once"], topic)

    def postroom_command(self):
        prefix, topic = self.fresh_topic()
        database.execute(self.dsn, "select outbox.rebase(0, '1:1:')::text")
        argv = servers.relay(BIN / "postroom", self.dsn, self.brokers)
        return [*argv, "--kafka-topic", prefix + "{aggregatetype}", "--relay-stop-when-drained", "true"], topic

    def debezium(self, worker, slot, settings):
        _, topic = self.fresh_topic()
        before, started = servers.cpu_seconds(worker.process.pid), time.monotonic()
        worker.start(slot, debezium.connector(self.dsn, slot, topic, settings))
        self.await_all(topic, lambda: worker.check(slot))
        elapsed = time.monotonic() - started
        used = servers.cpu_seconds(worker.process.pid) - before
        worker.stop(slot)
        self.topics.delete(topic)
        return Drain(self.events / elapsed, used / self.events * 1e6, peak_mb(worker.process.pid))


def fill(postgres, events, per_transaction):
    dsn = database.create(postgres, "bench", BIN / "postroom")
    first, *others = (slot for slots in DEBEZIUM.values() for slot, _ in slots)
    debezium.create_slot(dsn, first)
    for slot in others:
        debezium.copy_slot(dsn, first, slot)
    with stage(f"{events:,} events, {per_transaction} a transaction"):
        database.fill(dsn, events, per_transaction)
    return dsn


def take_turns(ways, rounds):
    with stage("warming up the broker"):
        for drain in ways.values():
            drain()
    drains = {name: [] for name in ways}
    for round_number in range(rounds):
        with stage(f"round {round_number + 1} of {rounds}"):
            for name, drain in ways.items():
                drains[name].append(drain())
    return {name: median(taken) for name, taken in drains.items()}


def measure(postgres, broker, per_transaction, options):
    dsn = fill(postgres, options.events, per_transaction)
    bench = Bench(dsn, broker, options.events)
    drains = take_turns(
        {
            "ceiling": bench.ceiling,
            "postroom": bench.postroom,
            "ceiling, transactions": bench.ceiling_in_transactions,
            "postroom, exactly_once": bench.postroom_exactly_once,
        },
        options.rounds,
    )
    jars = os.environ["POSTROOM_DEBEZIUM_JARS"]
    for name, slots in DEBEZIUM.items():
        with stage(name), debezium.connect(servers.DIRECTORY, jars, broker.brokers) as worker:
            for slot, settings in slots:
                key = f"{name}, {slot}" if len(slots) > 1 else name
                drains[key] = bench.debezium(worker, slot, settings)
    return drains


def measure_large(postgres, broker, options):
    events = LARGE * options.events
    dsn = database.create(postgres, "bench", BIN / "postroom")
    with stage(f"{events:,} events"):
        database.fill(dsn, events, 10)
    bench = Bench(dsn, broker, events)
    ways = {"ceiling": bench.ceiling, "postroom": bench.postroom}
    return take_turns(ways, max(1, options.rounds // 2))


def print_shape(shape, drains):
    print(f"\n{shape}")
    postroom = drains["postroom"].events_per_second
    report.table(
        ["relay", "events/s", "CPU µs/event", "peak MB", "postroom is"],
        [
            [
                name,
                f"{d.events_per_second:,.0f}",
                f"{d.cpu_us_per_event:.2f}",
                f"{d.peak_mb:,.0f}",
                f"{postroom / d.events_per_second:.2f} x",
            ]
            for name, d in drains.items()
        ],
    )


def ratios(results, relay, other):
    return {
        shape: drains[relay].events_per_second / drains[other].events_per_second
        for shape, drains in results.items()
        if other in drains
    }


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    before, results = report.machine(), {}
    for shape, per_transaction in SHAPES.items():
        with servers.running() as (postgres, broker):
            results[shape] = measure(postgres, broker, per_transaction, options)
        print_shape(shape, results[shape])
    large = f"{LARGE * options.events:,} events"
    with servers.running() as (postgres, broker):
        results[large] = measure_large(postgres, broker, options)
    print_shape(large, results[large])
    report.save(
        "relay",
        before,
        {
            "events": options.events,
            "rounds": options.rounds,
            "partitions": PARTITIONS,
            "shapes": {
                shape: {name: dataclasses.asdict(drain) for name, drain in drains.items()}
                for shape, drains in results.items()
            },
            "postroom_of_ceiling": ratios(results, "postroom", "ceiling"),
            "exactly_once_of_ceiling": ratios(
                results, "postroom, exactly_once", "ceiling, transactions"
            ),
            "postroom_of_debezium": {
                name: ratios(results, "postroom", name)
                for name in results[next(iter(SHAPES))]
                if name.startswith("debezium")
            },
        },
    )


if __name__ == "__main__":
    main()
