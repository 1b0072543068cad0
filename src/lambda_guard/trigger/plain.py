"""Events that only tests make: where reading one raises, it's read once more as plain data.

What Lambda gives a handler comes out of a JSON parser. A test may give anything, and an object whose methods raise
must neither fail the invocation nor count as a failure of ours. So a reader that fails on an event reads a copy in
which nothing is left that could raise. Had the reader itself failed, it fails again, and the failsafe hears of it.
"""

from collections.abc import Callable
from typing import Any, Final

_EXACT: Final = frozenset((str, int, float, bool, type(None)))
_SCALARS: Final[tuple[tuple[type, Callable[[Any], object]], ...]] = (
    (str, str.__str__),
    (int, int.__int__),
    (float, float.__float__),
)
_FOREIGN: Final = object()  # in the place of what no JSON parser returns


def plain(value: object) -> Any:
    """Return a copy that consists of the very types of JSON: read without any method of the value's own classes."""
    copies: dict[int, Any] = {}
    waiting: list[Any] = []

    def copy(part: Any) -> Any:
        kind = type(part)
        if kind in _EXACT:
            return part
        if issubclass(kind, dict | list):
            if id(part) not in copies:
                copies[id(part)] = {} if issubclass(kind, dict) else []
                waiting.append(part)
            return copies[id(part)]
        return next((exact(part) for base, exact in _SCALARS if issubclass(kind, base)), _FOREIGN)

    whole = copy(value)
    for part in waiting:  # which grows meanwhile
        if issubclass(type(part), list):
            copies[id(part)].extend(map(copy, list.__iter__(part)))
            continue
        for key, each in dict.items(part):
            if issubclass(type(key), str):
                copies[id(part)][str.__str__(key)] = copy(each)
    return whole
