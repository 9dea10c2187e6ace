"""Whether every acknowledged purchase took effect exactly once, judged from evidence alone."""

import collections
import dataclasses

FIRST_FEW = 5
# What payment says about an order that ends like this: its row's status, and its event.
OUTCOMES = {"PAID": ("TAKEN", "PaymentTaken"), "CANCELLED": ("DECLINED", "PaymentDeclined")}


@dataclasses.dataclass
class Verdict:
    committed: int = 0
    published: int = 0
    effects: int = 0
    duplicates_suppressed: int = 0
    outcomes: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    differences: list = dataclasses.field(default_factory=list)

    @property
    def lost(self):
        return self.committed - self.effects

    def expect_none(self, what, found):
        """Notes those found, if any, as a difference."""
        found = [str(each) for each in found]
        if found:
            more = ", …" if len(found) > FIRST_FEW else ""
            self.differences.append(f"{what}: {len(found)} ({', '.join(found[:FIRST_FEW])}{more})")


def prove(evidence):
    """A Verdict; the proof holds when it has no differences."""
    verdict = Verdict()
    _prove_acknowledgements(evidence, verdict)
    _prove_effects(evidence, verdict)
    _prove_transport(verdict, "order", evidence.order, evidence.payment)
    _prove_transport(verdict, "payment", evidence.payment, evidence.order)
    _prove_answers(evidence, verdict)
    verdict.duplicates_suppressed = sum(
        sum(service.received.values()) for service in (evidence.order, evidence.payment))
    return verdict


def _prove_acknowledgements(evidence, verdict):
    kept = {(row["key"], row["id"]) for row in evidence.orders}
    promised = set(evidence.acknowledged.items())
    verdict.expect_none("purchases acknowledged, but not in SQL", promised - kept)
    verdict.expect_none("orders in SQL that nobody was told of", kept - promised)
    verdict.committed = len(promised)


def _prove_effects(evidence, verdict):
    published = {entry.id for entry in evidence.order.log}
    placed = _by_key(evidence.order.events)
    answered = _by_key(evidence.payment.events)
    payments = collections.defaultdict(list)
    for payment in evidence.payments:
        payments[payment["order_id"]].append(payment)
    promised = set(evidence.acknowledged.items())
    unpublished, ineffective = [], []
    for order in evidence.orders:
        if (order["key"], order["id"]) not in promised:
            continue
        verdict.outcomes[order["status"]] += 1
        events, answers = placed[str(order["id"])], answered[str(order["id"])]
        if _types(events) == ["OrderPlaced"] and events[0]["id"] in published:
            verdict.published += 1
        else:
            unpublished.append(order["id"])
        if (_settled(order, payments[order["id"]], answers)
                and all(event["id"] in evidence.payment.received for event in events)
                and all(event["id"] in evidence.order.received for event in answers)):
            verdict.effects += 1
        else:
            ineffective.append(order["id"])
    verdict.expect_none("orders without their one OrderPlaced in the log", unpublished)
    verdict.expect_none("orders that payment did not settle exactly once", ineffective)


def _settled(order, payments, answers):
    status, event_type = OUTCOMES.get(order["status"], (None, None))
    return (len(payments) == 1 and payments[0]["status"] == status
            and _types(answers) == [event_type]
            and all(payments[0][field] == order[field] for field in ("amount", "currency_code")))


def _prove_transport(verdict, name, sender, receiver):
    """All that sender appended is in its topic in order, and was received; nothing else is."""
    appended = {event["id"]: event["seq"] for event in sender.events}
    logged = {entry.id for entry in sender.log}
    verdict.expect_none(f"{name} events missing in the log", appended.keys() - logged)
    verdict.expect_none(f"messages of the {name} topic that nobody appended",
                        logged - appended.keys())
    verdict.expect_none(f"{name} events not received", appended.keys() - receiver.received.keys())
    verdict.expect_none(f"received by no event of {name}",
                        receiver.received.keys() - appended.keys())
    verdict.expect_none(f"{name} events still pending", sender.pending)
    verdict.expect_none(f"dead letters at {name}", sender.dead)
    verdict.expect_none(f"{name} keys out of order", _keys_out_of_order(sender.log, appended))


def _keys_out_of_order(log, seqs):
    """Keys whose events first occur in another order than that of seq, or in two partitions."""
    partitions, newest, seen, wrong = {}, {}, set(), set()
    for entry in log:
        if partitions.setdefault(entry.key, entry.partition) != entry.partition:
            wrong.add(entry.key)
        if entry.id in seen or entry.id not in seqs:
            continue
        seen.add(entry.id)
        if seqs[entry.id] < newest.get(entry.key, 0):
            wrong.add(entry.key)
        newest[entry.key] = seqs[entry.id]
    return wrong


def _prove_answers(evidence, verdict):
    for what, rows, answers in (("orders", evidence.orders, evidence.order_answers),
                                ("payments", evidence.payments, evidence.payment_answers)):
        fields = ("status", "amount", "currency_code")
        told = {row["id"]: tuple(row[field] for field in fields) for row in rows}
        verdict.expect_none(f"{what} that HTTP tells differently than SQL", [
            id_ for id_, answer in answers.items()
            if answer is None or tuple(answer.get(field) for field in fields) != told.get(id_)])


def _by_key(events):
    keys = collections.defaultdict(list)
    for event in events:
        keys[event["key"]].append(event)
    return keys


def _types(events):
    return [event["type"] for event in events]
