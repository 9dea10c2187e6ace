#!/usr/bin/env python3
"""What the API's documents must say of everything in them: python3 api.py CHECKOUT

Prints what they do not; exit status 1 when there is any.
"""

import pathlib
import sys

import jsonschema
import openapi_spec_validator

# Who may use an operation (x-access): what it asks for, and an answer to whoever may not.
ACCESS = {"public": (None, None), "customer": ("accessToken", "401"), "owner": ("accessToken", "404"),
          "merchant": ("accessToken", "403"), "operator": ("operatorToken", "401"),
          "signature": ("stripeSignature", "400")}
PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}


def resolve(document, value):
    while isinstance(value, dict) and "$ref" in value:
        target = document
        for part in value["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        value = target
    return value


def operations(document):
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def check_operation(document, operation):
    for key in ("operationId", "summary", "tags", "responses"):
        if not operation.get(key):
            yield f"has no {key}"
    if not set(operation.get("tags", ())) <= {tag["name"] for tag in document["tags"]}:
        yield "has a tag that is not described"
    if operation.get("x-access") not in ACCESS:
        yield f"does not say who may use it: x-access must be one of {', '.join(ACCESS)}"
        return
    scheme, refusal = ACCESS[operation["x-access"]]
    if operation.get("security") != ([{scheme: []}] if scheme else []):
        yield "asks for another security than its x-access"
    wanted = {"400", "500"} | ({refusal} if refusal else set())
    wanted |= {"408", "413", "415", "503"} if "requestBody" in operation else set()
    wanted |= {"401"} if scheme in ("accessToken", "operatorToken") else set()
    if missing := wanted - operation["responses"].keys():
        yield f"lacks the answers {', '.join(sorted(missing))}"


def check_answer(document, status, answer):
    if not answer.get("description"):
        yield f"{status} is not described"
    if "X-Request-Id" not in answer.get("headers", {}):
        yield f"{status} has no X-Request-Id"
    if status >= "400" and answer.get("content") != PROBLEM:
        yield f"{status} is no problem+json"
    if status < "400" and ("content" in answer) == (status == "204"):
        yield f"{status} has no content, or is 204 and has some"


def check_examples(document):
    shared = {"components": document["components"]}
    for name, schema in document["components"]["schemas"].items():
        jsonschema.Draft202012Validator.check_schema(schema)
        for example in schema.get("examples", ()):
            for error in jsonschema.Draft202012Validator({**shared, **schema}).iter_errors(example):
                yield f"example of {name}: {error.message}"


def check(document):
    names = [operation.get("operationId") for _, operation in operations(document)]
    if len(names) > len(set(names)):
        yield "two operations have the same operationId"
    yield from check_examples(document)
    for where, operation in operations(document):
        yield from (f"{where} {what}" for what in check_operation(document, operation))
        for status, answer in operation.get("responses", {}).items():
            answer = resolve(document, answer)
            yield from (f"{where}: {what}" for what in check_answer(document, status, answer))


def check_events(document, routes):
    """Messages are whole, and go from whom to whom the shop's routes say."""
    found = {name: (set(), set()) for name in document["channels"]}
    for operation in document["operations"].values():
        channel = operation["channel"]["$ref"].removeprefix("#/channels/")
        found[channel][operation["action"] == "receive"].add(operation["tags"][0]["name"])
    if found != {name: (set(senders), set(hearers)) for name, (senders, hearers) in routes.items()}:
        yield "channels and operations are not those of ops/stack/shop.py"
    for name, channel in document["channels"].items():
        for message in map(lambda each: resolve(document, each), channel["messages"].values()):
            for part in ("summary", "headers", "payload"):
                if part not in message:
                    yield f"a message of {name} has no {part}"
            jsonschema.Draft202012Validator.check_schema(resolve(document, message["payload"]))


def main():
    root = pathlib.Path(sys.argv[1]).resolve()
    sys.path += [str(root / "http/openapi"), str(root / "ops/stack")]
    import documents  # pylint: disable=import-outside-toplevel
    import shop  # pylint: disable=import-outside-toplevel
    found = []
    for service in documents.SERVICES:
        document = documents.openapi(service)
        openapi_spec_validator.validate(document)
        found += [f"{service}: {what}" for what in check(document)]
    found += [f"events: {what}" for what in check_events(documents.asyncapi(), shop.ROUTES)]
    print("\n".join(found) or "the API's documents are whole")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
