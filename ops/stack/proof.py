"""Whether every acknowledged purchase ended exactly once, judged from evidence alone."""

import collections
import dataclasses

from shop import ROUTES

FIRST_FEW = 5
# How the order and the payment of a purchase may stand at its end; None: there is none.
ENDS = {
    "COMPLETED": {"success": True, "kept": (True,), "order": ("PAID",), "payment": ("TAKEN",)},
    "COMPENSATED": {"success": False, "kept": (False, None), "order": ("CANCELLED", None),
                    "payment": ("DECLINED", "REFUNDED", "CANCELLED", None)},
}


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
    _prove_conservation(evidence, verdict)
    _prove_effects_of_messages(evidence, verdict)
    for topic, (senders, receivers) in ROUTES.items():
        _prove_transport(evidence, verdict, topic, senders, receivers)
    _prove_rest(evidence, verdict)
    _prove_answers(evidence, verdict)
    verdict.duplicates_suppressed = sum(
        sum(service.received.values()) for service in evidence.services.values())
    return verdict


def _prove_acknowledgements(evidence, verdict):
    kept = {(row["key"], row["id"]) for row in evidence.rows["purchases"]}
    promised = set(evidence.acknowledged.items())
    verdict.expect_none("purchases acknowledged, but not in SQL", promised - kept)
    verdict.expect_none("purchases in SQL that nobody was told of", kept - promised)
    verdict.committed = len(promised)


def _prove_effects(evidence, verdict):
    published = {entry.id for entry in evidence.logs["purchase"]}
    begun = collections.defaultdict(list)
    for event in evidence.services["purchase"].events:
        begun[event["key"]].append(event)
    by_id = {what: {row["id"]: row for row in rows} for what, rows in evidence.rows.items()}
    unpublished, ineffective = [], []
    for id_ in evidence.acknowledged.values():
        events = begun[str(id_)]
        if [event["type"] for event in events] == ["CreatePurchase"] and \
                events[0]["id"] in published:
            verdict.published += 1
        else:
            unpublished.append(id_)
        state = by_id["sagas"].get(id_, {}).get("state")
        verdict.outcomes[state] += 1
        if _ended_once(state, id_, by_id):
            verdict.effects += 1
        else:
            ineffective.append(id_)
    verdict.expect_none("purchases without their one CreatePurchase in the log", unpublished)
    verdict.expect_none("purchases that did not end exactly once, in the same way everywhere",
                        ineffective)
    for what, rows in evidence.rows.items():
        verdict.expect_none(f"{what} twice, or of no purchase", [
            id_ for id_, count in collections.Counter(row["id"] for row in rows).items()
            if count > 1 or id_ not in by_id["purchases"]])


def _ended_once(state, id_, by_id):
    purchase, order, payment, reservation = (
        by_id[what].get(id_) for what in ("purchases", "orders", "payments", "reservations"))
    end = ENDS.get(state)
    return (end is not None and purchase is not None and purchase["success"] is end["success"]
            and (reservation and reservation["kept"]) in end["kept"]
            and (order and order["status"]) in end["order"]
            and (payment and payment["status"]) in end["payment"]
            and all(each[field] == purchase[field] for field in ("amount", "currency_code")
                    for each in (order, payment) if each and state == "COMPLETED"))


def _prove_conservation(evidence, verdict):
    verdict.expect_none("products whose stock is not what was there, less what was sold", [
        product for product, before in evidence.stock_before.items()
        if evidence.stock_after.get(product) != before - evidence.sold.get(product, 0)])
    _prove_books(evidence, verdict)


def _prove_books(evidence, verdict):
    """Each payment that was taken is booked once, from its customer to the sales, and back if refunded."""
    expected = collections.Counter()
    for row in evidence.rows["payments"]:
        entries = {"TAKEN": {"take": 1}, "REFUNDED": {"take": 1, "refund": -1}}
        for entry, sign in entries.get(row["status"], {}).items():
            for account, amount in ((f"customer:{row['customer']}", -row["amount"]),
                                    ("sales", row["amount"])):
                expected[f"{entry}-{row['id']}", row["id"], account, row["currency_code"],
                         sign * amount] += 1
    booked = collections.Counter(
        tuple(row[field] for field in ("entry", "payment", "account", "currency_code", "amount"))
        for row in evidence.postings)
    verdict.expect_none("payments that are not in the books", expected - booked)
    verdict.expect_none("postings of no payment", booked - expected)
    sums = collections.Counter()
    for row in evidence.postings:
        sums[row["entry"]] += row["amount"] or 0
    verdict.expect_none("entries that do not balance", [entry for entry, sum_ in sums.items() if sum_])


def _prove_effects_of_messages(evidence, verdict):
    """Each received message took effect once: a step of the saga, or a reply."""
    received = collections.Counter(evidence.services["orchestrator"].received.keys())
    steps = collections.Counter(evidence.steps)
    verdict.expect_none("messages without a step of the saga", received - steps)
    verdict.expect_none("steps of the saga of no message, or twice", steps - received)
    sent = {event["id"]: event for service in evidence.services.values()
            for event in service.events}
    for name in ROUTES["reply"][0]:
        service = evidence.services[name]
        commands = collections.Counter(
            sent[id_]["key"] for id_ in service.received
            if id_ in sent and sent[id_]["topic"] != "purchase-result")
        replies = collections.Counter(event["key"] for event in service.events
                                      if event["topic"] == "reply")
        verdict.expect_none(f"purchases whose commands {name} did not answer", commands - replies)
        verdict.expect_none(f"purchases whose commands {name} answered twice", replies - commands)


def _prove_transport(evidence, verdict, topic, senders, receivers):
    """All that was appended is in the topic in order, and was received; nothing else is."""
    log = evidence.logs[topic]
    logged = {entry.id for entry in log}
    appended = {}
    for sender in senders:
        seqs = {event["id"]: event["seq"] for event in evidence.services[sender].events
                if event["topic"] == topic}
        appended |= seqs
        verdict.expect_none(f"{topic}: keys of {sender} out of order", _keys_out_of_order(log, seqs))
    verdict.expect_none(f"{topic}: events missing in the log", appended.keys() - logged)
    verdict.expect_none(f"{topic}: messages that nobody appended", logged - appended.keys())
    for receiver in receivers:
        verdict.expect_none(f"{topic}: events that {receiver} did not receive",
                            appended.keys() - evidence.services[receiver].received.keys())


def _prove_rest(evidence, verdict):
    everything = {event["id"] for service in evidence.services.values() for event in service.events}
    for name, service in evidence.services.items():
        verdict.expect_none(f"received by {name}, appended by nobody",
                            service.received.keys() - everything)
        verdict.expect_none(f"{name} events to no known topic", {
            event["topic"] for event in service.events if name not in
            ROUTES.get(event["topic"], ((), ()))[0]})
        verdict.expect_none(f"{name} events still pending", service.pending)
        verdict.expect_none(f"dead letters at {name}", service.dead)


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
    """HTTP tells what SQL tells; of what never came about, nothing."""
    for what, fields, answers in (
            ("orders", ("status", "amount", "currency_code"), evidence.order_answers),
            ("payments", ("status", "amount", "currency_code"), evidence.payment_answers)):
        told = {row["id"]: tuple(row[field] for field in fields) for row in evidence.rows[what]
                if not row["tombstone"]}
        verdict.expect_none(f"{what} that HTTP tells differently than SQL", [
            id_ for id_, answer in answers.items()
            if (answer and tuple(answer.get(field) for field in fields)) != told.get(id_)])
