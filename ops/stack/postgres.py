"""A private PostgreSQL 17 cluster on a free loopback port."""

import pathlib
import secrets
import shutil
import signal
import subprocess

import psycopg

import process
from stages import StageFailed

BIN = pathlib.Path("/usr/lib/postgresql/17/bin")
USER = "postgres"  # PostgreSQL refuses to run as root.
STOP = signal.SIGINT  # fast shutdown: ends sessions, then a checkpoint

SETTINGS = """
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 200
shared_buffers = 256MB
wal_level = logical
max_prepared_transactions = 50
max_replication_slots = 50
max_wal_senders = 50
max_wal_size = 4GB
# After a kill: one call instead of one a file.
recovery_init_sync_method = syncfs
"""


class Postgres:
    """data_dir is made at the first start() and kept; remove it before for a fresh cluster."""

    def __init__(self, data_dir, log):
        self.data_dir = pathlib.Path(data_dir)
        self.log = pathlib.Path(log)
        self.port = None
        self.process = None

    @property
    def password(self):
        return self._password_file.read_text()

    @property
    def _password_file(self):
        return self.data_dir.with_name(self.data_dir.name + "-password")

    def dsn(self, database="postgres"):
        """libpq key=value list of the superuser."""
        return (f"host=127.0.0.1 port={self.port} user=postgres password={self.password}"
                f" dbname={database}")

    def start(self):
        self.prepare()
        self.process = self.spawn()
        process.wait_until(self.ready, "PostgreSQL",
                           lambda: self.process.poll() is None, self.log)

    def prepare(self):
        """What spawn() needs, once."""
        if not (self.data_dir / "PG_VERSION").exists():
            self._create()
        # Its pid means nothing in this namespace.
        (self.data_dir / "postmaster.pid").unlink(missing_ok=True)
        self.port = process.free_port()

    def spawn(self):
        """Its Popen, at the same port each time. Ends at once while sessions of a killed one live."""
        return process.spawn([BIN / "postgres", "-D", self.data_dir, "-p", str(self.port)],
                             self.log, user=USER)

    def ready(self):
        try:
            psycopg.connect(self.dsn(), connect_timeout=2).close()
            return True
        except psycopg.OperationalError:
            return False

    def stop(self):
        process.stop(self.process, STOP)

    def _create(self):
        self.log.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(self.data_dir, ignore_errors=True)
        self.data_dir.mkdir(mode=0o700, parents=True)
        shutil.chown(self.data_dir, USER, USER)
        self._password_file.unlink(missing_ok=True)
        self._password_file.touch(0o600)
        self._password_file.write_text(secrets.token_hex(16))
        shutil.chown(self._password_file, USER, USER)
        with open(self.log, "ab") as output:
            done = subprocess.run(
                [BIN / "initdb", "-D", self.data_dir, "-U", "postgres", "-A", "scram-sha-256",
                 f"--pwfile={self._password_file}", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"],
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, cwd="/",
                user=USER, group=USER, extra_groups=[])
        if done.returncode != 0:
            # A cluster that is half made must not be taken for one at the next start.
            shutil.rmtree(self.data_dir, ignore_errors=True)
            raise StageFailed("initdb failed", self.log)
        with open(self.data_dir / "postgresql.conf", "a", encoding="ascii") as config:
            config.write(SETTINGS)
