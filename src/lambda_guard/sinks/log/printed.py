"""What `print` writes, as lines of JSON at level INFO.

While an invocation is at work, `sys.stdout` is a stream of ours in front of the real one. Lines that are JSON
already in a form that log readers know (an EMF document, a structured log line) keep it, if `provenance` finds
that the function made them.
"""

import _signal  # type: ignore[import-not-found]  # `signal` makes enumerations of it, which takes a millisecond
import atexit
import json
import os
import sys
from threading import get_ident, main_thread
from time import time
from typing import Any, Final

from ... import _json, _names, _scope, _stdout
from ..._failsafe import attempt
from ..._invocation import Outcome
from ..._scope import Scope, Work
from ..._stdout import Front, timestamp
from .. import Sink

_FORMS: Final = frozenset((_names.EMF, _names.LEVEL, "m"))  # of what may stand in the log as it was printed
LINE_BYTES_MOST: Final = 900_000  # a CloudWatch Logs event holds 1 MB
_PART_MOST: Final = 200_000  # characters without a line break, after which a line is taken to have ended


class _Leaving:
    """Whether the end of the process is watched for, which may come before the end of a line.

    Lambda ends an environment that has an extension with SIGTERM, which ends Python at once, without its exit handlers.
    https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html#runtimes-lifecycle-shutdown

    Attributes:
        is_watched: from an invocation's first unfinished line to its end.
        by_exit: whether the exit handler is registered, which stays.
        by_signal: whether SIGTERM is ours: not between invocations, when a main thread that waits inside of the runtime
            client can't run a handler, and would outlive the signal.
    """

    is_watched = by_exit = by_signal = False


# Thread → the stream on which it has begun a line, the work that it belongs to, and the line so far.
_begun: Final[dict[int, tuple["PrintedLines", Work, str]]] = {}


class PrintedLines(Front):
    """A text stream that passes everything on to the one behind it, whole lines in structured form."""

    def __init__(self, stream: Any) -> None:
        self.behind = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self.behind, name)

    def write(self, said: str) -> int:
        """Take what `print` writes: it does so in parts, which are held back, per thread, until the line ends."""
        taken = attempt("log.print", self._take, said)
        return self._pass(said) if taken is None else taken

    def _take(self, said: str) -> int | None:
        work = _scope.work()
        if work is None:
            return self._take_late(said) if type(said) is str and "{" in said else None
        if not issubclass(type(said), str) or work.tail in (said := str.__str__(said)):
            return None  # the last: a line of ours, which the runtime client's handler writes here
        thread = get_ident()
        stream, owner, whole = _begun.pop(thread, (self, work, ""))
        if owner is not work or stream is not self:
            stream.write_lines([whole], owner)
            whole = ""
        whole += said  # in place, where `+` would copy: progress is printed in a great many parts
        *lines, rest = whole.split("\n") if "\n" in said else (whole,)
        if len(rest) > _PART_MOST:
            lines, rest = [*lines, rest], ""
        if rest:
            _begun[thread] = self, work, rest
            if not _Leaving.is_watched:
                _Leaving.is_watched = True
                attempt("log.print.leaving", _watch)
        if lines:
            self.write_lines(lines, work)
        return len(said)

    def _take_late(self, said: str) -> int | None:
        """Take what is printed outside of an invocation, where that is work that has outlived one."""
        if (scope := _scope.outlived()) is None:
            return None
        from . import provenance  # late, as below

        self._pass("\n".join([provenance.late_line(line, scope) for line in said.split("\n")]))
        return len(said)

    def writelines(self, lines: Any) -> None:
        """Write each of `lines`."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Write the line that this thread has begun, as it is, and flush the stream behind."""
        attempt("log.print", _finish, get_ident())
        _stdout.flush(self.behind)

    def write_lines(self, lines: list[str], work: Work) -> None:
        """Write lines that `work` has printed, structured."""
        if _scope.is_held_back(work.scope):
            return
        for line in lines:
            if line.strip():
                # What we fail at stays readable, but isn't JSON any more: it may be somebody's.
                told = attempt("log.print", structured, line, work) or f"print: {line}"
                _stdout.put(self.behind, told + "\n")

    def _pass(self, said: str) -> int:
        written = _stdout.put(self.behind, said, flush=False)
        return written if isinstance(written, int) else len(said)


def _finish(thread: int) -> None:
    """Write the line that a thread has begun, as if it had ended."""
    if (part := _begun.pop(thread, None)) is not None:
        stream, owner, whole = part
        stream.write_lines([whole], owner)


def structured(line: str, work: Work) -> str:
    """Return a line that some work has printed as a structured one; one that already is comes back as it is."""
    scope = work.scope
    message: Any = line.rstrip("\r")
    if line.startswith("{") and (document := _object(line)) is not None:
        if not _FORMS.isdisjoint(document):
            from . import provenance  # late: most that is printed is text

            own = attempt("log.print.own", provenance.as_it_passes, line, document, work)
            if own is not None:
                return own
        message = document
    fields = {
        _names.LEVEL: "INFO",
        _names.LOCATION: "print",
        _names.MESSAGE: message,
        _names.TIMESTAMP: timestamp(time()),
        _names.SERVICE: scope.settings.service,
        _names.LOGGER_NAME: "print",
        **_scope.keys_of(work),
    }
    if scope.durable is not None:
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

    def enter(self, scope: Scope) -> None:  # noqa: ARG002 - a sink's
        """Put it there, unless it is."""
        out = sys.stdout
        if type(out) is not PrintedLines and out is not None:
            sys.stdout = PrintedLines(out)

    def leave(self, scope: Scope, outcome: Outcome) -> None:
        """Write what the invocation has begun and not ended."""
        self.warn(scope, outcome)
        if _Leaving.is_watched:
            _unwatch()

    def warn(self, scope: Scope, outcome: Outcome) -> None:  # noqa: ARG002 - a sink's
        """Write what there is so far."""
        if _begun:
            _finish_all(scope)


def _finish_all(scope: Scope | None = None) -> None:
    """Write the lines that an invocation, or anybody, has begun and not ended."""
    for thread, (_, owner, _) in list(_begun.items()):
        if scope is None or owner.scope is scope or not owner.scope.open:
            attempt("log.print", _finish, thread)


def _at_the_end() -> None:
    _finish_all()
    attempt("log.print", _flush)


def _flush() -> None:
    if (out := _stdout.stream()) is not None:
        _stdout.flush(out)


def _watch() -> None:
    """Have unfinished lines written when the process ends, by SIGTERM, too, unless somebody else has taken that."""
    if not _Leaving.by_exit:
        _Leaving.by_exit = True
        atexit.register(_at_the_end)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=_unwatch)
            os.register_at_fork(after_in_child=_begun.clear)  # the parent writes what it has begun
    if _is_main_thread() and _signal.getsignal(_signal.SIGTERM) == _signal.SIG_DFL:
        _signal.signal(_signal.SIGTERM, _terminated)
        _Leaving.by_signal = True


def _unwatch() -> None:
    """Give SIGTERM back, unless somebody else has taken it."""
    _Leaving.is_watched = False
    if _Leaving.by_signal and _is_main_thread():
        _Leaving.by_signal = False
        if _signal.getsignal(_signal.SIGTERM) is _terminated:
            _signal.signal(_signal.SIGTERM, _signal.SIG_DFL)


def _terminated(number: int, _: Any) -> None:
    _at_the_end()
    _signal.signal(number, _signal.SIG_DFL)
    os.kill(os.getpid(), number)  # as if nobody had watched


def _is_main_thread() -> bool:
    return get_ident() == main_thread().ident
