"""From an invocation, as its logs tell of it, to OpenTelemetry's spans. Pure.

They are those that the tracer makes in the function, as far as a record knows them: it has no times of AWS calls, and
of batch items only the failed ones. Ids that it doesn't have are made of the invocation's own, the same each time: who
receives a span twice can tell.
"""

from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Any, Final

from lambda_guard import _names as names
from lambda_guard.otlp import conventions
from lambda_guard.otlp.span import CLIENT, Attributes, Link, Span, hex_id
from lambda_guard.propagation.header import parse
from lambda_guard.tools.logs.invocation import Invocation
from lambda_guard.tools.logs.model import as_mapping, as_number

_TEXT_MOST: Final = 8_192  # characters
_HEX: Final = frozenset("0123456789abcdef")
_SPAN_ID: Final = 16
_TIMES: Final = "lambda_guard.times"
_SUCCEEDED: Final = {names.OUTCOME: names.SUCCESS}
_SENT_MOST: Final = 100_000  # messages that are remembered
_REGION: Final = 3  # where an ARN has it
_LOG_GROUPS: Final = "/aws/lambda/"


def resource_of(one: Invocation, environ: Mapping[str, str]) -> Attributes:
    """Return what is known of the function that an invocation belongs to.

    Args:
        one: the invocation.
        environ: of this machine, whose `OTEL_RESOURCE_ATTRIBUTES` and `OTEL_SERVICE_NAME` hold.
    """
    arn = one.text(names.FUNCTION_ARN).split(":")
    known = {
        name: environ[name] for name in (names.ENV_OTEL_RESOURCE, names.ENV_OTEL_SERVICE) if name in environ
    }
    if len(arn) > _REGION:
        known[names.ENV_REGION] = arn[_REGION]
    if one.source.startswith(_LOG_GROUPS):
        known[names.ENV_LOG_GROUP] = one.source
    memory = one.number(names.MEMORY_LIMIT_MB)
    service = one.text(names.SERVICE) or one.function
    found = conventions.resource(
        one.function, one.version or "$LATEST", service, int(memory) if memory else None, known
    )
    return {key: _cut(value) for key, value in found.items()}


class Senders:
    """Which span sent which message, among the invocations so far: it leads to those that no header leads to."""

    def __init__(self) -> None:
        self._spans: dict[str, tuple[str, str]] = {}

    def add(self, one: Invocation, trace_id: str) -> None:
        """Remember the messages that an invocation sent."""
        for entry in one.entries(names.SENT):
            message_id, span_id = entry.get(names.MESSAGE_ID), _span(str(entry.get(names.SPAN_ID)))
            if isinstance(message_id, str) and span_id is not None:
                self._spans[message_id] = trace_id, span_id
        while len(self._spans) > _SENT_MOST:
            del self._spans[next(iter(self._spans))]

    def of(self, one: Invocation) -> Iterator[tuple[str, str]]:
        """Yield the traces and spans that sent what an invocation received, or that invoked it."""
        ids = [entry.get(names.MESSAGE_IDS) for entry in one.entries(names.UPSTREAMS)]
        for message_id in (
            one.invocation_id,
            *[each for some in ids if isinstance(some, list) for each in some],
        ):
            if (found := self._spans.get(str(message_id))) is not None:
                yield found


def spans_of(one: Invocation, senders: Senders) -> list[Span]:
    """Return the spans of an invocation: its own first; none where no time of it is known.

    Args:
        one: the invocation.
        senders: those so far.
    """
    begun, ended = one.start_ms, one.end_ms
    if begun is None or ended is None:
        return []
    seed = f"{one.invocation_id} {one.attempt or one.attempt_seen}"
    trace_id = _trace(one.trace_id) or _made(seed, 32)
    span = Span(
        trace_id, _span(one.text(names.SPAN_ID)) or _made(seed, _SPAN_ID), _parent(one), begun / 1_000
    )
    span.end_at(ended / 1_000)
    _describe(span, one)
    span.links = list(_links(one, span))
    senders.add(one, trace_id)
    if not span.parent_id:
        span.parent_id = next((span_id for trace, span_id in senders.of(one) if trace == trace_id), "")
    found = [span, *_calls(one, span, seed), *_items(one, span, seed)]
    for each in found:
        each.name, each.description = _cut(each.name), _cut(each.description)
        each.attributes = {key: _cut(value) for key, value in each.attributes.items()}
    return found


def _describe(span: Span, one: Invocation) -> None:
    trigger = one.trigger
    source, count = trigger.get(names.SOURCE), as_number(trigger.get(names.RECORDS))
    kind = str(trigger.get(names.TYPE) or "unknown")
    named = source if isinstance(source, str) and source else None
    conventions.describe(span, one.function, kind, named, int(count) if count else None)
    outcome = one.outcome
    said = {
        "faas.invocation_id": one.invocation_id,
        "faas.coldstart": one.cold,
        "lambda_guard.outcome": outcome,
        "lambda_guard.attempt": one.attempt,
    }
    span.attributes |= {key: value for key, value in said.items() if value is not None}
    conventions.invoked(span, one.text(names.FUNCTION_ARN))
    status = as_number(one.http.get(names.STATUS))
    http = {key: one.http.get(key) for key in (names.METHOD, names.ROUTE)}
    texts = {key: value for key, value in http.items() if isinstance(value, str)}
    conventions.http(span, {**texts, **({names.STATUS: int(status)} if status else {})})
    if one.failed_records:
        conventions.fail(span, "batch_item_failures", f"{one.failed_records} batch items failed")
    if one.error:
        _fail(span, one.error)
    elif one.failed and not span.failed:
        conventions.fail(span, outcome)


def _fail(span: Span, error: Mapping[str, object]) -> None:
    stack = error.get(names.STACK)
    frames = [str(frame) for frame in stack] if isinstance(stack, list) else []
    kind = str(error.get(names.TYPE) or "_OTHER")
    conventions.failed(span, kind, str(error.get(names.MESSAGE) or ""), _cut("\n".join(frames)))
    for event in span.events:
        event.attributes.update({key: _cut(value) for key, value in event.attributes.items()})


def _parent(one: Invocation) -> str | None:
    """Return the sender's span, which the work was adopted from; no record has Lambda's own segment as a span."""
    parent = one.text(names.PARENT_ID)
    sent = (entry.get(names.PARENT_ID) for entry in one.entries(names.UPSTREAMS))
    return _span(parent) if one.text(names.LAMBDA_TRACE_ID) or parent in sent else None


def _links(one: Invocation, span: Span) -> Iterator[Link]:
    own = {one.trace_id, one.text(names.LAMBDA_TRACE_ID)}
    for entry in one.entries(names.UPSTREAMS):
        root, parent = str(entry.get(names.UPSTREAM_TRACE_ID)), _span(str(entry.get(names.PARENT_ID)))
        ids = entry.get(names.MESSAGE_IDS)
        if (trace_id := _trace(root)) is None or parent is None or parent == span.parent_id:
            continue
        if root not in own or span.parent_id:
            known = {"messaging.message.id": ids[0]} if isinstance(ids, list) and len(ids) == 1 else {}
            yield Link(trace_id, parent, {key: _cut(str(value)) for key, value in known.items()})


def _calls(one: Invocation, around: Span, seed: str) -> Iterator[Span]:
    """Yield a span for each call that sent something, and one for all others of a kind: records count those."""
    sent: dict[tuple[str, str, str], dict[str, int]] = {}
    for entry in one.entries(names.SENT):
        by_span = sent.setdefault(_kind(entry, names.TARGET), {})
        span_id = _span(str(entry.get(names.SPAN_ID))) or ""
        by_span[span_id] = by_span.get(span_id, 0) + 1
    for (service, operation, target), by_span in sent.items():
        for span_id, messages in by_span.items():
            made = span_id or _made(f"{seed} {service} {operation} {target}", _SPAN_ID)
            span = _call(around, made, service, operation, target)
            if messages > 1:
                span.attributes["messaging.batch.message_count"] = messages
            yield span
    for entry in one.entries(names.CALLS):
        service, operation, name = kind = _kind(entry, names.RESOURCE)
        count = int(as_number(entry.get(names.CALL_COUNT)) or 1) - len(sent.get(kind, ()))
        if count <= 0:
            continue
        span = _call(around, _made(f"{seed} {kind}", _SPAN_ID), service, operation, name)
        errors = int(as_number(entry.get(names.CALL_ERRORS)) or 0)
        span.attributes |= {"lambda_guard.count": count, "lambda_guard.errors": errors}
        if errors >= count:
            conventions.fail(span, "_OTHER")
        yield span


def _kind(entry: Mapping[str, object], resource: str) -> tuple[str, str, str]:
    service, operation, name = (entry.get(key) for key in (names.SERVICE, names.OPERATION, resource))
    return str(service or "?"), str(operation or "?"), str(name or "")


def _call(around: Span, span_id: str, service: str, operation: str, name: str) -> Span:
    span = _inside(around, span_id)
    span.kind = CLIENT
    span.name, span.attributes = conventions.call(service, operation, None, name or None)
    span.attributes[_TIMES] = "within"
    return span


def _items(one: Invocation, around: Span, seed: str) -> Iterator[Span]:
    """Yield a span for the messages of each sender in their own trace, and for each other batch item that failed."""
    batch = as_mapping(one.facts.get(names.RECORDS))
    failures = batch.get(names.FAILURES)
    entries = [each for each in failures if isinstance(each, Mapping)] if isinstance(failures, list) else []
    failed = {str(entry.get(names.MESSAGE_ID)): entry for entry in entries}
    for upstream in one.entries(names.UPSTREAMS) if batch and not one.text(names.LAMBDA_TRACE_ID) else ():
        root, parent = str(upstream.get(names.UPSTREAM_TRACE_ID)), _span(str(upstream.get(names.PARENT_ID)))
        trace_id = _trace(root)
        if trace_id is None or parent is None or trace_id == around.trace_id:
            continue
        ids = upstream.get(names.MESSAGE_IDS)
        known = [str(each) for each in ids] if isinstance(ids, list) else []
        span = _inside(around, _made(f"{seed} {root} {parent}", _SPAN_ID))
        span.trace_id, span.parent_id, span.remote = trace_id, parent, True
        span.links = [Link(around.trace_id, around.span_id, {})]
        found = [failed.pop(each) for each in known if each in failed]
        yield _item(
            one, span, {names.MESSAGE_ID: next(iter(known), None), **(found[0] if found else _SUCCEEDED)}
        )
    for number, entry in enumerate(failed.values()):
        yield _item(one, _inside(around, _made(f"{seed} item {number}", _SPAN_ID)), entry)


def _item(one: Invocation, span: Span, entry: Mapping[str, object]) -> Span:
    """Say what is known of a batch item, as an entry of the record's `failures` has it, and return its span."""
    kind, source = str(one.trigger.get(names.TYPE) or "unknown"), one.trigger.get(names.SOURCE)
    conventions.describe(
        span, one.function, kind, source if isinstance(source, str) and source else None, None
    )
    outcome = str(entry.get(names.OUTCOME) or names.FAILURE)
    said = {
        "messaging.message.id": entry.get(names.MESSAGE_ID),
        "lambda_guard.attempt": entry.get(names.ATTEMPT),
        "lambda_guard.outcome": outcome,
        "faas.invocation_id": one.invocation_id,
        _TIMES: "within",
    }
    span.attributes |= {key: value for key, value in said.items() if type(value) in (str, int)}
    if error := as_mapping(entry.get(names.ERROR)):
        _fail(span, error)
    elif outcome not in (names.SUCCESS, names.SKIPPED):
        conventions.fail(span, "_OTHER")
    return span


def _inside(around: Span, span_id: str) -> Span:
    """Return a span that happened at a time within another one: which, no record knows."""
    span = Span(around.trace_id, span_id, around.span_id, 0)
    span.start, span.end, span.remote = around.start, around.end, False
    return span


def _trace(root: str) -> str | None:
    header = parse(f"Root={root}")
    return hex_id(header.root) if header is not None else None


def _span(text: str) -> str | None:
    return text if len(text) == _SPAN_ID and _HEX.issuperset(text) and text.strip("0") else None


def _made(seed: str, digits: int) -> str:
    return sha256(f"{digits} {seed}".encode("utf-8", "replace")).hexdigest()[:digits]


def _cut(value: Any) -> Any:
    return value[:_TEXT_MOST] if isinstance(value, str) else value
