#!/usr/bin/env python3
"""The shop under load: completed purchases a second, and the time from request to end.

    ./ops/bench purchases [--clients N] [--seconds S] [--rates R …]

All on this machine: PostgreSQL, Kafka, six services, six relays, and the customers. First a closed
loop, in which each client sends its next purchase when the last is accepted: the rate is that of
purchases that came to their end, from the first request to the last end. Then open loops at steady
rates: percentiles, by the purchase database's clock, from the request's transaction to the one that
stores the end.
"""

import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import threading
import time
import urllib.parse

import psycopg

sys.path.append(str(pathlib.Path(__file__).parent / "support"))

import report
import servers  # noqa: F401  first: it makes ops/stack importable
import stages
from customers import Customer
from stages import RUN_DIR, stage
from supervisor import Stack

BIN = pathlib.Path(os.environ["POSTROOM_BIN"]).resolve()
SETTLE_LIMIT_S = 300
LEFT = "select count(*) from purchases where success is null"
RESULT = """
select count(*) filter (where success), count(*) filter (where not success),
       extract(epoch from max(updated_at) - min(created_at))::float8,
       percentile_cont(array[0.5, 0.99]) within group (
           order by extract(epoch from updated_at - created_at)::float8 * 1000)
from purchases where created_at >= %s"""


class Bench:
    def __init__(self, stack):
        self.env = stack.env
        self.customer = Customer(stack.env["POSTROOM_ACCOUNT_HTTP"], "bench", threading.Event())

    def run(self, clients, rate, seconds):
        url = urllib.parse.urlsplit(self.env["POSTROOM_PURCHASE_HTTP"])
        with psycopg.connect(self.env["POSTROOM_PURCHASE_DSN"], autocommit=True) as db:
            began = db.execute("select clock_timestamp()").fetchone()[0]
            output = subprocess.run(
                [BIN / "bench_purchases", url.hostname, str(url.port), self.customer.token(),
                 str(clients), str(rate), str(seconds)],
                check=True, capture_output=True, text=True).stdout
            deadline = time.monotonic() + SETTLE_LIMIT_S
            while db.execute(LEFT).fetchone()[0] > 0:
                if time.monotonic() > deadline:
                    raise RuntimeError(f"not settled after {SETTLE_LIMIT_S} s")
                time.sleep(0.2)
            completed, taken_back, took_s, (p50, p99) = db.execute(RESULT, [began]).fetchone()
        return {**json.loads(output), "completed": completed, "taken_back": taken_back,
                "per_second": completed / took_s, "p50_ms": p50, "p99_ms": p99}


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=100)
    parser.add_argument("--seconds", type=int, default=15)
    parser.add_argument("--rates", type=int, nargs="*", default=[100, 500])
    options = parser.parse_args()
    before = report.machine()
    shutil.rmtree(RUN_DIR / "bench-shop", ignore_errors=True)
    results = {}
    with Stack(stages.SOURCE_DIR, BIN, RUN_DIR / "bench-shop") as stack:
        bench = Bench(stack)
        with stage("warming up"):
            bench.run(16, 50, 5)
        for rate in [0, *options.rates]:
            name = f"open loop, {rate}/s" if rate else f"closed loop, {options.clients} clients"
            with stage(name):
                results[name] = bench.run(options.clients, rate, options.seconds)
    print()
    report.table(
        ["load", "completed", "refused", "completed/s", "p50 ms", "p99 ms"],
        [[name, f"{each['completed']:,}", f"{each['refused']:,}", f"{each['per_second']:,.0f}",
          f"{each['p50_ms']:,.0f}", f"{each['p99_ms']:,.0f}"] for name, each in results.items()])
    report.save("purchases", before, {"seconds": options.seconds, "loads": results})


if __name__ == "__main__":
    stages.exit_on_signals(130)
    main()
