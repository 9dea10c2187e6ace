"""Places purchases through the edge, each until its outcome is known."""

import dataclasses
import threading
import time

from customers import Customer, Link, NoAnswer, patiently

CUSTOMERS = 8
CHEAP, DEAR = (1, 2, 3, 4), 5  # product 5 costs more than payment takes at once


@dataclasses.dataclass(frozen=True)
class Purchase:
    key: str
    body: dict


def make_purchases(count, rng):
    """Every fifth or so is more than payment takes, and will be declined and taken back."""
    return [Purchase(f"demo-{number:06}", _body(rng)) for number in range(1, count + 1)]


def _body(rng):
    products = rng.sample(CHEAP, rng.randint(1, 3))
    if rng.random() < 0.2:
        products.append(DEAR)
    return {"order_items": [{"product_id": product, "quantity": rng.randint(1, 3)}
                            for product in products],
            "payment": {"currency_code": rng.choice(("EUR", "GBP", "USD"))}}


class Customers:
    """Threads that place purchases, evenly over a time, each for a customer of its own, and ask
    again with the same Idempotency-Key while an answer is missing. Read the results once done()."""

    def __init__(self, env, purchases, seconds):
        self.acknowledged = {}  # Idempotency-Key: purchase id
        self.owners = {}        # purchase id: Customer
        self.unanswered = []    # what was refused, or not answered in time
        self.repeated = 0
        self._env = env
        self._purchases = enumerate(purchases)
        self._interval_s = seconds / max(1, len(purchases))
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._started_at = time.monotonic()
        self._people = [Customer(env["POSTROOM_EDGE_HTTP"], f"customer{number}", self._stopping)
                        for number in range(CUSTOMERS)]
        self._threads = [threading.Thread(target=self._run, args=(customer,), daemon=True)
                         for customer in self._people]

    def start(self):
        self._started_at = time.monotonic()
        for thread in self._threads:
            thread.start()

    def done(self):
        return not any(thread.is_alive() for thread in self._threads)

    def stop(self):
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def _run(self, customer):
        link = Link(self._env["POSTROOM_EDGE_HTTP"])
        while True:
            with self._lock:
                number, purchase = next(self._purchases, (None, None))
            if purchase is None:
                break
            due = self._started_at + number * self._interval_s
            if self._stopping.wait(max(0, due - time.monotonic())):
                break
            self._place(link, customer, purchase)

    def _place(self, link, customer, purchase):
        tries = 0

        def ask():
            nonlocal tries
            tries += 1
            return link.post("/api/v1/purchases", purchase.body, 202, {
                "Idempotency-Key": purchase.key,
                "Authorization": f"Bearer {customer.token()}"})["purchase_id"]
        try:
            id_ = patiently(ask, self._stopping)
        except NoAnswer as failure:
            with self._lock:
                self.unanswered.append(f"{purchase.key} ({failure})")
            return
        with self._lock:
            self.acknowledged[purchase.key] = id_
            self.owners[id_] = customer
            self.repeated += tries - 1
