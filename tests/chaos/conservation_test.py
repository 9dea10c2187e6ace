"""Conservation under chaos: every process of the shop is killed at random while customers buy; whatever was
acknowledged then ends once, and stock, money and messages add up. POSTROOM_SEED repeats the purchases and the
order of kills; POSTROOM_PURCHASES makes it larger. POSTROOM_MUTANT reaches the shop's processes."""

import os
import pathlib
import random
import shutil
import sys
import tempfile
import unittest

import psycopg

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "ops/stack"))
import stages  # noqa: E402
from supervisor import Stack  # noqa: E402
from trial import RELAY_ARGS, Trial  # noqa: E402

PURCHASES = 1000
LOGS = stages.LOG_DIR / "conservation"

# What the verdict on a passed trial must say once each of these is done: (database, how, its words).
# Triggers do not run, as if the disk had done it.
WRONGS = [
    ("product", "update products set inventory = inventory + 1 where id = 1",
     "products whose stock is not what was there"),
    ("payment", "delete from payment.posting where ctid = (select min(ctid) from payment.posting)",
     "entries that do not balance"),
    ("orchestrator", "update saga.instance set state = 'COMPENSATED', deadline = null where id ="
                     " (select min(id) from saga.instance where state = 'COMPLETED')",
     "purchases that did not end exactly once"),
    ("orchestrator", "delete from saga.step where ctid = (select min(ctid) from saga.step)",
     "messages without a step of the saga"),
    ("order", "insert into outbox.event (aggregatetype, aggregateid, type, payload)"
              " select aggregatetype, aggregateid, type, payload from outbox.event limit 1",
     "purchases whose commands order answered twice"),
    ("product", "delete from inbox.received where event_id ="
                " (select event_id from inbox.received limit 1)",
     "events that product did not receive"),
]


class Conservation(unittest.TestCase):
    maxDiff = None

    def test_holds_whoever_is_killed(self):
        seed = int(os.environ.get("POSTROOM_SEED", random.randrange(2**32)))
        purchases = int(os.environ.get("POSTROOM_PURCHASES", PURCHASES))
        print(f"POSTROOM_SEED={seed} POSTROOM_PURCHASES={purchases}", flush=True)
        with Stack(stages.SOURCE_DIR, os.environ["POSTROOM_BIN"], self.run_dir(),
                   relay_args=RELAY_ARGS) as stack:
            trial = Trial(stack, purchases, seed)
            verdict = trial.run()
            print(f"kills: {dict(sorted(trial.killer.kills.items()))}")
            print(f"conservation purchases={purchases} seed={seed} kills={trial.killer.kills.total()}"
                  f" committed={verdict.committed} lost={verdict.lost}", flush=True)
            self.assertEqual([], verdict.differences)
            for service, wrong, _ in WRONGS:
                self.spoil(stack, service, wrong)
            differences = trial.judge().differences
            for _, wrong, words in WRONGS:
                with self.subTest(wrong):
                    self.assertTrue(any(words in each for each in differences), differences)

    def run_dir(self):
        """In memory: no death of a process loses what is there, and no busy disk delays a recovery."""
        folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory(dir="/dev/shm")))
        folder.chmod(0o755)  # for the user postgres
        self.addCleanup(shutil.copytree, folder / "log", LOGS, dirs_exist_ok=True)
        return folder

    def spoil(self, stack, service, wrong):
        with psycopg.connect(stack.env["POSTROOM_ADMIN_DSN"], dbname=f"shop_{service}") as db:
            db.execute("set session_replication_role = replica")
            self.assertEqual(1, db.execute(wrong).rowcount)


if __name__ == "__main__":
    try:
        unittest.main(warnings="ignore")
    except stages.StageFailed as failure:
        stages.report(failure)
        sys.exit(1)
