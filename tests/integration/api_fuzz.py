"""schemathesis against every service: by its document, with and without a token that counts."""

import concurrent.futures
import json
import os
import re
import subprocess
import sys

import api_access
from shop_under_test import SERVICES

CHECKS = ("not_a_server_error,status_code_conformance,content_type_conformance,"
          "response_headers_conformance,response_schema_conformance,negative_data_rejection,"
          "missing_required_header,ignored_auth")
NO_TOKEN = "x.y.z"
EXAMPLES = 8  # made up, for each operation, besides the documents' and those at every limit


def _with_real_objects(shop, document):
    """The document with examples that there are."""
    requests = api_access.Requests(shop, document)
    for _, path, operation in api_access.operations(document):
        for parameter in operation.get("parameters", ()):
            if requests.names_object(parameter):
                parameter["example"] = requests.value_of(path, parameter)
    return document


def _fuzz(shop, seed, service, token):
    """Whoever has no token that counts gets no further than that: the limits will do."""
    known = token != NO_TOKEN
    name = f"{service}-{'known' if known else 'unknown'}"
    document = _with_real_objects(shop, shop.done(service, "GET", "/openapi.json"))
    file = shop.folder / f"{name}.json"
    file.write_text(json.dumps(document), encoding="utf-8")
    argv = [sys.executable, "-B", "-m", "schemathesis.cli", "run", file,
            "--url", f"http://{shop.addresses[service]}", "--checks", CHECKS, "--mode", "all",
            "--phases", "examples,coverage,fuzzing" if known else "coverage",
            "--max-examples", str(EXAMPLES), "--seed", str(seed), "--no-shrink",
            "--generation-database", "none", "--continue-on-failure", "--request-timeout", "10",
            "--warnings", "off", "--no-color", "--header", f"Authorization: Bearer {token}"]
    if service != SERVICES[0]:
        argv += ["--exclude-tag", "operations"]  # the same code everywhere
    done = subprocess.run(argv, capture_output=True, text=True, check=False, cwd=shop.folder, env={
        **os.environ, "PYTHONPATH": os.environ["POSTROOM_SCHEMATHESIS"]})
    print(f"{name}: {done.stdout.strip().splitlines()[-1].strip('= ')}", flush=True)
    return name, done


def run(shop):
    """(number of requests, {run: what it found} of those that found something)."""
    seed = int(os.environ.get("POSTROOM_SEED", "17"))
    print(f"schemathesis seed={seed}")
    customer = shop.register("eve@example.com")["access_token"]
    known = dict.fromkeys(SERVICES, customer) | {
        "product": shop.merchant["access_token"], "orchestrator": shop.operator}
    tasks = [(service, token) for service in SERVICES for token in (known[service], NO_TOKEN)]
    with concurrent.futures.ThreadPoolExecutor(2) as threads:
        runs = list(threads.map(lambda task: _fuzz(shop, seed, *task), tasks))
    generated = sum(int(count) for _, done in runs
                    for count in re.findall(r"(\d+) generated", done.stdout))
    print(f"{generated} requests made up")
    return generated, {name: done.stdout + done.stderr for name, done in runs if done.returncode != 0}
