"""OpenTelemetry's own API and SDK, where the user's code has imported them: its spans nest below ours.

With the API alone, which records nothing, ours is the current span in OpenTelemetry's context. Where a provider of the
SDK's is set, ours is made with it, and the provider's exporters send it: we send nothing then. Nothing of
OpenTelemetry's is imported by us, and what we ask of it is its public API.
"""

import sys
from typing import Any, Final

from ... import _imports, _scope
from ...otlp import conventions
from ...otlp.span import Span

_TRACE: Final = "opentelemetry.trace"
_CONTEXT: Final = "opentelemetry.context"


def is_there() -> bool:
    """Return whether the user's code has imported OpenTelemetry's API."""
    return _TRACE in sys.modules


def provider() -> Any:
    """Return the provider of tracers that the user's code has set; `None` if it has set none."""
    if not is_there():
        return None
    found = sys.modules[_TRACE].get_tracer_provider()
    return None if type(found).__module__.startswith(_TRACE) else found


def is_botocore_instrumented() -> bool:
    """Return whether AWS calls are spans of the user's already, which the user's provider sends."""
    found = sys.modules.get("opentelemetry.instrumentation.botocore")
    instrumentor = getattr(found, "BotocoreInstrumentor", None)
    if instrumentor is None or provider() is None:
        return False
    return bool(instrumentor().is_instrumented_by_opentelemetry)


def current_id(trace_id: str) -> str | None:
    """Return the id of the user's span that is open here, if it belongs to this trace."""
    if not is_there():
        return None
    here = sys.modules[_TRACE].get_current_span().get_span_context()
    return f"{here.span_id:016x}" if here.span_id and f"{here.trace_id:032x}" == trace_id else None


class Bridged:
    """A span of ours as OpenTelemetry's code sees it, until `end`.

    Args:
        span: ours; its id becomes the SDK's, where that makes it.
        of_header: the parent in the header, for where `span` has none.
        theirs: what `provider` returned.

    Attributes:
        made: the SDK's span; `None` where ours is sent by us.
    """

    __slots__ = ("_token", "made")

    def __init__(self, span: Span, of_header: str | None, theirs: Any) -> None:
        trace = sys.modules[_TRACE]
        self.made: Any = None
        parent = span.parent_id or of_header
        if theirs is not None and parent:
            self.made = _made(trace, span, parent, theirs)
            there = self.made.get_span_context()
            span.trace_id, span.span_id = f"{there.trace_id:032x}", f"{there.span_id:016x}"
        shown = self.made if self.made is not None else _shown(trace, span, span.span_id)
        self._token: Any = sys.modules[_CONTEXT].attach(trace.set_span_in_context(shown))

    def end(self, span: Span | None) -> None:
        """Make the context what it was, and end the SDK's span, with what ours says."""
        if self._token is not None:
            sys.modules[_CONTEXT].detach(self._token)
        if self.made is None or span is None:
            return
        trace = sys.modules[_TRACE]
        self.made.update_name(span.name)
        self.made.set_attributes(span.attributes)
        for time, name, said in span.events:
            self.made.add_event(name, said, time)
        if span.failed:
            self.made.set_status(trace.Status(trace.StatusCode.ERROR, span.description or None))
        self.made.end(span.end)


def _made(trace: Any, span: Span, parent: str, theirs: Any) -> Any:
    """Return a span of the SDK's, below the user's own one here, or else below the header's."""
    here = trace.get_current_span().get_span_context()
    same = here.span_id and f"{here.trace_id:032x}" == span.trace_id
    links = [trace.Link(_context(trace, *each[:2], True, True), each.attributes) for each in span.links]
    return theirs.get_tracer(conventions.SCOPE["name"], conventions.SCOPE["version"]).start_span(
        span.name,
        None if same else trace.set_span_in_context(_shown(trace, span, parent)),
        kind=trace.SpanKind(span.kind - 1),
        attributes=span.attributes,
        links=links,
        start_time=span.start,
    )


def _shown(trace: Any, span: Span, span_id: str) -> Any:
    return trace.NonRecordingSpan(
        _context(trace, span.trace_id, span_id, span.sampled, span_id != span.span_id)
    )


def _context(trace: Any, trace_id: str, span_id: str, sampled: bool, remote: bool) -> Any:
    return trace.SpanContext(
        int(trace_id, 16), int(span_id, 16), remote, trace.TraceFlags(1 if sampled else 0)
    )


def watch() -> None:
    """Have the API see the span of an invocation, too, whose handler imports it."""
    _imports.when_imported(_TRACE, "trace.bridge", _imported)


def _imported(trace: Any) -> None:
    work = _scope.work()
    if work is not None and work.trace is not None and work.trace.span is not None:
        shown = _shown(trace, work.trace.span, work.trace.span.span_id)
        sys.modules[_CONTEXT].attach(trace.set_span_in_context(shown))


def forget(span: Span) -> None:
    """Make no span the current one, if an import in the handler made it ours: whoever attached it can't detach it."""
    if current_id(span.trace_id) == span.span_id:
        trace = sys.modules[_TRACE]
        sys.modules[_CONTEXT].attach(trace.set_span_in_context(trace.INVALID_SPAN))
