"""Blocks become text: one by one as they come, or, of a log that is read in bulk, in processes beside this one.

Drawing an invocation costs three times what it takes to read and group its lines, and one invocation has nothing to
do with the next. The first ones are drawn here at once: whoever looks at a few waits for no process to start.
"""

import gc
import os
import pickle
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Final, NamedTuple

from lambda_guard.tools.invocation import Block, Invocation

ALONE_MOST: Final = 2_000
"""So many blocks are drawn here before others are asked to help."""

BATCH: Final = 128
"""So many blocks are handed over at once."""

PROCESSES_MOST: Final = 4
"""Reading and grouping keep no more of them busy."""

_START: Final = "from lambda_guard.tools.drawing import work; work()"

Draw = Callable[[Block], str]


class Drawn(NamedTuple):
    """What some blocks came to.

    Attributes:
        text: as it is written.
        shown: how many invocations; late lines of one are none.
        broken: how many lines start like JSON, and are not.
        clock_jumps: how many invocations have lines with times that can't be true.
    """

    text: str
    shown: int
    broken: int
    clock_jumps: int


def drawn(blocks: Iterable[Block], draw: Draw) -> Iterator[Drawn]:
    """Draw blocks one by one, as they come."""
    for block in blocks:
        yield _drawn([block], draw)


def drawn_in_bulk(blocks: Iterator[Block], draw: Draw) -> Iterator[Drawn]:
    """Draw blocks that are all there, in their order, with the help of other processes where there are very many.

    Args:
        blocks: of a source that keeps nobody waiting.
        draw: can be pickled.
    """
    yield from drawn(islice(blocks, ALONE_MOST), draw)
    batches = iter(lambda: list(islice(blocks, BATCH)), [])
    first = next(batches, None)
    if first is None:
        return
    helpers = [Helper(draw) for _ in range(_processes())]
    try:
        yield from _drawn_by(helpers, chain([first], batches), draw)
    finally:
        for helper in helpers:
            helper.close()


def _drawn_by(helpers: list["Helper"], batches: Iterator[list[Block]], draw: Draw) -> Iterator[Drawn]:
    """Hand out batches in turn, and take them back in turn: each helper has one, while the next is being read."""
    idle, busy = deque(helpers), deque["Helper"]()
    for batch in batches:
        if not idle and busy:
            idle.append(busy.popleft())
            yield idle[-1].take()
        if not idle:
            yield _drawn(batch, draw)
            continue
        idle[0].give(batch)
        busy.append(idle.popleft())
    for helper in busy:
        yield helper.take()


class Helper:
    """A process that draws. Whatever becomes of it, what it was given is drawn.

    Args:
        draw: what it is to do with each block.

    Attributes:
        process: None once it has ended.
    """

    def __init__(self, draw: Draw) -> None:
        self._draw = draw
        self._batch: Sequence[Block] = ()
        self.process: subprocess.Popen[bytes] | None = None
        try:
            # It finds what we have found, and nothing besides: not what lies in the current folder.
            self.process = subprocess.Popen(  # noqa: S603 - this very interpreter
                [sys.executable, "-P", "-c", _START],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            )
            self._send(draw)
        except OSError:
            self.close()

    def give(self, batch: Sequence[Block]) -> None:
        """Have a batch drawn; `take` gives what came of it."""
        self._batch = batch
        try:
            self._send(batch)
        except (OSError, RecursionError):  # it has ended; or a line is nested too deeply to be handed over
            self.close()

    def take(self) -> Drawn:
        """Give the last batch, drawn."""
        batch, self._batch = self._batch, ()
        if self.process is not None:
            assert self.process.stdout is not None
            try:
                found: Drawn = pickle.load(self.process.stdout)  # noqa: S301 - our own process wrote it
                return found
            except (EOFError, OSError, pickle.UnpicklingError):
                self.close()
        return _drawn(batch, self._draw)

    def _send(self, what: object) -> None:
        if self.process is not None:
            assert self.process.stdin is not None
            pickle.dump(what, self.process.stdin, pickle.HIGHEST_PROTOCOL)
            self.process.stdin.flush()

    def close(self) -> None:
        """End it."""
        process, self.process = self.process, None
        if process is not None:
            process.kill()
            process.communicate()


def work() -> None:
    """Draw what comes in, until nothing more can come: the life of a helper."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who reads decides what a Ctrl-C ends
    gc.disable()  # what comes in holds no cycles
    source, target = sys.stdin.buffer, sys.stdout.buffer
    try:
        draw = pickle.load(source)  # noqa: S301 - our own process wrote it
        while True:
            pickle.dump(_drawn(pickle.load(source), draw), target, pickle.HIGHEST_PROTOCOL)  # noqa: S301 - as above
            target.flush()
    except (EOFError, BrokenPipeError):
        os._exit(0)  # what is left in the buffers has nobody to go to


def _drawn(blocks: Sequence[Block], draw: Draw) -> Drawn:
    parts, shown, broken, jumps = list[str](), 0, 0, 0
    left = deque(blocks)
    del blocks
    while left:  # what has been drawn is let go at once: the next one finds its memory at hand
        block = left.popleft()
        parts.append(draw(block))
        broken += sum([line.broken for line in block.lines])
        if isinstance(block, Invocation):
            shown += not block.late
            jumps += block.clock_jumped
    return Drawn("".join(parts), shown, broken, jumps)


def _processes() -> int:
    """Tell how many helpers there can be: as many as processors, where there are two at least."""
    if not sys.executable:
        return 0
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return 0 if count == 1 else min(count, PROCESSES_MOST)
