"""A private Zipkin, which keeps traces in memory and shows them in a browser, on free loopback
ports; with a collector that takes OTLP/HTTP before it.

    zipkin.start()
    zipkin.url               # http://127.0.0.1:…, its pages and its API
    zipkin.otlp_endpoint     # for services and relays
"""

import hashlib
import pathlib
import urllib.error
import urllib.request

import jars
import otlp
import process
from stages import SOURCE_DIR, StageFailed

JAR = "zipkin-server-3.6.1-slim.jar"
SHA256 = "981b1de6139b4f8f787a909c308028732f9713ae5284353d2a5aa404d1094775"


def jar():
    path = jars.fetch("zipkin", SOURCE_DIR / "ops/stack/zipkin/pom.xml") / JAR
    if hashlib.sha256(path.read_bytes()).hexdigest() != SHA256:
        raise StageFailed(f"{path} is not the {JAR} that is pinned")
    return path


class Zipkin:
    def __init__(self, log):
        self.log = pathlib.Path(log)
        self.url = self.otlp_endpoint = self.process = self._collector = None

    def start(self):
        port = process.free_port()
        self.url = f"http://127.0.0.1:{port}"
        # Quick to start rather than quick.
        self.process = process.spawn(
            ["java", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-jar", jar(),
             "--armeria.ports[0].address=127.0.0.1", f"--armeria.ports[0].port={port}",
             "--armeria.ports[0].protocols[0]=http"],
            self.log, {"STORAGE_TYPE": "mem", "MEM_MAX_SPANS": "100000"})
        process.wait_until(self._healthy, "Zipkin", lambda: self.process.poll() is None, self.log)
        self._collector = otlp.Collector(self.url)
        self.otlp_endpoint = self._collector.endpoint

    def stop(self):
        if self._collector:
            self._collector.stop()
        process.stop(self.process)

    def _healthy(self):
        try:
            with urllib.request.urlopen(f"{self.url}/health", timeout=2):
                return True
        except (OSError, urllib.error.URLError):
            return False
