"""Helpers for testing functions: contexts, events, and the output of invocations as objects.

    from lambda_guard.testing import capture, events, make_context

    def test_that_an_order_is_accepted():
        with capture() as captured:
            handler(events.sqs('{"id": 1}'), make_context())
        assert captured.record["outcome"] == "success"

With pytest, the same are available as fixtures: `lambda_context`, `captured`, `captured_trace`; see `docs/testing.md`.

Each name is imported when it is first used: the pytest plugin, which every session loads, must cost nothing.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..otlp.span import Span
    from . import events
    from ._capture import Captured, Metric, Segment, capture
    from .context import make_context

TRACE_HEADER = (
    "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1;Lineage=a87bd80c:1|5dd5f2f6:0"
)

__all__ = ["TRACE_HEADER", "Captured", "Metric", "Segment", "Span", "capture", "events", "make_context"]

if not TYPE_CHECKING:  # with it, a type checker would accept any name

    def __getattr__(name: str) -> Any:
        if name == "events":
            import lambda_guard.testing.events as found  # `from . import` would ask for the name here again
        elif name == "make_context":
            from .context import make_context as found
        elif name in __all__:
            from . import _capture

            found = getattr(_capture, name)
        else:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        globals()[name] = found
        return found


def __dir__() -> list[str]:
    return [*__all__]
