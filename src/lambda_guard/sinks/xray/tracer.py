"""The tracer that writes X-Ray documents, without the X-Ray SDK; where the user's code uses that, it's told of ours."""

import json
import os
import sys
from collections.abc import Callable, Mapping
from time import time
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ... import _names
from ..._failsafe import attempt
from ..._imports import when_imported
from ..._invocation import Outcome
from ..._scope import Scope, Work
from ..tracer import Tracer
from . import document, sending
from .span import ITEM, Span, is_sampled

if TYPE_CHECKING:
    from ...propagation.calls import AwsCalls, Call
    from .calls import CallSpan


class _Late:
    """The part for AWS calls: many functions make none."""

    calls: Any = None


def _calls() -> Any:
    if _Late.calls is None:
        from . import calls

        _Late.calls = calls
    return _Late.calls


class _Sdk:
    """The bridge to the X-Ray SDK, and how that sends, once the user's code has imported it."""

    bridge: Any = None
    emitter: Any = None


def make(handler: str) -> Tracer:
    """Return the tracer of a decorated handler; INIT has a full CPU, an invocation a fraction of one."""
    tracer = XRay(handler)
    if os.environ.get(_names.ENV_DAEMON_ADDRESS) and tracer.is_enabled:
        attempt("trace.install", sending.is_ready)
    if "botocore.client" in sys.modules:
        _calls()  # it will make some: the first one needn't wait
    if _Sdk.bridge is None:
        when_imported("aws_xray_sdk.core", "trace.bridge", _build_bridge)
    return tracer


def _build_bridge(_: ModuleType) -> None:
    from . import bridge, emitter  # late: they import the SDK

    emitter.collect()
    bridge.ready()
    _Sdk.bridge, _Sdk.emitter = bridge, emitter


def collect(take: Callable[[dict[str, Any]], object]) -> Callable[[], None]:
    """Pass every document to `take` instead of sending it, until the returned function is called; for tests."""
    stop_sending = sending.collect(take)

    def stop() -> None:
        stop_sending()
        if _Sdk.bridge is not None:
            _Sdk.emitter.collect()

    if _Sdk.bridge is not None:
        _Sdk.emitter.collect()
    return stop


def _send(content: dict[str, Any] | str) -> None:
    """Send a document: a dict, or JSON that is known to fit into a datagram."""
    if _Sdk.bridge is not None:
        _Sdk.emitter.send(content)  # the recorder's emitter may be the user's own
    elif isinstance(content, str):
        sending.send(content)
    else:
        for line in document.datagrams(content):
            attempt("trace.send", sending.send, line)


class XRay(Tracer):
    """Subsegments in the function's own trace, segments in those of its upstreams.

    Args:
        handler: the handler's name, in its subsegment `## <handler>`.
    """

    def __init__(self, handler: str) -> None:
        self.name = f"## {document.name_of(handler) or 'handler'}"
        self.is_enabled = sending.is_enabled()

    def _is_ready(self) -> bool:
        """Return whether documents can be sent, and the user's code hasn't told the SDK not to record."""
        return self.is_enabled and sending.is_ready() and (_Sdk.bridge is None or _Sdk.bridge.ready())

    def enter(self, scope: Scope) -> None:
        """Have what the handler traces by itself kept, where the trace is sampled."""
        place = scope.place
        if place is not None:
            recorded = is_sampled(place.header) and self._is_ready()
            scope.trace = Span(scope, place, self.name, scope.invocation.started, recorded)

    def leave(self, scope: Scope, outcome: Outcome) -> None:
        """Send the documents of an invocation that has ended."""
        span: Span | None = scope.trace
        if span is None:
            return
        span.is_fault = outcome.kind not in _names.NO_FAILURE or scope.is_server_error
        if scope.aws is not None:
            for call in _in_flight(
                scope.aws
            ):  # a thread's that outlives the handler: its end is sent when it comes
                _send(call.unfinished())
        if span.made is not None:
            _Sdk.bridge.give_back(span)
        elif span.recorded and not (span.is_fault or scope.invocation.upstreams):
            _send(span.plain(outcome.kind, outcome.ended))  # the usual, on the shortest way
            return
        self._send(span, outcome.kind, outcome.ended, outcome.error)

    def begin_item(self, item: Work) -> None:
        """Have what the handler traces by itself kept, where the item's trace is sampled."""
        place = item.place
        if place is not None:
            item.recorded = True
            recorded = is_sampled(place.header) and self._is_ready()
            item.trace = Span(item, place, ITEM, item.started, recorded)

    def end_item(self, item: Work, error: BaseException | None, ended: float) -> None:
        """Send the documents of an item that has ended."""
        if item.trace is None:  # one that failed beyond those that are recorded
            self.begin_item(item)
        span: Span | None = item.trace
        if span is None:
            return
        if error is None and (usual := span.plain_item(ended)) is not None:
            _send(usual)
        else:
            self._send(span, _names.FAILURE if error is not None else _names.SUCCESS, ended, error)

    def _send(self, span: Span, outcome: str, ended: float, error: BaseException | None) -> None:
        if not (span.recorded or is_sampled(span.scope.invocation.trace) or span.mirrored()):
            return
        if not span.recorded and not self._is_ready():
            return
        cause = document.cause(error) if error is not None else None
        if outcome == _names.TIMEOUT and cause is None:
            stack = span.scope.stuck.stack if span.scope.stuck is not None else []
            cause = document.cause_of_timeout(_names.TIMEOUT_TYPE, "ended after its deadline", stack)
        if span.made is not None and span.made[1].subsegments:
            for child in _Sdk.emitter.children(span.made):
                _send(child)
        for whole in span.documents(outcome, ended, cause):
            _send(whole)

    def restored(self) -> None:
        """Open the sockets to the daemon again: ours and the SDK's."""
        sending.renew()
        if _Sdk.bridge is not None:
            _Sdk.emitter.renew()

    # --- Time running out -----------------------------------------------------------------------------------

    def warn(self, scope: Scope, outcome: Outcome) -> None:
        """Send what is open, as in progress and as faults: the process may never get to send its own documents.

        The complete ones, should the handler make it after all, have the same ids and take their place: "send the
        complete segment to overwrite the in-progress segment".
        https://docs.aws.amazon.com/xray/latest/devguide/xray-api-segmentdocuments.html
        """
        if scope.stuck is None:
            return  # nothing was seen
        error = scope.stuck.as_error()
        cause = document.cause_of_timeout(error[_names.TYPE], error[_names.MESSAGE], scope.stuck.stack)
        for call in _in_flight(scope.aws) if scope.aws is not None else ():
            _send(call.unfinished(**{_names.SEGMENT_FAULT: True}))
        for work in (scope, *tuple(scope.at_work or ())):
            if work.trace is None and work is not scope:  # beyond those that are recorded
                self.begin_item(work)
            if work.trace is not None:
                if work.trace.made is not None:
                    for child in _Sdk.emitter.open_children(work.trace.made):
                        _send(child)
                for whole in work.trace.documents(outcome.kind, outcome.ended, cause):
                    _send(document.unfinished(json.loads(whole) if isinstance(whole, str) else whole))

    # --- AWS calls ------------------------------------------------------------------------------------------

    def begin_call(self, work: Work, call: "Call") -> None:
        """Open a subsegment for an AWS call, in work that is recorded; the SDK's own patch does that by itself."""
        span: Span | None = work.trace
        if span is None or not span.recorded or self.is_header_overwritten():
            return
        calls = _calls()
        above = _Sdk.bridge.innermost(span) if _Sdk.bridge is not None else None
        call.span = calls.begin(call, span)
        if above is not None:
            _Sdk.bridge.begin_call(call.span, above)

    def end_call(self, call: "Call", response: Mapping[str, Any] | None, error: BaseException | None) -> None:
        """Close the subsegment of an AWS call with what the service said of it."""
        found: CallSpan | None = call.span
        if found is None:
            return
        calls = _calls()
        calls.end(found)
        if found.entity is None:
            _send(found.document(response, error, time()))
        else:
            _Sdk.bridge.end_call(found.entity, *calls.facts(call, response, error))

    def current_id(self, work: Work) -> str | None:
        """Return the id of the subsegment that is innermost in this task or thread."""
        span: Span | None = work.trace
        if span is None or not span.recorded:
            return None
        entity = _Sdk.bridge.innermost(span) if _Sdk.bridge is not None else None
        if entity is not None:
            return entity.id if entity.sampled else None
        call = _calls().innermost(span)
        return call.id if call is not None else span.below

    def is_header_overwritten(self) -> bool:
        """Return whether the user had the SDK patch botocore."""
        patcher = sys.modules.get("aws_xray_sdk.core.patcher")
        return patcher is not None and "botocore" in patcher._PATCHED_MODULES  # noqa: SLF001 - it tells nobody


def _in_flight(calls: "AwsCalls") -> list["CallSpan"]:
    """Return the AWS calls that haven't been answered and aren't among the SDK's entities."""
    return [call.span for call in list(calls.in_flight) if call.span is not None and call.span.entity is None]
