"""The shop's main job while every one of its processes is killed, and the verdict on what became of it."""

import random
import sys
import time

import evidence
from killer import Killer
from proof import prove
from purchases import Customers, make_purchases
from stages import stage

# Slow enough for every process to be killed meanwhile, servers too.
PURCHASES_A_SECOND, SHORTEST_S = 100, 20
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


class Trial:
    """Of a Stack with RELAY_ARGS that nobody has bought anything of yet. run(), once, leaves a verdict,
    and everything running."""

    def __init__(self, stack, purchases, seed):
        rng = random.Random(seed)
        self._stack = stack
        self._restarts = {name: stack.restarts(name) for name in self._everyone()}
        self._stock = evidence.stock(stack.env)
        self._count = purchases
        self._customers = Customers(stack.env, make_purchases(purchases, rng),
                                    max(SHORTEST_S, purchases / PURCHASES_A_SECOND))
        self.killer = Killer(stack, rng)
        self.verdict = None

    def run(self):
        """The Verdict: the trial is passed when it has no differences."""
        self._trade()
        left = self._settle()
        verdict = self.judge()
        verdict.expect_none("purchases without an answer", self._customers.unanswered)
        verdict.expect_none(f"not settled after {SETTLE_LIMIT_S} s",
                            [f"{count} {what}" for what, count in left.items()])
        verdict.expect_none("no purchase ended",
                            {"COMPLETED", "COMPENSATED"} - verdict.outcomes.keys())
        self._prove_kills(verdict)
        return verdict

    def judge(self):
        """A Verdict on what is to be seen now."""
        with stage("evidence from HTTP, SQL and Kafka"):
            return prove(evidence.collect(self._stack.env, self._customers, self._stock))

    def _everyone(self):
        return [*self._stack.names(), *self._stack.servers()]

    def _trade(self):
        """Places the purchases while processes die; then customers and killer are at rest."""
        customers, killer = self._customers, self.killer
        progress = Progress()
        with stage(f"{self._count} purchases placed under SIGKILL"):
            try:
                customers.start()
                killer.start()
                while not customers.done():
                    progress.show(f"{len(customers.acknowledged)} of {self._count} purchases "
                                  f"acknowledged, {customers.repeated} requests repeated; killed: "
                                  f"{killer.relay_kills} relays, {killer.service_kills} services, "
                                  f"{killer.server_kills} servers")
                    time.sleep(0.05)
            finally:
                killer.stop()
                customers.stop()
                progress.end()

    def _settle(self):
        """Waits until every purchase has ended; returns what is left when that takes too long."""
        progress = Progress()
        deadline = time.monotonic() + SETTLE_LIMIT_S
        with stage("settled"):
            while (left := self._left()) and time.monotonic() < deadline:
                progress.show("left: " + ", ".join(f"{count} {what}" for what, count in left.items()))
                time.sleep(0.1)
            progress.end()
        return left

    def _left(self):
        if away := self._stack.away():
            return {"processes to come back: " + ", ".join(away): len(away)}
        return evidence.unfinished(self._stack.env)

    def _prove_kills(self, verdict):
        """Everyone was killed, came back each time, and ended for no other reason."""
        kills = self.killer.kills
        restarts = {name: self._stack.restarts(name) - before
                    for name, before in self._restarts.items()}
        verdict.expect_none("never killed", [name for name in restarts if not kills[name]])
        verdict.expect_none("killed, and running on",
                            [name for name in restarts if restarts[name] < kills[name]])
        verdict.expect_none("ended without being killed", [
            name for name in restarts if restarts[name] > kills[name]
            # A PostgreSQL that finds sessions of its predecessor alive ends, and is started again.
            and name != "postgres"])
        if self.killer.relay_kills < LEAST_RELAY_KILLS:
            verdict.differences.append(f"fewer than {LEAST_RELAY_KILLS} relays were killed")
