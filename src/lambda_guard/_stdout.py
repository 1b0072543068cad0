"""Standard output, with one write per line, and the timestamps of log lines."""

import sys
from collections.abc import Callable
from io import FileIO, TextIOWrapper
from json.encoder import encode_basestring_ascii
from time import gmtime, strftime
from typing import Any, Final

# `python -u`, PYTHONUNBUFFERED: the text layer writes to the file itself, and ignores how much of it that takes.
_UNBUFFERED: Final = type(getattr(sys.__stdout__, "buffer", None)) is FileIO


class Front:
    """A stream that stands in front of standard output.

    Attributes:
        behind: the stream to which it passes everything on, and to which our own lines are written directly.
    """

    behind: Any


def stream() -> Any:
    """Return standard output: the stream behind our capture of `print`, if that is in place."""
    out = sys.stdout
    return out.behind if isinstance(out, Front) else out


class _Full:
    """What becomes of a stream that is full.

    Attributes:
        backlog: of the stream that was full last: all that is written to it goes through it, from then on.
        make: makes one; set from outside, as this module can't import it.
    """

    backlog: Any = None
    make: Callable[[Any], Any] | None = None


def when_full(make: Callable[[Any], Any]) -> None:
    """Keep what a full stream doesn't take in the backlog that `make` makes for it."""
    _Full.make = staticmethod(make)


def write(line: str) -> None:
    """Write one line, including its line break, in one call.

    Args:
        line: JSON without a line break.

    Raises:
        Exception: whatever the stream raises; if the stream is `None` (`pythonw`, a daemon), nothing is written.
    """
    if (out := stream()) is not None:
        put(out, line + "\n")


def put(out: Any, said: str, *, flush: bool = True) -> Any:
    """Write to a stream that isn't ours, and return what its `write` returns.

    What a full stream doesn't take is written later. Without `flush` that can't be done: what it refuses isn't `said`
    alone then, but also what was written before.

    Raises:
        Exception: whatever the stream raises.
    """
    if (_UNBUFFERED or _Full.backlog is not None) and (backlog := _backlog_of(out)) is not None:
        backlog.add(_encoded(out, said))
        return len(said)
    unbuffered = type(out).__name__ == "Unbuffered"  # the runtime client's stream flushes by itself
    try:
        written = out.write(said)
        if flush and not unbuffered:
            out.flush()
    except UnicodeEncodeError:  # a console or a pipe that isn't UTF-8: the line is escaped, not lost
        return put(out, _escaped(said), flush=flush)
    except BlockingIOError as full:
        if not (flush or unbuffered):
            raise
        _hold(out, said, full)
        return len(said)
    return written


def flush(out: Any) -> None:
    """Flush a stream that isn't ours; it may be full."""
    try:
        out.flush()
    except BlockingIOError as full:
        _hold(out, "", full)


def _hold(out: Any, said: str, full: BlockingIOError) -> None:
    if _Full.make is None:
        raise full
    backlog = _Full.backlog = _Full.make(out)
    # Nothing is counted where only flushing was refused: a line that fits into the stream's buffer is in there.
    taken = getattr(full, "characters_written", 0)
    backlog.add(_encoded(out, said)[taken:] if taken else b"")


def _backlog_of(out: Any) -> Any:
    """Return what writes to `out` exactly, if it was full or can be so without a word."""
    if _Full.backlog is not None and _Full.backlog.out is out:
        return _Full.backlog
    plain = getattr(out, "stream", out) if type(out).__name__ == "Unbuffered" else out
    # Python's own stream alone: one of somebody's class, or with somebody's `write`, may do more than write.
    usual = type(plain) is TextIOWrapper and type(plain.buffer) is FileIO and "write" not in vars(plain)
    if _UNBUFFERED and usual and _Full.make is not None:
        _Full.backlog = _Full.make(out)
        return _Full.backlog
    return None


def _encoded(out: Any, said: str) -> bytes:
    try:
        return said.encode(out.encoding, out.errors)
    except UnicodeEncodeError:
        return _escaped(said).encode(out.encoding)


def _escaped(line: str) -> str:
    return "".join(each if each.isascii() else encode_basestring_ascii(each)[1:-1] for each in line)


class _Second:
    """The last second that was formatted: most lines share it."""

    value = (-(2**62), "")


_digits: Final[dict[int, str]] = {}  # of milliseconds, as they come up


def timestamp(seconds: float) -> str:
    """Format epoch seconds as RFC 3339 in UTC with milliseconds, a format that Lambda's own log filter reads."""
    # https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-log-level.html
    second, said = _Second.value
    rest = seconds - second
    if not 0.0 <= rest < 1.0:
        second = int(seconds)
        rest = seconds - second
        said = strftime("%Y-%m-%dT%H:%M:%S.", gmtime(second))
        _Second.value = second, said
    milliseconds = int(rest * 1000)
    digits = _digits.get(milliseconds)
    if digits is None:
        digits = _digits[milliseconds] = str(1000 + milliseconds)[1:]
    return f"{said}{digits}Z"
