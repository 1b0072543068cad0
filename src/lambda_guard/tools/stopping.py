"""Ending what would run for ever: the first Ctrl-C asks it to finish, the second one ends it."""

import os
import signal
import time
from types import FrameType
from typing import Final, Self

_SLICE_SECONDS: Final = 0.1
_STDERR: Final = 2


class Stop:
    """While it is entered, the first Ctrl-C sets `requested`.

    KeyboardInterrupt would be raised wherever the code happens to be, and lose what is held.

    Args:
        said: a line for standard error at the first Ctrl-C, where the end may take its time.
    """

    def __init__(self, said: str = "") -> None:
        self.requested = False
        self._said = said

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
        if self._said:  # not by `sys.stderr`, which may be in the middle of a line
            os.write(_STDERR, f"{self._said}\n".encode())
