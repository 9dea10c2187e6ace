#!/usr/bin/env python3
"""Shows every check of tests/tidy a bad sample, and expects it to complain."""

import copy
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

import api
import structure

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parent.parent
sys.path += [str(ROOT / "http/openapi"), str(ROOT / "ops/stack")]
import documents  # noqa: E402
import shop  # noqa: E402


def complaints(path, text):
    return "\n".join(structure.check(path, text))


class Structure(unittest.TestCase):
    def refuses(self, path, text, complaint):
        self.assertIn(complaint, complaints(path, text))

    def accepts(self, path, text):
        self.assertEqual(complaints(path, text), "")

    def test_arrows(self):
        self.refuses("relay/a.cpp", "#include <pqxx/pqxx>\n", "must not include pqxx/pqxx")
        self.refuses("relay/a.cpp", '#include "domain/money.hpp"\n', "dependencies point one way")
        self.refuses("relay/a.cpp", '#include "outbox/event.hpp"\n', "dependencies point one way")
        self.refuses("domain/a.cpp", "#include <httplib.h>\n", "must not include httplib.h")
        self.refuses("outbox/a.cpp", '#include "relay/batch.hpp"\n', "dependencies point one way")
        self.refuses("schema/a.cpp", "#include <pqxx/pqxx>\n", "must not include pqxx/pqxx")
        self.accepts("relay/a.cpp", '#include "relay/batch.hpp"\n#include <libpq-fe.h>\n')
        self.accepts("http/order/a.cpp", '#include "domain/order/order_service.hpp"\n')

    def test_contexts(self):
        self.refuses("domain/order/order_service.cpp", '#include "domain/payment/payment.hpp"\n',
                     "share events, not types")
        self.refuses("http/order/routes.cpp", '#include "domain/payment/payment_store.hpp"\n',
                     "share events, not types")
        self.refuses("domain/order/order.cpp", "#include <pqxx/pqxx>\n", "is pure")
        self.accepts("domain/order/order_service.cpp", '#include "domain/payment/payment_events.hpp"\n')

    def test_sizes(self):
        self.refuses("relay/a.cpp", "\n" * 301, "has 301 lines")
        self.refuses("README.md", "x" * 121, "is 121 columns wide")
        self.refuses("bench/a.py", "def long():\n" + "    x = 1\n" * 71, "long is longer than 70 lines")
        self.accepts("README.md", "x" * 120)

    def test_names(self):
        self.refuses("domain/a.cpp", "class OrderManager {};\n", "'class OrderManager'")
        self.refuses("domain/a.cpp", "namespace utils {\n", "'namespace utils'")
        self.refuses("domain/string_utils.cpp", "", "named after nothing")
        self.refuses("domain/common/a.cpp", "", "named after nothing")
        self.accepts("domain/a.cpp", "class Order {};\n")

    def test_headers(self):
        self.refuses("relay/a.hpp", "#pragma once\n", "must open with a comment")
        self.refuses("relay/a.hpp", "// Promises.\n", "lacks #pragma once")

    def test_sleeps(self):
        self.refuses("tests/unit/a.cpp", "std::this_thread::sleep_for(1s);\n", "wait on a condition")
        self.refuses("tests/chaos/a.py", "time.sleep(1)\n", "wait on a condition")
        self.accepts("tests/unit/a.cpp", 'exec("select pg_sleep(1)");\n')

    def test_nullable_arrays(self):
        self.refuses("domain/a.cpp", "std::vector<std::optional<std::int64_t>> waits;\n", "overruns")
        self.accepts("domain/a.cpp", "std::vector<std::optional<std::string>> waits;\n")

    def test_sequence_reads(self):
        self.refuses("relay/a.cpp", "select last_value from outbox.event_seq_seq\n", "which locks")
        self.accepts("relay/a.cpp", "select pg_sequence_last_value('outbox.event_seq_seq')\n")

    def test_built_sql(self):
        parameters = "give SQL its values as parameters"
        self.refuses("domain/a.cpp", 'exec("select * from a where id = " + id);\n', parameters)
        self.refuses("domain/a.cpp", 'sql += " where id = ";\n', parameters)
        self.refuses("domain/a.cpp", 'std::format("delete from a where id = {}", id);\n', parameters)
        self.refuses("ops/a.py", 'run(f"insert into a values ({x})")\n', parameters)
        self.accepts("domain/a.cpp", 'exec("select * from a where id = $1", id);\n')

    def test_schema_comments(self):
        self.refuses("schema/a/0001_a.sql", "create table a.b (\n);", "table a.b has no comment")
        self.refuses("schema/a/0001_a.sql", "create view a.v as\n", "view a.v has no comment")
        self.refuses("schema/a/0001_a.sql", "create function a.f() returns", "function a.f has no comment")
        self.accepts("schema/a/0001_a.sql", "create table a.b (\n);\ncomment on table a.b is 'B';")
        self.accepts("schema/a/0001_a.sql", "create table a.b_1 partition of a.b default;")

    def test_machine_paths(self):
        self.refuses("ops/a.sh", "cd /ho" "me/me/postroom\n", "is a path of one machine")
        self.accepts("ops/a.sh", "cd build/work/here\n")

    def test_top_level(self):
        self.assertIn("src", "".join(structure.top_level(["domain", "src", ".git"])))


class Tools(unittest.TestCase):
    """The checks that run other programs, each on a tiny checkout of its own."""

    def setUp(self):
        # A leak is closed by addCleanup, however the test ends.
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.checkout = pathlib.Path(folder.name)
        for name in (".clang-format", ".clang-tidy"):
            (self.checkout / name).write_text((ROOT / name).read_text(), encoding="utf-8")
        (self.checkout / "relay").mkdir()
        self.source = self.checkout / "relay" / "a.cpp"

    def run_check(self, program, *arguments):
        done = subprocess.run([sys.executable, HERE / program, self.checkout, *arguments], text=True,
                              capture_output=True, check=False,
                              env={"PATH": "/usr/bin:/bin", "XDG_CACHE_HOME": str(self.checkout / "cache")})
        return done.returncode, done.stdout

    def test_format(self):
        self.source.write_text("int  one( ){ return 1; }\n", encoding="utf-8")
        code, output = self.run_check("format.py")
        self.assertEqual(code, 1)
        self.assertIn("a.cpp: is not formatted", output)
        self.source.write_text("int one() { return 1; }\n", encoding="utf-8")
        self.assertEqual(self.run_check("format.py")[0], 0)

    def test_lint(self):
        build = self.checkout / "build"
        build.mkdir()
        (build / "compile_commands.json").write_text(json.dumps(
            [{"directory": str(build), "file": str(self.source), "command": f"c++ -c {self.source}"}]))
        self.source.write_text("int BadName() { return 1; }\n", encoding="utf-8")
        code, output = self.run_check("lint.py", build)
        self.assertEqual(code, 1)
        self.assertIn("readability-identifier-naming", output)
        self.source.write_text("int good_name() { return 1; }\n", encoding="utf-8")
        self.assertEqual(self.run_check("lint.py", build)[0], 0)
        self.assertIn("0 looked at", self.run_check("lint.py", build)[1])


class Api(unittest.TestCase):
    def refuses(self, change, complaint):
        document = copy.deepcopy(documents.openapi("order"))
        change(document, document["paths"]["/api/v1/orders/{id}"]["get"])
        self.assertIn(complaint, "\n".join(api.check(document)))

    def test_operations(self):
        self.refuses(lambda _, get: get.pop("summary"), "has no summary")
        self.refuses(lambda _, get: get.pop("operationId"), "has no operationId")
        self.refuses(lambda _, get: get.update(tags=["pens"]), "a tag that is not described")
        self.refuses(lambda _, get: get.pop("x-access"), "who may use it")
        self.refuses(lambda _, get: get.pop("security"), "another security")
        self.refuses(lambda _, get: get.update({"x-access": "public"}), "another security")
        self.refuses(lambda _, get: get["responses"].pop("404"), "lacks the answers 404")

    def test_answers(self):
        self.refuses(lambda all, _: all["components"]["responses"]["NotFound"].pop("content"),
                     "404 is no problem+json")
        self.refuses(lambda _, get: get["responses"]["200"].pop("headers"), "no X-Request-Id")
        self.refuses(lambda all, _: all["components"]["schemas"]["Order"]["examples"][0].pop("status"),
                     "example of Order")

    def test_events(self):
        self.assertEqual(list(api.check_events(documents.asyncapi(), shop.ROUTES)), [])
        routes = shop.ROUTES | {"reply": (("product", "order"), ("orchestrator",))}
        self.assertIn("not those of ops/stack/shop.py",
                      "".join(api.check_events(documents.asyncapi(), routes)))


if __name__ == "__main__":
    unittest.main()
