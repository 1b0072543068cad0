"""The X-Ray daemon's front: a UDP socket on loopback that keeps the documents and spans it is sent.

https://docs.aws.amazon.com/xray/latest/devguide/xray-api-sendingdata.html#xray-api-daemon
"""

import binascii
import contextlib
import json
import socket
import threading
from collections.abc import Callable
from typing import Any

from lambda_guard.local.runtime.http_server import HOST
from lambda_guard.otlp.reading import Received, from_protobuf

Document = dict[str, Any]
_DATAGRAM_MOST = 65_536
_MARKS = (b"T1S", b"T1U")  # of spans of sampled traces, and of others


class XRayDaemon(contextlib.AbstractContextManager["XRayDaemon"]):
    """Collects segment and subsegment documents, and OpenTelemetry's spans; use as a context manager or `close` it.

    Attributes:
        address: `host:port`, for `AWS_XRAY_DAEMON_ADDRESS`.
    """

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with contextlib.suppress(OSError):
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * 1024 * 1024)
        self._socket.bind((HOST, 0))
        self.address = f"{HOST}:{self._socket.getsockname()[1]}"
        self._changed = threading.Condition()
        self._documents: list[Document] = []
        self._spans: list[Received] = []
        self._malformed: list[bytes] = []
        self._closed = False
        self._thread = threading.Thread(target=self._collect, name="xray-daemon", daemon=True)
        self._thread.start()

    def documents(self) -> list[Document]:
        """Return the documents received so far, in the order of arrival."""
        with self._changed:
            return list(self._documents)

    def spans(self) -> list[Received]:
        """Return the spans received so far, in the order of arrival; `sampled` says by which mark they came."""
        with self._changed:
            return list(self._spans)

    def malformed(self) -> list[bytes]:
        """Return the datagrams that the real daemon would have thrown away."""
        with self._changed:
            return list(self._malformed)

    def add(self, document: Document) -> None:
        """Keep a document that came by another way: the Lambda service's own segments."""
        with self._changed:
            self._documents.append(document)
            self._changed.notify_all()

    def clear(self) -> None:
        """Forget what was received."""
        with self._changed:
            self._documents.clear()
            self._spans.clear()
            self._malformed.clear()

    def wait_for(self, predicate: Callable[[list[Document]], Any], timeout: float = 5.0) -> list[Document]:
        """Wait until `predicate` holds for all documents received.

        Args:
            predicate: called with the list of documents.
            timeout: seconds.

        Returns:
            The documents.

        Raises:
            TimeoutError: it did not hold in time; the message says how many documents there were.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: predicate(list(self._documents)), timeout):
                raise TimeoutError(
                    f"the X-Ray daemon has {len(self._documents)} documents after {timeout} s, "
                    "and not those that were waited for"
                )
            return list(self._documents)

    def _collect(self) -> None:
        while True:
            datagram, _ = self._socket.recvfrom(_DATAGRAM_MOST)
            if self._closed:
                return
            document = _parse(datagram)
            with self._changed:
                if document is None:
                    self._malformed.append(datagram)
                elif isinstance(document, list):
                    self._spans += document
                else:
                    self._documents.append(document)
                self._changed.notify_all()

    def close(self) -> None:
        """Close the socket and end the thread."""
        if self._closed:
            return
        self._closed = True
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as waker:
            waker.sendto(b"", self._socket.getsockname())
        self._thread.join(5)
        self._socket.close()

    def __exit__(self, *_: object) -> None:
        self.close()


def _parse(datagram: bytes) -> Document | list[Received] | None:
    """Read `{"format":"json","version":1}`, a newline and one document, or marked spans; None where it isn't that."""
    try:
        first, content = datagram.split(b"\n", 1)
        header = json.loads(first)
        if content[:3] in _MARKS:
            return from_protobuf(binascii.a2b_base64(content[3:], strict_mode=True))
        document = json.loads(content)
    except ValueError:  # base64's, too
        return None
    well_formed = isinstance(document, dict) and header == {"format": "json", "version": 1}
    return document if well_formed else None
