"""How much of the logs a page holds: beyond that lines are left out, those of failures last."""

from collections.abc import Sequence
from typing import Final

from lambda_guard import _names as names
from lambda_guard.tools.logs.invocation import Invocation

LOG_BYTES_MOST: Final = 8 * 2**20
"""Lines of this size are held, less what the rows take: a page of 12 MB, written in 150 MB of memory."""

_ROW_BYTES: Final = 300

_UNSHOWN: Final = {names.EMF, names.MESSAGE, names.LEVEL, names.LOCATION, names.LOGGER_NAME}
"""What no page shows of a record: there is one in each."""


class Room:
    """Holds the lines of invocations while there is room for them, and what else the page shows of each.

    Args:
        size: bytes of lines that are held.
    """

    def __init__(self, size: int = LOG_BYTES_MOST) -> None:
        self._left = size
        self._succeeded: list[Invocation] = []

    def take(self, invocation: Invocation) -> None:
        """Take an invocation in; where it doesn't fit, the latest that succeeded lose their lines, or else it does."""
        _slim(invocation)
        self._left -= _size(invocation) + _ROW_BYTES
        if not invocation.failed:
            self._succeeded.append(invocation)
        while self._left < 0 and self._succeeded:
            self._shorten(self._succeeded[-1])
            if not self._succeeded[-1].raw:
                self._succeeded.pop()
        if self._left < 0:
            self._shorten(invocation)

    def _shorten(self, invocation: Invocation) -> None:
        """Leave out as many lines as needed: from the middle, where the least is told of how it went."""
        size, before = _size(invocation), len(invocation.lines)
        invocation.raw = _ends(invocation.raw, max(0, size + self._left))
        _forget_lines(invocation)
        invocation.left_out += before - len(invocation.lines)
        _forget_lines(invocation)
        self._left += size - _size(invocation)


def _slim(invocation: Invocation) -> None:
    """Drop what the page doesn't show, and what can be read again."""
    if invocation.record is not None:
        invocation.record = {key: value for key, value in invocation.record.items() if key not in _UNSHOWN}
        invocation.raw = [raw for raw in invocation.raw if raw != invocation.record_line]
        invocation.record_line = None
    _forget_lines(invocation)


def _forget_lines(invocation: Invocation) -> None:
    vars(invocation).pop("lines", None)


def _size(invocation: Invocation) -> int:
    return sum(map(len, invocation.raw))


def _ends(lines: Sequence[bytes], size: int) -> list[bytes]:
    """Keep the first and the last lines, as many as fit; of those that fit, one of each in turn."""
    first, last = 0, len(lines)
    while first < last:
        at = first if first <= len(lines) - last else last - 1
        size -= len(lines[at])
        if size < 0:
            break
        first, last = (first + 1, last) if at == first else (first, at)
    return [*lines[:first], *lines[last:]]
