"""The spans of invocations, batch items and AWS calls: where they belong, and what is said of them.

A span belongs to the trace that its work belongs to, and links the others: an invocation that adopts an upstream trace
links Lambda's own segment, one that works for several traces links their senders.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from ... import _json, _names
from ..._invocation import function_arn
from ..._scope import Scope, Work
from ...otlp import conventions
from ...otlp.span import Link, Span, hex_id
from ...propagation.header import TraceHeader

if TYPE_CHECKING:
    from ...propagation.calls import Call
    from ...propagation.place import Place

_TEXT_MOST: Final = 1_024  # characters
_MESSAGE_MOST: Final = 2_048
_STACK_MOST: Final = 8_192
_OTHER: Final = "_OTHER"  # the convention's `error.type` of what has none
_ITEM_FAILURES: Final = "batch_item_failures"


def of_work(work: Work, outer: Span | None, everything: bool) -> Span | None:
    """Return the span of an invocation or a batch item that begins; `None` where its trace isn't recorded.

    Args:
        work: the invocation or the item.
        outer: the span of the item's invocation.
        everything: whether traces are recorded that were decided not to be.
    """
    place, own = work.place, work.scope.invocation.trace
    if place is None:
        return None
    header, span_id = place.header, place.span_id
    if own is not None and own.is_sampled and not (header.is_sampled or everything):
        header, span_id = own, place.own_id  # the upstream trace isn't recorded, the function's own is
    if not (header.is_sampled or everything):
        return None
    inside = outer is not None and outer.trace_id == hex_id(header.root) and header is own
    span = Span(hex_id(header.root), span_id, None, work.started)
    span.sampled, span.remote = header.is_sampled, not inside
    if inside and outer is not None:
        span.parent_id = outer.span_id
    elif header.parent is not None and (header is not own or header.is_sampled):
        span.parent_id = header.parent  # what Lambda doesn't record has no segment to hang below
    return span


def describe(span: Span, work: Work) -> None:
    """Give the span of an invocation or a batch item its name, kind and links, and what is known from the start."""
    it = work.scope.invocation
    item = work is not work.scope
    span.attributes, span.events = {}, []  # a copy of the span may have others
    source = _json.cut(it.trigger.source, _TEXT_MOST) if it.trigger.source else None
    conventions.describe(span, it.function, it.trigger.type, source, None if item else it.trigger.records)
    span.attributes["faas.invocation_id"] = it.invocation_id
    if item:
        said = {"messaging.message.id": _names.MESSAGE_ID, "lambda_guard.attempt": _names.ATTEMPT}
        span.attributes |= {name: work.keys[key] for name, key in said.items() if key in work.keys}
        span.links = list(_links_of_item(span, work))
        return
    span.links = list(_links(span, work.scope))
    span.attributes["faas.coldstart"] = it.cold_start
    conventions.invoked(span, function_arn(work.scope.context))


def end_work(span: Span, work: Work, outcome: str, error: BaseException | None, ended: float) -> Span:
    """Say what is known of an invocation or a batch item that has ended, and return its span.

    Args:
        span: its span.
        work: the invocation or the item.
        outcome: as in the invocation record.
        error: the exception, where there is one.
        ended: epoch seconds.
    """
    describe(span, work)
    span.attributes["lambda_guard.outcome"] = outcome
    span.end_at(ended)
    if work is work.scope:
        _say_of_outcome(span, work.scope)
    if error is not None:
        fail(span, error)
    elif outcome not in _names.NO_FAILURE:
        _fail_without_exception(span, work.scope, outcome)
    return span


def _say_of_outcome(span: Span, scope: Scope) -> None:
    if scope.http is not None:
        conventions.http(span, scope.http)
    if scope.batch is not None and scope.batch.failed:
        said = f"{scope.batch.failed} of {scope.batch.total} batch items failed"
        conventions.fail(span, _ITEM_FAILURES, said)


def _fail_without_exception(span: Span, scope: Scope, outcome: str) -> None:
    if outcome != _names.TIMEOUT:
        conventions.fail(span, _OTHER)
        return
    stack = scope.stuck.as_error()[_names.STACK] if scope.stuck is not None else ()
    conventions.failed(span, _names.TIMEOUT_TYPE, "ended after its deadline", "\n".join(stack))


def _links(span: Span, scope: Scope) -> Iterator[Link]:
    own = scope.invocation.trace
    if own is not None and own.parent is not None and hex_id(own.root) != span.trace_id:
        yield Link(hex_id(own.root), own.parent, {})
    for header, ids in scope.invocation.upstreams:
        if header is None or header.parent in (None, span.parent_id):
            continue
        if own is None or header.root != own.root:
            yield from _link(header, {"messaging.message.id": ids[0]} if len(ids) == 1 else {})


def _links_of_item(span: Span, item: Work) -> Iterator[Link]:
    outer: Span | None = item.scope.trace.span
    place: Place | None = item.place
    if place is not None and place.adopted and span.span_id == place.own_id:
        yield from _link(place.header, {})
    elif outer is not None and outer.trace_id != span.trace_id:
        yield Link(outer.trace_id, outer.span_id, {})


def _link(header: TraceHeader, said: dict[str, Any]) -> Iterator[Link]:
    if header.parent is not None:
        yield Link(hex_id(header.root), header.parent, said)


def end_call(span: Span, call: "Call", answer: object, error: BaseException | None) -> Span:
    """Say what is known of an AWS call, and return its span.

    Args:
        span: its span.
        call: the call.
        answer: the service's response, also that of an error; anything else where there is none.
        error: the exception, where there is one.
    """
    resource = call.resource()
    said = _json.cut(resource, _TEXT_MOST) if resource is not None else None
    span.name, span.attributes = conventions.call(call.service, call.operation, call.region, said)
    meta = answer.get("ResponseMetadata") if isinstance(answer, Mapping) else None
    meta = meta if isinstance(meta, Mapping) else {}
    known = {
        "aws.request_id": meta.get("RequestId"),
        "aws.extended_request_id": meta.get("HostId"),
        "http.response.status_code": meta.get("HTTPStatusCode"),
        "http.request.resend_count": meta.get("RetryAttempts") or None,
    }
    span.attributes |= {key: value for key, value in known.items() if type(value) in (str, int)}
    if error is not None:
        fail(span, error)
        refusal = answer.get("Error") if isinstance(answer, Mapping) else None
        code = refusal.get("Code") if isinstance(refusal, Mapping) else None
        if isinstance(code, str) and code:
            span.attributes["error.type"] = code
    return span


def fail(span: Span, error: BaseException) -> None:
    """Mark a span as failed by an exception, which isn't changed."""
    from ...failure import exceptions  # late: most functions never fail

    found = exceptions.fields(error)
    module, name = found[_names.STACK_TRACE][_names.MODULE], found[_names.EXCEPTION_NAME]
    kind = name if module == "builtins" else f"{_json.text(module)}.{name}"
    message = _json.cut(exceptions.message(error), _MESSAGE_MOST)
    conventions.failed(span, kind, message, _json.cut(found[_names.EXCEPTION], _STACK_MOST))
