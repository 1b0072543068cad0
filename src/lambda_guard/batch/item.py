"""One batch item while it is being processed: its log keys, and its place in a trace.

An item that came with a trace adopts it: its log lines, the messages that it sends and its own span belong to that
trace, and a second span represents it in the function's own trace; each names the other.
"""

from collections.abc import Callable
from typing import Any, Final

from .. import _json, _names
from .._invocation import adoptable
from .._scope import Scope, Work, tail_of
from ..propagation.extract import Upstream, record_attempt, record_message_id, record_upstream
from ..propagation.header import TraceHeader
from ..propagation.place import Place

_MESSAGE_ID: Final = f',"{_names.MESSAGE_ID}":'
_ATTEMPT: Final = f',"{_names.ATTEMPT}":'


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

    Args:
        may_adopt: whether any item of the batch has come with a trace.
    """

    def __init__(self, scope: Scope, raw: Any, started: float, may_adopt: bool) -> None:
        self.scope = scope
        self.raw = raw
        self.started = started
        self._may_adopt = may_adopt

    @Found
    def keys(self) -> dict[str, Any]:
        """The item's log keys."""
        found: dict[str, Any] = {_names.MESSAGE_ID: self._message_id, _names.ATTEMPT: self._attempt}
        if self._adopted is not None:
            found[_names.XRAY_TRACE_ID] = self._adopted.root
        return {key: value for key, value in found.items() if value is not None}

    @Found
    def about(self) -> str:
        """The keys that are the item's own, its id and its attempt, as JSON from the comma on."""
        message_id, attempt = self._message_id, self._attempt
        named = f"{_MESSAGE_ID}{_json.quote(message_id)}" if message_id is not None else ""
        return named if attempt is None else f"{named}{_ATTEMPT}{attempt}"

    @Found
    def tail(self) -> str:
        """The item's and the invocation's log keys, as the end of a log line."""
        scope, adopted = self.scope, self._adopted
        own = scope.tail if adopted is None else tail_of(scope.invocation, adopted.root)
        return f"{own}{self.about}"

    @Found
    def _message_id(self) -> str | None:
        return record_message_id(self.raw)

    @Found
    def _attempt(self) -> int | None:
        return record_attempt(self.raw)

    @Found
    def _adopted(self) -> TraceHeader | None:
        """The upstream header whose trace the item belongs to; `None` if it belongs to the invocation's own."""
        it = self.scope.invocation
        header = record_upstream(self.raw, it.trigger.type) if self._may_adopt else None
        return adoptable(it.trace, (Upstream(header),)) if header is not None else None

    @Found
    def place(self) -> Place | None:
        """The item's place in its trace; `None` if there is no trace."""
        own = self.scope.invocation.trace
        header = self._adopted or own
        return Place(header, own, self._adopted is not None) if header is not None else None
