#!/usr/bin/env python3
"""The house standard that no formatter or compiler checks: python3 structure.py CHECKOUT

Each check takes a file's path (relative to the checkout) and text, and yields complaints. Prints
them as path:line: complaint; exit status 1 when there are any. tidy_test.py shows each of them a
bad sample.
"""

import ast
import os
import pathlib
import re
import sys

CODE = {".cpp", ".hpp", ".py", ".sh", ".cmake", ".js", ".ts", ".css", ".go", ".java"}
CPP = {".cpp", ".hpp"}
SKIPPED = {".git", "build", ".run", "node_modules", "__pycache__", "results"}
TOP_LEVEL = {"CMakeLists.txt", "CMakePresets.json", "README.md", "LICENSE", "CHANGELOG.md",
             "domain", "outbox", "relay", "http", "schema", "tests", "bench", "ops"}

# What each folder may include of ours, and what it must not of others'.
ARROWS = {
    "relay": (("relay/", "schema/", "outbox/tracing/", "faults.hpp"), r"pqxx"),
    "schema": (("schema/",), r"pqxx|librdkafka|httplib"),
    "outbox": (("outbox/", "faults.hpp"), r"httplib|libpq-fe"),
    "domain": (("domain/", "outbox/", "faults.hpp"), r"httplib|librdkafka"),
    "http": (("http/", "domain/", "outbox/", "faults.hpp"), r"librdkafka|libpq-fe"),
}
OURS = re.compile(r"^(relay|schema|outbox|domain|http|support|chaos)/|^faults\.hpp$")
INCLUDE = re.compile(r'^\s*#include\s+[<"]([^>"]+)[>"]', re.MULTILINE)

NAME = re.compile(r"\b(?:class|struct|namespace|def|enum(?: class)?)\s+"
                  r"(\w*(?:Manager|Helper|Impl|Utils)\w*|utils?|common|helpers?|misc)\b")
FILE_NAME = re.compile(r"(^|[/_])(utils?|common|helpers?|misc|manager|impl)([_.]|/|$)")
SLEEP = re.compile(r"\b(sleep_for|sleep_until|usleep|nanosleep|time\.sleep|(?<![\w.])sleep)\s*\(")
MACHINE = re.compile(r"(?<![\w.])/(?:wo" r"rk|ho" r"me/\w+|ro" r"ot/\w+)/")
VERB = r'\s*(?:select|insert\s+into|update\s+\w+\s+set|delete\s+from|with\s+\w+\s+as|copy)\b'
BUILT_SQL = [
    re.compile(r'"%s[^"\n]*"\s*(?:\+|<<)' % VERB, re.IGNORECASE),
    re.compile(r'format\(\s*R?"(?:sql)?\(?%s[^"\n]*\{' % VERB, re.IGNORECASE),
    re.compile(r'\+=?\s*"\s*(?:where|and|values|order by|limit)\b', re.IGNORECASE),
    re.compile(r'f"%s[^"\n]*\{' % VERB, re.IGNORECASE),
]
# A service of http/ whose context has another name.
OWN_CONTEXT = {"orchestrator": "saga"}
# Files that may build SQL, each with its reason.
BUILDS_SQL = {
    "http/service_cache.cpp": "a table's name is no value; each is a constant of its service's",
    "relay/table_source.cpp": "COPY takes no parameters; in go numbers and the server's snapshots",
}
# Files that may be long, each with its reason.
LONG = {
    "schema/outbox/0001_outbox.sql": "the outbox's contract, which is read as one piece",
    "schema/outbox/0013_shards.sql": "one change, most of it views and functions that it replaces whole",
}
# Files that may sleep, each with its reason.
SLEEPS = {
    "tests/support/wait.cpp": "the one place that waits, for every test",
}
CREATED = re.compile(r"^\s*create\s+(?:or\s+replace\s+)?(table|view|function)\s+"
                     r"(?:if\s+not\s+exists\s+)?"
                     r"([\w.]++)(?!\s+partition\s+of)", re.IGNORECASE | re.MULTILINE)


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


def matches(pattern, text, complaint):
    for found in pattern.finditer(text):
        yield line_of(text, found.start()), complaint.format(found.group(0).strip())


def includes(path, text):
    if path.suffix not in CPP or path.parts[0] not in ARROWS:
        return
    folder = path.parts[0]
    allowed, forbidden = ARROWS[folder]
    for found in INCLUDE.finditer(text):
        name = found.group(1)
        line = line_of(text, found.start(1))
        if OURS.match(name) and not name.startswith(allowed):
            yield line, f"{folder}/ must not include {name}: dependencies point one way"
        if re.match(forbidden, name):
            yield line, f"{folder}/ must not include {name}"


def contexts(path, text):
    """Services share events, never types; a context's pure file knows neither SQL nor JSON."""
    if path.suffix not in CPP or len(path.parts) < 3 or path.parts[0] not in ("domain", "http"):
        return
    context = OWN_CONTEXT.get(path.parts[1], path.parts[1])
    pure = path.parts[0] == "domain" and path.stem == context
    for found in INCLUDE.finditer(text):
        name = found.group(1)
        line = line_of(text, found.start(1))
        other = re.match(r"domain/(?!cache/)(\w+)/", name)  # the cache is nobody's context
        if other and other[1] != context and not name.endswith("_events.hpp"):
            yield line, f"{context} must not include {name}: share events, not types"
        if pure and re.match(r"pqxx|nlohmann|outbox/|spdlog|domain/(?:database|pool)", name):
            yield line, f"{path.name} is pure: it must not include {name}"


def file_size(path, text):
    if path.suffix in CODE | {".sql"} and str(path) not in LONG and text.count("\n") > 300:
        yield 301, f"has {text.count(chr(10))} lines; split it below 300"


def line_length(path, text):
    """C++ keeps to 100 by clang-format; what that cannot break, and the rest, keeps to this."""
    checked = path.suffix in CODE | {".md", ".sql"}
    for number, line in enumerate(text.splitlines() if checked else [], 1):
        if len(line) > 120:
            yield number, f"is {len(line)} columns wide; 120 is the limit"


def python_functions(path, text):
    """C++ functions are measured by clang-tidy."""
    if path.suffix != ".py":
        return
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef) and node.end_lineno - node.lineno >= 70:
            yield node.lineno, f"{node.name} is longer than 70 lines"


def names(path, text):
    if FILE_NAME.search(str(path)):
        yield 1, "is named after nothing in particular"
    if path.suffix in CODE:
        yield from matches(NAME, text, "'{}': name what it is or does")


def header_opens_with_purpose(path, text):
    if path.suffix == ".hpp" and not text.startswith("// "):
        yield 1, "must open with a comment: purpose, failure, thread-safety"
    if path.suffix == ".hpp" and "#pragma once" not in text:
        yield 1, "lacks #pragma once"


def sleeps(path, text):
    tested = path.parts[0] == "tests" and path.suffix in CPP | {".py"}
    if tested and str(path) not in SLEEPS:
        yield from matches(SLEEP, text, "'{}': wait on a condition instead (support::eventually)")


def built_sql(path, text):
    if path.suffix not in CPP | {".py"}:
        return
    if path.parts[0] in ("tests", "bench") or str(path) in BUILDS_SQL:
        return  # they name tables of their own making, which no parameter can
    for pattern in BUILT_SQL:
        yield from matches(pattern, text, "'{}': give SQL its values as parameters")


def sequence_reads(path, text):
    """A sequence's row, read without its page's lock, may show what nextval logs ahead."""
    if path.parts[0] in ("relay", "outbox") and path.suffix == ".cpp":
        yield from matches(re.compile(r"(?<!sequence_)\blast_value\b"), text,
                           "'{}': ask pg_sequence_last_value, which locks (decision 0010)")


def nullable_arrays(path, text):
    """libpqxx 7.10 leaves no room for the commas of nulls among numbers, and writes past its buffer."""
    if path.suffix in (".cpp", ".hpp"):
        yield from matches(re.compile(r"vector<std::optional<(?!std::string>)[^>]*>"), text,
                           "'{}' as an SQL array overruns libpqxx's buffer: make it one of optional texts")


def schema_comments(path, text):
    if path.parts[0] != "schema" or path.suffix != ".sql":
        return
    for found in CREATED.finditer(text):
        kind, name = found.group(1).lower(), found.group(2)
        if not re.search(rf"comment on {kind} {re.escape(name)}\b", text, re.IGNORECASE):
            yield line_of(text, found.start(2)), f"{kind} {name} has no comment"


def machine_paths(path, text):
    yield from matches(MACHINE, text, "'{}' is a path of one machine")


CHECKS = [includes, contexts, file_size, line_length, python_functions, names,
          header_opens_with_purpose, sleeps, built_sql, sequence_reads,
          nullable_arrays, schema_comments, machine_paths]


def top_level(entries):
    for entry in sorted(entries):
        if entry not in TOP_LEVEL and not entry.startswith(".") and entry not in SKIPPED:
            yield f"{entry}: the top level is fixed; find it a place inside"


def check(path, text):
    if path == "tests/tidy/tidy_test.py":
        return  # full of bad samples
    for each in CHECKS:
        for line, complaint in each(pathlib.PurePosixPath(path), text):
            yield f"{path}:{line}: {complaint}"


def files(root):
    for folder, folders, names_here in os.walk(root):
        folders[:] = sorted(set(folders) - SKIPPED)
        for name in sorted(set(names_here) - SKIPPED):  # .git is a file in a linked work tree
            yield pathlib.Path(folder, name)


def main():
    root = pathlib.Path(sys.argv[1])
    complaints = list(top_level(os.listdir(root)))
    for file in files(root):
        try:
            text = file.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # not text
        complaints += check(file.relative_to(root).as_posix(), text)
    print("\n".join(complaints))
    print(f"{len(complaints)} complaints")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
