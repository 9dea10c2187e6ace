"""The shop speaks as its documents say: routes, answers, who may do what, events."""

import json
import re
import unittest

import jsonschema

import api_access
import api_fuzz
from shop_under_test import SERVICES, Shop, Stripe, eventually

shop = None


def setUpModule():
    global shop
    shop = Shop()
    unittest.enterModuleContext(shop)


class Documents(unittest.TestCase):
    def test_have_the_operations_that_the_services_have(self):
        for service in SERVICES:
            document = shop.done(service, "GET", "/openapi.json")
            written = {f"{method.upper()} {path}" for path, methods in document["paths"].items()
                       for method in methods}
            served = {re.sub(r":(\w+)", r"{\1}", route) for route in shop.routes[service]}
            with self.subTest(service=service):
                self.assertEqual(written, served)

    def test_have_all_methods_of_each_path(self):
        for service in SERVICES:
            written = shop.done(service, "GET", "/openapi.json")["paths"]
            for path in (template.format(id=1, asset="a") for template in written):
                allowed = {method.upper() for template, methods in written.items()
                           for method in methods
                           if re.fullmatch(re.sub(r"{\w+}", "[^/]+", template), path)}
                for method in {"GET", "POST", "PUT", "PATCH", "DELETE"} - allowed:
                    answer = shop.ask(service, method, path)
                    with self.subTest(service=service, method=method, path=path):
                        self.assertEqual(answer.status, 405)
                        self.assertEqual(answer.headers["Content-Type"], "application/problem+json")
                        self.assertEqual(set(answer.headers["Allow"].split(", ")) - {"HEAD"},
                                         allowed)

    def test_say_which_requests_no_rate_refuses(self):
        for service in SERVICES:
            written = shop.done(service, "GET", "/openapi.json")["paths"]
            never = {path for path, methods in written.items() for operation in methods.values()
                     if "429" not in operation["responses"]}
            with self.subTest(service=service):
                self.assertEqual(never, {"/livez", "/readyz", "/metrics"})

    def test_are_shown_by_a_page_that_loads_nothing_from_elsewhere(self):
        page = shop.ask("product", "GET", "/docs")
        self.assertEqual(page.status, 200)
        self.assertIn("default-src 'self'", page.headers["Content-Security-Policy"])
        links = re.findall(r'(?:src|href)="([^"]*)"', page.body.decode())
        self.assertEqual(len(links), 3)
        for link in links:
            asset = shop.ask("product", "GET", link)
            self.assertEqual(asset.status, 200, link)
            self.assertGreater(len(asset.body), 0, link)
            self.assertEqual(asset.headers["X-Content-Type-Options"], "nosniff")
        self.assertNotRegex(page.body.decode(), r"https?:|style=|<script>")


class Webhook(unittest.TestCase):
    def test_refuses_what_stripe_would_not_send(self):
        requests = api_access.Requests(shop, shop.done("payment", "GET", "/openapi.json"))
        number = str(shop.bought)
        for type_, thing in (("payment_intent.succeeded", {"metadata": {"purchase_id": 7}}),
                             ("payment_intent.succeeded", {"id": 7, "metadata": {"purchase_id": number}}),
                             ("payment_intent.canceled", {"last_payment_error": {"message": 7}}),
                             ("charge.refunded", {"refunded": "yes"})):
            body = {"type": type_, "data": {"object": thing}}
            answer = shop.ask("payment", "POST", "/api/v1/payments/webhook", body,
                              headers=requests.headers_of("signed", body))
            with self.subTest(body=body):
                self.assertEqual((answer.status, answer.json().get("field")), (400, "data.object"))


class Events(unittest.TestCase):
    def compensate_a_payment(self):
        """The one thing that only an operator, or a time-out, makes a saga do."""
        Stripe.away.set()
        purchase = shop.buy(shop.pen, shop.owner["access_token"])
        saga = f"/api/v1/sagas/{purchase}"
        eventually("the saga to wait for its payment", lambda: (
            (answer := shop.ask("orchestrator", "GET", saga, token=shop.operator)).status == 200
            and answer.json()["step"] == "CREATE_PAYMENT"))
        shop.done("orchestrator", "POST", f"{saga}/compensate", {"reason": "a test"}, shop.operator)

        def state():
            return shop.done("orchestrator", "GET", saga, token=shop.operator)["state"]

        # Back any sooner, Stripe may take the payment before the sweep sees what was asked for.
        eventually("the sweep", lambda: state() == "COMPENSATING")
        Stripe.away.clear()
        eventually("the saga's end", lambda: state() == "COMPENSATED")

    def test_are_those_of_the_document(self):
        document = shop.done("purchase", "GET", "/asyncapi.json")
        self.compensate_a_payment()
        shop.done("account", "PUT", "/api/v1/account/customer/delivery",
                  {"address": "2 Main Street", "phone_number": "7"}, shop.owner["access_token"])
        sends = {(operation["tags"][0]["name"], operation["channel"]["$ref"].split("/")[-1])
                 for operation in document["operations"].values() if operation["action"] == "send"}
        components = {"components": document["components"]}
        seen = set()
        for service, id_, channel, key, type_, headers, payload in shop.events():
            self.assertIn((service, channel), sends)
            message = document["components"]["messages"][type_]
            self.assertIn(type_, document["channels"][channel]["messages"])
            content = json.loads(payload) if isinstance(payload, (str, bytes)) else payload
            for schema, value in ((message["payload"], content),
                                  (message["headers"], {"id": id_, "type": type_, **headers})):
                jsonschema.Draft202012Validator({**schema, **components}).validate(value)
            of = {"account": "customer_id", "product": "product_id"}.get(channel, "purchase_id")
            self.assertEqual(key, str(content[of]))
            seen.add(type_)
        self.assertEqual(seen, set(document["components"]["messages"]))


class Access(unittest.TestCase):
    def test_is_as_the_documents_say(self):
        asked = 0
        for service in SERVICES:
            document = shop.done(service, "GET", "/openapi.json")
            with self.subTest(service=service):
                requests, faults = api_access.check(shop, service, document)
                asked += requests
                if faults:
                    self.fail("\n".join(faults))
        print(f"{asked} requests by {len(api_access.CALLERS)} callers")
        self.assertGreater(asked, 300)

    def test_of_an_operation_without_a_rule_fails(self):
        document = shop.done("order", "GET", "/openapi.json")
        del document["paths"]["/api/v1/orders/{id}"]["get"]["x-access"]
        with self.assertRaises(KeyError):
            api_access.check(shop, "order", document)


class Fuzz(unittest.TestCase):
    def test_finds_no_answer_that_is_not_written(self):
        generated, found = api_fuzz.run(shop)
        self.assertGreater(generated, 500)
        for name, report in found.items():
            with self.subTest(run=name):
                self.fail(report)


if __name__ == "__main__":
    unittest.main(verbosity=2)
