"""The tracer: a sink that is told of batch items and AWS calls, too. Nothing outside of a tracer knows its format.

The header to send on is `propagation`'s: the places of an invocation and of its batch items are made there, and a
tracer takes their ids for its spans.
"""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from . import Sink

if TYPE_CHECKING:
    from .._scope import Work
    from ..propagation.calls import Call

# Where each tracer lives: a module with `make(handler)` and `collect(take)`, imported when it is needed.
HOMES: Final = {"xray": "lambda_guard.sinks.xray.tracer"}


class Tracer(Sink):
    """Records spans. `Work.trace` is its own to keep something in; `Work.place` has the ids."""

    part = "trace"

    def begin_item(self, item: "Work") -> None:
        """Note that an item of a batch is at work; `item.recorded` says that its end is to be told, too."""

    def end_item(self, item: "Work", error: BaseException | None, ended: float) -> None:
        """Note how an item ended, at `ended` epoch seconds; one that failed may not have been told of before."""

    def begin_call(self, work: "Work", call: "Call") -> None:
        """Note that an AWS call begins."""

    def end_call(self, call: "Call", response: Mapping[str, Any] | None, error: BaseException | None) -> None:
        """Note how an AWS call ended."""

    def current_id(self, work: "Work") -> str | None:
        """Return the id of the span that is on top here: a call's, or one of the user's; `None` for the work's own."""

    def is_header_overwritten(self) -> bool:
        """Return whether somebody writes the HTTP header of AWS calls after the events that a caller's hooks use."""
        return False


def make(kind: str, handler: str) -> Tracer:
    """Return the tracer of a decorated handler.

    Args:
        kind: one of `HOMES`.
        handler: the handler's name.
    """
    tracer: Tracer = import_module(HOMES[kind]).make(handler)
    return tracer


def collect(kind: str, take: Callable[[dict[str, Any]], object]) -> Callable[[], None]:
    """Hand every document to `take` instead of sending it, until the returned function is called; for tests."""
    stop: Callable[[], None] = import_module(HOMES[kind]).collect(take)
    return stop
