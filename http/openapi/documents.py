"""The shop's API documents: documents.py OUT.cpp writes them as C++, with the UI that shows them."""

import json
import pathlib
import sys

import yaml

HERE = pathlib.Path(__file__).resolve().parent
sys.path.append(str(HERE.parents[1] / "ops/stack"))
import pypi  # noqa: E402

SERVICES = ("account", "orchestrator", "order", "payment", "product", "purchase")
UI = ("swagger-ui.css", "swagger-ui-bundle.js")
DELIMITER = "POSTROOM"


def openapi(service):
    """What a service serves at /openapi.json."""
    text = "".join((HERE / f"{name}.yaml").read_text(encoding="utf-8")
                   for name in ("shared", service))
    document = yaml.safe_load(text)
    document["components"]["schemas"] |= document.pop("schemas")
    return {key: value for key, value in document.items() if not key.startswith("x-")}


def asyncapi():
    """What every service serves at /asyncapi.json."""
    return yaml.safe_load((HERE / "asyncapi.yaml").read_text(encoding="utf-8"))


def texts():
    """{name: text} of all that is compiled in."""
    found = {f"{service}.json": json.dumps(openapi(service)) for service in SERVICES}
    found["asyncapi.json"] = json.dumps(asyncapi())
    ui = pypi.fetch(HERE / "swagger_ui.txt") / "flask_swagger_ui/dist"
    for folder, names in ((HERE, ("docs.html", "docs.js")), (ui, UI)):
        found |= {name: (folder / name).read_text(encoding="utf-8") for name in names}
    return found


def main():
    lines = ['#include "http/openapi/documents.hpp"', "namespace http::openapi {",
             "using namespace std::string_view_literals;", "namespace {",
             "constexpr Document all[] = {"]
    for name, text in sorted(texts().items()):
        assert f'){DELIMITER}"' not in text and "\0" not in text, name
        lines.append(f'{{"{name}", R"{DELIMITER}({text}){DELIMITER}"sv}},')
    lines += ["};", "}", "std::span<const Document> documents() { return all; }", "}", ""]
    pathlib.Path(sys.argv[1]).write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
