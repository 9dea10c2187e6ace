"""The demo's proof must fail for whatever can go wrong, each thing alone."""

import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "ops/stack"))
import proof  # noqa: E402
from evidence import Evidence, LogEntry, Service  # noqa: E402
from shop import ROUTES, SERVICES  # noqa: E402

# (sender, id, key, type, topic) of one purchase that is completed and one that is taken back.
EVENTS = [
    ("purchase", "p7", "7", "CreatePurchase", "purchase"),
    ("purchase", "p8", "8", "CreatePurchase", "purchase"),
    ("orchestrator", "u7", "7", "UpdateProductInventory", "update-product-inventory"),
    ("orchestrator", "u8", "8", "UpdateProductInventory", "update-product-inventory"),
    ("product", "a7", "7", "Reply", "reply"),
    ("product", "a8", "8", "Reply", "reply"),
    ("orchestrator", "c7", "7", "CreatePayment", "create-payment"),
    ("payment", "b7", "7", "Reply", "reply"),
    ("orchestrator", "r7", "7", "PurchaseResult", "purchase-result"),
    ("orchestrator", "r8", "8", "PurchaseResult", "purchase-result"),
]


def row(id_, **more):
    return {"id": id_, "amount": 100, "currency_code": "EUR", **more}


def posting(entry, payment, account, amount):
    return {"entry": entry, "payment": payment, "account": account, "currency_code": "EUR",
            "amount": amount}


def good():
    services = {name: Service([], {}, [], []) for name in SERVICES}
    logs = {topic: [] for topic in ROUTES}
    for sender, id_, key, type_, topic in EVENTS:
        events = services[sender].events
        events.append({"seq": len(events) + 1, "id": id_, "key": key, "type": type_,
                       "topic": topic})
        logs[topic].append(LogEntry(0, key, id_))
        for receiver in ROUTES[topic][1]:
            services[receiver].received[id_] = 0
    orders = [row(7, status="PAID", tombstone=False)]
    payments = [row(7, customer=3, status="TAKEN", tombstone=False)]
    return Evidence(
        acknowledged={"a": 7, "b": 8},
        rows={"purchases": [row(7, key="a", success=True), row(8, key="b", success=False)],
              "sagas": [{"id": 7, "state": "COMPLETED"}, {"id": 8, "state": "COMPENSATED"}],
              "orders": orders, "payments": payments,
              "reservations": [{"id": 7, "kept": True}, {"id": 8, "kept": False}]},
        stock_before={1: 10}, stock_after={1: 7}, sold={1: 3},
        postings=[posting("take-7", 7, "customer:3", -100), posting("take-7", 7, "sales", 100)],
        steps=["p7", "p8", "a7", "a8", "b7"],
        order_answers={7: dict(orders[0]), 8: None},
        payment_answers={7: dict(payments[0]), 8: None},
        services=services, logs=logs)


def transported(evidence, sender, id_, type_, topic):
    """Of purchase 8, and as it should be as far as transport goes."""
    events = evidence.services[sender].events
    events.append({"seq": len(events) + 1, "id": id_, "key": "8", "type": type_, "topic": topic})
    evidence.logs[topic].append(LogEntry(0, "8", id_))
    for receiver in ROUTES[topic][1]:
        evidence.services[receiver].received[id_] = 0


class DemoProof(unittest.TestCase):
    def verdict(self, change=lambda evidence: None):
        evidence = good()
        change(evidence)
        return proof.prove(evidence)

    def test_holds_when_everything_ended_once(self):
        verdict = self.verdict()
        self.assertEqual([], verdict.differences)
        self.assertEqual((2, 2, 2, 0, 0), (verdict.committed, verdict.published, verdict.effects,
                                           verdict.duplicates_suppressed, verdict.lost))

    def test_holds_when_the_log_repeats_and_the_inbox_suppresses(self):
        def repeat(evidence):
            evidence.logs["purchase"].append(evidence.logs["purchase"][0])
            evidence.services["orchestrator"].received["p7"] = 1
        verdict = self.verdict(repeat)
        self.assertEqual([], verdict.differences)
        self.assertEqual(1, verdict.duplicates_suppressed)

    def test_fails_for_each_single_fault(self):
        faults = {
            "an acknowledged purchase is not there": lambda e: e.rows["purchases"].pop(),
            "a purchase that nobody was told of": lambda e: e.acknowledged.pop("a"),
            "an event never reached Kafka": lambda e: e.logs["purchase"].pop(),
            "an answer never reached Kafka": lambda e: e.logs["reply"].pop(),
            "a message that nobody appended": lambda e: e.logs["reply"].append(
                LogEntry(0, "7", "x")),
            "a key in two partitions": lambda e: e.logs["purchase"].append(
                LogEntry(1, "7", "p7")),
            "begun twice": lambda e: e.services["purchase"].events.append(
                {"seq": 3, "id": "p9", "key": "7", "type": "CreatePurchase",
                 "topic": "purchase"}),
            "never received": lambda e: e.services["product"].received.pop("u7"),
            "received, appended by nobody": lambda e: e.services["order"].received.update(x=0),
            "an event to no known topic": lambda e: e.services["order"].events.append(
                {"seq": 1, "id": "o1", "key": "7", "type": "X", "topic": "x"}),
            "paid twice": lambda e: e.rows["payments"].append(
                row(7, customer=3, status="TAKEN", tombstone=False)),
            "not paid": lambda e: e.rows["payments"].pop(),
            "paid for a purchase taken back": lambda e: e.rows["payments"].append(
                row(8, customer=3, status="TAKEN", tombstone=False)),
            "another amount": lambda e: e.rows["payments"][0].update(amount=99),
            "no end": lambda e: e.rows["sagas"][0].update(state="EXECUTING"),
            "another end at the customer's": lambda e: e.rows["purchases"][1].update(success=True),
            "stock kept by a purchase taken back": lambda e: e.rows["reservations"][1].update(
                kept=True),
            "stock lost": lambda e: e.stock_after.update({1: 6}),
            "money made": lambda e: e.postings[1].update(amount=105),
            "a posting lost": lambda e: e.postings.pop(),
            "not booked": lambda e: e.postings.clear(),
            "booked twice": lambda e: e.postings.extend(
                [posting("again-7", 7, "customer:3", -100), posting("again-7", 7, "sales", 100)]),
            "another customer's money": lambda e: e.postings[0].update(account="customer:4"),
            "an entry without postings": lambda e: e.postings.append(
                posting("take-9", 9, None, None)),
            "a message without effect": lambda e: e.steps.pop(),
            "a message with two effects": lambda e: e.steps.append("p7"),
            "a command without a reply": lambda e: transported(
                e, "orchestrator", "c8", "CreatePayment", "create-payment"),
            "a command answered twice": lambda e: e.steps.append("b8") or transported(
                e, "payment", "b8", "Reply", "reply"),
            "unpublished": lambda e: e.services["order"].pending.append("o7"),
            "a dead letter": lambda e: e.services["payment"].dead.append("c7"),
            "HTTP knows no such order": lambda e: e.order_answers.update({7: None}),
            "HTTP tells another status": lambda e: e.payment_answers[7].update(status="DECLINED"),
        }
        for what, change in faults.items():
            with self.subTest(what):
                self.assertNotEqual([], self.verdict(change).differences)

    def test_counts_a_purchase_without_its_effect_as_lost(self):
        verdict = self.verdict(lambda evidence: evidence.rows["payments"].pop())
        self.assertEqual((2, 2, 1, 1), (verdict.committed, verdict.published, verdict.effects,
                                        verdict.lost))

    def test_fails_for_events_of_a_key_out_of_order(self):
        def swap(evidence):
            evidence.services["purchase"].events.append(
                {"seq": 3, "id": "p9", "key": "7", "type": "Other", "topic": "purchase"})
            evidence.logs["purchase"].insert(0, LogEntry(0, "7", "p9"))
            evidence.services["orchestrator"].received["p9"] = 0
        self.assertTrue(any("out of order" in each for each in self.verdict(swap).differences))


if __name__ == "__main__":
    unittest.main()
