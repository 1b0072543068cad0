"""The upstream trace headers of an event, and the ids of the messages that each of them sent.

Pure, and for any object: nothing is changed, nothing kept. SQS takes the straight way through
`attributes.AWSTraceHeader`; every other place stands in the trigger's row.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from lambda_guard._names import SQS_TRACE_ATTRIBUTE, W3C_TRACE_HEADER
from lambda_guard.propagation._envelope import BodyReader, hint, look
from lambda_guard.propagation.header import TraceHeader, from_w3c, parse
from lambda_guard.trigger.read import (
    LAMBDA,
    Trigger,
    again,
    messages_of,
    record_attempt,
    row_of_type,
    text_at,
)
from lambda_guard.trigger.table import TABLE, Row

if TYPE_CHECKING:
    from lambda_guard.propagation._carriers import Search

__all__ = [
    "NONE",
    "Upstream",
    "Upstreams",
    "extract",
    "record_attempt",
    "record_message_id",
    "record_upstream",
]

_UPSTREAMS_MOST: Final = 100
_IDENTITY: Final = len("Root=1-6742a1b5-0123456789abcdef01234567;Parent=53995c3f42cd8ad8")
# Records whose body is looked at for the id inside its envelope: more than an invocation record has room for.
_INNER_IDS_MOST: Final = 1000


class Upstream(NamedTuple):
    """Who sent messages of this event; immutable.

    Attributes:
        header: the trace header that came with them; None for those that came without.
        message_ids: their ids, in order. A message in an envelope has the queue's id and the envelope's.
    """

    header: TraceHeader | None
    message_ids: tuple[str, ...] = ()


class Upstreams(tuple[Upstream, ...]):  # noqa: SLOT001 - slots that hold something are refused for tuples
    """The upstreams of one event.

    Attributes:
        more: how many further ones a batch has, which are only counted: nobody looks at that many, and
            a batch of 10,000 messages from as many traces must not take the handler's time.
        more_traces: whether any of those is of another trace than the first of all.
    """

    more: int = 0
    more_traces: bool = False


NONE: Final = Upstreams()
_DIRECT: Final = row_of_type(LAMBDA.type)
_QUEUE_ID: Final = "messageId"  # the first of `TABLE.record_ids`


def extract(event: object, trigger: Trigger, context: object = None) -> Upstreams:
    """Find the upstream trace headers of an event.

    Args:
        event: the event, any object.
        trigger: what `read_trigger` said of it.
        context: the Lambda context; its `client_context` and `w3c()` count where the event itself has no
            header and isn't a batch.

    Returns:
        The distinct upstreams by root and parent, in order of first appearance and at most a hundred;
        messages without a header together at the end, if they have ids.
    """
    if _is_bare(event, trigger, context):
        return NONE
    try:
        return _extract(event, trigger, context)
    except Exception:
        return again(_extract, event, trigger, context)


def _is_bare(event: object, trigger: Trigger, context: object) -> bool:
    """Return whether this is a direct invocation without any place that a header could be in."""
    return (
        trigger is LAMBDA
        and type(event) is dict
        and event.keys().isdisjoint(_DIRECT.carrier_keys)
        and _part(context, "client_context") is None
        and _part(context, "w3c") is None
    )


def _extract(event: object, trigger: Trigger, context: object) -> Upstreams:
    records = _records(event, trigger)
    if records is not None:
        return _extract_batch(records, row_of_type(trigger.type))
    return _extract_single(event, row_of_type(trigger.type), context)


def record_upstream(record: object, trigger_type: str) -> TraceHeader | None:
    """Return the trace header that came with one record of a batch; None without.

    Args:
        record: the record, as a dict or as Powertools' data class of it.
        trigger_type: `Trigger.type` of the batch.
    """
    raw, row = _raw(record), row_of_type(trigger_type)
    try:
        return _record_header(raw, row)
    except Exception:
        return again(_record_header, raw, row)


def _record_header(record: object, row: Row) -> TraceHeader | None:
    header = parse(_queue_header(record)) if row.queue else None
    return _header_elsewhere(record, row, BodyReader()) if header is None else header


def record_message_id(record: object) -> str | None:
    """Return the id of one record of a batch; None if it has none.

    SQS: `messageId`; SNS: `MessageId`; Kinesis: the sequence number; DynamoDB: `eventID`; Kafka:
    `<topic>-<partition>@<offset>`; S3: the id of the request that made the change; others: what they call it.
    """
    raw = _raw(record)
    try:
        return _id(raw)
    except Exception:
        return again(_id, raw)


def _records(event: object, trigger: Trigger) -> Sequence[Any] | None:
    if trigger.type in TABLE.with_records or (trigger.type == "appsync" and type(event) is list):
        return messages_of(event)
    return None


def _extract_single(event: object, row: Row, context: object) -> Upstreams:
    header = _header_of_event(event, row)
    if header is None and context is not None:
        header = _header_of_context(context)
    message_id = text_at(event, row.ids) if row.ids else None
    if message_id is None:
        return NONE if header is None else Upstreams((Upstream(header),))
    return Upstreams((Upstream(header, (message_id,)),))


def _header_of_event(event: object, row: Row) -> TraceHeader | None:
    if not isinstance(event, dict) or event.keys().isdisjoint(row.carrier_keys):
        return None
    return _search(BodyReader()).run(event, row.carriers)


def _header_of_context(context: object) -> TraceHeader | None:
    return _header_of_client(_part(context, "client_context")) or _header_of_w3c(context)


def _header_of_client(client: object) -> TraceHeader | None:
    if client is None:
        return None
    for carrier in (_part(client, "custom"), _part(client, "env"), client):
        found = _header_in(carrier)
        if found is not None:
            return found
    return None


def _header_in(carrier: object) -> TraceHeader | None:
    try:
        return _search(BodyReader()).carrier(carrier)
    except Exception:
        return again(_search(BodyReader()).carrier, carrier)


def _header_of_w3c(context: object) -> TraceHeader | None:
    try:
        w3c = getattr(context, "w3c", None)
        fields = w3c() if callable(w3c) else None
        found = fields.get(W3C_TRACE_HEADER) if isinstance(fields, dict) else None
    except Exception:  # a context of the user's own making
        return None
    return None if found is None else from_w3c(found)


def _part(value: object, name: str) -> Any:
    try:
        return value.get(name) if isinstance(value, dict) else getattr(value, name, None)
    except Exception:  # a context of the user's own making
        return None


def _extract_batch(records: Sequence[Any], row: Row) -> Upstreams:
    groups = _Groups(row)
    for record in records:
        groups.add(record)
    return groups.upstreams()


class _Groups:
    """The records of one batch by upstream, while they are read."""

    __slots__ = ("_by_header", "_by_text", "_inner_ids_left", "_key", "_more", "_reader", "_row", "_without")

    def __init__(self, row: Row) -> None:
        self._row = row
        self._key = row.ids[0][0] if row.queue and isinstance(row.ids[0], tuple) else None
        self._reader = BodyReader()
        self._inner_ids_left = _INNER_IDS_MOST if row.queue else 0
        self._by_header: dict[tuple[Any, ...], tuple[TraceHeader, list[str]]] = {}
        self._by_text: dict[str, list[str]] = {}  # so that a header that comes again isn't parsed again
        self._more: set[str] = set()
        self._without: list[str] = []

    def add(self, record: object) -> None:
        if not isinstance(record, dict):
            return
        text = _queue_header(record) if self._row.queue else None
        if text is None and self._row.queue and _is_plain(record):
            self._add_id(record, self._without)
            return
        ids = self._by_text.get(text) if text is not None else None
        if ids is None:
            if text is not None and len(self._by_text) >= _UPSTREAMS_MOST:
                self._more.add(text[:_IDENTITY])
                return
            ids = self._group_of(record, text)
        self._add_ids(record, ids)

    def _group_of(self, record: Any, text: str | None) -> list[str]:
        header = None if text is None else parse(text)
        if header is None:
            header, text = _header_elsewhere(record, self._row, self._reader), None
            if header is None:
                return self._without
        ids = self._by_header.setdefault(header[:2], (header, []))[1]
        if text is not None:
            self._by_text[text] = ids
        return ids

    def _add_id(self, record: Any, ids: list[str]) -> None:
        found = record.get(self._key)
        if type(found) is not str or not found:
            found = _id(record)
        if found is not None:
            ids.append(found)

    def _add_ids(self, record: Any, ids: list[str]) -> None:
        self._add_id(record, ids)
        if self._inner_ids_left:
            self._inner_ids_left -= 1
            envelope = look(record.get("body"), self._reader)
            if envelope is not None and envelope[1] is not None:
                ids.append(envelope[1])

    def upstreams(self) -> Upstreams:
        found = [Upstream(header, tuple(ids)) for header, ids in self._by_header.values()]
        if self._without:
            found.append(Upstream(None, tuple(self._without)))
        upstreams = Upstreams(found)
        if self._more:
            upstreams.more = len(self._more)
            first = next((header.root for header, _ in self._by_header.values()), None)
            upstreams.more_traces = any(not text.startswith(f"Root={first};") for text in self._more)
        return upstreams


def _queue_header(record: Any) -> str | None:
    attributes = record.get("attributes") if isinstance(record, dict) else None
    text = attributes.get(SQS_TRACE_ATTRIBUTE) if isinstance(attributes, dict) else None
    return text if type(text) is str else None


def _header_elsewhere(record: Any, row: Row, reader: BodyReader) -> TraceHeader | None:
    """Return the header from any other place than the system attribute of SQS."""
    if not isinstance(record, dict):
        return None
    if row.queue and _is_plain(record):
        return None
    return _search(reader).run(record, row.carriers)


def _is_plain(message: dict[Any, Any]) -> bool:
    """Return whether a message from a queue has nowhere a header could be, besides the queue's own attribute."""
    return not (message.get("messageAttributes") or type(body := message.get("body")) is dict or hint(body))


def _search(reader: BodyReader) -> "Search":
    # Late: a plain event and a queue's own attribute need none.
    from lambda_guard.propagation import _carriers

    return _carriers.Search(reader)


def _id(record: object) -> str | None:
    if type(record) is dict and type(found := record.get(_QUEUE_ID)) is str and found:
        return found
    return text_at(record, TABLE.record_ids) if isinstance(record, dict) else None


def _raw(record: object) -> object:
    """Return the dict under a record: Powertools' data classes are wrappers of one."""
    try:
        return record if isinstance(record, dict) else getattr(record, "raw_event", None)
    except Exception:  # an object of the user's own making
        return None
