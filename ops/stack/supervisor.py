"""The whole stack: PostgreSQL, Kafka, Redis, the shop's services, their relays and HAProxy, kept running.

    with Stack(source_dir, bin_dir, run_dir) as stack:
        stack.env["POSTROOM_ORDER_HTTP"]    # endpoints, as ./ops/env prints them
        os.kill(stack.pid("order-relay"), signal.SIGKILL)
        stack.restarts("order-relay")       # 1, soon

Whatever ends is started again at once, at the same address and with its data; what keeps ending, less and less
often. The data stays in run_dir, but for Redis', which is a cache. With tracing, services and relays send their
spans to a Zipkin, which alone is not restarted.
"""

import functools
import json
import pathlib
import secrets
import time

import kafka
import postgres
import process
import redis
import zipkin
from provision import provision
from shop import EDGE, GRPC, ROUTES, SERVICES, TOPIC_PREFIX
from stages import stage
from supervised import Supervised, Supervisor, answers


class Stack:
    """See above. start() raises StageFailed with nothing left running."""

    def __init__(self, source_dir, bin_dir, run_dir, relay_args=(), redis_nodes=1,
                 tracing=False):
        self.source_dir, self.bin_dir = pathlib.Path(source_dir), pathlib.Path(bin_dir)
        self.run_dir = pathlib.Path(run_dir)
        self.log_dir = self.run_dir / "log"
        self.relay_args = list(relay_args)
        self.env = {}
        self._postgres = postgres.Postgres(self.run_dir / "postgres", self._log("postgres"))
        self._kafka = kafka.Kafka(self.run_dir / "kafka", self._log("kafka"))
        self._redis = redis.Redis(self.run_dir / "redis", self._log("redis"), redis_nodes)
        self._zipkin = zipkin.Zipkin(self._log("zipkin")) if tracing else None
        self._supervisor = Supervisor(self._publish_pids)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def names(self):
        """Services and relays: what is the project's own."""
        return [*SERVICES, *(f"{service}-relay" for service in SERVICES)]

    def servers(self):
        """What those need; of a Redis cluster, each server."""
        count = self._redis.nodes
        return ["postgres", "kafka", "edge",
                *(["redis"] if count == 1 else [f"redis-{number}" for number in range(1, count + 1)])]

    def pid(self, name):
        return self.process(name).pid

    def process(self, name):
        """Its present Popen, to kill it and to wait for what that did."""
        return self._supervisor.processes[name].process

    def restarts(self, name):
        return self._supervisor.processes[name].restarts

    def away(self):
        """Those that are not ready."""
        return [name for name, each in self._supervisor.processes.items() if not each.ready()]

    def start(self):
        try:
            kafka.kafka_jars()
            self.log_dir.mkdir(parents=True, exist_ok=True)
            for name in ("postgres", "kafka", "redis", "zipkin", "migrate", "edge", *self.names()):
                self._log(name).unlink(missing_ok=True)
            with stage("PostgreSQL, Kafka and Redis"):
                self._start_servers()
                # A relay makes them at its first event; a consumer without partitions is in no group.
                self._kafka.create_topics([TOPIC_PREFIX + topic for topic in ROUTES])
            if self._zipkin:
                with stage("Zipkin"):
                    self._zipkin.start()
            with stage("databases"):
                passwords = provision(self._postgres, self.source_dir, self.bin_dir,
                                      self._log("migrate"))
            with stage("services and relays"):
                self._start_processes(passwords)
            self._write("env", "".join(f"{key}={value}\n" for key, value in self.env.items()))
        except BaseException:
            self.stop()
            raise

    def stop(self):
        """Each while what it needs still runs."""
        others = [name for name in self.servers() if name not in ("edge", "postgres")]
        self._supervisor.stop([["edge"], self.names(), others, ["postgres"]])
        if self._zipkin:
            self._zipkin.stop()
        for name in ("env", "pids.json", "grpc.token"):
            (self.run_dir / name).unlink(missing_ok=True)

    @staticmethod
    def wait():
        """Returns never."""
        while True:
            time.sleep(60)

    def _log(self, name):
        return self.log_dir / f"{name}.log"

    def _start_servers(self):
        self._postgres.prepare()
        self._kafka.prepare()
        self._redis.prepare()
        names = [name for name in self.servers() if name.startswith("redis")]
        self._supervisor.keep({
            "postgres": Supervised(self._postgres.spawn, self._postgres.ready,
                                   self._log("postgres"), postgres.STOP),
            "kafka": Supervised(self._kafka.spawn, self._kafka.ready, self._log("kafka")),
            **{name: Supervised(functools.partial(self._redis.spawn, port),
                                functools.partial(self._redis.ready, port), self._log("redis"))
               for name, port in zip(names, self._redis.ports)}})
        self._redis.join()

    def _start_processes(self, passwords):
        self.env["POSTROOM_KAFKA"] = self._kafka.brokers
        self.env["POSTROOM_REDIS"] = self._redis.addresses
        self.env["POSTROOM_REDIS_PASSWORD"] = self._redis.password
        self.env["POSTROOM_ADMIN_DSN"] = self._uri("postgres", self._postgres.password, "postgres")
        addresses = {name: f"127.0.0.1:{process.free_port()}" for name in ("edge", *self.names())}
        self._supervisor.keep({
            name: Supervised(functools.partial(process.spawn, argv, self._log(name), env),
                             functools.partial(answers, address), self._log(name))
            for name, (argv, env, address) in self._commands(passwords, addresses).items()})

    def _commands(self, passwords, addresses):
        commands = {}
        shared = {"SHOP_KAFKA_BROKERS": self._kafka.brokers,
                  "SHOP_REDIS_ADDRS": self._redis.addresses,
                  "SHOP_REDIS_PASSWORD": self._redis.password,
                  "SHOP_REDIS_PREFIX": secrets.token_hex(4) + ":",
                  "SHOP_OPEN_CATALOGUE": "true",  # for trying things out: any customer may sell
                  "SHOP_JWT_SECRET": secrets.token_hex(32),
                  "SHOP_GRPC_TOKEN_FILE": str(self._write("grpc.token",
                                                          secrets.token_hex(16) + "\n")),
                  "SHOP_TRUSTED_PROXY": "127.0.0.1",
                  "SHOP_OPERATOR_TOKEN": secrets.token_hex(16)}
        relay_env = {"POSTROOM_KAFKA_BROKERS": self._kafka.brokers}
        if self._zipkin:
            self.env["POSTROOM_ZIPKIN"] = self._zipkin.url
            shared["OTEL_EXPORTER_OTLP_ENDPOINT"] = self._zipkin.otlp_endpoint
            relay_env["POSTROOM_TRACING_OTLP_ENDPOINT"] = self._zipkin.otlp_endpoint
        for service in GRPC:
            shared[f"SHOP_{service.upper()}_GRPC"] = f"127.0.0.1:{process.free_port()}"
            self.env[f"POSTROOM_{service.upper()}_GRPC"] = shared[f"SHOP_{service.upper()}_GRPC"]
        self.env["POSTROOM_GRPC_TOKEN_FILE"] = shared["SHOP_GRPC_TOKEN_FILE"]
        self.env["POSTROOM_OPERATOR_TOKEN"] = shared["SHOP_OPERATOR_TOKEN"]
        for service in SERVICES:
            role, key = f"shop_{service}", service.upper()
            relay = f"{service}-relay"
            dsn = self._uri(role, passwords[role], role)
            self.env[f"POSTROOM_{key}_DSN"] = dsn
            self.env[f"POSTROOM_{key}_HTTP"] = f"http://{addresses[service]}"
            metrics = f"127.0.0.1:{process.free_port()}"
            self.env[f"POSTROOM_{key}_METRICS"] = f"http://{metrics}/metrics"
            self.env[f"POSTROOM_{key}_RELAY_HTTP"] = f"http://{addresses[relay]}"
            commands[service] = (
                [self.bin_dir / "shop", "serve", service],
                {f"SHOP_{key}_DSN": dsn, f"SHOP_{key}_HTTP": addresses[service],
                 "SHOP_METRICS_LISTEN": metrics, **shared},
                addresses[service])
            commands[relay] = (
                [self.bin_dir / "postroom", "relay", "--admin-listen", addresses[relay],
                 *self.relay_args],
                {"POSTROOM_DATABASE_DSN": self._uri(f"{role}_relay", passwords[f"{role}_relay"],
                                                    role),
                 **relay_env}, addresses[relay])
        self.env["POSTROOM_EDGE_HTTP"] = f"http://{addresses['edge']}"
        commands["edge"] = (
            ["haproxy", "-f", self.source_dir / "ops/edge/haproxy.cfg"],
            {"EDGE_LISTEN": addresses["edge"],
             **{f"EDGE_{service.upper()}": addresses[service] for service in EDGE}},
            addresses["edge"])
        return commands

    def _uri(self, user, password, database):
        return f"postgresql://{user}:{password}@127.0.0.1:{self._postgres.port}/{database}"

    def _publish_pids(self):
        pids = {name: each.process.pid for name, each in self._supervisor.processes.items()}
        self._write("pids.json", json.dumps(pids, indent=4) + "\n")

    def _write(self, name, text):
        part = self.run_dir / (name + ".part")
        part.unlink(missing_ok=True)
        part.touch(0o600)  # the endpoints hold passwords
        part.write_text(text)
        return part.replace(self.run_dir / name)
