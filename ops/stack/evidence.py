"""What can be seen of the shop from outside: its HTTP answers, its databases, and the Kafka log."""

import concurrent.futures
import dataclasses
import http.client
import json
import threading
import urllib.parse
import urllib.request

import confluent_kafka
import psycopg
from psycopg.rows import dict_row

READERS = 8
LOG_LIMIT_S = 60


@dataclasses.dataclass
class Service:
    """One service: the events it appended, the Kafka log of its topic, and what it received."""
    events: list     # of dicts seq, id, key, type; by seq
    log: list        # of LogEntry; each partition by offset
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
    orders: list        # rows as dicts
    payments: list
    order_answers: dict    # id: the body of GET /api/v1/orders/:id, or None
    payment_answers: dict
    order: Service
    payment: Service


def collect(env, acknowledged):
    """Reads all of it, with the services' own read rights; env as of Stack."""
    ids = sorted(acknowledged.values())
    with (psycopg.connect(env["POSTROOM_ORDER_DSN"], row_factory=dict_row) as order,
          psycopg.connect(env["POSTROOM_PAYMENT_DSN"], row_factory=dict_row) as payment):
        return Evidence(
            acknowledged=acknowledged,
            orders=order.execute("select id, idempotency_key as key, status, amount, currency_code"
                                 " from orders").fetchall(),
            payments=payment.execute("select id, order_id, status, amount, currency_code"
                                     " from payments").fetchall(),
            order_answers=_get_all(env["POSTROOM_ORDER_HTTP"], "/api/v1/orders/", ids),
            payment_answers=_get_all(env["POSTROOM_PAYMENT_HTTP"], "/api/v1/payments/", ids),
            order=_service(order, "order", env["POSTROOM_KAFKA"]),
            payment=_service(payment, "payment", env["POSTROOM_KAFKA"]))


def unfinished(env):
    """How much still has to happen, as {what: how many}; empty once everything is settled."""
    left = {"processes to come back": sum(
        not _alive(url) for name, url in env.items() if name.endswith("_HTTP"))}
    for name in ("order", "payment"):
        with psycopg.connect(env[f"POSTROOM_{name.upper()}_DSN"]) as db:
            left[f"{name} events to publish"], = db.execute(
                "select count(*) from outbox.pending").fetchone()
            if name == "order":
                left["orders without an answer"], = db.execute(
                    "select count(*) from orders where status = 'PENDING'").fetchone()
    return {what: count for what, count in left.items() if count}


def _alive(url):
    try:
        with urllib.request.urlopen(f"{url}/livez", timeout=5) as response:
            return response.status == 200
    except (OSError, http.client.HTTPException):
        return False


def _service(db, name, brokers):
    def ids(query):
        return [row["id"] for row in db.execute(query).fetchall()]
    return Service(
        events=db.execute("select seq, id::text, aggregateid as key, type from outbox.event"
                          " order by seq").fetchall(),
        log=read_log(brokers, f"outbox.event.{name}"),
        received={row["id"]: row["redeliveries"] for row in db.execute(
            "select event_id::text as id, redeliveries from inbox.received"
            " where consumer = %s", [name]).fetchall()},
        pending=ids("select id::text from outbox.pending"),
        dead=ids("select event_id::text as id from outbox.dead"
                 " union all select event_id::text from inbox.dead"))


def read_log(brokers, topic):
    """Every message of the topic up to its present end."""
    consumer = confluent_kafka.Consumer({
        "bootstrap.servers": brokers, "group.id": "demo-proof", "enable.auto.commit": False,
        "isolation.level": "read_committed", "enable.partition.eof": True})
    try:
        partitions = consumer.list_topics(topic, timeout=LOG_LIMIT_S).topics[topic].partitions
        consumer.assign([confluent_kafka.TopicPartition(topic, partition, 0)
                         for partition in partitions])
        entries, open_partitions = [], set(partitions)
        while open_partitions:
            message = consumer.poll(LOG_LIMIT_S)
            if message is None:
                raise TimeoutError(f"Kafka sent nothing of {topic} for {LOG_LIMIT_S} s")
            if message.error() is None:
                headers = dict(message.headers() or [])
                entries.append(LogEntry(message.partition(), (message.key() or b"").decode(),
                                        headers.get("id", b"").decode()))
            elif message.error().code() == confluent_kafka.KafkaError._PARTITION_EOF:
                open_partitions.discard(message.partition())
            else:
                raise confluent_kafka.KafkaException(message.error())
        return entries
    finally:
        consumer.close()


def _get_all(url, path, ids):
    """{id: answer} of GET url + path + id; None for what is not there."""
    address = urllib.parse.urlsplit(url).netloc
    own = threading.local()

    def get(id_):
        if not hasattr(own, "connection"):
            own.connection = http.client.HTTPConnection(address, timeout=10)
        own.connection.request("GET", f"{path}{id_}")
        response = own.connection.getresponse()
        body = response.read()
        return json.loads(body) if response.status == 200 else None

    with concurrent.futures.ThreadPoolExecutor(READERS) as readers:
        return dict(zip(ids, readers.map(get, ids)))
