"""One line a stage with its time; a failure names the log and shows its end."""

import contextlib
import fcntl
import os
import pathlib
import signal
import subprocess
import sys
import time

SOURCE_DIR = pathlib.Path(__file__).resolve().parents[2]
# The checkout's .run, by the short path that enter.sh mounts: the user postgres can reach it.
RUN_DIR = pathlib.Path("/run/postroom") if os.path.ismount("/run/postroom") else SOURCE_DIR / ".run"
LOG_DIR = RUN_DIR / "log"
CACHE_DIR = pathlib.Path(os.environ.get("POSTROOM_CACHE", "/var/cache/postroom"))


class StageFailed(Exception):
    """What failed, and the log that says why."""

    def __init__(self, what, log=None):
        super().__init__(what)
        self.log = log


def exit_on_signals(code=130):
    """Turns the first SIGINT or SIGTERM into SystemExit, so that with-blocks stop what they began;
    more of them (Ctrl-C reaches every process) must not interrupt that."""
    def leave(*_):
        for sig in (signal.SIGINT, signal.SIGTERM):
            signal.signal(sig, signal.SIG_IGN)
        sys.exit(code)

    for sig in (signal.SIGINT, signal.SIGTERM):
        signal.signal(sig, leave)


@contextlib.contextmanager
def stage(name):
    start = time.monotonic()
    yield
    print(f"✓ {name} {time.monotonic() - start:.1f} s", flush=True)


def report(failure):
    """Prints a StageFailed for a person to act on."""
    print(f"✗ {failure}", file=sys.stderr)
    if failure.log and pathlib.Path(failure.log).exists():
        shown = str(failure.log).replace(str(RUN_DIR), ".run", 1)
        print(f"  {shown} ends with:", file=sys.stderr)
        lines = pathlib.Path(failure.log).read_text(errors="replace").splitlines()
        print("\n".join("    " + line for line in lines[-20:]), file=sys.stderr, flush=True)


def run(name, argv, log_name=None, **options):
    """Runs argv as a stage, its output in .run/log/<log_name>.log."""
    LOG_DIR.mkdir(parents=True, exist_ok=True)
    log = LOG_DIR / f"{log_name or name.replace(' ', '-')}.log"
    with stage(name), open(log, "wb") as output:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=output,
                              stderr=subprocess.STDOUT, **options)
        if done.returncode != 0:
            raise StageFailed(f"{name} failed (exit {done.returncode})", log)


def build(preset):
    """Configures and builds a CMake preset; returns its build directory. One build at a time."""
    RUN_DIR.mkdir(parents=True, exist_ok=True)
    with open(RUN_DIR / f"build-{preset}.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        run("configure " + preset, ["cmake", "--preset", preset], cwd=SOURCE_DIR)
        run("build " + preset, ["cmake", "--build", "--preset", preset], cwd=SOURCE_DIR)
    return SOURCE_DIR / "build" / preset
