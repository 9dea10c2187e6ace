"""What ./ops/demo does: the shop's main job under SIGKILL, and the proof that nothing got lost."""

import argparse
import fcntl
import os
import random
import shutil
import signal
import sys
import time

import evidence
import stages
from killer import Killer
from proof import prove
from purchases import Customers, make_purchases
from stages import RUN_DIR, stage
from supervisor import Stack

# Slow enough for every process to be killed several times meanwhile.
PURCHASES_A_SECOND, SHORTEST_S = 100, 10
LEAST_RELAY_KILLS = 3
SETTLE_LIMIT_S = 60
# A killed relay's lease has to run out before its successor may publish.
RELAY_ARGS = ["--relay-lease-ms", "1000"]


class Progress:
    """One line that follows the run on a terminal; a line now and then elsewhere."""

    def __init__(self):
        self._live = sys.stdout.isatty()
        self._shown_at = 0.0

    def show(self, line):
        now = time.monotonic()
        if now - self._shown_at < (0.1 if self._live else 2):
            return
        self._shown_at = now
        print(f"\r\x1b[K  {line}" if self._live else f"  {line}",
              end="" if self._live else "\n", flush=True)

    def end(self):
        if self._live:
            print("\r\x1b[K", end="", flush=True)


def main():
    parser = argparse.ArgumentParser(prog="ops/demo", description=__doc__)
    parser.add_argument("--purchases", type=int, default=2000, metavar="N")
    parser.add_argument("--seed", type=int, help="repeats the purchases and the order of kills")
    parser.add_argument("--keep", action="store_true",
                        help="leave everything running afterwards, until Ctrl-C")
    arguments = parser.parse_args()
    if arguments.purchases < 1:
        parser.error("--purchases must be at least 1")
    # Ends the with-blocks below, and so all that runs.
    for sig in (signal.SIGINT, signal.SIGTERM):
        signal.signal(sig, lambda *_: sys.exit(130))
    RUN_DIR.mkdir(parents=True, exist_ok=True)
    with open(RUN_DIR / "demo.lock", "w", encoding="ascii") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise stages.StageFailed("another ./ops/demo runs in this checkout; wait for it")
        shutil.rmtree(RUN_DIR / "demo", ignore_errors=True)
        with Stack(stages.SOURCE_DIR, os.environ["POSTROOM_BIN"], RUN_DIR / "demo",
                   relay_args=RELAY_ARGS) as stack:
            holds = run(stack, arguments)
            if arguments.keep:
                for key, value in stack.env.items():
                    print(f"{key}={value}", flush=True)
                stack.wait()
    return 0 if holds else 1


def run(stack, arguments):
    """Does the job, prints the proof, and says whether it holds."""
    seed = random.randrange(2**32) if arguments.seed is None else arguments.seed
    print(f"  seed {seed}: ./ops/demo --purchases {arguments.purchases} --seed {seed}", flush=True)
    restarts = {name: stack.restarts(name) for name in stack.names()}
    stock = evidence.stock(stack.env)
    customers, killer = trade(stack, arguments.purchases, seed)
    left = settle(stack)
    with stage("evidence from HTTP, SQL and Kafka"):
        seen = evidence.collect(stack.env, customers, stock)
    verdict = prove(seen)
    verdict.expect_none("purchases without an answer", customers.unanswered)
    verdict.expect_none(f"not settled after {SETTLE_LIMIT_S} s",
                        [f"{count} {what}" for what, count in left.items()])
    verdict.expect_none("ended without being killed", [
        name for name, before in restarts.items()
        if stack.restarts(name) - before > killer.kills[name]])
    verdict.expect_none("no purchase ended", {"COMPLETED", "COMPENSATED"} - verdict.outcomes.keys())
    if killer.relay_kills < LEAST_RELAY_KILLS:
        verdict.differences.append(f"fewer than {LEAST_RELAY_KILLS} relays were killed")
    report(verdict, killer)
    return not verdict.differences


def trade(stack, count, seed):
    """Places the purchases while processes die; returns Customers and Killer, both at rest."""
    rng = random.Random(seed)
    customers = Customers(stack.env, make_purchases(count, rng),
                          max(SHORTEST_S, count / PURCHASES_A_SECOND))
    killer = Killer(stack, rng)
    progress = Progress()
    with stage(f"{count} purchases placed under SIGKILL"):
        try:
            customers.start()
            killer.start()
            while not customers.done():
                progress.show(f"{len(customers.acknowledged)} of {count} purchases acknowledged, "
                              f"{customers.repeated} requests repeated; killed: "
                              f"{killer.relay_kills} relays, {killer.service_kills} services")
                time.sleep(0.05)
        finally:
            killer.stop()
            customers.stop()
            progress.end()
    return customers, killer


def settle(stack):
    """Waits until every purchase has ended; returns what is left when that takes too long."""
    progress = Progress()
    deadline = time.monotonic() + SETTLE_LIMIT_S
    with stage("settled"):
        while (left := evidence.unfinished(stack.env)) and time.monotonic() < deadline:
            progress.show("left: " + ", ".join(f"{count} {what}" for what, count in left.items()))
            time.sleep(0.1)
        progress.end()
    return left


def report(verdict, killer):
    for difference in verdict.differences:
        print(f"✗ {difference}")
    print(f"  {verdict.outcomes['COMPLETED']} purchases completed, "
          f"{verdict.outcomes['COMPENSATED']} taken back; "
          f"{killer.service_kills} services killed")
    print(f"committed={verdict.committed} published={verdict.published} effects={verdict.effects} "
          f"duplicates_suppressed={verdict.duplicates_suppressed} "
          f"relay_kills={killer.relay_kills} lost={verdict.lost}", flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except stages.StageFailed as failure:
        stages.report(failure)
        sys.exit(1)
