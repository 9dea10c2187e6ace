"""A private Kafka broker, one node in KRaft mode, on free loopback ports."""

import base64
import pathlib
import signal
import socket
import subprocess
import uuid

from confluent_kafka.admin import AdminClient, NewTopic

import jars
import process
from stages import SOURCE_DIR, StageFailed

SETTINGS = """
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={data}
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=5
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=5
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
"""


def kafka_jars():
    return jars.fetch("kafka", SOURCE_DIR / "ops/stack/kafka/pom.xml")


class Kafka:
    """data_dir is made at the first start() and kept."""

    def __init__(self, data_dir, log):
        self.data_dir = pathlib.Path(data_dir)
        self.log = pathlib.Path(log)
        self.port = None
        self.process = None
        self._java = []

    @property
    def brokers(self):
        return f"127.0.0.1:{self.port}"

    def start(self):
        self.prepare()
        self.process = self.spawn()
        process.wait_until(self.ready, "Kafka",
                           lambda: self.process.poll() is None, self.log)

    def prepare(self):
        """What spawn() needs, once."""
        self._java = ["java", "-Xmx512m", "-Xms512m", "-Djava.awt.headless=true",
                      "-cp", f"{kafka_jars()}/*"]
        self.port, controller = process.free_port(), process.free_port()
        self.data_dir.mkdir(parents=True, exist_ok=True)
        self._properties.write_text(SETTINGS.format(port=self.port, controller=controller,
                                                    data=self.data_dir / "log"))
        self.log.parent.mkdir(parents=True, exist_ok=True)
        if not (self.data_dir / "log/meta.properties").exists():
            self._format()

    def spawn(self):
        """Its Popen, at the same port each time."""
        return process.spawn([*self._java, "kafka.Kafka", self._properties], self.log)

    def ready(self):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self):
        process.stop(self.process, signal.SIGTERM)

    def create_topics(self, names, partitions=3):
        """Those that do not exist yet."""
        admin = AdminClient({"bootstrap.servers": self.brokers})
        known = admin.list_topics(timeout=30).topics
        missing = [NewTopic(name, partitions, 1) for name in names if name not in known]
        for created in admin.create_topics(missing).values() if missing else ():
            created.result(30)

    @property
    def _properties(self):
        return self.data_dir / "server.properties"

    def _format(self):
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        with open(self.log, "ab") as output:
            done = subprocess.run(
                # With "=", since it may begin with "-".
                [*self._java, "kafka.tools.StorageTool", "format", f"--cluster-id={cluster}",
                 "--config", self._properties],
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
        if done.returncode != 0:
            raise StageFailed("Kafka could not format its data directory", self.log)
