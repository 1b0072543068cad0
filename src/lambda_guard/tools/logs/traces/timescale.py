"""Where a moment stands in a waterfall; idle stretches are folded, so that a late retry leaves the rest legible."""

import math
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate, chain, pairwise
from typing import Final

FOLDED_SHARE: Final = 0.3
"""Idle stretches longer than this part of the whole are folded."""

_SHORTEST_MS: Final = 1e-6
"""A nanosecond: no clock of a log is finer, and a scale of less would have no round moments."""

FOLDED_WIDTH: Final = 0.06
"""How wide a folded stretch is drawn, as a part of the whole."""


@dataclass(slots=True, frozen=True)
class Fold:
    """An idle stretch drawn shorter than it was: `begin` and `end` are places, `ms` is how long it took."""

    begin: float
    end: float
    ms: float


class Timescale:
    """Maps moments (ms since 1970) to places between 0 and 1.

    Args:
        spans: when something ran, as (begin, end).
    """

    def __init__(self, spans: Iterable[tuple[float, float]]) -> None:
        busy = _merged(spans) or [(0.0, 0.0)]
        self.begin_ms, self.end_ms = busy[0][0], busy[-1][1]
        longest = FOLDED_SHARE * (self.end_ms - self.begin_ms)
        idle = [(end, begin) for (_, end), (begin, _) in pairwise(busy) if begin - end > longest]
        # Every second stretch between the knots is folded.
        self._knots = [self.begin_ms, *chain.from_iterable(idle), self.end_ms]
        lengths = [end - begin for begin, end in pairwise(self._knots)]
        self._busy_ms = sum(lengths[::2])
        width = min(FOLDED_WIDTH, 0.5 / max(1, len(idle)))
        scale = 1.0 - width * len(idle)
        shares = [
            width if place % 2 else scale * length / self._busy_ms if self._busy_ms else 0.0
            for place, length in enumerate(lengths)
        ]
        self._places = [min(1.0, place) for place in accumulate(shares, initial=0.0)]

    def place(self, time_ms: float) -> float:
        """Return the place of a moment; moments outside are put at the edge."""
        if time_ms <= self.begin_ms or self.begin_ms == self.end_ms:
            return 0.0
        if time_ms >= self.end_ms:
            return 1.0
        at = bisect_right(self._knots, time_ms) - 1
        begin, end = self._knots[at], self._knots[at + 1]
        share = (time_ms - begin) / (end - begin)
        return self._places[at] + share * (self._places[at + 1] - self._places[at])

    def ticks(self, most: int = 6) -> list[tuple[float, float]]:
        """Return round moments as (place, ms since the begin), about as many as asked for, none within a fold."""
        found = [(0.0, 0.0)]
        if self._busy_ms < _SHORTEST_MS:
            return found
        step = _round_step(self._busy_ms / most)
        for begin, end in zip(self._knots[::2], self._knots[1::2], strict=True):
            first = math.ceil((begin - self.begin_ms) / step) * step
            last = end - self.begin_ms
            moments = (first + step * count for count in range(math.floor((last - first) / step) + 1))
            found += [(self.place(self.begin_ms + ms), ms) for ms in moments]
        return _apart(found, 1 / (most * 2.5))

    @property
    def knots(self) -> list[tuple[float, float]]:
        """Where stretches meet, as (place, ms since the begin): busy ones and folded ones by turns."""
        return [(at, ms - self.begin_ms) for at, ms in zip(self._places, self._knots, strict=True)]

    @property
    def folds(self) -> list[Fold]:
        """The folded stretches, in their order."""
        return [
            Fold(self._places[at], self._places[at + 1], self._knots[at + 1] - self._knots[at])
            for at in range(1, len(self._knots) - 1, 2)
        ]


def _round_step(about: float) -> float:
    """Round to 1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(about))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= about)


def _apart(ticks: list[tuple[float, float]], least: float) -> list[tuple[float, float]]:
    """Leave out ticks that stand too close to the one before, or at the edge, where a label would not fit."""
    kept: list[tuple[float, float]] = []
    for place, ms in ticks:
        if place <= 1 - least / 2 and (not kept or place - kept[-1][0] >= least):
            kept.append((place, ms))
    return kept


def _merged(spans: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    merged: list[tuple[float, float]] = []
    for begin, end in sorted(spans):
        if merged and begin <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((begin, max(begin, end)))
    return merged
