"""What the grouping has finished: blocks ready to be shown, and what it remembers of those that were."""

from array import array
from collections import OrderedDict
from collections.abc import Iterator
from typing import Final

from lambda_guard.tools.logs.invocation import Block, Invocation
from lambda_guard.tools.logs.model import Stray
from lambda_guard.tools.logs.reading.lines import parse
from lambda_guard.tools.logs.reading.retries import Span, span_of
from lambda_guard.tools.logs.reading.streams import Group, Stream, Tally

REMEMBERED_MOST: Final = 20_000
STRAYS_MOST: Final = 1_000


class Outbox:
    """Blocks that are ready, in their order.

    Attributes:
        held: how many bytes of lines have been read and aren't ready yet.
        remembered: by invocation id, what it takes to recognise late lines, duplicates and retries: when its
            attempts ran, in the order in which they were read, and the hashes of their lines.
    """

    def __init__(self, tally: Tally) -> None:
        self.held = 0
        self.remembered: OrderedDict[bytes, tuple[tuple[Span, ...], array[int]]] = OrderedDict()
        self._tally = tally
        self._ready: list[Block] = []
        self._strays: tuple[Stream, int, list[bytes]] | None = None

    def take(self) -> Iterator[Block]:
        """Return what is ready."""
        ready, self._ready = self._ready, []
        yield from ready

    def put(self, group: Group) -> None:
        """Make an invocation ready."""
        hashes = list(map(hash, group.lines))
        self._ready.append(_finished(group, repeats=len(set(hashes)) < len(hashes)))
        span, seen = span_of(group), array("q", hashes)
        known = self.remembered.pop(group.invocation_id, None)
        self.remembered[group.invocation_id] = (
            ((span,), seen) if known is None else (_with(span, known[0]), seen + known[1])
        )
        if len(self.remembered) > REMEMBERED_MOST:
            self.remembered.popitem(last=False)
        self.held -= sum(map(len, group.lines))

    def add_stray(self, line: bytes, stream: Stream, event: int) -> None:
        """Collect a line of no invocation; `event` is its place in the order of lines and invocations."""
        if self._strays is not None and (
            self._strays[0] is not stream or len(self._strays[2]) >= STRAYS_MOST
        ):
            self.end_strays()
        if self._strays is None:
            self._strays = (stream, event, [])
        self._strays[2].append(line)

    def take_strays(self, stream: Stream) -> list[bytes]:
        """Return the collected stray lines of a stream: they turn out to be an invocation's."""
        if self._strays is None or self._strays[0] is not stream:
            return []
        lines, self._strays = self._strays[2], None
        return lines

    def end_strays(self, before: float = float("inf")) -> None:
        """Make the collected stray lines ready, if the first of them came before this event."""
        if self._strays is not None and self._strays[1] < before:
            stream, _, lines = self._strays
            self._strays = None
            self.put_strays(stream, lines)

    def put_strays(self, stream: Stream, lines: list[bytes]) -> None:
        """Make lines of no invocation ready."""
        self.held -= sum(map(len, lines))
        self._tally.strays += len(lines)
        self._ready.append(Stray(stream.name, [parse(line) for line in lines], lines))


def _with(span: Span, spans: tuple[Span, ...]) -> tuple[Span, ...]:
    """Return the attempts under an id with the latest, whose late lines don't tell when it ran."""
    span = next((one for one in spans if one.attempt == span.attempt and one.end_ms), span)
    return (*(one for one in spans if one.attempt != span.attempt), span)


def _finished(group: Group, *, repeats: bool) -> Invocation:
    return Invocation(
        group.invocation_id.decode("utf-8", "replace"),
        group.stream.name,
        group.lines,
        group.record,
        group.report,
        group.guarded,
        group.attempt,
        group.late,
        group.record_line,
        repeats,
    )
