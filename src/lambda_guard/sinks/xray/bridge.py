"""The bridge to the X-Ray SDK, and all that is known of it: imported where the user's code has imported that.

The user's subsegments hang below ours, whose entities are made when the SDK is asked for what is open.

The SDK's own Lambda context compares only the trace's Root with the variable, so that a retry of one trace in
a warm process hangs on the invocation before. And it stores entities per thread, in one list, so that threads
attach to the function and `asyncio.gather` confuses siblings. While an invocation is at work the recorder
therefore asks a context of ours, which keeps a stack in a context variable; otherwise it asks the context
that was there.
"""

import os
from contextvars import ContextVar
from threading import Lock
from time import time
from typing import Any, Final

from aws_xray_sdk import global_sdk_config
from aws_xray_sdk.core import xray_recorder
from aws_xray_sdk.core.context import Context
from aws_xray_sdk.core.models.facade_segment import FacadeSegment
from aws_xray_sdk.core.models.segment import Segment
from aws_xray_sdk.core.models.subsegment import Subsegment
from aws_xray_sdk.core.models.trace_header import TraceHeader as SdkHeader
from aws_xray_sdk.core.utils.atomic_counter import AtomicCounter

from ... import _names, _scope
from ...propagation.header import TraceHeader
from . import calls, document, emitter
from .calls import CallSpan
from .span import Span

Stack = tuple[Any, ...]

_making: Final = Lock()
_stack: ContextVar[Stack | None] = ContextVar("lambda_guard_entities", default=None)


class InvocationContext(Context):  # type: ignore[misc]  # the SDK has no types
    """Where the recorder finds the current entity: ours while an invocation is at work, else `inner`'s."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    def _entities(self) -> Stack | None:
        work = _scope.work()
        if work is None:
            return None
        base = _base(work.trace)
        if base is None and work is not work.scope:
            base = _base(work.scope.trace)  # an item that isn't recorded: what is around it
        if base is None:
            return None
        stack = _stack.get()
        if stack is None or stack[0] is not base[0]:
            stack = base
        return _with_calls(work.trace, stack)

    def get_trace_entity(self) -> Any:
        """Return what is on top here."""
        entities = self._entities()
        return self.inner.get_trace_entity() if entities is None else entities[-1]

    def set_trace_entity(self, trace_entity: Any) -> None:
        """Put another entity on top, in this task or thread."""
        entities = self._entities()
        if entities is None:
            self.inner.set_trace_entity(trace_entity)
        else:
            _stack.set((entities[0], trace_entity))

    def clear_trace_entities(self) -> None:
        """Forget what this task or thread has opened."""
        if self._entities() is None:
            self.inner.clear_trace_entities()
        else:
            _stack.set(None)

    def put_subsegment(self, subsegment: Any) -> None:
        """Open a subsegment below what is on top."""
        entities = self._entities()
        if entities is None:
            self.inner.put_subsegment(subsegment)
            return
        entities[-1].add_subsegment(subsegment)
        _stack.set((*entities, subsegment))

    def end_subsegment(self, end_time: float | None = None) -> bool:
        """Close what is on top; false where that is not the user's to close."""
        entities = self._entities()
        if entities is None:
            return bool(self.inner.end_subsegment(end_time))
        if isinstance(entities[-1], HandlerSubsegment) or not self._is_subsegment(entities[-1]):
            return False  # the user ends one more than was begun: the handler's own stays open
        entities[-1].close(end_time)
        _stack.set(entities[:-1])
        return True

    def put_segment(self, segment: Any) -> None:
        """Leave it to the context that was there: an invocation has its segment."""
        self.inner.put_segment(segment)

    def end_segment(self, end_time: float | None = None) -> None:
        """Do nothing while an invocation is at work: its segment is not the user's to close."""
        if self._entities() is None:
            self.inner.end_segment(end_time)

    def handle_context_missing(self) -> Any:
        """Do what the context that was there does."""
        return self.inner.handle_context_missing()

    @property
    def context_missing(self) -> Any:
        """What the context that was there does where nothing is open."""
        return self.inner.context_missing

    @context_missing.setter
    def context_missing(self, value: Any) -> None:
        self.inner.context_missing = value


def _fields(
    entity_id: str, name: str, trace_id: str, parent_id: str | None, started: float
) -> dict[str, Any]:
    """Return what the SDK's constructors set, in a tenth of the time, and by our clock."""
    return {
        "id": entity_id,
        "name": name,
        "trace_id": trace_id,
        "parent_id": parent_id,
        "start_time": started,
        "sampled": True,
        "in_progress": True,
        "http": {},
        "annotations": {},
        "metadata": {},
        "aws": {},
        "cause": {},
        "subsegments": [],
    }


class OurSubsegment(Subsegment):  # type: ignore[misc]  # the SDK has no types
    """A subsegment that we open."""

    def __init__(self, name: str, span_id: str, segment: Any, started: float, namespace: str) -> None:
        self.__dict__ = _fields(span_id, name, segment.trace_id, segment.id, started) | {
            "parent_segment": segment,
            "type": _names.SUBSEGMENT,
            "namespace": namespace,
            "sql": {},
        }


class HandlerSubsegment(OurSubsegment):
    """The handler's own, which isn't the user's to close."""


class _Origin:
    """What the SDK's own patches ask for whatever else the header holds that they send on: Lambda's `Lineage`."""

    def get_origin_trace_header(self) -> SdkHeader:
        return SdkHeader.from_header_str(os.environ.get(_names.ENV_TRACE_HEADER))


class AdoptedSegment(_Origin, Segment):  # type: ignore[misc]  # the SDK has no types
    """A segment of this function in an upstream trace."""

    def __init__(self, name: str, segment_id: str, header: TraceHeader, started: float) -> None:
        self.__dict__ = _fields(segment_id, name, header.root, header.parent, started) | {
            "user": None,
            "ref_counter": AtomicCounter(),
            "_subsegments_counter": AtomicCounter(),
        }


class FunctionSegment(_Origin, FacadeSegment):  # type: ignore[misc]  # the SDK has no types
    """Lambda's own segment of this invocation, which is only ever a parent."""

    def __init__(self, header: TraceHeader, started: float) -> None:
        self.__dict__ = _fields(header.parent or "", "facade", header.root, None, started) | {
            "initializing": False,
            "user": None,
            "ref_counter": _COUNTER,
            "_subsegments_counter": AtomicCounter(),
        }


_COUNTER: Final = AtomicCounter()  # a facade never counts its references


def ready() -> bool:
    """Put our context into the recorder; false where the SDK has been told not to record."""
    recorder = xray_recorder
    if type(recorder.context) is not InvocationContext:
        recorder.context = InvocationContext(recorder.context)
    emitter.ready()
    enabled: bool = global_sdk_config.sdk_enabled()
    return enabled


def _base(span: Any) -> Stack | None:
    """Return the entities of some work: Lambda's segment or, in an upstream trace, ours; and the subsegment below."""
    if not isinstance(span, Span) or not span.recorded:
        return None
    if span.made is None:
        with _making:
            if span.made is None:
                span.before = _stack.get()
                span.made = _made(span)
    return span.made


def _made(span: Span) -> tuple[Any, Any]:
    place, started = span.place, span.started
    segment: Any
    if place.adopted:
        function = document.name_of(span.scope.invocation.function) or "function"
        segment = AdoptedSegment(function, place.span_id, place.header, started)
        handler = HandlerSubsegment(span.name, span.below, segment, started, "local")
        segment.add_subsegment(handler)
    else:
        segment = FunctionSegment(place.header, started)
        handler = HandlerSubsegment(span.name, span.below, segment, started, "local")
        segment.subsegments.append(handler)
    return segment, handler


def _with_calls(span: Any, stack: Stack) -> Stack:
    """Return a stack with the AWS calls that are open here, made entities by now: the user's code is inside of one."""
    call, found = calls.innermost(span), []
    while call is not None and call.entity is None:
        if not call.is_over:
            found.append(call)
        call = call.above
    for each in reversed(found):
        each.entity = _entity(each, stack[0])
        stack[-1].add_subsegment(each.entity)
        stack = (*stack, each.entity)
    if found:
        _stack.set(stack)
    return stack


def _entity(call: CallSpan, segment: Any) -> OurSubsegment:
    found = OurSubsegment(call.call.endpoint, call.id, segment, call.started, _names.SEGMENT_AWS)
    found.aws = calls.given(call.call)
    return found


def give_back(span: Span) -> None:
    """Put back the entities from before an invocation, unless they are there."""
    current = _stack.get()
    if span.made is not None and current is not None and current[0] is span.made[0]:
        _stack.set(span.before)


def innermost(span: Span) -> Any:
    """Return the entity that the user's code has opened last in this task or thread; `None` for ours."""
    stack = _stack.get()
    if stack is None or span.made is None or stack[0] is not span.made[0]:
        return None
    return stack[-1] if stack[-1] is not span.made[1] else None


def begin_call(call: CallSpan, above: Any) -> None:
    """Open the subsegment of an AWS call below what the user's code has opened."""
    if not above.sampled:
        call.entity = xray_recorder.begin_subsegment(
            call.call.endpoint, namespace="aws"
        )  # it is sent nowhere
        return
    assert call.span.made is not None
    call.entity = _entity(call, call.span.made[0])
    xray_recorder.context.put_subsegment(call.entity)


def end_call(subsegment: Any, aws: dict[str, Any], more: dict[str, Any]) -> None:
    """Close the subsegment of an AWS call, and whatever was left open above it.

    Args:
        subsegment: the entity.
        aws: what is known of the call.
        more: the fields beside that.
    """
    subsegment.set_aws(aws)
    subsegment.http |= more.pop(_names.SEGMENT_HTTP, {})
    if (cause := more.pop(_names.SEGMENT_CAUSE, None)) is not None:
        subsegment.cause_document = cause
    vars(subsegment).update(more)
    context = xray_recorder.context
    entities = context._entities() or ()  # noqa: SLF001 - ours
    while subsegment in entities and subsegment.in_progress:
        xray_recorder.end_subsegment(time())
        if (after := context._entities() or ()) == entities:  # noqa: SLF001 - ours
            break
        entities = after
