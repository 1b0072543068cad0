"""When an attempt ran, and whether a line under its id is another attempt's."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from lambda_guard import _names as names
from lambda_guard.tools.logs.model import TimedLine, as_mapping, as_number, time_of
from lambda_guard.tools.logs.reading.line_owner import Identified, Sign
from lambda_guard.tools.logs.reading.lines import parse
from lambda_guard.tools.logs.reading.streams import Group

RETRY_AFTER_MS: Final = 10_000.0
"""Lines under the id of an ended invocation are another attempt's if they are this much later, or earlier.

Lambda waits a minute before the first: https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
"""

EVENT_AGE_MOST_MS: Final = 21_600_000.0
"""Lambda gives up on an event after six hours (`MaximumEventAgeInSeconds`), on the same page."""

ASYNCHRONOUS: Final = frozenset((
    "sns", "eventbridge", "schedule", "s3", "lambda", "logs", "iot", "cloudformation", "codepipeline", "ses",
    "codecommit", "config", "cloudwatch-alarm",
))  # fmt: skip
"""Triggers whose failed invocations Lambda repeats under the same id."""

_STAMP: Final = f'"{names.TIMESTAMP}":"'.encode()


class Span(NamedTuple):
    """When an attempt ran, ms since 1970; 0 where nothing tells, so that no line counts as far from it.

    Attributes:
        attempt: its place among those under its id, in the order in which they were read.
    """

    attempt: int
    begin_ms: float
    end_ms: float


def is_retry(group: Group, identified: Identified) -> bool:
    """A retried asynchronous invocation comes back under its old id."""
    if identified.sign is Sign.START and group.started:
        return not (tells_time(identified.line) and identified.line in group.lines)
    return group.done and identified.sign is not Sign.START and _is_apart(identified, span_of(group))


def tells_time(line: bytes) -> bool:
    """Whether an equal line must be the same line again: text without a time repeats from attempt to attempt."""
    return isinstance(line, TimedLine) or line[:1] == b"{"


def span_of(group: Group) -> Span:
    """Return when the group ran, as far as its record or the platform tells."""
    record = group.record
    if record is None:
        return Span(group.attempt, group.report.started_at_ms or 0.0, group.report.ended_at_ms or 0.0)
    end = time_of(record.get(names.TIMESTAMP)) or 0.0
    took = as_number(record.get(names.DURATION_MS)) if _comes_again(record) else None
    return Span(group.attempt, 0.0 if took is None else end - took, end)


def late_for(identified: Identified, spans: Sequence[Span]) -> int | None:
    """Return the attempt that a line which came late belongs to; None where it is another one's."""
    told = [span for span in spans if span.end_ms] or spans
    near = [span.attempt for span in told if not _is_apart(identified, span)]
    return near[-1] if near else None


def _is_apart(identified: Identified, span: Span) -> bool:
    """Return whether a line under the id of an attempt is another attempt's: much later, or much earlier.

    Log streams may be read in any order. END and REPORT are never later: they wait for the extensions, which may
    take long.
    """
    at = parse(identified.line).time_ms if span.end_ms > 0 else None
    if at is None:
        return False
    late = at - span.end_ms > RETRY_AFTER_MS and identified.sign not in {Sign.END, Sign.REPORT}
    return late or RETRY_AFTER_MS < span.begin_ms - at < EVENT_AGE_MOST_MS


def count_of_earlier_attempt(lines: Sequence[bytes], record: Mapping[str, object]) -> int:
    """Count the lines at the head that were written long before the invocation of this record began.

    Without a START between them, and where the trigger repeats what fails; elsewhere the clock has jumped.
    """
    if not _comes_again(record) or _minute_of(lines[0]) == _minute_of(lines[-1]):
        return 0
    ended, took = time_of(record.get(names.TIMESTAMP)), as_number(record.get(names.DURATION_MS))
    if ended is None or took is None:
        return 0
    ages = [None if (at := parse(line).time_ms) is None else ended - took - at for line in lines]
    if ages[0] is None or ages[0] > EVENT_AGE_MOST_MS:
        return 0
    return next(place for place, age in enumerate(ages) if age is not None and age <= RETRY_AFTER_MS)


def _comes_again(record: Mapping[str, object]) -> bool:
    return str(as_mapping(record.get(names.TRIGGER)).get(names.TYPE)) in ASYNCHRONOUS


def _minute_of(line: bytes) -> bytes:
    """Return the minute of a JSON line as it is written: lines of the same minute aren't attempts of their own."""
    at = line.find(_STAMP) + len(_STAMP)
    return line[at : at + len("2026-11-23T15:04")]
