"""Spans from OTLP/HTTP to Zipkin's own JSON, which is all that its server takes: a listener that
passes on what it is sent. It stands where a deployment has its OpenTelemetry collector."""

import http.server
import json
import threading
import urllib.error
import urllib.request

from opentelemetry.proto.collector.trace.v1 import trace_service_pb2
from opentelemetry.proto.trace.v1 import trace_pb2

# Zipkin has no internal ones.
KINDS = {trace_pb2.Span.SPAN_KIND_SERVER: "SERVER", trace_pb2.Span.SPAN_KIND_CLIENT: "CLIENT",
         trace_pb2.Span.SPAN_KIND_PRODUCER: "PRODUCER", trace_pb2.Span.SPAN_KIND_CONSUMER: "CONSUMER"}


def to_zipkin(request):
    """An ExportTraceServiceRequest as a list for Zipkin's /api/v2/spans."""
    spans = []
    for resource in request.resource_spans:
        service = _tags(resource.resource.attributes).get("service.name", "unknown")
        spans += [_span(span, service) for scope in resource.scope_spans for span in scope.spans]
    return spans


def _span(span, service):
    began = span.start_time_unix_nano // 1000
    tags = _tags(span.attributes)
    if span.status.code == trace_pb2.Status.STATUS_CODE_ERROR:
        tags["error"] = span.status.message
    told = {"traceId": span.trace_id.hex(), "id": span.span_id.hex(), "name": span.name,
            "timestamp": began, "duration": max(1, span.end_time_unix_nano // 1000 - began),
            "localEndpoint": {"serviceName": service}, "tags": tags}
    if span.parent_span_id:
        told["parentId"] = span.parent_span_id.hex()
    if span.kind in KINDS:
        told["kind"] = KINDS[span.kind]
    return told


def _tags(attributes):
    return {each.key: str(getattr(each.value, each.value.WhichOneof("value")))
            for each in attributes}


class Collector:
    """Listens at endpoint until stop(); answers 503 when Zipkin does not take what it was sent."""

    def __init__(self, zipkin_url):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):  # its name is http.server's
                body = self.rfile.read(int(self.headers["Content-Length"]))
                spans = to_zipkin(trace_service_pb2.ExportTraceServiceRequest.FromString(body))
                try:
                    with urllib.request.urlopen(urllib.request.Request(
                            f"{zipkin_url}/api/v2/spans", json.dumps(spans).encode(),
                            {"Content-Type": "application/json"}), timeout=10):
                        status = 200
                except urllib.error.URLError:
                    status = 503
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self):
        self._server.shutdown()
        self._server.server_close()
