"""Proving that a replay works: one letter, ten, the rest, each judged by its invocation's record."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain, repeat
from typing import TYPE_CHECKING, Final

from lambda_guard import _names as names
from lambda_guard.tools.dlq.causes import Logs, failures_of
from lambda_guard.tools.dlq.delivery import Result
from lambda_guard.tools.dlq.replay import Replay
from lambda_guard.tools.logs.invocation import UNFINISHED, Invocation
from lambda_guard.tools.logs.selection import received_ids
from lambda_guard.tools.stopping import Stop

if TYPE_CHECKING:
    from lambda_guard.tools.dlq.letter import Failure, Letter

FIRST_WAVES: Final = (1, 10)
WAVE: Final = 100
ASKED_AT_ONCE: Final = 50
POLL_SECONDS: Final = 1.0
"""Between two looks into the logs: files are read again; CloudWatch takes its time by itself."""


@dataclass(slots=True)
class Proof:
    """What the records say.

    Attributes:
        died: errors in a sentence → how many letters died of them again.
        silent: how many have no record yet.
        stopped: why not everything was sent; empty where it was.
    """

    succeeded: int = 0
    died: Counter[str] = field(default_factory=Counter)
    silent: int = 0
    stopped: str = ""

    @property
    def exit_code(self) -> int:
        """0 where every letter is known to have succeeded."""
        return int(bool(self.died or self.silent or self.stopped))


@dataclass(slots=True)
class Prover:
    """Sends in waves, and looks at what came of them.

    Attributes:
        logs: of the functions that get the letters.
        wait_seconds: how long to wait for records.
        stop: the wish to end.
    """

    replay: Replay
    logs: Logs
    wait_seconds: float
    stop: Stop
    _waiting: "dict[str, Letter]" = field(default_factory=dict)
    _failed: "dict[str, Failure]" = field(default_factory=dict)
    _proof: Proof = field(default_factory=Proof)

    def run(self, limit: int | None = None) -> Proof:
        """Send everything, or until something died again."""
        left = limit
        for number, size in enumerate(chain(FIRST_WAVES, repeat(WAVE))):
            wanted = size if left is None else min(size, left)
            sent = sum(map(self._take, self.replay.send(wanted))) if wanted else 0
            if not sent:
                break
            left = None if left is None else left - sent
            first = number < len(FIRST_WAVES)
            self._look(wait=first)
            if first and not self._proof.stopped:
                self._proof.stopped = self._must_stop()
            if self._proof.stopped or self.stop.requested:
                break
        if not self._proof.stopped and not self.stop.requested:
            self._look(wait=True)
        return self._concluded()

    def _take(self, batch: Sequence[Result]) -> int:
        """Wait for what was sent; a stream's batch was run while it was sent, and has no new id."""
        for sent in batch:
            if sent.new_id:
                self._waiting[sent.new_id] = sent.delivery.letter
            else:
                self._proof.succeeded += 1
        return len(batch)

    def _look(self, *, wait: bool) -> None:
        """Look into the logs once, or until every letter has succeeded, or one has died of the same again."""
        until = time.monotonic() + (self.wait_seconds if wait else 0.0)
        while self._waiting:
            self._read()
            again = next(filter(self._is_the_same, self._failed), None)
            if again is not None:
                self._proof.stopped = f"{self._failed[again].sentence} came back"
            if again is not None or self.stop.requested or time.monotonic() >= until:
                return
            if self._waiting:
                self.stop.wait(POLL_SECONDS)

    def _must_stop(self) -> str:
        """Return why the first letters don't prove enough to go on; empty where they do."""
        silent = len(self._waiting.keys() - self._failed.keys())
        if silent:
            return (
                f"no record of {silent} replayed within {self.wait_seconds:.0f} s: "
                "does the function take them, and are these its logs?"
            )
        other = next((self._failed[new_id] for new_id in self._waiting if new_id in self._failed), None)
        return f"the first letters died of {other.sentence}" if other else ""

    def _read(self) -> None:
        ids = sorted(self._waiting)
        for start in range(0, len(ids), ASKED_AT_ONCE):
            asked = frozenset(ids[start : start + ASKED_AT_ONCE])
            for invocation in self.logs.naming(asked):
                self._judge(invocation, asked)

    def _judge(self, invocation: Invocation, asked: frozenset[str]) -> None:
        """Take a record in: a later attempt that succeeds makes an earlier failure good."""
        if invocation.outcome in (UNFINISHED, names.SUSPENDED):  # what becomes of it, another record says
            return
        failed = dict(failures_of(invocation)) if invocation.failed else {}
        for new_id in asked & (failed.keys() | received_ids(invocation) | {invocation.invocation_id}):
            if new_id in failed:
                self._failed[new_id] = failed[new_id]
            else:
                self._failed.pop(new_id, None)
                self._proof.succeeded += self._waiting.pop(new_id, None) is not None

    def _is_the_same(self, new_id: str) -> bool:
        """Check whether a letter died of its old error; where that is not known, of any."""
        letter = self._waiting.get(new_id)
        old = letter.failure.fingerprint if letter is not None else ""
        return not old or self._failed[new_id].fingerprint == old

    def _concluded(self) -> Proof:
        self._proof.died = Counter(
            failure.sentence for new_id, failure in self._failed.items() if new_id in self._waiting
        )
        self._proof.silent = len(self._waiting.keys() - self._failed.keys())
        return self._proof
