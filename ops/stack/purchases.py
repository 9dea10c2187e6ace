"""Places purchases over HTTP, each until its outcome is known."""

import dataclasses
import http.client
import json
import threading
import time
import urllib.parse

CUSTOMERS = 8
# A service that was killed is back well before; without an end, a demo could hang.
PATIENCE_S = 30
PAUSE_S = 0.05
CHEAP, DEAR = (1, 2, 3, 4), 5  # product 5 costs more than payment takes at once


@dataclasses.dataclass(frozen=True)
class Purchase:
    key: str
    body: bytes


def make_purchases(count, rng):
    """Every fifth or so is more than payment takes, and will be declined."""
    return [Purchase(f"demo-{number:06}", _body(rng)) for number in range(1, count + 1)]


def _body(rng):
    products = rng.sample(CHEAP, rng.randint(1, 3))
    if rng.random() < 0.2:
        products.append(DEAR)
    return json.dumps({
        "order_items": [{"product_id": product, "quantity": rng.randint(1, 3)}
                        for product in products],
        "payment": {"currency_code": rng.choice(("EUR", "GBP", "USD"))},
    }).encode()


class Customers:
    """Threads that place purchases, evenly over a time, and ask again with the same Idempotency-Key
    while an answer is missing. Read the results once done()."""

    def __init__(self, url, purchases, seconds):
        self.acknowledged = {}  # Idempotency-Key: purchase id
        self.unanswered = []    # what was refused, or not answered in time
        self.repeated = 0
        self._address = urllib.parse.urlsplit(url).netloc
        self._purchases = enumerate(purchases)
        self._interval_s = seconds / max(1, len(purchases))
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._started_at = time.monotonic()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(CUSTOMERS)]

    def start(self):
        for thread in self._threads:
            thread.start()

    def done(self):
        return not any(thread.is_alive() for thread in self._threads)

    def stop(self):
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def _run(self):
        connection = http.client.HTTPConnection(self._address, timeout=10)
        while True:
            with self._lock:
                number, purchase = next(self._purchases, (None, None))
            if purchase is None:
                break
            due = self._started_at + number * self._interval_s
            if self._stopping.wait(max(0, due - time.monotonic())):
                break
            self._place(connection, purchase)
        connection.close()

    def _place(self, connection, purchase):
        deadline = time.monotonic() + PATIENCE_S
        while True:
            outcome = _post(connection, purchase)
            with self._lock:
                if isinstance(outcome, int):
                    self.acknowledged[purchase.key] = outcome
                    return
                if not outcome.retriable or time.monotonic() > deadline:
                    self.unanswered.append(f"{purchase.key} ({outcome.why})")
                    return
                self.repeated += 1
            if self._stopping.wait(PAUSE_S):
                return


@dataclasses.dataclass(frozen=True)
class _NoAnswer:
    why: str
    retriable: bool


def _post(connection, purchase):
    """The purchase id, or why there is none."""
    try:
        connection.request("POST", "/api/v1/purchases", purchase.body, {
            "Content-Type": "application/json", "Idempotency-Key": purchase.key})
        response = connection.getresponse()
        body = response.read()
    except (OSError, http.client.HTTPException) as error:
        connection.close()  # the next request opens a new one
        return _NoAnswer(repr(error), retriable=True)
    if response.status == 202:
        return json.loads(body)["purchase_id"]
    return _NoAnswer(f"{response.status} {body[:200]!r}", retriable=response.status >= 500)
