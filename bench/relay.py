#!/usr/bin/env python3
"""How fast a full outbox reaches Kafka: what the machine allows, postroom, Debezium.

    ./ops/bench relay [--events N] [--rounds N]

Each shape fills one table. The ceiling and postroom take turns at draining it, in both delivery
modes; Debezium then drains the same changes twice through two slots, in one JVM, so that its second
drain is a warm one. Every drain has a fresh topic with the same partitions, and lasts from the
start of its process (or connector) until the topic holds all events; in transactions, until the
process has committed the last one and ended.
"""

import argparse
import dataclasses
import os
import pathlib
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).parent
sys.path += [str(HERE / "support"), str(HERE / "peers/debezium")]

import database
import report
import servers  # first: it makes ops/stack importable
from stages import stage

import connect as debezium

PARTITIONS = 3
DRAIN_SECONDS = 300
SHAPES = {"10 events a transaction": 10, "1 event a transaction": 1}
BIN = pathlib.Path(os.environ["POSTROOM_BIN"]).resolve()


@dataclasses.dataclass
class Drain:
    events_per_second: float
    cpu_us_per_event: float
    peak_mb: float


def median(drains):
    return Drain(*(statistics.median(values) for values in zip(*map(dataclasses.astuple, drains))))


class Process:
    """A child whose use of resources is known when it has ended; killed if that is not awaited."""

    def __init__(self, argv):
        self._child = subprocess.Popen(argv, stderr=subprocess.PIPE, text=True)
        self._usage = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._usage is None:
            self._child.kill()
            self._child.wait()

    def check(self, flags=os.WNOHANG):
        """Raises if it has failed."""
        pid, status, usage = (
            os.wait4(self._child.pid, flags) if self._usage is None else (0, 0, None)
        )
        if pid:
            self._usage, self._child.returncode = usage, os.waitstatus_to_exitcode(status)
        if self._child.returncode:
            raise RuntimeError(f"{self._child.args[0]} failed: {self._child.stderr.read()}")

    def wait(self):
        self.check(flags=0)
        return self._usage


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
        return [*argv, "--kafka-topic-prefix", prefix, "--relay-stop-when-drained", "true"], topic

    def debezium(self, worker, slot):
        _, topic = self.fresh_topic()
        before, started = servers.cpu_seconds(worker.process.pid), time.monotonic()
        worker.start(slot, debezium.connector(self.dsn, slot, topic))
        self.await_all(topic, lambda: worker.check(slot))
        elapsed = time.monotonic() - started
        used = servers.cpu_seconds(worker.process.pid) - before
        worker.stop(slot)
        self.topics.delete(topic)
        return Drain(self.events / elapsed, used / self.events * 1e6, peak_mb(worker.process.pid))


def peak_mb(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def measure(postgres, broker, per_transaction, options):
    dsn = database.create(postgres, "bench", BIN / "postroom")
    debezium.create_slot(dsn, "first")
    debezium.copy_slot(dsn, "first", "warm")
    with stage(f"{options.events:,} events, {per_transaction} a transaction"):
        database.fill(dsn, options.events, per_transaction)
    bench = Bench(dsn, broker, options.events)
    taking_turns = {
        "ceiling": bench.ceiling,
        "postroom": bench.postroom,
        "ceiling, transactions": bench.ceiling_in_transactions,
        "postroom, exactly_once": bench.postroom_exactly_once,
    }
    with stage("warming up the broker"):
        for drain in taking_turns.values():
            drain()
    drains = {name: [] for name in taking_turns}
    for round_number in range(options.rounds):
        with stage(f"round {round_number + 1} of {options.rounds}"):
            for name, drain in taking_turns.items():
                drains[name].append(drain())
    with (
        stage("Debezium, twice"),
        debezium.connect(
            servers.DIRECTORY, os.environ["POSTROOM_DEBEZIUM_JARS"], broker.brokers
        ) as worker,
    ):
        drains["debezium first"] = [bench.debezium(worker, "first")]
        drains["debezium warm"] = [bench.debezium(worker, "warm")]
    return {name: median(taken) for name, taken in drains.items()}


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
            "postroom_of_ceiling": {
                s: r["postroom"].events_per_second / r["ceiling"].events_per_second
                for s, r in results.items()
            },
            "exactly_once_of_ceiling": {
                s: r["postroom, exactly_once"].events_per_second
                / r["ceiling, transactions"].events_per_second
                for s, r in results.items()
            },
            "postroom_of_debezium_warm": {
                s: r["postroom"].events_per_second / r["debezium warm"].events_per_second
                for s, r in results.items()
            },
        },
    )


if __name__ == "__main__":
    main()
