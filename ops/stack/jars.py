"""Jars by a pinned pom.xml, fetched once for every checkout."""

import fcntl
import hashlib
import os
import pathlib
import shutil
import subprocess
import urllib.parse
import urllib.request

import stages


def _proxy_options():
    # Java does not read the proxy variables.
    options = []
    for scheme, url in urllib.request.getproxies_environment().items():
        parts = urllib.parse.urlsplit(url)
        if scheme in ("http", "https") and parts.hostname:
            options += [f"-D{scheme}.proxyHost={parts.hostname}",
                        f"-D{scheme}.proxyPort={parts.port or 80}"]
    skipped = os.environ.get("no_proxy", os.environ.get("NO_PROXY", ""))
    if skipped:
        options.append("-Dhttp.nonProxyHosts=" + "|".join(
            "*" + name if name.startswith(".") else name for name in skipped.split(",")))
    return options


def fetch(name, pom):
    """The directory with the jars that pom depends on; safe when two runs start at once."""
    name = f"{name}-{hashlib.sha256(pathlib.Path(pom).read_bytes()).hexdigest()[:12]}"
    target = stages.CACHE_DIR / name
    if target.is_dir():
        return target
    stages.CACHE_DIR.mkdir(parents=True, exist_ok=True)
    with open(stages.CACHE_DIR / f"{name}.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if target.is_dir():
            return target
        part = stages.CACHE_DIR / f"{name}.part"
        shutil.rmtree(part, ignore_errors=True)
        stages.run(f"fetch {name}", [
            "mvn", "-q", "-B", "-f", pathlib.Path(pom), *_proxy_options(),
            f"-Dmaven.repo.local={stages.CACHE_DIR / 'maven'}",
            "dependency:copy-dependencies", f"-DoutputDirectory={part}", "-DincludeScope=runtime"],
            log_name=f"fetch-{name}")
        part.rename(target)
    return target


def debezium_environment():
    """Where the peer of benchmarks and compatibility tests is, in a checkout that has it."""
    pom = stages.SOURCE_DIR / "bench/peers/debezium/pom.xml"
    return {"POSTROOM_DEBEZIUM_JARS": str(fetch("debezium", pom))} if pom.exists() else {}
