"""What can be seen of the shop from outside: its HTTP answers, its databases, and the Kafka log."""

import concurrent.futures
import dataclasses
import http.client
import json
import threading
import urllib.parse

import confluent_kafka
import psycopg
from psycopg.rows import dict_row

from shop import ROUTES, SERVICES, TOPIC_PREFIX

READERS = 8
LOG_LIMIT_S = 60

# What each service's database says of the purchases, read with the service's own rights.
ROWS = {
    "purchases": ("purchase", "select id, idempotency_key as key, success, amount, currency_code"
                              " from purchases"),
    "sagas": ("orchestrator", "select id, state from saga.instance"),
    # Tombstones are rows that a rollback left for what never was.
    "orders": ("order", "select id, status, amount, currency_code, never_created as tombstone"
                        " from orders"),
    "payments": ("payment", "select id, customer_id as customer, status, amount, currency_code,"
                            " status = 'CANCELLED' as tombstone from payments"),
    "reservations": ("product", "select purchase_id as id, refusal is null and not rolled_back"
                                " as kept from reservations"),
}
STOCK = "select id, inventory from products"
SOLD = """select product_id as id, sum(quantity)::bigint as quantity
          from reservation_items join reservations using (purchase_id)
          where refusal is null and not rolled_back group by product_id"""
POSTINGS = """select entry, payment_id as payment, account, currency_code, amount
              from payment.entry left join payment.posting on entry = key"""
# What each received event brought about: the rows that name it, or the replies that its purchase got.
STEPS = "select event_id::text as id from saga.step where event_id is not null"


@dataclasses.dataclass
class Service:
    """One service: the events it appended, and what it received."""
    events: list     # of dicts seq, id, key, type, topic; by seq
    received: dict   # event id: redeliveries
    pending: list    # event ids
    dead: list       # event ids of dead letters, of outbox and inbox


@dataclasses.dataclass(frozen=True)
class LogEntry:
    partition: int
    key: str
    id: str


@dataclasses.dataclass
class Evidence:
    acknowledged: dict  # Idempotency-Key: purchase id
    rows: dict          # as ROWS: lists of dicts
    stock_before: dict  # product: pieces
    stock_after: dict
    sold: dict
    postings: list      # dicts as POSTINGS
    steps: list         # the id of the event behind each step of a saga
    order_answers: dict    # id: the body of GET /api/v1/orders/:id, or None
    payment_answers: dict
    services: dict      # name: Service
    logs: dict          # topic: [LogEntry], each partition by offset


def stock(env):
    """{product: pieces that nobody has reserved}"""
    with psycopg.connect(env["POSTROOM_PRODUCT_DSN"]) as db:
        return dict(db.execute(STOCK).fetchall())


def collect(env, customers, stock_before):
    """Reads all of it; env as of Stack."""
    owners = customers.owners
    with _databases(env, row_factory=dict_row) as databases:
        rows = {what: databases[service].execute(sql).fetchall()
                for what, (service, sql) in ROWS.items()}
        return Evidence(
            acknowledged=customers.acknowledged, rows=rows,
            stock_before=stock_before, stock_after=stock(env),
            sold={row["id"]: row["quantity"]
                  for row in databases["product"].execute(SOLD).fetchall()},
            postings=databases["payment"].execute(POSTINGS).fetchall(),
            steps=[row["id"] for row in databases["orchestrator"].execute(STEPS).fetchall()],
            order_answers=_get_all(env["POSTROOM_ORDER_HTTP"], "/api/v1/orders/", owners),
            payment_answers=_get_all(env["POSTROOM_PAYMENT_HTTP"], "/api/v1/payments/", owners),
            services={name: _service(databases[name], name) for name in SERVICES},
            logs=read_logs(env["POSTROOM_KAFKA"]))


def unfinished(env):
    """How much still has to happen, as {what: how many}; empty once everything is settled."""
    left = {}
    with _databases(env) as databases:
        for name, db in databases.items():
            left[f"{name} events to publish"], = db.execute(
                "select count(*) from outbox.pending").fetchone()
        left["sagas under way"], = databases["orchestrator"].execute(
            "select count(*) from saga.in_flight").fetchone()
        left["purchases without an end"], = databases["purchase"].execute(
            "select count(*) from purchases where success is null").fetchone()
        left["orders without an end"], = databases["order"].execute(
            "select count(*) from orders where status = 'PENDING'").fetchone()
        left["messages to receive"] = _to_receive(databases)
    return {what: count for what, count in left.items() if count}


def _to_receive(databases):
    """How many events of the topics have not come to those who receive them."""
    count = 0
    for name, db in databases.items():
        for topic, appended in db.execute(
                "select aggregatetype, count(*) from outbox.event group by 1").fetchall():
            count += appended * len(ROUTES.get(topic, ((), ()))[1])
        count -= db.execute("select count(*) from inbox.received where consumer = %s",
                            [name]).fetchone()[0]
    return count


class _databases:
    """{service: connection} for the time of a with-block."""

    def __init__(self, env, **options):
        self._open = {name: psycopg.connect(env[f"POSTROOM_{name.upper()}_DSN"], **options)
                      for name in SERVICES}

    def __enter__(self):
        return self._open

    def __exit__(self, *_):
        for connection in self._open.values():
            connection.close()


def _service(db, name):
    def ids(query):
        return [row["id"] for row in db.execute(query).fetchall()]
    return Service(
        events=db.execute("select seq, id::text, aggregateid as key, type, aggregatetype as topic"
                          " from outbox.event order by seq").fetchall(),
        received={row["id"]: row["redeliveries"] for row in db.execute(
            "select event_id::text as id, redeliveries from inbox.received"
            " where consumer = %s", [name]).fetchall()},
        pending=ids("select id::text from outbox.pending"),
        dead=ids("select event_id::text as id from outbox.dead"
                 " union all select event_id::text from inbox.dead"))


def read_logs(brokers):
    """{topic: its messages up to its present end}"""
    consumer = confluent_kafka.Consumer({
        "bootstrap.servers": brokers, "group.id": "demo-proof", "enable.auto.commit": False,
        "isolation.level": "read_committed", "enable.partition.eof": True})
    try:
        topics = consumer.list_topics(timeout=LOG_LIMIT_S).topics
        unread = {(TOPIC_PREFIX + topic, partition) for topic in ROUTES
                  for partition in topics[TOPIC_PREFIX + topic].partitions}
        consumer.assign([confluent_kafka.TopicPartition(*each, 0) for each in unread])
        logs = {topic: [] for topic in ROUTES}
        while unread:
            message = consumer.poll(LOG_LIMIT_S)
            if message is None:
                raise TimeoutError(f"Kafka sent nothing for {LOG_LIMIT_S} s of {unread}")
            if message.error() is None:
                headers = dict(message.headers() or [])
                logs[message.topic().removeprefix(TOPIC_PREFIX)].append(LogEntry(
                    message.partition(), (message.key() or b"").decode(),
                    headers.get("id", b"").decode()))
            elif message.error().code() == confluent_kafka.KafkaError._PARTITION_EOF:
                unread.discard((message.topic(), message.partition()))
            else:
                raise confluent_kafka.KafkaException(message.error())
        return logs
    finally:
        consumer.close()


def _get_all(url, path, owners):
    """{id: answer} of GET url + path + id, asked by its owner; None for what is not there."""
    address = urllib.parse.urlsplit(url).netloc
    own = threading.local()

    def get(id_):
        if not hasattr(own, "connection"):
            own.connection = http.client.HTTPConnection(address, timeout=10)
        own.connection.request("GET", f"{path}{id_}", headers={
            "Authorization": f"Bearer {owners[id_].token()}"})
        response = own.connection.getresponse()
        body = response.read()
        return json.loads(body) if response.status == 200 else None

    ids = sorted(owners)
    with concurrent.futures.ThreadPoolExecutor(READERS) as readers:
        return dict(zip(ids, readers.map(get, ids)))
