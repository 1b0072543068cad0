"""Counts what is under way, so that others can wait until nothing is."""

import heapq
import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Activity:
    """Counts what is under way, and how often anything began."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._busy = 0
        self._begun = 0

    def begin(self) -> None:
        """Note that something has begun."""
        with self._changed:
            self._busy += 1
            self._begun += 1

    def end(self) -> None:
        """Note that it is over."""
        with self._changed:
            self._busy -= 1
            self._changed.notify_all()

    @contextmanager
    def underway(self) -> Iterator[None]:
        """Count the block."""
        self.begin()
        try:
            yield
        finally:
            self.end()

    def wait_until_idle(self, timeout: float) -> int | None:
        """Wait until nothing is under way, for `timeout` seconds at most.

        Returns:
            How often anything had begun by then: as long as it is the same, nothing has happened since. None
            where it took too long.
        """
        with self._changed:
            idle = self._changed.wait_for(lambda: self._busy == 0, max(0.0, timeout))
            return self._begun if idle else None

    @property
    def begun(self) -> int:
        """How often anything has begun."""
        with self._changed:
            return self._begun


class Clock:
    """Calls functions later, in one thread; they must be short."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._due: list[tuple[float, int, Callable[[], object]]] = []
        self._order = itertools.count()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="clock", daemon=True)
        self._thread.start()

    def after(self, seconds: float, call: Callable[[], object]) -> None:
        """Call `call` in `seconds`; dropped where the clock is closed before."""
        with self._changed:
            heapq.heappush(self._due, (time.monotonic() + seconds, next(self._order), call))
            self._changed.notify_all()

    def _run(self) -> None:
        while (call := self._next()) is not None:
            call()

    def _next(self) -> Callable[[], object] | None:
        with self._changed:
            while not self._closed:
                remaining = self._due[0][0] - time.monotonic() if self._due else None
                if remaining is not None and remaining <= 0:
                    return heapq.heappop(self._due)[2]
                self._changed.wait(remaining)
            return None

    def close(self) -> None:
        """End the thread; what is still due is dropped."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join(10)
