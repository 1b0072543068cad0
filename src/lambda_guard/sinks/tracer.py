"""The tracer: a sink that is also notified of batch items and AWS calls. Only the tracer itself knows its format.

The header to pass on belongs to `propagation`, which creates the places of an invocation and of its batch items; a
tracer uses their ids for its spans.
"""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from . import Sink

if TYPE_CHECKING:
    from .._scope import Work
    from ..propagation.calls import Call

# The module of each tracer, with `make(handler)` and `collect(take)`, imported when it is needed.
HOMES: Final = {"xray": "lambda_guard.sinks.xray.tracer", "otlp": "lambda_guard.sinks.otlp.tracer"}


class Tracer(Sink):
    """Records spans. `Work.trace` is reserved for its own state; `Work.place` has the ids.

    Attributes:
        sends_w3c: whether AWS calls carry W3C's `traceparent` beside X-Ray's HTTP header.
    """

    part = "trace"
    sends_w3c = False

    def begin_item(self, item: "Work") -> None:
        """Note that a batch item has begun; set `item.recorded` if its end has to be reported as well."""

    def end_item(self, item: "Work", error: BaseException | None, ended: float) -> None:
        """Note how a batch item ended, at `ended` epoch seconds; a failed one's start may not have been reported."""

    def begin_call(self, work: "Work", call: "Call") -> None:
        """Note that an AWS call begins."""

    def end_call(self, call: "Call", response: Mapping[str, Any] | None, error: BaseException | None) -> None:
        """Note how an AWS call ended."""

    def current_id(self, work: "Work") -> str | None:
        """Return the id of the innermost span here: a call's, or one of the user's; `None` for the work's own."""

    def restored(self) -> None:
        """Renew what a copy of a SnapStart snapshot can't use, such as sockets."""

    def is_header_overwritten(self) -> bool:
        """Return whether other code writes the HTTP header of AWS calls after the events that a caller's hooks use."""
        return False


def make(kind: str, handler: str) -> Tracer:
    """Return the tracer of a decorated handler.

    Args:
        kind: one of `HOMES`.
        handler: the handler's name.
    """
    tracer: Tracer = import_module(HOMES[kind]).make(handler)
    return tracer


def collect(kind: str, take: Callable[[Any], object]) -> Callable[[], None]:
    """Pass every document or span to `take`, unsent, until the returned function is called; for tests."""
    stop: Callable[[], None] = import_module(HOMES[kind]).collect(take)
    return stop
