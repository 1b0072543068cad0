"""Replaying: what is decided for each letter, and the loop that journals, delivers and deletes."""

import math
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import InitVar, dataclass, field
from typing import Final, Literal

from lambda_guard.tools.aws import CloudError
from lambda_guard.tools.dlq.delivery import Delivery, Result
from lambda_guard.tools.dlq.journal import History, Journal, Step
from lambda_guard.tools.dlq.letter import Letter
from lambda_guard.tools.dlq.message import Message
from lambda_guard.tools.dlq.queue import BATCH_MOST, Reading
from lambda_guard.tools.dlq.sending import Sender
from lambda_guard.tools.dlq.targets import NoTargetError, Target, TargetFinder
from lambda_guard.tools.dlq.write_ahead import WriteAhead
from lambda_guard.tools.stopping import Stop

BURST_SECONDS: Final = 2.0
"""How much of a rate is received at once: letters that wait for their turn here are hidden from others."""

Understand = Callable[[Message], Letter | None]
"""Makes a letter of a message; None where the filters leave it out."""

What = Literal["delivered", "finished", "held", "refused", "failed", "unsure", "undeleted"]


@dataclass(slots=True, frozen=True)
class NotSent:
    """A letter that stays, and why; `finished` is one that an earlier run delivered, and didn't come to delete."""

    letter: Letter
    what: Literal["held", "refused", "finished"]
    reason: str = ""


Decision = Delivery | NotSent


class Planner:
    """Decides what becomes of letters, in the order of their queue; asks AWS for targets alone.

    Args:
        history: what the journal knows.
        run: this run's id in the journal; empty where nothing is done.
        again: whether letters that came back are replayed, too.
    """

    def __init__(self, finder: TargetFinder, history: History, *, run: str = "", again: bool = False) -> None:
        self._finder = finder
        self._history = history
        self._run = run
        self._again = again
        self._staying: set[str] = set()

    def decide(self, letter: Letter) -> Decision:
        """Decide on the next letter: none overtakes one that stays in its FIFO group."""
        decision, group = self._decide_alone(letter), letter.message.group
        if isinstance(decision, Delivery) and decision.group and group in self._staying:
            decision = NotSent(
                letter, "held", "a letter before it in its FIFO group stays: replay or discard that one"
            )
        if isinstance(decision, NotSent) and decision.what != "finished" and group:
            self._staying.add(group)
        return decision

    def _decide_alone(self, letter: Letter) -> Decision:
        known = self._history.letters.get(letter.message_id)
        if known is not None and known.state in {Step.DELIVERED, Step.DELETED}:
            return NotSent(letter, "finished")
        reason = "" if self._again else self._history.came_back(letter, self._run)
        if reason:
            return NotSent(letter, "held", f"{reason} (--again replays it)")
        try:
            target = self._finder.target_of(letter)
        except NoTargetError as error:
            return NotSent(letter, "refused", str(error))
        if known is None:
            return Delivery(letter, target, 1)
        return Delivery(letter, target, 1 + known.failed, known.state is Step.SENT)


@dataclass(slots=True)
class Tally:
    """What became of the letters, and why, counted.

    Attributes:
        maybe_twice: letters that were sent although an earlier try without an answer may have delivered them.
        passed_over: letters that the filters left out.
        complete: whether it came to its end: nothing went wrong on the way, and nobody interrupted it.
        hidden: where nothing could be read, how many letters are in flight with someone else.
    """

    counts: Counter[What] = field(default_factory=Counter)
    reasons: Counter[tuple[What, str]] = field(default_factory=Counter)
    targets: Counter[str] = field(default_factory=Counter)
    maybe_twice: int = 0
    read: int = 0
    passed_over: int = 0
    interrupted: bool = False
    complete: bool = False
    hidden: int = 0

    def select(self, messages: Sequence[Message], understand: Understand) -> list[Letter]:
        """Count messages, and return those that are meant."""
        letters = [letter for message in messages if (letter := understand(message)) is not None]
        self.read += len(messages)
        self.passed_over += len(messages) - len(letters)
        return letters

    def add(self, what: What, reason: str = "") -> None:
        """Count a letter."""
        self.counts[what] += 1
        if reason:
            self.reasons[what, reason] += 1

    def reasons_document(self) -> list[dict[str, object]]:
        """Return the reasons as JSON takes them, the most frequent first."""
        found = self.reasons.most_common()
        return [{"what": what, "reason": reason, "count": count} for (what, reason), count in found]

    @property
    def exit_code(self) -> int:
        """0 where all went well, 1 where letters are left that were meant, 130 where it was interrupted."""
        left: Sequence[What] = ("held", "refused", "failed", "unsure", "undeleted")
        return 130 if self.interrupted else int(self.hidden > 0 or any(self.counts[what] for what in left))


class Pace:
    """Keeps to a rate.

    Args:
        rate: letters a second; None for as fast as it goes.
    """

    def __init__(self, rate: float | None, stop: Stop) -> None:
        self.rate = rate
        self._stop = stop
        self._due = time.monotonic()

    @property
    def burst(self) -> int:
        """How many letters to take at once."""
        if self.rate is None:
            return BATCH_MOST
        return max(1, min(BATCH_MOST, int(self.rate * BURST_SECONDS)))

    def wait(self, count: int) -> None:
        """Wait until this many more may follow."""
        if self.rate is None:
            return
        self._due = max(self._due, time.monotonic() - BURST_SECONDS) + count / self.rate
        self._stop.wait(self._due - time.monotonic())


@dataclass(slots=True)
class Replay:
    """The loop: receive, decide, journal, deliver, journal, delete, journal.

    Whatever ends the process in between, a letter is in the queue, or acknowledged by its target, or both.

    Attributes:
        stop: the wish to end, asked between batches.
        progress: is told how many letters are done with.
        background: a thread in which the journal is synced while the next letters are received.
    """

    reading: Reading
    understand: Understand
    planner: Planner
    journal: Journal
    sender: Sender
    pace: Pace
    stop: Stop
    progress: Callable[[int], object]
    background: InitVar[Executor]
    tally: Tally = field(default_factory=Tally)
    _batches: Iterator[list[Message]] = field(init=False)
    _ahead: WriteAhead = field(init=False)
    _closed: dict[Target, str] = field(default_factory=dict)
    _blocked: set[tuple[Target, str]] = field(default_factory=set)

    def __post_init__(self, background: Executor) -> None:
        self._batches = self.reading.batches()
        self._ahead = WriteAhead(self.journal, background)

    def send(self, limit: int | None = None) -> Iterator[list[Result]]:
        """Replay until `limit` letters were sent, nothing more comes, or it is stopped.

        Yields:
            What was delivered, a batch at a time.
        """
        wanted = math.inf if limit is None else limit
        while not self.stop.requested and (left := wanted - len(self._ahead)) > 0:
            self.reading.size = int(min(self.pace.burst, left))
            messages = next(self._batches, None)
            self._ahead.add(self._prepare(messages or []))
            wait = messages is None or self._must_not_wait(wanted - len(self._ahead))
            while not self.stop.requested and (deliveries := self._ahead.take(wait=wait)):
                sent = self._deliver(deliveries)
                wanted -= len(sent)
                yield sent
                self.pace.wait(len(sent))
            if messages is None:
                return
            self.progress(len(messages))

    def _must_not_wait(self, left: float) -> bool:
        """Check whether the waiting letters are sent before more are received.

        A FIFO queue gives nothing more before that; at the end of a queue, the next receive waits for more; and what is
        received at a rate is sent at that rate.
        """
        reading = self.reading
        last = left <= 0 or reading.read >= reading.queue.count
        return last or reading.queue.fifo or self.pace.rate is not None

    def _prepare(self, messages: list[Message]) -> list[Delivery]:
        """Decide on messages, delete what was delivered before, and give what is to be sent."""
        letters = self.tally.select(messages, self.understand)
        decisions = [self.planner.decide(letter) for letter in letters]
        deliveries = [one for one in decisions if isinstance(one, Delivery)]
        unsent = [one for one in decisions if isinstance(one, NotSent)]
        settled = [one.letter.message for one in unsent if one.what == "finished"]
        for one in unsent:
            if one.what != "finished":
                self.tally.add(one.what, one.reason)
        self._delete(settled, "finished")
        leaving = {one.message_id for one in settled} | {one.message_id for one in deliveries}
        self.reading.keep([message for message in messages if message.message_id not in leaving])
        return deliveries

    def _deliver(self, deliveries: list[Delivery]) -> list[Result]:
        found: list[Result] = []
        for batch in self.sender.batches(deliveries):
            hindered = {one.message_id: why for one in batch if (why := self._hindrance(one))}
            self.journal.failed(hindered.items())
            for why in hindered.values():
                self.tally.add("failed", why)
            free = [one for one in batch if one.message_id not in hindered]
            if free:
                found += self._deliver_batch(free)
        done = {one.delivery.message_id for one in found}
        self.reading.keep([one.letter.message for one in deliveries if one.message_id not in done])
        return found

    def _hindrance(self, delivery: Delivery) -> str:
        """Return why a letter isn't tried at all; empty where it is."""
        if delivery.target in self._closed:
            return self._closed[delivery.target]
        blocked = (delivery.target, delivery.group) in self._blocked
        return "a letter before it in its FIFO group was not delivered" if blocked else ""

    def _deliver_batch(self, batch: list[Delivery]) -> list[Result]:
        self.journal.sending((one.message_id, one.target.address, one.number) for one in batch)
        self.tally.maybe_twice += sum(one.unsure for one in batch)
        results = self.sender.deliver(batch)
        delivered = [one for one in results if one.state == "delivered"]
        self.journal.delivered((one.delivery.message_id, one.new_id) for one in delivered)
        self.journal.failed((one.delivery.message_id, one.reason) for one in results if one.state == "failed")
        for result in results:
            self._count(result)
        self._delete([one.delivery.letter.message for one in delivered], None)
        return delivered

    def _count(self, result: Result) -> None:
        target = result.delivery.target
        if result.state == "delivered":
            self.tally.add("delivered")
            self.tally.maybe_twice += result.repeated and not result.delivery.unsure
            self.tally.targets[target.name] += 1
            return
        self.tally.add("failed" if result.state == "failed" else "unsure", result.reason)
        if result.delivery.group:
            self._blocked.add((target, result.delivery.group))
        if result.final:
            self._closed[target] = result.reason

    def _delete(self, messages: list[Message], what: Literal["finished"] | None) -> None:
        """Delete what is delivered; the journal knows what can't be deleted, so that it is not sent again."""
        if not messages:
            return
        try:
            refused = self.reading.delete(messages)
        except CloudError as error:
            for _ in messages:
                self.tally.add("undeleted", str(error))
            raise
        gone = [message.message_id for message in messages if message.message_id not in refused]
        self.journal.deleted(gone)
        for _ in gone if what else ():
            self.tally.add("finished")
        for reason in refused.values():
            self.tally.add("undeleted", reason)


def recover(reading: Reading, history: History) -> int:
    """Make the letters visible again that an earlier run left in flight: their receipt handles are in the journal.

    Without this they come back by themselves at the end of their visibility timeout.

    Returns:
        How many there were.
    """
    receipts = [known.receipt for known in history.letters.values() if known.receipt]
    reading.show(receipts)
    return len(receipts)
