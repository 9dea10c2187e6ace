#!/usr/bin/env python3
"""Runs clang-tidy over the checkout's .cpp files but the tests themselves: lint.py CHECKOUT BUILD

The headers of GoogleTest would take it longer than all the rest, and a test that is wrong fails.
BUILD holds compile_commands.json. A file that came out clean is not looked at again until it, a
header of ours that it includes, its flags, .clang-tidy or clang-tidy itself changes; the results
are kept in $XDG_CACHE_HOME/postroom/lint (~/.cache by default).
"""

import concurrent.futures
import functools
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys

INCLUDE = re.compile(r'^\s*#include\s+"([^"]+)"', re.MULTILINE)
ROOTS = ("", "tests", "tests/faults", "outbox/include", "outbox/src")


@functools.cache
def text_of(path):
    return path.read_text(encoding="utf-8")


def with_own_headers(file, checkout):
    """The file, and every header of ours that it includes, directly or not."""
    seen, waiting = set(), [file]
    while waiting:
        current = waiting.pop()
        if current in seen:
            continue
        seen.add(current)
        for name in INCLUDE.findall(text_of(current)):
            candidates = [current.parent / name, *(checkout / root / name for root in ROOTS)]
            waiting += [c.resolve() for c in candidates if c.is_file()][:1]
    return sorted(seen)


def fingerprint(command, checkout, version):
    file = pathlib.Path(command["file"])
    # Machine paths out, so that another checkout of the same content shares the result.
    flags = command["command"].replace(str(checkout), "")
    digest = hashlib.sha256(f"{version}\n{flags}\n".encode())
    for part in [checkout / ".clang-tidy", *with_own_headers(file, checkout)]:
        digest.update(text_of(part).encode())
    return digest.hexdigest()


def lint(file, build):
    # Clang counts sign conversions under -Wconversion, which we build with; g++ does not.
    done = subprocess.run(["clang-tidy", "--quiet", "-p", build,
                           "--extra-arg=-Wno-sign-conversion", file],
                          text=True, capture_output=True, check=False)
    return done.returncode == 0, done.stdout


def main():
    checkout, build = (pathlib.Path(argument).resolve() for argument in sys.argv[1:3])
    home = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    cache = pathlib.Path(home, "postroom", "lint")
    cache.mkdir(parents=True, exist_ok=True)
    version = subprocess.run(["clang-tidy", "--version"], text=True, capture_output=True,
                             check=True)
    commands = [command for command in json.loads(text_of(build / "compile_commands.json"))
                if pathlib.Path(command["file"]).is_relative_to(checkout)
                and not pathlib.Path(command["file"]).is_relative_to(build)
                and not command["file"].endswith("_test.cpp")]
    marks = {c["file"]: cache / fingerprint(c, checkout, version.stdout) for c in commands}
    unknown = sorted(file for file, mark in marks.items() if not mark.exists())
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for file, (clean, output) in zip(unknown, pool.map(lambda f: lint(f, build), unknown)):
            if clean:
                marks[file].touch()
            else:
                failed += 1
                print(output, flush=True)
    print(f"{len(marks)} files, {len(unknown)} looked at, {failed} with complaints")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
