"""The lines of an invocation that are shown: without what its record or its report says, in order of time. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from msgspec.structs import replace

from lambda_guard import _names as names
from lambda_guard.tools.logs.model import Line, Report, as_mapping, true_time
from lambda_guard.tools.logs.reading.line_owner import load
from lambda_guard.tools.logs.reading.lines import parse
from lambda_guard.tools.logs.reading.runtime_errors import without_error

_FOLDED: Final = (
    b"START RequestId: ",
    b"END RequestId: ",
    b"REPORT RequestId: ",
    b"INIT_START Runtime Version: ",
    b"RESTORE_START Runtime Version: ",
    b"XRAY TraceId: ",
)
_FOLDED_EVENTS: Final = (
    "platform.start",
    "platform.runtimeDone",
    "platform.report",
    "platform.initStart",
    "platform.restoreStart",
)
_EVENTS_OF_INIT: Final = ("platform.initRuntimeDone", "platform.initReport")
_SECOND_MS: Final = 1_000.0
_BOILERPLATE: Final = b"LAMBDA_WARNING: Unhandled exception. The most likely cause is "
"""The same four sentences before every error of an import: the runtime could have been updated."""


def shown_lines(
    raws: Sequence[bytes],
    record: Mapping[str, object] | None,
    record_line: bytes | None,
    report: Report,
    *,
    repeats: bool,
) -> Sequence[Line]:
    """Return the lines but the record, those that the report says in full, and the runtime's of the record's error.

    A line that stands there twice is one with a count, if `repeats` says that there may be any.
    """
    own = [raw for raw in raws if raw != record_line]
    if not report.is_empty():
        timed_out = record is not None and names.TIMEOUT == report.status == record.get(names.OUTCOME)
        own = [raw for raw in own if not _is_folded(raw, report, timed_out=timed_out)]
    if error := as_mapping(as_mapping(record).get(names.ERROR)):
        own = without_error(own, str(error.get(names.TYPE)), str(error.get(names.MESSAGE) or ""))
    if not repeats:
        return _in_order(own, list(map(parse, own)))
    counts = Counter(own)
    lines = [replace(parse(raw), times=count) if count > 1 else parse(raw) for raw, count in counts.items()]
    return _in_order(counts, lines)


def _is_folded(raw: bytes, report: Report, *, timed_out: bool) -> bool:
    """Whether the report tells a line of the platform in full, or the record does with it."""
    if raw.startswith(_FOLDED) or _BOILERPLATE in raw[:200]:
        return True
    if raw[:1] == b"{":
        return b'"platform.' in raw and _is_folded_event(load(raw) or {}, report)
    if raw.startswith(b"INIT_REPORT ") and report.error_type:
        return f"Error Type: {report.error_type}".encode() in raw
    if timed_out and b" Task timed out after " in raw:
        return True
    return bool(report.error_type) and raw.strip() == report.error_type.encode()


def _is_folded_event(document: Mapping[str, object], report: Report) -> bool:
    """Whether the report tells an event; of an initialization, it tells one that failed of the same error."""
    record = document.get("record")
    if not isinstance(record, Mapping):
        return False
    if document.get("type") in _EVENTS_OF_INIT:
        return bool(report.error_type) and record.get("errorType") == report.error_type
    return document.get("type") in _FOLDED_EVENTS


def _in_order(raws: Iterable[bytes], lines: list[Line]) -> list[Line]:
    """Sort lines by time; those without one, or with one that can't be true, stay below the line above them.

    Nearly all are in order, and stay as they are. Of several clocks, that of the source is the one that all lines
    have: their own times may come from before it got them.
    """
    latest = 0.0
    for line in lines:
        if line.time_ms is not None:
            if line.time_ms < latest:
                break
            latest = line.time_ms
    else:
        return lines
    timed = [getattr(raw, "time_ms", None) for raw in raws]
    times = [line.time_ms for line in lines] if None in timed else timed
    latest, keys = 0.0, list[float]()
    for at in map(true_time, times):
        if at is not None and not (at % _SECOND_MS == 0.0 and at <= latest < at + _SECOND_MS):
            latest = at  # one that is cut to the second may be any time of it
        keys.append(latest)
    return [lines[place] for place in sorted(range(len(lines)), key=keys.__getitem__)]
