"""Spans as an OTLP `ExportTraceServiceRequest`, in protobuf's binary form, written by hand.

https://protobuf.dev/programming-guides/encoding/ says how; the numbers are those of the messages in
https://github.com/open-telemetry/opentelemetry-proto (common.proto, resource.proto, trace.proto, trace_service.proto).
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final

from .span import Attributes, Event, Link, Span

_64_BITS: Final = (1 << 64) - 1


def request(resource: bytes, scope: bytes, spans: Iterable[bytes]) -> bytes:
    """Return a request of spans, encoded one by one, that share a resource and an instrumentation scope."""
    return _part(
        0x0A,
        _part(0x0A, resource)
        + _part(0x12, _part(0x0A, scope) + b"".join([_part(0x12, span) for span in spans])),
    )


def resource(attributes: Attributes) -> bytes:
    """Return a `Resource`."""
    return _attributes(0x0A, attributes)


def scope(name: str, version: str) -> bytes:
    """Return an `InstrumentationScope`."""
    return _part(0x0A, _text(name)) + _part(0x12, _text(version))


def span(of: Span) -> bytes:
    """Return a `Span`."""
    status = (
        (_part(0x12, _text(of.description)) if of.description else b"") + b"\x18\x02" if of.failed else b""
    )
    return b"".join((
        _part(0x0A, bytes.fromhex(of.trace_id)), _part(0x12, bytes.fromhex(of.span_id)),
        _part(0x22, bytes.fromhex(of.parent_id)) if of.parent_id else b"",
        _part(0x2A, _text(of.name)), bytes((0x30, of.kind)), b"\x39", _fixed(of.start), b"\x41", _fixed(of.end),
        _attributes(0x4A, of.attributes),
        *[_part(0x5A, _event(event)) for event in of.events],
        *[_part(0x6A, _link(link)) for link in of.links],
        _part(0x7A, status), b"\x85\x01", of.flags.to_bytes(4, "little"),
    ))  # fmt: skip


def _event(of: Event) -> bytes:
    return b"\x09" + _fixed(of.time) + _part(0x12, _text(of.name)) + _attributes(0x1A, of.attributes)


def _link(of: Link) -> bytes:
    ids = _part(0x0A, bytes.fromhex(of.trace_id)) + _part(0x12, bytes.fromhex(of.span_id))
    return ids + _attributes(0x22, of.attributes)


def _attributes(tag: int, of: Attributes) -> bytes:
    pairs = [(_pair if type(value) is list else _usual)(key, value) for key, value in of.items()]
    return b"".join([_part(tag, pair) for pair in pairs])


def _pair(key: str, value: Any) -> bytes:
    return _part(0x0A, _text(key)) + _part(0x12, _any(value))


@lru_cache(256, typed=True)
def _usual(key: str, value: Any) -> bytes:
    """Return an attribute, most of which are the same in each invocation."""
    return _pair(key, value)


def _any(value: Any) -> bytes:
    if type(value) is str:
        return _part(0x0A, _text(value))
    if type(value) is bool:
        return b"\x10\x01" if value else b"\x10\x00"
    if type(value) is int:
        return b"\x18" + _varint(value & _64_BITS)
    if type(value) is float:
        from struct import pack  # late: no attribute of ours is one

        return b"\x21" + pack("<d", value)
    return _part(0x2A, b"".join([_part(0x0A, _any(each)) for each in value]))


def _fixed(value: int) -> bytes:
    return value.to_bytes(8, "little")


def _text(value: str) -> bytes:
    return value.encode("utf-8", "replace")  # a lone surrogate has no UTF-8


def _part(tag: int, content: bytes) -> bytes:
    return bytes((tag,)) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:  # noqa: PLR2004 - seven bits a byte
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)
