"""A place in a trace, and the header that sends the trace on from there."""

import os

from .. import _names
from .header import TraceHeader


def new_id() -> str:
    """Return an id for a span: 16 hex digits, also unique among copies of one snapshot."""
    return os.urandom(8).hex()


def set_environment(header: str | None) -> str | None:
    """Have `_X_AMZN_TRACE_ID`, which is the whole process's, hold a header; return what it held."""
    before = os.environ.get(_names.ENV_TRACE_HEADER)
    if header is not None:
        os.environ[_names.ENV_TRACE_HEADER] = header
    elif before is not None:
        del os.environ[_names.ENV_TRACE_HEADER]
    return before


class Place:
    """Where an invocation, or an item of its batch, stands in the trace that it works for.

    Attributes:
        header: of that trace, as it came.
        adopted: whether that is an upstream trace, not the function's own.
        span_id: names the work in it, in every header that is sent on.
        own_id: names what stands for the work in the function's own trace; the same, where that is the trace.
    """

    __slots__ = ("_before", "_in_environment", "_lineage", "adopted", "header", "own_id", "span_id")

    def __init__(self, header: TraceHeader, own: TraceHeader | None, adopted: bool) -> None:
        self.header = header
        self.adopted = adopted
        self.span_id = new_id()
        self.own_id = new_id() if adopted else self.span_id
        self._lineage = own.lineage if own is not None else None
        self._in_environment = False

    def text(self, parent: str | None = None) -> str:
        """Return the header that sends the trace on, with the lineage of the function.

        Args:
            parent: what sends it; the work itself, if nothing is named.
        """
        header = self.header
        return TraceHeader(header.root, parent or self.span_id, header.sampled, self._lineage).text()

    def adopt(self) -> None:
        """Have the environment name this trace, so that everything in the process joins it."""
        self._before = set_environment(self.header.with_lineage(self._lineage).text())
        self._in_environment = True

    def give_back(self) -> None:
        """Put the environment back as it was."""
        if self._in_environment:
            self._in_environment = False
            set_environment(self._before)
