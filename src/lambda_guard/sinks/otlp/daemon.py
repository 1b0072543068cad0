"""Spans to Lambda's own X-Ray daemon, in protobuf's form, each datagram a request.

After the header that documents of X-Ray have, too, comes `T1S`, or `T1U` for what isn't sampled, and base64: as AWS's
own exporter has it, https://github.com/aws-observability/aws-otel-python-instrumentation (`otlp_udp_exporter`).
"""

from binascii import b2a_base64
from collections.abc import Iterator
from typing import Final

from ..._json import cut
from ...otlp import conventions, protobuf
from ...otlp.span import Attributes, Event, Span
from .. import daemon

_BYTES_MOST: Final = 48_000  # 64,000 in base64; a datagram carries 65,507
_TEXT_MOST: Final = 256  # characters of what a span that is too large keeps of a text
_LINKS_MOST: Final = 100


class Daemon:
    """Lambda's daemon, as the receiver of spans.

    Args:
        address: as for `sinks.daemon`, which has the socket.

    Raises:
        OSError, ValueError: it isn't an address.
    """

    def __init__(self, address: str) -> None:
        self._daemon = daemon.Daemon(address)
        self._scope = protobuf.scope(**conventions.SCOPE)
        self._resource: tuple[Attributes, bytes] = {}, b""
        self.reopen = self._daemon.reopen

    def send(self, resource: Attributes, spans: list[Span], _: float) -> None:
        """Send spans of a resource, in as few datagrams as they fit into, without waiting.

        Raises:
            OSError: the system didn't take them.
        """
        if self._resource[0] is not resource:
            self._resource = resource, protobuf.resource(resource)
        for mark, sampled in ((b"T1S", True), (b"T1U", False)):
            for group in _groups([span for span in spans if span.sampled is sampled]):
                request = protobuf.request(self._resource[1], self._scope, group)
                self._daemon.send(mark + b2a_base64(request, newline=False))


def _groups(spans: list[Span]) -> Iterator[list[bytes]]:
    group: list[bytes] = []
    size = 0
    for span in spans:
        encoded = _fitted(span)
        if group and size + len(encoded) > _BYTES_MOST:
            yield group
            group, size = [], 0
        group.append(encoded)
        size += len(encoded)
    if group:
        yield group


def _fitted(span: Span) -> bytes:
    """Return a span that fits: one that is too large without its long texts, and with fewer links."""
    encoded = protobuf.span(span)
    if len(encoded) > _BYTES_MOST:
        span.attributes = {key: _short(value) for key, value in list(span.attributes.items())[:_LINKS_MOST]}
        span.events = [
            Event(time, name, {key: _short(value) for key, value in said.items()})
            for time, name, said in span.events[:_LINKS_MOST]
        ]
        span.name, span.description = cut(span.name, _TEXT_MOST), cut(span.description, _TEXT_MOST)
        del span.links[_LINKS_MOST:]
        encoded = protobuf.span(span)
    return encoded


def _short(value: object) -> object:
    return cut(value, _TEXT_MOST) if isinstance(value, str) else value
