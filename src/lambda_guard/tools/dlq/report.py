"""Letters grouped by what they died of: the data behind `dlq list`. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from lambda_guard.tools.dlq.letter import Letter, Origin, function_name
from lambda_guard.tools.dlq.queue import Queue


@dataclass(slots=True, frozen=True)
class Entry:
    """What is kept of a letter once it is counted: ids and times, never the body."""

    message_id: str
    sent_ms: float | None
    receives: int
    invocation_id: str
    trace_id: str
    remarks: tuple[str, ...] = ()


@dataclass(slots=True)
class Group:
    """Letters that died of the same cause, in the same version of the same function.

    Attributes:
        sentence: the error of the first letter, in a line.
        source: what the letters were bound for, as far as they tell.
        oldest_ms: ms since 1970, as are the other times.
    """

    origin: Origin
    function: str
    version: str
    fingerprint: str
    sentence: str
    code: str
    source: str
    entries: list[Entry] = field(default_factory=list)
    oldest_ms: float | None = None
    newest_ms: float | None = None
    expires_ms: float | None = None

    def add(self, letter: Letter, queue: Queue, remarks: tuple[str, ...]) -> None:
        """Count a letter."""
        sent = letter.message.sent_ms
        self.entries.append(entry_of(letter, remarks))
        self.oldest_ms = _least(self.oldest_ms, sent)
        self.newest_ms = sent if self.newest_ms is None else max(self.newest_ms, sent or 0.0)
        self.expires_ms = _least(self.expires_ms, queue.expires_ms(letter.message))


@dataclass(slots=True)
class Report:
    """Everything that was read from a queue, by cause."""

    queue: Queue
    groups: dict[tuple[str, ...], Group] = field(default_factory=dict)

    def add(self, letter: Letter, remarks: tuple[str, ...] = ()) -> None:
        """Put a letter into its group."""
        function, version = function_of(letter)
        source = letter.topic or letter.target
        key = (letter.failure.cause, letter.origin.value, function, version, source)
        if key not in self.groups:
            failure = letter.failure
            self.groups[key] = Group(
                letter.origin, function, version, failure.fingerprint, failure.sentence, failure.code, source
            )
        self.groups[key].add(letter, self.queue, remarks)

    @property
    def largest_first(self) -> list[Group]:
        """The groups, the largest first."""
        return sorted(self.groups.values(), key=lambda group: (-len(group.entries), group.sentence))

    @property
    def count(self) -> int:
        """How many letters were counted."""
        return sum(len(group.entries) for group in self.groups.values())

    @property
    def expires_ms(self) -> float | None:
        """When the first letter expires."""
        return _first(group.expires_ms for group in self.groups.values())

    @property
    def oldest_ms(self) -> float | None:
        """When the oldest letter was sent."""
        return _first(group.oldest_ms for group in self.groups.values())

    def as_document(self) -> dict[str, Any]:
        """Give it as JSON takes it; times in ms since 1970."""
        return {
            "queue": self.queue.arn,
            "letters": self.count,
            "about": self.queue.count,
            "oldest_ms": self.oldest_ms,
            "expires_ms": self.expires_ms,
            "groups": [_group_document(group) for group in self.largest_first],
        }


def entry_of(letter: Letter, remarks: tuple[str, ...]) -> Entry:
    """Keep of a letter what lists show."""
    told = (f"the body is in {letter.offloaded}",) if letter.offloaded else ()
    failure = letter.failure
    return Entry(
        letter.message_id,
        letter.message.sent_ms,
        letter.message.receives,
        failure.invocation_id or letter.request_id,
        trace_of(letter),
        (*filter(None, (letter.problem,)), *told, *remarks),
    )


def trace_of(letter: Letter) -> str:
    """The trace id of a letter: of its own header, else of the failed invocation."""
    for part in letter.message.trace_header.split(";"):
        if part.strip().startswith("Root="):
            return part.strip().removeprefix("Root=")
    return letter.failure.trace_id


def function_of(letter: Letter) -> tuple[str, str]:
    """The function that failed, and its version, as far as they are known."""
    if letter.failure.function:
        return letter.failure.function, letter.failure.version
    return function_name(letter.target) if ":function:" in letter.target else ("", "")


def _group_document(group: Group) -> dict[str, Any]:
    document = {
        "origin": group.origin.value,
        "error": group.sentence,
        "code": group.code,
        "fingerprint": group.fingerprint,
        "function": group.function,
        "version": group.version,
        "source": group.source,
        "count": len(group.entries),
        "oldest_ms": group.oldest_ms,
        "newest_ms": group.newest_ms,
        "expires_ms": group.expires_ms,
    }
    letters = [_filled(_entry_document(entry)) for entry in group.entries]
    return {**_filled(document), "letters": letters}


def _entry_document(entry: Entry) -> dict[str, Any]:
    return {
        "message_id": entry.message_id,
        "sent_ms": entry.sent_ms,
        "receives": entry.receives,
        "invocation_id": entry.invocation_id,
        "trace_id": entry.trace_id,
        "remarks": list(entry.remarks),
    }


def _filled(document: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in document.items() if value not in (None, "", [])}


def _least(first: float | None, second: float | None) -> float | None:
    return _first((first, second))


def _first(moments: Iterable[float | None]) -> float | None:
    return min((moment for moment in moments if moment is not None), default=None)
