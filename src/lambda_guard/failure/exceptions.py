"""Exceptions as fields of a log line, and as the `error` of an invocation record."""

import sys
import traceback
from types import TracebackType
from typing import Any, Final

from .. import _json, _names
from . import stack_frames
from .stack_frames import Frame

_MESSAGE_MOST: Final = 4_096  # characters
_TEXT_MOST: Final = 32_768
_CHAIN_MOST: Final = 20
_HEAD: Final = "Traceback (most recent call last):\n"
_TRACEBACK: Final[Any] = BaseException.__traceback__
_CAUSE: Final[Any] = BaseException.__cause__
_CONTEXT: Final[Any] = BaseException.__context__
_HIDES_CONTEXT: Final[Any] = vars(BaseException)["__suppress_context__"]
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
    error = _error_of(exc_info)
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


def _error_of(exc_info: Any) -> BaseException | None:
    """Return the exception that is meant, without asking it whether it is true: its class may answer anything."""
    if issubclass(type(exc_info), BaseException):
        error: BaseException = exc_info
        return error
    if not exc_info:
        return None
    found = exc_info[1] if isinstance(exc_info, tuple) and len(exc_info) > 1 else sys.exc_info()[1]
    return found if issubclass(type(found), BaseException) else None


def _notes(error: BaseException) -> list[str]:
    try:
        return [_json.text(note, _MESSAGE_MOST) for note in error.__notes__[:20]]
    except BaseException:  # none, or not as `add_note` makes them; a property must not end the process
        return []


def _rendered(error: BaseException) -> str:
    if any(map(_defines_its_truth, _chain(error))):
        return _json.cut(_rendered_plainly(error), _TEXT_MOST)
    try:
        said = "".join(traceback.TracebackException.from_exception(error, compact=True).format()).rstrip()
    except BaseException:  # as above
        said = _rendered_plainly(error)
    return _json.cut(said, _TEXT_MOST)


def _defines_its_truth(error: BaseException) -> bool:
    """Return whether a class says when it is true: `traceback` asks it, and leaves out the cause of a false one."""
    return any("__bool__" in vars(base) or "__len__" in vars(base) for base in type.mro(type(error)))


def _chain(error: BaseException) -> list[BaseException]:
    """Return an exception, what it was raised from or while handling, and so on."""
    found: dict[int, BaseException] = {}
    each: BaseException | None = error
    while each is not None and id(each) not in found and len(found) < _CHAIN_MOST:
        found[id(each)] = each
        cause, hides_context = cause_of(each), _HIDES_CONTEXT.__get__(each)
        each = _CONTEXT.__get__(each) if cause is None and not hides_context else cause
    return list(found.values())


def _rendered_plainly(error: BaseException) -> str:
    """Return the text of an exception's traceback, without a question to its class."""
    said = []
    for each in reversed(_chain(error)):
        stack = "".join(traceback.format_tb(trace_of(each)))
        said.append(f"{_HEAD if stack else ''}{stack}{type_name(each)}: {message(each)}")
    return "\n\n".join(said)


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
    from .fingerprint import fingerprint  # late: most functions never fail

    return {
        _names.TYPE: type_name(error),
        _names.MESSAGE: message(error),
        _names.FINGERPRINT: fingerprint(error),
    }


def as_record(error: BaseException) -> dict[str, Any]:
    """Return the invocation record's `error`: `{type, message, fingerprint, stack}`."""
    return {**in_short(error), _names.STACK: stack_frames.said(frames(trace_of(error)))}
