"""What ops/runbooks name is there: commands and their options, SQL, metrics, and our own texts."""

import os
import pathlib
import re
import shlex
import subprocess
import unittest
import uuid

import psycopg

SOURCE = pathlib.Path(os.environ["POSTROOM_SOURCE_DIR"])
TEXTS = {file.name: file.read_text(encoding="utf-8")
         for file in sorted((SOURCE / "ops/runbooks").glob("*.md"))}
POSTROOM = os.environ["POSTROOM_BIN"] + "/postroom"
BLOCK = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
EXISTS = """
    select exists (select from pg_proc p
                   where p.pronamespace = %(s)s::regnamespace and p.proname = %(t)s)
        or exists (select from pg_class c join pg_attribute a on a.attrelid = c.oid
                   where c.relnamespace = %(s)s::regnamespace and c.relname = %(t)s
                   and a.attname = coalesce(%(c)s, a.attname))"""


def blocks(text, kind):
    return [body for found, body in BLOCK.findall(text) if found == kind]


def spans(text):
    return re.findall(r"`([^`]+)`", BLOCK.sub("", text))


def commands(text):
    """Each call of postroom, as its words."""
    lines = spans(text) + [line for body in blocks(text, "sh") for line in body.splitlines()]
    for line in lines:
        for call in re.findall(r"(?:^|\| |xargs )(postroom [^|]+)", line.strip()):
            yield shlex.split(call)


def sources():
    """Our program texts, with C++'s adjacent literals and SQL's joined, and doubled quotes single."""
    text = ""
    for folder, kind in (("relay", "*.cpp"), ("outbox/src", "*.cpp"), ("schema/outbox", "*.sql"),
                         ("domain/payment", "*.cpp"), ("http", "*.cpp"), ("http/payment", "*.cpp")):
        for file in sorted((SOURCE / folder).glob(kind)):
            text += file.read_text(encoding="utf-8")
    text = re.sub(r'"\s*\n\s*"', "", text)
    return re.sub(r"'\s*\n\s*'", "", text).replace("''", "'")


class Runbooks(unittest.TestCase):
    maxDiff = None  # every fault at once

    @classmethod
    def setUpClass(cls):
        server = os.environ["POSTROOM_TEST_PG"]
        name = f"runbooks_{uuid.uuid4().hex[:12]}"
        admin = psycopg.connect(f"{server} dbname=postgres", autocommit=True)
        cls.addClassCleanup(admin.close)
        admin.execute(f"create database {name}")
        cls.addClassCleanup(lambda: admin.execute(f"drop database {name} with (force)"))
        dsn = f"{server} dbname={name}"
        subprocess.run([POSTROOM, "migrate", "--dsn", dsn, "--dir", SOURCE / "schema/outbox",
                        "--dir", SOURCE / "schema/payment"], check=True, capture_output=True)
        cls.database = psycopg.connect(dsn)
        cls.addClassCleanup(cls.database.close)

    def setUp(self):
        self.wrong = []

    def tearDown(self):
        self.assertEqual(self.wrong, [])

    def test_commands_and_their_options_exist(self):
        count = 0
        for runbook, text in TEXTS.items():
            for words in commands(text):
                # Of `dead retry ID`, two; of `show ID`, one.
                path = [word for word in words[1:3] if re.fullmatch("[a-z]+", word)]
                shown = subprocess.run([POSTROOM, *path, "--help"], text=True, check=False,
                                       capture_output=True).stdout
                options = [word for word in words if word.startswith("-")]
                if f"Usage: postroom {' '.join(path)} [" not in shown or any(
                        not re.search(rf"[ ,]{option}[ ,]", shown) for option in options):
                    self.wrong.append(f"{runbook}: {words}")
                count += 1
        self.assertGreater(count, 30)

    def test_sql_runs(self):
        statements = [(runbook, statement) for runbook, text in TEXTS.items()
                      for body in blocks(text, "sql") for statement in body.split(";\n")]
        statements += [(runbook, span.replace("PID", "0")) for runbook, text in TEXTS.items()
                       for span in spans(text) if re.match(r"(select|update) ", span)]
        self.assertGreater(len(statements), 20)
        self.database.execute("create role relay")
        self.database.execute("savepoint before")
        for runbook, statement in statements:
            try:
                self.database.execute(statement or "select")
            except psycopg.errors.UndefinedObject as error:
                if "'NAME'" not in statement:  # of a replication slot
                    self.wrong.append(f"{runbook}: {error}")
            except psycopg.Error as error:
                self.wrong.append(f"{runbook}: {error}")
            self.database.execute("rollback to before")
        self.database.rollback()

    def test_functions_tables_and_columns_exist(self):
        for runbook, text in TEXTS.items():
            code = "\n".join(spans(text) + blocks(text, "sql") + blocks(text, "log"))
            for name in re.findall(r"\b(?:outbox|inbox)\.[a-z_.]+", code):
                schema, thing, column = (name.rstrip(".").split(".") + [None])[:3]
                found = self.database.execute(EXISTS, {"s": schema, "t": thing, "c": column})
                if not found.fetchone()[0]:
                    self.wrong.append(f"{runbook}: {name}")

    def test_texts_and_metrics_are_ours(self):
        ours = sources()
        for runbook, text in TEXTS.items():
            for line in "".join(blocks(text, "log")).splitlines():
                # Two texts of the program may stand in one line, parted by a semicolon.
                self.wrong += [f"{runbook}: {part!r}" for part in re.split("…|; ", line)
                               if part.strip() not in ours]
            self.wrong += [f"{runbook}: {metric}"
                           for metric in re.findall(r"\bpostroom_relay_\w+", text)
                           if f'"{metric}"' not in ours]
            # A service's metrics begin with its name.
            self.wrong += [f"{runbook}: {metric}" for metric in spans(text)
                           if (own := re.fullmatch(r"(?:order|payment)_(\w+)", metric))
                           and f'"{own[1]}"' not in ours]

    def test_pages_link_to_pages_and_the_index_has_them_all(self):
        links = {runbook: set(re.findall(r"\]\(([^)]+)\)", text))
                 for runbook, text in TEXTS.items()}
        for runbook, names in links.items():
            self.wrong += [f"{runbook}: {name}" for name in names - TEXTS.keys()]
        self.assertEqual(links["README.md"], TEXTS.keys() - {"README.md"})
        self.assertGreater(len(TEXTS), 10)


if __name__ == "__main__":
    unittest.main()
