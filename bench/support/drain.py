"""What draining an outbox took, and of whom."""

import dataclasses
import os
import pathlib
import statistics
import subprocess


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


def peak_mb(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024
