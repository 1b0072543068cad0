"""Events and records as AWS documents them: one JSON document each in `samples`, with placeholders for what varies.

A text `"{name}"` stands for a value of any type, `"{name?}"` for one whose key is left out where it's None or not
given; within a longer text `{name}` is filled in as by `str.format`.
"""

import json
import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from string import Formatter
from typing import Any, Final

_FORMATTER: Final = Formatter()
_WHOLE: Final = re.compile(r"\{([\w.]+)(\??)\}")


@cache
def _document(name: str) -> Any:
    return json.loads(files(__package__).joinpath("samples", f"{name}.json").read_text("utf-8"))


def fill(name: str, given: Mapping[str, Any] | None = None, /, **values: Any) -> dict[str, Any]:
    """Return a document with its placeholders filled in: a new dict but for the values, which it holds as they are.

    Args:
        name: the document's name.
        given: values by placeholder, as a builder's `locals()`.
        values: further ones, which count before `given`.
    """
    filled: dict[str, Any] = _filled(_document(name), {**(given or {}), **values})
    return filled


def _filled(part: Any, values: Mapping[str, Any]) -> Any:
    if isinstance(part, list):
        return [_filled(each, values) for each in part]
    if isinstance(part, dict):
        pairs = ((key, each, _filled(each, values)) for key, each in part.items())
        return {key: value for key, each, value in pairs if value is not None or not _is_optional(each)}
    if not isinstance(part, str) or "{" not in part:
        return part
    whole = _WHOLE.fullmatch(part)
    if whole is None:
        return _FORMATTER.vformat(part, (), values)
    return values.get(whole[1]) if whole[2] else _FORMATTER.get_field(whole[1], (), values)[0]


def _is_optional(part: Any) -> bool:
    return isinstance(part, str) and part.endswith("?}")
