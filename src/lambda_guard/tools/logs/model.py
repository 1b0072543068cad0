"""Lines of logs, and what the platform reported: an `Invocation` is made of both."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal

from msgspec import Struct

_NUMBER_MOST: Final = 1e18
"""No time, size or count in a log is larger; infinities are, and NaN fails every comparison."""

_SECONDS_MOST: Final = 1e11
"""A time is in seconds up to here, in milliseconds beyond: 1e11 s is the year 5138, 1e11 ms is 1973."""

TRUE_TIMES_MS: Final = (1_415_836_800_000.0, 4_102_444_800_000.0)
"""From 13 November 2014, when AWS announced Lambda, to 2100: when a function can have run, ms since 1970."""

_moment: Final = datetime.fromisoformat

LineKind = Literal["log", "platform", "text"]


class TimedLine(bytes):
    """A line whose source tells its time apart from its text, as CloudWatch Logs and its exports do.

    Attributes:
        time_ms: milliseconds since 1970, UTC.
        stream: the log stream, where the source holds several and tells it; else empty.
    """

    time_ms: float
    stream: str = ""

    @classmethod
    def at(cls, text: bytes, time_ms: float, stream: str = "") -> "TimedLine":
        """Return `text` with the time at which it was written, and its stream."""
        line = cls(text)
        line.time_ms, line.stream = time_ms, stream
        return line

    def __eq__(self, other: object) -> bool:
        return bytes.__eq__(self, other) is True and self.time_ms == getattr(other, "time_ms", None)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash((bytes(self), self.time_ms))


class Line(Struct, omit_defaults=True):
    """One line of a log, understood as far as it can be.

    There are millions of them: a `Struct` is made in a quarter of the time that a dataclass takes, and written as JSON
    as it is, without what is not known.

    Attributes:
        kind: `log` for JSON, `platform` for what Lambda itself wrote, `text` for the rest.
        time_ms: milliseconds since 1970, UTC; None where the line tells no time.
        fields: what the user passed along; the keys that every line has are not among them.
        exception: the traceback, where the line carries one.
        broken: it starts like JSON, but isn't.
        times: how often this very line stands in the invocation.
        whole_second: whether `time_ms` is cut to the second, as the Python runtime writes it in the JSON of an error.
    """

    kind: LineKind
    time_ms: float | None = None
    level: str = ""
    message: str = ""
    location: str = ""
    logger: str = ""
    fields: Mapping[str, object] = {}
    exception: str = ""
    broken: bool = False
    times: int = 1
    whole_second: bool = False


class Report(Struct):
    """What Lambda itself reports about an invocation: START, END, REPORT and their like, as text or as JSON.

    https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-logformat.html

    Durations are in milliseconds, memory in MB (2^20 bytes). `runtime` is its version, where the initialization
    stands in the logs: `python:3.13.v30`. `restore_ms`: of a SnapStart snapshot, in place of an initialization.
    """

    ended: bool = False
    status: str = ""
    error_type: str = ""
    version: str = ""
    duration_ms: float | None = None
    billed_ms: float | None = None
    init_ms: float | None = None
    restore_ms: float | None = None
    memory_limit_mb: float | None = None
    memory_used_mb: float | None = None
    trace_id: str = ""
    runtime: str = ""
    started_at_ms: float | None = None
    ended_at_ms: float | None = None

    def is_cold(self) -> bool:
        """Return whether the environment was started for it."""
        return self.init_ms is not None or self.restore_ms is not None

    def is_empty(self) -> bool:
        """Return whether the platform said nothing at all."""
        return self == _UNREPORTED


_UNREPORTED: Final = Report()


@dataclass(slots=True, frozen=True)
class Stray:
    """Lines that belong to no invocation: before the first one, or where nothing names their owner.

    Attributes:
        source: the file or log group that they come from.
        lines: in the order of the log.
        raw: the same as they were read.
    """

    source: str
    lines: Sequence[Line]
    raw: Sequence[bytes] = ()


def as_mapping(value: object) -> Mapping[str, object]:
    """Return `value` if it is an object, else an empty one: records are read from anywhere, and may say anything."""
    if value.__class__ is dict:
        return value
    return value if value is not None and isinstance(value, Mapping) else {}


def as_number(value: object) -> float | None:
    """Return `value` if it is a finite number, else None."""
    if value.__class__ is float or value.__class__ is int:  # which True is not
        return float(value) if abs(value) < _NUMBER_MOST else None
    return None


def time_of(value: object) -> float | None:
    """Read a time as log lines write it: RFC 3339, or a number of seconds or milliseconds since 1970.

    Returns:
        Milliseconds since 1970, UTC; None if `value` isn't a time. A time without a zone is read as UTC.
    """
    if not isinstance(value, str):
        number = as_number(value)
        return number if number is None or number > _SECONDS_MOST else number * 1000.0
    try:
        moment = _moment(value)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000.0
    except (ValueError, OverflowError):
        return None


def true_time(time_ms: float | None) -> float | None:
    """Return a time (ms since 1970) if a function can have run then, else None.

    Clocks that were never set say 1970, and 9999 stands for "never": one such time must not stretch a trace.
    """
    return time_ms if time_ms is not None and TRUE_TIMES_MS[0] <= time_ms <= TRUE_TIMES_MS[1] else None
