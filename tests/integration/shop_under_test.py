"""The whole shop at work, for tests of what it speaks: one process of six services, one of relays,
databases and topics of its own, three customers, a purchase that succeeded and one that was declined.
"""

import concurrent.futures
import contextlib
import http.client
import http.server
import json
import os
import pathlib
import secrets
import subprocess
import sys
import tempfile
import threading
import time
import uuid

import confluent_kafka.admin
import psycopg
from psycopg import sql

SOURCE = pathlib.Path(os.environ["POSTROOM_SOURCE_DIR"])
BIN = pathlib.Path(os.environ["POSTROOM_BIN"]).resolve()
SERVER, BROKERS = os.environ["POSTROOM_TEST_PG"], os.environ["POSTROOM_TEST_KAFKA"]
sys.path.append(str(SOURCE / "ops/stack"))
import process  # noqa: E402
from shop import GRPC, ROUTES, SERVICES  # noqa: E402

LIMIT_S = 60
PASSWORD = "correct horse battery"


def eventually(what, look):
    """The first of look's answers that is one; waits for it."""
    deadline = time.monotonic() + LIMIT_S
    while not (found := look()):
        assert time.monotonic() < deadline, f"{what} did not come about"
        threading.Event().wait(0.02)
    return found


class Stripe(http.server.BaseHTTPRequestHandler):
    """Takes every payment, unless it is away."""

    away = threading.Event()

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = json.dumps({"id": f"pi_{uuid.uuid4().hex}", "status": "succeeded"}).encode()
        self.send_response(500 if self.away.is_set() else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Answer:
    def __init__(self, response):
        self.status, self.headers, self.body = response.status, response.headers, response.read()

    def json(self):
        return json.loads(self.body)


class Shop(contextlib.ExitStack):
    """addresses and routes are of each service; owner, other and merchant are customers."""

    def __enter__(self):
        super().__enter__()
        try:
            self._start()
        except BaseException:
            self.close()
            raise
        return self

    def ask(self, service, method, path, body=None, token=None, headers=()):
        connection = http.client.HTTPConnection(self.addresses[service], timeout=10)
        sent = dict(headers)
        if body is not None:
            sent.setdefault("Content-Type", "application/json")
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        with contextlib.closing(connection):
            connection.request(method, path, None if body is None else json.dumps(body), sent)
            return Answer(connection.getresponse())

    def done(self, *request, **more):
        """The JSON of a request that must succeed."""
        answer = self.ask(*request, **more)
        assert answer.status < 300, (request, answer.status, answer.body)
        return answer.json()

    def log_in(self, email):
        return self.done("account", "POST", "/api/v1/account/auth/login",
                         {"email": email, "password": PASSWORD})

    def register(self, email):
        return self.done("account", "POST", "/api/v1/account/auth/register", {
            "email": email, "password": PASSWORD, "first_name": "Ada", "last_name": "Lovelace",
            "address": "1 Main Street", "phone_number": uuid.uuid4().hex})

    def events(self):
        """All that the services have appended: (service, topic, key, type, headers, payload)."""
        for service in SERVICES:
            with psycopg.connect(self._dsns[service]) as db:
                for row in db.execute("select id::text, aggregatetype, aggregateid, type, headers, payload"
                                      " from outbox.event order by seq"):
                    yield (service, *row)

    def dsn(self, service):
        return self._dsns[service]

    def _start(self):
        self.name = f"api_{uuid.uuid4().hex[:8]}"
        self.folder = pathlib.Path(self.enter_context(tempfile.TemporaryDirectory()))
        self.secret, self.operator = secrets.token_hex(32), secrets.token_hex(16)
        self.webhook_secret = secrets.token_hex(16)
        self._dsns = {service: f"{SERVER} dbname={self.name}_{service}" for service in SERVICES}
        with concurrent.futures.ThreadPoolExecutor() as threads:
            list(threads.map(self._make_database, SERVICES))
        self._make_topics()
        self._start_relay()
        self._start_shop()
        self._trade()

    def _make_database(self, service):
        database = f"{self.name}_{service}"
        with psycopg.connect(f"{SERVER} dbname=postgres", autocommit=True) as server:
            server.execute(sql.SQL("create database {}").format(sql.Identifier(database)))
        self.callback(self._drop, database)
        subprocess.run([BIN / "postroom", "migrate", "--dsn", self._dsns[service],
                        "--dir", SOURCE / "schema/outbox", "--dir", SOURCE / "schema" / service],
                       check=True, stdout=subprocess.DEVNULL)
        # A login of its own, with the service's rights and no others.
        with psycopg.connect(self._dsns[service], autocommit=True) as db:
            db.execute(sql.SQL("create role {} login password 'test' in role {}").format(
                sql.Identifier(database), sql.Identifier(f"shop_{service}")))

    @staticmethod
    def _drop(database):
        with psycopg.connect(f"{SERVER} dbname=postgres", autocommit=True) as server:
            server.execute(sql.SQL("drop database {} with (force)").format(
                sql.Identifier(database)))
            server.execute(sql.SQL("drop role if exists {}").format(sql.Identifier(database)))

    def _make_topics(self):
        admin = confluent_kafka.admin.AdminClient({"bootstrap.servers": BROKERS})
        made = admin.create_topics([confluent_kafka.admin.NewTopic(f"{self.name}.{topic}", 1)
                                    for topic in ROUTES])
        for future in made.values():
            future.result(LIMIT_S)

    def _spawn(self, name, argv, env):
        log = self.folder / f"{name}.log"
        child = process.spawn(argv, log, env)
        self.callback(process.stop, child)
        return child, log

    def _start_relay(self):
        file = self.folder / "relay.toml"
        text = (f"[kafka]\nbrokers = '{BROKERS}'\ntopic = '{self.name}.{{aggregatetype}}'\n"
                "[admin]\nlisten = ''\n")
        for service, dsn in self._dsns.items():
            text += f"[[databases]]\nname = '{service}'\ndsn = \"{dsn}\"\n"
        file.write_text(text, encoding="utf-8")
        self._spawn("relay", [BIN / "postroom", "relay", "--config", file], {})

    def _stripe(self):
        stripe = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Stripe)
        threading.Thread(target=stripe.serve_forever, daemon=True).start()
        self.callback(stripe.server_close)
        self.callback(stripe.shutdown)
        for name, text in (("key", "sk_test_api"), ("webhook", self.webhook_secret)):
            (self.folder / name).write_text(text, encoding="utf-8")
        return {"SHOP_STRIPE_URL": f"http://127.0.0.1:{stripe.server_address[1]}",
                "SHOP_STRIPE_KEY_FILE": str(self.folder / "key"),
                "SHOP_STRIPE_WEBHOOK_SECRET_FILE": str(self.folder / "webhook")}

    def _start_shop(self):
        (self.folder / "grpc").write_text(secrets.token_hex(16), encoding="utf-8")
        env = {"SHOP_KAFKA_BROKERS": BROKERS, "SHOP_KAFKA_TOPIC": self.name + ".{aggregatetype}",
               "SHOP_CONSUMER_GROUP_PREFIX": self.name, "SHOP_JWT_SECRET": self.secret,
               "SHOP_GRPC_TOKEN_FILE": str(self.folder / "grpc"),
               "SHOP_OPERATOR_TOKEN": self.operator, "SHOP_LOGINS_OF_ADDRESS": "1000000",
               "SHOP_PASSWORD_MEMORY_KIB": "64", "SHOP_PASSWORD_PASSES": "1", **self._stripe()}
        for service in SERVICES:
            key = service.upper()
            env[f"SHOP_{key}_HTTP"] = "127.0.0.1:0"
            env[f"SHOP_{key}_DSN"] = \
                f"{self._dsns[service]} user={self.name}_{service} password=test"
            if service in GRPC:
                env[f"SHOP_{key}_GRPC"] = f"127.0.0.1:{process.free_port()}"
        child, log = self._spawn("shop", [BIN / "shop", "serve", "all"], env)
        self.shop_log = log

        def listening():
            assert child.poll() is None, log.read_text()
            lines = [json.loads(line) for line in log.read_text().splitlines()
                     if line.startswith("{") and line.endswith("}")]
            found = {line["service"]: line for line in lines if line["message"] == "listening"}
            return found if len(found) == len(SERVICES) else None

        found = eventually("the shop's listening", listening)
        self.addresses = {service: line["address"] for service, line in found.items()}
        self.routes = {service: line["routes"] for service, line in found.items()}
        for service in SERVICES:
            eventually(f"{service} to be ready",
                       lambda service=service: self.ask(service, "GET", "/readyz").status == 200)

    def _trade(self):
        self.owner, self.other = (self.register(f"{name}@example.com") for name in ("ada", "bob"))
        token = self.owner["access_token"]
        self.register("mary@example.com")
        with psycopg.connect(self._dsns["account"]) as db:
            db.execute("select account.grant_role('mary@example.com', 'merchant')")
        self.merchant = self.log_in("mary@example.com")
        sells = self.merchant["access_token"]
        self.category = self.done("product", "POST", "/api/v1/categories",
                                  {"name": "pens", "description": "to write with"}, sells)["id"]
        self.pen, self.desk = (self.done("product", "POST", "/api/v1/products", {
            "category_id": self.category, "name": name, "brand_name": "Swan", "description": name,
            "price": price, "inventory": 1000}, sells)["id"]
            for name, price in (("pen", 4900), ("desk", 900_000_000)))
        self.done("product", "PUT", f"/api/v1/products/{self.pen}", {"price": 4500}, sells)
        self.bought, self.declined = (self.buy(product, token) for product in (self.pen, self.desk))
        for purchase in (self.bought, self.declined):
            eventually("the purchase to end", lambda purchase=purchase: self.done(
                "purchase", "GET", f"/api/v1/purchases/{purchase}", token=token)["success"]
                is not None)
        eventually("the order to be paid", lambda: self.done(
            "order", "GET", f"/api/v1/orders/{self.bought}", token=token)["status"] == "PAID")

    def buy(self, product, token):
        return self.done("purchase", "POST", "/api/v1/purchases", {
            "order_items": [{"product_id": product, "quantity": 1}],
            "payment": {"currency_code": "EUR"}}, token)["purchase_id"]
