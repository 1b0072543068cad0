"""One batch item while it is being processed: its log keys, and its place in a trace.

An item that came with a trace adopts it: its log lines, the messages that it sends and its own span belong to that
trace, and a second span represents it in the function's own trace; each names the other.
"""

from collections.abc import Callable
from typing import Any

from .. import _json, _names
from .._invocation import adoptable
from .._scope import Scope, Work, tail_of
from ..propagation.extract import Upstream, record_attempt, record_message_id, record_upstream
from ..propagation.header import TraceHeader
from ..propagation.place import Place


class Found:
    """`functools.cached_property` without its lock, which costs more than the value itself; Python 3.12 has none."""

    __slots__ = ("_find", "_name")

    def __init__(self, find: Callable[[Any], Any]) -> None:
        self._find = find
        self._name = find.__name__

    def __get__(self, item: Any, _: object = None) -> Any:
        found = item.__dict__[self._name] = self._find(item)
        return found


class BatchItem(Work):
    """A batch item that is being processed. Its attributes are computed on demand, since most items need none.

    Attributes:
        scope: the invocation's scope.
        raw: the entry of the event's `Records`.
        started: epoch seconds.
    """

    def __init__(self, scope: Scope, raw: Any, started: float) -> None:
        self.scope = scope
        self.raw = raw
        self.started = started

    @Found
    def keys(self) -> dict[str, Any]:
        """The item's log keys."""
        found = {_names.MESSAGE_ID: record_message_id(self.raw), _names.ATTEMPT: record_attempt(self.raw)}
        if self._adopted is not None:
            found[_names.XRAY_TRACE_ID] = self._adopted.root
        return {key: value for key, value in found.items() if value is not None}

    @Found
    def tail(self) -> str:
        """The item's and the invocation's log keys, as the end of a log line."""
        it, keys = self.scope.invocation, dict(self.keys)
        own = tail_of(it, keys.pop(_names.XRAY_TRACE_ID, it.trace_id))
        return f"{own},{_json.encode(keys)[1:-1]}" if keys else own

    @Found
    def _adopted(self) -> TraceHeader | None:
        """The upstream header whose trace the item belongs to; `None` if it belongs to the invocation's own."""
        it = self.scope.invocation
        header = record_upstream(self.raw, it.trigger.type) if self.scope.settings.tracing else None
        return adoptable(it.trace, (Upstream(header),)) if header is not None else None

    @Found
    def place(self) -> Place | None:
        """The item's place in its trace; `None` if there is no trace."""
        own = self.scope.invocation.trace
        header = self._adopted or own
        return Place(header, own, self._adopted is not None) if header is not None else None
