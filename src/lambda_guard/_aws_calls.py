"""What is noted of each AWS call: for the invocation record what was called and sent on, for the trace a subsegment."""

import time
from collections.abc import Mapping
from typing import Any

from . import _names, _scope
from .propagation import calls
from .propagation.header import parse
from .propagation.inject import Call
from .sinks.xray import span


class Calls:
    """The observer of botocore's calls, for as long as the process lives."""

    def begin(self, call: Call) -> bool:
        """Open the call's subsegment; false where no invocation is at work."""
        scope = _scope.current()
        if scope is None:
            return False
        span.begin_call(call)
        if scope.in_flight is None:
            scope.in_flight = {}
        scope.in_flight[call] = time.perf_counter()  # last: should it fail above, nobody will end the call
        return True

    def header(self) -> str | None:
        """Return the header that names the call's subsegment, or whatever else is on top."""
        return span.current_header()

    def is_overwritten(self) -> bool:
        """Return whether the user had the X-Ray SDK patch botocore."""
        return span.is_botocore_patched()

    def end(self, call: Call, response: Mapping[str, Any] | None, error: BaseException | None) -> None:
        """Close the call's subsegment; count the call; note what it sent on."""
        scope = _scope.current()
        if scope is not None and scope.in_flight is not None:
            scope.in_flight.pop(call, None)  # first: whatever fails below, the call is over
        span.end_call(call, response, error)
        if scope is None:
            return
        _count(scope, call, failed=error is not None)
        if isinstance(response, Mapping):
            _note_sent(scope, call, response)


def _count(scope: _scope.Scope, call: Call, *, failed: bool) -> None:
    counts = scope.calls
    if counts is None:
        counts = scope.calls = {}
    for resource in calls.resources(call.service, call.params):
        key = (call.service, call.operation, resource)
        if key not in counts and len(counts) >= _names.CALLS_MOST:
            scope.calls_more += 1
            continue
        count = counts.setdefault(key, [0, 0])
        count[0] += 1
        count[1] += failed


def _note_sent(scope: _scope.Scope, call: Call, response: Mapping[str, Any]) -> None:
    header = parse(call.header) if call.header else None
    for target, message_id in calls.sent(call.service, call.operation, call.params, response):
        if scope.sent is None:
            scope.sent = []
        if len(scope.sent) >= _names.SENT_MOST:
            scope.sent_more += 1
            continue
        entry = {
            "service": call.service,
            "operation": call.operation,
            "target": target,
            "message_id": message_id,
        }
        if header is not None and header.parent is not None:
            entry["span_id"] = header.parent
        scope.sent.append(entry)
