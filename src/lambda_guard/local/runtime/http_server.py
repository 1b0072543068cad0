"""A threaded HTTP/1.1 server on loopback that leaves no thread and no socket behind."""

import contextlib
import socket
import threading
from collections.abc import Collection
from http.server import BaseHTTPRequestHandler
from typing import Any

HOST = "127.0.0.1"


class RequestHandler(BaseHTTPRequestHandler):
    """Keep-alive, one write per answer, silent.

    The standard library's handler writes headers and body in two packets, which costs 40 ms on a kept-alive
    connection (Nagle's algorithm against delayed acknowledgements).
    """

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def body(self) -> bytes:
        """Return the request's body; empty where the request announces none."""
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def answer(
        self,
        status: int,
        body: bytes = b"",
        headers: Collection[tuple[str, str]] = (),
        content_type: str = "application/json",
    ) -> None:
        """Answer the request with `body` and send everything at once; a header may come several times."""
        self.send_response(status)
        if "content-type" not in {name.lower() for name, _ in headers}:
            self.send_header("Content-Type", content_type)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
        """Say nothing: the log belongs to the functions."""


class LoopbackServer:
    """Serves each connection in a thread of its own until `close`.

    Args:
        handler: the request handler's class; `self.server.owner` in it is `owner`.
        owner: what the handler works for.
        port: a fixed port, or 0 for any free one.

    Raises:
        OSError: the port is taken.
    """

    def __init__(self, handler: type[RequestHandler], owner: Any, *, port: int = 0) -> None:
        self.owner = owner
        self._handler = handler
        self._socket = socket.create_server((HOST, port), backlog=128)
        self.port: int = self._socket.getsockname()[1]
        self.address = f"{HOST}:{self.port}"
        self._lock = threading.Lock()
        self._connections: dict[socket.socket, threading.Thread] = {}
        self._closed = False
        self._acceptor = threading.Thread(target=self._accept, name=f"accept-{self.port}", daemon=True)
        self._acceptor.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, peer = self._socket.accept()
            except OSError:
                return
            with self._lock:
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
                self._handler(connection, peer, self)  # type: ignore[arg-type]  # needs only `.owner`
        finally:
            with self._lock:
                self._connections.pop(connection, None)
            connection.close()

    def close(self) -> None:
        """Close every connection and wait for the threads."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            open_connections = dict(self._connections)
        self._wake_acceptor()
        for connection in open_connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._acceptor.join(5)
        self._socket.close()
        for thread in open_connections.values():
            if thread is not threading.current_thread():
                thread.join(5)

    def _wake_acceptor(self) -> None:
        # A blocking accept() isn't woken by closing its socket on every system; a connection wakes it on all.
        with contextlib.suppress(OSError):
            socket.create_connection((HOST, self.port), timeout=1).close()
