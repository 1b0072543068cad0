"""Standard loggers as they are in Lambda, where every line that they write goes to standard output."""

import logging
import sys
from collections.abc import Callable
from typing import Any

from .. import _scope, _stdout
from ..sinks.log import lines, other_loggers


def write_as_in_lambda(stream: Any) -> Callable[[], None]:
    """Have loggers write to standard output, which `stream` is about to become, until the returned function is called.

    No level is changed: as in Lambda, the root logger's is WARNING unless the function sets another one.
    """
    before, handlers = sys.stdout, logging.root.handlers
    moved = {handler: handler.stream for handler in _writing_to(_stdout.stream())}
    first = RootHandler()
    last = KeepsOutput(first)
    if not other_loggers.runtime_handlers() and not any(type(each) is RootHandler for each in handlers):
        handlers[:] = [first, *handlers, last]
    for handler in moved:
        handler.stream = stream

    def stop() -> None:
        for handler in _writing_to(stream):  # those that were made meanwhile, too
            handler.stream = moved.get(handler, before)
        for handler in (first, last):
            logging.root.removeHandler(handler)

    return stop


class RootHandler(lines.Handler):
    """Stands in for the handler that the runtime client adds to the root logger, whose lines have our form as well.

    https://docs.aws.amazon.com/lambda/latest/dg/python-logging.html
    """

    output: Any = None

    def handle(self, record: logging.LogRecord) -> Any:
        """Write the line, and note where to."""
        self.output = sys.stdout
        return super().handle(record)

    def _write(self, record: logging.LogRecord) -> None:
        if not (_has_own_handler(record.name) or _scope.is_held_back(_scope.current())):
            super()._write(record)


class KeepsOutput(logging.Handler):
    """Puts back `sys.stdout`, which pytest's live log replaces while it handles a record: see its `log_cli` option."""

    def __init__(self, first: RootHandler) -> None:
        super().__init__()
        self._first = first

    def handle(self, record: logging.LogRecord) -> bool:  # noqa: ARG002 - logging's signature
        """Put back what was there before the other handlers."""
        sys.stdout = self._first.output
        return False


def _has_own_handler(name: str) -> bool:
    """Return whether a logger's lines are written once already.

    Ours passes its records on under pytest only, for `caplog`; Powertools' Loggers keep theirs from the handlers that
    the root logger has when they are made.
    """
    parts = name.split(".")
    names = [".".join(parts[: end + 1]) for end in range(len(parts))]
    known = logging.root.manager.loggerDict
    return lines.LOGGER_NAME in names or any(hasattr(known.get(each), "powertools_handler") for each in names)


def _writing_to(stream: Any) -> list[Any]:
    """Return the handlers that write to a stream; a Powertools Logger's keeps the standard output of its making."""
    loggers = (logging.root, *logging.root.manager.loggerDict.values())
    handlers = [handler for logger in loggers for handler in getattr(logger, "handlers", ())]
    return [
        each for each in handlers if stream is not None and _behind(getattr(each, "stream", None)) is stream
    ]


def _behind(stream: Any) -> Any:
    return stream.behind if isinstance(stream, _stdout.Front) else stream
