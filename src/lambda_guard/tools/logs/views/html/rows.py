"""The rows of a page as JSON, within the bytes that a page may have."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec

from lambda_guard._printable import visible
from lambda_guard.tools.logs.invocation import Block, Invocation

ROW_BYTES_MOST: Final = 11_800_000
"""With style and script, a page of 12 MB at most: mail takes it, and a browser opens it in two seconds."""

_ESCAPES: Final = {b"<": b"\\u003c", b">": b"\\u003e", b"&": b"\\u0026"}
_TAIL_BYTES: Final = len(',"left_out":100,"lines":[],')
_EMPTY: Final[tuple[object, ...]] = (None, "", 0, (), [])


class Rows:
    """Takes rows in their order, and the lines of each as long as they fit: those of failures first.

    Args:
        lines_data: what the page shows of the lines of an invocation, or of lines of none.
        size: bytes of all rows.

    Attributes:
        without_lines: how many rows miss lines, once `encoded` has been called.
    """

    def __init__(
        self, lines_data: Callable[[Block], Sequence[Mapping[str, object]]], size: int = ROW_BYTES_MOST
    ) -> None:
        self._lines_data = lines_data
        self._reserved = size // 10
        self._left = size - self._reserved  # some room is kept for the lines of failures
        self._heads: list[bytes] = []
        self._blocks: list[tuple[bool, Block]] = []
        self.without_lines = 0

    def __len__(self) -> int:
        """Return how many rows there are."""
        return len(self._heads)

    @property
    def is_full(self) -> bool:
        """Whether there is no room for more rows."""
        return self._left <= 0

    def add(self, head: Mapping[str, object], block: Block) -> None:
        """Add a row without its lines."""
        self._heads.append(encoded_shown(filled(head)))
        self._blocks.append((bool(head.get("failed")), block))
        self.spend(len(self._heads[-1]) + _TAIL_BYTES)

    def spend(self, size: int) -> None:
        """Count what else there is room for."""
        self._left -= size

    def encoded(self) -> list[msgspec.Raw]:
        """Return all rows as JSON."""
        self.spend(-self._reserved)
        rows = [msgspec.Raw()] * len(self)
        for at in sorted(range(len(rows)), key=lambda at: not self._blocks[at][0]):
            rows[at] = self._with_lines(self._heads[at], self._blocks[at][1])
            self._heads[at] = b""
        return rows

    def _with_lines(self, head: bytes, block: Block) -> msgspec.Raw:
        left_out = block.left_out if isinstance(block, Invocation) else 0
        lines = encoded_shown([filled(one) for one in self._lines_data(block)])
        if len(lines) > max(self._left, 2):
            lines, left_out = b"[]", left_out + len(block.lines)
        self.without_lines += left_out > 0
        more = b',"left_out":%d' % left_out if left_out else b""
        if isinstance(block, Invocation):
            vars(block).pop("lines", None)  # they were parsed for this alone
        self.spend(len(lines))
        return msgspec.Raw(b'%s%s,"lines":%s}' % (head[:-1], more, lines))


def filled(document: Mapping[str, object]) -> dict[str, object]:
    """Leave out what is empty: the page's script puts it back, and there are many thousands of rows."""
    return {
        key: value
        for key, value in document.items()
        if value.__class__ is float or value not in _EMPTY  # a place may be 0.0
    }


def encoded_shown(document: object) -> bytes:
    """Encode what the page shows: with all that can't be seen made visible, and nothing that ends a script element."""
    encoded = msgspec.json.encode(_shown(document))
    for sign, escape in _ESCAPES.items():
        encoded = encoded.replace(sign, escape)
    return encoded


def _shown(value: object) -> object:
    """Make visible in each text what can't be seen: a browser obeys bidirectional marks, too."""
    if isinstance(value, str):
        return visible(value, "\n")
    if isinstance(value, Mapping):
        return {visible(str(key)): _shown(one) for key, one in value.items()}
    return [_shown(one) for one in value] if isinstance(value, list | tuple) else value
