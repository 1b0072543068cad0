"""The life of a message as text, and as JSON."""

from collections.abc import Iterator

from lambda_guard import _names as names
from lambda_guard._printable import visible
from lambda_guard.tools.logs.messages.life import NOT_BEGUN, NOT_TOLD, Event, Life, ended_text
from lambda_guard.tools.logs.views.documents import encoded, filled
from lambda_guard.tools.logs.views.text import (
    INDENT,
    MARKS,
    OUTCOME_STYLES,
    TextView,
    error_text,
    sent_text,
    short_name,
    stack_of,
)
from lambda_guard.tools.terminal import Palette
from lambda_guard.tools.times import date_and_clock, span

_TIME_WIDTH = 23
_BELOW = " " * (_TIME_WIDTH + 8)


class LifeView:
    """Draws lives as text."""

    def __init__(self, palette: Palette) -> None:
        self._paint = palette.paint
        self._lines = TextView(palette)

    def life(self, life: Life) -> str:
        """Draw one life, with an empty line after it."""
        others = sorted(life.ids - {life.message_id})
        also = f"  also {', '.join(others)}" if others else ""
        drawn = [
            self._paint("bold", visible(f"message {life.message_id}")) + self._paint("dim", visible(also))
        ]
        for event in life.events:
            mark, style, text = _told(event)
            at = date_and_clock(event.at_ms) or "at an unknown time"
            drawn.append(f"{INDENT}{at:<{_TIME_WIDTH}}  {self._paint(style, mark)} {visible(text)}")
            drawn += (f"{_BELOW}{self._paint(look, visible(below))}" for look, below in _below(event))
            start = event.invocation.start_ms if event.invocation is not None else None
            drawn += (f"{_BELOW[len(INDENT) :]}{self._lines.line(line, start)}" for line in event.lines)
        drawn.append(f"{INDENT}{self._paint('bold', f'ended: {visible(ended_text(life))}')}")
        return "\n".join(drawn) + "\n\n"


def _told(event: Event) -> tuple[str, str, str]:
    invocation = event.invocation
    if event.kind == "sent" and invocation is not None:
        return "→", "blue", f"sent by {invocation.function}: {sent_text(event.sent)}"
    if invocation is not None:
        number = f"attempt {invocation.attempt}, " if invocation.attempt else ""
        replay = "  of a replay" if event.replay else ""
        told = event.outcome
        if event.outcome == NOT_TOLD:
            told = "outcome not told: the record lists only a part of what failed"
        elif event.outcome == NOT_BEGUN:
            told = "not begun"
        took = f" after {span(invocation.duration_ms)}" if invocation.duration_ms is not None else ""
        outcome = f"{invocation.function}: {number}{told}{took}{replay}"
        return MARKS.get(event.outcome, "?"), OUTCOME_STYLES.get(event.outcome, "bold_yellow"), outcome
    place = short_name(event.place)
    told = {
        "dead letter": f"in the dead-letter queue {place}".rstrip(),
        "replayed": f"replayed to {place} as {event.message_id}",
        "refused": f"not replayed: {place} refused it: {event.reason}",
        "discarded": f"discarded from {place}",
    }[event.kind]
    return ("↻", "cyan", told) if event.kind == "replayed" else ("✗", "red", told)


def _below(event: Event) -> Iterator[tuple[str, str]]:
    if event.error:
        fingerprint = event.error.get(names.FINGERPRINT)
        yield "red", error_text(event.error) + (f"  #{fingerprint}" if fingerprint else "")
        yield from (("red", f"at {frame}") for frame in stack_of(event.error)[-1:])
    if event.invocation is not None:
        yield "dim", f"invocation {event.invocation.invocation_id}  {event.invocation.source}"


def life_line(life: Life) -> str:
    """Return a life as a line of JSON; times in milliseconds since 1970."""
    document = {
        names.MESSAGE_ID: life.message_id,
        "ids": sorted(life.ids),
        "events": [_event_document(event) for event in life.events],
        "ended": {"kind": life.ended.kind, names.OUTCOME: life.ended.outcome, "text": ended_text(life)},
    }
    return encoded(document)


def _event_document(event: Event) -> dict[str, object]:
    invocation = event.invocation
    told: dict[str, object] = {
        "kind": event.kind,
        "at_ms": event.at_ms,
        names.MESSAGE_ID: event.message_id,
        names.OUTCOME: event.outcome,
        names.ERROR: event.error,
        names.SENT: event.sent,
        "place": event.place,
        "reason": event.reason,
        "replay": event.replay or None,
        "lines": event.lines or None,
    }
    if invocation is not None:
        told |= {
            names.INVOCATION_ID: invocation.invocation_id,
            names.FUNCTION_NAME: invocation.function,
            names.ATTEMPT: invocation.attempt,
            names.DURATION_MS: invocation.duration_ms,
            "source": invocation.source,
        }
    return filled(told)
