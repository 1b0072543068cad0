"""Whose a printed JSON object is: the function's own, which stands in the log as it is, or data, which doesn't.

What is printed may be what a sender wrote: `print(event["body"])`. CloudWatch makes metrics of an EMF document, and log
readers take a line with a level, ids and `"record": "invocation"` for what it says it is. `docs/why.md` argues it.
"""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from types import FrameType, NoneType
from typing import Any, Final, cast

from ... import _json, _names, _scope
from ...failure import stack_frames
from ...propagation.header import parse
from .lines import LINE_BYTES_MOST, LOGGER_NAME

# They print documents of metrics, and nothing else.
_EMF_LIBRARIES: Final = frozenset(("aws_lambda_powertools", "aws_embedded_metrics"))
# They print lines of which the message is a part.
_LOG_LIBRARIES: Final = frozenset(("aws_lambda_powertools", "structlog", "loguru"))
_DATADOG_LIBRARIES: Final = frozenset(("aws_lambda_powertools", "datadog_lambda", "datadog"))
# https://docs.datadoghq.com/serverless/custom_metrics/#migrating-to-the-datadog-lambda-extension
_DATADOG: Final = frozenset("mvet")
_WORD: Final = _names.EMF_DIRECTIVES.encode()
_SCALARS: Final = frozenset((int, float, bool, NoneType))
_WRAPPERS_MOST: Final = 3  # base64 in base64 …
_ENCODED_LEAST: Final = 24  # characters of base64 that may hold a JSON object
_UNPACKED_MOST: Final = 16 * 2**20


def as_it_passes(line: str, document: dict[str, Any], scope: _scope.Scope) -> str | None:
    """Return a printed object as it may stand in the log, or `None` if it is data, to be shown as a message.

    Args:
        line: as it was printed.
        document: the object in it, which has a level, `_aws` or Datadog's `m`.
        scope: of the invocation that printed it.
    """
    if len(json.loads(line, object_pairs_hook=list)) != len(
        document
    ):  # readers differ about which of two counts
        return None
    if _names.EMF not in document and _names.LEVEL not in document and document.keys() != _DATADOG:
        return None
    if document.keys() == _DATADOG:
        mine = _is_written_by(_DATADOG_LIBRARIES) or not _sent(scope).has(document)
        return line if mine else None
    if _names.EMF in document:
        return line if _is_own_metrics(document, scope) else None
    if not _is_written_by(_LOG_LIBRARIES) and _sent(scope).has(document):
        return None
    return line if _says_the_truth(document, scope) else _corrected(document)


# --- Metrics ----------------------------------------------------------------------------------------------------


def _is_own_metrics(document: dict[str, Any], scope: _scope.Scope) -> bool:
    """Return whether a document was written by a library of metrics, or by code that writes such documents itself.

    A program in which no code spells `CloudWatchMetrics` writes none; where some does, the event must not.
    """
    metadata = document[_names.EMF]
    if (
        type(metadata) is not dict
        or _names.EMF_DIRECTIVES not in metadata
        or _names.EMF_DIRECTIVES in document
    ):
        return False
    if document.get(_names.RECORD) == _names.RECORD_INVOCATION:
        return False
    if _is_written_by(_EMF_LIBRARIES):
        return True
    return _some_code_spells_it() and not _sent(scope).spells_metrics


def _is_written_by(libraries: frozenset[str]) -> bool:
    frame = _caller()
    module = frame.f_globals.get("__name__") if frame is not None else None
    return isinstance(module, str) and module.partition(".")[0] in libraries


def _caller() -> FrameType | None:
    """Return the frame that printed: the innermost that isn't ours."""
    frame: FrameType | None = sys._getframe()  # noqa: SLF001 - `inspect` is slow to import
    while frame is not None and stack_frames.is_ours((frame.f_code.co_filename, 0, "")):
        frame = frame.f_back
    return frame


def _some_code_spells_it() -> bool:
    frame = _caller()
    if frame is not None and _spells_it(frame.f_code.co_filename):  # a library that isn't known here
        return True
    files = {getattr(module, "__file__", None) for module in tuple(sys.modules.values())}
    own = (file for file in files if type(file) is str and not _is_foreign(file))
    return any(map(_spells_it, own))


def _is_foreign(file: str) -> bool:
    return stack_frames.is_ours((file, 0, "")) or stack_frames.is_installed(file)


@lru_cache(4096)
def _spells_it(file: str) -> bool:
    """Return whether a module's file holds the word; also where that can't be read, as in an archive."""
    try:
        with open(file, "rb") as code:  # noqa: PTH123 - not loaded
            return _WORD in code.read()
    except OSError:
        return True


# --- What came with the event -----------------------------------------------------------------------------------


class _Sent:
    """What an event holds: its objects, and those in its texts, also where these are wrapped in base64 or gzip.

    Attributes:
        spells_metrics: whether a document of metrics may be in it.
    """

    def __init__(self, event: object) -> None:
        self.spells_metrics = False
        self._objects: set[int] = set()
        self._unwrapped = 0
        try:
            self.add(event)
            self._everything = False
        except RecursionError:  # nested too deeply to be looked at
            self.spells_metrics = self._everything = True

    def has(self, document: dict[str, Any]) -> bool:
        """Return whether an object is in it."""
        return self._everything or _Sent(None).add(document) in self._objects

    def add(self, value: object) -> int:
        """Add a value, and what is in it; return a hash of all of it."""
        kind = type(value)
        if issubclass(kind, str):
            return self._add_text(str.__str__(cast("str", value)))
        if issubclass(kind, dict):
            return self._add_object(cast("dict[Any, Any]", value))
        if issubclass(kind, list | tuple):
            return hash((list, *[self.add(each) for each in cast("list[Any]", value)]))
        return hash(repr(value)) if kind in _SCALARS else 0

    def _add_object(self, value: dict[Any, Any]) -> int:
        members = frozenset((str(key), self.add(each)) for key, each in dict.items(value))
        found = hash(members)
        self._objects.add(found)
        self.spells_metrics = self.spells_metrics or _names.EMF_DIRECTIVES in value
        return found

    def _add_text(self, text: str) -> int:
        if _names.EMF_DIRECTIVES in text:
            self.spells_metrics = True
        for each in _objects_in(text):
            self.add(each)
        if self._unwrapped < _WRAPPERS_MOST and (inside := _unwrapped(text)) is not None:
            self._unwrapped += 1
            self._add_text(inside)
            self._unwrapped -= 1
        return hash(text)


def _sent(scope: _scope.Scope) -> _Sent:
    """Return what the event holds: found out by the first invocation that needs it, once."""
    if scope.sent is None:
        scope.sent = _Sent(scope.event)
    found: _Sent = scope.sent
    return found


def _objects_in(text: str) -> Iterator[Any]:
    """Yield the JSON of a text: of the whole, or else of each line."""
    if "{" not in text:
        return
    try:
        yield json.loads(text)
    except ValueError:
        for line in text.split("\n"):
            if line.startswith("{"):
                with suppress(ValueError):
                    yield json.loads(line)


def _unwrapped(text: str) -> str | None:
    """Return the text that is inside of base64, or of gzip in base64; `None` if there is none."""
    if len(text) < _ENCODED_LEAST or len(text) % 4:
        return None
    import zlib
    from binascii import a2b_base64

    try:
        inside = a2b_base64(text.encode("ascii"), strict_mode=True)
        if inside.startswith(b"\x1f\x8b"):
            inside = zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(inside, _UNPACKED_MOST)
        return inside.decode()
    except (zlib.error, ValueError):
        return None


# --- Ids --------------------------------------------------------------------------------------------------------


def _says_the_truth(document: dict[str, Any], scope: _scope.Scope) -> bool:
    """Return whether a line with a level names no other invocation or trace than the one that printed it."""
    if document.get(_names.LOGGER_NAME) == LOGGER_NAME or _json.marks_a_record(document.get(_names.RECORD)):
        return False
    header = parse(os.environ.get(_names.ENV_TRACE_HEADER))
    traces = [None, scope.invocation.trace_id, _scope.current_keys().get(_names.XRAY_TRACE_ID)]
    if document.get(_names.XRAY_TRACE_ID) not in [*traces, header.root if header is not None else None]:
        return False
    own = scope.invocation.invocation_id
    return all(document.get(key, own) == own for key in _names.ID_KEYS)


def _corrected(document: dict[str, Any]) -> str:
    """Return such a line under the invocation's own keys; what it says of them itself gets an underscore."""
    ours = _scope.current_keys()
    fields = {f"{key}_" if ours.get(key, value) != value else key: value for key, value in document.items()}
    if _json.marks_a_record(fields.get(_names.RECORD)):
        fields[f"{_names.RECORD}_"] = fields.pop(_names.RECORD)
    if fields.get(_names.LOGGER_NAME) == LOGGER_NAME:
        fields[f"{_names.LOGGER_NAME}_"] = fields.pop(_names.LOGGER_NAME)
    return _json.fit({**fields, **ours}, LINE_BYTES_MOST)
