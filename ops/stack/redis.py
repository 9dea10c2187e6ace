"""Private Redis servers on free loopback ports: one, or six that are a cluster of three masters with
a replica each. They hold nothing that may not be lost, and keep nothing on disk."""

import os
import pathlib
import secrets
import shutil
import subprocess

import process
from stages import StageFailed

USER = "redis"
CLUSTER_NODES = 6

SETTINGS = """
bind 127.0.0.1
port {port}
dir {dir}
requirepass {password}
masterauth {password}
save ""
appendonly no
maxmemory 256mb
maxmemory-policy allkeys-lru
"""
CLUSTER_SETTINGS = """
cluster-enabled yes
cluster-port {bus}
cluster-node-timeout 2000
# Whoever lives serves its keys while another's are without a master.
cluster-require-full-coverage no
"""


class Redis:
    """data_dir and the password are made anew at each prepare(). Whoever keeps the servers running spawns
    each, and then join()s them."""

    def __init__(self, data_dir, log, nodes=1):
        self.data_dir = pathlib.Path(data_dir)
        self.log = pathlib.Path(log)
        self.nodes = nodes
        self.password = None
        self.ports = []

    @property
    def addresses(self):
        """host:port of each server, with commas between."""
        return ",".join(f"127.0.0.1:{port}" for port in self.ports)

    def prepare(self):
        """What spawn() needs, once."""
        self.password = secrets.token_hex(16)
        shutil.rmtree(self.data_dir, ignore_errors=True)
        for _ in range(self.nodes):
            self._configure_one()

    def spawn(self, port):
        """The Popen of the server of that port."""
        return process.spawn(["redis-server", self._config(port)], self.log, user=USER)

    def ready(self, port):
        return self._cli(port, "ping") == "PONG"

    def join(self):
        """Makes a cluster of them, if there are several; each must be ready."""
        if self.nodes == 1:
            return
        self._cli(self.ports[0], "--cluster", "create", *self.addresses.split(","),
                  "--cluster-replicas", "1", "--cluster-yes")
        for port in self.ports:
            process.wait_until(lambda: self._knows_all(port), "the Redis cluster", lambda: True, self.log)

    def _config(self, port):
        return self.data_dir / str(port) / "redis.conf"

    def _configure_one(self):
        port = process.free_port()
        config = self._config(port)
        home = config.parent
        home.mkdir(mode=0o700, parents=True)
        config.touch(0o600)  # it holds the password
        text = SETTINGS.format(port=port, dir=home, password=self.password)
        if self.nodes > 1:
            text += CLUSTER_SETTINGS.format(bus=process.free_port())
        config.write_text(text)
        for path in (home, config):
            shutil.chown(path, USER, USER)
        self.ports.append(port)

    def _knows_all(self, port):
        slots = self._cli(port, "cluster", "slots")
        return "cluster_state:ok" in self._cli(port, "cluster", "info") and all(
            str(other) in slots for other in self.ports)

    def _cli(self, port, *command):
        done = subprocess.run(["redis-cli", "-p", str(port), *command], text=True,
                              stdin=subprocess.DEVNULL, capture_output=True,
                              env={**os.environ, "REDISCLI_AUTH": self.password})
        if done.returncode != 0 and "--cluster" in command:
            raise StageFailed("the Redis cluster was not made: " + done.stdout[-500:], self.log)
        return done.stdout.strip()
