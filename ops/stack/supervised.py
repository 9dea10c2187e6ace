"""Processes that are started again whenever they end."""

import concurrent.futures
import http.client
import queue
import signal
import threading
import time

import process

LONGEST_PAUSE_S = 2.0
# Whoever lived that long did not end because of its start.
HEALTHY_AFTER_S = 1.0


def answers(address):
    """Whether whoever serves HTTP there calls itself ready."""
    connection = http.client.HTTPConnection(address, timeout=2)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


class Supervised:
    """One process, as spawn() makes it; one that keeps ending is started less and less often."""

    def __init__(self, spawn, ready, log, stop=signal.SIGTERM):
        self.ready, self.log, self.stop_signal = ready, log, stop
        self.restarts = 0
        self._spawn = spawn
        self._pause_s = 0.0
        self._restart_at = None
        self.process = None

    def start(self):
        self._restart_at = None
        self._started_at = time.monotonic()
        self.process = self._spawn()

    def check(self):
        """Restarts it if need be, and says whether it did."""
        now = time.monotonic()
        if self._restart_at is None and self.process.poll() is not None:
            healthy = now - self._started_at >= HEALTHY_AFTER_S
            self._pause_s = 0.0 if healthy else min(LONGEST_PAUSE_S, self._pause_s * 2 or 0.1)
            self._restart_at = now + self._pause_s
        if self._restart_at is not None and now >= self._restart_at:
            self.restarts += 1
            self.start()
            return True
        return False

    def starts_well(self):
        return self.restarts < 5

    def stop(self):
        process.stop(self.process, self.stop_signal)


class Supervisor:
    """A thread that starts processes, keeps them running and ends them: they end with the thread that
    started them. changed() is called there whenever one has another pid."""

    def __init__(self, changed):
        self.processes = {}
        self._changed = changed
        self._asked = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._stop_order = []
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def keep(self, processes):
        """Starts those of a dict, by name, and returns once each is ready; StageFailed if one is not."""
        if not self._thread.is_alive():
            self._thread.start()
        started = threading.Event()
        self._asked.put((processes, started))
        started.wait()
        for name, each in processes.items():
            process.wait_until(each.ready, name, each.starts_well, each.log)

    def stop(self, order):
        """Ends those of each list of names together, one list after another, and restarts nothing more."""
        self._stop_order = order
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def _watch(self):
        while not self._stopping.wait(0.02):
            changed = [each.check() for each in self.processes.values()]
            while not self._asked.empty():
                processes, started = self._asked.get()
                for name, each in processes.items():
                    each.start()
                    self.processes[name] = each
                changed.append(True)
                started.set()
            if any(changed):
                self._changed()
        with concurrent.futures.ThreadPoolExecutor() as at_once:
            for names in self._stop_order:
                list(at_once.map(lambda name: self.processes[name].stop(),
                                 filter(self.processes.__contains__, names)))
