"""From an event to what triggered the invocation, by the rows of `table`.

Pure, and for any object: an event is only ever looked at, never changed or trusted.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple, TypeVar

from lambda_guard.propagation._envelope import look
from lambda_guard.trigger.table import RARE_MARKS, TABLE, Path, Places, Row, Shape, Table

T = TypeVar("T")

_SECONDS_BELOW: Final = 100_000_000_000  # as seconds the year 5138, as milliseconds 1973
_MS_BELOW: Final = (
    100_000_000_000_000  # the year 5138 in milliseconds: nothing above is the time of a message
)
_SCALARS: Final = (str, int, float)
_AUTHORIZERS: Final = ("methodArn", "routeArn")  # an authorizer is asked for a policy, not for a response
_METHODS: Final = frozenset((
    "CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE",
))  # fmt: skip
_LOG_HEAD: Final = (
    2048  # characters of compressed log data, and bytes of it unpacked, that may name the log group
)


class Request(NamedTuple):
    """The HTTP request that an event stands for; immutable.

    Attributes:
        method: the method; None for one that no standard has, since a client may send any text.
        route: the route's template, as `/orders/{id}`, never a path that was requested; None where the caller knows no
            routes (function URLs, load balancers) or none matched (`$default`).
        version: the payload format that the event names, `1.0` or `2.0`.
    """

    method: str | None
    route: str | None
    version: str | None


class Trigger(NamedTuple):
    """What triggered an invocation; immutable.

    Attributes:
        type: one of `TABLE.types` and `rare.RARE.types`. A batch is named after its first record, a message in
            envelopes after the outermost. `lambda` is any JSON value that no service gives a shape: a direct
            invocation, EventBridge Scheduler with an input of its own, an IoT rule, a state's plain input. SNS with raw
            delivery is `sqs`, for nothing tells it from other messages. `unknown` is an AWS event source without
            a type here, or an object that no JSON text gives.
        source: ARN or name of what sent it: queue, topic, stream, bucket, API id, rule …; None if the event
            doesn't say.
        records: how many records the event holds; 1 if it isn't a batch.
        attempt: the highest `ApproximateReceiveCount`; None where the source doesn't count.
        oldest_ms: when the oldest message was sent, in milliseconds since the epoch; None where the event
            doesn't say or isn't a message.
        http: the request, if it was one.
    """

    type: str
    source: str | None = None
    records: int = 1
    attempt: int | None = None
    oldest_ms: int | None = None
    http: Request | None = None


LAMBDA: Final = Trigger("lambda")
UNKNOWN: Final = Trigger("unknown")


def read_trigger(event: object) -> Trigger:
    """Return what triggered the invocation, whatever the event is."""
    try:
        return _read(event)
    except Exception:
        return again(_read, event)


def again(read: Callable[..., T], value: object, *args: Any) -> T:
    """Return `read(value, *args)` of a plain copy of the value, since reading the value itself has failed."""
    from .plain import plain  # late: only a test makes what can't be read

    return read(plain(value), *args)


def raw_event(event: object) -> object:
    """Return the event inside one of Powertools' data classes, which a decorator has made; any other as it is."""
    if type(event) is dict or not hasattr(type(event), "raw_event"):
        return event
    try:
        raw: object = event.raw_event  # type: ignore[attr-defined]
    except Exception:  # somebody else's
        return event
    return raw if issubclass(type(raw), dict | list) else event


def messages_of(event: object) -> list[Any] | None:
    """Return the records of a batch in one list; None where the event isn't a batch."""
    try:
        records = _messages(event)
    except Exception:
        records = again(_messages, event)
    return records if records is None or type(records) is list else list.copy(records)


def _messages(event: object) -> list[Any] | None:
    if isinstance(event, list):
        return event
    if not isinstance(event, dict) or event.keys().isdisjoint(TABLE.marks):
        return None
    records = event.get("Records")
    if isinstance(records, list):
        return records
    _, shape = _row_of(event)
    return _flat(at(event, shape.records)) if shape is not None and shape.records else None


def _read(event: object) -> Trigger:
    if isinstance(event, dict):
        if event.keys().isdisjoint(TABLE.marks):
            return LAMBDA
        return _read_records(event.get("Records")) or _read_shape(event) or LAMBDA
    if isinstance(event, list):
        return _read_list(event)
    return LAMBDA if event is None or isinstance(event, _SCALARS) else UNKNOWN


def _read_records(records: object) -> Trigger | None:
    if not isinstance(records, list) or not records or not isinstance(records[0], dict):
        return None
    first = records[0]
    event_source = first.get("eventSource") or first.get("EventSource")
    if not isinstance(event_source, str):
        return None
    found = TABLE.event_sources.get(event_source) or _rare().event_sources.get(event_source)
    if found is None:
        return Trigger("unknown", text_at(first, (("eventSourceARN",),)) or event_source, len(records))
    row, shape = found
    if row.queue:
        return _read_queue(row, shape, first, records)
    return Trigger(row.type, text_at(first, shape.source), len(records), None, _oldest(records, shape.time))


def _read_queue(row: Row, shape: Shape, first: dict[str, Any], records: list[Any]) -> Trigger:
    envelope = look(first.get("body"))
    kind = row.type if envelope is None else f"{envelope[0]}-{row.type}"
    attempt, oldest = _counts_and_times(records, shape.time)
    return Trigger(kind, text_at(first, shape.source), len(records), attempt, oldest)


def _counts_and_times(records: list[Any], time: tuple[Path, ...]) -> tuple[int | None, int | None]:
    try:  # as SQS writes them; in a batch most counts are the same, so that few are converted
        if len(records) == 1:
            first = records[0]["attributes"]
            return int(first["ApproximateReceiveCount"]), int(first["SentTimestamp"])
        attributes = [record["attributes"] for record in records if type(record) is dict]
        counts = {each["ApproximateReceiveCount"] for each in attributes}
        times = {each["SentTimestamp"] for each in attributes}
        return max(map(int, counts)), min(map(int, times))
    except (LookupError, TypeError, ValueError):
        return max(filter(None, map(_receive_count, records)), default=None), _oldest(records, time)


def record_attempt(record: object) -> int | None:
    """Return how often a message was received, this time included; None where the source doesn't count."""
    try:
        return _receive_count(record)
    except Exception:
        return again(_receive_count, record)


def _receive_count(record: object) -> int | None:
    try:
        count = int(at(record, ("attributes", "ApproximateReceiveCount")))
    except (TypeError, ValueError, OverflowError):
        return None
    return count if count > 0 else None


def _read_list(event: list[Any]) -> Trigger:
    """A bare list: records of EventBridge Pipes, or a batch of AppSync's resolver calls."""
    trigger = _read_records(event)
    if trigger is None and event and isinstance(event[0], dict):
        row, shape = _row_of(event[0])
        if row is not None and shape is not None and row.type == "appsync":
            trigger = Trigger(row.type, text_at(event[0], shape.source), len(event))
    return trigger or LAMBDA


def _read_shape(event: dict[str, Any]) -> Trigger | None:
    row, shape = _row_of(event)
    if row is None or shape is None:
        return None
    source = _log_group(event["awslogs"]["data"]) if row.type == "logs" else text_at(event, shape.source)
    if shape.method and event.keys().isdisjoint(_AUTHORIZERS):
        return Trigger(row.type, source, http=_request(event, shape))
    if shape.chosen:
        from lambda_guard.propagation.called import resource_name  # late: few sources are

        source = resource_name(source)
    if not shape.records:
        return Trigger(row.type, source, 1, None, _time(event, shape.time))
    records = _flat(at(event, shape.records))
    return Trigger(row.type, source, len(records), None, _oldest(records, shape.time))


def _request(event: dict[str, Any], shape: Shape) -> Request:
    method, route = at(event, shape.method), at(event, shape.route) if shape.route else None
    version = event.get("version")
    template = route.rpartition(" ")[2] if isinstance(route, str) else ""  # `GET /orders/{id}` of an HTTP API
    return Request(
        method if isinstance(method, str) and method in _METHODS else None,
        template if template[:1] == "/" and template != "/$default" else None,
        version if isinstance(version, str) else None,
    )


def _row_of(event: dict[str, Any]) -> tuple[Row, Shape] | tuple[None, None]:
    for pair in TABLE.shapes:
        if _matches(event, pair[1]):
            return pair
    if not event.keys().isdisjoint(RARE_MARKS):
        for pair in _rare().shapes:
            if _matches(event, pair[1]):
                return pair
    return None, None


def _matches(event: dict[str, Any], shape: Shape) -> bool:
    return shape.mark in event and all(test(at(event, path)) for path, test in shape.tests)


def _rare() -> Table:
    from .rare import RARE  # late: few functions have any

    return RARE


def row_of_type(name: str) -> Row:
    """Return the row of a `Trigger.type`."""
    return TABLE.rows.get(name) or _rare().rows[name]


def _flat(records: object) -> list[Any]:
    if isinstance(records, dict):  # Kafka's by topic and partition, RabbitMQ's by queue
        return [record for part in records.values() if isinstance(part, list) for record in part]
    return records if isinstance(records, list) else []


def at(value: Any, path: Path) -> Any:
    """Return the value at a path of keys and indices; None where it leads nowhere."""
    for step in path:
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and step.isdecimal() and len(value) > int(step):
            value = value[int(step)]
        else:
            return None
    return value


def text_at(value: Any, places: Places) -> str | None:
    """Return the text at the first of some places where there is any."""
    for place in places:
        found = place(value) if callable(place) else at(value, place)
        if isinstance(found, str) and found:
            return found
    return None


def _oldest(records: Iterable[Any], paths: tuple[Path, ...]) -> int | None:
    if not paths:
        return None
    return min(filter(None, (_time(record, paths) for record in records)), default=None)


def _time(value: Any, paths: tuple[Path, ...]) -> int | None:
    try:
        for path in paths:
            time = at(value, path)
            if time is not None:
                return _epoch_ms(time)
    except (TypeError, ValueError, OverflowError):  # not a time
        return None
    return None


def _epoch_ms(time: Any) -> int | None:
    """Milliseconds since the epoch, from a number in seconds or milliseconds, its digits, or ISO 8601."""
    if isinstance(time, str) and not time.isdecimal():
        from datetime import UTC, datetime

        moment = datetime.fromisoformat(time)
        return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
    number = float(time)
    if 0 < number < _SECONDS_BELOW:
        number *= 1000
    return round(number) if 0 < number < _MS_BELOW else None


def _log_group(data: str) -> str | None:
    """Return the log group, which stands at the beginning of what CloudWatch Logs sends: base64 of gzip of JSON.

    https://docs.aws.amazon.com/lambda/latest/dg/services-cloudwatchlogs.html
    """
    import re
    import zlib
    from binascii import a2b_base64

    try:
        unpack = zlib.decompressobj(zlib.MAX_WBITS | 16)  # 16: with gzip's header
        head = unpack.decompress(a2b_base64(data[:_LOG_HEAD]), _LOG_HEAD)
    except (zlib.error, ValueError):
        return None
    match = re.search(rb'"logGroup"\s*:\s*"([^"\\]+)"', head)
    return None if match is None else match[1].decode("utf-8", "replace")
