#!/usr/bin/env python3
"""How many effects a second a consumer applies exactly once, and what its inbox costs.

    ./ops/bench consume [--events N] [--rounds N]

The handler inserts one row an event. "inbox" is the library's consumer, with as many sessions as the
topic has partitions; "bare" is the loop that one would write without an inbox: a thread a
partition, one transaction a batch, offsets after the commit. They take turns, each with a topic of
its own; from the first row to the last commit.
"""

import argparse
import dataclasses
import os
import pathlib
import random
import statistics
import subprocess
import sys
import time
import uuid

sys.path.append(str(pathlib.Path(__file__).parent / "support"))

import confluent_kafka
import database
import report
import servers  # first: it makes ops/stack importable
from stages import stage

PARTITIONS = 4
KEYS = 10_000
BIN = pathlib.Path(os.environ["POSTROOM_BIN"]).resolve()


@dataclasses.dataclass
class Rate:
    effects_per_second: float
    cpu_us_per_effect: float  # of the consumer's process


class Bench:
    def __init__(self, postgres, broker, events):
        self.dsn = database.create(postgres, "bench", BIN / "postroom")
        database.execute(
            self.dsn, "create table effect (event_id uuid not null, key text not null)"
        )
        self.broker, self.events = broker, events
        self.topics = servers.Topics(broker)
        self._runs = 0

    def fill(self, topic):
        producer = confluent_kafka.Producer(
            {
                "bootstrap.servers": self.broker.brokers,
                "linger.ms": 20,
                "queue.buffering.max.messages": self.events,
            }
        )
        for _ in range(self.events):
            headers = {"id": str(uuid7()), "type": "Counted"}
            key = str(random.randrange(KEYS))
            producer.produce(topic, '{"order_id": 471}', key, headers=headers)
        producer.flush()

    def run(self, how):
        self._runs += 1
        topic = f"consume-{self._runs}"
        self.topics.create(topic, PARTITIONS)
        self.fill(topic)
        database.execute(self.dsn, "truncate effect, inbox.received")
        database.execute(self.dsn, "checkpoint")
        before = os.times()
        seconds = subprocess.run(
            [
                BIN / "bench_consume",
                how,
                self.dsn,
                self.broker.brokers,
                topic,
                str(PARTITIONS),
                str(self.events),
            ],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        after = os.times()
        effects = database.execute(self.dsn, "select count(distinct event_id) from effect")
        rows = database.execute(self.dsn, "select count(*) from effect")
        if (effects, rows) != (self.events, self.events):
            raise RuntimeError(f"{rows} rows of {effects} events instead of {self.events}")
        self.topics.delete(topic)
        cpu = after.children_user + after.children_system
        cpu -= before.children_user + before.children_system
        return Rate(self.events / float(seconds), cpu / self.events * 1e6)


def uuid7():
    """Version 7, as producers make them; Python's uuid has none yet."""
    now = int(time.time() * 1000)
    return uuid.UUID(int=now << 80 | 7 << 76 | random.getrandbits(76) & ~(3 << 62) | 2 << 62)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    before = report.machine()
    ways = ("bare", "inbox")
    with servers.running() as (postgres, broker):
        bench = Bench(postgres, broker, options.events)
        with stage("warming up"):
            for way in ways:
                bench.run(way)
        rates = {way: [] for way in ways}
        for round_number in range(options.rounds):
            with stage(f"round {round_number + 1} of {options.rounds}"):
                for way, taken in rates.items():
                    taken.append(bench.run(way))
    medians = {
        way: Rate(*(statistics.median(v) for v in zip(*map(dataclasses.astuple, taken))))
        for way, taken in rates.items()
    }
    bare = medians["bare"].effects_per_second
    print()
    report.table(
        ["consumer", "effects/s", "CPU µs/effect", "of bare"],
        [
            [
                way,
                f"{rate.effects_per_second:,.0f}",
                f"{rate.cpu_us_per_effect:.1f}",
                f"{rate.effects_per_second / bare:.0%}",
            ]
            for way, rate in medians.items()
        ],
    )
    report.save(
        "consume",
        before,
        {
            "events": options.events,
            "rounds": options.rounds,
            "partitions": PARTITIONS,
            "rates": {way: dataclasses.asdict(rate) for way, rate in medians.items()},
            "inbox_of_bare": medians["inbox"].effects_per_second / bare,
        },
    )


if __name__ == "__main__":
    main()
