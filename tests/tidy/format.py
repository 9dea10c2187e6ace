#!/usr/bin/env python3
"""Checks that clang-format would change nothing: format.py [--fix] CHECKOUT"""

import pathlib
import subprocess
import sys

FOLDERS = ("domain", "outbox", "relay", "http", "schema", "tests", "bench")


def main():
    fix = "--fix" in sys.argv
    checkout = pathlib.Path(sys.argv[-1])
    files = sorted(str(file) for folder in FOLDERS
                   for file in (checkout / folder).rglob("*.[ch]pp"))
    if not files:
        sys.exit(f"{checkout} holds no C++: is it the checkout?")
    mode = ["-i"] if fix else ["--dry-run", "-Werror"]
    done = subprocess.run(["clang-format", *mode, *files], text=True, capture_output=True,
                          check=False)
    wrong = sorted({line.split(":")[0] for line in done.stderr.splitlines() if "error:" in line})
    for file in wrong:
        print(f"{file}: is not formatted")
    print(f"{len(files)} files, {len(wrong)} not formatted"
          + ("; run tests/tidy/format.py --fix on the checkout" if wrong else ""))
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
