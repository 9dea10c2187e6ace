#!/usr/bin/env python3
"""The shop's HTTP: requests a second and their times, remembered and not, and logins.

    ./ops/bench http [--clients N] [--seconds S]

All on this machine: the whole shop, and clients that each send their next request when the last is
answered. GET /api/v1/products/ID is asked for ids that are in memory; that are in Redis alone (a
second process, which keeps nothing in memory); that nobody has asked for before; of a process that
remembers nothing; and for ids that never existed. POST /api/v1/account/auth/login costs what
argon2id costs, by its parameters.
"""

import argparse
import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import threading
import urllib.parse

import psycopg

sys.path.append(str(pathlib.Path(__file__).parent / "support"))

import report
import servers  # noqa: F401  first: it makes ops/stack importable
import process
import stages
from customers import Customer
from stages import RUN_DIR, stage
from supervisor import Stack

BIN = pathlib.Path(os.environ["POSTROOM_BIN"]).resolve()
HOT = 1000
COLD = 300_000
FIRST = 1_000_000
NEVER = 10_000_000_000
# As many as hash at the same time (--password-hashes); the parameters are the defaults as well.
LOGIN_CLIENTS = 4
ARGON2ID = {"memory_kib": 65_536, "passes": 3, "lanes": 1}
FILL = """
insert into products (id, category_id, name, brand_name, description, price, inventory)
select id, 1, 'Pen ' || id, 'Quillworks', 'Steel nib, medium, with a converter', 4900, 1000
from generate_series(%s, %s) as id"""


class Load:
    def __init__(self, clients, seconds):
        self.clients, self.seconds = clients, seconds

    def run(self, address, method, path, first, count, status=200, body="", clients=None):
        host, port = address.split(":")
        done = subprocess.run(
            [BIN / "bench_http", host, port, str(clients or self.clients), str(self.seconds),
             str(status), method, path, str(first), str(count), body],
            check=True, stdout=subprocess.PIPE, text=True)
        return json.loads(done.stdout)

    def get(self, address, first, count, status=200):
        return self.run(address, "GET", "/api/v1/products/{}", first, count, status)


@contextlib.contextmanager
def another_product(stack, name, **settings):
    """A second process of product, beside the stack's; yields its address."""
    address = f"127.0.0.1:{process.free_port()}"
    env = {"SHOP_PRODUCT_DSN": stack.env["POSTROOM_PRODUCT_DSN"], "SHOP_PRODUCT_HTTP": address,
           "SHOP_PRODUCT_GRPC": f"127.0.0.1:{process.free_port()}",
           "SHOP_KAFKA_BROKERS": stack.env["POSTROOM_KAFKA"],
           "SHOP_CONSUMER_GROUP_PREFIX": f"{name}-", "SHOP_JWT_SECRET": "s" * 32,
           "SHOP_GRPC_WITHOUT_TOKEN": "true",  # nobody calls
           "SHOP_LOCAL_CACHE_ENTRIES": "0", **settings}
    log = RUN_DIR / f"bench-{name}.log"
    log.unlink(missing_ok=True)  # the last run's says that it listens
    started = process.spawn([BIN / "shop", "serve", "product"], log, env)
    try:
        process.wait_until(lambda: '"listening"' in log.read_text(), name,
                           lambda: started.poll() is None, log)
        yield address
    finally:
        process.stop(started)


def address_of(url):
    return urllib.parse.urlsplit(url).netloc


def products(stack, load):
    results = {}
    with stage("products"), psycopg.connect(stack.env["POSTROOM_PRODUCT_DSN"]) as db:
        db.execute(FILL, [FIRST, FIRST + COLD - 1])
    address = address_of(stack.env["POSTROOM_PRODUCT_HTTP"])
    redis = {"SHOP_REDIS_ADDRS": stack.env["POSTROOM_REDIS"],
             "SHOP_REDIS_PASSWORD": stack.env["POSTROOM_REDIS_PASSWORD"]}
    with stage("ids in memory"):
        load.get(address, FIRST, HOT)  # warms up
        results["GET product, in memory"] = load.get(address, FIRST, HOT)
    with another_product(stack, "redis", **redis) as other, stage("ids in Redis"):
        load.get(other, FIRST, HOT)
        results["GET product, in Redis"] = load.get(other, FIRST, HOT)
    with stage("cold ids"):
        results["GET product, cold"] = load.get(address, FIRST + HOT, COLD - HOT)
    with another_product(stack, "none") as other, stage("without a cache"):
        load.get(other, FIRST, HOT)
        results["GET product, no cache"] = load.get(other, FIRST, HOT)
    with stage("ids that never were"):
        results["GET product, no such id"] = load.get(address, NEVER, NEVER, status=404)
    return results


def logins(stack, load):
    stopping = threading.Event()
    for client in range(LOGIN_CLIENTS):
        Customer(stack.env["POSTROOM_ACCOUNT_HTTP"], f"b{client}", stopping)
    return load.run(address_of(stack.env["POSTROOM_ACCOUNT_HTTP"]), "POST",
                    "/api/v1/account/auth/login", 0, LOGIN_CLIENTS, clients=LOGIN_CLIENTS,
                    body='{"email": "b{}@example.com", "password": "password of b{}"}')


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--seconds", type=int, default=10)
    options = parser.parse_args()
    before = report.machine()
    shutil.rmtree(RUN_DIR / "bench-shop", ignore_errors=True)
    load = Load(options.clients, options.seconds)
    with Stack(stages.SOURCE_DIR, BIN, RUN_DIR / "bench-shop") as stack:
        results = products(stack, load)
        with stage("logins"):
            results["POST login"] = logins(stack, load)
    print()
    report.table(
        ["request", "answered", "refused", "requests/s", "p50 ms", "p99 ms"],
        [[name, f"{each['answered']:,}", f"{each['refused']:,}", f"{each['per_second']:,.0f}",
          f"{each['p50_ms']:.2f}", f"{each['p99_ms']:.2f}"] for name, each in results.items()])
    report.save("http", before, {"seconds": options.seconds, "clients": options.clients,
                                 "login_clients": LOGIN_CLIENTS, "argon2id": ARGON2ID,
                                 "requests": results})


if __name__ == "__main__":
    stages.exit_on_signals(130)
    main()
