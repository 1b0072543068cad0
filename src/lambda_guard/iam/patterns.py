"""Patterns of IAM policies: `*`, `?`, and policy variables. Pure.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html: a `*` is said to cross the
colons of an ARN only at the end of a segment; here it crosses them anywhere.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, TypeAlias

Keys: TypeAlias = Mapping[str, str | Sequence[str] | None]
"""What is known of a request's context, by key in lower case; None for a key that it doesn't have."""

_ANY: Final = "\U0010fffe"
_ONE: Final = "\U0010ffff"
_RUN: Final = re.compile(f"[{_ANY}{_ONE}]{{2,}}")
_WILDCARDS: Final = str.maketrans({"*": _ANY, "?": _ONE})
_ESCAPED: Final = frozenset("*?$")
_VARIABLE: Final = re.compile(r"\$\{([^}]*)\}")
_DEFAULT: Final = re.compile(r"([^,]+?)\s*(?:,\s*'([^']*)')?\s*")


@dataclass(slots=True, frozen=True)
class Pattern:
    """A pattern that has been read.

    Attributes:
        text: with one character of Unicode's own for each wildcard.
        unread: the variables whose values aren't known; a `*` stands for each.
    """

    text: str
    unread: tuple[str, ...] = ()

    def fits(self, other: "Pattern") -> bool | None:
        """Return whether this matches another pattern, or a literal: all of it, nothing of it, or None in between."""
        if not self.unread and _regex(self.text).fullmatch(other.text):
            return True
        return None if _overlap(self.text, other.text) else False


def literal(text: str) -> Pattern:
    """Return the pattern of a text that matches itself alone, whatever it holds."""
    return Pattern(text)


def read(text: str, keys: Keys | None = None, *, wildcards: bool = True) -> Pattern:
    """Return a pattern.

    Args:
        text: as a policy has it.
        keys: the values of its variables; None where `${…}` isn't one, as in policies of version 2008-10-17.
        wildcards: whether `*` and `?` are any.
    """
    table = _WILDCARDS if wildcards else {}
    unread: list[str] = []
    whole = ""
    for index, part in enumerate([text] if keys is None else _VARIABLE.split(text)):
        if index % 2 == 0:
            whole += part.translate(table)
        elif part in _ESCAPED:
            whole += part
        elif (known := _value(part, keys or {})) is None:
            unread.append(f"${{{part}}}")
            whole += _ANY
        else:
            # Literal, also where it has a `*`.
            whole += known
    return Pattern(_ordered(whole), tuple(unread))


def _value(variable: str, keys: Keys) -> str | None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html: `${key, 'default'}`."""
    if (parts := _DEFAULT.fullmatch(variable)) is None or (key := parts[1].lower()) not in keys:
        return None
    known = keys[key]
    if known is None:
        default: str | None = parts[2]
        return default
    return known if isinstance(known, str) else None


def _ordered(text: str) -> str:
    """Return it with the same order in each run of wildcards, so that `*?` and `?*` are the same."""
    return _RUN.sub(lambda run: _ONE * run[0].count(_ONE) + _ANY * (_ANY in run[0]), text)


@lru_cache(maxsize=4096)
def _regex(text: str) -> re.Pattern[str]:
    """Return what matches the texts, and of patterns those of which it matches all: a `?` isn't all of a `*`."""
    wild = {_ANY: ".*", _ONE: f"[^{_ANY}]"}
    return re.compile("".join(wild.get(char) or re.escape(char) for char in text), re.DOTALL)


def _overlap(one: str, other: str) -> bool:
    """Return whether any text matches both."""
    seen: set[tuple[int, int]] = set()
    todo = [(0, 0)]
    while todo:
        at = i, j = todo.pop()
        if at in seen:
            continue
        seen.add(at)
        if i == len(one) and j == len(other):
            return True
        todo += _next(one[i : i + 1], other[j : j + 1], i, j)
    return False


def _next(mine: str, its: str, i: int, j: int) -> list[tuple[int, int]]:
    """Return where two patterns may go on; one that has ended has no character."""
    # A `*` ends, or takes what the other has here.
    ways = [(i + 1, j)] * (mine == _ANY) + [(i, j + 1)] * (its == _ANY)
    if mine and its:
        ways += [(i, j + 1)] * (mine == _ANY) + [(i + 1, j)] * (its == _ANY)
        ways += [(i + 1, j + 1)] * (mine == its or _ONE in {mine, its})
    return ways
