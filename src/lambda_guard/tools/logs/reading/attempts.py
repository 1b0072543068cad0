"""The numbers of an asynchronous invocation's attempts, which all have its id.

Only their times tell which came first: each may have run in another environment, and log streams are read in any
order. And logs may begin after the first one.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Final, TypeVar

from msgspec.structs import replace

from lambda_guard.tools.logs.invocation import Block, Invocation, invocations_of

ATTEMPTS_MOST: Final = 3
"""Lambda tries an event again twice at most (`MaximumRetryAttempts`), so that three attempts are all of them.

https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
"""

FIRST_PAUSE_MS_MOST: Final = 90_000.0
"""Between an end and a start; a longer pause may be the one after the second attempt.

"Lambda waits one minute before the second attempt, and two minutes between the second and third", on the same page.
"""

SomeBlock = TypeVar("SomeBlock", bound=Block)

HELD_BYTES_MOST: Final = 2**20
"""Logs of this size are held until all of them have been read; of larger ones, nothing is."""


def numbered_if_few(blocks: Iterator[Block]) -> Iterator[Block]:
    """Yield blocks in their order, once their attempts are numbered; those of large logs as they come, without."""
    held, size = list[Block](), 0
    for block in blocks:
        held.append(block)
        size += _size(block)
        if size > HELD_BYTES_MOST:
            yield from chain(held, blocks)
            return
    number_attempts(held)
    yield from held


def number_attempts(blocks: Iterable[Block]) -> None:
    """Number the attempts under each id by their times.

    Args:
        blocks: all that was read of an id, late lines included. Attempts get no number where the first may be
            missing, or where one of them doesn't tell when it ran.
    """
    found = list(invocations_of(blocks))
    repeated = {one.invocation_id for one in found if one.attempt_seen > 1}
    attempts: dict[str, list[Invocation]] = defaultdict(list)
    for one in found:
        if one.invocation_id in repeated and not one.late:
            attempts[one.invocation_id].append(one)
    places = {
        (one.invocation_id, one.attempt_seen): place
        for several in attempts.values()
        for place, one in enumerate(_in_order(several), 1)
    }
    for one in found if places else ():
        one.attempt_counted = places.get((one.invocation_id, one.attempt_seen))


def merge_late(blocks: Iterable[SomeBlock]) -> list[SomeBlock]:
    """Put late lines back into the invocation that they belong to."""
    merged: list[SomeBlock] = []
    places: dict[tuple[str, int], int] = {}
    for block in blocks:
        if isinstance(block, Invocation):
            place = places.setdefault((block.invocation_id, block.attempt_seen), len(merged))
            if place < len(merged):
                merged[place] = _with_lines(merged[place], block)
                continue
        merged.append(block)
    return merged


def _with_lines(first: SomeBlock, late: Invocation) -> SomeBlock:
    assert isinstance(first, Invocation)
    return replace(
        first,
        raw=[*first.raw, *late.raw],
        record=late.record or first.record,
        record_line=late.record_line or first.record_line,
        report=first.report if late.report.is_empty() else late.report,
        guarded=first.guarded or late.guarded,
        late=False,
        left_out=first.left_out + late.left_out,
    )


def _in_order(several: list[Invocation]) -> list[Invocation]:
    """Sort attempts, of which the first is one; empty where that isn't known."""
    spans = [(one.start_ms, one.end_ms) for one in several]
    times = sorted((start, end) for start, end in spans if start is not None and end is not None)
    if not 1 < len(times) == len(several):
        return []
    is_first = len(times) >= ATTEMPTS_MOST or times[1][0] - times[0][1] < FIRST_PAUSE_MS_MOST
    return sorted(several, key=lambda one: one.start_ms or 0.0) if is_first else []


def _size(block: Block) -> int:
    return sum(map(len, block.raw if isinstance(block, Invocation) else [one.message for one in block.lines]))
