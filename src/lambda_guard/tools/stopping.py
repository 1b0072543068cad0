"""Ending what would go on for ever.

The first Ctrl-C is a wish, which leaves time to show what is held; the next one ends it.
"""

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
        self._before = signal.signal(signal.SIGINT, self._wish)
        return self

    def __exit__(self, *exc_info: object) -> None:
        signal.signal(signal.SIGINT, self._before)

    def wait(self, seconds: float) -> None:
        """Sleep, but not on after the wish to end."""
        until = time.monotonic() + seconds
        while not self.requested and (left := until - time.monotonic()) > 0:
            time.sleep(min(_SLICE_SECONDS, left))

    def _wish(self, _number: int, _frame: FrameType | None) -> None:
        self.requested = True
        signal.signal(signal.SIGINT, signal.default_int_handler)
