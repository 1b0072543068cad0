"""The invocation's place in its trace: opened before the handler, closed after it.

Own trace: a subsegment `## handler` below Lambda's segment. Adopted trace: a segment of this function below the
sender's subsegment, with `_X_AMZN_TRACE_ID` naming it while the handler runs, besides the subsegment in the own trace.
Several upstream traces: a segment in each, for the time of the invocation.
"""

import os
import sys
from collections.abc import Iterator, Mapping
from threading import Lock
from typing import TYPE_CHECKING, Any

from ... import _json, _names, _scope
from ..._invocation import Invocation, Outcome
from ...propagation.header import TraceHeader
from . import document

if TYPE_CHECKING:
    from ...propagation.inject import Call
    from .recorder import Stack


class _Late:
    """The part that imports the X-Ray SDK: an unsampled function never needs it."""

    recorder: Any = None


def recorder() -> Any:
    """Return the part that knows the X-Ray SDK; imported on the first call.

    Raises:
        Exception: on the first call alone, whatever the import raises: it isn't tried again on each invocation.
    """
    if _Late.recorder is None:
        try:
            from . import recorder as loaded
        except Exception:
            _Late.recorder = _Unavailable
            raise
        _Late.recorder = loaded
    return _Late.recorder


class _Unavailable:
    """Stands for the recorder where the X-Ray SDK can't be imported (it refuses a malformed daemon address, too)."""

    @staticmethod
    def ready() -> bool:
        return False


def is_recorder_there() -> bool:
    """Whether the X-Ray SDK has been imported already."""
    return _Late.recorder not in (None, _Unavailable)


_making = Lock()


class Span:
    """What the trace sink keeps between the two ends of an invocation.

    The SDK's entities are made when somebody asks for them: most handlers never do, and they cost more than
    the document.

    Attributes:
        own_id: the id of the subsegment in the function's own trace.
        recorded: whether the work is sampled, so that the handler's own subsegments are kept.
        made: the segment and the subsegment that they hang below, once they have been asked for.
        before: the entities of the invocation around this one, if this one was called by its handler.
        mirrors: upstream trace → the id of the segment that this invocation has in it.
        variable: what `_X_AMZN_TRACE_ID` held, where it was changed; `changed` says whether it was.
    """

    __slots__ = ("_name", "_scope", "before", "changed", "made", "mirrors", "own_id", "recorded", "variable")

    def __init__(self, own_id: str, name: str, scope: _scope.Scope) -> None:
        self.own_id = own_id
        self.recorded = False
        self.made: Stack | None = None
        self.before: Stack | None = None
        self.mirrors: dict[str, str] | None = None
        self.changed = False
        self.variable: str | None = None
        self._name = name
        self._scope = scope

    @property
    def stack(self) -> "Stack | None":
        """The segment and the subsegment that the handler's own ones hang below; `None` where nothing is recorded."""
        if self.made is None and self.recorded:
            with _making:
                if self.made is None:
                    self.before = recorder().entities()
                    self.made = _make(self._scope, self._name)
        return self.made


def enter(name: str, scope: _scope.Scope) -> None:
    """Open the invocation's span.

    Args:
        name: the handler's, as it stands in the trace.
        scope: of the invocation.
    """
    it = scope.invocation
    header = it.adopted or it.trace
    if header is None:
        return
    scope.span_id = document.new_id()
    span = scope.trace = Span(scope.span_id if it.adopted is None else document.new_id(), name, scope)
    if it.adopted is not None:
        span.variable = os.environ.get(_names.ENV_TRACE_HEADER)
        span.changed = True
        os.environ[_names.ENV_TRACE_HEADER] = _with_own_lineage(it.adopted, it).text()
    if header.is_sampled and header.parent is not None:
        span.recorded = recorder().ready()


def _make(scope: _scope.Scope, name: str) -> "Stack | None":
    it, span_id = scope.invocation, scope.span_id
    header = it.adopted or it.trace
    if span_id is None or header is None or header.parent is None:
        return None
    if it.adopted is None:
        stack: Stack = recorder().own_stack(name, header.root, header.parent, span_id, it.started)
        return stack
    adopted: Stack = recorder().adopted_stack(
        name, it.function, header.root, header.parent, span_id, it.started
    )
    return adopted


def _with_own_lineage(header: TraceHeader, it: Invocation) -> TraceHeader:
    return header.with_lineage(it.trace.lineage if it.trace is not None else None)


def leave(scope: _scope.Scope, _: object = None) -> None:
    """Put back the environment as it was before the handler, whatever became of the rest."""
    span = scope.trace
    if span is None:
        return
    if span.made is not None:
        recorder().give_back(span.made, span.before)
    if not span.changed:
        return
    span.changed = False
    if span.variable is None:
        os.environ.pop(_names.ENV_TRACE_HEADER, None)
    else:
        os.environ[_names.ENV_TRACE_HEADER] = span.variable


def close(name: str, scope: _scope.Scope, outcome: Outcome) -> None:
    """Send the documents of an invocation that has ended."""
    it, span = scope.invocation, scope.trace
    if span is None or not (_is_own_sampled(it) or span.recorded or _mirrored(scope)):
        return
    xray = recorder()
    if not span.recorded and not xray.ready():
        return
    own, alone = it.trace, it.adopted is None and not it.upstreams
    if own is not None and alone and span.made is None and outcome.error is None:
        xray.send(_plain_subsegment(scope, outcome, name, own))  # the usual, on the shortest way
        return
    error = document.cause(outcome.error) if outcome.error is not None else None
    if span.made is not None and span.made[1].subsegments:
        for child in xray.children(span.made):
            xray.send(child)
    for whole in documents(name, scope, outcome, error):
        xray.send(whole)


def documents(
    name: str, scope: _scope.Scope, outcome: Outcome, error: dict[str, Any] | None
) -> "Iterator[dict[str, Any] | str]":
    """Yield the invocation's own documents: in the function's trace, the adopted one, and those that it works for."""
    it, span = scope.invocation, scope.trace
    stack = span.made if it.adopted is None else span.stack
    if it.adopted is not None and stack is not None:
        yield _adopted_segment(scope, outcome, error, stack)
    if _is_own_sampled(it):
        user = stack[1] if stack is not None and it.adopted is None else None
        yield _own_subsegment(scope, outcome, error, name, user)
    for header in _mirrored(scope):
        yield _mirror(scope, outcome, error, header)


def _is_own_sampled(it: Invocation) -> bool:
    return it.trace is not None and it.trace.is_sampled and it.trace.parent is not None


def _annotations(scope: _scope.Scope, outcome: Outcome) -> dict[str, Any]:
    it = scope.invocation
    return {
        "invocation_id": it.invocation_id,
        "service": scope.settings.service,
        "trigger": it.trigger.type,
        "cold_start": it.cold_start,
        "outcome": outcome.kind,
    }


def _own_subsegment(
    scope: _scope.Scope, outcome: Outcome, error: dict[str, Any] | None, name: str, user: Any
) -> "dict[str, Any] | str":
    it, span = scope.invocation, scope.trace
    own = it.trace
    assert own is not None
    upstreams = [it.adopted] if it.adopted is not None else _mirrored(scope)
    if not upstreams and error is None and (user is None or not _is_touched(user)):
        return _plain_subsegment(scope, outcome, name, own)
    found: dict[str, Any] = {
        "name": name,
        "id": span.own_id,
        "trace_id": own.root,
        "parent_id": own.parent,
        "type": "subsegment",
        "namespace": "local",
        "start_time": it.started,
        "end_time": outcome.ended,
        "annotations": _annotations(scope, outcome),
    }
    if upstreams:
        found["annotations"]["upstream_trace_id"] = upstreams[0].root  # holds one value; `links` has all
        found["links"] = [
            link(each.root, scope.span_id if it.adopted else _mirror_id(span, each.root))
            for each in upstreams
        ]
    if user is not None:
        add_users(found, user)
    return with_error(found, error)


def _plain_subsegment(scope: _scope.Scope, outcome: Outcome, name: str, own: TraceHeader) -> str:
    """The usual document as text, written on every invocation: an own trace, no error, nothing of the user's."""
    it, service = scope.invocation, scope.settings.service
    return (
        f'{{"name":{_json.quote(name)},"id":"{scope.trace.own_id}","trace_id":"{own.root}","parent_id":"{own.parent}",'
        f'"type":"subsegment","namespace":"local","start_time":{it.started!r},"end_time":{outcome.ended!r},'
        f'"annotations":{{"invocation_id":{_json.quote(it.invocation_id)},"service":{_json.quote(service)},'
        f'"trigger":"{it.trigger.type}","cold_start":{"true" if it.cold_start else "false"},'
        f'"outcome":"{outcome.kind}"}}}}'
    )


def _is_touched(entity: Any) -> bool:
    return bool(
        entity.annotations or entity.metadata or entity.aws or entity.http or entity.sql or entity.cause
    )


def add_users(found: dict[str, Any], entity: Any) -> None:
    """Add what the user's code has put on the handler's subsegment through the SDK."""
    own = found["annotations"]
    known = entity.to_dict()
    found.update(
        {
            key: value
            for key, value in known.items()
            if key in ("metadata", "aws", "http", "sql", "cause", "fault", "error", "throttle")
        }
    )
    found["annotations"] = {**(known.get("annotations") or {}), **own}


def _adopted_segment(
    scope: _scope.Scope, outcome: Outcome, error: dict[str, Any] | None, stack: Any
) -> dict[str, Any]:
    it = scope.invocation
    segment, handler = stack
    found: dict[str, Any] = {
        "name": it.function,
        "id": segment.id,
        "trace_id": segment.trace_id,
        "parent_id": segment.parent_id,
        "start_time": it.started,
        "end_time": outcome.ended,
        "annotations": _annotations(scope, outcome),
        "subsegments": [adopted_handler(handler, outcome.ended, error)],
    }
    if it.trace is not None:
        found["annotations"]["lambda_trace_id"] = it.trace.root
        found["links"] = [link(it.trace.root, scope.trace.own_id)]
    return with_error(found, error)


def adopted_handler(handler: Any, ended: float, error: dict[str, Any] | None) -> dict[str, Any]:
    """Return the handler's subsegment as a part of an adopted segment."""
    found: dict[str, Any] = {
        "name": handler.name,
        "id": handler.id,
        "namespace": "local",
        "start_time": handler.start_time,
        "end_time": ended,
        "annotations": {},
    }
    if _is_touched(handler):
        add_users(found, handler)
    return with_error({key: value for key, value in found.items() if value != {}}, error)


def _mirrored(scope: _scope.Scope) -> list[TraceHeader]:
    """Return one sampled header of each upstream trace that isn't the one worked for, 20 at most."""
    it = scope.invocation
    if (
        it.adopted is not None or not it.upstreams or scope.settings.each_record
    ):  # each record has its own segment
        return []
    found: dict[str, TraceHeader] = {}
    own = it.trace.root if it.trace is not None else None
    for header, _ in it.upstreams:
        if header is not None and header.is_sampled and header.parent is not None and header.root != own:
            found.setdefault(header.root, header)
            if len(found) == _names.UPSTREAMS_MOST:
                break
    return list(found.values())


def _mirror_id(span: Span, trace_id: str) -> str:
    """Return the same id each time, since the documents of a timeout are followed by those of the end."""
    if span.mirrors is None:
        span.mirrors = {}
    return span.mirrors.setdefault(trace_id, document.new_id())


def _mirror(
    scope: _scope.Scope, outcome: Outcome, error: dict[str, Any] | None, header: TraceHeader
) -> dict[str, Any]:
    it = scope.invocation
    found: dict[str, Any] = {
        "name": it.function,
        "id": _mirror_id(scope.trace, header.root),
        "trace_id": header.root,
        "parent_id": header.parent,
        "start_time": it.started,
        "end_time": outcome.ended,
        "annotations": _annotations(scope, outcome),
    }
    if it.trace is not None:
        found["annotations"]["lambda_trace_id"] = it.trace.root
        found["links"] = [link(it.trace.root, scope.trace.own_id if scope.trace else None)]
    return with_error(found, error)


def link(trace_id: str, span_id: str | None) -> dict[str, Any]:
    """Return an entry of a document's `links`, to a (sub)segment of another trace."""
    return {"trace_id": trace_id, **({"id": span_id} if span_id else {})}


def with_error(found: dict[str, Any], error: dict[str, Any] | None) -> dict[str, Any]:
    """Return a document with its `cause`, where there is one."""
    return {**found, "fault": True, "cause": error} if error is not None else found


def current_header() -> str | None:
    """Return the header that sends the current trace on: it names whatever is on top right now."""
    scope = _scope.current()
    if scope is None:
        return None
    it, record, header, parent = scope.invocation, _scope.record_of(scope), None, scope.span_id
    if record is not None and record.span is not None:
        header, parent = record.span.header, record.span.id
    else:
        header = it.adopted or it.trace
    if header is None or parent is None:
        return None
    span = _scope.span_of(scope)
    if span is not None and span.recorded:
        parent = recorder().current_id() or parent
    return TraceHeader(
        header.root, parent, header.sampled, it.trace.lineage if it.trace is not None else None
    ).text()


def is_botocore_patched() -> bool:
    """Return whether the user had the SDK patch botocore: its subsegments stand for calls then."""
    patcher = sys.modules.get("aws_xray_sdk.core.patcher")
    return patcher is not None and "botocore" in patcher._PATCHED_MODULES  # noqa: SLF001 - it tells nobody


_AWS_NAMES = {
    "QueueUrl": "queue_url",
    "TableName": "table_name",
    "TopicArn": "topic_arn",
    "FunctionName": "function_name",
    "Bucket": "bucket_name",
}


def begin_call(call: "Call") -> None:
    """Open a subsegment for an AWS call, in an invocation that is recorded."""
    scope = _scope.current()
    span = _scope.span_of(scope) if scope is not None else None
    if span is not None and span.recorded:
        call.span = recorder().begin_call(call.endpoint)


def end_call(call: "Call", response: Mapping[str, Any] | None, error: BaseException | None) -> None:
    """Close the subsegment of an AWS call with what the service said of it."""
    if call.span is None:
        return
    answer = response if response is not None else getattr(error, "response", None)
    meta = answer.get("ResponseMetadata") if isinstance(answer, Mapping) else None
    meta = meta if isinstance(meta, Mapping) else {}
    aws = {
        "operation": call.operation,
        "region": call.region,
        "request_id": meta.get("RequestId"),
        "retries": meta.get("RetryAttempts"),
        **{_AWS_NAMES[key]: value for key, value in call.params.items() if key in _AWS_NAMES},
    }
    recorder().end_call(
        call.span,
        {key: value for key, value in aws.items() if value is not None},
        meta.get("HTTPStatusCode"),
        document.cause(error) if error is not None else None,
    )
