"""The X-Ray SDK, and all that is known of it: imported late, replaceable as a whole.

The SDK's own Lambda context compares only the trace's Root with the variable, so that a retry of one trace in
a warm process hangs on the invocation before. And it stores entities per thread, in one list, so that threads
attach to the function and `asyncio.gather` confuses siblings. While an invocation is at work the recorder
therefore asks a context of ours, which keeps a stack in a context variable; otherwise it asks the context
that was there.
"""

import os
from collections.abc import Callable
from contextvars import ContextVar
from time import time
from typing import Any, Final

from aws_xray_sdk import global_sdk_config
from aws_xray_sdk.core import xray_recorder
from aws_xray_sdk.core.context import Context
from aws_xray_sdk.core.emitters.udp_emitter import PROTOCOL_DELIMITER, PROTOCOL_HEADER, UDPEmitter
from aws_xray_sdk.core.models.facade_segment import FacadeSegment
from aws_xray_sdk.core.models.segment import Segment
from aws_xray_sdk.core.models.subsegment import Subsegment
from aws_xray_sdk.core.models.trace_header import TraceHeader as SdkHeader
from aws_xray_sdk.core.patcher import _PATCHED_MODULES
from aws_xray_sdk.core.utils.atomic_counter import AtomicCounter

from ... import _names, _scope
from ..._failsafe import attempt
from ...propagation.header import TraceHeader
from ...propagation.place import Place, new_id
from . import document

Stack = tuple[Any, ...]

_PROTOCOL: Final = f"{PROTOCOL_HEADER}{PROTOCOL_DELIMITER}"
_stack: ContextVar[Stack | None] = ContextVar("lambda_guard_entities", default=None)


class InvocationContext(Context):  # type: ignore[misc]  # the SDK has no types
    """Where the recorder finds the current entity: ours while an invocation is at work, else `inner`'s."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    def _entities(self) -> Stack | None:
        work = _scope.work()
        if work is None:
            return None
        base: Stack | None = work.trace.stack if work.trace is not None else None
        if base is None and work is not work.scope and work.scope.trace is not None:
            base = work.scope.trace.stack  # an item that isn't recorded: what is around it
        if base is None:
            return None
        stack = _stack.get()
        return stack if stack is not None and stack[0] is base[0] else base

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


class TrimmingEmitter(UDPEmitter):  # type: ignore[misc]  # the SDK has no types
    """The SDK's emitter, which loses a document over 64 KB whole, with documents that fit."""

    def send_entity(self, entity: Any) -> None:
        """Send an entity, or a document of ours, in as many datagrams as it takes."""
        attempt("trace.send", self._send, entity)

    def _send(self, entity: Any) -> None:
        content = entity.content if isinstance(entity, Prepared) else _finished(entity.to_dict(), time())
        for line in [content] if isinstance(content, str) else document.datagrams(content):
            self._send_data(_PROTOCOL + line)


class Prepared:
    """A document of ours, in the place where emitters expect an entity."""

    def __init__(self, content: "dict[str, Any] | str") -> None:
        self.content = content

    def to_dict(self) -> dict[str, Any]:
        """Return the document, as an entity would."""
        import json

        found: dict[str, Any] = json.loads(self.content) if isinstance(self.content, str) else self.content
        return found

    def serialize(self) -> str:
        """Return the document's JSON, cut to fit, for emitters that aren't ours."""
        return self.content if isinstance(self.content, str) else list(document.datagrams(self.content))[-1]


def ready() -> bool:
    """Put our context into the recorder; false where the SDK has been told not to record."""
    recorder = xray_recorder
    if type(recorder.context) is not InvocationContext:
        recorder.context = InvocationContext(recorder.context)
    if type(recorder.emitter) is UDPEmitter:
        recorder.emitter.__class__ = TrimmingEmitter
    elif type(recorder.emitter) is _Collector:  # outside Lambda, Powertools' Tracer switches the SDK off
        global_sdk_config.set_sdk_enabled(True)  # unless `AWS_XRAY_SDK_ENABLED` is set
    enabled: bool = global_sdk_config.sdk_enabled()
    return enabled


def renew() -> None:
    """Open the socket to the daemon again, unless the emitter is somebody else's kind."""
    emitter = xray_recorder.emitter
    if type(emitter) in (UDPEmitter, TrimmingEmitter):
        emitter._socket.close()  # noqa: SLF001 - the SDK never closes it
        UDPEmitter.__init__(emitter, f"{emitter.ip}:{emitter.port}")


def send(content: "dict[str, Any] | str") -> None:
    """Send one document of ours: a dict, or JSON that is known to fit into a datagram."""
    emitter = xray_recorder.emitter
    if type(emitter) is not TrimmingEmitter:
        emitter.send_entity(Prepared(content))
    elif type(content) is str:
        emitter._send_data(_PROTOCOL + content)  # noqa: SLF001 - the SDK's way to a datagram
    else:
        attempt("trace.send", _send_whole, emitter, content)


def _send_whole(emitter: Any, content: dict[str, Any]) -> None:
    for line in document.datagrams(content):
        emitter._send_data(_PROTOCOL + line)  # noqa: SLF001 - as above


def stack_of(place: Place, function: str, name: str, started: float) -> Stack:
    """Return the entities of some work: Lambda's segment or, in an upstream trace, ours; and the subsegment below."""
    segment: Any
    if place.adopted:
        segment = AdoptedSegment(function, place.span_id, place.header, started)
        handler = HandlerSubsegment(name, new_id(), segment, started, "local")
        segment.add_subsegment(handler)
    else:
        segment = FunctionSegment(place.header, started)
        handler = HandlerSubsegment(name, place.span_id, segment, started, "local")
        segment.subsegments.append(handler)
    return segment, handler


def entities() -> Stack | None:
    """Return the entities that are open here, of whichever invocation."""
    return _stack.get()


def give_back(stack: Stack, before: Stack | None) -> None:
    """Put back what `entities` gave before an invocation began, unless it is there."""
    current = _stack.get()
    if current is not None and current[0] is stack[0]:
        _stack.set(before)


def current_id() -> str | None:
    """Return the id of the entity that is on top in this task or thread."""
    entity = xray_recorder.get_trace_entity()
    return entity.id if entity is not None and entity.sampled else None


def begin_call(name: str) -> Any:
    """Open a subsegment for an AWS call, unless the user had the SDK patch botocore, and it does that by itself."""
    if "botocore" in _PATCHED_MODULES or not isinstance(xray_recorder.context, InvocationContext):
        return None
    above = xray_recorder.get_trace_entity()
    if above is None or not above.sampled:
        return xray_recorder.begin_subsegment(name, namespace="aws")  # one that is sent nowhere
    subsegment = OurSubsegment(name, new_id(), xray_recorder.current_segment(), time(), "aws")
    xray_recorder.context.put_subsegment(subsegment)
    return subsegment


def end_call(subsegment: Any, aws: dict[str, Any], status: int | None, error: dict[str, Any] | None) -> None:
    """Close the subsegment of an AWS call, and whatever was left open above it."""
    subsegment.set_aws(aws)
    if status is not None:
        subsegment.put_http_meta(_names.SEGMENT_STATUS, status)
    if error is not None:
        subsegment.cause_document = error
        if not (subsegment.__dict__.get(_names.ERROR) or subsegment.__dict__.get(_names.SEGMENT_THROTTLE)):
            subsegment.add_fault_flag()
    context = xray_recorder.context
    entities = context._entities() or ()  # noqa: SLF001 - ours
    while subsegment in entities and subsegment.in_progress:
        xray_recorder.end_subsegment(time())
        if (after := context._entities() or ()) == entities:  # noqa: SLF001 - ours
            break
        entities = after


def children(stack: Stack) -> list[dict[str, Any]]:
    """Return the documents of the subsegments below the handler's that haven't been sent.

    What is still open ends now, in the document only: the entity may be at work in a thread of the user's.
    """
    handler = stack[1]
    found = [attempt("trace.child", child.to_dict) for child in list(handler.subsegments) if child.sampled]
    return [_finished(document, time()) for document in found if document]


def _finished(found: dict[str, Any], now: float) -> dict[str, Any]:
    if found.pop(_names.SEGMENT_IN_PROGRESS, False):
        found[_names.SEGMENT_END_TIME] = now
    if (error := found.pop("cause_document", None)) is not None:
        found[_names.SEGMENT_CAUSE] = error
    for child in found.get(_names.SEGMENT_SUBSEGMENTS, ()):
        _finished(child, now)
    return found


class _Collector(TrimmingEmitter):
    """Hands documents to a function instead of a daemon, as they would have gone out."""

    def __init__(self, take: Callable[[dict[str, Any]], object]) -> None:
        self._take = take

    def _send_data(self, data: str) -> None:
        import json

        self._take(json.loads(data.split(PROTOCOL_DELIMITER, 1)[1]))


def collect(take: Callable[[dict[str, Any]], object]) -> Callable[[], None]:
    """Hand every document to `take` instead of sending it, until the returned function is called; for tests."""
    before, enabled = xray_recorder.emitter, global_sdk_config.sdk_enabled()
    xray_recorder.emitter = _Collector(take)

    def stop() -> None:
        xray_recorder.emitter = before
        global_sdk_config.set_sdk_enabled(enabled)

    return stop
