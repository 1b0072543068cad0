"""In order of time: what is to be shown of all sources, as far as it fits in memory."""

from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Final

from lambda_guard.tools.logs.invocation import Block, Invocation
from lambda_guard.tools.logs.model import true_time
from lambda_guard.tools.logs.reading.attempts import merge_late

SORTED_BYTES_MOST: Final = 16 * 2**20
"""Of the lines that are shown; larger logs are shown as they are read, since sorting them would need all of them."""

BY_STREAM: Final = (
    f"over {SORTED_BYTES_MOST // 2**20} MB are shown: stream by stream as they are read, not in order of time"
)
PAUSED: Final = "standard input paused: in order of time is what came between two pauses, not the whole"

_BEFORE_ALL: Final = float("-inf")


def in_order_of_time(blocks: Iterable[Block | None], note: Callable[[str], object]) -> Iterator[Block]:
    """Yield blocks by the time at which they began; those that don't tell it stay behind what was read before them.

    Where more than `SORTED_BYTES_MOST` is to be shown, they come as they are read.

    Args:
        blocks: as they are read; None stands for an idle moment, and where two of them follow each other, somebody
            may be looking on: what is held is yielded.
        note: called with a sentence where the whole isn't in order of time.
    """
    held, size, idle = list[Block](), 0, False
    reached: float | None = _BEFORE_ALL
    coming = iter(blocks)
    for block in coming:
        if block is not None:
            held.append(block)
            size += sum(map(len, block.raw))
        if size > SORTED_BYTES_MOST:
            note(BY_STREAM)
            yield from _taken(held)
            yield from (one for one in coming if one is not None)
            return
        if block is None and idle and held:
            reached = yield from _sorted(held, reached, note)
            size = 0
        idle = block is None
    yield from _sorted(held, reached, note)


def by_time(blocks: Iterable[Block]) -> tuple[list[Block], float, float]:
    """Sort blocks by the time at which they began, once late lines are back in their invocations.

    Returns:
        The blocks; when the first and the last of them began, ms since 1970, both -inf where none tells.
    """
    merged = merge_late(blocks)
    keys = _filled([(block.source, _began(block)) for block in merged])
    places = sorted(range(len(merged)), key=keys.__getitem__)
    known = [at for at in keys if at > _BEFORE_ALL]
    return (
        [merged[place] for place in places],
        min(known, default=_BEFORE_ALL),
        max(known, default=_BEFORE_ALL),
    )


def _sorted(
    held: list[Block], reached: float | None, note: Callable[[str], object]
) -> Generator[Block, None, float | None]:
    """Yield what is held, sorted, and let it go; returns the time that has been reached, None once order is lost."""
    ordered, first, last = by_time(held)
    held.clear()
    if reached is not None and _BEFORE_ALL < first < reached:
        note(PAUSED)
        reached = None
    yield from _taken(ordered)
    return None if reached is None else max(reached, last)


def _taken(blocks: list[Block]) -> Iterator[Block]:
    """Yield blocks and let them go: they need more memory once they are drawn."""
    blocks.reverse()
    while blocks:
        yield blocks.pop()


def _began(block: Block) -> float | None:
    if isinstance(block, Invocation):
        return block.start_ms
    return next((at for line in block.lines if (at := true_time(line.time_ms)) is not None), None)


def _filled(told: list[tuple[str, float | None]]) -> list[float]:
    """Give a time to those that tell none: that of the one before it in its source, else behind it, else before it."""
    keys = [at for _, at in told]
    there = range(len(told))
    for places in (there, reversed(there)):
        latest: dict[str, float | None] = {}
        for place in places:
            source = told[place][0]
            keys[place] = latest[source] = latest.get(source) if keys[place] is None else keys[place]
    reached, filled = _BEFORE_ALL, list[float]()
    for at in keys:
        reached = reached if at is None else at
        filled.append(reached)
    return filled
