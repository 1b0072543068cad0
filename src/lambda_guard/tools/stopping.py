"""Ending what would run for ever: the first Ctrl-C asks it to finish, the second one ends it."""

import signal
import time
from types import FrameType
from typing import Final, Self

_SLICE_SECONDS: Final = 0.1


class Stop:
    """While it is entered, the first Ctrl-C sets `requested`.

    KeyboardInterrupt would be raised wherever the code happens to be, and lose what is held.
    """

    def __init__(self) -> None:
        self.requested = False

    def __enter__(self) -> Self:
        self._before = signal.signal(signal.SIGINT, self._request)
        return self

    def __exit__(self, *exc_info: object) -> None:
        signal.signal(signal.SIGINT, self._before)

    def wait(self, seconds: float) -> None:
        """Sleep, but no longer once the end is requested."""
        until = time.monotonic() + seconds
        while not self.requested and (left := until - time.monotonic()) > 0:
            time.sleep(min(_SLICE_SECONDS, left))

    def _request(self, _number: int, _frame: FrameType | None) -> None:
        self.requested = True
        signal.signal(signal.SIGINT, signal.default_int_handler)
