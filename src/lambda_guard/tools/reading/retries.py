"""When an invocation ended, and whether a line under its id begins a retry of it."""

import math
from typing import Final

from lambda_guard import _names as names
from lambda_guard.tools.model import TimedLine, time_of
from lambda_guard.tools.reading.lines import parse
from lambda_guard.tools.reading.signs import Identified, Sign
from lambda_guard.tools.reading.streams import Group

RETRY_AFTER_MS: Final = 10_000.0
"""Lines under the id of an ended invocation are a retry's if they are this much later.

Lambda waits a minute before the first.
"""


def is_retry(group: Group, identified: Identified) -> bool:
    """A retried asynchronous invocation comes back under its old id."""
    if identified.sign is not Sign.START:
        return group.done and is_much_later(identified.line, end_of(group))
    return group.started and not (tells_time(identified.line) and identified.line in group.lines)


def tells_time(line: bytes) -> bool:
    """Whether an equal line must be the same line again.

    Text lines without a time repeat from one attempt to the next.
    """
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


def is_much_later(line: bytes, end_ms: float) -> bool:
    """Tell whether a line under the id of an ended invocation is its retry's."""
    at = parse(line).time_ms
    return end_ms > 0 and at is not None and at - end_ms > RETRY_AFTER_MS
