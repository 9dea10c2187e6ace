"""What every benchmark leaves behind: a table, and a JSON file that describes the machine."""

import datetime
import json
import os
import pathlib
import platform
import subprocess

RESULTS = pathlib.Path(__file__).parents[1] / "results"


def machine():
    def fields(path):
        lines = pathlib.Path(path).read_text().splitlines()
        return {
            name.strip(): value.strip()
            for name, _, value in (line.partition(":") for line in lines)
        }

    def version(*argv):
        return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.splitlines()[
            0
        ]

    return {
        "cpu": fields("/proc/cpuinfo").get("model name", platform.machine()),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(int(fields("/proc/meminfo")["MemTotal"].split()[0]) / 2**20),
        "kernel": platform.release(),
        "postgresql": version("/usr/lib/postgresql/17/bin/postgres", "--version"),
        "java": version("java", "--version"),
        "load_before": os.getloadavg()[0],
    }


def table(columns, rows):
    """Prints the rows of text, the first column to the left and the others to the right."""
    widths = [max(len(cell) for cell in column) for column in zip(columns, *rows)]
    for row in [columns, *rows]:
        first, *others = (
            cell.ljust(width) if at == 0 else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths))
        )
        print("  ".join([first, *others]), flush=True)


def save(name, before, results):
    """`before` is machine(), asked before the benchmark put a load on it."""
    RESULTS.mkdir(exist_ok=True)
    file = RESULTS / f"{name}.json"
    taken = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
    file.write_text(json.dumps({"taken": taken, "machine": before, **results}, indent=2) + "\n")
    print(f"wrote {file}")
