"""Exceptions in words: the fields of a log line, the `error` of a record, the fingerprint."""

import sys
import traceback
from types import TracebackType
from typing import Any, Final

from . import _json

_MESSAGE_MOST: Final = 4_096  # characters
_TEXT_MOST: Final = 32_768
_FRAMES_MOST: Final = 50
_OURS: Final = __file__.rpartition("/")[0]
_TRACEBACK: Final[Any] = BaseException.__traceback__
_CAUSE: Final[Any] = BaseException.__cause__


def message(error: BaseException) -> str:
    """Return what the exception says of itself, also where its `__str__` raises."""
    return _json.text(error, _MESSAGE_MOST)


def type_name(error: BaseException) -> str:
    """Return the exception's type, without its module: what `except` would name."""
    return type(error).__name__


def trace_of(error: BaseException) -> TracebackType | None:
    """Return the exception's traceback, whatever its class makes of attributes."""
    trace: TracebackType | None = _TRACEBACK.__get__(error)
    return trace


def cause_of(error: BaseException) -> BaseException | None:
    """Return the exception that this one was raised from, whatever its class makes of attributes."""
    cause: BaseException | None = _CAUSE.__get__(error)
    return cause


def frames(trace: TracebackType | None) -> list[tuple[str, int, str]]:
    """Return (file, line, function) of each frame that isn't ours, outermost first, the middle left out of a long one."""
    found = []
    while trace is not None:
        code = trace.tb_frame.f_code
        if not code.co_filename.startswith(_OURS):
            found.append((code.co_filename, trace.tb_lineno, code.co_name))
        trace = trace.tb_next
    if len(found) > _FRAMES_MOST:
        found = found[: _FRAMES_MOST // 5] + found[-_FRAMES_MOST * 4 // 5 :]
    return found


def fields(exc_info: Any) -> dict[str, Any]:
    """Return `exception`, `exception_name` and `stack_trace` for a log line.

    Args:
        exc_info: as logging takes it: an exception, a tuple, or true for the one being handled.
    """
    if isinstance(exc_info, BaseException):
        error: BaseException | None = exc_info
    else:
        error = exc_info[1] if isinstance(exc_info, tuple) and len(exc_info) > 1 else sys.exc_info()[1]
    if error is None:
        return {}
    said: dict[str, Any] = {
        "exception": _rendered(error),
        "exception_name": type_name(error),
        "stack_trace": _structured(error),
    }
    if notes := _notes(error):
        said["exception_notes"] = notes
    return said


def _notes(error: BaseException) -> list[str]:
    try:
        return [_json.text(note, _MESSAGE_MOST) for note in error.__notes__[:20]]
    except Exception:  # none, or not as `add_note` makes them
        return []


def _rendered(error: BaseException) -> str:
    try:
        lines = traceback.TracebackException.from_exception(error, compact=True).format()
        return _json.cut("".join(lines).rstrip(), _TEXT_MOST)
    except Exception:
        return f"{type_name(error)}: {message(error)}"


def _structured(error: BaseException, depth: int = 3) -> dict[str, Any]:
    found: dict[str, Any] = {
        "type": type_name(error),
        "value": message(error),
        "module": type(error).__module__,
        "frames": [
            {"file": file, "line": line, "function": function}
            for file, line, function in frames(trace_of(error))
        ],
    }
    if isinstance(error, BaseExceptionGroup) and depth:
        found["exceptions"] = [_structured(part, depth - 1) for part in error.exceptions[:20]]
    return found


def as_record(error: BaseException) -> dict[str, Any]:
    """Return the invocation record's `error`: `{type, message, fingerprint, stack}`."""
    stack = frames(trace_of(error))
    return {
        "type": type_name(error),
        "message": message(error),
        "fingerprint": fingerprint(error),
        "stack": [f"{file.rpartition('/')[2]}:{line} in {function}" for file, line, function in stack],
    }


def fingerprint(error: BaseException) -> str:
    """Return 16 hex digits that stay the same while the same cause fails at the same place of the code.

    It is made of the exception types along `__cause__` and of the user's own functions on the way, by module file and name:
    neither line numbers, nor messages (they carry ids), nor the frames of installed packages, which change with versions.
    """
    parts = [type_name(error), *_places(error)]
    if isinstance(error, BaseExceptionGroup):
        parts += sorted({type_name(part) for part in error.exceptions})
    cause = cause_of(error)
    if cause is not None and cause is not error:
        parts += ["from", type_name(cause), *_places(cause)]
    return _digest("\n".join(parts))


def _places(error: BaseException) -> list[str]:
    stack = frames(trace_of(error))
    own = [frame for frame in stack if not _is_installed(frame[0])] or stack
    return list(dict.fromkeys(f"{file.rpartition('/')[2]}:{function}" for file, _, function in own))


def _is_installed(file: str) -> bool:
    return (
        "site-packages" in file
        or "/opt/python/" in file
        or "/lib/python3" in file
        or file.startswith("<frozen")
    )


def _digest(said: str) -> str:
    from hashlib import blake2b

    return blake2b(said.encode("utf-8", "backslashreplace"), digest_size=8).hexdigest()
