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
        error: that of the first letter, in a line.
        source: what the letters were bound for, as far as they tell.
        oldest_ms: ms since 1970, as are the other times.
    """

    origin: Origin
    error: str
    code: str
    fingerprint: str
    function: str
    version: str
    source: str
    count: int = 0
    oldest_ms: float | None = None
    newest_ms: float | None = None
    expires_ms: float | None = None
    letters: list[Entry] = field(default_factory=list)

    def add(self, letter: Letter, queue: Queue) -> None:
        """Count a letter."""
        sent = letter.message.sent_ms
        self.count += 1
        self.letters.append(Entry.of(letter))
        self.oldest_ms = _first((self.oldest_ms, sent))
        self.newest_ms = sent if self.newest_ms is None else max(self.newest_ms, sent or 0.0)
        self.expires_ms = _first((self.expires_ms, queue.expires_ms(letter.message)))


@dataclass(slots=True)
class Report:
    """Everything that was read from a queue, by cause.

    Attributes:
        hidden: where nothing could be read, how many letters are in flight with someone else.
    """

    queue: Queue
    groups: dict[tuple[str, ...], Group] = field(default_factory=dict)
    hidden: int = 0

    def add(self, letter: Letter) -> None:
        """Put a letter into its group."""
        function, version = letter.function
        key = (letter.failure.cause, letter.origin.value, function, version, letter.source)
        if key not in self.groups:
            failure = letter.failure
            self.groups[key] = Group(
                letter.origin,
                failure.sentence,
                failure.code,
                failure.fingerprint,
                function,
                version,
                letter.source,
            )
        self.groups[key].add(letter, self.queue)

    @property
    def largest_first(self) -> list[Group]:
        """The groups, the largest first."""
        return sorted(self.groups.values(), key=lambda group: (-group.count, group.error))

    @property
    def count(self) -> int:
        """How many letters were counted."""
        return sum(group.count for group in self.groups.values())

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
            "hidden": self.hidden,
            "oldest_ms": self.oldest_ms,
            "expires_ms": self.expires_ms,
            "groups": [_group_document(group) for group in self.largest_first],
        }


def _group_document(group: Group) -> dict[str, Any]:
    document = filled(asdict(group))
    return {**document, "letters": list(map(filled, document["letters"]))}


def filled(document: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what is empty."""
    return {key: value for key, value in document.items() if value not in (None, "", ())}


def _first(moments: Iterable[float | None]) -> float | None:
    return min((moment for moment in moments if moment is not None), default=None)
