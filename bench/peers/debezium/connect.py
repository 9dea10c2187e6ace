"""Debezium's PostgreSQL connector in a standalone Kafka Connect, reading the same table."""

import contextlib
import json
import urllib.error
import urllib.request

import psycopg

import process

# Debezium's layout is a subset of outbox.event's columns; it is spared the others.
PUBLICATION = """
create publication {name} for table outbox.event (id, aggregatetype, aggregateid, type, payload)
with (publish = 'insert', publish_via_partition_root = true)"""


def create_slot(dsn, name):
    """What commits from now on can be drained through the slot, and by connectors of its name."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(PUBLICATION.format(name=name))
        connection.execute("select pg_create_logical_replication_slot(%s, 'pgoutput')", [name])


def copy_slot(dsn, source, name):
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(PUBLICATION.format(name=name))
        connection.execute("select pg_copy_logical_replication_slot(%s, %s)", [source, name])


TUNED = {
    "max.batch.size": "16384",
    "max.queue.size": "65536",
    "poll.interval.ms": "5",
    "producer.override.compression.type": "lz4",
    "producer.override.linger.ms": "5",
    "producer.override.batch.size": "900000",
    "producer.override.buffer.memory": "134217728",
}
FOR_LATENCY = {
    "max.batch.size": "2048",
    "max.queue.size": "8192",
    "poll.interval.ms": "1",
    "producer.override.compression.type": "lz4",
    "producer.override.linger.ms": "0",
}
DEFAULTS = {}


def connector(dsn, slot, topic, settings):
    """The Outbox Event Router; topic may hold ${routedByValue}, settings is one of those above."""
    to = psycopg.conninfo.conninfo_to_dict(dsn)
    return {
        "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
        "tasks.max": "1",
        "database.hostname": to["host"],
        "database.port": to["port"],
        "database.user": to["user"],
        "database.password": to.get("password", "none"),
        "database.dbname": to["dbname"],
        "topic.prefix": slot,
        "plugin.name": "pgoutput",
        "slot.name": slot,
        "publication.name": slot,
        "publication.autocreate.mode": "disabled",
        "table.include.list": "outbox.event",
        "snapshot.mode": "no_data",
        "tombstones.on.delete": "false",
        "transforms": "outbox",
        "transforms.outbox.type": "io.debezium.transforms.outbox.EventRouter",
        "transforms.outbox.table.fields.additional.placement": "type:header:type",
        "transforms.outbox.route.topic.replacement": topic,
        "key.converter": "org.apache.kafka.connect.storage.StringConverter",
        "value.converter": "org.apache.kafka.connect.storage.StringConverter",
        "header.converter": "org.apache.kafka.connect.storage.StringConverter",
        **settings,
    }


class Connect:
    def __init__(self, worker, url):
        self.process = worker
        self._url = url

    def _call(self, method, path, body=None):
        request = urllib.request.Request(
            self._url + path,
            method=method,
            headers={"Content-Type": "application/json"},
            data=json.dumps(body).encode() if body else None,
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read() or "null")

    def start(self, name, config):
        self._call("POST", "/connectors", {"name": name, "config": config})

    def stop(self, name):
        self._call("DELETE", f"/connectors/{name}")

    def check(self, name):
        """Raises what stopped the connector, if anything did."""
        status = self._call("GET", f"/connectors/{name}/status")
        for part in [status["connector"], *status["tasks"]]:
            if part["state"] == "FAILED":
                raise RuntimeError(f"Debezium failed: {part['trace']}")

    def ready(self):
        with contextlib.suppress(urllib.error.URLError):
            return self._call("GET", "/connectors") is not None


@contextlib.contextmanager
def connect(directory, jars, brokers, heap="2g"):
    """Yields a Connect without connectors, its files in the directory."""
    port = process.free_port()
    settings, log = directory / "connect.properties", directory / "connect.log"
    settings.write_text(
        f"""
bootstrap.servers={brokers}
listeners=http://127.0.0.1:{port}
key.converter=org.apache.kafka.connect.storage.StringConverter
value.converter=org.apache.kafka.connect.storage.StringConverter
offset.storage.file.filename={directory}/connect.offsets
plugin.discovery=service_load
connector.client.config.override.policy=All
"""
    )
    java = [
        "java",
        f"-Xmx{heap}",
        "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
        "-cp",
        f"{jars}/*",
    ]
    started = process.spawn(
        [*java, "org.apache.kafka.connect.cli.ConnectStandalone", settings], log
    )
    try:
        worker = Connect(started, f"http://127.0.0.1:{port}")
        process.wait_until(worker.ready, "Kafka Connect", lambda: started.poll() is None, log)
        yield worker
    finally:
        process.stop(started)
