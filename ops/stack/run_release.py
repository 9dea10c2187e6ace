"""run_release.py SCRIPT ARGUMENT…: builds the release preset, then becomes SCRIPT."""

import os
import sys

import jars
import kafka
import stages
from stages import SOURCE_DIR


def main():
    script, *arguments = sys.argv[1:]
    if not (SOURCE_DIR / script).exists():
        raise stages.StageFailed(f"there is no {script}")
    build_dir = stages.build("release")
    os.environ.update({
        "POSTROOM_SOURCE_DIR": str(SOURCE_DIR),
        "POSTROOM_BUILD_DIR": str(build_dir),
        "POSTROOM_BIN": str(build_dir / "bin"),
        "POSTROOM_TEST_KAFKA_JARS": str(kafka.kafka_jars()),
        **jars.debezium_environment(),
    })
    # Modules are found here, and not beside SCRIPT: bench/http.py would pass for Python's own.
    os.environ["PYTHONPATH"] = str(SOURCE_DIR / "ops/stack")
    os.chdir(SOURCE_DIR)
    os.execv(sys.executable, [sys.executable, "-P", script, *arguments])


if __name__ == "__main__":
    stages.exit_on_signals()
    try:
        main()
    except stages.StageFailed as failure:
        stages.report(failure)
        sys.exit(1)
