"""The relay's spans, as a collector gets them; and what the relay does when none is there.

A collector of ten lines takes OTLP over HTTP from a real relay.
"""

import collections
import http.server
import json
import os
import pathlib
import socket
import subprocess
import threading
import time
import unittest
import uuid

import confluent_kafka
import psycopg
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

POSTROOM = pathlib.Path(os.environ["POSTROOM_BIN"]).resolve() / "postroom"
SERVER, BROKERS = os.environ["POSTROOM_TEST_PG"], os.environ["POSTROOM_TEST_KAFKA"]
LIMIT_SECONDS = 180
INTERNAL, CLIENT, PRODUCER = 1, 3, 4
TRACE, WRITER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SAMPLED = f"00-{TRACE}-{WRITER}-01"


class Collector:
    """Keeps the spans that it is sent."""

    def __init__(self):
        self.spans, self.services = [], set()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                outer.take(self.path, self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self.server.server_address[1]}"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def take(self, path, body):
        assert path == "/v1/traces", path
        request = trace_service_pb2.ExportTraceServiceRequest.FromString(body)
        for resource in request.resource_spans:
            self.services |= {a.value.string_value for a in resource.resource.attributes
                              if a.key == "service.name"}
            for scope in resource.scope_spans:
                self.spans += scope.spans

    def by_name(self):
        named = collections.defaultdict(list)
        for span in self.spans:
            named[span.name].append(span)
        return named


def attributes(span):
    return {a.key: a.value.string_value or a.value.int_value for a in span.attributes}


class Tracing(unittest.TestCase):
    def setUp(self):
        self.name = f"tracing_{uuid.uuid4().hex[:12]}"
        self.topic = f"outbox.event.{self.name}"
        with psycopg.connect(SERVER, autocommit=True) as server:
            server.execute(f"create database {self.name}")
        self.addCleanup(self.drop)
        self.dsn = f"{SERVER} dbname={self.name}"
        subprocess.run([POSTROOM, "migrate", "--dsn", self.dsn], check=True, stdout=subprocess.PIPE)
        self.session = self.enterContext(psycopg.connect(self.dsn, autocommit=True))

    def drop(self):
        with psycopg.connect(SERVER, autocommit=True) as server:
            server.execute(f"drop database {self.name} with (force)")

    def append(self, headers, count=1):
        """Of the last one: its id, and when it was appended, in ns."""
        return self.session.execute(
            "with made as (insert into outbox.event (aggregatetype, aggregateid, type, headers)"
            " select %s, 'k', 'Traced', %s::jsonb from generate_series(1, %s)"
            " returning id, seq, created_at)"
            " select id::text, (extract(epoch from created_at) * 1000000)::bigint * 1000"
            " from made order by seq desc limit 1",
            [self.name, json.dumps(headers), count]).fetchone()

    def argv(self, endpoint, *more):
        return [POSTROOM, "relay", "--database-dsn", self.dsn, "--kafka-brokers", BROKERS,
                "--admin-listen", "", "--tracing-otlp-endpoint", endpoint, *more]

    def drain(self, endpoint, *more):
        done = subprocess.run(self.argv(endpoint, "--relay-stop-when-drained", "true", *more),
                              capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stderr

    def published(self):
        return self.session.execute("select published from outbox.current_position").fetchone()[0]

    def headers(self, count):
        """Of the topic's records, by event id."""
        consumer = confluent_kafka.Consumer({
            "bootstrap.servers": BROKERS, "group.id": self.name, "auto.offset.reset": "earliest"})
        consumer.assign([confluent_kafka.TopicPartition(self.topic, p, 0) for p in range(3)])
        found, deadline = {}, time.monotonic() + LIMIT_SECONDS
        while len(found) < count and time.monotonic() < deadline:
            for message in consumer.consume(500, timeout=0.2):
                self.assertIsNone(message.error())
                headers = {name: value.decode() for name, value in message.headers()}
                found[headers["id"]] = headers
        consumer.close()
        return found

    def check_spans(self, collector, event, appended, batch_count):
        named = collector.by_name()
        (wait,), (publish,) = named["outbox wait"], named[f"publish {self.topic}"]
        (batch,) = named["publish batch"]
        self.assertEqual((wait.trace_id.hex(), wait.parent_span_id.hex()), (TRACE, WRITER))
        self.assertEqual(publish.trace_id.hex(), TRACE)
        self.assertEqual(publish.parent_span_id, wait.span_id)
        self.assertEqual((wait.kind, publish.kind, batch.kind), (INTERNAL, PRODUCER, CLIENT))
        self.assertEqual(wait.start_time_unix_nano, appended)
        self.assertLessEqual(wait.start_time_unix_nano, wait.end_time_unix_nano)
        self.assertLess(publish.start_time_unix_nano, publish.end_time_unix_nano)
        told = attributes(publish)
        self.assertEqual(
            (told["messaging.system"], told["messaging.destination.name"],
             told["messaging.message.id"], told["messaging.operation.type"]),
            ("kafka", self.topic, event, "send"))
        self.assertIn("messaging.kafka.offset", told)
        self.assertEqual(attributes(wait)["messaging.message.id"], event)
        self.assertEqual([link.span_id for link in publish.links], [batch.span_id])
        self.assertEqual(batch.parent_span_id, b"")
        self.assertEqual(attributes(batch)["messaging.batch.message_count"], batch_count)
        self.assertEqual(collector.services, {"postroom"})
        return f"00-{TRACE}-{publish.span_id.hex()}-01"

    def test_an_events_way_is_one_trace(self):
        for more in ((), ("--relay-delivery", "exactly_once"), ("--relay-window-rows", "2")):
            with self.subTest(more=more), Collector() as collector:
                before = self.published()
                self.append({"mine": "kept"}, count=4)
                event, appended = self.append({"traceparent": SAMPLED, "tracestate": "a=b"})
                self.drain(collector.endpoint, *more)
                left_with = self.check_spans(collector, event, appended, batch_count=5)
                headers = self.headers(before + 5)[event]
                self.assertEqual((headers["traceparent"], headers["tracestate"]),
                                 (left_with, "a=b"))

    def test_what_is_not_sampled_passes_as_it_is(self):
        given = [f"00-{TRACE}-{WRITER}-00", "00-1-2-01", "", "nonsense", "0" * 5000,
                 f"00-{'0' * 32}-{WRITER}-01", f"ff-{TRACE}-{WRITER}-01", f"00-{TRACE}-{WRITER}-zz"]
        wanted = {self.append({"traceparent": each})[0]: each for each in given}
        wanted[self.append({"traceparent": 7})[0]] = "7"
        wanted[self.append({})[0]] = None
        with Collector() as collector:
            self.drain(collector.endpoint)
            self.assertEqual(collector.spans, [])
        found = {event: headers.get("traceparent")
                 for event, headers in self.headers(len(wanted)).items()}
        self.assertEqual(found, wanted)

    def test_events_flow_without_a_collector(self):
        with socket.socket() as nobody:  # bound, and not listening
            nobody.bind(("127.0.0.1", 0))
            self.append({"traceparent": SAMPLED}, count=10_000)  # more than the queue holds
            began = time.monotonic()
            log = self.drain(f"http://127.0.0.1:{nobody.getsockname()[1]}")
            minutes = (time.monotonic() - began) // 60
        self.assertEqual(self.published(), 10_000)
        self.assertIn(log.count("spans are dropped"), range(1, int(minutes) + 2), log)


if __name__ == "__main__":
    unittest.main()
