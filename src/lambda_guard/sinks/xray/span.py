"""What X-Ray is told of some work, an invocation or an item of its batch: a document in each trace that it is part of.

Own trace: a subsegment below Lambda's segment. Adopted trace: a segment of this function below the sender's subsegment,
besides the subsegment in the own trace. Several upstream traces: a segment in each, for the time of the invocation.
"""

import sys
from collections.abc import Iterator
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from ... import _json, _names
from ..._scope import Scope, Work
from ...propagation.header import TraceHeader
from ...propagation.place import new_id

if TYPE_CHECKING:
    from .recorder import Stack

_USERS: Final = (
    _names.SEGMENT_METADATA, _names.SEGMENT_AWS, _names.SEGMENT_HTTP, _names.SEGMENT_SQL, _names.SEGMENT_CAUSE,
    _names.SEGMENT_FAULT, _names.ERROR, _names.SEGMENT_THROTTLE,
)  # fmt: skip
ITEM: Final = "record"  # the name of an item's subsegment
_making: Final = Lock()


class _Late:
    """The part that imports the X-Ray SDK: an unsampled function never needs it."""

    recorder: Any = None


class _Unavailable:
    """Stands for the recorder where the X-Ray SDK can't be imported (it refuses a malformed daemon address, too)."""

    @staticmethod
    def ready() -> bool:
        return False


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


def is_recorder_there() -> bool:
    """Whether the X-Ray SDK has been imported already."""
    return _Late.recorder not in (None, _Unavailable)


def is_botocore_patched() -> bool:
    """Return whether the user had the SDK patch botocore: its subsegments stand for calls then."""
    patcher = sys.modules.get("aws_xray_sdk.core.patcher")
    return patcher is not None and "botocore" in patcher._PATCHED_MODULES  # noqa: SLF001 - it tells nobody


def is_sampled(header: TraceHeader | None) -> bool:
    """Whether work for this trace is recorded: X-Ray has a place for it and wants it."""
    return header is not None and header.is_sampled and header.parent is not None


class Span:
    """The tracer's state for some work.

    The SDK's entities are made when somebody asks for them: most handlers never do, and they cost more than
    the document.

    Attributes:
        work: an invocation, or an item of its batch; `scope` is that of the invocation.
        name: of its subsegment.
        started: epoch seconds.
        recorded: whether its trace is sampled, so that the handler's own subsegments are kept.
        made: the segment and the subsegment that they hang below, once they have been asked for.
        before: the entities of the invocation around this one, if this one was called by its handler.
        is_fault: whether the invocation failed, also without an exception: it may have answered with a server error.
        mirrors: upstream trace → the id of the segment that this invocation has in it.
    """

    __slots__ = ("before", "is_fault", "made", "mirrors", "name", "recorded", "scope", "started", "work")

    def __init__(self, work: Work, scope: Scope, name: str, started: float, recorded: bool) -> None:
        self.work = work
        self.scope = scope
        self.name = name
        self.started = started
        self.recorded = recorded
        self.is_fault = False
        self.made: Stack | None = None
        self.before: Stack | None = None
        self.mirrors: dict[str, str] | None = None

    @property
    def stack(self) -> "Stack | None":
        """The segment and the subsegment that the handler's own ones hang below; `None` where nothing is recorded."""
        if self.made is None and self.recorded:
            with _making:
                if self.made is None:
                    self.before = recorder().entities()
                    function = self.scope.invocation.function
                    self.made = recorder().stack_of(self.work.place, function, self.name, self.started)
        return self.made

    def documents(
        self, outcome: str, ended: float, cause: dict[str, Any] | None
    ) -> Iterator[dict[str, Any] | str]:
        """Yield the work's own documents: in the trace that it adopted, in the function's, and in those that it serves.

        Args:
            outcome: of the work.
            ended: epoch seconds.
            cause: X-Ray's, where it failed.
        """
        place, own = self.work.place, self.scope.invocation.trace
        assert place is not None
        if self.recorded and place.adopted:
            yield self._ended(
                self._segment(place.header, place.span_id, outcome, ended, self._handler(ended, cause)), cause
            )
        mirrored = self.mirrored() if self.work is self.scope else []
        if is_sampled(own):
            yield self._own(outcome, ended, cause, [place.header] if place.adopted else mirrored)
        for header in mirrored:
            yield self._ended(self._segment(header, self._mirror_id(header.root), outcome, ended, []), cause)

    def _handler(self, ended: float, cause: dict[str, Any] | None) -> list[dict[str, Any]]:
        """Return the handler's subsegment of an adopted segment; an item has one where it was asked for."""
        stack = self.stack if self.work is self.scope else self.made
        if stack is None:
            return []
        handler = stack[1]
        found: dict[str, Any] = {
            _names.SEGMENT_NAME: handler.name,
            _names.SEGMENT_ID: handler.id,
            _names.SEGMENT_NAMESPACE: "local",
            _names.SEGMENT_START_TIME: handler.start_time,
            _names.SEGMENT_END_TIME: ended,
        }
        return [self._ended(_with_users(found, handler), cause)]

    def _segment(
        self, header: TraceHeader, span_id: str, outcome: str, ended: float, subsegments: list[dict[str, Any]]
    ) -> dict[str, Any]:
        """Return the segment of this function in an upstream trace."""
        it, place = self.scope.invocation, self.work.place
        found = self._document(it.function, span_id, header, outcome, ended)
        if subsegments:
            found[_names.SEGMENT_SUBSEGMENTS] = subsegments
        if it.trace is not None and place is not None:
            found[_names.SEGMENT_ANNOTATIONS][_names.LAMBDA_TRACE_ID] = it.trace.root
            found[_names.SEGMENT_LINKS] = [_link(it.trace.root, place.own_id)]
        return found

    def _own(
        self, outcome: str, ended: float, cause: dict[str, Any] | None, upstreams: list[TraceHeader]
    ) -> dict[str, Any] | str:
        """Return the subsegment in the function's own trace."""
        place = self.work.place
        assert place is not None
        users = self.made[1] if self.made is not None and not place.adopted else None
        found = self._document(self.name, place.own_id, self._above(), outcome, ended)
        found |= {_names.SEGMENT_TYPE: _names.SUBSEGMENT, _names.SEGMENT_NAMESPACE: "local"}
        if upstreams:
            found[_names.SEGMENT_ANNOTATIONS][_names.UPSTREAM_TRACE] = upstreams[
                0
            ].root  # one value; `links` has all
            found[_names.SEGMENT_LINKS] = [_link(each.root, self._id_in(each)) for each in upstreams]
        return self._ended(found if users is None else _with_users(found, users), cause)

    def _above(self) -> TraceHeader:
        """Return the place below which the own subsegment hangs: Lambda's segment, or the invocation's subsegment."""
        scope = self.scope
        own = scope.invocation.trace
        assert own is not None
        item = self.work is not scope and scope.place is not None
        return own.with_parent(scope.place.own_id) if item and scope.place is not None else own

    def _id_in(self, upstream: TraceHeader) -> str | None:
        """Return the id of the work in an upstream trace; its sender's, where that isn't sampled."""
        place = self.work.place
        assert place is not None
        if not place.adopted:
            return self._mirror_id(upstream.root)
        return place.span_id if self.recorded or self.work is self.scope else upstream.parent

    def plain(self, outcome: str, ended: float) -> str:
        """Return the usual document as text, written on every invocation."""
        scope = self.scope
        it, place, own = scope.invocation, scope.place, scope.invocation.trace
        assert place is not None
        assert own is not None
        return (
            f"{_NAME}{_json.quote(self.name)}{_ID}{place.own_id}{_TRACE}{own.root}{_PARENT}{own.parent}"
            f"{_START}{it.started!r}{_END}{ended!r}{_INVOCATION}{_json.quote(it.invocation_id)}"
            f"{_SERVICE}{_json.quote(scope.settings.service)}{_TRIGGER}{it.trigger.type}"
            f'{_COLD if it.cold_start else _WARM}{outcome}"}}}}'
        )

    def mirrored(self) -> list[TraceHeader]:
        """Return one sampled header of each upstream trace that isn't the one worked for, 20 at most."""
        scope, it = self.scope, self.scope.invocation
        if it.adopted is not None or not it.upstreams or scope.settings.each_record:
            return []  # each item has its own segment
        found: dict[str, TraceHeader] = {}
        own = it.trace.root if it.trace is not None else None
        for header, _ in it.upstreams:
            if header is not None and is_sampled(header) and header.root != own:
                found.setdefault(header.root, header)
                if len(found) == _names.UPSTREAMS_MOST:
                    break
        return list(found.values())

    def _mirror_id(self, trace_id: str) -> str:
        """Return the same id each time, since the documents of a timeout are followed by those of the end."""
        if self.mirrors is None:
            self.mirrors = {}
        return self.mirrors.setdefault(trace_id, new_id())

    def _document(
        self, name: str, span_id: str, at: TraceHeader, outcome: str, ended: float
    ) -> dict[str, Any]:
        scope, keys = self.scope, self.work.keys
        it = scope.invocation
        about = (_names.COLD_START,) if self.work is scope else (_names.MESSAGE_ID, _names.ATTEMPT)
        return {
            _names.SEGMENT_NAME: name,
            _names.SEGMENT_ID: span_id,
            _names.SEGMENT_TRACE_ID: at.root,
            _names.SEGMENT_PARENT_ID: at.parent,
            _names.SEGMENT_START_TIME: self.started,
            _names.SEGMENT_END_TIME: ended,
            _names.SEGMENT_ANNOTATIONS: {
                _names.INVOCATION_ID: it.invocation_id,
                _names.SERVICE: scope.settings.service,
                _names.TRIGGER: it.trigger.type,
                _names.OUTCOME: outcome,
                **{key: keys[key] for key in about if key in keys},
            },
        }

    def _ended(self, found: dict[str, Any], cause: dict[str, Any] | None) -> dict[str, Any]:
        """Return a document that says whether the work failed.

        A server error is a fault, too: https://docs.aws.amazon.com/xray/latest/devguide/xray-api-segmentdocuments.html
        """
        if cause is not None:
            return {**found, _names.SEGMENT_FAULT: True, _names.SEGMENT_CAUSE: cause}
        return {**found, _names.SEGMENT_FAULT: True} if self.is_fault else found


_NAME: Final = f'{{"{_names.SEGMENT_NAME}":'
_ID: Final = f',"{_names.SEGMENT_ID}":"'
_TRACE: Final = f'","{_names.SEGMENT_TRACE_ID}":"'
_PARENT: Final = f'","{_names.SEGMENT_PARENT_ID}":"'
_KIND: Final = f'"{_names.SEGMENT_TYPE}":"{_names.SUBSEGMENT}","{_names.SEGMENT_NAMESPACE}":"local"'
_START: Final = f'",{_KIND},"{_names.SEGMENT_START_TIME}":'
_END: Final = f',"{_names.SEGMENT_END_TIME}":'
_INVOCATION: Final = f',"{_names.SEGMENT_ANNOTATIONS}":{{"{_names.INVOCATION_ID}":'
_SERVICE: Final = f',"{_names.SERVICE}":'
_TRIGGER: Final = f',"{_names.TRIGGER}":"'
_COLD: Final = f'","{_names.COLD_START}":true,"{_names.OUTCOME}":"'
_WARM: Final = f'","{_names.COLD_START}":false,"{_names.OUTCOME}":"'


def _is_touched(entity: Any) -> bool:
    return bool(
        entity.annotations or entity.metadata or entity.aws or entity.http or entity.sql or entity.cause
    )


def _with_users(found: dict[str, Any], entity: Any) -> dict[str, Any]:
    """Return a document with what the user's code has put on the handler's subsegment through the SDK."""
    if not _is_touched(entity):
        return found
    known = entity.to_dict()
    annotations = {
        **(known.get(_names.SEGMENT_ANNOTATIONS) or {}),
        **found.get(_names.SEGMENT_ANNOTATIONS, {}),
    }
    users = {key: value for key, value in known.items() if key in _USERS}
    return {**found, **users, **({_names.SEGMENT_ANNOTATIONS: annotations} if annotations else {})}


def _link(trace_id: str, span_id: str | None) -> dict[str, Any]:
    """Return an entry of a document's `links`, to a (sub)segment of another trace."""
    return {_names.SEGMENT_TRACE_ID: trace_id, **({_names.SEGMENT_ID: span_id} if span_id else {})}
