"""What `print` writes, as lines of JSON at level INFO.

While an invocation is at work, `sys.stdout` is a stream of ours in front of the real one. Lines that are JSON
already in a form that log readers know (an EMF document, a structured log line) keep it, if `provenance` finds
that the function made them.
"""

import json
import sys
import threading
from time import time
from typing import Any, Final

from ... import _json, _names, _scope
from ..._failsafe import attempt
from ..._invocation import Outcome
from ..._scope import Defaults
from ..._stdout import Front, timestamp
from .. import Sink

_FORMS: Final = frozenset((_names.EMF, _names.LEVEL, "m"))  # of what may stand in the log as it was printed
LINE_BYTES_MOST: Final = 900_000  # a CloudWatch Logs event holds 1 MB
_PART_MOST: Final = 200_000  # characters without a line break, after which a line is taken to have ended


class PrintedLines(Front):
    """A text stream that passes everything on to the one behind it, whole lines in structured form."""

    def __init__(self, stream: Any) -> None:
        self.behind = stream
        self.parts: dict[int, str] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self.behind, name)

    def write(self, said: str) -> int:
        """Take what `print` writes: it does so in parts, which are held back, per thread, until the line ends."""
        taken = attempt("log.print", self._take, said)
        return self._pass(said) if taken is None else taken

    def _take(self, said: str) -> int | None:
        work = _scope.work()
        if work is None or not issubclass(type(said), str) or work.tail in (said := str.__str__(said)):
            return None  # the last: a line of ours, which the runtime client's handler writes here
        thread = threading.get_ident()
        whole = self.parts.pop(thread, "")
        whole += said  # in place, where `+` would copy: progress is printed in a great many parts
        *lines, rest = whole.split("\n") if "\n" in said else (whole,)
        if len(rest) > _PART_MOST:
            lines, rest = [*lines, rest], ""
        if rest:
            self.parts[thread] = rest
        if lines:
            self._lines(lines)
        return len(said)

    def writelines(self, lines: Any) -> None:
        """Write each of `lines`."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Flush the stream behind; an unfinished line waits for its end."""
        self.behind.flush()

    def finish(self) -> None:
        """Write the lines that were left unfinished."""
        parts, self.parts = self.parts, {}
        for part in parts.values():
            self._lines([part])

    def _lines(self, lines: list[str]) -> None:
        if _scope.is_held_back():
            return
        for line in lines:
            if line.strip():
                # What we fail at stays readable, but isn't JSON any more: it may be somebody's.
                self._pass((attempt("log.print", structured, line) or f"print: {line}") + "\n")

    def _pass(self, said: str) -> int:
        written = self.behind.write(said)
        return written if isinstance(written, int) else len(said)


def structured(line: str) -> str:
    """Return a printed line as a structured one; one that already is comes back as it is."""
    scope = _scope.current()
    message: Any = line.rstrip("\r")
    if line.startswith("{") and (document := _object(line)) is not None:
        if scope is not None and not _FORMS.isdisjoint(document):
            from . import provenance  # late: most that is printed is text

            own = attempt("log.print.own", provenance.as_it_passes, line, document, scope)
            if own is not None:
                return own
        message = document
    fields = {
        _names.LEVEL: "INFO",
        _names.LOCATION: "print",
        _names.MESSAGE: message,
        _names.TIMESTAMP: timestamp(time()),
        _names.SERVICE: scope.settings.service if scope else Defaults.service,
        _names.LOGGER_NAME: "print",
        **_scope.current_keys(),
    }
    if scope is not None and scope.durable is not None:
        scope.durable.mark(fields)
    return _json.encode(fields) if len(line) <= LINE_BYTES_MOST // 4 else _json.fit(fields, LINE_BYTES_MOST)


def _object(line: str) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):  # no JSON, or nested deeper than can be read
        return None
    return found if isinstance(found, dict) else None


class Print(Sink):
    """Puts our stream in front of `sys.stdout`.

    It stays: outside of an invocation it passes everything on as it is. Whoever replaces `sys.stdout` (pytest,
    `contextlib.redirect_stdout`) is found out by the next invocation, and puts back what they found.
    """

    part = "log.print"

    def enter(self, scope: _scope.Scope) -> None:  # noqa: ARG002 - a sink's
        """Put it there, unless it is."""
        out = sys.stdout
        if type(out) is not PrintedLines and out is not None:
            sys.stdout = PrintedLines(out)

    def leave(self, scope: _scope.Scope, outcome: Outcome) -> None:  # noqa: ARG002 - a sink's
        """Write what was left unfinished."""
        out = sys.stdout
        if type(out) is PrintedLines and out.parts:
            out.finish()

    warn = leave
