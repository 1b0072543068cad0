"""A place in a trace, and the header that passes the trace on from there."""

import os
from threading import Lock, get_ident
from typing import Final

from .. import _names
from .header import TraceHeader


def new_id() -> str:
    """Return an id for a span: 16 hex digits, unique even among copies of one SnapStart snapshot."""
    return os.urandom(8).hex()  # https://docs.aws.amazon.com/lambda/latest/dg/snapstart-uniqueness.html


def set_environment(header: str | None, *, in_python_alone: bool = False) -> str | None:
    """Set `_X_AMZN_TRACE_ID`, which is shared by the whole process, and return its previous value.

    Args:
        header: its new value; `None` to delete it.
        in_python_alone: whether only `os.environ` has it, and not the environment that child processes inherit. glibc
            never frees a value that `setenv` has set: 140 bytes for a header, and batches have many.
    """
    before = os.environ.get(_names.ENV_TRACE_HEADER)
    known = getattr(os.environ, "_data", None) if in_python_alone else None
    if known is not None:
        key = os.environ.encodekey(_names.ENV_TRACE_HEADER)
        if header is not None:
            known[key] = os.environ.encodevalue(header)
        else:
            known.pop(key, None)
    elif header is not None:
        os.environ[_names.ENV_TRACE_HEADER] = header
    elif before is not None:
        del os.environ[_names.ENV_TRACE_HEADER]
    return before


_adopted: Final[list["Place"]] = []  # those that have set the variable, the last one last
_setting: Final = Lock()


def own_header() -> str | None:
    """Return the header that Lambda set, or that an invocation around this one, on the same thread, has adopted.

    The variable may name a trace that another invocation has adopted: tests and servers have several at once.
    """
    found = os.environ.get(_names.ENV_TRACE_HEADER)
    if _adopted:
        thread = get_ident()
        with _setting:
            for place in reversed(_adopted):
                if place.in_environment == found:
                    if place.thread == thread:
                        return found
                    found = place.before
    return found


class Place:
    """The position of an invocation, or of a batch item, in the trace to which it belongs.

    Attributes:
        header: the header of that trace, as it was received.
        adopted: whether that is an upstream trace, not the function's own.
        span_id: the id of the work's span there, which every header passed on names as the parent.
        own_id: the id of the span that represents the work in the function's own trace; `span_id` if not adopted.
        in_environment: what it has set the environment variable to; `None` unless it has.
        before: what the variable was before that.
        thread: the id of the thread that has set it.
    """

    __slots__ = (
        "_in_python_alone",
        "_lineage",
        "adopted",
        "before",
        "header",
        "in_environment",
        "own_id",
        "span_id",
        "thread",
    )

    def __init__(self, header: TraceHeader, own: TraceHeader | None, adopted: bool) -> None:
        self.header = header
        self.adopted = adopted
        self.span_id = new_id()
        self.own_id = new_id() if adopted else self.span_id
        self._lineage = own.lineage if own is not None else None
        self.in_environment: str | None = None

    def text(self, parent: str | None = None) -> str:
        """Return the header that passes the trace on, with the lineage of the function.

        Args:
            parent: the id of the sending span; if not given, that of the work itself.
        """
        header = self.header
        return TraceHeader(header.root, parent or self.span_id, header.sampled, self._lineage).text()

    def adopt(self, *, in_python_alone: bool = False) -> None:
        """Set the environment variable to this trace, so that everything in the process joins it.

        Args:
            in_python_alone: see `set_environment`.
        """
        self._in_python_alone = in_python_alone
        self.thread = get_ident()
        self.in_environment = self.header.with_lineage(self._lineage).text()
        with _setting:
            self.before = set_environment(self.in_environment, in_python_alone=in_python_alone)
            _adopted.append(self)

    def give_back(self) -> None:
        """Restore the environment variable, or leave it to an invocation that has set it since."""
        if self.in_environment is None:
            return
        with _setting:
            at = _adopted.index(self)
            del _adopted[at]
            if at == len(_adopted):
                set_environment(self.before, in_python_alone=self._in_python_alone)
            elif _adopted[at].before == self.in_environment:
                _adopted[at].before = self.before
            self.in_environment = None
