"""A PostgreSQL and a Kafka broker of a benchmark's own, on free loopback ports, gone when it ends."""

import contextlib
import os
import pathlib
import signal
import socket
import subprocess
import time

import confluent_kafka
import confluent_kafka.admin
import psycopg

POSTGRES_BIN = pathlib.Path("/usr/lib/postgresql/17/bin")
POSTGRES_SETTINGS = {
    "wal_level": "logical",
    "max_connections": "200",
    "shared_buffers": "1GB",
    "max_wal_size": "16GB",
    "checkpoint_timeout": "1h",
    "autovacuum": "off",  # it would disturb one measurement and not another; benchmarks vacuum themselves
    "wal_compression": "off",
}
STOP_SECONDS = 30


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_until(what, condition, seconds=60, process=None):
    """Polls the condition; an error while asking counts as not yet."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process and process.poll() is not None:
            raise RuntimeError(f"{what}: the process ended with status {process.returncode}")
        with contextlib.suppress(psycopg.Error, confluent_kafka.KafkaException, OSError):
            if condition():
                return
        time.sleep(0.02)
    raise RuntimeError(f"{what}: not within {seconds} s")


@contextlib.contextmanager
def running(argv, log, stop_signal=signal.SIGTERM, **options):
    """A process that does not outlive the block; its output goes to the file."""
    with open(log, "ab") as output:
        process = subprocess.Popen(argv, stdout=output, stderr=output, start_new_session=True, **options)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(stop_signal)
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextlib.contextmanager
def postgres(directory):
    """Yields the conninfo of its superuser, without a database name."""
    port, data = free_port(), directory / "postgres"
    data.mkdir()
    as_owner = {}
    if os.geteuid() == 0:  # which PostgreSQL refuses to run as
        as_owner = {"user": "postgres", "group": "postgres", "extra_groups": []}
        subprocess.run(["chown", "postgres:", data], check=True)
    subprocess.run([POSTGRES_BIN / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "--no-sync"],
                   check=True, stdout=subprocess.DEVNULL, cwd="/", **as_owner)
    settings = POSTGRES_SETTINGS | {"port": str(port), "listen_addresses": "127.0.0.1",
                                    "unix_socket_directories": ""}
    flags = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    dsn = f"host=127.0.0.1 port={port} user=postgres"
    log = directory / "postgres.log"
    # SIGINT: end the sessions rather than wait for them.
    with running([POSTGRES_BIN / "postgres", "-D", data, *flags], log, signal.SIGINT, cwd="/", **as_owner) as process:
        wait_until(f"PostgreSQL (see {log})", lambda: psycopg.connect(f"{dsn} dbname=postgres").close() is None,
                   process=process)
        yield dsn


class Topics:
    """Makes topics, counts the records that they were ever sent, and deletes them."""

    def __init__(self, brokers):
        self.brokers = brokers
        quiet = {"bootstrap.servers": brokers, "log_level": 0}
        self._admin = confluent_kafka.admin.AdminClient(quiet)
        self._consumer = confluent_kafka.Consumer({**quiet, "group.id": "bench"})

    def create(self, name, partitions):
        made = self._admin.create_topics([confluent_kafka.admin.NewTopic(name, partitions, 1)])
        made[name].result()

        def readable():
            self._consumer.list_topics(name)  # without it, the consumer never learns of a new topic's leaders
            return self.records(name, partitions) == 0

        wait_until(f"topic {name} has its leaders", readable)

    def delete(self, name):
        self._admin.delete_topics([name])[name].result()

    def records(self, name, partitions):
        ends = (self._consumer.get_watermark_offsets(confluent_kafka.TopicPartition(name, p), timeout=5)
                for p in range(partitions))
        return sum(end for _, end in ends)


@contextlib.contextmanager
def kafka(directory, jars):
    """Yields its bootstrap servers. Broker and controller are one process."""
    port, controller, home = free_port(), free_port(), directory / "kafka"
    home.mkdir()
    settings = home / "server.properties"
    settings.write_text(f"""
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
controller.listener.names=CONTROLLER
log.dirs={home}/data
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
auto.create.topics.enable=false
message.max.bytes=4194304
""")
    java = ["java", "-Xmx1g", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", f"{jars}/*"]
    subprocess.run([*java, "kafka.tools.StorageTool", "format", "-t", "MkU3OEVBNTcwNTJENDM2Qk", "--config", settings],
                   check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    brokers, log = f"127.0.0.1:{port}", directory / "kafka.log"
    with running([*java, "kafka.Kafka", settings], log) as process:
        admin = confluent_kafka.admin.AdminClient({"bootstrap.servers": brokers, "log_level": 0})
        wait_until(f"Kafka (see {log})", lambda: admin.list_topics(timeout=1).brokers, process=process)
        yield brokers
