"""Where the invocations that a search found are: a log stream, and from when to when."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from lambda_guard import _names as names
from lambda_guard.tools.aws import FUNCTION_SECONDS_MOST
from lambda_guard.tools.logs.cloudwatch.insights import Row
from lambda_guard.tools.logs.model import Report, as_number, time_of
from lambda_guard.tools.logs.reading.line_owner import Sign, identify, load
from lambda_guard.tools.logs.reading.lines import add_to_report

BEFORE_MS: Final = 2_000.0
AFTER_MS: Final = 15_000.0
"""How much more is read around an invocation: its START and init before, END, REPORT and stragglers after."""

LONGEST_MS: Final = FUNCTION_SECONDS_MOST * 1000.0
MERGED_MS: Final = 60_000.0


@dataclass(slots=True)
class Place:
    """A part of a log stream with invocations that were asked for."""

    group: str
    stream: str
    begin_ms: float
    end_ms: float
    ids: set[str] = field(default_factory=set)


def places_of(rows: Iterable[Row]) -> list[Place]:
    """Find where to read, parts that lie close together in one stream being read as one."""
    merged: list[Place] = []
    found = (place for row in rows if (place := _place(row)) is not None)
    for place in sorted(found, key=lambda one: (one.group, one.stream, one.begin_ms)):
        last = merged[-1] if merged else None
        close = last is not None and (last.group, last.stream) == (place.group, place.stream)
        if last is not None and close and place.begin_ms <= last.end_ms + MERGED_MS:
            last.end_ms = max(last.end_ms, place.end_ms)
            last.ids |= place.ids
        else:
            merged.append(place)
    return merged


def _place(row: Row) -> Place | None:
    line = row.message.encode("utf-8", "replace").strip()
    identified = identify(line)
    at = float(row.time) if row.time.isdigit() else time_of(row.time)
    if identified.invocation_id is None or at is None:
        return None
    begin, end = _extent(line, identified.sign, at)
    owner = identified.invocation_id.decode("utf-8", "replace")
    return Place(row.group, row.stream, begin - BEFORE_MS, end + AFTER_MS, {owner})


def _extent(line: bytes, sign: Sign, at: float) -> tuple[float, float]:
    """A record and a report tell how long it took; of any other line only the longest possible is known."""
    if sign is Sign.RECORD:
        document = load(line) or {}
        return at - (as_number(document.get(names.DURATION_MS)) or LONGEST_MS), at
    if sign is Sign.REPORT:
        report = Report()
        add_to_report(report, line)
        return at - (report.duration_ms or LONGEST_MS), at
    return at - LONGEST_MS, at + LONGEST_MS
