"""Tests in another mode of tracing: `TRACING=otlp pytest …` or `TRACING=collector pytest …`.

Every span that a test's invocations make is sent, to a daemon or a collector on loopback, which reads it; that of a test
with `capture` is captured besides. Without the variable documents are X-Ray's, and captured alone.
"""

import os
from contextlib import contextmanager

from lambda_guard.local.aws.collector import Collector
from lambda_guard.local.aws.xray_daemon import XRayDaemon
from lambda_guard.sinks.otlp import tracer
from lambda_guard.testing import _capture

MODE = os.environ.get("TRACING", "")
OTLP = "otlp"
environ = {}  # of each test, while something receives


@contextmanager
def receiver():
    """Receive what the tests of this process send; something has to come, and everything has to be readable."""
    with Collector() as collector, XRayDaemon() as daemon:
        to = collector if MODE == "collector" else daemon
        environ["LAMBDA_GUARD_TRACING"] = OTLP
        if MODE == "collector":
            environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = collector.url
        else:
            environ["AWS_XRAY_DAEMON_ADDRESS"] = daemon.address
        yield
        environ.clear()
        assert to.spans()
        assert daemon.malformed() == []


def send_what_is_captured(monkeypatch):
    """Have `capture` get the spans without keeping them from being sent."""
    takers, send = [], tracer.Otlp._send

    def collect(kind, take):
        if kind != OTLP:
            return collect_documents(kind, take)
        takers.append(take)
        return lambda: takers.remove(take)

    def both(self, scope, found):
        for take in takers:
            for span in found:
                take(span)
        send(self, scope, found)

    collect_documents = _capture.collect
    monkeypatch.setattr(_capture, "collect", collect)
    monkeypatch.setattr(tracer.Otlp, "_send", both)
