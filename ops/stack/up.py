"""What ./ops/up leaves running: a Stack, until SIGTERM; whatever ends is started again."""

import os
import sys

import redis
import stages
from supervisor import Stack


def main():
    stages.exit_on_signals(0)
    nodes = redis.CLUSTER_NODES if "--cluster" in sys.argv[1:] else 1
    with Stack(stages.SOURCE_DIR, os.environ["POSTROOM_BIN"], stages.RUN_DIR,
               redis_nodes=nodes, tracing="--tracing" in sys.argv[1:]) as stack:
        stack.wait()


if __name__ == "__main__":
    try:
        main()
    except stages.StageFailed as failure:
        stages.report(failure)
        sys.exit(1)
