"""Child processes that never outlive this one, with their output in a log."""

import ctypes
import os
import signal
import socket
import subprocess
import time

from stages import StageFailed

_libc = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1


def _die_with_parent():
    # A killed parent cannot stop its children; the kernel can.
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def spawn(argv, log, env=None, user=None):
    """Starts argv in a session of its own, so that Ctrl-C reaches it only through us, in order."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "ab") as output:
        return subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            env={**os.environ, **(env or {})}, user=user, group=user,
            extra_groups=[] if user else None, start_new_session=True, cwd="/",
            preexec_fn=_die_with_parent)


def stop(process, sig=signal.SIGTERM, limit_s=15):
    """Ends it with sig; with SIGKILL once limit_s is over."""
    if process is None or process.poll() is not None:
        return
    process.send_signal(sig)
    try:
        process.wait(limit_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def wait_until(ready, what, process, log, limit_s=60):
    """Polls ready() until it is true; fails when process ends before, or after limit_s."""
    end = time.monotonic() + limit_s
    while not ready():
        if process.poll() is not None:
            raise StageFailed(f"{what} ended at its start (exit {process.returncode})", log)
        if time.monotonic() > end:
            raise StageFailed(f"{what} was not ready after {limit_s} s", log)
        time.sleep(0.05)


def free_ports(count):
    """Free loopback ports, different from each other."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()
