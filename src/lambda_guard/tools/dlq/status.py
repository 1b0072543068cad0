"""What became of the letters of a journal: its replays, and the records of the invocations that got them."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, Literal

from lambda_guard import _names as names
from lambda_guard.tools.dlq.causes import Logs
from lambda_guard.tools.dlq.proving import ASKED_AT_ONCE
from lambda_guard.tools.logs.invocation import UNFINISHED, Invocation
from lambda_guard.tools.logs.messages.life import NOT_TOLD, outcome_for
from lambda_guard.tools.logs.selection import received_ids
from lambda_guard.tools.logs.views.text import error_text
from lambda_guard.tools.replays import LetterSteps, Replays

State = Literal[
    "succeeded", "died again", "no record", "delivered", "discarded", "refused", "unsure", "not sent"
]

DELIVERED: Final = ("succeeded", "died again", "no record", "delivered")
_FINE: Final = ("succeeded", "delivered", "discarded")


@dataclass(slots=True, frozen=True)
class Fate:
    """What became of a letter.

    Attributes:
        letter: as it was first.
        state: `delivered` where no logs were asked; `no record` where they have no end of it.
        replays: how often it was delivered, also under the ids with which it came back.
        new_id: under which it was delivered last; empty where it wasn't, or where a stream's records were.
        reason: what it died of again, or why its target refused it.
    """

    letter: LetterSteps
    state: State
    replays: int
    new_id: str = ""
    reason: str = ""


@dataclass(slots=True)
class Status:
    """The fates of a queue's letters, counted."""

    queue: str
    fates: list[Fate] = field(default_factory=list)

    @property
    def states(self) -> Counter[str]:
        """How many letters came to what."""
        return Counter(fate.state for fate in self.fates)

    @property
    def delivered(self) -> int:
        """How many were delivered."""
        return sum(fate.state in DELIVERED for fate in self.fates)

    @property
    def more_than_once(self) -> Counter[int]:
        """Of those that succeeded, how many needed how many replays, from two on."""
        return Counter(one.replays for one in self.fates if one.state == "succeeded" and one.replays > 1)

    @property
    def fine(self) -> bool:
        """Whether nothing is left to look at."""
        return all(fate.state in _FINE for fate in self.fates)


def statuses(replays: Replays, logs: Logs) -> list[Status]:
    """Reconcile journals with logs, by dead-letter queue."""
    judged = _judged(frozenset(replays.by_new_id), logs)
    found: dict[str, Status] = {}
    for letter in filter(replays.is_new, replays.letters.values()):
        status = found.setdefault(letter.queue, Status(letter.queue))
        status.fates.append(_fate(replays.lives_of(letter), judged, asked=bool(logs.places)))
    return list(found.values())


def _fate(lives: list[LetterSteps], judged: dict[str, tuple[float, str]], *, asked: bool) -> Fate:
    first, last = lives[0], lives[-1]
    count = sum(len(one.replays) for one in lives)
    if last.discarded_ms is not None or last.unsure:
        return Fate(first, "unsure" if last.discarded_ms is None else "discarded", count)
    if not last.replays:
        return _fate_of_one_that_stayed(first, last, count, judged)
    new_id = last.replays[-1].new_id
    if not new_id:  # a stream's records: the answer was the outcome
        return Fate(first, "succeeded", count)
    if new_id not in judged:
        return Fate(first, "no record" if asked else "delivered", count, new_id)
    error = judged[new_id][1]
    return Fate(first, "died again" if error else "succeeded", count, new_id, error)


def _fate_of_one_that_stayed(
    first: LetterSteps, last: LetterSteps, count: int, judged: dict[str, tuple[float, str]]
) -> Fate:
    if count:  # it came back, and was taken up again
        return Fate(first, "died again", count, last.message_id, judged.get(last.message_id, (0.0, ""))[1])
    reason = last.refusals[-1] if last.refusals else ""
    return Fate(first, "refused" if last.refusals else "not sent", 0, reason=reason)


def _judged(ids: frozenset[str], logs: Logs) -> dict[str, tuple[float, str]]:
    """Return when the last attempt at each began, and what it died of; empty where it succeeded."""
    found: dict[str, tuple[float, str]] = {}
    for invocation in _naming(ids, logs):
        for one in ids & (received_ids(invocation) | {invocation.invocation_id}):
            outcome, error = outcome_for({one}, invocation)
            if outcome in {UNFINISHED, NOT_TOLD, names.SUSPENDED}:  # what becomes of it, another record says
                continue
            at, told = invocation.start_ms or 0.0, error_text(error) if error else outcome
            if one not in found or found[one][0] <= at:
                found[one] = (at, "" if outcome in names.NO_FAILURE else told)
    return found


def _naming(ids: Iterable[str], logs: Logs) -> Iterator[Invocation]:
    """Read files once for all ids, and ask log groups for some at a time."""
    wanted = sorted(ids)
    size = ASKED_AT_ONCE if logs.groups else max(1, len(wanted))
    for start in range(0, len(wanted) if logs.places else 0, size):
        yield from logs.naming(frozenset(wanted[start : start + size]))
