"""The demo's proof must fail for whatever can go wrong, each thing alone."""

import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "ops/stack"))
import proof  # noqa: E402
from evidence import Evidence, LogEntry, Service  # noqa: E402


def service(*events, received):
    """Events as (id, key, type), each of them in the log too."""
    return Service(
        events=[{"seq": seq, "id": id_, "key": key, "type": type_}
                for seq, (id_, key, type_) in enumerate(events, 1)],
        log=[LogEntry(0, key, id_) for id_, key, _ in events],
        received={id_: 0 for id_ in received}, pending=[], dead=[])


def row(id_, status, **more):
    return {"id": id_, "status": status, "amount": 100, "currency_code": "EUR", **more}


def good():
    orders = [row(7, "PAID", key="a"), row(8, "CANCELLED", key="b")]
    payments = [row(7, "TAKEN", order_id=7), row(8, "DECLINED", order_id=8)]
    return Evidence(
        acknowledged={"a": 7, "b": 8}, orders=orders, payments=payments,
        order_answers={each["id"]: dict(each) for each in orders},
        payment_answers={each["id"]: dict(each) for each in payments},
        order=service(("o7", "7", "OrderPlaced"), ("o8", "8", "OrderPlaced"),
                      received=["p7", "p8"]),
        payment=service(("p7", "7", "PaymentTaken"), ("p8", "8", "PaymentDeclined"),
                        received=["o7", "o8"]))


class DemoProof(unittest.TestCase):
    def verdict(self, change=lambda evidence: None):
        evidence = good()
        change(evidence)
        return proof.prove(evidence)

    def test_holds_when_everything_took_effect_once(self):
        verdict = self.verdict()
        self.assertEqual([], verdict.differences)
        self.assertEqual((2, 2, 2, 0, 0), (verdict.committed, verdict.published, verdict.effects,
                                           verdict.duplicates_suppressed, verdict.lost))

    def test_holds_when_the_log_repeats_and_the_inbox_suppresses(self):
        def repeat(evidence):
            evidence.order.log.append(evidence.order.log[0])
            evidence.payment.received["o7"] = 1
        verdict = self.verdict(repeat)
        self.assertEqual([], verdict.differences)
        self.assertEqual(1, verdict.duplicates_suppressed)

    def test_fails_for_each_single_fault(self):
        faults = {
            "an acknowledged order is not there": lambda e: e.orders.pop(),
            "an order that nobody was told of": lambda e: e.acknowledged.pop("a"),
            "an event never reached Kafka": lambda e: e.order.log.pop(),
            "an answer never reached Kafka": lambda e: e.payment.log.pop(),
            "a message that nobody appended": lambda e: e.order.log.append(
                LogEntry(0, "7", "x")),
            "a key in two partitions": lambda e: e.order.log.append(LogEntry(1, "7", "o7")),
            "an order placed twice": lambda e: e.order.events.append(
                {"seq": 3, "id": "o9", "key": "7", "type": "OrderPlaced"}),
            "answered twice": lambda e: e.payment.events.append(
                {"seq": 3, "id": "p9", "key": "7", "type": "PaymentTaken"}),
            "never received": lambda e: e.payment.received.pop("o7"),
            "an answer never received": lambda e: e.order.received.pop("p7"),
            "paid twice": lambda e: e.payments.append(row(9, "TAKEN", order_id=7)),
            "not paid": lambda e: e.payments.pop(),
            "paid for a cancelled order": lambda e: e.payments[1].update(status="TAKEN"),
            "another amount": lambda e: e.payments[0].update(amount=99),
            "still pending": lambda e: e.orders[0].update(status="PENDING"),
            "unpublished": lambda e: e.order.pending.append("o7"),
            "a dead letter": lambda e: e.payment.dead.append("o7"),
            "HTTP knows no such order": lambda e: e.order_answers.update({7: None}),
            "HTTP tells another status": lambda e: e.payment_answers[8].update(status="TAKEN"),
        }
        for what, change in faults.items():
            with self.subTest(what):
                self.assertNotEqual([], self.verdict(change).differences)

    def test_counts_an_order_without_effect_as_lost(self):
        verdict = self.verdict(lambda evidence: evidence.payments.pop())
        self.assertEqual((2, 2, 1, 1), (verdict.committed, verdict.published, verdict.effects,
                                        verdict.lost))

    def test_fails_for_events_of_a_key_out_of_order(self):
        def swap(evidence):
            evidence.order.events.append({"seq": 3, "id": "o9", "key": "7", "type": "Other"})
            evidence.order.log.insert(0, LogEntry(0, "7", "o9"))
            evidence.payment.received["o9"] = 0
        self.assertTrue(any("out of order" in each for each in self.verdict(swap).differences))


if __name__ == "__main__":
    unittest.main()
