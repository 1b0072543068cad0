"""JSON that is always written: what the encoder refuses is described instead of raised.

One line of output must never be lost to a value in it (a `Decimal`, a recursive list, `NaN`, a lone surrogate …),
so `encode` has a fast road for what JSON knows and a slow one for everything else.
"""

import json
import json.encoder
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from itertools import islice
from math import isfinite
from types import NoneType
from typing import Any, Final

from . import _names

_DEPTH_MOST: Final = 12
_INTEGER_MOST: Final = (
    2**2048
)  # Python refuses to write integers of more digits than it is set to (640 at least)
_OURS: Final = _names.TOP_KEYS | {_names.EMF, *_names.UNITS}
_TYPE_NAME: Final[Any] = vars(type)["__name__"]
_BUILTINS: Final = frozenset((int, float, str, bool, NoneType, dict, list, tuple))
_PROTECTED: Final = 256  # characters: no id and no key of ours is longer


def text(value: object, most: int = 100_000) -> str:
    """Return `str(value)`, cut to `most` characters; a value that can't say what it is, is named by its type."""
    try:
        said = (
            value if type(value) is str else str.__str__(str(value))
        )  # which may give a str of its own kind
    except BaseException as error:  # even one that exits: it is the value's answer, not the process's end
        said = f"<{type_name(value)}: str() raised {type_name(error)}>"
    return cut(said, most)


def type_name(value: object) -> str:
    """Return the name of a value's type, whatever its metaclass makes of attributes."""
    name: str = _TYPE_NAME.__get__(type(value))
    return name


def cut(said: str, most: int) -> str:
    """Return `said`, shortened to about `most` characters with a note of how many are missing."""
    return said if len(said) <= most else f"{said[:most]}… (+{len(said) - most} characters)"


def describe(value: object) -> Any:
    """Turn a value that JSON has no word for into one that it has."""
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, bytes | bytearray):
        return cut(bytes(value[:100_000]).decode("utf-8", "backslashreplace"), 100_000)
    if isinstance(value, AbstractSet):
        return list(value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Decimal):
        return str(value)
    return text(value)


def _encoder() -> Any:
    make: Any = getattr(json.encoder, "c_make_encoder", None)
    if make is None:  # an interpreter without the C part
        return json.JSONEncoder(
            ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=describe
        ).encode
    # No markers: a recursive value ends in RecursionError, and threads can share one encoder.
    chunks = make(None, describe, json.encoder.encode_basestring, None, ":", ",", False, False, False)
    return lambda value: "".join(chunks(value, 0))


_fast = _encoder()
quote = json.encoder.encode_basestring_ascii  # a str as a JSON string
quote_text = json.encoder.encode_basestring  # the same, letters beyond ASCII left as they are


def encode(value: object) -> str:
    """Return `value` as one line of JSON that any UTF-8 stream can take.

    Args:
        value: anything. Non-finite numbers become strings, keys become `str`, recursion ends in a note.

    Returns:
        JSON without a line break in it.
    """
    try:
        line: str = _fast(value)
    except Exception:  # whatever it was, the slow road has a word for it
        line = _fast(_plain(value, _DEPTH_MOST, set()))
    return line if line.isascii() else encodable(line)


def encodable(line: str) -> str:
    r"""Return `line` with lone surrogates written as `\udXXX`, which is their escape in JSON, too."""
    try:
        line.encode()
    except UnicodeEncodeError:
        return line.encode("utf-8", "backslashreplace").decode()
    return line


def _plain(value: Any, depth: int, above: set[int]) -> Any:  # noqa: PLR0911 - a table of kinds
    value = _builtin(value)
    kind = type(value)
    if kind is int:
        return value if -_INTEGER_MOST < value < _INTEGER_MOST else cut(hex(value), 1000)
    if kind is float:
        return value if isfinite(value) else str(value)
    if kind in (str, bool, NoneType):
        return value
    if depth == 0 or id(value) in above:
        return f"<{type_name(value)}: {'nested too deeply' if depth == 0 else 'recursive'}>"
    above = above | {id(value)}
    if kind is dict:
        return {text(key): _plain(item, depth - 1, above) for key, item in value.items()}
    if kind in (list, tuple):
        return [_plain(item, depth - 1, above) for item in value]
    return _plain(describe(value), depth - 1, above)


def _builtin(value: Any) -> Any:
    """Return what Python itself has for a value of the user's own kind of number, text, mapping or list."""
    if type(value) in _BUILTINS:
        return value
    try:
        if isinstance(value, Mapping):
            return dict(value.items())
        if isinstance(value, list | tuple | AbstractSet):
            return list(value)
        return next((kind(value) for kind in (int, float) if isinstance(value, kind)), value)
    except Exception:  # a value that raises at any question; those around it are still good
        return text(value)


def fit(document: dict[str, Any], most: int) -> str:
    """Encode `document`, shortening it until the line has at most `most` bytes.

    Long strings, lists and mappings inside it go first; what is left over after that goes field by field, the keys
    of ours last, so that what is left still says what it belongs to. Short strings (ids, names, types) are never cut.

    Args:
        document: a JSON object.
        most: bytes.
    """
    line = encode(document)
    for limit in (most // 4, most // 40, _PROTECTED):
        if len(line) <= most and len(line.encode()) <= most:
            return line
        document = {**_shortened_fields(json.loads(line), limit), _names.TRUNCATED: True}
        line = encode(document)
    return line if len(line.encode()) <= most else encode(_fewer(document, most))


def _shortened_fields(document: dict[str, Any], limit: int) -> dict[str, Any]:
    return {
        cut(key, _PROTECTED): value if key == _names.EMF else _shortened(value, limit)
        for key, value in document.items()
    }


def _shortened(value: Any, limit: int) -> Any:
    if isinstance(value, str):
        return cut(value, limit)
    most = max(8, limit // 64)
    if isinstance(value, dict):
        return {cut(key, _PROTECTED): _shortened(item, limit) for key, item in islice(value.items(), most)}
    if isinstance(value, list) and value:
        kept = value[:most]
        return [_shortened(item, max(_PROTECTED, limit // len(kept))) for item in kept]
    return value


def _fewer(document: dict[str, Any], most: int) -> dict[str, Any]:
    """Return as many of the fields as there is room for, ours before the user's."""
    chosen: set[str] = set()
    left = most
    for key in sorted(document, key=lambda key: key not in _OURS):
        left -= len(encode({key: document[key]}).encode())
        if left < 0:
            break
        chosen.add(key)
    return {key: value for key, value in document.items() if key in chosen}
