"""Standard output, where a line is one write, and the time that stands in it."""

import sys
from json.encoder import encode_basestring_ascii
from time import gmtime, strftime
from typing import Any


class Front:
    """A stream that stands in front of standard output.

    Attributes:
        behind: the stream that it passes on to, which our own lines go to directly.
    """

    behind: Any


def stream() -> Any:
    """Return standard output: what is behind our capture of `print`, where that is in place."""
    out = sys.stdout
    return out.behind if isinstance(out, Front) else out


def write(line: str) -> None:
    """Write one line, its line break included, in one call.

    Args:
        line: JSON without a line break.

    Raises:
        Exception: whatever the stream raises; `None` for a stream (`pythonw`, a daemon) is silently fine.
    """
    if (out := stream()) is not None:
        try:
            out.write(line + "\n")
        except UnicodeEncodeError:  # a console or a pipe that isn't UTF-8, for whose sake no line is lost
            out.write(_escaped(line) + "\n")
        if type(out).__name__ != "Unbuffered":  # the runtime client's stream flushes by itself
            out.flush()


def _escaped(line: str) -> str:
    return "".join(each if each.isascii() else encode_basestring_ascii(each)[1:-1] for each in line)


class _Second:
    """The last second that was formatted: most lines share it."""

    value = (0, "")


def timestamp(seconds: float) -> str:
    """Format epoch seconds as RFC 3339 in UTC with milliseconds, which Lambda's own log filter reads, too."""
    whole = int(seconds)
    last = _Second.value
    if last[0] != whole:
        last = _Second.value = (whole, strftime("%Y-%m-%dT%H:%M:%S", gmtime(whole)))
    return f"{last[1]}.{int((seconds - whole) * 1000):03d}Z"
