"""One purchase is one trace: through HTTP, gRPC, outboxes, relay, Kafka and inboxes of six services.

A Zipkin is asked what it was told; and once it is away, the shop goes on without.
"""

import collections
import concurrent.futures
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest
import urllib.error
import urllib.request
import uuid

import confluent_kafka.admin
import psycopg

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "ops/stack"))
import process  # noqa: E402
import stages  # noqa: E402
from customers import Customer, Link, patiently  # noqa: E402
from shop import GRPC, ROUTES, SERVICES  # noqa: E402
from supervised import answers  # noqa: E402
from zipkin import Zipkin  # noqa: E402

BIN = pathlib.Path(os.environ["POSTROOM_BIN"]).resolve()
SERVER, BROKERS = os.environ["POSTROOM_TEST_PG"], os.environ["POSTROOM_TEST_KAFKA"]
LIMIT_S = 60
UNANSWERED = "account does not answer"
PURCHASE = {"order_items": [{"product_id": 1, "quantity": 1}], "payment": {"currency_code": "EUR"}}
# What one purchase consists of: service, span, kind. Zipkin writes them small.
HANDLED = {("orchestrator", "event.starttransaction"): 1, ("orchestrator", "event.handlereply"): 3,
           ("product", "event.updateproductinventory"): 1, ("order", "event.createorder"): 1,
           ("payment", "event.createpayment"): 1, ("purchase", "event.purchaseresult"): 4,
           ("order", "event.purchaseresult"): 4}
APPENDED = {("purchase", "event.createpurchase"): 1, ("product", "event.reply"): 1,
            ("order", "event.reply"): 1, ("payment", "event.reply"): 1,
            ("orchestrator", "event.updateproductinventory"): 1,
            ("orchestrator", "event.createorder"): 1, ("orchestrator", "event.createpayment"): 1,
            ("orchestrator", "event.purchaseresult"): 4}


# A handler whose transaction is rolled back runs again, so that there may be more.
PARTS = {"SERVER": {("purchase", "post /api/v1/purchases"): 1,
                    ("account", "auth.authservice/auth"): 1,
                    ("product", "product.productservice/getproducts"): 1},
         "CLIENT": {("purchase", "auth.authservice/auth"): 1,
                    ("purchase", "product.productservice/getproducts"): 1},
         "CONSUMER": HANDLED, "PRODUCER": APPENDED,
         None: {("postroom", "outbox wait"): sum(APPENDED.values())}}

TRACE = f"00-{'1' * 32}"

# As the seeds' tables have them, each after its service's name.
HEARD = {"_pubsub_subscriber_messages_received_total": {"acked", "handler_name", "subscriber_name"},
         "_pubsub_handler_execution_time_seconds": {"handler_name", "success"}}
METRICS = {**HEARD,
           "_pubsub_publish_time_seconds": {"handler_name", "success", "publisher_name"},
           "_http_request_duration_seconds": {"code", "handler", "method"},
           "_http_requests_inflight": {"code", "handler", "method"},
           "_http_response_size_bytes": {"handler"}}


def counted(spans):
    return collections.Counter(
        (span["localEndpoint"]["serviceName"], span["name"], span.get("kind")) for span in spans)


def get(url, headers=()):
    with urllib.request.urlopen(urllib.request.Request(url, headers=dict(headers)),
                                timeout=10) as answer:
        return json.load(answer)


def eventually(what, look):
    found = []
    process.wait_until(lambda: found.append(look()) or found[-1], what, lambda: True, None, LIMIT_S)
    return found[-1]


class OnePurchase(unittest.TestCase):
    def setUp(self):
        self.name = f"tracing_{uuid.uuid4().hex[:8]}"
        self.prefix = f"{self.name}."
        self.http = {service: f"127.0.0.1:{process.free_port()}" for service in SERVICES}
        self.zipkin = Zipkin(self.log("zipkin"))
        with concurrent.futures.ThreadPoolExecutor(len(SERVICES)) as others:
            made = [others.submit(self.make_database, service) for service in SERVICES]
            topics = others.submit(self.make_topics)
            self.addCleanup(self.zipkin.stop)
            self.zipkin.start()
            for each in (*made, topics):
                each.result()
        self.start_shop()
        self.start_relay()
        self.link = Link(f"http://{self.http['purchase']}")
        self.customer = Customer(f"http://{self.http['account']}", self.name, _Never())

    @staticmethod
    def log(name):
        log = stages.LOG_DIR / f"shop-tracing-{name}.log"
        log.unlink(missing_ok=True)
        return log

    def make_database(self, service):
        with psycopg.connect(SERVER, autocommit=True) as server:
            server.execute(f"create database {self.name}_{service}")
        self.addCleanup(self.drop, service)
        root = pathlib.Path(os.environ["POSTROOM_SOURCE_DIR"]) / "schema"
        subprocess.run([BIN / "postroom", "migrate", "--dsn", self.dsn(service),
                        "--dir", root / "outbox", "--dir", root / service],
                       check=True, stdout=subprocess.PIPE)

    def drop(self, service):
        with psycopg.connect(SERVER, autocommit=True) as server:
            server.execute(f"drop database {self.name}_{service} with (force)")

    def make_topics(self):
        admin = confluent_kafka.admin.AdminClient({"bootstrap.servers": BROKERS})
        topics = [confluent_kafka.admin.NewTopic(self.prefix + topic, 1, 1) for topic in ROUTES]
        for created in admin.create_topics(topics).values():
            created.result(LIMIT_S)

    def dsn(self, service):
        return f"{SERVER} dbname={self.name}_{service}"

    def start_shop(self):
        self.shop_log = self.log("shop")
        token = self.shop_log.with_suffix(".token")
        token.write_text(uuid.uuid4().hex, encoding="ascii")
        env = {"SHOP_KAFKA_BROKERS": BROKERS, "SHOP_KAFKA_TOPIC": self.prefix + "{aggregatetype}",
               "SHOP_CONSUMER_GROUP_PREFIX": self.prefix, "SHOP_JWT_SECRET": uuid.uuid4().hex,
               "SHOP_GRPC_TOKEN_FILE": str(token), "SHOP_OPERATOR_TOKEN": uuid.uuid4().hex,
               "SHOP_DB_CONNECTIONS": "2",
               "OTEL_EXPORTER_OTLP_ENDPOINT": self.zipkin.otlp_endpoint}
        for service in SERVICES:
            env[f"SHOP_{service.upper()}_DSN"] = self.dsn(service)
            env[f"SHOP_{service.upper()}_HTTP"] = self.http[service]
        for service in GRPC:
            env[f"SHOP_{service.upper()}_GRPC"] = f"127.0.0.1:{process.free_port()}"
        shop = process.spawn([BIN / "shop", "serve", "all"], self.shop_log, env)
        self.addCleanup(process.stop, shop)
        for address in self.http.values():
            process.wait_until(lambda: answers(address), "the shop",
                               lambda: shop.poll() is None, self.shop_log)

    def start_relay(self):
        with tempfile.NamedTemporaryFile("w", suffix=".toml", delete=False) as config:
            config.write(f"[kafka]\nbrokers = '{BROKERS}'\ntopic = '{self.prefix}{{aggregatetype}}'\n"
                         "[admin]\nlisten = ''\n"
                         f"[tracing]\notlp_endpoint = '{self.zipkin.otlp_endpoint}'\n")
            for service in SERVICES:
                config.write(f"[[databases]]\nname = '{service}'\ndsn = \"{self.dsn(service)}\"\n")
        self.addCleanup(os.unlink, config.name)
        relay = process.spawn([BIN / "postroom", "relay", "--config", config.name],
                              self.log("relay"))
        self.addCleanup(process.stop, relay)

    def await_account(self):
        """Until account answers purchase in time: the first call makes their connection, which takes
        longer under a sanitizer than purchase waits; it then checks the token alone."""
        def answered():
            before = self.shop_log.read_text().count(UNANSWERED)
            stranger = Customer(f"http://{self.http['account']}", f"early_{uuid.uuid4().hex[:8]}",
                                _Never())
            with self.assertRaisesRegex(urllib.error.HTTPError, "404"):
                get(f"http://{self.http['purchase']}/api/v1/purchases/1",
                    {"Authorization": f"Bearer {stranger.token()}"})
            return self.shop_log.read_text().count(UNANSWERED) == before
        eventually("account answers purchase", answered)

    def purchase(self, headers=()):
        signed_in = {"Authorization": f"Bearer {self.customer.token()}"}
        url = f"http://{self.http['purchase']}"
        told = {**signed_in, **dict(headers), "Idempotency-Key": uuid.uuid4().hex}
        # The server closes a connection that was idle for a while.
        number = patiently(lambda: self.link.post("/api/v1/purchases", PURCHASE, 202, told),
                           _Never())["purchase_id"]
        self.purchased = str(number)
        eventually("the purchase is complete", lambda: get(
            f"{url}/api/v1/purchases/{number}", signed_in)["success"])

    def traces(self):
        """Those that know of a purchase, each a list of spans."""
        found = get(f"{self.zipkin.url}/api/v2/traces?limit=1000")
        told = {name for _, name in (*HANDLED, *APPENDED)} | {"post /api/v1/purchases"}
        return [spans for spans in found if any(span["name"] in told for span in spans)]

    def test_is_one_trace_and_needs_none(self):
        self.await_account()
        self.purchase()

        def whole():
            traces = self.traces()
            count = counted(span for spans in traces for span in spans)
            counts = all(count[(*name, kind)] >= times for kind, part in PARTS.items()
                         for name, times in part.items())
            # A command that was asked again has parts beyond these, of which some may be on their way.
            return traces if counts and not any(map(orphans, traces)) else None
        traces = eventually("every span of the purchase is there", whole)
        self.assertEqual(len(traces), 1)
        self.check(traces[0])
        for service in SERVICES:
            self.check_metrics(service)
        self.zipkin.stop()
        self.purchase({"traceparent": f"{TRACE}-{'2' * 16}-01", "tracestate": "rojo=1"})
        self.check_tracestate()
        eventually("the shop tells of spans that nobody takes",
                   lambda: "spans are dropped" in self.shop_log.read_text())

    def check_tracestate(self):
        for service in ("purchase", "orchestrator", "product", "order", "payment"):
            with psycopg.connect(self.dsn(service)) as db:
                found = db.execute("select distinct headers->>'tracestate' from outbox.event"
                                   " where headers->>'traceparent' like %s", (f"{TRACE}-%",)).fetchall()
            self.assertEqual(found, [("rojo=1",)], service)

    def check_metrics(self, service):
        with self.assertRaises(urllib.error.HTTPError):
            get(f"http://{self.http[service]}/nothing/is/elsewhere")
        with urllib.request.urlopen(f"http://{self.http[service]}/metrics", timeout=10) as answer:
            text = answer.read().decode()
        self.assertNotIn("elsewhere", text)
        self.assertNotIn(self.purchased, text)
        found = {}
        for name, labels in re.findall(r"^(\w+_(?:http|pubsub)_\w+)\{(.*)\} ", text, re.MULTILINE):
            keys = set(re.findall(r'(\w+)="', labels)) - {"le"}
            name = re.sub(r"_(bucket|count|sum)$", "", name.removeprefix(service))
            self.assertEqual(found.setdefault(name, keys), keys)
        # account hears of nothing.
        self.assertEqual(found, {name: keys for name, keys in METRICS.items()
                                 if service != "account" or name not in HEARD})

    def check(self, spans):
        by_id = {span["id"]: span for span in spans}
        self.assertEqual(len(by_id), len(spans))
        roots = [span["name"] for span in spans if "parentId" not in span]
        self.assertEqual(roots, ["post /api/v1/purchases"])
        # append < wait < publish < handle: each under the one before.
        for span in spans:
            under = by_id.get(span.get("parentId"), {"name": "", "kind": None})
            if span.get("kind") == "CONSUMER":
                self.assertTrue(under["name"].startswith(f"publish {self.prefix}"), under)
            elif span["name"].startswith("publish "):
                self.assertEqual(under["name"], "outbox wait")
            elif span["name"] == "outbox wait":
                self.assertEqual(under["kind"], "PRODUCER")
            elif span.get("kind") == "SERVER" and "parentId" in span:
                self.assertEqual((under["kind"], under["name"]), ("CLIENT", span["name"]))


def orphans(spans):
    ids = {span["id"] for span in spans}
    return [span for span in spans if span.get("parentId", span["id"]) not in ids]


class _Never:
    """Nobody interrupts this test."""

    def wait(self, _):
        return False


if __name__ == "__main__":
    unittest.main()
