"""Counts what is under way, so that others can wait until nothing is."""

import asyncio
import contextlib
import threading
from collections.abc import Callable


class Activity:
    """Counts what is under way, and how often anything has `begun`."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._busy = 0
        self.begun = 0

    def begin(self) -> None:
        """Note that something has begun."""
        with self._changed:
            self._busy += 1
            self.begun += 1

    def end(self) -> None:
        """Note that it is over."""
        with self._changed:
            self._busy -= 1
            self._changed.notify_all()

    def wait_until_idle(self, timeout: float) -> int | None:
        """Wait until nothing is under way, for `timeout` seconds at most.

        Returns:
            How often anything had begun by then: as long as it is the same, nothing has happened since. None
            where it took too long.
        """
        with self._changed:
            idle = self._changed.wait_for(lambda: self._busy == 0, max(0.0, timeout))
            return self.begun if idle else None


class Clock:
    """Calls functions later, in one thread; they must be short.

    Attributes:
        speed: how much faster than AWS's the clock runs.
    """

    def __init__(self, speed: float) -> None:
        self.speed = speed
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="clock", daemon=True)
        self._thread.start()

    def after(self, seconds: float, call: Callable[[], object]) -> None:
        """Call `call` in `seconds` of AWS's time; dropped where the clock is closed before."""
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self._loop.call_later, seconds / self.speed, call)

    def close(self) -> None:
        """End the thread; what is still due is dropped."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()
