"""Spans to a collector, by OTLP over HTTP: before the answer, but never at its cost.

A thread of ours makes the request, and the invocation waits for it 50 ms at most, less if its time runs out before. A
request that takes longer goes on meanwhile, and through the next invocation, which waits no more for it. So neither a
collector that is slow, nor one that has gone, nor a name that isn't resolved holds up an answer.
https://opentelemetry.io/docs/specs/otlp/#otlphttp
"""

from _thread import allocate_lock, start_new_thread
from collections import deque
from collections.abc import Mapping
from os import getpid
from typing import TYPE_CHECKING, Any, Final

from ... import _json, _names
from ...otlp import conventions, json_form, protobuf
from ...otlp.span import Attributes, Span

if TYPE_CHECKING:
    from http.client import HTTPConnection, HTTPResponse
    from urllib.parse import SplitResult

_WAIT_MOST: Final = 0.05  # seconds
_SOCKET_WAITS: Final = 2.0  # seconds, for whatever a socket is asked: the thread's own patience
_REQUESTS_MOST: Final = 20  # that wait behind one that is being made
_ANSWER_MOST: Final = 65_536  # bytes that are read of it
_PATH: Final = "/v1/traces"


class EndpointError(OSError):
    """The endpoint isn't an address that spans can be sent to."""


class LostSpansError(OSError):
    """Spans that the collector didn't take."""


class Collector:
    """Sends spans to an endpoint, one request at a time, on a connection that is kept.

    Args:
        environ: with OpenTelemetry's variables.

    Raises:
        EndpointError: the endpoint isn't an HTTP address.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._connection: HTTPConnection | None = None
        import http.client  # late: at INIT, which has a full CPU

        url = _endpoint(environ)
        self._client, self._secure, self._host = http.client, url.scheme == "https", url.hostname or ""
        self._port = url.port
        self._path = f"{url.path or '/'}?{url.query}" if url.query else url.path or "/"
        self._binary = _protocol(environ) == "http/protobuf"
        given = environ.get(_names.ENV_OTEL_TRACES_HEADERS) or environ.get(_names.ENV_OTEL_HEADERS, "")
        kind = "application/x-protobuf" if self._binary else "application/json"
        self._headers = {**conventions.pairs(given), "Content-Type": kind}
        if not all(part.isascii() and part.isprintable() for pair in self._headers.items() for part in pair):
            raise EndpointError(
                f"{_names.ENV_OTEL_HEADERS} has what no HTTP header can hold: no spans are sent"
            )
        self._begin()

    def _begin(self) -> None:
        """Have no thread and nothing to send: in a forked process the thread isn't there, and its lock may be held."""
        self._process = getpid()
        self._lock, self._working = allocate_lock(), False
        self._waiting: deque[tuple[Attributes, list[Span]]] = deque()
        self._lost, self._why = 0, ""

    def reopen(self) -> None:
        """Connect anew with the next request."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    __del__ = reopen

    # --- The invocation's thread ----------------------------------------------------------------------------

    def send(self, resource: Attributes, spans: list[Span], seconds: float = _WAIT_MOST) -> None:
        """Have spans sent, and wait for that; not longer than 50 ms, nor where an earlier request still waits.

        Raises:
            LostSpansError: spans were lost, these or earlier ones.
        """
        if self._process != getpid():
            self._connection = None  # the other process goes on using it
            self._begin()
        done = allocate_lock()
        with self._lock:
            if len(self._waiting) == _REQUESTS_MOST:
                self._lose(len(self._waiting.popleft()[1]), "it is too slow")
            self._waiting.append((resource, spans))
            begins = not self._working
            self._working = True
        if begins:
            done.acquire()
            try:
                start_new_thread(self._work, (done,))
            except RuntimeError:  # no more threads, or the process is ending
                self._working = False
                raise
            done.acquire(timeout=max(0.0, min(seconds, _WAIT_MOST)))
        with self._lock:
            lost, why, self._lost = self._lost, self._why, 0
        if lost:
            where = f"{'https' if self._secure else 'http'}://{self._host}{f':{self._port}' if self._port else ''}"
            raise LostSpansError(f"{lost} spans were lost: {where}{self._path}: {why}")

    # --- The thread of the requests -------------------------------------------------------------------------

    def _work(self, done: Any) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._working = False
                    done.release()
                    return
                resource, spans = self._waiting.popleft()
            try:
                rejected, why = self._rejected(self._answer(self._encoded(resource, spans)), len(spans))
            except Exception as error:
                self.reopen()
                rejected, why = len(spans), _json.type_name(error)
                if isinstance(error, OSError):  # the text of others may quote a header
                    why = f"{why}: {_json.text(error, 200)}"
            with self._lock:
                self._lose(rejected, why)

    def _lose(self, count: int, why: str) -> None:
        if count:
            self._lost, self._why = self._lost + count, why

    def _encoded(self, resource: Attributes, spans: list[Span]) -> bytes:
        if not self._binary:
            return _json.encode(json_form.request(resource, conventions.SCOPE, spans)).encode(
                "utf-8", "replace"
            )
        encoded = [protobuf.span(each) for each in spans]
        return protobuf.request(protobuf.resource(resource), protobuf.scope(**conventions.SCOPE), encoded)

    def _answer(self, body: bytes) -> "HTTPResponse":
        """Return the answer to a request; a kept connection that the other side has closed is opened again."""
        connection = self._connection
        if connection is not None:
            try:
                connection.request("POST", self._path, body, self._headers)
                return connection.getresponse()
            except ConnectionError:
                self.reopen()
        connection = self._connection = self._connected()
        connection.request("POST", self._path, body, self._headers)
        return connection.getresponse()

    def _connected(self) -> "HTTPConnection":
        if not self._secure:
            return self._client.HTTPConnection(self._host, self._port, timeout=_SOCKET_WAITS)
        from ssl import create_default_context  # late: a collector beside the function speaks plain HTTP

        context = create_default_context()
        return self._client.HTTPSConnection(self._host, self._port, timeout=_SOCKET_WAITS, context=context)

    def _rejected(self, answer: "HTTPResponse", count: int) -> tuple[int, str]:
        """Return how many spans an answer says were refused, and why."""
        said = answer.read(_ANSWER_MOST)
        if answer.read(1):  # whoever answers with more than that is no collector
            self.reopen()
        if not 200 <= answer.status < 300:  # noqa: PLR2004 - success
            return count, f"HTTP status {answer.status}"
        if b"rejectedSpans" not in said:
            return 0, ""
        import json

        partial = json.loads(said).get("partialSuccess") or {}
        return int(partial.get("rejectedSpans") or 0), _json.text(partial.get("errorMessage"), 200)


def _endpoint(environ: Mapping[str, str]) -> "SplitResult":
    from urllib.parse import urlsplit  # late: as above

    whole = environ.get(_names.ENV_OTEL_TRACES_ENDPOINT, "").strip()
    base = environ.get(_names.ENV_OTEL_ENDPOINT, "").strip()
    try:
        url = urlsplit(whole or f"{base.rstrip('/')}{_PATH}")
        if url.scheme in ("http", "https") and url.hostname and (url.port is None or url.port):
            return url
    except ValueError:  # a port that is none
        pass
    name = _names.ENV_OTEL_TRACES_ENDPOINT if whole else _names.ENV_OTEL_ENDPOINT
    said = (whole or base).rpartition("@")[2][:64]  # without a password
    raise EndpointError(f"{name}={said!r} is not an address as http://localhost:4318: no spans are sent")


def _protocol(environ: Mapping[str, str]) -> str:
    names = (_names.ENV_OTEL_TRACES_PROTOCOL, _names.ENV_OTEL_PROTOCOL)
    return next((environ[name].strip() for name in names if environ.get(name)), "")
