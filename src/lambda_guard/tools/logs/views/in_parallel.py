"""Blocks become bytes to write: one by one as they come, or in bulk, with processes beside this one.

Drawing an invocation costs three times what it takes to read and group its lines, and one invocation has nothing to
do with the next. The first ones are drawn here at once: whoever looks at a few waits for no process to start.
"""

import gc
import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from threading import Thread
from typing import TYPE_CHECKING, Final, NamedTuple

from lambda_guard.tools.logs.invocation import Block, Invocation

if TYPE_CHECKING:  # most logs are short: they are shown without waiting for these imports
    from concurrent.futures import Future, ProcessPoolExecutor

ALONE_MOST: Final = 1_000
"""This many blocks are drawn here before other processes are started."""

BATCH: Final = 32
"""This many blocks are handed over at once."""

AHEAD: Final = 4
"""This many batches wait for each helper, so that it has the next one while this process is reading."""

WAITING_MOST: Final = 32
"""This many batches may be drawn, and wait for one before them."""

HELPERS_MOST: Final = 3
"""Reading and grouping keep no more of them busy."""

Draw = Callable[[Block], bytes]


class Shown(NamedTuple):
    """What there is in some blocks.

    Attributes:
        invocations: how many; late lines of one are none.
        broken: how many lines start like JSON, and aren't.
        clock_jumps: how many invocations have lines with times that can't be true.
    """

    invocations: int
    broken: int
    clock_jumps: int


class Drawn(NamedTuple):
    """What some blocks came to: as it is written, encoded, and what there is in it."""

    text: bytes
    shown: Shown


def shown_in(blocks: Iterable[Block]) -> Shown:
    """Count what there is in some blocks."""
    invocations = broken = clock_jumps = 0
    for block in blocks:
        broken += [line.broken for line in block.lines].count(True)
        if isinstance(block, Invocation):
            invocations += not block.late
            clock_jumps += block.clock_jumped
    return Shown(invocations, broken, clock_jumps)


def drawn(blocks: Iterable[Block], draw: Draw) -> Iterator[Drawn]:
    """Draw blocks one by one, as they come."""
    for block in blocks:
        yield _drawn([block], draw)


def drawn_in_bulk(blocks: Iterator[Block], draw: Draw) -> Iterator[Drawn]:
    """Draw blocks that are all there, in their order, with the help of other processes where there are very many."""
    yield from drawn(islice(blocks, ALONE_MOST), draw)
    batches = iter(lambda: list(islice(blocks, BATCH)), [])
    first = next(batches, None)
    if first is None:
        return
    yield _drawn(first, draw)
    from multiprocessing import active_children

    helpers = _helpers_most()
    try:
        pool = _started(helpers, draw) if helpers else None
        if pool is None:
            yield from (_drawn(batch, draw) for batch in batches)
            return
        with pool:
            yield from _drawn_with(pool, helpers, batches, draw)
    finally:
        for helper in active_children():  # where starting them failed half-way, or was interrupted
            helper.kill()
            helper.join()


def _drawn_with(
    pool: "ProcessPoolExecutor", helpers: int, batches: Iterable[Sequence[Block]], draw: Draw
) -> Iterator[Drawn]:
    """Hand batches over as long as helpers have room, draw the others here, and return all in their order."""
    from concurrent.futures import Future

    waiting = deque[tuple[Sequence[Block], Future[Drawn]]]()
    for batch in batches:
        busy = sum(not future.done() for _, future in waiting)
        future = _submitted(pool, batch) if busy < helpers * AHEAD else None
        if future is None:
            future = Future()
            future.set_result(_drawn(batch, draw))
        waiting.append((batch, future))
        while waiting and (len(waiting) > WAITING_MOST or waiting[0][1].done()):
            yield _taken(*waiting.popleft(), draw)
    while waiting:
        yield _taken(*waiting.popleft(), draw)


def _submitted(pool: "ProcessPoolExecutor", batch: Sequence[Block]) -> "Future[Drawn] | None":
    try:
        return pool.submit(_drawn_by_helper, batch)
    except RuntimeError:  # a helper has ended, and the pool with it
        return None


def _taken(batch: Sequence[Block], future: "Future[Drawn]", draw: Draw) -> Drawn:
    """Whatever becomes of a helper, what it was given is drawn."""
    try:
        return future.result()
    except Exception:  # it has ended; or a line is nested too deeply to be handed over
        return _drawn(batch, draw)


def _drawn(blocks: Sequence[Block], draw: Draw) -> Drawn:
    return Drawn(b"".join(map(draw, blocks)), shown_in(blocks))


def _helpers_most() -> int:
    """Return how many helpers there can be: with this process as many as processors."""
    import multiprocessing

    if "fork" not in multiprocessing.get_all_start_methods():
        return 0
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(count - 1, HELPERS_MOST)


def _started(helpers: int, draw: Draw) -> "ProcessPoolExecutor | None":
    """Start helpers; None where no more processes, files or semaphores are to be had.

    Forked, for a fresh interpreter would have to import all of this again. No thread runs here yet.
    """
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    # The helpers inherit this: who reads decides what a Ctrl-C ends.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        pool = ProcessPoolExecutor(helpers, get_context("fork"), _begin, (draw,))
        pool.submit(_drawn_by_helper, ())
    except (ImportError, NotImplementedError, OSError):
        return None
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return pool


_own_draw: Draw
"""What a helper draws with: set in its process, and in no other."""


def _begin(draw: Draw) -> None:
    """Begin a helper's life, which ends with that of the process it helps, also by `kill -9`."""
    global _own_draw  # noqa: PLW0603 - a task brings its batch alone: the view would cost as much again
    _own_draw = draw
    gc.disable()  # what comes in holds no cycles
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    from multiprocessing import parent_process

    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(0)


def _drawn_by_helper(batch: Sequence[Block]) -> Drawn:
    return _drawn(batch, _own_draw)
