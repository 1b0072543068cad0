"""Standard output, with one write per line, and the timestamps of log lines."""

import sys
from json.encoder import encode_basestring_ascii
from time import gmtime, strftime
from typing import Any


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


def write(line: str) -> None:
    """Write one line, including its line break, in one call.

    Args:
        line: JSON without a line break.

    Raises:
        Exception: whatever the stream raises; if the stream is `None` (`pythonw`, a daemon), nothing is written.
    """
    if (out := stream()) is not None:
        try:
            out.write(line + "\n")
        except UnicodeEncodeError:  # a console or a pipe that isn't UTF-8: the line is escaped, not lost
            out.write(_escaped(line) + "\n")
        if type(out).__name__ != "Unbuffered":  # the runtime client's stream flushes by itself
            out.flush()


def _escaped(line: str) -> str:
    return "".join(each if each.isascii() else encode_basestring_ascii(each)[1:-1] for each in line)


class _Second:
    """The last second that was formatted: most lines share it."""

    value = (0, "")


def timestamp(seconds: float) -> str:
    """Format epoch seconds as RFC 3339 in UTC with milliseconds, a format that Lambda's own log filter reads."""
    # https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-log-level.html
    whole = int(seconds)
    last = _Second.value
    if last[0] != whole:
        last = _Second.value = (whole, strftime("%Y-%m-%dT%H:%M:%S", gmtime(whole)))
    return f"{last[1]}.{int((seconds - whole) * 1000):03d}Z"
