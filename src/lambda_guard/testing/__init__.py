"""Helpers for testing functions: contexts, events, and the output of invocations as objects.

    from lambda_guard.testing import capture, events, make_context

    def test_that_an_order_is_accepted():
        with capture() as captured:
            handler(events.sqs('{"id": 1}'), make_context())
        assert captured.record["outcome"] == "success"

With pytest, the same are available as fixtures: `lambda_context`, `captured`, `captured_trace`; see `docs/testing.md`.
"""

from . import events
from .capture import Captured, Metric, Segment, capture
from .context import make_context

TRACE_HEADER = (
    "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1;Lineage=a87bd80c:1|5dd5f2f6:0"
)

__all__ = ["TRACE_HEADER", "Captured", "Metric", "Segment", "capture", "events", "make_context"]
