"""A threaded HTTP/1.1 server on loopback that leaves no thread and no socket behind."""

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any, Final

from lambda_guard.local.runtime.callers import refusal
from lambda_guard.local.runtime.result import InvocationResult

HOST: Final = "127.0.0.1"
COOKIE: Final = "set-cookie"
_OURS: Final = frozenset({"content-length", "transfer-encoding", "connection"})


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """A request to an API.

    Attributes:
        headers: as they were sent: names in any case, one may come several times.
        query: as it stands in the URL.
    """

    method: str
    path: str
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    query: str = ""

    @property
    def header_values(self) -> dict[str, list[str]]:
        """All values of each header, by its name as it was first written."""
        names, found = dict[str, str](), dict[str, list[str]]()
        for name, value in self.headers:
            found.setdefault(names.setdefault(name.lower(), name), []).append(value)
        return found

    @property
    def lower_headers(self) -> dict[str, str]:
        """The headers by lower-case name; the values of one that comes several times are joined."""
        return {
            name.lower(): ("; " if name.lower() == "cookie" else ",").join(values)
            for name, values in self.header_values.items()
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpResponse:
    """The answer of an API.

    Attributes:
        status: the HTTP status.
        body: the body.
        header_lines: each header as it is sent, with its name in lower case; one may come several times.
        result: the invocation behind it; None where there was none.
    """

    status: int
    body: bytes = b""
    header_lines: tuple[tuple[str, str], ...] = ()
    result: InvocationResult | None = None

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers but the cookies; the values of one that comes several times are joined by commas."""
        found = dict[str, str]()
        for name, value in self.header_lines:
            if name != COOKIE:
                found[name] = f"{found[name]},{value}" if name in found else value
        return found

    @property
    def cookies(self) -> tuple[str, ...]:
        """The values of all `set-cookie` headers."""
        return tuple(value for name, value in self.header_lines if name == COOKIE)

    def json(self) -> Any:
        """Return the body, parsed.

        Raises:
            ValueError: it isn't JSON.
        """
        return json.loads(self.body)


class LoopbackServer:
    """Serves each connection in a thread of its own until `close`.

    Args:
        respond: answers a request, as JSON where no header says otherwise; None closes the connection.
        port: a fixed port, or 0 for any free one.
        links: whether pages of other sites may lead a browser here; see `refusal`.

    Raises:
        OSError: the port is taken.
    """

    def __init__(
        self, respond: Callable[[HttpRequest], HttpResponse | None], *, port: int = 0, links: bool = False
    ) -> None:
        self._respond = respond
        self._links = links
        self._socket = socket.create_server((HOST, port), backlog=128)
        self.port: int = self._socket.getsockname()[1]
        self.address = f"{HOST}:{self.port}"
        self._connections: dict[socket.socket, threading.Thread] = {}
        self._closed = False
        self._acceptor = threading.Thread(target=self._accept, name=f"accept-{self.port}", daemon=True)
        self._acceptor.start()

    def respond(self, request: HttpRequest) -> HttpResponse | None:
        """Answer a request, or refuse it."""
        refused = refusal(request.method, request.lower_headers, links=self._links)
        if refused is None:
            return self._respond(request)
        plain = (("content-type", "text/plain"),)
        return HttpResponse(status=HTTPStatus.FORBIDDEN, body=refused.encode(), header_lines=plain)

    def _accept(self) -> None:
        while True:
            try:
                connection, peer = self._socket.accept()
            except OSError:
                return
            if self._closed:
                connection.close()
                return
            thread = threading.Thread(
                target=self._serve, args=(connection, peer), name=f"http-{self.port}", daemon=True
            )
            self._connections[connection] = thread
            thread.start()

    def _serve(self, connection: socket.socket, peer: Any) -> None:
        try:
            # A peer that is killed in the middle of a request is what the local cloud is for.
            with contextlib.suppress(OSError, ValueError):
                _Handler(connection, peer, self)  # type: ignore[arg-type]  # needs only `.respond`
        finally:
            self._connections.pop(connection, None)
            connection.close()

    def close(self) -> None:
        """Close every connection and wait for the threads."""
        if self._closed:
            return
        self._closed = True
        # A blocking accept() isn't woken by closing its socket on every system; a connection wakes it on all.
        with contextlib.suppress(OSError):
            socket.create_connection((HOST, self.port), timeout=1).close()
        self._acceptor.join(5)
        self._socket.close()
        threads = dict(self._connections)
        for connection in threads:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in threads.values():
            thread.join(5)


class _Handler(BaseHTTPRequestHandler):
    """Keep-alive, one write per answer, silent.

    The standard library's handler writes headers and body in two packets, which costs 40 ms on a kept-alive
    connection (Nagle's algorithm against delayed acknowledgements).
    """

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def _serve(self) -> None:
        server: LoopbackServer = self.server  # type: ignore[assignment]  # the only one that uses this class
        path, _, query = self.path.partition("?")
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = tuple(self.headers.items())
        response = server.respond(
            HttpRequest(method=self.command, path=path, body=body, headers=headers, query=query)
        )
        if response is None:
            self.close_connection = True
        else:
            self._send(response)

    def _send(self, response: HttpResponse) -> None:
        self.send_response(response.status)
        lines = [line for line in response.header_lines if line[0].lower() not in _OURS]
        if "content-type" not in {name.lower() for name, _ in lines}:
            self.send_header("Content-Type", "application/json")
        for name, value in lines:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(response.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(response.body)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = _serve  # noqa: N815 - the base class's

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
        """Say nothing: the log belongs to the functions."""
