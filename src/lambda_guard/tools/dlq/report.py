"""Letters grouped by what they died of, as `dlq list` shows them. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from lambda_guard.tools.dlq.letter import Letter, Origin
from lambda_guard.tools.dlq.queue import Queue


@dataclass(slots=True, frozen=True)
class Entry:
    """What is kept of a letter that was counted: ids and times, never the body."""

    message_id: str
    sent_ms: float | None
    receives: int
    invocation_id: str
    trace_id: str
    remarks: tuple[str, ...]

    @classmethod
    def of(cls, letter: Letter) -> "Entry":
        """Keep of a letter what lists show."""
        offloaded = letter.offloaded and f"the body is in {letter.offloaded}"
        return cls(
            letter.message_id,
            letter.message.sent_ms,
            letter.message.receives,
            letter.invocation_id,
            letter.trace_id,
            tuple(filter(None, (letter.problem, offloaded))),
        )


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

    def add(self, letter: Letter, queue: Queue) -> None:
        """Count a letter."""
        sent = letter.message.sent_ms
        self.entries.append(Entry.of(letter))
        self.oldest_ms = _first((self.oldest_ms, sent))
        self.newest_ms = sent if self.newest_ms is None else max(self.newest_ms, sent or 0.0)
        self.expires_ms = _first((self.expires_ms, queue.expires_ms(letter.message)))


@dataclass(slots=True)
class Report:
    """Everything that was read from a queue, by cause."""

    queue: Queue
    groups: dict[tuple[str, ...], Group] = field(default_factory=dict)

    def add(self, letter: Letter) -> None:
        """Put a letter into its group."""
        function, version = letter.function
        key = (letter.failure.cause, letter.origin.value, function, version, letter.source)
        if key not in self.groups:
            failure = letter.failure
            self.groups[key] = Group(
                letter.origin,
                function,
                version,
                failure.fingerprint,
                failure.sentence,
                failure.code,
                letter.source,
            )
        self.groups[key].add(letter, self.queue)

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
        """Return it as JSON takes it; times in ms since 1970."""
        return {
            "queue": self.queue.arn,
            "letters": self.count,
            "about": self.queue.count,
            "oldest_ms": self.oldest_ms,
            "expires_ms": self.expires_ms,
            "groups": [_group_document(group) for group in self.largest_first],
        }


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
    return {**filled(document), "letters": [filled(asdict(entry)) for entry in group.entries]}


def filled(document: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what is empty."""
    return {key: value for key, value in document.items() if value not in (None, "", ())}


def _first(moments: Iterable[float | None]) -> float | None:
    return min((moment for moment in moments if moment is not None), default=None)
