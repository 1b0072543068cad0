"""What a rehearsal found, for people and for programs."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from lambda_guard.tools.alarms.rehearsal import Rehearsed, Ring
from lambda_guard.tools.alarms.series import Series

_RINGS_MOST: Final = 10
"""So many rings of an alarm are listed; the others are counted."""

Proposals = Mapping[str, float | None]


def lines(rehearsed: Sequence[Rehearsed], series: Series, proposals: Proposals) -> Iterator[str]:
    """Yield the report: what rang first, then what couldn't ring, then what was quiet."""
    if series.first > series.last:
        yield "no metric in these logs: nothing to rehearse by"
    else:
        yield f"{len(rehearsed)} alarms from {_moment(series.first)} to {_moment(series.last)}"
    yield ""
    for it in sorted(rehearsed, key=_order):
        yield from _of(it, proposals)
    rang = [it for it in rehearsed if it.rings]
    by_severity = {it.alarm.severity or "no severity": 0 for it in rang}
    for it in rang:
        by_severity[it.alarm.severity or "no severity"] += len(it.rings)
    said = ", ".join(f"{count} {severity}" for severity, count in sorted(by_severity.items()))
    yield ""
    yield f"{len(rang)} of {len(rehearsed)} alarms would have rung" + (f": {said}" if said else "")


def _order(it: Rehearsed) -> tuple[bool, bool, bool, str]:
    return not it.rings, not it.unread, not it.unfed, it.alarm.name


def _of(it: Rehearsed, proposals: Proposals) -> Iterator[str]:
    name = f"{it.alarm.name:<32}"
    if it.unread:
        yield f"?     {name} not rehearsed: {it.unread}"
        return
    for why in it.unfed:
        yield f"blind {name} {why}"
    if not it.rings:
        if not it.unfed:
            yield f"quiet {name}"
        return
    yield f"RANG  {name} {len(it.rings)} time{'s' * (len(it.rings) != 1)}  {it.alarm.severity}"
    for ring in it.rings[:_RINGS_MOST]:
        yield f"        {_ring(ring)}"
    if len(it.rings) > _RINGS_MOST:
        yield f"        and {len(it.rings) - _RINGS_MOST} times more"
    if it.alarm.name in proposals:
        proposal = proposals[it.alarm.name]
        other = "no other would do" if proposal is None else f"with {proposal:g} it wouldn't have"
        yield f"        the threshold is {it.alarm.threshold:g}: {other}"


def _ring(ring: Ring) -> str:
    until = "goes on" if ring.ended is None else f"{(ring.ended - ring.began) / 60:g} min"
    value = "no value" if ring.value is None else f"{ring.value:g}"
    behind = f"  {' '.join(ring.invocations)}" if ring.invocations else ""
    return f"{_moment(ring.began)}  {until:<8} {ring.contributor}  {value}{behind}"


def document(rehearsed: Sequence[Rehearsed], series: Series, proposals: Proposals) -> str:
    """Return the report as JSON."""
    empty = series.first > series.last
    return json.dumps(
        {
            "from": None if empty else _iso(series.first),
            "to": None if empty else _iso(series.last),
            "alarms": [_entry(it, proposals) for it in rehearsed],
        },
        ensure_ascii=False,
    )


def _entry(it: Rehearsed, proposals: Proposals) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "alarm": it.alarm.name,
        "severity": it.alarm.severity,
        "threshold": it.alarm.threshold,
        "rehearsed": not it.unread,
        "why": it.unread,
        "unfed": list(it.unfed),
        "rings": [
            {
                "contributor": ring.contributor,
                "from": _iso(ring.began),
                "to": None if ring.ended is None else _iso(ring.ended),
                "value": ring.value,
                "invocations": list(ring.invocations),
            }
            for ring in it.rings
        ],
    }
    return entry | ({"proposed": proposals[it.alarm.name]} if it.alarm.name in proposals else {})


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _moment(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M}"
