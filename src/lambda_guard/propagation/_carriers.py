"""Where a trace header may stand in an event: the keys that lead to one, and how to read what is under each.

An X-Ray header wins over a W3C one wherever they stand; of several X-Ray headers the first in the table's
order does. What is nested is followed to a fixed depth, a fixed number of objects and a fixed size of text.
"""

from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import Any, Final

from lambda_guard._names import W3C_TRACE_HEADER
from lambda_guard.propagation._envelope import BodyReader, hint
from lambda_guard.propagation.header import XRAY_NAMES, TraceHeader, from_w3c, parse

_DEPTH: Final = 3  # envelopes in envelopes: EventBridge in SNS in SQS
_OBJECTS_MOST: Final = 64  # nested objects that are looked into for one message
_KEYS_MOST: Final = 256  # headers or attributes of one message that are compared

_NAME_LENGTHS: Final = frozenset(map(len, (*XRAY_NAMES, W3C_TRACE_HEADER)))


class Search:
    """One search for the trace header of one message or event.

    Attributes:
        reader: parses bodies that look like envelopes.
        w3c: the first W3C header that was seen on the way, which counts where no X-Ray header is found.
        objects_left: how many more nested objects may be looked into.
    """

    __slots__ = ("objects_left", "reader", "w3c")

    def __init__(self, reader: BodyReader) -> None:
        self.reader = reader
        self.w3c: TraceHeader | None = None
        self.objects_left = _OBJECTS_MOST

    def run(self, message: Mapping[Any, Any], keys: Iterable[str]) -> TraceHeader | None:
        """Return the header under one of the keys, the first that leads to one."""
        return _look_under(self, message, keys, _DEPTH) or self.w3c

    def carrier(self, names: object) -> TraceHeader | None:
        """Return the header among headers or attributes, whose names are written in any case."""
        return _in_carrier(self, names) or self.w3c


def _look_under(
    search: Search, message: Mapping[Any, Any], keys: Iterable[str], depth: int
) -> TraceHeader | None:
    for key in keys:
        if key in message:
            found = PLACES.get(key, _in_any)(search, message[key], depth)
            if found is not None:
                return found
    return None


def _xray(_search: Search, value: object, _depth: int = 0) -> TraceHeader | None:
    return parse(_first(_text_of(value)))


def _traceparent(search: Search, value: object, _depth: int = 0) -> None:
    if search.w3c is None:
        search.w3c = from_w3c(_text_of(value))


def _in_carrier(search: Search, carrier: object, _depth: int = 0) -> TraceHeader | None:
    """Headers or attributes: an object of them, or as Kafka has it a list of objects with one each."""
    for each in islice(carrier, _KEYS_MOST) if isinstance(carrier, list) else (carrier,):
        if isinstance(each, dict):
            found = _among_names(search, each)
            if found is not None:
                return found
    return None


def _among_names(search: Search, carrier: dict[Any, Any]) -> TraceHeader | None:
    for name in islice(carrier, _KEYS_MOST):
        if type(name) is str and len(name) in _NAME_LENGTHS:
            read = _CARRIED.get(name.lower())
            found = None if read is None else read(search, carrier[name])
            if found is not None:
                return found
    return None


def _in_any(search: Search, value: object, _depth: int) -> TraceHeader | None:
    """Under a key that only a trigger's row knows: the header itself, or headers among which it is."""
    return _xray(search, value) if isinstance(value, str) else _in_carrier(search, value)


def _in_properties(search: Search, properties: object, _depth: int) -> TraceHeader | None:
    """Amazon MQ: the `properties` of ActiveMQ are the carrier, the `basicProperties` of RabbitMQ hold it."""
    if not isinstance(properties, dict):
        return None
    return _in_carrier(search, properties.get("headers")) or _in_carrier(search, properties)


def _in_item(search: Search, change: object, _depth: int) -> TraceHeader | None:
    """A DynamoDB stream record: an attribute of the item that the writer put there (an outbox)."""
    return _in_carrier(search, change.get("NewImage")) if isinstance(change, dict) else None


def _in_object(search: Search, value: object, depth: int) -> TraceHeader | None:
    if depth <= 0 or search.objects_left <= 0 or not isinstance(value, dict):
        return None
    search.objects_left -= 1
    return None if value.keys().isdisjoint(PLACES) else _look_under(search, value, PLACES, depth - 1)


def _in_body(search: Search, body: object, depth: int) -> TraceHeader | None:
    if isinstance(body, str) and (depth <= 0 or hint(body) is None or not _may_carry(body)):
        return None
    return _in_object(search, search.reader.read(body), depth)


def _may_carry(body: str) -> bool:
    """Return whether a body can hold a header at all: most envelopes don't, and aren't parsed."""
    return "Root=1-" in body or "raceparent" in body


def _text_of(value: object) -> object:
    """Return the text of an attribute, which SQS, SNS, DynamoDB, HTTP, Kafka and RabbitMQ each wrap differently."""
    if isinstance(value, dict):
        for key in ("stringValue", "Value", "S", "bytes"):
            if key in value:
                return _text_of(value[key]) if key == "bytes" else value[key]
        return None
    if isinstance(value, list) and value:
        return value[0] if isinstance(value[0], str) else _text_of_bytes(value)
    return value


def _text_of_bytes(numbers: list[Any]) -> str | None:
    try:
        return bytes(islice(numbers, 1024)).decode("ascii")
    except (TypeError, ValueError):
        return None


def _first(text: object) -> object:
    """Return the first of several headers of one name, which HTTP APIs join with commas."""
    return text.partition(",")[0] if isinstance(text, str) and "," in text else text


Place = Callable[[Search, Any, int], TraceHeader | None]

# Among headers and attributes, by lower-case name.
_CARRIED: Final[dict[str, Callable[[Search, object], TraceHeader | None]]] = {
    **{name.lower(): _xray for name in XRAY_NAMES},
    W3C_TRACE_HEADER: _traceparent,
}
# In a message or an event, by key.
PLACES: Final[dict[str, Place]] = {
    **dict.fromkeys(XRAY_NAMES, _xray),
    W3C_TRACE_HEADER: _traceparent,
    "attributes": _in_carrier,  # SQS: system attributes
    "messageAttributes": _in_carrier,  # SQS
    "MessageAttributes": _in_carrier,  # SNS
    "headers": _in_carrier,  # HTTP, Kafka
    "multiValueHeaders": _in_carrier,  # HTTP, with several values a name
    "requestHeaders": _in_carrier,  # AppSync's authorizer
    "request": _in_object,  # AppSync
    "properties": _in_properties,  # ActiveMQ
    "basicProperties": _in_properties,  # RabbitMQ
    "dynamodb": _in_item,
    "Sns": _in_object,
    "detail": _in_object,  # EventBridge
    "Execution": _in_object,  # Step Functions' context object, which holds `Input`
    "Context": _in_object,
    "context": _in_object,
    "$$": _in_object,
    "Input": _in_object,
    "Payload": _in_object,
    "data": _in_object,  # Kinesis, Kafka, MQ: parsed by the template of a pipe
    "value": _in_object,
    "body": _in_body,  # SQS
    "Message": _in_body,  # SNS
}
