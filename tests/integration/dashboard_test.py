"""What the dashboard and the alerts ask is answered: by Prometheus, of a relay at work.

Every panel's queries return numbers, every alert's expression is evaluated, promtool finds the
rules sound and sees each alert fire and stay quiet; and every metric of the relay is on the
dashboard or in an alert, and in README's table.
"""

import contextlib
import json
import os
import pathlib
import re
import socket
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.parse
import urllib.request
import uuid

import psycopg

SOURCE_DIR = pathlib.Path(os.environ["POSTROOM_SOURCE_DIR"])
POSTROOM = pathlib.Path(os.environ["POSTROOM_BIN"]).resolve() / "postroom"
SERVER, BROKERS = os.environ["POSTROOM_TEST_PG"], os.environ["POSTROOM_TEST_KAFKA"]
DASHBOARD = json.loads((SOURCE_DIR / "ops/dashboards/relay.json").read_text("utf-8"))
ALERTS = SOURCE_DIR / "ops/dashboards/alerts.yml"
LIMIT_SECONDS = 60
METRIC = re.compile(r"postroom_relay_\w+")
CONFIG = """
global: {{scrape_interval: 500ms, evaluation_interval: 500ms}}
rule_files: ["{alerts}"]
scrape_configs:
  - {{job_name: postroom, static_configs: [{{targets: ["127.0.0.1:{relay}"]}}]}}
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def fetch(port, path, **parameters):
    query = f"?{urllib.parse.urlencode(parameters)}" if parameters else ""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}{query}", timeout=10) as answer:
        return answer.read().decode()


def eventually(what, condition):
    """What the condition gives once that is true; OSError means not yet."""
    deadline, pause, why = time.monotonic() + LIMIT_SECONDS, threading.Event(), None
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            if why := condition():
                return why
        pause.wait(0.1)
    raise TimeoutError(f"waited {LIMIT_SECONDS} s for {what}")


def queries():
    """The dashboard's, with Grafana's variables filled in: (panel, query)."""
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            filled = target["expr"].replace("$instance", ".*")
            yield panel["title"], filled.replace("$__rate_interval", "10s")


def base_names(text):
    """Of the metrics in a text: a histogram's series count as the histogram."""
    return {re.sub(r"_(bucket|sum|count)$", "", name) for name in METRIC.findall(text)}


@contextlib.contextmanager
def ended(process):
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)


class Dashboard(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.name = f"dashboard_{uuid.uuid4().hex[:12]}"
        cls.dsn = f"{SERVER} dbname={cls.name}"
        with psycopg.connect(SERVER, autocommit=True) as server:
            server.execute(f"create database {cls.name}")
        cls.addClassCleanup(cls.drop)
        subprocess.run([POSTROOM, "migrate", "--dsn", cls.dsn], check=True, stdout=subprocess.PIPE)
        cls.relay, cls.prometheus = free_port(), free_port()
        cls.start([POSTROOM, "relay", "--database-dsn", cls.dsn, "--kafka-brokers", BROKERS,
                   "--admin-listen", f"127.0.0.1:{cls.relay}"])
        folder = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        config = folder / "prometheus.yml"
        config.write_text(CONFIG.format(alerts=ALERTS, relay=cls.relay), "utf-8")
        cls.start(["prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder / 'tsdb'}",
                   f"--web.listen-address=127.0.0.1:{cls.prometheus}", "--log.level=error"])
        cls.writer = cls.enterClassContext(psycopg.connect(cls.dsn, autocommit=True))
        eventually("Prometheus", lambda: fetch(cls.prometheus, "/-/ready"))
        eventually("an event in the metrics", cls.publishes)

    @classmethod
    def drop(cls):
        with psycopg.connect(SERVER, autocommit=True) as server:
            server.execute(f"drop database {cls.name} with (force)")

    @classmethod
    def start(cls, argv):
        cls.enterClassContext(ended(subprocess.Popen(argv)))

    @classmethod
    def publishes(cls):
        cls.writer.execute("select outbox.append(%s, 'k', 'Seen', '{}')", [cls.name])
        return re.search(r"published_total(\{.*\})? [1-9]", fetch(cls.relay, "/metrics"))

    def ask(self, query):
        answer = json.loads(fetch(self.prometheus, "/api/v1/query", query=query))
        return [float(each["value"][1]) for each in answer["data"]["result"]]

    def test_every_panel_shows_numbers(self):
        asked = list(queries())
        self.assertGreater(len(asked), 20)
        for panel, query in asked:
            with self.subTest(panel=panel, query=query):
                eventually(query, lambda: self.publishes() and
                           any(value == value for value in self.ask(query)))  # not only NaN

    def test_instances_can_be_chosen(self):
        found = json.loads(fetch(self.prometheus, "/api/v1/label/instance/values"))
        self.assertEqual(found["data"], [f"127.0.0.1:{self.relay}"])

    def test_every_alert_is_evaluated(self):
        def evaluated():
            groups = json.loads(fetch(self.prometheus, "/api/v1/rules"))["data"]["groups"]
            rules = [rule for group in groups for rule in group["rules"]]
            return rules if all(rule["health"] != "unknown" for rule in rules) else None

        rules = eventually("the rules", evaluated)
        for rule in rules:
            with self.subTest(alert=rule["name"]):
                self.assertEqual(rule["health"], "ok", rule.get("lastError"))
                self.ask(rule["query"])  # throws for what is no query
                self.assertLessEqual({"summary", "description"}, rule["annotations"].keys())
                self.assertTrue((SOURCE_DIR / rule["annotations"]["runbook_url"]).is_file())
        # A relay that is well, whose writer is at work.
        eventually("no alert to fire", lambda: all(rule["state"] == "inactive"
                                                   for rule in evaluated() or []))

    def test_alerts_fire_when_they_should(self):
        subprocess.run(["promtool", "check", "rules", "--lint-fatal", ALERTS], check=True)
        subprocess.run(["promtool", "test", "rules",
                        SOURCE_DIR / "tests/integration/alerts_test.yml"], check=True)
        tested = (SOURCE_DIR / "tests/integration/alerts_test.yml").read_text("utf-8")
        for name in re.findall(r"alert: (\w+)", ALERTS.read_text("utf-8")):
            with self.subTest(alert=name):
                samples = re.findall(rf'alertname="{name}",.*\n.*\n +exp_samples: (\[\]|\[\{{)',
                                     tested)
                self.assertEqual({"[]", "[{"}, set(samples))

    def test_every_metric_is_shown_and_documented(self):
        exposed = base_names(fetch(self.relay, "/metrics"))
        used = base_names(json.dumps(DASHBOARD) + ALERTS.read_text("utf-8"))
        table = base_names("\n".join(re.findall(r"^\| `.*", (SOURCE_DIR / "README.md").read_text(
            "utf-8"), re.MULTILINE)))
        self.assertEqual(exposed, used)
        self.assertEqual(exposed, table)


if __name__ == "__main__":
    unittest.main()
