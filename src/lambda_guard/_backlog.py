"""What a full standard output doesn't take: kept in order, written as soon as there is room.

A non-blocking stream (whoever shares the pipe can make it one: a child process, an event loop) refuses what its reader
hasn't made room for. The buffers above it then lose the rest of a line, or all of it, so that from the first refusal on
we write to the file descriptor ourselves, where it is known how much was taken.
"""

import atexit
import os
import select
import sys
from collections.abc import Callable
from threading import RLock
from time import monotonic, sleep
from typing import Any, Final

from ._failsafe import attempt, lost_lines

_HELD_MOST: Final = 1_000_000  # bytes; the smallest function has 128 MB
_CHUNK: Final = 65_536  # bytes for one write: what a pipe holds
_PATIENCE: Final = 1.0  # seconds without any progress, after which nobody waits for this reader any more
_SLICE: Final = 0.05  # seconds


class Backlog:
    """The lines that a stream hasn't taken yet.

    Args:
        out: the stream.
        time_left: returns the seconds that may be waited here.

    Attributes:
        out: the stream.

    Raises:
        OSError: the stream has no file descriptor.
    """

    def __init__(self, out: Any, time_left: Callable[[], float]) -> None:
        self.out = out
        self._fd: int = out.fileno()
        self._time_left = time_left
        self._held = bytearray()
        self._lost = 0
        self._patient = True
        self._taken_at = 0.0
        self._lock = RLock()  # a signal's handler may write, too: it interrupts whoever holds the lock
        atexit.register(attempt, "stdout", self._write_rest)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._forget)

    def add(self, data: bytes) -> None:
        """Write `data` after what is held already; what isn't taken in time is held.

        If more is held than memory should be spent on, `data` is lost, and counted.
        """
        if len(self._held) + len(data) > _HELD_MOST:
            self.write_held()
        with self._lock:
            if self._held and len(self._held) + len(data) > _HELD_MOST:
                self._lost += data.count(b"\n") or 1
            else:
                self._held += data
        self.write_held()

    def write_held(self) -> None:
        """Write what is held; wait for the reader while it takes something, or for a second, in the time there is."""
        begun = monotonic()
        until = begun + self._time_left()
        while not self._is_written() and self._patient:
            if monotonic() < min(until, max(begun, self._taken_at) + _PATIENCE):
                self._wait()
            else:
                self._patient = False  # until it takes something again: the handler has better things to do

    def _write_rest(self) -> None:
        self._patient = True  # now or never
        self.write_held()

    def _forget(self) -> None:
        """Leave to the parent process what is the parent's."""
        self._lock = RLock()
        self._held.clear()
        self._lost = 0

    def _is_written(self) -> bool:
        with self._lock:
            try:
                self.out.flush()
                while self._held or self._lost:
                    if not self._held:
                        lost, self._lost = self._lost, 0
                        self._held += lost_lines(lost).encode() + b"\n"
                    del self._held[: os.write(self._fd, self._held[:_CHUNK])]
                    self._patient, self._taken_at = True, monotonic()
            except BlockingIOError:
                return False
            except (OSError, ValueError):  # its reader is gone, or it was closed
                self._held.clear()
                raise
        return True

    def _wait(self) -> None:
        if sys.platform == "win32":  # where `select` takes sockets alone
            sleep(_SLICE)
            return
        room = select.poll()
        room.register(self._fd, select.POLLOUT)
        room.poll(_SLICE * 1000)
