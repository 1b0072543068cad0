"""A message's whole life, from invocation records and journals. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from lambda_guard import _names as names
from lambda_guard.tools.logs.invocation import UNFINISHED, Invocation
from lambda_guard.tools.logs.model import Line, as_mapping
from lambda_guard.tools.logs.selection import failures, received_ids, sent_ids
from lambda_guard.tools.logs.traces.membership import Told
from lambda_guard.tools.replays import LetterSteps, Replays

Kind = Literal["sent", "attempt", "dead letter", "replayed", "refused", "discarded"]

NOT_TOLD: Final = "not told"
"""The record lists only a part of what failed, and this message isn't listed: it failed, or didn't."""

_SECOND_MS: Final = 1_000.0
NOT_BEGUN: Final = "skipped"
_ORDER: Final = {"sent": 0, "attempt": 1, "dead letter": 2, "refused": 3, "replayed": 4, "discarded": 5}


@dataclass(slots=True)
class Event:
    """Something that happened to a message.

    Attributes:
        at_ms: ms since 1970; None where no time is known.
        invocation: that sent it, or was given it.
        outcome: of an attempt, for this message: a batch may succeed where it failed.
        error: of an attempt.
        sent: the entry of the sender's record.
        message_id: the id that it had then, or got by the replay.
        place: a queue, or the target of a replay.
        replay: whether an attempt was made with a message that a replay sent.
        reason: why a target refused it.
        lines: log lines that name the message.
    """

    kind: Kind
    at_ms: float | None
    message_id: str
    invocation: Invocation | None = None
    outcome: str = ""
    error: Mapping[str, object] = field(default_factory=dict)
    sent: Mapping[str, object] = field(default_factory=dict)
    place: str = ""
    replay: bool = False
    reason: str = ""
    lines: list[Line] = field(default_factory=list)


@dataclass(slots=True)
class Life:
    """All that is known of a message, in the order of time.

    Attributes:
        message_id: as it was asked for.
        ids: all that it had: before and after replays, and in envelopes.
    """

    message_id: str
    ids: frozenset[str]
    events: list[Event]

    @property
    def attempts(self) -> list[Event]:
        """The invocations that were given it."""
        return [event for event in self.events if event.kind == "attempt"]

    @property
    def ended(self) -> Event:
        """What happened last: how it ended, as far as these logs and journals go."""
        return self.events[-1]


def all_ids(ids: Iterable[str], invocations: Iterable[Invocation], replays: Replays) -> frozenset[str]:
    """Return the ids that these belong to: of replays, and of envelopes, where an invocation was given nothing else."""
    found = replays.ids_of(ids)
    for invocation in invocations:
        told = Told(invocation)
        if told.single and told.listed & found:
            found |= replays.ids_of(told.listed)
    return frozenset(found)


def life_of(message_id: str, invocations: Iterable[Invocation], replays: Replays) -> Life | None:
    """Put a message's life together; None where nothing is known of it.

    Args:
        message_id: the message's id, or that of an asynchronous invocation, whose event Lambda keeps in a queue.
        invocations: those that may have to do with it.
        replays: what journals tell.
    """
    read = list(invocations)
    ids = all_ids([message_id], read, replays)
    events = [event for one in read for event in _of_invocation(one, ids, replays)]
    for letter in replays.letters.values():
        if {letter.message_id, letter.request_id} & ids:
            events += _of_letter(letter, _latest(letter, events))
    events.sort(key=lambda event: (event.at_ms is None, event.at_ms or 0.0, _ORDER[event.kind]))
    return Life(message_id, ids, events) if events else None


def _of_invocation(invocation: Invocation, ids: frozenset[str], replays: Replays) -> Iterator[Event]:
    for sent in invocation.entries(names.SENT):
        if str(sent.get(names.MESSAGE_ID)) in ids:
            yield Event("sent", invocation.start_ms, str(sent[names.MESSAGE_ID]), invocation, sent=sent)
    known = (received_ids(invocation) | {invocation.invocation_id}) & ids
    if not known:
        return
    message_id = min(known - {invocation.invocation_id}, default=invocation.invocation_id)
    outcome, error = outcome_for(known, invocation)
    attempt = Event("attempt", invocation.start_ms, message_id, invocation, outcome, error)
    attempt.replay = not known.isdisjoint(replays.by_new_id)
    attempt.lines = [line for line in invocation.lines if line.fields.get(names.MESSAGE_ID) in known]
    yield attempt
    if invocation.facts.get(names.FINAL_ATTEMPT) is True and outcome not in (*names.NO_FAILURE, NOT_TOLD):
        yield Event("dead letter", invocation.end_ms, message_id)


def outcome_for(ids: set[str], invocation: Invocation) -> tuple[str, Mapping[str, object]]:
    """Return how an invocation ended for one message of its batch, and the error."""
    listed = failures(invocation)
    for failure in listed:
        if str(failure.get(names.MESSAGE_ID)) in ids:
            error = as_mapping(failure.get(names.ERROR))
            same = error.get(names.FINGERPRINT) == invocation.error.get(names.FINGERPRINT)
            return str(failure.get(names.OUTCOME) or names.FAILURE), invocation.error if same else error
    if invocation.outcome not in names.NO_FAILURE:
        return invocation.outcome, invocation.cause
    return (NOT_TOLD if invocation.failed_records > len(listed) else invocation.outcome), {}


def _latest(letter: LetterSteps, events: Iterable[Event]) -> float:
    """Return when an invocation last had to do with a letter, under the ids that it had before its replay."""
    own = {letter.message_id, letter.request_id}
    return max((event.at_ms or 0.0 for event in events if event.message_id in own), default=0.0)


def _of_letter(letter: LetterSteps, latest_ms: float) -> Iterator[Event]:
    """Yield what a journal tells; its times are cut to the second, and a letter is touched after it died."""

    def after(at: float | None) -> float | None:
        return at if at is None or not at < latest_ms < at + _SECOND_MS else latest_ms

    yield Event("dead letter", after(letter.at_ms), letter.message_id, place=letter.queue)
    for reason in letter.refusals:
        yield Event("refused", after(letter.at_ms), letter.message_id, place=letter.target, reason=reason)
    for replay in letter.replays:
        yield Event("replayed", after(replay.at_ms), replay.new_id or letter.message_id, place=replay.target)
    if letter.discarded_ms is not None:
        yield Event("discarded", after(letter.discarded_ms), letter.message_id, place=letter.queue)


def ended_text(life: Life) -> str:
    """Say how it ended, in a sentence; what isn't known isn't said."""
    last, count = life.ended, len(life.attempts)
    of = f" in attempt {count} that these logs have" if count > 1 else ""
    if last.kind == "attempt":
        function = last.invocation.function if last.invocation is not None else "?"
        if last.outcome in names.NO_FAILURE:
            return f"succeeded in {function}{of}{', after a replay' if last.replay else ''}"
        if last.outcome == NOT_TOLD:
            return f"not known: the record in {function} lists only a part of what failed"
        if last.outcome == UNFINISHED:
            return f"not known: {function} hasn't ended in these logs"
        return f"failed in {function}{of}; nothing later is known"
    return {
        "sent": "sent; no invocation in these logs was given it",
        "dead letter": "in the dead-letter queue",
        "refused": "in the dead-letter queue: the target refused it",
        "replayed": "replayed; no invocation in these logs was given it since",
        "discarded": "discarded from the dead-letter queue",
    }[last.kind]


def messages_of(invocation: Invocation, lines: Iterable[Line]) -> set[str]:
    """Return the messages that lines of an invocation name; without any, those that it was given, or sent."""
    named = {str(line.fields[names.MESSAGE_ID]) for line in lines if line.fields.get(names.MESSAGE_ID)}
    return named or received_ids(invocation) or sent_ids(invocation) or {invocation.invocation_id}
