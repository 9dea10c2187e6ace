"""Customers of the shop: each registers, and signs in again whenever its token runs out."""

import http.client
import json
import threading
import time
import urllib.parse

PATIENCE_S = 30
PAUSE_S = 0.05
# Access tokens last five minutes.
TOKEN_LIFE_S = 120


class NoAnswer(Exception):
    """What was asked for did not come about; retriable tells whether asking again may help."""

    def __init__(self, why, retriable):
        super().__init__(why)
        self.retriable = retriable


class Link:
    """A connection to one service, made anew when it broke. One thread at a time."""

    def __init__(self, url):
        self._connection = http.client.HTTPConnection(urllib.parse.urlsplit(url).netloc, timeout=10)

    def post(self, path, body, expected, headers=()):
        """The answer's JSON; raises NoAnswer for any other status."""
        try:
            self._connection.request("POST", path, json.dumps(body), {
                "Content-Type": "application/json", **dict(headers)})
            response = self._connection.getresponse()
            answer = response.read()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()  # the next request opens a new one
            raise NoAnswer(repr(error), retriable=True)
        if response.status != expected:
            raise NoAnswer(f"{response.status} {answer[:200]!r}",
                           retriable=response.status >= 500 or response.status == 429)
        return json.loads(answer)


def patiently(ask, stopping):
    """Asks until there is an answer; raises the last NoAnswer when it takes too long."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return ask()
        except NoAnswer as failure:
            if not failure.retriable or time.monotonic() > deadline or stopping.wait(PAUSE_S):
                raise


class Customer:
    """Thread-safe once registered."""

    def __init__(self, account_url, name, stopping):
        self._link = Link(account_url)
        self._stopping = stopping
        self._lock = threading.Lock()
        self._email, self._password = f"{name}@example.com", f"password of {name}"
        self._token, self._signed_in_at = None, 0.0
        try:
            patiently(lambda: self._link.post("/api/v1/account/auth/register", {
                "email": self._email, "password": self._password, "first_name": name,
                "last_name": "Demo", "address": "1 Demo Street",
                "phone_number": "0" + "".join(str(ord(c) % 10) for c in name)}, 201), stopping)
        except NoAnswer as failure:
            if not str(failure).startswith("409"):  # it was stored, but the answer got lost
                raise

    def token(self):
        with self._lock:
            if time.monotonic() - self._signed_in_at > TOKEN_LIFE_S:
                self._token = patiently(lambda: self._link.post("/api/v1/account/auth/login", {
                    "email": self._email, "password": self._password}, 200),
                    self._stopping)["access_token"]
                self._signed_in_at = time.monotonic()
            return self._token
