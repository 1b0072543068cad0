"""Letters as text: grouped for `dlq list`, one by one for `dlq show`."""

import json
from collections.abc import Iterator
from typing import Final

from lambda_guard._printable import visible
from lambda_guard.tools.dlq.letter import Letter
from lambda_guard.tools.dlq.queue import Queue, now_ms
from lambda_guard.tools.dlq.report import Entry, Group, Report, filled
from lambda_guard.tools.logs.views.text import short_name
from lambda_guard.tools.terminal import Palette
from lambda_guard.tools.times import date_and_clock, span

SAMPLES: Final = 3
_HOURS_MOST: Final = 48
_SOON_MS: Final = 86_400_000.0
_INDENT: Final = "    "
_WITHIN: Final = f"\n{_INDENT}    "


class LetterView:
    """Draws letters.

    Args:
        samples: how many letters of a group are shown; None for all.
    """

    def __init__(self, palette: Palette, samples: int | None = SAMPLES) -> None:
        self._paint = palette.paint
        self._samples = samples

    def report(self, report: Report) -> str:
        """Draw what is in a queue, with an empty line after it."""
        lines = [self._head(report)]
        for group in report.largest_first:
            lines += self._group(group)
        return "\n".join(lines) + "\n\n"

    def _head(self, report: Report) -> str:
        name = self._paint("bold", visible(report.queue.name))
        if not report.count:
            return f"{name}  {counted(report.hidden, 'letter') + ' in flight' if report.hidden else 'no letters'}"
        age = f"oldest {long_span(now_ms() - (report.oldest_ms or 0.0))}" if report.oldest_ms else ""
        parts = (counted(report.count, "letter"), age, self._expiry(report.expires_ms))
        return f"{name}  {'  '.join(filter(None, parts))}"

    def _expiry(self, expires_ms: float | None) -> str:
        if expires_ms is None:
            return ""
        left = expires_ms - now_ms()
        text = f"the first expires in {long_span(left)}" if left > 0 else "the first has expired"
        return self._paint("bold_red", text) if left < _SOON_MS else text

    def _group(self, group: Group) -> Iterator[str]:
        yield f"  {self._paint('bold_red', '✗ ' + visible(group.error))}{self._fingerprint(group.fingerprint)}"
        yield _INDENT + "  ".join(filter(None, map(visible, _facts(group))))
        shown = group.letters[: self._samples]
        for entry in shown:
            yield _INDENT + self._entry(entry)
        if len(shown) < group.count:
            yield _INDENT + self._paint("dim", f"and {group.count - len(shown):,} more (--letters shows all)")

    def _entry(self, entry: Entry) -> str:
        ids = (
            f"invocation {entry.invocation_id}" if entry.invocation_id else "",
            f"trace {entry.trace_id}" if entry.trace_id else "",
        )
        told = self._paint("dim", "  ".join(map(visible, filter(None, ids))))
        remarks = self._paint("yellow", "; ".join(map(visible, entry.remarks)))
        return "  ".join(filter(None, (visible(entry.message_id), told, remarks)))

    def letter(self, letter: Letter, queue: Queue) -> str:
        """Draw one letter whole."""
        return "\n".join(self._whole(letter, queue)) + "\n"

    def _whole(self, letter: Letter, queue: Queue) -> Iterator[str]:
        yield f"{self._paint('bold', visible(letter.message_id))}  {letter.origin.explained}"
        failure = letter.failure
        sentence = self._paint("bold_red", "✗ " + visible(failure.sentence, _WITHIN))
        yield f"{_INDENT}{sentence}{self._fingerprint(failure.fingerprint)}"
        for frame in failure.stack:
            yield f"{_INDENT}    {self._paint('red', visible(frame, _WITHIN))}"
        for name, value in letter_facts(letter, queue):
            yield f"{_INDENT}{self._paint('dim', f'{name:<11}')} {visible(value)}"
        if letter.problem:
            yield _INDENT + self._paint("yellow", visible(letter.problem))
        yield from self._attributes(letter)
        yield ""
        event = letter.event
        if event is None:
            yield visible(letter.payload, f"\n{_INDENT}")
        else:
            yield visible(json.dumps(event, indent=2, ensure_ascii=False), "\n")

    def _fingerprint(self, fingerprint: str) -> str:
        return f"  {self._paint('dim', '#' + visible(fingerprint))}" if fingerprint else ""

    def _attributes(self, letter: Letter) -> Iterator[str]:
        for name, value in sorted(letter.message.attributes.items()):
            told = value.get("StringValue")
            shown = visible(str(told)) if told is not None else f"{len(value.get('BinaryValue', b''))} bytes"
            kind = self._paint("dim", f"({visible(str(value.get('DataType')))})")
            yield f"{_INDENT}{self._paint('cyan', visible(name))} {shown} {kind}"


def letter_facts(letter: Letter, queue: Queue) -> Iterator[tuple[str, str]]:
    """Return what is known of a letter beside its error, as names and texts."""
    function, version = letter.function
    expires = queue.expires_ms(letter.message)
    told = (
        ("function", f"{function}:{version}" if version else function),
        ("bound for", letter.target or letter.topic),
        ("code", letter.failure.code),
        ("invocation", letter.invocation_id),
        ("trace", letter.trace_id),
        ("sent", date_and_clock(letter.message.sent_ms)),
        ("expires", f"{date_and_clock(expires)} (in {long_span(expires - now_ms())})" if expires else ""),
        (
            "received",
            f"{letter.message.receives} times, this one included" if letter.message.receives else "",
        ),
        ("attempts", str(letter.failure.attempts or "")),
        ("group", letter.message.group),
        ("body in S3", letter.offloaded),
    )
    return ((name, value) for name, value in told if value)


# long: one document, key by key
def letter_document(letter: Letter, queue: Queue) -> dict[str, object]:
    """Return a letter as JSON takes it."""
    failure, pointer = letter.failure, letter.pointer
    function, version = letter.function
    document = {
        "queue": queue.arn,
        "origin": letter.origin.value,
        "error": {
            "type": failure.type,
            "message": failure.message,
            "code": failure.code,
            "fingerprint": failure.fingerprint,
            "stack": list(failure.stack),
        },
        "function": function,
        "version": version,
        "invocation_id": letter.invocation_id,
        "trace_id": letter.trace_id,
        "target": letter.target or letter.topic,
        "stream": pointer
        and {"arn": pointer.stream_arn, "shard_id": pointer.shard_id, "start": pointer.start},
        "sent_ms": letter.message.sent_ms,
        "expires_ms": queue.expires_ms(letter.message),
        "problem": letter.problem,
        "event": letter.event,
        "message": letter.message.as_document(),
    }
    return filled(document)


def long_span(ms: float) -> str:
    """Write a duration, from two days on in days: `3d 22h`."""
    hours = int(ms // 3_600_000)
    return f"{hours // 24}d {hours % 24}h" if hours >= _HOURS_MOST else span(ms)


def counted(count: int, noun: str) -> str:
    """Write `1 letter`, `1,200 letters`."""
    return f"{count:,} {noun}{'s' * (count != 1)}"


def _facts(group: Group) -> Iterator[str]:
    yield counted(group.count, "letter")
    yield group.origin.value + (f" {short_name(group.source)}" if group.source else "")
    if group.function and group.function not in short_name(group.source):
        yield f"{group.function}:{group.version}" if group.version else group.function
    if group.code and group.code not in group.error:
        yield group.code
    oldest, newest = date_and_clock(group.oldest_ms)[:19], date_and_clock(group.newest_ms)[:19]
    yield f"sent {oldest}" + (f" to {newest}" if newest != oldest else "") if oldest else ""
    yield f"expires {date_and_clock(group.expires_ms)[:19]}" if group.expires_ms else ""
