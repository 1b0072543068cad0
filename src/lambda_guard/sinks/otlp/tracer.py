"""The tracer that writes OpenTelemetry's spans; all of an invocation's go out when it ends."""

import os
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from math import inf
from time import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from ... import _names
from ..._invocation import Outcome
from ..._scope import Scope, Work
from ...otlp import conventions
from ...otlp.span import CLIENT, Attributes, Span
from ...propagation.place import new_id
from ..tracer import Tracer
from . import bridge, spans

if TYPE_CHECKING:
    from ...propagation.calls import Call

_SPANS_MOST: Final = 500  # that wait for the end of an invocation; more are sent before it

_takers: Final[list[Callable[[Any], object]]] = []
_open: ContextVar["_OpenCall | None"] = ContextVar("lambda_guard_otlp_call", default=None)


class Sender(Protocol):
    """Sends spans."""

    def send(self, resource: Attributes, spans: list[Span], seconds: float) -> None:
        """Send spans of a resource, and take no longer than that; an `OSError` says what was lost, and why."""

    def reopen(self) -> None:
        """Renew what a copy of a snapshot can't use."""


def make(_: str) -> Tracer:
    """Return the tracer; what it needs for sending is made at once, since INIT has a full CPU.

    Raises:
        OSError: the address of the receiver isn't one.
    """
    bridge.watch()
    sampler = os.environ.get(_names.ENV_OTEL_SAMPLER, "").strip()
    return Otlp(_sender(os.environ), sampler)


def _sender(environ: Mapping[str, str]) -> Sender:
    if environ.get(_names.ENV_OTEL_ENDPOINT) or environ.get(_names.ENV_OTEL_TRACES_ENDPOINT):
        from .collector import Collector  # late: it imports what HTTP needs

        return Collector(environ)
    from .daemon import Daemon  # late: with a collector, there is none

    return Daemon(environ.get(_names.ENV_DAEMON_ADDRESS, ""))


def collect(take: Callable[[Any], object]) -> Callable[[], None]:
    """Pass every span to `take` instead of sending it, until the returned function is called; for tests."""
    _takers.append(take)
    return lambda: _takers.remove(take)


class _Ours:
    """The tracer's state for some work.

    Attributes:
        span: the work's own, until it has ended; `None` where its trace isn't recorded.
        bridged: the same as OpenTelemetry's own code sees it; `None` where the user's code has none.
        done: the spans of the invocation that have ended, and haven't been sent.
        over: whether the invocation is.
    """

    __slots__ = ("bridged", "done", "over", "span")

    def __init__(self, span: Span | None, done: list[Span]) -> None:
        self.span, self.done, self.over = span, done, False
        self.bridged: bridge.Bridged | None = None

    @property
    def is_theirs(self) -> bool:
        """Whether the user's SDK has made the span, and sends it."""
        return self.bridged is not None and self.bridged.made is not None


class _OpenCall(NamedTuple):
    """An AWS call without an answer yet, the work that makes it, and the call around it: botocore's for credentials."""

    span: Span
    work: Work
    around: "_OpenCall | None"
    bridged: bridge.Bridged | None

    @property
    def is_theirs(self) -> bool:
        """Whether the user's SDK has made the span, and sends it."""
        return self.bridged is not None and self.bridged.made is not None


class Otlp(Tracer):
    """One span for an invocation, a batch item and an AWS call.

    Args:
        sender: where spans go.
        sampler: `always_on`, `always_off`, or anything else for the decision that the trace came with.
    """

    sends_w3c = True

    def __init__(self, sender: Sender, sampler: str) -> None:
        self._sender = sender
        self._everything, self._nothing = sampler == "always_on", sampler == "always_off"
        self._resource: Attributes | None = None

    def restored(self) -> None:
        """Open the way to the receiver again."""
        self._sender.reopen()

    # --- Invocations and batch items ------------------------------------------------------------------------

    def enter(self, scope: Scope) -> None:
        """Begin the invocation's span, where its trace is recorded."""
        if not self._nothing:
            self._begin(scope, None, [])

    def leave(self, scope: Scope, outcome: Outcome) -> None:
        """End the invocation's span, and send what there is."""
        ours: _Ours | None = scope.trace
        if ours is None:
            return
        ours.over = True
        if ours.span is not None:
            span = spans.end_work(ours.span, scope, outcome.kind, outcome.error, outcome.ended)
            if not self._is_sent(ours, span):
                ours.done.append(span)
            if ours.bridged is None:
                bridge.forget(span)
        if ours.done:
            self._send(scope, ours.done)

    def begin_item(self, item: Work) -> None:
        """Begin the span of a batch item, in the trace that it came with."""
        outer: _Ours | None = item.scope.trace
        if outer is not None:
            item.recorded = True
            self._begin(item, outer.span, outer.done)

    def end_item(self, item: Work, error: BaseException | None, ended: float) -> None:
        """End the span of a batch item."""
        if item.trace is None:  # one that failed beyond those that are recorded
            self.begin_item(item)
        if item.trace is not None and item.trace.span is not None:
            outcome = _names.FAILURE if error is not None else _names.SUCCESS
            span = spans.end_work(item.trace.span, item, outcome, error, ended)
            if not self._is_sent(item.trace, span):
                self._add(item, span)

    def _begin(self, work: Work, outer: Span | None, done: list[Span]) -> None:
        """Begin the span of some work; where the user's SDK makes spans, it does, and its sampler decides."""
        theirs = bridge.provider()
        span = spans.of_work(work, outer, self._everything or theirs is not None)
        work.trace = ours = _Ours(span, done)
        place = work.place
        if span is None or place is None or not bridge.is_there():
            return
        spans.describe(span, work)
        ours.bridged = bridge.Bridged(span, place.header.parent, theirs)
        if ours.is_theirs:
            place.span_id = span.span_id  # the SDK has chosen it
            if not place.adopted:
                place.own_id = span.span_id

    @staticmethod
    def _is_sent(ours: _Ours, span: Span) -> bool:
        """End what OpenTelemetry's own code sees of a span; return whether it sends it."""
        if ours.bridged is not None:
            ours.bridged.end(span)
        return ours.is_theirs

    def warn(self, scope: Scope, outcome: Outcome) -> None:
        """Send what is open as if it ended now, and failed: the process may never get to send it.

        The complete spans, should the handler make it after all, have the same ids.
        """
        if scope.trace is None or scope.stuck is None:
            return
        from copy import copy  # late: time hardly ever runs out

        found = []
        for work in (scope, *tuple(scope.at_work or ())):
            if work.trace is None:  # beyond those that are recorded
                self.begin_item(work)
            if work.trace.span is not None and not work.trace.is_theirs:
                span = copy(work.trace.span)
                found.append(spans.end_work(span, work, outcome.kind, None, outcome.ended))
        in_flight = list(scope.aws.in_flight) if scope.aws is not None else []
        opened = [(call, call.span) for call in in_flight if call.span is not None]
        found += [
            spans.end_call(copy(each.span), call, None, None) for call, each in opened if not each.is_theirs
        ]
        error = scope.stuck.as_error()
        for span in found:
            span.events = []
            span.end_at(outcome.ended)
            stack = "\n".join(error[_names.STACK])
            conventions.failed(span, error[_names.TYPE], error[_names.MESSAGE], stack)
        if found:
            self._send(scope, found)

    # --- AWS calls ------------------------------------------------------------------------------------------

    def begin_call(self, work: Work, call: "Call") -> None:
        """Begin the span of an AWS call, in work that is recorded."""
        ours: _Ours | None = work.trace
        if ours is None or ours.span is None or bridge.is_botocore_instrumented():
            return
        parent = self.current_id(work) or ours.span.span_id
        span = Span(ours.span.trace_id, new_id(), parent, time())
        span.kind, span.sampled, span.remote = CLIENT, ours.span.sampled, False
        bridged = None
        if bridge.is_there():
            spans.end_call(span, call, None, None)  # its name, for a sampler of the SDK's
            bridged = bridge.Bridged(span, None, bridge.provider() if ours.is_theirs else None)
        call.span = _OpenCall(span, work, _open.get(), bridged)
        _open.set(call.span)

    def end_call(self, call: "Call", response: Mapping[str, Any] | None, error: BaseException | None) -> None:
        """End the span of an AWS call, with what the service said of it."""
        if call.span is None:
            return
        opened: _OpenCall = call.span
        _open.set(opened.around)
        opened.span.end_at(time())
        answer = response if response is not None else getattr(error, "response", None)
        span = spans.end_call(opened.span, call, answer, error)
        if opened.bridged is not None:
            opened.bridged.end(span)
        if not opened.is_theirs:
            self._add(opened.work, span)

    def current_id(self, work: Work) -> str | None:
        """Return the id of the span that is open here: the user's own, or an AWS call's."""
        ours: _Ours | None = work.trace
        if ours is not None and ours.span is not None:
            found = bridge.current_id(ours.span.trace_id)
            if found is not None:
                return found
        call = _open.get()
        return call.span.span_id if call is not None and call.work is work else None

    def is_header_overwritten(self) -> bool:
        """Return whether OpenTelemetry's instrumentation of botocore writes the header, without `Lineage`."""
        return bridge.is_botocore_instrumented()

    # --- Sending --------------------------------------------------------------------------------------------

    def _add(self, work: Work, span: Span) -> None:
        """Keep a span that has ended until its invocation ends; send it at once where that is over."""
        ours: _Ours = work.scope.trace
        if ours.over:
            self._send(work.scope, [span])
            return
        ours.done.append(span)
        if len(ours.done) >= _SPANS_MOST:
            found = ours.done[:]
            del ours.done[: len(found)]
            self._send(work.scope, found)

    def _send(self, scope: Scope, found: list[Span]) -> None:
        if _takers:
            for span in found:
                for take in _takers:
                    take(span)
            return
        if self._resource is None:
            it = scope.invocation
            self._resource = conventions.resource(
                it.function, it.version, scope.settings.service, scope.settings.memory_limit_mb, os.environ
            )
        deadline = scope.invocation.deadline
        self._sender.send(self._resource, found, inf if deadline is None else (deadline - time()) / 2)
