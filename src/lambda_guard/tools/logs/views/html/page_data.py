"""What the page shows, as plain data: every text and place is worked out here, and the script only draws."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import msgspec

from lambda_guard import _names as names
from lambda_guard.tools.logs.causes import Causes
from lambda_guard.tools.logs.invocation import CLOCK_JUMPED, EXPLAINED, Block, Invocation
from lambda_guard.tools.logs.model import Line, Stray
from lambda_guard.tools.logs.selection import failures, received_ids
from lambda_guard.tools.logs.traces.timescale import Timescale
from lambda_guard.tools.logs.traces.tree import Node, Trace
from lambda_guard.tools.logs.views.causes import functions_text
from lambda_guard.tools.logs.views.html.rows import ROW_BYTES_MOST, Rows, encoded_shown, filled
from lambda_guard.tools.logs.views.text import (
    MARKS,
    attempt_text,
    cold_text,
    compact,
    error_text,
    execution_text,
    failure_text,
    http_text,
    init_ms,
    memory_text,
    offset_text,
    overrun_text,
    report_text,
    sent_text,
    stack_of,
    trigger_text,
)
from lambda_guard.tools.logs.views.waterfall import (
    REPLAYED,
    call_text,
    calls_ms,
    died_text,
    others_text,
    waited_text,
)
from lambda_guard.tools.times import clock, date_and_clock, span

_SINGLE_TRACK: Final = 0.98


def page_data(
    traces: Sequence[Trace],
    *,
    title: str,
    strays: Iterable[Stray] = (),
    by_cause: bool = False,
    edges_of: Sequence[Sequence[int]] = (),
    size: int = ROW_BYTES_MOST,
) -> tuple[dict[str, msgspec.Raw], list[msgspec.Raw]]:
    """Return everything that the page's script draws.

    Args:
        traces: what to show.
        title: the page's heading.
        strays: lines that belong to no invocation.
        by_cause: whether the table of causes is open.
        edges_of: for each invocation, what it is part of in the map, which stands in the page already.
        size: bytes that there is room for.

    Returns:
        `nodes`, all rows in their order; `traces`, each with where its rows are, its ticks and its folds; `causes`,
        what the failures come from, with a key that the rows have; `left_out`, what there was no room for. Of a row,
        what is empty is left out. All of it is JSON already, as there may be many thousands of rows.
    """
    rows, described = Rows(_lines_data, size), list[dict[str, object]]()
    (causes, keys), longest = _causes(traces), _longest_single(traces)
    rows.spend(len(encoded_shown(causes)))
    for place, trace in enumerate(traces):
        if rows.is_full:
            break
        described.append(_add_trace(trace, rows, keys, edges_of, longest, titled=len(traces) > 1))
        rows.spend(len(encoded_shown(described[place])))
    count = len(rows)
    _keep_examples(causes, keys, range(count))
    for stray in strays:
        described.append({"first": len(rows), "count": 1})
        rows.add(_stray_data(stray, len(described) - 1), stray)
    nodes = rows.encoded()
    head: dict[str, object] = {
        "title": title,
        "about": _about(traces),
        "count": count,
        "one": len(traces) == 1,
        "traces": described,
        "by_cause": by_cause,
        "causes": causes,
        "left_out": _left_out(sum(len(one.invocations) for one in traces) - count, rows.without_lines),
    }
    return {key: msgspec.Raw(encoded_shown(value)) for key, value in head.items()}, nodes


def _keep_examples(causes: list[dict[str, object]], keys: Mapping[int, list[str]], shown: range) -> None:
    """Give a cause whose example there is no room for another one; -1 where none is shown."""
    for cause in causes:
        if cause["at"] not in shown:
            cause["at"] = next((at for at in keys if at in shown and cause["key"] in keys[at]), -1)


def _left_out(invocations: int, without_lines: int) -> str:
    """Describe what the page misses; empty where it has everything."""
    missing = [f"{invocations:,} invocation{'s' * (invocations != 1)}"] if invocations else []
    if without_lines:
        missing.append(f"lines of {without_lines:,} invocation{'s' * (without_lines != 1)}")
    return f"left out to keep the page small: {', '.join(missing)}" if missing else ""


def _causes(traces: Sequence[Trace]) -> tuple[list[dict[str, object]], dict[int, list[str]]]:
    """Return the causes of what failed, and for each row by its place which ones are its."""
    causes, places, keys = Causes(), dict[int, int](), dict[int, list[str]]()
    walked = (node for trace in traces for _, node in trace.walk())
    for at, node in enumerate(walked):  # strays come after them
        if node.failed and (found := causes.add(node.invocation)):
            keys[at] = found
            places[id(node.invocation)] = at
    told = [
        {
            "key": cause.key,
            "text": error_text(cause.error),
            "fingerprint": str(cause.error.get(names.FINGERPRINT) or ""),
            "count": cause.count,
            "first": date_and_clock(cause.first_ms),
            "last": date_and_clock(cause.last_ms),
            "functions": functions_text(cause.functions),
            "example": cause.example.invocation_id,
            "at": places[id(cause.example)],
        }
        for cause in causes.rows()
    ]
    return told, keys


def _about(traces: Sequence[Trace]) -> str:
    starts = [one.start_ms for trace in traces for one in trace.invocations if one.start_ms is not None]
    ends = [one.end_ms for trace in traces for one in trace.invocations if one.end_ms is not None]
    if not starts or not ends:
        return "no times"
    return f"{date_and_clock(min(starts))} UTC, {span(max(ends) - min(starts))}"


def _longest_single(traces: Iterable[Trace]) -> float:
    """Invocations that stand alone are drawn as lengths, against the longest of them."""
    alone = (trace.roots[0].invocation for trace in traces if _is_single(trace))
    return max((one.duration_ms or 0.0 for one in alone), default=0.0)


def _is_single(trace: Trace) -> bool:
    return len(trace.roots) == 1 and not trace.roots[0].children


def _add_trace(
    trace: Trace,
    rows: Rows,
    causes: Mapping[int, list[str]],
    edges_of: Sequence[Sequence[int]],
    longest_ms: float,
    *,
    titled: bool,
) -> dict[str, object]:
    first, scale = len(rows), trace.timescale(init_ms)
    together = len({root.invocation.trace_id for root in trace.roots} - {""})
    titled = titled or together > 1
    alone = titled and _is_single(trace)
    for depth, node in trace.walk():
        if rows.is_full:
            break
        places = _length(node.invocation, longest_ms) if alone else _places(node, scale)
        told = _node_data(node)
        if alone:
            told["from"] = f"{clock(node.invocation.start_ms)} {told['from']}".strip()
        on = edges_of[len(rows)] if edges_of else ()
        rows.add(
            {**told, **places, "depth": depth, "causes": causes.get(len(rows)), "on": on}, node.invocation
        )
    count = len(rows) - first
    where: dict[str, object] = {"first": first, "count": count}
    return (
        where if alone else {**where, **_heading(trace, scale, count), "together": together, "titled": titled}
    )


def _heading(trace: Trace, scale: Timescale, count: int) -> dict[str, object]:
    failed = f" · {trace.failed} failed" if trace.failed else ""
    ran = trace.timescale()
    took = span(ran.end_ms - ran.begin_ms)
    return {
        "id": trace.trace_id,
        "about": f"{clock(ran.begin_ms)} · {count} invocations · {took}{failed}",
        "ticks": [[round(at, 4), span(ms) if ms else "0"] for at, ms in scale.ticks()],
        "knots": [[round(at, 7), round(ms, 3)] for at, ms in scale.knots],
        "folds": [[round(fold.begin, 4), round(fold.end, 4), span(fold.ms)] for fold in scale.folds],
    }


def _places(node: Node, scale: Timescale) -> dict[str, object]:
    start, end = node.invocation.start_ms, node.invocation.end_ms
    if start is None:
        return {}
    places = {"begin": start, "end": end or start}
    if node.waited_ms:
        places["wait"] = start - node.waited_ms
    if init := init_ms(node.invocation):
        places["init"] = start - init
    return {name: round(scale.place(at), 5) for name, at in places.items()}


def _length(invocation: Invocation, longest_ms: float) -> dict[str, object]:
    share = (invocation.duration_ms or 0.0) / longest_ms if longest_ms else 0.0
    return {"begin": 0.0, "end": round(share * _SINGLE_TRACK, 5)}


def _node_data(node: Node) -> dict[str, object]:
    invocation = node.invocation
    return {
        "key": f"{invocation.invocation_id}.{invocation.attempt_seen}" if invocation.attempt_seen > 1 else "",
        "fn": invocation.function,
        "version": invocation.version,
        **_outcome(invocation.verdict),
        "failed": node.failed,
        "retry": node.link == "retry",
        "children": len(node.children),
        "took": span(invocation.duration_ms) if invocation.duration_ms is not None else "",
        "aws": _share_of_calls(invocation),
        "waited": waited_text(node),
        "facts": [[name, value] for name, value in _facts(node) if value],
        "from": " · ".join(filter(None, _origin(node))),
        "ids": [[name, value] for name, value in _ids(invocation) if value],
        "error": _error(invocation),
        "notes": [filled(note) for note in _notes(node)],
        "died": died_text(node),
    }


def _outcome(verdict: str) -> dict[str, object]:
    """Say how it went; success goes without saying."""
    return {} if verdict == names.SUCCESS else {"outcome": verdict, "mark": MARKS.get(verdict, "?")}


def _stray_data(stray: Stray, place: int) -> dict[str, object]:
    count = f"{len(stray.lines)} line{'s' * (len(stray.lines) != 1)}"
    return {
        "key": f"stray-{place}",
        "stray": True,
        "fn": "of no invocation",
        "version": stray.source,
        "outcome": count,
        "mark": "·",
        "from": stray.source,
    }


def _origin(node: Node) -> Iterator[str]:
    """Describe beside the name where it came from, in few words."""
    if node.link == "dead-letter":
        yield "dead letter"
    if node.replay:
        yield "replayed"
    yield trigger_text(node.invocation.trigger)
    yield http_text(node.invocation.http)
    yield attempt_text(node.invocation)


def _began(invocation: Invocation) -> str:
    return f"{date_and_clock(invocation.start_ms)} UTC" if invocation.start_ms is not None else ""


def _facts(node: Node) -> Iterator[tuple[str, str]]:
    invocation = node.invocation
    yield "trigger", trigger_text(invocation.trigger)
    yield "request", http_text(invocation.http)
    yield "", waited_text(node)
    yield "in AWS calls", span(calls) if (calls := calls_ms(invocation)) is not None else ""
    yield "", REPLAYED if node.replay else ""
    yield "memory", memory_text(invocation)
    yield "", cold_text(invocation)
    yield "", execution_text(invocation)
    yield "", overrun_text(invocation)
    yield "", attempt_text(invocation)
    yield "", others_text(node)
    remaining = invocation.number(names.REMAINING_MS)
    yield "left", span(remaining) if remaining is not None else ""


def _share_of_calls(invocation: Invocation) -> float | None:
    """Return which part of its time it spent in AWS calls, if any; several at a time may add up to more."""
    calls, took = calls_ms(invocation), invocation.duration_ms
    return round(min(1.0, calls / took), 3) if calls and took else None


def _ids(invocation: Invocation) -> Iterator[tuple[str, str]]:
    """Name what is worth copying, and where and when it was."""
    yield "invocation", invocation.invocation_id
    yield "trace", invocation.trace_id
    yield "Lambda's trace", invocation.text(names.LAMBDA_TRACE_ID)
    yield "messages", ", ".join(sorted(received_ids(invocation)))
    yield "began", _began(invocation)
    yield "logged in", invocation.source


def _error(invocation: Invocation) -> dict[str, object] | None:
    error = invocation.error
    if not error:
        return None
    return {
        "text": error_text(error),
        "fingerprint": str(error.get(names.FINGERPRINT) or ""),
        "stack": stack_of(error),
    }


def _notes(node: Node) -> Iterator[dict[str, str]]:
    """Yield what stands below the error: what failed, was sent, was called, and what Lambda reported."""
    invocation = node.invocation
    for failure in failures(invocation):
        theirs = node.is_of_others(failure)
        text = f"of another trace: {failure_text(failure)}" if theirs else failure_text(failure)
        yield {"kind": "soft" if theirs else "bad", "text": f"\N{BALLOT X} {text}"}
    for message in node.dead_letters:
        yield {"kind": "bad", "text": f"→ to the dead-letter queue: message {message}"}
    for sent in invocation.entries(names.SENT):
        unseen = "  (no invocation of it here)" if sent in node.unreceived else ""
        yield {"kind": "", "text": f"→ {sent_text(sent)}{unseen}"}
    for call in invocation.entries(names.CALLS):
        yield {"kind": "soft", "text": f"· {call_text(call)}"}
    if invocation.outcome in EXPLAINED:
        yield {"kind": "bad", "text": EXPLAINED[invocation.outcome]}
    if invocation.clock_jumped:
        yield {"kind": "soft", "text": CLOCK_JUMPED}
    if report := report_text(invocation.report):
        yield {"kind": "soft", "text": f"Lambda: {report}"}


def _lines_data(block: Block) -> list[dict[str, object]]:
    start_ms = block.start_ms if isinstance(block, Invocation) else None
    return [_line_data(line, start_ms) for line in block.lines]


def _line_data(line: Line, start_ms: float | None) -> dict[str, object]:
    """Keep the keys short: there may be many thousands."""
    if line.time_ms is None or (line.whole_second and start_ms is not None):
        at = ""
    else:
        at = clock(line.time_ms) if start_ms is None else offset_text(line.time_ms - start_ms).strip()
    return {
        "t": at,
        "l": line.level,
        "m": line.message,
        "f": [
            [key, value if isinstance(value, str) else compact(value)] for key, value in line.fields.items()
        ],
        "x": line.exception,
        "c": " ".join(filter(None, (line.logger, line.location))),
        "k": line.kind,
        "n": line.times if line.times > 1 else 0,
        "b": line.broken,
    }
