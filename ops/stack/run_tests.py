"""What ./ops/test does inside the root: builds, starts the servers, runs ctest."""

import argparse
import fcntl
import os
import re
import shutil
import subprocess
import sys

import jars
import kafka
import postgres
import pypi
import stages
import stripe_mock
from stages import LOG_DIR, RUN_DIR, SOURCE_DIR

# Each builds a preset of its own, and runs these labels (none: all).
PRESETS = {"asan": ["unit", "integration"], "tsan": ["unit", "integration"], "mutants": []}


def servers():
    shutil.rmtree(RUN_DIR / "test", ignore_errors=True)
    for log in ("test-postgres.log", "test-kafka.log"):
        (LOG_DIR / log).unlink(missing_ok=True)
    return (postgres.Postgres(RUN_DIR / "test/postgres", LOG_DIR / "test-postgres.log"),
            kafka.Kafka(RUN_DIR / "test/kafka", LOG_DIR / "test-kafka.log"))


def environment(build_dir, preset, pg, broker):
    env = {
        **os.environ,
        "POSTROOM_TEST_PG": f"host=127.0.0.1 port={pg.port} user=postgres password={pg.password}",
        "POSTROOM_TEST_KAFKA": broker.brokers,
        "POSTROOM_BIN": str(build_dir / "bin"),
        "POSTROOM_SOURCE_DIR": str(SOURCE_DIR),
        "POSTROOM_BUILD_DIR": str(build_dir),
        "POSTROOM_TEST_KAFKA_JARS": str(kafka.kafka_jars()),
        "POSTROOM_STRIPE_MOCK": str(stripe_mock.fetch()),
        "POSTROOM_SCHEMATHESIS": str(pypi.fetch(SOURCE_DIR / "ops/stack/schemathesis.txt")),
        "ASAN_OPTIONS": "abort_on_error=0:detect_stack_use_after_return=1",
        "UBSAN_OPTIONS": "print_stacktrace=1",
        "TSAN_OPTIONS": "halt_on_error=1:second_deadlock_stack=1",
        **jars.debezium_environment(),
    }
    for name, variable in (("tsan", "TSAN_OPTIONS"), ("asan", "ASAN_OPTIONS"),
                           ("lsan", "LSAN_OPTIONS")):
        suppressions = SOURCE_DIR / "tests" / f"{name}.supp"
        if suppressions.exists():
            options = [env.get(variable), f"suppressions={suppressions}"]
            env[variable] = ":".join(filter(None, options))
    if preset == "tsan":
        env["LD_PRELOAD"] = str(build_dir / "bin/libc11_threads.so")
    return env


def run_ctest(build_dir, labels, env):
    argv = ["ctest", "--test-dir", build_dir, "--no-tests=error", "--output-on-failure", "-j2",
            "--output-log", LOG_DIR / "ctest.log"]
    if labels:
        argv += ["-L", "^(" + "|".join(labels) + ")$"]
    code = subprocess.run(argv, env=env).returncode
    # Once more, as the last line, below the times and the list of failures.
    with open(LOG_DIR / "ctest.log", encoding="utf-8", errors="replace") as log:
        print(next((line.strip() for line in log if re.match(r"\d+% tests passed", line)), ""))
    return code


def run_alone(name, build_dir, env, options):
    """One of the chaos tests, longer or larger; prints its line of each mode, or the end of its log."""
    env = {**env, "POSTROOM_SOAK_MINUTES": str(options.minutes),
           "POSTROOM_BACKLOG_EVENTS": str(options.events),
           "POSTROOM_PURCHASES": str(options.purchases)}
    if options.seed is not None:
        env["POSTROOM_SEED"] = str(options.seed)
    argv = ([sys.executable, "-B", SOURCE_DIR / "tests/chaos/conservation_test.py"]
            if name == "conservation" else
            [build_dir / "bin/chaos_test", f"--gtest_filter=*{name.capitalize()}.*"])
    stages.run(name, argv, env=env)
    log = (LOG_DIR / f"{name}.log").read_text(encoding="utf-8", errors="replace")
    print(*(line for line in log.splitlines() if line.startswith(f"{name} ")), sep="\n")
    return 0


def main():
    parser = argparse.ArgumentParser(prog="ops/test")
    parser.add_argument("what", nargs="*", metavar="LABEL")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--minutes", type=int, default=1)
    parser.add_argument("--events", type=int, default=5_000_000)
    parser.add_argument("--purchases", type=int, default=20_000)
    options = parser.parse_args()
    what = options.what
    presets = [name for name in what if name in PRESETS]
    if presets and what[0] != "mutants" and len(what) > 1:
        parser.error(f"{presets[0]} stands alone")
    preset = presets[0] if presets else "test"

    stages.exit_on_signals()
    RUN_DIR.mkdir(parents=True, exist_ok=True)
    with open(RUN_DIR / "test.lock", "w", encoding="ascii") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("✗ another ./ops/test runs in this checkout; wait for it", file=sys.stderr)
            return 1
        build_dir = stages.build(preset)
        pg, broker = servers()
        try:
            kafka.kafka_jars()
            with stages.stage("PostgreSQL and Kafka"):
                pg.start()
                broker.start()
            env = environment(build_dir, preset, pg, broker)
            if preset == "mutants":
                return subprocess.run([sys.executable, "tests/chaos/run_mutants.py", *what[1:]],
                                      env=env, cwd=SOURCE_DIR).returncode
            if what in (["soak"], ["backlog"], ["conservation"]):
                return run_alone(what[0], build_dir, env, options)
            return run_ctest(build_dir, PRESETS.get(preset, what), env)
        finally:
            broker.stop()
            pg.stop()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except stages.StageFailed as failure:
        stages.report(failure)
        sys.exit(1)
