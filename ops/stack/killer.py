"""Kills the stack's processes, one after another, servers too."""

import collections
import itertools
import signal
import threading

SHORTEST_PAUSE_S, LONGEST_PAUSE_S = 0.3, 1.0
# Everyone dies in one round of so many, the first among them. Kafka gives a killed consumer's partitions
# to its successor only after the session timeout of 6 s: killed more often, nobody would ever consume.
FULL_ROUNDS = 5
# Of the servers those that are back at once may die in any round.
QUICK = ("redis", "edge")


class Killer:
    """A thread that SIGKILLs relays, now and then a server, and less often everyone, in rounds, each in
    another order. Counts only those that died of it."""

    def __init__(self, stack, rng):
        self.kills = collections.Counter()
        self._stack = stack
        self._rng = rng
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self):
        self._thread.start()

    def stop(self):
        self._stopping.set()
        self._thread.join()

    @property
    def relay_kills(self):
        return sum(count for name, count in self.kills.items() if name.endswith("-relay"))

    @property
    def server_kills(self):
        return sum(self.kills[name] for name in self._stack.servers())

    @property
    def service_kills(self):
        return self.kills.total() - self.relay_kills - self.server_kills

    def _run(self):
        everyone = [*self._stack.names(), *self._stack.servers()]
        relays = [name for name in everyone if name.endswith("-relay")]
        for number in itertools.count():
            victims = [*relays, self._rng.choice(QUICK)] if number % FULL_ROUNDS else everyone
            for name in self._rng.sample(victims, len(victims)):
                if self._stopping.wait(self._rng.uniform(SHORTEST_PAUSE_S, LONGEST_PAUSE_S)):
                    return
                self.kills[name] += _kill(self._stack.process(name))


def _kill(process):
    """Whether it was running, and died of SIGKILL."""
    if process.poll() is not None:
        return False
    process.kill()
    return process.wait(timeout=10) == -signal.SIGKILL
