"""The documents of an invocation whose time is running out: it may never get to send its own.

They are sent as in progress and as faults. The complete ones, should the handler make it after all, have
the same ids and take their place: "send the complete segment to overwrite the in-progress segment".
https://docs.aws.amazon.com/xray/latest/devguide/xray-api-segmentdocuments.html
"""

import json
from typing import TYPE_CHECKING, Any

from ... import _scope
from ..._failsafe import attempt
from ..._invocation import Outcome
from . import document, span

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...propagation.inject import Call
    from .recorder import Stack


def send(name: str, scope: _scope.Scope, outcome: Outcome) -> None:
    """Send what is open: the invocation's own segments and subsegments, and the user's and AWS calls' below.

    The same goes for each record of a batch that is at work.

    Args:
        name: the handler's, as it stands in the trace.
        scope: of the invocation.
        outcome: a timeout.
    """
    if not span.is_recorder_there():
        return  # there is no time left to import the SDK
    error = scope.stuck.as_error()
    cause = document.cause_of_timeout(error["type"], error["message"], scope.stuck.stack)
    calls = {call.span.id: call for call in list(scope.in_flight or ()) if call.span is not None}
    if scope.trace is not None:
        _send_open(scope.trace.made, calls)
        for whole in span.documents(name, scope, outcome, cause):
            span.recorder().send(_unfinished(json.loads(whole) if isinstance(whole, str) else whole))
    for record in tuple(scope.at_work or ()):
        if record.span is not None:
            _send_open(record.span.made, calls)
            for each in record.span.documents(outcome.kind, cause, outcome.ended):
                span.recorder().send(_unfinished(each))


def _send_open(stack: "Stack | None", calls: "Mapping[str, Call]") -> None:
    for child in list(stack[1].subsegments) if stack is not None else ():
        found = attempt("trace.child", child.to_dict) if child.in_progress and child.sampled else None
        if found is not None:
            span.recorder().send(_open(found, calls))


def _open(found: dict[str, Any], calls: "Mapping[str, Call]") -> dict[str, Any]:
    """Mark what the user's code has begun and not ended; what it has ended inside is complete as it is."""
    found.pop("cause_document", None)
    if (call := calls.get(found["id"])) is not None:
        found["aws"] = {"operation": call.operation, "region": call.region}
    children = [
        _open(child, calls) if child.get("in_progress") else child for child in found.get("subsegments", ())
    ]
    return {**found, "fault": True, **({"subsegments": children} if children else {})}


def _unfinished(found: dict[str, Any]) -> dict[str, Any]:
    open_ = {key: value for key, value in found.items() if key not in ("end_time", "subsegments")}
    children = [_unfinished(child) for child in found.get("subsegments", ())]
    return {**open_, "in_progress": True, **({"subsegments": children} if children else {})}
