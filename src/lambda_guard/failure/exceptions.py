"""Exceptions as fields of a log line, and as the `error` of an invocation record."""

import sys
import traceback
from types import TracebackType
from typing import Any, Final

from .. import _json, _names
from . import stack_frames
from .fingerprint import fingerprint as fingerprint  # noqa: PLC0414 - imported from here by modules that have an error
from .stack_frames import Frame

_MESSAGE_MOST: Final = 4_096  # characters
_TEXT_MOST: Final = 32_768
_TRACEBACK: Final[Any] = BaseException.__traceback__
_CAUSE: Final[Any] = BaseException.__cause__
_EXCEPTIONS: Final[Any] = BaseExceptionGroup.exceptions
_MODULE: Final[Any] = vars(type)["__module__"]


def message(error: BaseException) -> str:
    """Return the exception's message, even if its `__str__` raises."""
    return _json.text(error, _MESSAGE_MOST)


def type_name(error: BaseException) -> str:
    """Return the name of the exception's type, without its module."""
    return _json.type_name(error)


def trace_of(error: BaseException) -> TracebackType | None:
    """Return the exception's traceback, even if its class overrides attributes."""
    trace: TracebackType | None = _TRACEBACK.__get__(error)
    return trace


def cause_of(error: BaseException) -> BaseException | None:
    """Return the exception that this one was raised from, even if its class overrides attributes."""
    cause: BaseException | None = _CAUSE.__get__(error)
    return cause


def frames(trace: TracebackType | None) -> list[Frame]:
    """Return the frames that aren't ours, outermost first, without the middle of a long stack."""
    found = []
    while trace is not None:
        code = trace.tb_frame.f_code
        frame = code.co_filename, trace.tb_lineno, code.co_name
        if not stack_frames.is_ours(frame):
            found.append(frame)
        trace = trace.tb_next
    return stack_frames.shortened(found)


def fields(exc_info: Any) -> dict[str, Any]:
    """Return `exception`, `exception_name` and `stack_trace` for a log line.

    Args:
        exc_info: as accepted by logging: an exception, a tuple, or true for the one being handled.
    """
    if isinstance(exc_info, BaseException):
        error: BaseException | None = exc_info
    else:
        error = exc_info[1] if isinstance(exc_info, tuple) and len(exc_info) > 1 else sys.exc_info()[1]
    if error is None:
        return {}
    said: dict[str, Any] = {
        _names.EXCEPTION: _rendered(error),
        _names.EXCEPTION_NAME: type_name(error),
        _names.STACK_TRACE: _structured(error),
    }
    if notes := _notes(error):
        said[_names.EXCEPTION_NOTES] = notes
    return said


def _notes(error: BaseException) -> list[str]:
    try:
        return [_json.text(note, _MESSAGE_MOST) for note in error.__notes__[:20]]
    except BaseException:  # none, or not as `add_note` makes them; a property must not end the process
        return []


def _rendered(error: BaseException) -> str:
    try:
        lines = traceback.TracebackException.from_exception(error, compact=True).format()
        return _json.cut("".join(lines).rstrip(), _TEXT_MOST)
    except BaseException:  # as above
        return f"{type_name(error)}: {message(error)}"


def _structured(error: BaseException, depth: int = 3) -> dict[str, Any]:
    found: dict[str, Any] = {
        _names.TYPE: type_name(error),
        _names.VALUE: message(error),
        _names.MODULE: _MODULE.__get__(type(error)),
        _names.FRAMES: [
            {_names.FILE: file, _names.LINE: line, _names.FUNCTION: function}
            for file, line, function in frames(trace_of(error))
        ],
    }
    if issubclass(type(error), BaseExceptionGroup) and depth:
        found[_names.EXCEPTIONS] = [_structured(part, depth - 1) for part in _EXCEPTIONS.__get__(error)[:20]]
    return found


def in_short(error: BaseException) -> dict[str, Any]:
    """Return a batch item's error in the invocation record: `{type, message, fingerprint}`."""
    return {
        _names.TYPE: type_name(error),
        _names.MESSAGE: message(error),
        _names.FINGERPRINT: fingerprint(error),
    }


def as_record(error: BaseException) -> dict[str, Any]:
    """Return the invocation record's `error`: `{type, message, fingerprint, stack}`."""
    return {**in_short(error), _names.STACK: stack_frames.said(frames(trace_of(error)))}
