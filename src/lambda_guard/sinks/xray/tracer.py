"""The tracer that writes X-Ray documents. The X-Ray SDK is imported where something is sampled, and not before."""

import json
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from ... import _names
from ..._failsafe import attempt
from ..._invocation import Outcome
from ..._scope import Scope, Work
from ..tracer import Tracer
from . import document
from .span import ITEM, Span, is_botocore_patched, is_recorder_there, is_sampled, recorder

if TYPE_CHECKING:
    from ...propagation.calls import Call

_NAME_MOST: Final = 180  # characters, with room for the prefix in the 200 that X-Ray takes
_NAME_CHARS: Final = frozenset(" _.:/%&#=+-@")  # besides letters and digits
# Under which X-Ray knows the parameters that name a resource, as the SDK writes them.
_RESOURCES: Final = {
    "QueueUrl": "queue_url",
    "TableName": "table_name",
    "TopicArn": "topic_arn",
    "FunctionName": "function_name",
    "Bucket": "bucket_name",
}


def make(handler: str) -> Tracer:
    """Return the tracer of a decorated handler; INIT has a full CPU, an invocation a fraction of one."""
    if os.environ.get(_names.ENV_DAEMON_ADDRESS):
        attempt("trace.install", _get_ready)
    return XRay(handler)


def _get_ready() -> None:
    recorder().ready()


def collect(take: Callable[[dict[str, Any]], object]) -> Callable[[], None]:
    """Hand every document to `take` instead of sending it, until the returned function is called; for tests."""
    stop: Callable[[], None] = recorder().collect(take)
    return stop


class XRay(Tracer):
    """Subsegments in the function's own trace, segments in those of its upstreams.

    Args:
        handler: the handler's name, in its subsegment `## <handler>`.
    """

    def __init__(self, handler: str) -> None:
        said = "".join(char for char in handler if char.isalnum() or char in _NAME_CHARS)
        self.name = f"## {said[:_NAME_MOST] or 'handler'}"

    def enter(self, scope: Scope) -> None:
        """Have what the handler traces by itself kept, where the trace is sampled."""
        place = scope.place
        if place is not None:
            header = place.header
            recorded = header.sampled == "1" and header.parent is not None and recorder().ready()
            scope.trace = Span(scope, scope, self.name, scope.invocation.started, recorded)

    def leave(self, scope: Scope, outcome: Outcome) -> None:
        """Send the documents of an invocation that has ended."""
        span: Span | None = scope.trace
        if span is None:
            return
        span.is_fault = outcome.kind not in _names.NO_FAILURE or scope.is_server_error
        if span.made is not None:
            recorder().give_back(span.made, span.before)
        elif span.recorded and not (span.is_fault or scope.invocation.upstreams):
            recorder().send(span.plain(outcome.kind, outcome.ended))  # the usual, on the shortest way
            return
        self._send(span, outcome.kind, outcome.ended, outcome.error)

    def begin_item(self, item: Work) -> None:
        """Have what the handler traces by itself kept, where the item's trace is sampled."""
        place = item.place
        if place is not None:
            item.recorded = True
            recorded = is_sampled(place.header) and recorder().ready()
            item.trace = Span(item, item.scope, ITEM, item.started, recorded)

    def end_item(self, item: Work, error: BaseException | None, ended: float) -> None:
        """Send the documents of an item that has ended."""
        if item.trace is None:  # one that failed beyond those that are recorded
            self.begin_item(item)
        if item.trace is not None:
            self._send(item.trace, _names.FAILURE if error is not None else _names.SUCCESS, ended, error)

    def _send(self, span: Span, outcome: str, ended: float, error: BaseException | None) -> None:
        if not (span.recorded or is_sampled(span.scope.invocation.trace) or span.mirrored()):
            return
        xray = recorder()
        if not span.recorded and not xray.ready():
            return
        cause = document.cause(error) if error is not None else None
        if outcome == _names.TIMEOUT and cause is None:
            stack = span.scope.stuck.stack if span.scope.stuck is not None else []
            cause = document.cause_of_timeout(_names.TIMEOUT_TYPE, "ended after its deadline", stack)
        if span.made is not None and span.made[1].subsegments:
            for child in xray.children(span.made):
                xray.send(child)
        for whole in span.documents(outcome, ended, cause):
            xray.send(whole)

    def restored(self) -> None:
        """Open the socket to the daemon again; what hasn't been imported has none."""
        if is_recorder_there():
            recorder().renew()

    # --- Time running out -----------------------------------------------------------------------------------

    def warn(self, scope: Scope, outcome: Outcome) -> None:
        """Send what is open, as in progress and as faults: the process may never get to send its own documents.

        The complete ones, should the handler make it after all, have the same ids and take their place: "send the
        complete segment to overwrite the in-progress segment".
        https://docs.aws.amazon.com/xray/latest/devguide/xray-api-segmentdocuments.html
        """
        if not is_recorder_there() or scope.stuck is None:
            return  # there is no time left to import the SDK, or nothing was seen
        error = scope.stuck.as_error()
        cause = document.cause_of_timeout(error[_names.TYPE], error[_names.MESSAGE], scope.stuck.stack)
        in_flight = list(scope.aws.in_flight) if scope.aws is not None else ()
        calls = {call.span.id: call for call in in_flight if call.span is not None}
        for work in (scope, *tuple(scope.at_work or ())):
            if work.trace is None and work is not scope:  # beyond those that are recorded
                self.begin_item(work)
            if work.trace is not None:
                _send_open(work.trace.made, calls)
                for whole in work.trace.documents(outcome.kind, outcome.ended, cause):
                    recorder().send(_unfinished(json.loads(whole) if isinstance(whole, str) else whole))

    # --- AWS calls ------------------------------------------------------------------------------------------

    def begin_call(self, work: Work, call: "Call") -> None:
        """Open a subsegment for an AWS call, in work that is recorded."""
        if work.trace is not None and work.trace.recorded:
            call.span = recorder().begin_call(call.endpoint)

    def end_call(self, call: "Call", response: Mapping[str, Any] | None, error: BaseException | None) -> None:
        """Close the subsegment of an AWS call with what the service said of it."""
        if call.span is None:
            return
        from ...propagation.called import resource_name  # late: it's there once a call is

        answer = response if response is not None else getattr(error, "response", None)
        meta = answer.get("ResponseMetadata") if isinstance(answer, Mapping) else None
        meta = meta if isinstance(meta, Mapping) else {}
        aws = {
            _names.OPERATION: call.operation,
            _names.SEGMENT_REGION: call.region,
            _names.SEGMENT_REQUEST_ID: meta.get("RequestId"),
            _names.SEGMENT_RETRIES: meta.get("RetryAttempts"),
            **{_RESOURCES[key]: resource_name(it) for key, it in call.params.items() if key in _RESOURCES},
        }
        recorder().end_call(
            call.span,
            {key: value for key, value in aws.items() if value is not None},
            meta.get("HTTPStatusCode"),
            document.cause(error) if error is not None else None,
        )

    def current_id(self, work: Work) -> str | None:
        """Return the id of the subsegment that is on top in this task or thread."""
        if work.trace is None or not work.trace.recorded:
            return None
        found: str | None = recorder().current_id()
        return found

    def is_header_overwritten(self) -> bool:
        """Return whether the user had the SDK patch botocore."""
        return is_botocore_patched()


def _send_open(stack: "tuple[Any, ...] | None", calls: "Mapping[str, Call]") -> None:
    for child in list(stack[1].subsegments) if stack is not None else ():
        found = attempt("trace.child", child.to_dict) if child.in_progress and child.sampled else None
        if found is not None:
            recorder().send(_open(found, calls))


def _open(found: dict[str, Any], calls: "Mapping[str, Call]") -> dict[str, Any]:
    """Mark what the user's code has begun and not ended; what it has ended inside is complete as it is."""
    found.pop("cause_document", None)
    if (call := calls.get(found[_names.SEGMENT_ID])) is not None:
        found[_names.SEGMENT_AWS] = {_names.OPERATION: call.operation, _names.SEGMENT_REGION: call.region}
    children = [
        _open(child, calls) if child.get(_names.SEGMENT_IN_PROGRESS) else child
        for child in found.get(_names.SEGMENT_SUBSEGMENTS, ())
    ]
    return {**found, _names.SEGMENT_FAULT: True, **_having(children)}


def _unfinished(found: dict[str, Any]) -> dict[str, Any]:
    gone = (_names.SEGMENT_END_TIME, _names.SEGMENT_SUBSEGMENTS)
    children = [_unfinished(child) for child in found.get(_names.SEGMENT_SUBSEGMENTS, ())]
    kept = {key: value for key, value in found.items() if key not in gone}
    return {**kept, _names.SEGMENT_IN_PROGRESS: True, **_having(children)}


def _having(children: list[dict[str, Any]]) -> dict[str, Any]:
    return {_names.SEGMENT_SUBSEGMENTS: children} if children else {}
