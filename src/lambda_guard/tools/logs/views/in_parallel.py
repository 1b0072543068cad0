"""Blocks become bytes to write: one by one as they come, or in bulk, with processes beside this one.

Drawing an invocation costs three times what it takes to read and group its lines, and one invocation has nothing to
do with the next. The first ones are drawn here at once: whoever looks at a few waits for no process to start.

The processes are our own. With `concurrent.futures` the viewer was as fast, but a worker that is killed while it
writes a result (the system is out of memory, say) makes the pool wait for the rest of it for ever: the other ends of
that pipe stay open. Here each helper has a pipe of its own, whose end is noticed.
"""

import gc
import os
import pickle
import select
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import chain, islice
from typing import Final, NamedTuple

from lambda_guard.tools.logs.invocation import Block, Invocation

ALONE_MOST: Final = 1_000
"""This many blocks are drawn here before other processes are started."""

BATCH: Final = 16
"""This many blocks are handed over at once: they are still in the processor's cache when they are drawn."""

AHEAD: Final = 4
"""This many batches wait for each helper, so that it has the next one while this process is reading."""

PIPE_BYTES: Final = 2**20
"""This much can be given to a helper before it reads it: reading the log must not wait for drawing."""

WAITING_MOST: Final = 32
"""This many batches may be drawn, and wait for one before them."""

HELPERS_MOST: Final = 3
"""Reading and grouping keep no more of them busy."""

_START: Final = "from lambda_guard.tools.logs.views.in_parallel import work; work()"

Draw = Callable[[Block], bytes]


class Drawn(NamedTuple):
    """What some blocks came to.

    Attributes:
        text: as it is written, encoded.
        invocations: how many; late lines of one are none.
        failed: how many of them.
        broken: how many lines start like JSON, and aren't.
        clock_jumps: how many invocations have lines with times that can't be true.
    """

    text: bytes
    invocations: int
    failed: int
    broken: int
    clock_jumps: int


def counted(blocks: Sequence[Block], text: bytes = b"") -> Drawn:
    """Count what there is in some blocks."""
    invocations = failed = broken = clock_jumps = 0
    for block in blocks:
        broken += [line.broken for line in block.lines].count(True)
        if isinstance(block, Invocation):
            invocations += not block.late
            failed += block.failed and not block.late
            clock_jumps += block.clock_jumped
    return Drawn(text, invocations, failed, broken, clock_jumps)


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
    helpers = list[Helper]()
    try:
        with suppress(OSError):  # no more processes or files are to be had: then with fewer
            for _ in range(_helpers()):
                helpers.append(Helper(draw))
        yield from _drawn_by(helpers, chain([first], batches), draw)
    finally:
        for helper in helpers:
            helper.close()


def _drawn_by(helpers: Sequence["Helper"], batches: Iterable[list[Block]], draw: Draw) -> Iterator[Drawn]:
    """Hand batches over as long as helpers have room, draw the others here, and return all in their order."""
    waiting = deque["Drawn | Helper"]()
    for batch in batches:
        helper = next((helper for helper in helpers if helper.has_room), None)
        if helper is None:
            waiting.append(_drawn(batch, draw))
        else:
            helper.give(batch)
            waiting.append(helper)
        while waiting and (len(waiting) > WAITING_MOST or not _is_drawing(waiting[0])):
            yield _taken(waiting.popleft())
    yield from map(_taken, waiting)


def _is_drawing(one: "Drawn | Helper") -> bool:
    return isinstance(one, Helper) and one.is_drawing


def _taken(one: "Drawn | Helper") -> Drawn:
    return one.take() if isinstance(one, Helper) else one


class Helper:
    """A process that draws. Whatever becomes of it, what it was given is drawn.

    Args:
        draw: what it is to do with each block.

    Attributes:
        process: None once it has ended.

    Raises:
        OSError: it can't be started.
    """

    def __init__(self, draw: Draw) -> None:
        import subprocess
        from multiprocessing import Pipe

        self._draw = draw
        self._batches = deque[Sequence[Block]]()
        self._started = False
        comes_in, self._given = Pipe(duplex=False)
        self._taken, goes_out = Pipe(duplex=False)
        _widen(self._given.fileno())
        with comes_in, goes_out:
            # It finds what we have found, and nothing besides: not what lies in the current folder.
            self.process: subprocess.Popen[bytes] | None = subprocess.Popen(  # noqa: S603 - this very interpreter
                [sys.executable, "-P", "-c", _START, str(comes_in.fileno()), str(goes_out.fileno())],
                pass_fds=[comes_in.fileno(), goes_out.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                process_group=0,  # a terminal's Ctrl-C is for who reads, also while this one starts
            )
        self._send(draw)

    @property
    def has_room(self) -> bool:
        """Whether it could take another batch: not before it has started, or all would wait for its first one."""
        if not self._started and self.process is not None and self._tells:
            self._started = self._received() is not None
        return self._started and self.process is not None and len(self._batches) < AHEAD

    @property
    def is_drawing(self) -> bool:
        """Whether `take` would have to wait for it."""
        return self.process is not None and not self._tells

    @property
    def _tells(self) -> bool:
        return bool(select.select([self._taken], [], [], 0)[0])

    def give(self, batch: Sequence[Block]) -> None:
        """Have a batch drawn; `take` returns it."""
        self._batches.append(batch)
        self._send(batch)

    def take(self) -> Drawn:
        """Return the oldest batch, drawn."""
        batch = self._batches.popleft()
        received = self._received() if self.process is not None else None
        if received is None:
            return _drawn(batch, self._draw)
        found: Drawn = pickle.loads(received)  # noqa: S301 - our own process wrote it
        return found

    def _received(self) -> bytes | None:
        """Return the next that it sends; None, and it is over, if it has ended."""
        try:
            return self._taken.recv_bytes()
        except (EOFError, OSError):
            self.close()
            return None

    def _send(self, what: object) -> None:
        if self.process is not None:
            try:
                self._given.send_bytes(pickle.dumps(what, pickle.HIGHEST_PROTOCOL))
            except (
                OSError,
                RecursionError,
            ):  # it has ended; or a line is nested too deeply to be handed over
                self.close()

    def close(self) -> None:
        """End it."""
        process, self.process = self.process, None
        self._taken.close()
        self._given.close()
        if process is not None:
            process.kill()
            process.wait()


def work() -> None:
    """Draw what comes in, until nothing more can come: the life of a helper.

    What was drawn is sent by a thread: as long as it is not taken, more can come in, so that neither side ever
    waits for the other to read.
    """
    from multiprocessing.connection import Connection
    from queue import SimpleQueue
    from threading import Thread

    gc.disable()  # what comes in holds no cycles
    sys.setswitchinterval(0.0005)  # s: what was drawn is on its way at once
    comes_in = Connection(int(sys.argv[1]), writable=False)
    goes_out = Connection(int(sys.argv[2]), readable=False)
    done = SimpleQueue[bytes]()
    Thread(target=_send_on, args=(done.get, goes_out.send_bytes), daemon=True).start()
    try:
        draw = pickle.loads(comes_in.recv_bytes())  # noqa: S301 - our own process wrote it
        done.put(b"")  # it has started
        while True:
            batch = pickle.loads(comes_in.recv_bytes())  # noqa: S301 - as above
            done.put(pickle.dumps(_drawn(batch, draw), pickle.HIGHEST_PROTOCOL))
    except (EOFError, OSError):
        os._exit(0)


def _send_on(take: Callable[[], bytes], send: Callable[[bytes], None]) -> None:
    try:
        while True:
            send(take())
    except OSError:
        os._exit(0)  # nobody is there to take it


def _drawn(blocks: Sequence[Block], draw: Draw) -> Drawn:
    return counted(blocks, b"".join(map(draw, blocks)))


def _widen(pipe: int) -> None:
    """Let more wait in a pipe than the usual 64 KB, where the system can."""
    if sys.platform == "linux":
        import fcntl

        with suppress(OSError):
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE_BYTES)


def _helpers() -> int:
    """Return how many helpers there can be: with this process as many as processors."""
    if not sys.executable or sys.platform == "win32":  # which can neither hand pipes over nor look into them
        return 0
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(count - 1, HELPERS_MOST)
