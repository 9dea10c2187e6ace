"""The shop's databases, with their schema and one login role a process."""

import os
import pathlib
import secrets
import subprocess

import psycopg
from psycopg import sql

from shop import SERVICES
from stages import StageFailed


def provision(postgres, source_dir, bin_dir, log):
    """Makes what is missing, migrates, and gives every role a new password: {role: password}."""
    passwords = {}
    for service in SERVICES:
        database = f"shop_{service}"
        with _connect(postgres, "postgres") as db:
            known = db.execute("select 1 from pg_database where datname = %s", [database])
            if not known.fetchone():
                db.execute(sql.SQL("create database {}").format(sql.Identifier(database)))
        _migrate(postgres, database, service, source_dir, bin_dir, log)
        with _connect(postgres, database) as db:
            _limit_access(db, database)
            for role, group in ((database, "postroom_service"),
                                (f"{database}_relay", "postroom_relay")):
                passwords[role] = _login(db, role, group, database)
    return passwords


def _connect(postgres, database):
    return psycopg.connect(postgres.dsn(database), autocommit=True)


def _migrate(postgres, database, service, source_dir, bin_dir, log):
    schema = pathlib.Path(source_dir) / "schema"
    with open(log, "ab") as output:
        done = subprocess.run(
            [pathlib.Path(bin_dir) / "postroom", "migrate",
             "--dir", schema / "outbox", "--dir", schema / service],
            # Not among the arguments, which every user of the machine may read.
            env={**os.environ, "POSTROOM_MIGRATE_DSN": postgres.dsn(database)},
            stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
    if done.returncode != 0:
        raise StageFailed(f"the migration of {database} failed", log)


def _limit_access(db, database):
    # A service must not even be able to look into another's database.
    db.execute(sql.SQL("revoke connect, temporary on database {} from public").format(
        sql.Identifier(database)))


def _login(db, role, group, database):
    password = secrets.token_hex(16)
    name = sql.Identifier(role)
    if not db.execute("select 1 from pg_roles where rolname = %s", [role]).fetchone():
        db.execute(sql.SQL("create role {}").format(name))
    db.execute(sql.SQL("alter role {} login password {}").format(name, sql.Literal(password)))
    db.execute(sql.SQL("grant {} to {}").format(sql.Identifier(group), name))
    db.execute(sql.SQL("grant connect on database {} to {}").format(
        sql.Identifier(database), name))
    return password
