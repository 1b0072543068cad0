"""OTLP requests read again, in either form: for the local cloud, and for whoever receives spans in a test.

What isn't a request raises `ValueError`. Fields that this page doesn't know are skipped, as protobuf has it.
"""

import json
from collections.abc import Iterator
from struct import error as StructError  # noqa: N812 - the module's own name for it says nothing
from struct import unpack
from typing import Any, NamedTuple

from .span import Attributes, Event, Link, Span


class Received(NamedTuple):
    """A span, and the attributes of the resource that sent it."""

    span: Span
    resource: Attributes


def from_json(request: Any) -> list[Received]:
    """Return the spans of a request in JSON, parsed.

    Raises:
        ValueError: it isn't one.
    """
    try:
        return [
            Received(_span_of_json(span), resource)
            for group in request.get("resourceSpans", ())
            for resource in (_attributes_of_json(group.get("resource", {})),)
            for scope in group.get("scopeSpans", ())
            for span in scope.get("spans", ())
        ]
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"not an OTLP request: {error}") from error


def _span_of_json(of: dict[str, Any]) -> Span:
    found = Span(of["traceId"], of["spanId"], of.get("parentSpanId"), 0)
    found.name, found.kind = of["name"], int(of["kind"])
    found.start, found.end = int(of["startTimeUnixNano"]), int(of["endTimeUnixNano"])
    found.attributes = _attributes_of_json(of)
    found.events = [
        Event(int(each["timeUnixNano"]), each["name"], _attributes_of_json(each))
        for each in of.get("events", ())
    ]
    found.links = [
        Link(each["traceId"], each["spanId"], _attributes_of_json(each)) for each in of.get("links", ())
    ]
    found.flags = of.get("flags", 0)
    _set_status(found, of.get("status", {}).get("code", 0), of.get("status", {}).get("message", ""))
    return found


def _attributes_of_json(of: dict[str, Any]) -> Attributes:
    return {each["key"]: _value_of_json(each["value"]) for each in of.get("attributes", ())}


def _value_of_json(value: dict[str, Any]) -> Any:
    ((kind, found),) = value.items()
    if kind == "intValue":
        return int(found)
    return [_value_of_json(each) for each in found.get("values", ())] if kind == "arrayValue" else found


def _set_status(span: Span, code: int, description: str) -> None:
    span.failed, span.description = code == 2, description  # noqa: PLR2004 - STATUS_CODE_ERROR


def from_protobuf(request: bytes) -> list[Received]:
    """Return the spans of a request in protobuf's binary form.

    Raises:
        ValueError: it isn't one.
    """
    try:
        return [
            Received(_span(span), resource)
            for group in _all(request, 1)
            for resource in (_attributes(b"".join(_all(group, 1)), 1),)
            for scope in _all(group, 2)
            for span in _all(scope, 2)
        ]
    except (AttributeError, IndexError, KeyError, StructError, TypeError) as error:
        raise ValueError(f"not an OTLP request: {error}") from error


def partial_success(answer: bytes, content_type: str) -> tuple[int, str]:
    """Return how many spans an answer to a request says were rejected, and why; none where it says nothing sound."""
    try:
        if "json" in content_type:
            said = (json.loads(answer) if answer else {}).get("partialSuccess") or {}
            return int(said.get("rejectedSpans") or 0), str(said.get("errorMessage") or "")
        part = dict(_fields(b"".join(_all(answer, 1))))
        return int(part.get(1, 0)), part.get(2, b"").decode()
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        return 0, ""


def _span(of: bytes) -> Span:
    one = dict(_fields(of))
    found = Span(one[1].hex(), one[2].hex(), one.get(4, b"").hex(), 0)
    found.name, found.kind = one[5].decode(), one.get(6, 0)
    found.start, found.end = one.get(7, 0), one.get(8, 0)
    found.attributes = _attributes(of, 9)
    for event in _all(of, 11):
        known = dict(_fields(event))
        found.events.append(Event(known.get(1, 0), known[2].decode(), _attributes(event, 3)))
    for link in _all(of, 13):
        known = dict(_fields(link))
        found.links.append(Link(known[1].hex(), known[2].hex(), _attributes(link, 4)))
    status = dict(_fields(one.get(15, b"")))
    found.flags = one.get(16, 0)
    _set_status(found, status.get(3, 0), status.get(2, b"").decode())
    return found


def _attributes(of: bytes, number: int) -> Attributes:
    pairs = [dict(_fields(each)) for each in _all(of, number)]
    return {pair[1].decode(): _value(pair.get(2, b"")) for pair in pairs}


def _value(of: bytes) -> Any:
    for number, value in _fields(of):
        if number == 5:  # noqa: PLR2004 - `array_value`
            return [_value(each) for each in _all(value, 1)]
        if number == 3:  # noqa: PLR2004 - `int_value`
            return value - (1 << 64) if value >> 63 else value
        if number == 4:  # noqa: PLR2004 - `double_value`
            return unpack("<d", value.to_bytes(8, "little"))[0]
        return bool(value) if number == 2 else value.decode()  # noqa: PLR2004 - `bool_value`
    return None


def _all(of: bytes, number: int) -> list[Any]:
    return [value for each, value in _fields(of) if each == number]


def _fields(of: bytes) -> Iterator[tuple[int, Any]]:
    """Yield (number, value): bytes, or a whole number for the other wire types."""
    at = 0
    while at < len(of):
        key, at = _varint(of, at)
        number, wire = key >> 3, key & 7
        if wire == 0:
            value, at = _varint(of, at)
            yield number, value
            continue
        length, at = _varint(of, at) if wire == 2 else ({1: 8, 5: 4}[wire], at)  # noqa: PLR2004 - with its length
        content = of[at : at + length]
        if len(content) < length:
            raise ValueError(f"{length - len(content)} bytes are missing")
        at += length
        yield number, content if wire == 2 else int.from_bytes(content, "little")  # noqa: PLR2004 - as above


def _varint(of: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = of[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:  # noqa: PLR2004 - the last one
            return value & (1 << 64) - 1, at
