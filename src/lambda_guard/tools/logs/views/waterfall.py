"""A trace as text: a tree on the left, a waterfall on the right, and below each row what became of it."""

import textwrap
from collections.abc import Iterator, Mapping
from typing import Final

from lambda_guard import _names as names
from lambda_guard._printable import visible
from lambda_guard.tools.logs.invocation import CLOCK_JUMPED, Invocation
from lambda_guard.tools.logs.model import as_mapping, as_number
from lambda_guard.tools.logs.selection import failures
from lambda_guard.tools.logs.traces.timescale import Timescale
from lambda_guard.tools.logs.traces.tree import Node, Trace
from lambda_guard.tools.logs.views.text import (
    MARKS,
    OUTCOME_STYLES,
    TIMES,
    attempt_text,
    cold_text,
    error_text,
    http_text,
    sent_text,
    short_name,
    trigger_text,
)
from lambda_guard.tools.terminal import Palette
from lambda_guard.tools.times import date_and_clock, span

REPLAYED: Final = "replayed by dlq replay"

_LABEL_MOST: Final = 56
_BRANCH_MOST: Final = 30
_BAR_LEAST: Final = 16
_DEFAULT_WIDTH: Final = 120
_BETWEEN: Final = " · "
_EIGHTHS: Final = " ▏▎▍▌▋▊▉"


class TraceView:
    """Draws traces as text.

    Args:
        palette: the colours, or none.
        width: columns to fill; None for 120.
    """

    def __init__(self, palette: Palette, width: int | None = None) -> None:
        self._paint = palette.paint
        self._width = max(60, width or _DEFAULT_WIDTH)

    def trace(self, trace: Trace) -> str:
        """Draw one trace, with an empty line after it."""
        rows = list(_rows(trace))
        room = min(_LABEL_MOST, self._width - _BAR_LEAST - 14)
        label_width = min(room, max(len(label) for _, label, _ in rows))
        bar_width = max(_BAR_LEAST, self._width - label_width - 14)
        scale = trace.timescale()
        drawn = [self._title(trace, scale)]
        for node, label, stem in rows:
            drawn.append(self._row(node, label, scale, label_width, bar_width))
            for style, text in self._below(node):
                drawn += self._wrapped(stem, style, text)
        return "\n".join(drawn) + "\n\n"

    def _title(self, trace: Trace, scale: Timescale) -> str:
        invocations = trace.invocations
        functions = len({one.function for one in invocations})
        parts = [
            f"{len(invocations)} invocation{'s' * (len(invocations) != 1)}",
            f"{functions} function{'s' * (functions != 1)}",
            span(scale.end_ms - scale.begin_ms),
        ]
        if trace.failed:
            parts.append(f"{trace.failed} failed")
        if scale.begin_ms:
            parts.append(date_and_clock(scale.begin_ms))
        if scale.folds:
            parts.append(f"idle stretches folded: {', '.join(span(fold.ms) for fold in scale.folds)}")
        name = self._paint("bold", f"trace {visible(trace.trace_id)}")
        told = "\n".join(self._wrapped("", "", " · ".join(parts)))
        failed = f"{trace.failed} failed"
        return f"{name}\n{told.replace(failed, self._paint('bold_red', failed))}\n"

    def _wrapped(self, stem: str, style: str, text: str) -> Iterator[str]:
        """Draw what stands under a row, as many lines as it takes: between its parts, else between words."""
        room = self._width - len(stem)
        for line in _lines_of(text, room):
            yield self._paint("dim", stem) + (self._paint(style, line) if style else line)

    def _row(self, node: Node, label: str, scale: Timescale, label_width: int, bar_width: int) -> str:
        outcome = node.invocation.verdict
        style = OUTCOME_STYLES.get(outcome, "bold")
        mark = self._paint(style, MARKS.get(outcome, "?"))
        text = label if len(label) <= label_width else label[: label_width - 1] + "…"
        bar = self._bar(node, scale, bar_width, style)
        return f"{mark} {text:<{label_width}} {bar} {span(node.invocation.duration_ms):>9}"

    def _bar(self, node: Node, scale: Timescale, width: int, style: str) -> str:
        """Draw waiting as dots and running as a bar of eighths, never shorter than what can be seen."""
        start, end = node.invocation.start_ms, node.invocation.end_ms
        if start is None:
            return " " * width
        begin = min(scale.place(start) * width, width - 0.125)
        finish = max(scale.place(end if end is not None else start) * width, begin + 0.125)
        waited = int(scale.place(start - (node.waited_ms or 0.0)) * width)
        first, last = int(begin), min(width, max(int(finish), int(begin) + 1))
        bar = (
            "█" * (last - first) if finish - begin >= 1 else _EIGHTHS[max(1, round((finish - begin) * 8) % 8)]
        )
        dots = "┄" * (first - waited)
        after = " " * (width - first - len(bar))
        return f"{' ' * waited}{self._paint('dim', dots)}{self._paint(style, bar)}{after}"

    @staticmethod
    def _below(node: Node) -> Iterator[tuple[str, str]]:
        """What stands under a row: how it came here, what went wrong, what went out and was not seen again."""
        yield "dim", _how(node)
        error = node.invocation.cause
        if error:
            yield "red", visible(error_text(error))
        for failure in failures(node.invocation):
            text = (
                f"message {failure.get(names.MESSAGE_ID)}: {error_text(as_mapping(failure.get(names.ERROR)))}"
            )
            if node.is_of_others(failure):
                yield "dim", visible(f"of another trace: {text}")
            else:
                yield "red", visible(text)
        if node.invocation.clock_jumped:
            yield "yellow", CLOCK_JUMPED
        for message in node.dead_letters:
            yield "bold_red", f"→ dead-letter queue  message {visible(message)}"
        for sent in node.unreceived:
            yield "blue", f"→ {visible(sent_text(sent))}  (no invocation of it here)"
        for call in node.invocation.entries(names.CALLS):
            yield "dim", f"· {visible(call_text(call))}"


def _lines_of(text: str, room: int) -> Iterator[str]:
    """Cut a text into lines that fit: where its parts end, if each part fits, else between words."""
    line = ""
    for part in text.split(_BETWEEN):
        longer = f"{line}{_BETWEEN}{part}" if line else part
        if len(longer) <= room:
            line = longer
            continue
        if line:
            yield line
        *full, line = textwrap.wrap(part, room, break_on_hyphens=False) or [""]
        yield from full
    yield line


def call_text(call: Mapping[str, object]) -> str:
    """Describe which AWS call was made, how often, and how often it failed."""
    parts = [str(call.get(key) or "") for key in (names.SERVICE, names.OPERATION)]
    parts.append(short_name(str(call.get(names.RESOURCE) or "")))
    count, errors = call.get(names.CALL_COUNT), call.get(names.CALL_ERRORS)
    times = f" {TIMES}{count}" if isinstance(count, int) and count > 1 else ""
    took = as_number(call.get(names.DURATION_MS))
    return "".join(
        [
            " ".join(filter(None, parts)) + times,
            f", {errors} failed" if errors else "",
            f", {span(took)}" if took is not None else "",
        ]
    )


def calls_ms(invocation: Invocation) -> float | None:
    """Return how long its AWS calls took, together, ms; None where its record doesn't tell."""
    told = [as_number(call.get(names.DURATION_MS)) for call in invocation.entries(names.CALLS)]
    known = [one for one in told if one is not None]
    return sum(known) if known else None


def waited_text(node: Node) -> str:
    """Describe how it came here, and how long that took: `queued 90 ms`, `again after 30 s`."""
    how = {"retry": "again", "resumed": "resumed", "dead-letter": "from the dead-letter queue"}.get(
        node.link, ""
    )
    if node.waited_ms is None:
        return how
    return f"{how} after {span(node.waited_ms)}" if how else f"queued {span(node.waited_ms)}"


def died_text(node: Node) -> str:
    """Describe where messages that were given up went: `dead-letter queue orders-dead  2 messages`."""
    below = [child for child in node.children if child.link == "dead-letter"]
    messages = set(node.dead_letters).union(*({*child.given} & {*node.given} for child in below))
    if not messages and not below:
        return ""
    queues = dict.fromkeys(short_name(str(one.invocation.trigger.get(names.SOURCE) or "")) for one in below)
    name = " ".join(["dead-letter queue", *filter(None, queues)])
    count = f"message {min(messages)}" if len(messages) == 1 else f"{len(messages)} messages"
    return f"{name}  {count}" if messages else name


def others_text(node: Node) -> str:
    """Describe what else was in its batch: `with 3 messages of 3 other traces`."""
    others = node.others
    if others is None:
        return ""
    traces = f"{others.traces} other trace{'s' * (others.traces != 1)}"
    if others.messages is None:
        return f"with messages of {traces}" if others.traces else "with other messages"
    plural = "s" * (others.messages != 1)
    if others.traces:
        return f"with {others.messages} message{plural} of {traces}"
    return f"with {others.messages} other message{plural}"


def _how(node: Node) -> str:
    """Describe how an invocation came about: trigger, time under way, attempt, cold start, and its id."""
    invocation = node.invocation
    parts = [
        trigger_text(invocation.trigger),
        http_text(invocation.http),
        waited_text(node),
        REPLAYED if node.replay else "",
        attempt_text(invocation),
        cold_text(invocation),
        f"and {node.other_senders} more senders" if node.other_senders else "",
        others_text(node),
        invocation.invocation_id,
    ]
    return visible(_BETWEEN.join(filter(None, parts)))


def _rows(trace: Trace) -> Iterator[tuple[Node, str, str]]:
    """Yield each node with its label, branch included, and the stem for what stands under it."""
    for root in trace.roots:
        waiting: list[tuple[Node, str, str]] = [(root, "", "")]
        while waiting:
            node, branch, whole_stem = waiting.pop()
            stem = whole_stem[-_BRANCH_MOST:]  # no more of it is ever drawn
            below = stem + ("│  " if node.children else "   ")
            yield node, _end_of(branch) + _name(node), f"  {_end_of(below)}"
            last = len(node.children) - 1
            for place, child in reversed(list(enumerate(node.children))):
                waiting.append(
                    (
                        child,
                        stem + ("└─ " if place == last else "├─ "),
                        stem + ("   " if place == last else "│  "),
                    )
                )


def _end_of(branch: str) -> str:
    """Keep the end of a branch: where a trace goes very deep, the names matter more than the indentation."""
    return branch if len(branch) <= _BRANCH_MOST else f"⋯{branch[-_BRANCH_MOST:]}"


def _name(node: Node) -> str:
    invocation = node.invocation
    name = f"{invocation.function}:{invocation.version}" if invocation.version else invocation.function
    return visible(("↻ " if node.link == "retry" else "") + name)
