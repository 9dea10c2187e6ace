"""What ./ops/demo does: the shop's main job under SIGKILL, and the proof that nothing got lost."""

import argparse
import fcntl
import os
import random
import shutil
import signal
import sys

import stages
from stages import RUN_DIR
from supervisor import Stack
from trial import RELAY_ARGS, Trial


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
    trial = Trial(stack, arguments.purchases, seed)
    verdict = trial.run()
    report(verdict, trial.killer)
    return not verdict.differences


def report(verdict, killer):
    for difference in verdict.differences:
        print(f"✗ {difference}")
    print(f"  {verdict.outcomes['COMPLETED']} purchases completed, "
          f"{verdict.outcomes['COMPENSATED']} taken back; "
          f"{killer.service_kills} services and {killer.server_kills} servers killed")
    print(f"committed={verdict.committed} published={verdict.published} effects={verdict.effects} "
          f"duplicates_suppressed={verdict.duplicates_suppressed} "
          f"relay_kills={killer.relay_kills} lost={verdict.lost}", flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except stages.StageFailed as failure:
        stages.report(failure)
        sys.exit(1)
