"""Spans to a collector: they arrive, and whatever is wrong with it, the outcome is the same and nothing waits for long."""

import contextlib
import gc
import json
import os
import re
import socket
import threading
import time

import pytest

from lambda_guard import production
from lambda_guard.local.aws.collector import Collector
from lambda_guard.local.runtime.http_server import HttpResponse
from lambda_guard.otlp.span import hex_id
from lambda_guard.propagation.header import parse
from lambda_guard.sinks.otlp import collector as module
from lambda_guard.sinks.otlp.collector import Collector as Sender
from lambda_guard.testing import TRACE_HEADER, make_context

OWN = parse(TRACE_HEADER)
LONG = 240


@pytest.fixture(autouse=True)
def otlp(monkeypatch):
    """Have the tracer of OpenTelemetry, in a sampled trace."""
    monkeypatch.setenv("LAMBDA_GUARD_TRACING", "otlp")
    monkeypatch.setenv("_X_AMZN_TRACE_ID", TRACE_HEADER)
    yield
    gc.collect()


@pytest.fixture
def collector(monkeypatch):
    """A collector that works."""
    with Collector() as found:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", found.url)
        yield found


@pytest.fixture
def serve(serve, monkeypatch):
    """Have a collector whose answers a function of the test's own makes; gives the requests."""

    def begin(answer):
        url, requests = serve(answer)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
        return requests

    return begin


def until(holds):
    """Wait until something holds."""
    end = time.monotonic() + LONG
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.005)


def plain():
    """Return a handler that does nothing."""
    return production(lambda event, context: "done")


def invoke(handler, times=1):
    """Invoke a handler with plenty of time, and hold its outcome to what it is."""
    for _ in range(times):
        assert handler({}, make_context(timeout_ms=600_000)) == "done"


def is_idle():
    """Return whether no thread of ours makes a request."""
    return not any(type(each) is Sender and each._working for each in gc.get_objects())


def failures(capsys):
    """Return the records' counts of failures of ours, and the lines that say what they were."""
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    counts = [line.get("GuardErrors", 0) for line in lines if line.get("record") == "invocation"]
    return counts, [line["exception"] for line in lines if line.get("location", "").startswith("trace")]


def test_spans_arrive_before_the_answer(collector):
    """They are there when the handler has returned, on one connection, with the resource."""
    handler = plain()
    for number in range(3):
        invoke(handler)
        until(lambda number=number: len(collector.spans()) == number + 1)
    span, resource = collector.spans()[0]
    assert (span.trace_id, span.parent_id) == (hex_id(OWN.root), OWN.parent)
    assert resource["cloud.platform"] == "aws_lambda"
    assert collector.requests == 3


def test_headers_and_forms(serve, monkeypatch):
    """The operator's headers go with each request; JSON is the form, unless protobuf is asked for."""
    requests = serve(lambda _: HttpResponse(status=200, body=b"{}"))
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "api-key=a%20b, x-team = shop")
    invoke(plain())
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "api-key=c")
    invoke(plain())
    until(lambda: len(requests) == 2)
    headers = [request.lower_headers for request in requests]
    assert [each["api-key"] for each in headers] == ["a b", "c"]
    assert [each.get("x-team") for each in headers] == ["shop", None]
    assert [each["content-type"] for each in headers] == ["application/json", "application/x-protobuf"]
    assert [request.path for request in requests] == ["/v1/traces"] * 2


def test_the_endpoint_of_traces_is_whole(serve, monkeypatch):
    """`OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` is taken as it is, and goes first."""
    requests = serve(lambda _: HttpResponse(status=200))
    address = os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"]
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", f"{address}/intake?site=eu")
    invoke(plain())
    until(lambda: requests)
    assert (requests[0].path, requests[0].query) == ("/intake", "site=eu")


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (HttpResponse(status=500), "HTTP status 500"),
        (HttpResponse(status=429), "HTTP status 429"),
        (HttpResponse(status=302), "HTTP status 302"),
        (
            HttpResponse(
                status=200, body=b'{"partialSuccess":{"rejectedSpans":"1","errorMessage":"too old"}}'
            ),
            "too old",
        ),
        (HttpResponse(status=200, body=b'{"rejectedSpans'), "JSONDecodeError"),
        (None, "RemoteDisconnected: Remote end closed connection without response"),
    ],
)
def test_a_refusal_is_counted_and_said_once(serve, capsys, answer, why):
    """Each invocation that lost spans counts it; one line says how many, where, and why."""
    requests = serve(lambda _: answer)
    handler = plain()
    for number in range(4):
        invoke(handler)
        until(lambda number=number: len(requests) > number and is_idle())
    counts, said = failures(capsys)
    assert sum(counts) >= 2
    assert len(said) == 1
    # More than one where the next invocation was quicker than the answer.
    assert re.match(r"[1-4] spans were lost: http://127\.0\.0\.1:", said[0])
    assert said[0].endswith(f"/v1/traces: {why}")


def test_nobody_listens(monkeypatch, capsys):
    """A port without a listener refuses at once: counted, said once, and the outcome is the same."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    handler = plain()
    for _ in range(3):
        invoke(handler)
        until(is_idle)
    counts, said = failures(capsys)
    assert sum(counts) >= 2
    assert len(said) == 1
    assert "Connection refused" in said[0]


def test_one_that_never_answers_holds_nobody_up(serve):
    """A request without an answer outlives its invocation, and the next ones don't wait for it; then all arrive."""
    go_on = threading.Event()
    requests = serve(lambda number: go_on.wait(LONG) and HttpResponse(status=200))
    handler = plain()
    invoke(handler, times=10)  # they return while the first request waits
    until(lambda: requests)
    assert len(requests) == 1
    go_on.set()
    until(lambda: len(requests) == 10)


def test_waiting_requests_are_limited(serve, capsys):
    """Of more than 20 invocations that a stuck collector keeps waiting, the oldest lose their spans, and it is said."""
    go_on = threading.Event()
    requests = serve(lambda number: go_on.wait(LONG) and HttpResponse(status=200))
    handler = plain()
    invoke(handler)
    until(lambda: requests)
    invoke(handler, times=24)
    go_on.set()
    until(lambda: len(requests) == 21)
    counts, said = failures(capsys)
    assert sum(counts) == 4
    assert said == [said[0]]
    assert said[0].endswith("it is too slow")


def test_a_name_that_takes_its_time_holds_nobody_up(monkeypatch):
    """Resolving a name can't be given a timeout; the invocation doesn't wait for that either."""
    go_on, asked = threading.Event(), threading.Event()

    def slow(*_, **__):
        asked.set()
        go_on.wait(LONG)
        raise OSError("no such host")

    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector.invalid:4318")
    monkeypatch.setattr(socket, "getaddrinfo", slow)
    handler = plain()
    invoke(handler, times=3)
    assert asked.wait(LONG)
    go_on.set()
    until(is_idle)


@pytest.mark.parametrize(
    "said", [b"", b"HTTP/1.1 ", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"]
)
def test_answers_that_are_none(monkeypatch, said):
    """A peer that accepts and answers half, or nonsense, or nothing and then is gone, costs spans alone."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{server.getsockname()[1]}")
        handler = plain()
        server.settimeout(LONG)

        def answer():
            with contextlib.suppress(OSError):
                for _ in range(2):
                    connection, _peer = server.accept()
                    connection.sendall(said)
                    connection.close()

        answering = threading.Thread(target=answer)
        answering.start()
        for _ in range(2):
            invoke(handler)
            until(is_idle)
        for _ in range(2):  # whoever is still accepting
            with contextlib.suppress(OSError):
                socket.create_connection(server.getsockname()).close()
        answering.join()


def test_a_connection_that_was_closed_meanwhile(collector, monkeypatch):
    """A kept connection that the other side closes while the process is frozen costs nothing."""
    handler = plain()
    invoke(handler)
    until(lambda: len(collector.spans()) == 1 and is_idle())
    for connection in list(collector._server._connections):
        connection.shutdown(socket.SHUT_RDWR)
    until(lambda: not collector._server._connections)
    invoke(handler)
    until(lambda: len(collector.spans()) == 2)


def test_in_a_forked_process(collector):
    """A process that was forked while a request was being made has neither its thread nor its lock, and sends its own."""
    sender = Sender(os.environ)
    sender._process, sender._working = -1, True
    sender._lock.acquire()
    sender.send({}, [])
    until(lambda: collector.requests == 1 and is_idle())


def test_with_no_time_left_it_does_not_wait(serve):
    """Waiting must not make a timeout of a success: half of the time that is left is the most."""
    waits = []

    class Lock:
        def __init__(self):
            self.lock = threading.Lock()

        def acquire(self, timeout=-1):
            if timeout >= 0:
                waits.append(timeout)
                return None
            return self.lock.acquire()

        def release(self):
            self.lock.release()

    go_on = threading.Event()
    serve(lambda _: go_on.wait(LONG) and HttpResponse(status=200))
    sender = Sender(os.environ)
    before, module.allocate_lock = module.allocate_lock, Lock
    try:
        sender.send({}, [], 0.01)
    finally:
        module.allocate_lock = before
        go_on.set()
    assert waits == [0.01]
    until(is_idle)


@pytest.mark.parametrize(
    "endpoint", ["collector:4318", "ftp://a", "http://", "http://a:b", "//a", "http://u:secret@[::1"]
)
def test_an_endpoint_that_is_none_is_said_once(monkeypatch, capsys, endpoint):
    """The handler runs, one line names the variable and what it should be, and no password."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
    invoke(plain(), times=2)
    counts, said = failures(capsys)
    assert counts == [1, 0]
    (line,) = said
    assert line.startswith("OTEL_EXPORTER_OTLP_ENDPOINT=")
    assert "is not an address as http://localhost:4318" in line
    assert "secret" not in line


def test_a_header_that_http_cannot_hold_is_not_quoted(monkeypatch, capsys):
    """What can't be sent is said without its value."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4318")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "api-key=secret%0d%0ax: y")
    invoke(plain())
    _, (line,) = failures(capsys)
    assert line.startswith("OTEL_EXPORTER_OTLP_HEADERS")
    assert "secret" not in line


def test_a_server_without_a_certificate(monkeypatch, capsys):
    """HTTPS is checked: a server that has no certificate gets no span."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(LONG)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"https://127.0.0.1:{server.getsockname()[1]}")

        def answer():
            for _ in range(2):
                connection, _peer = server.accept()
                connection.recv(10_000)
                connection.sendall(b"this is no TLS\r\n")
                connection.close()

        answering = threading.Thread(target=answer)
        answering.start()
        handler = plain()
        for _ in range(2):
            invoke(handler)
            until(is_idle)
        answering.join()
    _, (line,) = failures(capsys)
    assert "SSL" in line


def test_nothing_of_opentelemetry_is_imported(fresh):
    """HTTP is the standard library's, and the X-Ray SDK isn't needed."""
    code = (
        "import sys\nfrom lambda_guard import production\n"
        "production(lambda event, context: None)({}, None)\n"
        "print(sorted(name for name in sys.modules if 'xray' in name or name in ('opentelemetry', 'requests', 'ssl')))"
    )
    environ = {
        "LAMBDA_GUARD_TRACING": "otlp",
        "_X_AMZN_TRACE_ID": TRACE_HEADER,
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9",
    }
    assert "'xray'" not in fresh(code, **environ).splitlines()[-1]
