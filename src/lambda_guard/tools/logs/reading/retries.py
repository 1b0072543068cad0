"""When an invocation ended, and whether a line under its id begins a retry of it."""

import math
from collections.abc import Mapping, Sequence
from typing import Final

from lambda_guard import _names as names
from lambda_guard.tools.logs.model import TimedLine, as_mapping, as_number, time_of
from lambda_guard.tools.logs.reading.line_owner import Identified, Sign
from lambda_guard.tools.logs.reading.lines import parse
from lambda_guard.tools.logs.reading.streams import Group

RETRY_AFTER_MS: Final = 10_000.0
"""Lines under the id of an ended invocation are a retry's if they are this much later.

Lambda waits a minute before the first: https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
"""

EVENT_AGE_MOST_MS: Final = 21_600_000.0
"""Lambda gives up on an event after six hours (`MaximumEventAgeInSeconds`), on the same page."""

ASYNCHRONOUS: Final = (
    "sns", "eventbridge", "schedule", "s3", "lambda", "logs", "iot", "cloudformation", "codepipeline", "ses",
    "codecommit", "config", "cloudwatch-alarm",
)  # fmt: skip
"""Triggers whose failed invocations Lambda repeats under the same id."""

_STAMP: Final = f'"{names.TIMESTAMP}":"'.encode()


def is_retry(group: Group, identified: Identified) -> bool:
    """A retried asynchronous invocation comes back under its old id."""
    if identified.sign is not Sign.START:
        return group.done and is_much_later(identified, end_of(group))
    return group.started and not (tells_time(identified.line) and identified.line in group.lines)


def tells_time(line: bytes) -> bool:
    """Whether an equal line must be the same line again: text without a time repeats from attempt to attempt."""
    return isinstance(line, TimedLine) or line[:1] == b"{"


def end_of(group: Group) -> float:
    """When the group ended, ms since 1970; 0 where nothing tells, so that no line counts as much later."""
    said = (
        time_of(group.record.get(names.TIMESTAMP)) if group.record is not None else group.report.ended_at_ms
    )
    return said or 0.0


def last_sign_of(group: Group) -> float:
    """When the group ended, or its last line was written, ms since 1970; infinite where nothing tells."""
    return end_of(group) or parse(group.lines[-1]).time_ms or math.inf


def is_much_later(identified: Identified, end_ms: float) -> bool:
    """Return whether a line under the id of an ended invocation is its retry's.

    Its END and REPORT never are: they wait for the extensions, which may take long.
    """
    if end_ms <= 0 or identified.sign in {Sign.END, Sign.REPORT}:
        return False
    at = parse(identified.line).time_ms
    return at is not None and at - end_ms > RETRY_AFTER_MS


def count_of_earlier_attempt(lines: Sequence[bytes], record: Mapping[str, object]) -> int:
    """Count the lines at the head that were written long before the invocation of this record began.

    Without a START between them, and where the trigger repeats what fails; elsewhere the clock has jumped.
    """
    trigger = as_mapping(record.get(names.TRIGGER)).get(names.TYPE)
    if trigger not in ASYNCHRONOUS or _minute_of(lines[0]) == _minute_of(lines[-1]):
        return 0
    ended, took = time_of(record.get(names.TIMESTAMP)), as_number(record.get(names.DURATION_MS))
    if ended is None or took is None:
        return 0
    ages = [None if (at := parse(line).time_ms) is None else ended - took - at for line in lines]
    if ages[0] is None or ages[0] > EVENT_AGE_MOST_MS:
        return 0
    return next(place for place, age in enumerate(ages) if age is not None and age <= RETRY_AFTER_MS)


def _minute_of(line: bytes) -> bytes:
    """Return the minute of a JSON line as it is written: lines of the same minute aren't attempts of their own."""
    at = line.find(_STAMP) + len(_STAMP)
    return line[at : at + len("2026-11-23T15:04")]
