"""Filter patterns of CloudWatch Logs: terms, phrases, and conditions on the fields of JSON lines.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
"""

import json
import re
from collections.abc import Callable, Mapping
from operator import eq, ge, gt, le, lt, ne
from typing import Any, Final

Matcher = Callable[[str], bool]
_TERM: Final = re.compile(r'\s*([?-]?)("(?:[^"\\]|\\.)*"|%[^%]+%|\S+)')
_TOKEN: Final = re.compile(
    r"\s*(\(|\)|&&|\|\||!=|>=|<=|=|>|<"
    r"|(?:IS\s+NULL|IS\s+TRUE|IS\s+FALSE|NOT\s+EXISTS)\b"
    r'|"(?:[^"\\]|\\.)*"|%[^%]+%|[^\s()=<>!&|]+)',
    re.IGNORECASE,
)
_STEP: Final = re.compile(r"""\.?([\w-]+)|\[(\d+|\*)\]|\["([^"]*)"\]|\['([^']*)'\]""")
_COMPARED: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "=": eq, "!=": ne, ">": gt, "<": lt, ">=": ge, "<=": le,
}  # fmt: skip
_STATES: Final[Mapping[str, Callable[[list[Any]], bool]]] = {
    "IS NULL": lambda found: None in found,
    "IS TRUE": lambda found: any(it is True for it in found),
    "IS FALSE": lambda found: any(it is False for it in found),
    "NOT EXISTS": lambda found: not found,
}


def matcher(pattern: str) -> Matcher:
    """Return what tells whether a line matches a pattern.

    Raises:
        ValueError: the pattern is wrong, or one of space-delimited fields, which aren't read here.
    """
    pattern = pattern.strip()
    if pattern.startswith("["):
        raise ValueError(f"space-delimited fields aren't read in the local cloud: {pattern}")
    return _json(pattern) if pattern.startswith("{") else _terms(pattern)


def _terms(pattern: str) -> Matcher:
    """All terms must be there; if there are only ones with `?`, any; none of those with `-`."""
    found = [(sign, _text(term)) for sign, term in _TERM.findall(pattern)]
    wanted = [term for sign, term in found if not sign]
    unwanted = [term for sign, term in found if sign == "-"]
    any_of = [] if wanted or unwanted else [term for sign, term in found if sign == "?"]

    def matches(line: str) -> bool:
        return (
            all(term.search(line) for term in wanted)
            and not any(term.search(line) for term in unwanted)
            and (not any_of or any(term.search(line) for term in any_of))
        )

    return matches


def _text(term: str) -> re.Pattern[str]:
    if term.startswith("%"):
        return re.compile(term.strip("%"))
    return re.compile(re.escape(_unquoted(term)))


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1]) if text.startswith('"') else text


def _json(pattern: str) -> Matcher:
    condition = _Condition(pattern).parsed()

    def matches(line: str) -> bool:
        try:
            document = json.loads(line)
        except ValueError:
            return False
        return isinstance(document, dict) and condition(document)

    return matches


class _Condition:
    """The condition between the braces, by recursive descent: `||` of `&&` of comparisons and parentheses."""

    def __init__(self, pattern: str) -> None:
        if not pattern.endswith("}"):
            raise ValueError(f"the closing brace is missing: {pattern}")
        self._pattern = pattern
        self._tokens = _TOKEN.findall(pattern[1:-1])[::-1]

    def parsed(self) -> Callable[[Any], bool]:
        condition = self._any()
        if self._tokens:
            raise self._wrong()
        return condition

    def _any(self) -> Callable[[Any], bool]:
        parts = self._parts("||", self._all)
        return lambda document: any(part(document) for part in parts)

    def _all(self) -> Callable[[Any], bool]:
        parts = self._parts("&&", self._one)
        return lambda document: all(part(document) for part in parts)

    def _parts(self, joint: str, part: Callable[[], Callable[[Any], bool]]) -> list[Callable[[Any], bool]]:
        parts = [part()]
        while self._tokens and self._tokens[-1] == joint:
            self._tokens.pop()
            parts.append(part())
        return parts

    def _one(self) -> Callable[[Any], bool]:
        word = self._next()
        if word == "(":
            condition = self._any()
            if self._next() != ")":
                raise self._wrong()
            return condition
        if not word.startswith("$"):
            raise self._wrong()
        path, operator = word[1:], re.sub(r"\s+", " ", self._next().upper())
        if operator in _STATES:
            return lambda document: _STATES[operator](_at(document, path))
        if operator not in _COMPARED:
            raise self._wrong()
        return _comparison(path, operator, self._next())

    def _next(self) -> str:
        if not self._tokens:
            raise self._wrong()
        return str(self._tokens.pop())

    def _wrong(self) -> ValueError:
        return ValueError(
            f'a condition is written like {{ $.level = "ERROR" && $.ms > 100 }}, not {self._pattern}'
        )


def _comparison(path: str, operator: str, wanted: str) -> Callable[[Any], bool]:
    compared = _COMPARED[operator]
    number = None if wanted.startswith(('"', "%")) else _number(wanted)
    if number is not None:
        return lambda document: any(
            isinstance(it, (int, float)) and not isinstance(it, bool) and compared(it, number)
            for it in _at(document, path)
        )
    if operator not in {"=", "!="}:
        raise ValueError(f"{operator} compares numbers, not {wanted}")
    pattern = _wildcards(wanted)

    def matches(document: Any) -> bool:
        found = [it if isinstance(it, str) else json.dumps(it) for it in _at(document, path)]
        return any(bool(pattern.search(it)) is (operator == "=") for it in found)

    return matches


def _wildcards(wanted: str) -> re.Pattern[str]:
    if wanted.startswith("%"):
        return re.compile(wanted.strip("%"))
    parts = map(re.escape, _unquoted(wanted).split("*"))
    return re.compile(f"\\A{'.*'.join(parts)}\\Z", re.DOTALL)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _at(document: Any, path: str) -> list[Any]:
    """Return what is at a path such as `.a.b[0]` or `.items[*].n`: nothing, one value, or several."""
    found = [document]
    for name, index, *quoted in _STEP.findall(path):
        key = name or next(filter(None, quoted), "")
        found = [each for it in found for each in (_entries(it, index) if index else _fields(it, key))]
    return found


def _fields(value: Any, key: str) -> list[Any]:
    return [value[key]] if isinstance(value, dict) and key in value else []


def _entries(value: Any, index: str) -> list[Any]:
    if not isinstance(value, list):
        return []
    return value if index == "*" else value[int(index) : int(index) + 1]
