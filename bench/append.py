#!/usr/bin/env python3
"""What announcing a change costs its writer: pgbench's transactions a second, one event each.

    ./ops/bench append [--seconds S] [--rounds N]

bare INSERT    the row that outbox.append would insert, into a table without the doorbell
INSERT, awake  the same, beside a session that holds the doorbell's lock, as an awake relay does
append, awake  by outbox.append
C++, awake     as outbox::append of the library does it: a call, or prepared, an INSERT with an id
append, rings  with nobody awake: a notification at every commit
with a relay   as "append, awake", but the holder is a relay at work, its broker on the same cores

All of it twice: "parsed", each statement sent as libpqxx and most drivers send it, and "prepared".
The cases take turns in short rounds, every second one in reverse, each case from an empty table; a
share is the median of the rounds' own shares, so that a disturbance hits both sides or is outvoted.
"""

import argparse
import contextlib
import dataclasses
import os
import pathlib
import re
import statistics
import subprocess
import sys

import psycopg

sys.path.append(str(pathlib.Path(__file__).parent / "support"))

import database
import report
import servers  # first: it makes ops/stack importable
from process import wait_until
from stages import stage

BIN = pathlib.Path(os.environ["POSTROOM_BIN"]).resolve()
CLIENTS = [16, 64]
PROTOCOLS = {"parsed": "extended", "prepared": "prepared"}  # pgbench's names for them
EVENT = """'bench', :key::text, 'OrderPlaced',
    '{"order_id": 471, "customer_id": 42, "currency_code": "EUR", "amount": 12345, "items": [1]}'"""
INSERT = f"""\\set key random(1, 100000)
insert into outbox.event (aggregatetype, aggregateid, type, payload, body, content_type, headers)
values ({EVENT}, null, null, null);
"""
APPEND = f"""\\set key random(1, 100000)
select outbox.append({EVENT});
"""
LIBRARY = {
    "parsed": f"""\\set key random(1, 100000)
select outbox.append({EVENT}, null, gen_random_uuid(), null, null, null);
""",
    "prepared": f"""\\set key random(1, 100000)
insert into outbox.event (aggregatetype, aggregateid, type, payload, headers, id, body, content_type, available_at)
values ({EVENT}, null, gen_random_uuid(), null, null, null);
""",
}


@contextlib.contextmanager
def no_doorbell(stand):
    database.execute(stand.dsn, "alter table outbox.event disable trigger ring")
    try:
        yield
    finally:
        database.execute(stand.dsn, "alter table outbox.event enable trigger ring")


@contextlib.contextmanager
def awake(stand):
    """Holds the lock that tells writers not to ring, as relay/doorbell.cpp does."""
    with psycopg.connect(stand.dsn, autocommit=True) as session:
        if not session.execute("select pg_try_advisory_lock(1886352244, 0)").fetchone()[0]:
            raise RuntimeError("another session holds the doorbell's lock")
        yield


@contextlib.contextmanager
def listening(stand):
    with psycopg.connect(stand.dsn, autocommit=True) as session:
        session.execute("listen outbox")
        session.execute("select pg_advisory_lock_shared(1886352244, 4)")  # as every relay does
        yield


@contextlib.contextmanager
def relay(stand):
    """A relay at work, from what is appended now on."""
    database.execute(stand.dsn, "select outbox.rebase(0, pg_current_snapshot())::text")
    argv = servers.relay(BIN / "postroom", stand.dsn, stand.brokers)
    log = servers.DIRECTORY / "relay.log"
    with servers.child(argv, log) as process:
        wait_until(
            lambda: database.execute(stand.dsn, "select leased from outbox.lag"),
            "the relay",
            lambda: process.poll() is None,
            log,
        )
        yield
    if process.returncode:
        raise RuntimeError(f"the relay failed: {log.read_text()}")


CASES = {
    "bare INSERT": (INSERT, no_doorbell),
    "INSERT, awake": (INSERT, awake),
    "append, awake": (APPEND, awake),
    "C++, awake": (LIBRARY, awake),
    "append, rings": (APPEND, listening),
    "with a relay": (APPEND, relay),
}


@dataclasses.dataclass(frozen=True)
class Load:
    clients: int
    protocol: str

    def __str__(self):
        return f"{self.clients} clients, statements {self.protocol}"


LOADS = [Load(clients, protocol) for protocol in PROTOCOLS for clients in CLIENTS]


@dataclasses.dataclass
class Rate:
    transactions_per_second: float
    published_per_second: float


class Stand:
    """The database and the broker that all cases use."""

    def __init__(self, postgres, broker):
        self.brokers = broker.brokers
        self.dsn = database.create(postgres, "bench", BIN / "postroom")

    def measure(self, case, load, seconds):
        sql, beside = CASES[case]
        script = servers.DIRECTORY / "script.sql"
        script.write_text(sql if isinstance(sql, str) else sql[load.protocol])
        database.execute(self.dsn, "truncate outbox.event")
        database.execute(self.dsn, "checkpoint")
        flags = f"-n -M {PROTOCOLS[load.protocol]} -c {load.clients} -j 2 -T {seconds}"
        with beside(self):
            before = self.published()
            output = subprocess.run(
                ["pgbench", self.dsn, *flags.split(), "-f", script],
                check=True,
                capture_output=True,
                text=True,
            ).stdout
            published = self.published() - before
        return Rate(float(re.search(r"tps = ([0-9.]+)", output)[1]), published / seconds)

    def published(self):
        return database.execute(self.dsn, "select published from outbox.current_position")


def measure_all(stand, options):
    with stage("warming up"):
        for case in CASES:
            stand.measure(case, LOADS[0], 2)
        stand.measure("with a relay", LOADS[0], 60)  # the broker's compiler takes its time
    rates = {load: {case: [] for case in CASES} for load in LOADS}
    for round_number in range(options.rounds):
        with stage(f"round {round_number + 1} of {options.rounds}"):
            for load, cases in rates.items():
                for case in list(cases)[:: -1 if round_number % 2 else 1]:
                    cases[case].append(stand.measure(case, load, options.seconds))
    return rates


def median(rates):
    return Rate(*(statistics.median(values) for values in zip(*map(dataclasses.astuple, rates))))


def share(cases, case, of):
    """The median of the rounds' shares, and the lower and upper quartile."""
    shares = [
        one.transactions_per_second / other.transactions_per_second
        for one, other in zip(cases[case], cases[of])
    ]
    lower, middle, upper = statistics.quantiles(shares, n=4, method="inclusive")
    return {"median": middle, "quartiles": [lower, upper]}


def shares(rates, case, of):
    return {str(load): share(cases, case, of) for load, cases in rates.items()}


def shown(share):
    lower, upper = share["quartiles"]
    return f"{share['median']:.1%} ({lower:.0%}–{upper:.0%})"


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    if options.rounds < 2:
        parser.error("quartiles need two rounds")
    before = report.machine()
    with servers.running() as (postgres, broker):
        rates = measure_all(Stand(postgres, broker), options)
    for load, cases in rates.items():
        print(f"\n{load}")
        report.table(
            ["writers", "transactions/s", "of bare INSERT", "of append, awake", "published/s"],
            [
                [
                    case,
                    f"{median(taken).transactions_per_second:,.0f}",
                    shown(share(cases, case, "bare INSERT")),
                    shown(share(cases, case, "append, awake")),
                    f"{median(taken).published_per_second:,.0f}",
                ]
                for case, taken in cases.items()
            ],
        )
    report.save(
        "append",
        before,
        {
            "seconds": options.seconds,
            "rounds": options.rounds,
            "loads": {
                str(load): {case: dataclasses.asdict(median(taken)) for case, taken in cases.items()}
                for load, cases in rates.items()
            },
            "awake_of_bare": shares(rates, "append, awake", "bare INSERT"),
            "library_of_bare": shares(rates, "C++, awake", "bare INSERT"),
            "kept_beside_a_relay": shares(rates, "with a relay", "append, awake"),
        },
    )


if __name__ == "__main__":
    main()
