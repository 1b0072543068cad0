"""What X-Ray is told of some work, an invocation or an item of its batch: a document in each trace that it is part of.

Own trace: a subsegment below Lambda's segment. Adopted trace: a segment of this function below the sender's subsegment,
besides the subsegment in the own trace. Several upstream traces: a segment in each, for the time of the invocation.
"""

from collections.abc import Iterator
from typing import Any, Final

from ... import _json, _names
from ..._scope import Work
from ...propagation.header import TraceHeader
from ...propagation.place import Place, new_id
from . import document

_USERS: Final = (
    _names.SEGMENT_METADATA, _names.SEGMENT_AWS, _names.SEGMENT_HTTP, _names.SEGMENT_SQL, _names.SEGMENT_CAUSE,
    _names.SEGMENT_FAULT, _names.ERROR, _names.SEGMENT_THROTTLE,
)  # fmt: skip
ITEM: Final = "record"  # the name of an item's subsegment


def is_sampled(header: TraceHeader | None) -> bool:
    """Whether work for this trace is recorded: X-Ray has a place for it and wants it."""
    return header is not None and header.is_sampled and header.parent is not None


class Span:
    """The tracer's state for some work.

    Attributes:
        work: an invocation, or an item of its batch; `scope` is that of the invocation.
        place: of the work in its trace.
        name: of its subsegment.
        started: epoch seconds.
        recorded: whether its trace is sampled, so that the handler's own subsegments are kept.
        handler_id: of the subsegment that they hang below; in an adopted trace it is inside of our segment.
        is_parent: whether anything hangs below it.
        made: that segment and subsegment as the X-Ray SDK's entities, once the user's code has asked it for them.
        before: the SDK's entities of the invocation around this one, if this one was called by its handler.
        is_fault: whether the invocation failed, also without an exception: it may have answered with a server error.
        mirrors: upstream trace → the id of the segment that this invocation has in it.
        of_items: of an invocation, what the usual documents of its items have in common.
    """

    __slots__ = (
        "before", "handler_id", "is_fault", "is_parent", "made", "mirrors", "name", "of_items", "place", "recorded",
        "scope", "started", "work",
    )  # fmt: skip

    def __init__(self, work: Work, place: Place, name: str, started: float, recorded: bool) -> None:
        self.work = work
        self.place = place
        self.scope = work.scope
        self.name = name
        self.started = started
        self.recorded = recorded
        self.is_fault = self.is_parent = False
        self.handler_id = new_id() if place.adopted else place.span_id
        self.made: tuple[Any, Any] | None = None
        self.before: tuple[Any, ...] | None = None
        self.mirrors: dict[str, str] | None = None
        self.of_items: tuple[str, str] | None = None

    @property
    def below(self) -> str:
        """The id of the subsegment that the handler's own ones and those of AWS calls hang below."""
        self.is_parent = True
        return self.handler_id

    @property
    def trace_id(self) -> str:
        """The trace that the work belongs to."""
        return self.place.header.root

    def documents(
        self, outcome: str, ended: float, cause: dict[str, Any] | None
    ) -> Iterator[dict[str, Any] | str]:
        """Yield the work's own documents: in the trace that it adopted, in the function's, and in those that it serves.

        Args:
            outcome: of the work.
            ended: epoch seconds.
            cause: X-Ray's, where it failed.
        """
        place, own = self.place, self.scope.invocation.trace
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
        """Return the handler's subsegment of an adopted segment; an item has one where something hangs below it."""
        if not self.is_parent and self.work is not self.scope:
            return []
        found: dict[str, Any] = {
            _names.SEGMENT_NAME: self.name,
            _names.SEGMENT_ID: self.handler_id,
            _names.SEGMENT_NAMESPACE: "local",
            _names.SEGMENT_START_TIME: self.started,
            _names.SEGMENT_END_TIME: ended,
        }
        return [self._ended(found if self.made is None else _with_users(found, self.made[1]), cause)]

    def _segment(
        self, header: TraceHeader, span_id: str, outcome: str, ended: float, subsegments: list[dict[str, Any]]
    ) -> dict[str, Any]:
        """Return the segment of this function in an upstream trace."""
        it = self.scope.invocation
        found = self._document(document.name_of(it.function) or "function", span_id, header, outcome, ended)
        if subsegments:
            found[_names.SEGMENT_SUBSEGMENTS] = subsegments
        if it.trace is not None:
            found[_names.SEGMENT_ANNOTATIONS][_names.LAMBDA_TRACE_ID] = it.trace.root
            found[_names.SEGMENT_LINKS] = [_link(it.trace.root, self.place.own_id)]
        return found

    def _own(
        self, outcome: str, ended: float, cause: dict[str, Any] | None, upstreams: list[TraceHeader]
    ) -> dict[str, Any] | str:
        """Return the subsegment in the function's own trace."""
        place = self.place
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
        place = self.place
        if not place.adopted:
            return self._mirror_id(upstream.root)
        return place.span_id if self.recorded or self.work is self.scope else upstream.parent

    def plain(self, outcome: str, ended: float) -> str:
        """Return the usual document as text, written on every invocation."""
        scope = self.scope
        it, own = scope.invocation, scope.invocation.trace
        assert own is not None
        return (
            f"{_NAME}{_json.quote(self.name)}{_ID}{self.place.own_id}{_TRACE}{own.root}{_PARENT}{own.parent}"
            f"{_START}{_seconds(it.started)}{_END}{_seconds(ended)}{_INVOCATION}{_json.quote(_short(it.invocation_id))}"
            f"{_SERVICE}{_json.quote(_short(scope.settings.service))}{_TRIGGER}{it.trigger.type}"
            f'{_COLD if it.cold_start else _WARM}{outcome}"}}}}'
        )

    def plain_item(self, ended: float) -> str | None:
        """Return the usual document of an item that has been processed; `None` where there is more to say."""
        around, about = self.scope.trace, self.work.about
        if around is None or not self.recorded or self.place.adopted or self.made is not None:
            return None
        if len(about) > document.ANNOTATION_MOST:  # an id that has to be cut
            return None
        if around.of_items is None:
            around.of_items = around.around_items()
        trace, invocation = around.of_items
        return (
            f"{_NAME}{_ITEM}{_ID}{self.place.own_id}{trace}{_seconds(self.started)}{_END}{_seconds(ended)}{invocation}"
            f"{about}}}}}"
        )

    def around_items(self) -> tuple[str, str]:
        """Return what the usual documents of a batch's items have in common, before the start and after the end."""
        it, own = self.scope.invocation, self.scope.invocation.trace
        assert own is not None
        return f"{_TRACE}{own.root}{_PARENT}{self.place.own_id}{_START}", (
            f"{_INVOCATION}{_json.quote(_short(it.invocation_id))}{_SERVICE}{_json.quote(_short(self.scope.settings.service))}"
            f'{_TRIGGER}{it.trigger.type}","{_names.OUTCOME}":"{_names.SUCCESS}"'
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
                _names.INVOCATION_ID: _short(it.invocation_id),
                _names.SERVICE: _short(scope.settings.service),
                _names.TRIGGER: it.trigger.type,
                _names.OUTCOME: outcome,
                **{key: _short(keys[key]) for key in about if key in keys},
            },
        }

    def _ended(self, found: dict[str, Any], cause: dict[str, Any] | None) -> dict[str, Any]:
        """Return a document that says whether the work failed.

        A server error is a fault, too: https://docs.aws.amazon.com/xray/latest/devguide/xray-api-segmentdocuments.html
        """
        if cause is not None:
            return {**found, _names.SEGMENT_FAULT: True, _names.SEGMENT_CAUSE: cause}
        return {**found, _names.SEGMENT_FAULT: True} if self.is_fault else found


def _seconds(time: float) -> str:
    """Return epoch seconds in µs, by an integer: the shortest text that is the very float takes twice as long."""
    if not 1.0 <= time < _FAR:
        return repr(time)
    us = str(int(time * 1_000_000))
    return f"{us[:-6]}.{us[-6:]}"


_FAR: Final = 1e12
_ITEM: Final = f'"{ITEM}"'
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


def _short(value: Any) -> Any:
    return value[: document.ANNOTATION_MOST] if isinstance(value, str) else value


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
