"""What the page shows, as plain data: every text and place is worked out here, and the script only draws."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from lambda_guard import _names as names
from lambda_guard.tools.logs.causes import Causes
from lambda_guard.tools.logs.invocation import CLOCK_JUMPED, EXPLAINED, Invocation
from lambda_guard.tools.logs.model import Line, Stray
from lambda_guard.tools.logs.selection import failures, received_ids
from lambda_guard.tools.logs.traces.timescale import Timescale
from lambda_guard.tools.logs.traces.tree import Node, Trace
from lambda_guard.tools.logs.views.causes import functions_text
from lambda_guard.tools.logs.views.text import (
    MARKS,
    attempt_text,
    cold_text,
    compact,
    error_text,
    execution_text,
    failure_text,
    http_text,
    memory_text,
    offset_text,
    overrun_text,
    report_text,
    sent_text,
    stack_of,
    trigger_text,
)
from lambda_guard.tools.logs.views.waterfall import REPLAYED, call_text, others_text, waited_text
from lambda_guard.tools.times import clock, date_and_clock, span

_SINGLE_TRACK: Final = 0.98
_UNTITLED: Final = {"titled": False, "ticks": [], "folds": [], "id": "", "about": ""}


def page_data(
    traces: Sequence[Trace], *, title: str, strays: Iterable[Stray] = (), by_cause: bool = False
) -> dict[str, object]:
    """Return everything that the page's script draws.

    Returns:
        `nodes`, all rows in their order; `traces`, each with where its rows are, its ticks and its folds; `causes`,
        what the failures come from, with a key that the rows have.
    """
    nodes: list[dict[str, object]] = []
    described: list[dict[str, object]] = []
    longest = _longest_single(traces)
    for place, trace in enumerate(traces):
        described.append(_add_trace(trace, nodes, place, longest, titled=len(traces) > 1))
    count = len(nodes)
    for stray in strays:
        described.append({"first": len(nodes), "count": 1, **_UNTITLED})
        nodes.append(_stray_data(stray, len(described) - 1))
    return {
        "title": title,
        "about": _about(traces),
        "count": count,
        "one": len(traces) == 1,
        "traces": described,
        "nodes": nodes,
        "by_cause": by_cause,
        "causes": _causes(traces, nodes),
    }


def _causes(traces: Sequence[Trace], nodes: list[dict[str, object]]) -> list[dict[str, object]]:
    """Return the causes of what failed, and note in each row which ones are its."""
    causes, places = Causes(), dict[int, int]()
    walked = (node for trace in traces for _, node in trace.walk())
    for at, node in enumerate(walked):  # strays come after them
        if keys := causes.add(node.invocation) if node.failed else ():
            nodes[at]["causes"] = keys
            places[id(node.invocation)] = at
    return [
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
    trace: Trace, nodes: list[dict[str, object]], place: int, longest_ms: float, *, titled: bool
) -> dict[str, object]:
    first, scale = len(nodes), trace.timescale()
    alone = titled and _is_single(trace)
    for depth, node in trace.walk():
        places = _length(node.invocation, longest_ms) if alone else _places(node, scale)
        told = _node_data(node)
        if alone:
            told["from"] = f"{clock(node.invocation.start_ms)} {told['from']}".strip()
        nodes.append({**told, **places, "depth": depth, "trace": place})
    count = len(nodes) - first
    failed = f" · {trace.failed} failed" if trace.failed else ""
    took = span(scale.end_ms - scale.begin_ms)
    return {
        "id": trace.trace_id,
        "about": f"{clock(scale.begin_ms)} · {count} invocations · {took}{failed}",
        "first": first,
        "count": count,
        "titled": titled and not alone,
        "ticks": [] if alone else [[round(at, 4), span(ms) if ms else "0"] for at, ms in scale.ticks()],
        "folds": [[round(fold.begin, 4), round(fold.end, 4), span(fold.ms)] for fold in scale.folds],
    }


def _places(node: Node, scale: Timescale) -> dict[str, object]:
    start, end = node.invocation.start_ms, node.invocation.end_ms
    if start is None:
        return {"begin": None, "end": None, "wait": None}
    wait = round(scale.place(start - node.waited_ms), 5) if node.waited_ms else None
    return {"begin": round(scale.place(start), 5), "end": round(scale.place(end or start), 5), "wait": wait}


def _length(invocation: Invocation, longest_ms: float) -> dict[str, object]:
    share = (invocation.duration_ms or 0.0) / longest_ms if longest_ms else 0.0
    return {"begin": 0.0, "end": round(share * _SINGLE_TRACK, 5), "wait": None}


def _node_data(node: Node) -> dict[str, object]:
    invocation = node.invocation
    attempt = f".{invocation.attempt_seen}" if invocation.attempt_seen > 1 else ""
    return {
        "key": invocation.invocation_id + attempt,
        "fn": invocation.function,
        "version": invocation.version,
        "outcome": invocation.verdict,
        "mark": MARKS.get(invocation.verdict, "?"),
        "failed": node.failed,
        "retry": node.link == "retry",
        "children": len(node.children),
        "took": span(invocation.duration_ms) if invocation.duration_ms is not None else "",
        "tip": [text for text in (_began(invocation), waited_text(node), invocation.invocation_id) if text],
        "facts": [[name, value] for name, value in _facts(node) if value],
        "from": " · ".join(filter(None, _origin(node))),
        "ids": [[name, value, is_id] for name, value, is_id in _ids(invocation) if value],
        "error": _error(invocation),
        "notes": list(_notes(node)),
        "lines": [_line_data(line, invocation.start_ms) for line in invocation.lines],
    }


def _stray_data(stray: Stray, place: int) -> dict[str, object]:
    count = f"{len(stray.lines)} line{'s' * (len(stray.lines) != 1)}"
    return {
        "key": f"stray-{place}",
        "stray": True,
        "fn": "of no invocation",
        "version": stray.source,
        "outcome": count,
        "mark": "·",
        "failed": False,
        "children": 0,
        "from": stray.source,
        "took": "",
        "tip": [count, stray.source],
        **dict.fromkeys(("facts", "ids", "notes"), ()),
        "error": None,
        "lines": [_line_data(line, None) for line in stray.lines],
        **dict.fromkeys(("begin", "end", "wait")),
        "depth": 0,
        "trace": place,
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
    yield "took", span(invocation.duration_ms) if invocation.duration_ms is not None else ""
    yield "trigger", trigger_text(invocation.trigger)
    yield "request", http_text(invocation.http)
    yield "", waited_text(node)
    yield "", REPLAYED if node.replay else ""
    yield "memory", memory_text(invocation)
    yield "", cold_text(invocation)
    yield "", execution_text(invocation)
    yield "", overrun_text(invocation)
    yield "", attempt_text(invocation)
    yield "", others_text(node)
    remaining = invocation.number(names.REMAINING_MS)
    yield "left", span(remaining) if remaining is not None else ""


def _ids(invocation: Invocation) -> Iterator[tuple[str, str, bool]]:
    """Name what is worth copying, and where and when it was."""
    yield "invocation", invocation.invocation_id, True
    yield "trace", invocation.trace_id, True
    yield "Lambda's trace", invocation.text(names.LAMBDA_TRACE_ID), True
    yield "messages", ", ".join(sorted(received_ids(invocation))), True
    yield "began", _began(invocation), False
    yield "logged in", invocation.source, False


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


def _line_data(line: Line, start_ms: float | None) -> dict[str, object]:
    """Keep the keys short: there may be many thousands."""
    if line.time_ms is None:
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
        "n": line.times,
        "b": line.broken,
    }
