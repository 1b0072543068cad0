"""A write-ahead log: a letter is in the journal on the disk before it is delivered."""

from collections.abc import Sequence
from concurrent.futures import Executor, Future
from typing import Final

from lambda_guard.tools.dlq.delivery import Delivery
from lambda_guard.tools.dlq.journal import Journal

SYNCED_AT_ONCE: Final = 100
"""How many letters are worth a sync, as long as more come: a disk may take longer than a hundred sends."""

WAITING_MOST: Final = 200
"""How many letters wait for the disk at most: they are hidden from others meanwhile."""


class WriteAhead:
    """Takes deliveries in, and returns them once the journal on the disk holds their letters.

    A sync runs in the background while more letters are received; the next one covers all that came meanwhile.

    Args:
        background: runs the syncs, one at a time.
    """

    def __init__(self, journal: Journal, background: Executor) -> None:
        self._journal = journal
        self._background = background
        self._written: list[Delivery] = []
        self._covered: list[Delivery] = []
        self._sync: Future[None] | None = None

    def __len__(self) -> int:
        return len(self._written) + len(self._covered)

    def add(self, deliveries: Sequence[Delivery]) -> None:
        """Write letters to the journal, and begin to sync it."""
        if deliveries:
            self._journal.received(one.letter for one in deliveries)
            self._written += deliveries
            self._begin(SYNCED_AT_ONCE)

    def take(self, *, wait: bool) -> list[Delivery]:
        """Return what is on the disk; with `wait`, or with too much waiting, wait until something is."""
        if wait:
            self._begin(1)
        if self._sync is None or not (wait or self._sync.done() or len(self) >= WAITING_MOST):
            return []
        self._sync.result()
        covered, self._covered, self._sync = self._covered, [], None
        self._begin(SYNCED_AT_ONCE)
        return covered

    def _begin(self, least: int) -> None:
        if self._sync is None and len(self._written) >= least:
            self._covered, self._written = self._written, []
            self._sync = self._background.submit(self._journal.sync)
