"""Child processes that never outlive this one, with their output in a log."""

import os
import random
import signal
import socket
import subprocess
import time

from stages import StageFailed


def spawn(argv, log, env=None, user=None):
    """Starts argv in a session of its own, so that Ctrl-C reaches it only through us, in order.

    It dies with the thread that started it: a killed parent cannot stop its children.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    as_user = ["--reuid", user, "--regid", user, "--clear-groups"] if user else []
    with open(log, "ab") as output:
        return subprocess.Popen(
            ["setpriv", *as_user, "--pdeathsig", "KILL", "--", *argv], stdin=subprocess.DEVNULL,
            stdout=output, stderr=subprocess.STDOUT, env={**os.environ, **(env or {})},
            start_new_session=True, cwd="/")


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


def wait_until(ready, what, alive, log, limit_s=120):
    """Polls ready() until it is true; fails once alive() no longer is, or after limit_s."""
    end = time.monotonic() + limit_s
    while not ready():
        if not alive():
            raise StageFailed(f"{what} ended at its start", log)
        if time.monotonic() > end:
            raise StageFailed(f"{what} was not ready after {limit_s} s", log)
        time.sleep(0.05)


def free_port():
    """A free loopback port below the range of outgoing connections: while whoever listens there
    is down for a moment, none of those can take it."""
    for port in random.SystemRandom().sample(range(20000, 32000), 1000):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise StageFailed("no free port between 20000 and 32000 on 127.0.0.1")
