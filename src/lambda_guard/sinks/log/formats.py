"""Appended keys whose value is a format of logging's, such as `append_keys(process="%(process)d")`.

Powertools formats the keys that have the name of a record's attribute. The text may be a payload's, though, where a
handler appends `name=customer.name`: a format that doesn't fit stays as it is, where Powertools loses the line, and
none takes more room than a field needs.
"""

import logging
import re
from collections.abc import Container
from contextlib import suppress
from time import localtime, strftime
from typing import Any, Final

_DIRECTIVE: Final = re.compile(r"%%|%\(\w+\)[-+ #0]{0,2}\d{0,2}(?:\.\d{1,2})?[diouxXeEfFgGcrsa]")
_LENGTH_MOST: Final = 1000  # characters of a format


def formatted(keys: dict[str, Any], names: Container[str], record: logging.LogRecord) -> dict[str, Any]:
    """Return those of `keys` that are formats, with the values that `record` has for them.

    Args:
        keys: the appended keys; one whose name is taken on our lines has an underscore already.
        names: of the keys that may be formats.
        record: any.
    """
    attributes: dict[str, Any] = {**vars(record), "asctime": _asctime(record.created)}
    found = {}
    for key, value in keys.items():
        if (key in names or key.removesuffix("_") in names) and _is_format(value):
            with suppress(Exception):
                found[key] = value % attributes
    return found


def _is_format(value: Any) -> bool:
    return (
        type(value) is str
        and "%(" in value
        and len(value) <= _LENGTH_MOST
        and "%" not in _DIRECTIVE.sub("", value)
    )


def _asctime(created: float) -> str:
    time = localtime(created)
    return f"{strftime('%Y-%m-%d %H:%M:%S', time)},{int(created % 1 * 1000):03}{strftime('%z', time)}"
