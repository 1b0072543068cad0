"""Letters between their receipt and their delivery: on their way to the disk."""

from collections.abc import Sequence
from concurrent.futures import Executor, Future
from typing import Final

from lambda_guard.tools.dlq.delivery import Parcel
from lambda_guard.tools.dlq.journal import Journal

SYNCED_AT_ONCE: Final = 100
"""So many letters are worth a sync, as long as more come: a disk may take longer than a hundred sends."""

HAND_MOST: Final = 200
"""So many letters wait for the disk at most: they are hidden from others meanwhile."""


class Hand:
    """Takes letters in, and gives them out once the journal holds them for good.

    A sync runs in the background while more letters are received; the next one covers all that came meanwhile.

    Args:
        journal: where they are written.
        background: runs the syncs, one at a time.
    """

    def __init__(self, journal: Journal, background: Executor) -> None:
        self._journal = journal
        self._background = background
        self._written: list[Parcel] = []
        self._covered: list[Parcel] = []
        self._sync: Future[None] | None = None

    def __len__(self) -> int:
        return len(self._written) + len(self._covered)

    def add(self, parcels: Sequence[Parcel]) -> None:
        """Write letters to the journal, and begin to sync it."""
        if parcels:
            self._journal.in_hand(one.letter for one in parcels)
            self._written += parcels
            self._begin(SYNCED_AT_ONCE)

    def take(self, *, wait: bool) -> list[Parcel]:
        """Give out what is on the disk; with `wait`, or with the hand full, wait until something is."""
        if wait:
            self._begin(1)
        if self._sync is None or not (wait or self._sync.done() or len(self) >= HAND_MOST):
            return []
        self._sync.result()
        covered, self._covered, self._sync = self._covered, [], None
        self._begin(SYNCED_AT_ONCE)
        return covered

    def _begin(self, least: int) -> None:
        if self._sync is None and len(self._written) >= least:
            self._covered, self._written = self._written, []
            self._sync = self._background.submit(self._journal.sync)
