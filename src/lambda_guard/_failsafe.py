"""The only place where our own errors are swallowed: counted, logged once per kind, and kept away from the handler.

All our code around the handler runs through `attempt`. It swallows every `Exception` and lets any other
`BaseException` through: a `SystemExit` that arrives while our code runs isn't ours to swallow.
"""

import sys
from collections.abc import Callable, Sequence
from functools import wraps
from os import sep
from time import time
from typing import Any, Final, ParamSpec, TypeVar

from . import _json, _names, _stdout

P = ParamSpec("P")
T = TypeVar("T")
R = TypeVar("R")
Step = tuple[str, Callable[..., object]]

_FRAMES_MOST: Final = 8
_TEXT_MOST: Final = 500  # characters


class _Seen:
    """The failures of this process.

    Attributes:
        kinds: part and exception type of each failure that has been logged.
        uncounted: number of failures that no invocation record has counted yet.
        keys: returns the service and the invocation's keys; set from outside, as this module can't import them.
    """

    kinds: set[str] = set()  # noqa: RUF012 - the process's own
    uncounted = 0
    keys: Callable[[], dict[str, Any]] = dict


def attempt(part: str, step: Callable[..., T], *args: Any) -> T | None:
    """Call `step(*args)` and return its result, or `None` if it raised an `Exception`.

    Args:
        part: the part that would be missing, e.g. `trace.enter`; names the kind of failure in the log.
        step: a function of ours.
        *args: its arguments.
    """
    try:
        return step(*args)
    except Exception as error:
        try:  # noqa: SIM105 - `suppress` would need the room, too
            failed(part, error)
        except RecursionError:  # the stack is too full even for `failed`
            pass
        return None


def attempt_all(steps: Sequence[Step], *args: Any) -> None:
    """Call each step with `args`; one that raises doesn't stop the others.

    Args:
        steps: (part, step) as in `attempt`.
        *args: their arguments.
    """
    for part, step in steps:
        try:
            step(*args)
        except Exception as error:
            try:  # noqa: SIM105 - as above
                failed(part, error)
            except RecursionError:
                pass


def never_raises(method: Callable[P, R]) -> Callable[P, R]:
    """Decorate a method that the user's code calls directly: it raises nothing, except for wrong arguments.

    Where it would raise it returns `None`, which only a method does whose callers can do with that.
    """

    @wraps(method)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> Any:
        try:
            return method(*args, **kwargs)
        except Exception as error:
            if type(error) is TypeError and error.__traceback__ and error.__traceback__.tb_next is None:
                raise  # it couldn't be called
            failed(method.__qualname__, error)
            return None

    return guarded


def failed(part: str, error: Exception) -> None:
    """Count a failure of ours, and log it unless this process has already logged its kind. Doesn't raise."""
    _Seen.uncounted += 1
    try:
        kind = f"{part}: {_json.type_name(error)}"
        if kind in _Seen.kinds:
            return
        _stdout.write(_json.encode(_line(part, error)))
        _Seen.kinds.add(kind)  # last: a line that wasn't written may be logged again
    except Exception:
        _say_barely(part)


def lost_lines(count: int) -> str:
    """Count a loss of log lines that a full standard output didn't take, and return the line that reports it."""
    _Seen.uncounted += 1
    said = f"standard output was full for too long: {count} log lines were lost"
    return _json.encode({**_warning("stdout", said), _names.LOST_LINES: count})


def take_count() -> int:
    """Return the number of failures since the last call (metric `GuardErrors`)."""
    count, _Seen.uncounted = _Seen.uncounted, 0
    return count


def say_with(keys: Callable[[], dict[str, Any]]) -> None:
    """Add to the log lines of failures what `keys` returns: the service, and the keys of the invocation."""
    _Seen.keys = staticmethod(keys)


def forget() -> None:
    """Let every kind be logged again, as in a new environment."""
    _Seen.kinds.clear()


def _message(part: str) -> str:
    return f"lambda_guard could not do its part {part!r}; the handler's outcome is not affected"


def _say_barely(part: str) -> None:
    """Log it as plain text, if a part that every log line needs is broken; each time, if necessary."""
    try:
        line = f'{{"{_names.LEVEL}":"WARNING","{_names.LOCATION}":"{part}","{_names.MESSAGE}":"{_message(part)}"}}'
        out = getattr(sys.stdout, "behind", sys.stdout)  # our capture of `print` would lead back here
        out.write(f"{line}\n")
    except Exception:
        return  # standard output is closed: there is nowhere to log it


def _warning(location: str, message: str) -> dict[str, Any]:
    return {
        _names.LEVEL: "WARNING",
        _names.LOCATION: location,
        _names.MESSAGE: message,
        _names.TIMESTAMP: _stdout.timestamp(time()),
        _names.LOGGER_NAME: "lambda_guard",
    }


def _line(part: str, error: Exception) -> dict[str, Any]:
    line = {**_warning(part, _message(part)), _names.EXCEPTION_NAME: _json.type_name(error)}
    if issubclass(type(error), ImportError | OSError):  # messages of other errors may quote the payload
        line[_names.EXCEPTION] = _json.text(error, _TEXT_MOST)
    line[_names.AT] = _frames(error)
    try:
        line.update(_Seen.keys())
    except Exception:
        return line  # the scope itself may be broken
    return line


def _frames(error: BaseException) -> list[str]:
    frames = []
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        frames.append(f"{code.co_filename.rpartition(sep)[2]}:{trace.tb_lineno} in {code.co_name}")
        trace = trace.tb_next
    return frames[-_FRAMES_MOST:]
