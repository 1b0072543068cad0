"""Records each AWS call: in the invocation record, with the messages that it sent, and in the trace, as a span."""

from collections.abc import Mapping
from time import perf_counter
from typing import Any

from . import _scope
from .propagation.calls import AwsCalls, Call


class Calls:
    """The observer of botocore's calls, for as long as the process lives."""

    def begin(self, call: Call) -> bool:
        """Notify the tracer; return false if no invocation is running."""
        work = _scope.work()
        if work is None:
            return False
        scope = work.scope
        if scope.tracer is not None:
            scope.tracer.begin_call(work, call)
            call.tracer = scope.tracer
        call.totals = _totals(scope)
        call.totals.in_flight[call] = perf_counter()  # last: if anything above fails, `end` is never called
        return True

    def presigned(self, call: Call) -> None:
        """Count a request that was signed for somebody else to send."""
        work = _scope.work()
        if work is not None:
            _totals(work.scope).count(call)

    def header(self) -> str | None:
        """Return the header that names the call's span, or whichever span is the innermost here."""
        work = _scope.work()
        return work.header() if work is not None else None

    def is_header_overwritten(self, call: Call) -> bool:
        """Return whether other code writes the HTTP header after us."""
        return call.tracer is not None and call.tracer.is_header_overwritten()

    def sends_w3c(self, call: Call) -> bool:
        """Return whether W3C's header goes with the request as well."""
        return call.tracer is not None and call.tracer.sends_w3c

    def end(self, call: Call, response: Mapping[str, Any] | None, error: BaseException | None) -> None:
        """Notify the tracer, count the call, and record the messages that it sent."""
        totals = call.totals  # of the invocation that has begun it, whichever is open by now
        took = 0.0
        if totals is not None:
            now = perf_counter()
            took = now - totals.in_flight.pop(call, now)  # first: whatever fails below, the call is over
        if call.tracer is not None:
            call.tracer.end_call(call, response, error)
        if totals is not None:
            is_answer = type(response) is dict or isinstance(response, Mapping)
            totals.count(call, response if is_answer else None, error, took)
            if response is not None and is_answer:
                from .propagation.sent import note_sent  # late: many functions call nothing

                note_sent(totals, call, response)


def _totals(scope: _scope.Scope) -> AwsCalls:
    if scope.aws is None:
        scope.aws = AwsCalls(unnamed=not scope.settings.call_resources)
    return scope.aws
