#!/usr/bin/env python3
"""How long an event takes from its commit to a consumer, at a steady rate.

    ./ops/bench latency [--seconds S] [--rounds N]

Sixteen writers commit one event a transaction, at 1,000 and 5,000 a second; a read_committed
consumer takes the time. "direct" produces after the commit, without an outbox: the floor. Debezium
is tuned for latency. What is within Kafka counts from the producer's call, which stamps each message
to the millisecond. "waking" is postroom asleep: an event every 300 ms, with the relay asleep
50 ms after the last one. All share the machine's cores with PostgreSQL and the broker.
"""

import argparse
import contextlib
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).parent
sys.path += [str(HERE / "support"), str(HERE / "peers/debezium")]

import database
import psycopg
import report
import servers  # first: it makes ops/stack importable
from process import wait_until
from stages import stage

import connect as debezium

PARTITIONS = 3
RATES = [1000, 5000]
BIN = pathlib.Path(os.environ["POSTROOM_BIN"]).resolve()


class Bench:
    def __init__(self, postgres, broker):
        self.dsn = database.create(postgres, "bench", BIN / "postroom")
        self.brokers = broker.brokers
        self.topics = servers.Topics(broker)
        self._topics = 0

    def fresh_topic(self):
        self._topics += 1
        self.topics.create(f"latency-{self._topics}.bench", PARTITIONS)
        return f"latency-{self._topics}."

    @contextlib.contextmanager
    def relay(self, prefix, *more):
        database.execute(self.dsn, "select outbox.rebase(0, pg_current_snapshot())::text")
        argv = servers.relay(BIN / "postroom", self.dsn, self.brokers)
        log = servers.DIRECTORY / "relay.log"
        with servers.child([*argv, "--kafka-topic", prefix + "{aggregatetype}", *more], log) as process:
            wait_until(
                lambda: database.execute(self.dsn, "select leased from outbox.lag"),
                "the relay",
                lambda: process.poll() is None,
                log,
            )
            yield process

    @contextlib.contextmanager
    def debezium(self, prefix):
        slot = f"latency{self._topics}"
        debezium.create_slot(self.dsn, slot)
        jars = os.environ["POSTROOM_DEBEZIUM_JARS"]
        with debezium.connect(servers.DIRECTORY, jars, self.brokers) as worker:
            config = debezium.connector(self.dsn, slot, f"{prefix}bench", debezium.FOR_LATENCY)
            worker.start(slot, config)
            yield
            worker.check(slot)
            worker.stop(slot)
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            wait_until(
                lambda: not connection.execute(
                    "select active from pg_replication_slots where slot_name = %s", [slot]
                ).fetchone()[0],
                f"slot {slot}",
                lambda: True,
                servers.DIRECTORY / "connect.log",
            )
            connection.execute("select pg_drop_replication_slot(%s)", [slot])

    def load(self, prefix, rate, seconds, mode="outbox"):
        argv = ["bench_latency", mode, self.dsn, self.brokers, f"{prefix}bench", rate, seconds]
        done = subprocess.run(
            [BIN / argv[0], *map(str, argv[1:])], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(done.stderr)
        return json.loads(done.stdout)

    def direct(self, rate, seconds):
        return self.load(self.fresh_topic(), rate, seconds, "direct")

    def at_least_once(self, rate, seconds):
        prefix = self.fresh_topic()
        with self.relay(prefix):
            return self.load(prefix, rate, seconds)

    def exactly_once(self, rate, seconds):
        prefix = self.fresh_topic()
        with self.relay(prefix, "--relay-delivery", "exactly_once"):
            return self.load(prefix, rate, seconds)

    def debezium_for_latency(self, rate, seconds):
        prefix = self.fresh_topic()
        with self.debezium(prefix):
            self.load(prefix, rate, 3)  # it takes its time to start
            return self.load(prefix, rate, seconds)

    def waking(self, events):
        """Each event finds the relay asleep; the consumer is in this process."""
        prefix = self.fresh_topic()
        with self.relay(prefix, "--relay-idle-ms", "50"):
            reader = self.topics.reader(f"{prefix}bench", PARTITIONS)
            taken = []
            with psycopg.connect(self.dsn, autocommit=True) as writer:
                for n in range(events + 3):
                    time.sleep(0.3)
                    writer.execute(
                        "select outbox.append('bench', %s, 'OrderPlaced', '{}')", [str(n)]
                    )
                    committed = time.monotonic()
                    while (message := reader.poll(10)) is None or message.error():
                        pass
                    taken.append((time.monotonic() - committed) * 1000)
            reader.close()
        taken = sorted(taken[3:])  # the first one of each partition opens it
        return {"p50": statistics.median(taken), "p99": taken[int(0.99 * (len(taken) - 1))]}

    def idle(self, seconds):
        """The share of a core that a relay uses when nothing happens."""
        with self.relay(self.fresh_topic()) as process:
            time.sleep(3)  # until it is asleep
            before = servers.cpu_seconds(process.pid)
            time.sleep(seconds)
            return (servers.cpu_seconds(process.pid) - before) / seconds


def median(runs):
    return {
        part: {q: statistics.median(run[part][q] for run in runs) for q in runs[0][part]}
        for part in runs[0]
    }


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    before = report.machine()
    results = {}
    with servers.running() as (postgres, broker):
        bench = Bench(postgres, broker)
        ways = {
            "direct, no outbox": bench.direct,
            "postroom": bench.at_least_once,
            "postroom, exactly_once": bench.exactly_once,
            "debezium for latency": bench.debezium_for_latency,
        }
        with stage("warming up the broker"):
            for way in ways.values():
                way(RATES[-1], 20)  # its compiler takes its time
        runs = {(way, rate): [] for way in ways for rate in RATES}
        for round_number in range(options.rounds):
            with stage(f"round {round_number + 1} of {options.rounds}"):
                for (way, rate), taken in runs.items():
                    taken.append(ways[way](rate, options.seconds))
        with stage("waking and idling"):
            waking, idle = bench.waking(100), bench.idle(20)
    results = {key: median(taken) for key, taken in runs.items()}
    print()
    report.table(
        ["ms from commit to consumer", "p50", "p99", "p99.9", "max", "p99 before Kafka", "in Kafka"],
        [
            [
                f"{way}, {rate:,}/s",
                *(f"{r['whole'][q]:,.1f}" for q in ("p50", "p99", "p999", "max")),
                *(f"{r[part]['p99']:,.1f}" for part in ("until_produced", "in_kafka")),
            ]
            for (way, rate), r in results.items()
        ]
        + [["postroom, waking", f"{waking['p50']:.1f}", f"{waking['p99']:.1f}", "", "", "", ""]],
    )
    print(f"an idle relay uses {idle:.2%} of a core")
    report.save(
        "latency",
        before,
        {
            "seconds": options.seconds,
            "rounds": options.rounds,
            "partitions": PARTITIONS,
            "milliseconds": {f"{way}, {rate}/s": r for (way, rate), r in results.items()},
            "waking": waking,
            "idle_core": idle,
        },
    )


if __name__ == "__main__":
    main()
