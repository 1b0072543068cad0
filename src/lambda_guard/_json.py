"""JSON that is always written: a value that the encoder refuses is described, and no exception is raised.

A line of output must never be lost because of one value in it (a `Decimal`, a recursive list, `NaN`, a lone
surrogate …), so `encode` has a fast path for values that JSON can express and a slow path for all others.
"""

import json
import json.encoder
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from enum import Enum
from itertools import islice
from math import isfinite
from sys import modules
from types import NoneType
from typing import Any, Final

from . import _names

_DEPTH_MOST: Final = 12
_INTEGER_MOST: Final = 2**2048  # below the least limit at which Python refuses to write integers, 640 digits
_OURS: Final = _names.TOP_KEYS | {_names.EMF, *_names.UNITS}
_TYPE_NAME: Final[Any] = vars(type)["__name__"]
_BUILTINS: Final = frozenset((int, float, str, bool, NoneType, dict, list, tuple))
_PROTECTED: Final = 256  # characters: none of our ids and keys is longer


def text(value: object, most: int = 100_000) -> str:
    """Return `str(value)`, cut to `most` characters; if `str` fails, the value is named by its type."""
    try:
        said = value if type(value) is str else str.__str__(str(value))  # `str` may return a subclass
    except BaseException as error:  # even `SystemExit`: raised by a value, it must not end the process
        said = f"<{type_name(value)}: str() raised {type_name(error)}>"
    return cut(said, most)


def marks_a_record(value: object) -> bool:
    """Return whether a line with this `record` at its top might pass as one of our records."""
    return type(value) not in _BUILTINS or value in (_names.RECORD_INVOCATION, _names.RECORD_INIT)


def type_name(value: object) -> str:
    """Return the name of a value's type, even if its metaclass overrides attributes."""
    name: str = _TYPE_NAME.__get__(type(value))
    return name


def cut(said: str, most: int) -> str:
    """Return `said`, cut to about `most` characters, with a note of how many are missing."""
    return said if len(said) <= most else f"{said[:most]}… (+{len(said) - most} characters)"


def describe(value: object) -> Any:
    """Convert a value that JSON can't express to one that it can; doesn't raise what the value raises."""
    times, decimals = (
        if_imported("datetime", "date") + if_imported("datetime", "time"),
        if_imported("decimal", "Decimal"),
    )
    try:
        if isinstance(value, times):
            return value.isoformat()
        if isinstance(value, bytes | bytearray):
            return cut(bytes(value[:100_000]).decode("utf-8", "backslashreplace"), 100_000)
        if isinstance(value, AbstractSet):
            return list(value)
        if isinstance(value, Enum):
            return value.value
        said = str(value) if isinstance(value, decimals) else None
    except BaseException:  # as in `text`; the encoder would add a note to the user's exception
        said = None
    return said if said is not None else text(value)


def if_imported(module: str, name: str) -> Any:
    """Return a tuple with a class of the standard library, or an empty one if nobody can have made an instance."""
    found = getattr(modules.get(module), name, None)
    return (found,) if isinstance(found, type) else ()


def _encoder() -> Any:
    make: Any = getattr(json.encoder, "c_make_encoder", None)
    if make is None:  # an interpreter without the C accelerator
        return json.JSONEncoder(
            ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=describe
        ).encode
    # No markers: a recursive value raises RecursionError, and threads can share one encoder.
    chunks = make(None, describe, json.encoder.encode_basestring, None, ":", ",", False, False, False)
    return lambda value: "".join(chunks(value, 0))


_fast = _encoder()
quote = json.encoder.encode_basestring_ascii  # a str as a JSON string
quote_text = json.encoder.encode_basestring  # the same, with non-ASCII characters unchanged


def encode(value: object) -> str:
    """Return `value` as one line of JSON that any UTF-8 stream can take.

    Args:
        value: anything. Non-finite numbers become strings, keys become `str`, recursion is replaced by a note.

    Returns:
        JSON without a line break in it.
    """
    try:
        line: str = _fast(value)
    except (Exception, SystemExit):  # whatever the reason, the slow path can encode it
        line = _fast(_plain(value, _DEPTH_MOST, set()))
    return line if line.isascii() else encodable(line)


def encodable(line: str) -> str:
    r"""Return `line` with lone surrogates written as `\udXXX`, which is also their escape in JSON."""
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
    """Return the built-in equivalent of a value whose class is derived from a number, text, mapping or list type."""
    if type(value) in _BUILTINS:
        return value
    try:
        if isinstance(value, Mapping):
            return dict(value.items())
        if isinstance(value, list | tuple | AbstractSet):
            return list(value)
        return next((kind(value) for kind in (int, float) if isinstance(value, kind)), value)
    except BaseException:  # a value that raises on any access, as in `text`; the others are still usable
        return text(value)


def fit(document: dict[str, Any], most: int) -> str:
    """Encode `document`, shortened until the line has at most `most` bytes.

    Long strings, lists and mappings inside it are shortened first; if that isn't enough, whole fields are dropped, our
    own keys last, so that the rest can still be assigned. Short strings (ids, names, types) are never cut.

    Args:
        document: a JSON object.
        most: the limit in bytes.
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
    """Return as many of the fields as there is room for, our own before the user's."""
    chosen: set[str] = set()
    left = most
    for key in sorted(document, key=lambda key: key not in _OURS):
        left -= len(encode({key: document[key]}).encode())
        if left < 0:
            break
        chosen.add(key)
    return {key: value for key, value in document.items() if key in chosen}
