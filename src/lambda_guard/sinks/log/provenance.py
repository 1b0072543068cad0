"""Whose a printed JSON object is: the function's own, which stands in the log as it is, or data, which doesn't.

What is printed may be what a sender wrote: `print(event["body"])`. CloudWatch makes metrics of an EMF document, and log
readers take a line with a level, ids and `"record": "invocation"` for what it says it is. `docs/why.md` argues it.
"""

import json
import os
import re
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
_EMF_LIBRARIES: Final = ("aws_lambda_powertools.metrics", "aws_embedded_metrics")
_DATADOG_LIBRARIES: Final = ("aws_lambda_powertools.metrics", "datadog_lambda", "datadog")
# They print lines of which the message is a part.
_LOG_LIBRARIES: Final = ("structlog", "loguru")
# https://docs.datadoghq.com/serverless/custom_metrics/#migrating-to-the-datadog-lambda-extension
_DATADOG: Final = frozenset("mvet")
_WORD: Final = _names.EMF_DIRECTIVES
_ESCAPE: Final = re.compile(r"\\+u00([0-9A-Fa-f]{2})")  # of JSON in texts
_BASE64: Final = re.compile(r"[A-Za-z0-9+/_-]{24,}")  # also a part of a JWT; shorter ones hold no such object
_SCALARS: Final = frozenset((int, float, bool, NoneType))
_WRAPPERS_MOST: Final = 3  # base64 in base64 …
_UNPACKED_MOST: Final = 16 * 2**20  # bytes of an event, all in all


def as_it_passes(line: str, document: dict[str, Any], work: _scope.Work) -> str | None:
    """Return a printed object as it may stand in the log, or `None` if it is data, to be shown as a message.

    Args:
        line: as it was printed.
        document: the object in it, which has a level, `_aws` or Datadog's `m`.
        work: that printed it.
    """
    scope = work.scope
    if not _is_own(line, document, scope):
        return None
    if _names.EMF in document:
        return line if _is_of(scope, document) else _json.encode(_under_own_id(document, scope))
    if document.keys() == _DATADOG:
        return line
    keys = _scope.keys_of(work)
    if _is_true(document, scope, keys):
        return _completed(line, document, scope, keys)
    return _corrected(document, keys)


def late_line(line: str, scope: _scope.Scope) -> str:
    """Return a line as it may stand in the log, printed by work that has outlived its invocation, whose event is gone.

    It stays as it is, unless it is an object that a reader would take for more than a line, or for another's.
    """
    try:
        document = json.loads(line) if line[:1] == "{" else None
    except (ValueError, RecursionError):
        document = None
    if document is None or (_names.EMF in document and _may_be_metrics(document)):
        return line
    is_metrics = _names.EMF in document or _WORD in document
    is_platforms = document.get(_names.LEVEL) is None and str(document.get("type")).startswith("platform.")
    harmless = not (is_metrics or is_platforms or _has_a_key_twice(line, document))
    return line if harmless and _is_true(document, scope, {}) else f"print: {line}"


def _has_a_key_twice(line: str, document: dict[str, Any]) -> bool:
    """Return whether readers may differ about what a document says: which of two equal keys counts."""
    return len(json.loads(line, object_pairs_hook=list)) != len(document)


def _is_own(line: str, document: dict[str, Any], scope: _scope.Scope) -> bool:
    if _has_a_key_twice(line, document):
        return False
    if _names.EMF in document:
        return _may_be_metrics(document) and (
            _is_written_by(_EMF_LIBRARIES) or not _sent(scope).spells_metrics
        )
    if document.keys() == _DATADOG:
        return _is_written_by(_DATADOG_LIBRARIES) or not _sent(scope).has(document)
    is_line = type(document.get(_names.LEVEL)) in (str, int) and _WORD not in document
    return is_line and (_is_written_by(_LOG_LIBRARIES) or not _sent(scope).has(document))


# --- Metrics ----------------------------------------------------------------------------------------------------


def _may_be_metrics(document: dict[str, Any]) -> bool:
    """Return whether a document was written by a library of metrics, or by a program that writes such documents itself.

    A program in which no code spells `CloudWatchMetrics` writes none; where some does, the event must not.
    """
    metadata = document[_names.EMF]
    if type(metadata) is not dict or _WORD not in metadata or _WORD in document:
        return False
    if _json.marks_a_record(document.get(_names.RECORD)):
        return False
    return _is_written_by(_EMF_LIBRARIES) or _some_code_spells_it()


def _is_written_by(libraries: tuple[str, ...]) -> bool:
    """Return whether the innermost code that isn't ours is a library's."""
    name = next(_callers(), "")
    return any(name == library or name.startswith(f"{library}.") for library in libraries)


def _callers() -> Iterator[str]:
    """Yield the modules of the frames that led here, from the innermost, without ours."""
    frame: FrameType | None = sys._getframe()  # noqa: SLF001 - `inspect` is slow to import
    while frame is not None:
        name = frame.f_globals.get("__name__")
        if type(name) is str and not stack_frames.is_ours((frame.f_code.co_filename, 0, "")):
            yield name
        frame = frame.f_back


def _some_code_spells_it() -> bool:
    """Return whether the word stands in the function's own code, or in that of a package that is at work here."""
    packages = {name.partition(".")[0] for name in _callers()}
    packages -= {name.partition(".")[0] for name in _EMF_LIBRARIES}  # whose frames are around every handler's
    for name, module in tuple(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if type(file) is not str or stack_frames.is_ours((file, 0, "")):
            continue
        is_own = name.partition(".")[0] in packages or not stack_frames.is_installed(file)
        if is_own and _spells_it(file):
            return True
    return False


@lru_cache(4096)
def _spells_it(file: str) -> bool:
    """Return whether a module's file holds the word; also where that can't be read, as in an archive."""
    try:
        with open(file, "rb") as code:  # noqa: PTH123 - not loaded
            return _WORD.encode() in code.read()
    except OSError:
        return True


# --- What came with the event -----------------------------------------------------------------------------------


class _Sent:
    """What an event holds: its objects, and those in its texts, also where these are encoded.

    Attributes:
        spells_metrics: whether a document of metrics may be in it.
    """

    def __init__(self, event: object, *, known: bool = True) -> None:
        self.spells_metrics = self._everything = not known
        self._objects: set[int] = set()
        self._wrappers, self._left = 0, _UNPACKED_MOST
        try:
            self.add(event)
        except RecursionError:  # nested too deeply to be looked at
            self._left = -1
        if self._left < 0:
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
        self.spells_metrics = self.spells_metrics or _WORD in value
        return found

    def _add_text(self, text: str) -> int:
        plain = _ESCAPE.sub(_unescaped, text) if "\\u" in text else text
        self.spells_metrics = self.spells_metrics or _WORD in plain
        for each in _objects_in(text):
            self.add(each)
        if self._wrappers < _WRAPPERS_MOST and self._left > 0:
            self._wrappers += 1
            for inside in _unwrapped(text, self._left):
                self._left -= len(inside) + 1
                self._add_text(inside)
            self._wrappers -= 1
        return hash(text)


def _sent(scope: _scope.Scope) -> _Sent:
    """Return what the event holds: found out once, where it is needed; of an invocation that is over, anything."""
    if not scope.open:
        return _Sent(None, known=False)
    if scope.sent is None:
        scope.sent = _Sent(scope.event)
    found: _Sent = scope.sent
    return found


def _unescaped(found: "re.Match[str]") -> str:
    return chr(int(found[1], 16))


def _objects_in(text: str) -> Iterator[Any]:
    """Yield the JSON of a text: of the whole, or else of each line."""
    if "{" not in text:
        return
    try:
        yield json.loads(text)
    except ValueError:
        for line in text.split("\n"):
            if line.lstrip()[:1] == "{":
                with suppress(ValueError):
                    yield json.loads(line)


def _unwrapped(text: str, most: int) -> Iterator[str]:
    """Yield the texts in a form or a URL, in base64, or in gzip in base64: of one longer than `most`, not all of it."""
    if "%" in text:
        from urllib.parse import unquote_plus

        yield from {unquote_plus(part) for part in re.split("[&=?]", text)} - {text}
    found = _BASE64.findall(text)
    if not found:
        return
    import zlib
    from binascii import a2b_base64

    if len(found) > 1:
        found.append("".join(found))  # one text, in lines
    for each in found:
        with suppress(zlib.error, ValueError):
            inside = a2b_base64(each.translate(_URL_SAFE) + "=" * (-len(each) % 4))
            if inside.startswith(b"\x1f\x8b"):
                inside = zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(inside, most + 1)
            yield inside.decode("utf-8", "ignore" if len(inside) > most else "strict")


_URL_SAFE: Final = str.maketrans("-_", "+/")


# --- Ids --------------------------------------------------------------------------------------------------------


def _is_of(scope: _scope.Scope, document: dict[str, Any]) -> bool:
    """Return whether a line names no other invocation than the one that printed it."""
    invocation = getattr(scope, "invocation", None)  # work of work that had outlived its invocation has none
    own = invocation.invocation_id if invocation is not None else None
    return all(document.get(key, own) == own for key in _names.ID_KEYS)


def _is_true(document: dict[str, Any], scope: _scope.Scope, ours: dict[str, Any]) -> bool:
    """Return whether a line with a level names no other invocation or trace, and isn't like one of ours."""
    if document.get(_names.LOGGER_NAME) == LOGGER_NAME or _json.marks_a_record(document.get(_names.RECORD)):
        return False
    header = parse(os.environ.get(_names.ENV_TRACE_HEADER))
    trace_id = getattr(getattr(scope, "invocation", None), "trace_id", None)
    traces = [None, trace_id, ours.get(_names.XRAY_TRACE_ID)]
    if document.get(_names.XRAY_TRACE_ID) not in [*traces, header.root if header is not None else None]:
        return False
    return _is_of(scope, document)


def _under_own_id(document: dict[str, Any], scope: _scope.Scope) -> dict[str, Any]:
    """Return a document under the invocation's own id, which readers look for first; another one gets an underscore."""
    own, claimed = scope.invocation.invocation_id, document.get(_names.INVOCATION_ID)
    instead = {} if claimed in (None, own) else {f"{_names.INVOCATION_ID}_": claimed}
    return {**document, _names.INVOCATION_ID: own, **instead}


def _completed(line: str, document: dict[str, Any], scope: _scope.Scope, ours: dict[str, Any]) -> str:
    """Return a line with a level as it is, and the keys of the invocation that it lacks at its end."""
    lacking = {key: value for key, value in ours.items() if key not in document}
    if scope.durable is not None and _names.REPLAY not in document:
        scope.durable.mark(lacking)
    return f"{line.rstrip()[:-1]},{_json.encode(lacking)[1:]}" if lacking else line


def _corrected(document: dict[str, Any], ours: dict[str, Any]) -> str:
    """Return a line with a level under the invocation's own keys; what it says of them itself gets an underscore."""
    fields = {f"{key}_" if ours.get(key, value) != value else key: value for key, value in document.items()}
    if _json.marks_a_record(fields.get(_names.RECORD)):
        fields[f"{_names.RECORD}_"] = fields.pop(_names.RECORD)
    if fields.get(_names.LOGGER_NAME) == LOGGER_NAME:
        fields[f"{_names.LOGGER_NAME}_"] = fields.pop(_names.LOGGER_NAME)
    return _json.fit({**fields, **ours}, LINE_BYTES_MOST)
