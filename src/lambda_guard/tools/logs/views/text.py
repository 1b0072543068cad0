"""An invocation as text: a head line that says how it went, then its own lines."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Final

from lambda_guard import _names as names
from lambda_guard._printable import visible
from lambda_guard.shapes import arns
from lambda_guard.tools.logs.invocation import (
    CLOCK_JUMPED,
    EXPLAINED,
    KILLED,
    PARTIAL_FAILURE,
    SERVER_ERROR,
    UNFINISHED,
    Block,
    Invocation,
)
from lambda_guard.tools.logs.model import Line, Report, Stray, as_mapping, as_number
from lambda_guard.tools.logs.selection import failures
from lambda_guard.tools.terminal import Palette
from lambda_guard.tools.times import clock, date_and_clock, span

MARKS: Final = {
    names.SUCCESS: "✓",
    names.FAILURE: "✗",
    SERVER_ERROR: "✗",
    PARTIAL_FAILURE: "◐",
    names.TIMEOUT: "◷",
    names.SUSPENDED: "‖",
    KILLED: "☠",
    UNFINISHED: "…",
}
OUTCOME_STYLES: Final = {
    names.SUCCESS: "bold_green",
    names.FAILURE: "bold_red",
    SERVER_ERROR: "bold_red",
    PARTIAL_FAILURE: "bold_yellow",
    names.TIMEOUT: "bold_red",
    names.SUSPENDED: "cyan",
    KILLED: "bold_red",
    UNFINISHED: "bold_yellow",
}
_LEVEL_STYLES: Final = {
    "TRACE": "dim",
    "DEBUG": "dim",
    "INFO": "cyan",
    "WARNING": "yellow",
    "ERROR": "red",
    "CRITICAL": "reverse_red",
}
TIMES: Final = "\N{MULTIPLICATION SIGN}"
_OFFSET_MOST_MS: Final = 100_000.0
"""Beyond, an offset in milliseconds would not fit its column."""

_KEYS_MOST: Final = 1_000
_KIND: Final = re.compile(r"^(?:rule/|function:|stream/|table/)")

INDENT: Final = "    "
_CONTINUED: Final = "\n" + " " * 25
_WITHIN: Final = f"\n{INDENT}    "


class TextView:
    """Draws blocks as text.

    Args:
        palette: the colours, or none.
        width: columns of the terminal; None where nobody sees the lines wrap.
    """

    def __init__(self, palette: Palette, width: int | None = None) -> None:
        self._paint = palette.paint
        self._width = width
        self._levels = {level: self._paint(style, f"{level:<8}") for level, style in _LEVEL_STYLES.items()}
        self._key = ("\x1b[2m", "=\x1b[0m") if palette.on else ("", "=")
        self._keys = dict[str, str]()

    def block(self, block: Block) -> str:
        """Draw one block, with an empty line after it."""
        return "".join(self.pieces(block))

    def pieces(self, block: Block) -> tuple[str, str]:
        """Draw one block in two pieces: the head line, which has a mark that is not ASCII, and all the rest."""
        head, lines = self._stray(block) if isinstance(block, Stray) else self._invocation(block)
        lines.append("\n")
        return f"{head}\n", "\n".join(lines)

    def _stray(self, stray: Stray) -> tuple[str, list[str]]:
        count = len(stray.lines)
        said = self._paint("bold", f"· {count} line{'s' * (count != 1)} of no invocation")
        return f"{said}  {visible(stray.source)}", [self.line(line, None) for line in stray.lines]

    def _invocation(self, invocation: Invocation) -> tuple[str, list[str]]:
        start = invocation.start_ms
        drawn = [self.line(line, start) for line in invocation.lines]
        drawn += self._end(invocation)
        if invocation.late:
            drawn.insert(0, INDENT + self._paint("dim", "late lines of an invocation shown above"))
        return self._head(invocation), drawn

    def _head(self, invocation: Invocation) -> str:
        outcome, version = visible(invocation.verdict), invocation.version
        name = visible(f"{invocation.function}:{version}" if version else invocation.function)
        facts = visible("".join([f"  {fact}" for fact in _facts(invocation) if fact]))
        ids = visible("  ".join([one for one in _ids(invocation) if one]))
        mark = self._paint(OUTCOME_STYLES.get(outcome, "bold"), f"{MARKS.get(outcome, '?')} {outcome}")
        head = f"{mark}  {self._paint('bold', name)}{facts}"
        fits = self._width is None or len(outcome) + len(name) + len(facts) + len(ids) + 6 <= self._width
        return f"{head}  {self._paint('dim', ids)}" if fits else f"{head}\n{INDENT}{self._paint('dim', ids)}"

    def line(self, line: Line, start_ms: float | None) -> str:
        """Draw a line; this runs for each line that is shown, so it does without ceremony."""
        time_ms = line.time_ms
        if time_ms is None or (line.whole_second and start_ms is not None):
            offset = "            "
        else:
            offset = clock(time_ms) if start_ms is None else offset_text(time_ms - start_ms)
        level = self._levels.get(line.level) or f"{visible(line.level):<8}"
        message = line.message
        if not message.isprintable():
            message = visible(message.rstrip("\n"), _CONTINUED)
        drawn = f"{INDENT}{offset} {level} {message}"
        known = self._keys
        for key, value in line.fields.items():
            drawn += f"{known.get(key) or self._keep(key)}{_value(value)}"
        if line.exception or line.broken or line.times > 1 or line.kind == "platform":
            return self._particular(line, drawn)
        return drawn

    def _keep(self, key: str) -> str:
        """Draw a key; those of a log are few, and come in each line."""
        opening, closing = self._key
        drawn = f"  {opening}{visible(key)}{closing}"
        if len(self._keys) < _KEYS_MOST:
            self._keys[key] = drawn
        return drawn

    def _particular(self, line: Line, drawn: str) -> str:
        if line.kind == "platform":
            drawn = self._paint("dim", drawn) if not line.level else drawn
        if line.times > 1:
            drawn += self._paint("magenta", f"  ({TIMES}{line.times})")
        if line.broken:
            drawn += self._paint("yellow", "  (broken JSON)")
        if line.exception:
            drawn += self._paint("red", _CONTINUED + visible(line.exception, _CONTINUED))
        return drawn

    def _end(self, invocation: Invocation) -> Iterator[str]:
        yield from self._error(invocation.error)
        for failure in failures(invocation):
            yield f"{INDENT}{self._paint('red', '✗')} {visible(failure_text(failure), _WITHIN)}"
        for sent in invocation.entries(names.SENT):
            yield f"{INDENT}{self._paint('blue', '→')} {visible(sent_text(sent))}"
        if invocation.outcome in EXPLAINED and not invocation.late:
            yield INDENT + self._paint("yellow", EXPLAINED[invocation.outcome])
        if invocation.clock_jumped:
            yield INDENT + self._paint("yellow", CLOCK_JUMPED)
        report = report_text(invocation.report)
        if report:
            yield INDENT + self._paint("dim", f"Lambda: {visible(report)}")

    def _error(self, error: Mapping[str, object]) -> Iterator[str]:
        if not error:
            return
        said = self._paint("bold_red", f"✗ {visible(error_text(error), _WITHIN)}")
        if fingerprint := error.get(names.FINGERPRINT):
            said += f"  {self._paint('dim', f'#{visible(str(fingerprint))}')}"
        yield f"{INDENT}{said}"
        for frame in stack_of(error):
            yield f"{INDENT}    {self._paint('red', visible(frame, _WITHIN))}"


def offset_text(ms: float) -> str:
    """Describe how long after the start, in twelve columns."""
    ms = 0.0 if -1.0 < ms < 0.0 else ms  # lines tell whole milliseconds
    if -_OFFSET_MOST_MS < ms < _OFFSET_MOST_MS:
        return "%+9.1f ms" % ms  # noqa: UP031 - in half the time of an f-string, for each of millions of lines
    return f"{'+' if ms > 0 else '-'}{span(abs(ms))}".rjust(12)


def _facts(invocation: Invocation) -> Sequence[str]:
    """Everything of the head line between the name and the ids, in its order; empty where it is not known."""
    failed, took = invocation.failed_records, invocation.duration_ms
    return (
        trigger_text(invocation.trigger),
        http_text(invocation.http),
        "" if took is None else span(took),
        memory_text(invocation),
        cold_text(invocation),
        execution_text(invocation),
        overrun_text(invocation),
        attempt_text(invocation),
        f"{failed} of {as_mapping(invocation.facts.get(names.RECORDS)).get(names.TOTAL, '?')} records failed"
        if failed
        else "",
    )


def _ids(invocation: Invocation) -> Sequence[str]:
    trace = invocation.trace_id
    return date_and_clock(invocation.start_ms), invocation.invocation_id, f"trace {trace}" if trace else ""


def trigger_text(trigger: Mapping[str, object]) -> str:
    """Describe what invoked it, and with how many records."""
    if not trigger:
        return ""
    said = str(trigger.get(names.TYPE) or "")
    if source := trigger.get(names.SOURCE):
        said = f"{said} {short_name(str(source))}"
    count = as_number(trigger.get(names.RECORDS))
    if count is not None and count > 1:
        said = f"{said} {TIMES}{count:.0f}"
    return said.strip()


def http_text(http: Mapping[str, object]) -> str:
    """Describe what was asked for, and how it was answered: `GET /orders/{id} 503`."""
    if not http:
        return ""
    return " ".join([str(http[key]) for key in (names.METHOD, names.ROUTE, names.STATUS) if key in http])


@lru_cache(1_000)
def short_name(arn: str) -> str:
    """Take the resource's own name out of an ARN or queue URL; anything else stays."""
    if arn.startswith(("https://sqs.", "http://")):
        return arn.rstrip("/").rpartition("/")[2]
    parsed = arns.parse(arn)
    return _KIND.sub("", parsed.resource) if parsed is not None else arn


def memory_text(invocation: Invocation) -> str:
    """Describe how much memory it used of how much it has: `71/128 MB`."""
    facts, report = invocation.facts, invocation.report
    used = as_number(facts.get(names.MEMORY_USED_MB)) or report.memory_used_mb
    if used is None:
        return ""
    limit = as_number(facts.get(names.MEMORY_LIMIT_MB)) or report.memory_limit_mb
    return f"{used:.0f}/{limit:.0f} MB" if limit else f"{used:.0f} MB"


def cold_text(invocation: Invocation) -> str:
    """Describe that it was a cold start, and what that took."""
    if not invocation.cold:
        return ""
    init = init_ms(invocation)
    return f"cold {span(init)}" if init else "cold"


def init_ms(invocation: Invocation) -> float | None:
    """Return what its cold start took, ms; None where it had none, or nothing tells."""
    if not invocation.cold:
        return None
    return invocation.number(names.INIT_MS) or invocation.report.init_ms or invocation.report.restore_ms


def execution_text(invocation: Invocation) -> str:
    """Name the durable execution that it is a part of, and say whether it repeats earlier work."""
    durable = as_mapping(invocation.facts.get(names.DURABLE))
    name = durable.get(names.EXECUTION_NAME) or durable.get(names.EXECUTION)
    if not name:
        return ""
    return f"execution {name}, replay" if durable.get(names.REPLAY) is True else f"execution {name}"


def overrun_text(invocation: Invocation) -> str:
    """Describe that it went on after its deadline, and what came of it."""
    overrun = as_mapping(invocation.facts.get(names.OVERRUN))
    ms = as_number(overrun.get(names.OVERRUN_MS))
    return "" if ms is None else f"went on for {span(ms)}: {overrun.get(names.OUTCOME)}"


def attempt_text(invocation: Invocation) -> str:
    """Describe which attempt it was, where that is known."""
    if invocation.attempt is None:
        return ""
    last = ", the last" if invocation.facts.get(names.FINAL_ATTEMPT) is True else ""
    return f"attempt {invocation.attempt}{last}"


def error_text(error: Mapping[str, object]) -> str:
    """Describe type and message of an error: `PaymentRefused: card declined`."""
    parts = (str(error.get(names.TYPE) or ""), str(error.get(names.MESSAGE) or ""))
    return ": ".join(filter(None, parts)) or "error"


def stack_of(error: Mapping[str, object]) -> list[str]:
    """Return the frames of an error, outermost first."""
    stack = error.get(names.STACK)
    return [str(frame) for frame in stack] if isinstance(stack, list) else str(stack or "").splitlines()


def sent_text(sent: Mapping[str, object]) -> str:
    """Describe what was sent where: `sns Publish billed  message 7d1f…`."""
    target = short_name(str(sent.get(names.TARGET) or ""))
    parts = [str(sent.get(names.SERVICE) or ""), str(sent.get(names.OPERATION) or ""), target]
    message_id = sent.get(names.MESSAGE_ID)
    return " ".join(filter(None, parts)) + (f"  message {message_id}" if message_id else "")


def failure_text(failure: Mapping[str, object]) -> str:
    """Describe which record of a batch failed, and how."""
    error = as_mapping(failure.get(names.ERROR))
    attempt = f", attempt {failure[names.ATTEMPT]}" if failure.get(names.ATTEMPT) else ""
    return f"message {failure.get(names.MESSAGE_ID)}{attempt}: {error_text(error)}"


def report_text(report: Report) -> str:
    """Fold what INIT_START, START, END and REPORT said into one line; empty where they are missing."""
    if report.is_empty():
        return ""
    parts = [
        report.runtime,
        f"init {span(report.init_ms)}" if report.init_ms is not None else "",
        f"restored in {span(report.restore_ms)}" if report.restore_ms is not None else "",
        f"ran {span(report.duration_ms)}" if report.duration_ms is not None else "",
        f"billed {span(report.billed_ms)}" if report.billed_ms is not None else "",
        f"{report.memory_used_mb:.0f} of {report.memory_limit_mb or 0:.0f} MB"
        if report.memory_used_mb is not None
        else "",
        f"status {report.status}" if report.status else "",
        report.error_type,
    ]
    return ", ".join(filter(None, parts))


def _value(value: object) -> str:
    if value.__class__ is str:
        text: str = value
        if text and text.isprintable() and " " not in text:
            return text
        return visible(json.dumps(text, ensure_ascii=False))
    if value.__class__ is int or value.__class__ is float:
        return str(value)
    return visible(compact(value))


def compact(value: object) -> str:
    """Write a value as JSON without spaces."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
