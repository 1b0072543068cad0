"""The one place where an error of our own is swallowed: counted, said once per kind, and kept from the handler.

Whatever runs around the handler runs through `attempt`. It lets `BaseException` through (a `SystemExit`
that arrives while we work isn't ours to keep) and lets nothing else out.
"""

import sys
from collections.abc import Callable, Sequence
from functools import wraps
from time import time
from typing import Any, Final, ParamSpec, TypeVar

from . import _json, _names, _stdout

P = ParamSpec("P")
T = TypeVar("T")
Step = tuple[str, Callable[..., object]]

_FRAMES_MOST: Final = 8
_TEXT_MOST: Final = 500  # characters


class _Seen:
    """What has gone wrong in this process.

    Attributes:
        kinds: part and type of each failure that has been said.
        uncounted: failures that no invocation record has counted yet.
        keys: returns the service and the invocation's keys; whoever knows them stands above this module.
    """

    kinds: set[str] = set()  # noqa: RUF012 - the process's own
    uncounted = 0
    keys: Callable[[], dict[str, Any]] = dict


def attempt(part: str, step: Callable[..., T], *args: Any) -> T | None:
    """Call `step(*args)` and return what it returns, or `None` where it raised an `Exception`.

    Args:
        part: what would be missing, e.g. `trace.enter`; names the kind of the failure in the log.
        step: a part of ours.
        *args: its arguments.
    """
    try:
        return step(*args)
    except Exception as error:
        try:  # noqa: SIM105 - `suppress` would need the room, too
            failed(part, error)
        except RecursionError:  # the stack has no room left even for that
            pass
        return None


def attempt_all(steps: Sequence[Step], *args: Any) -> None:
    """Call each step with `args`; one that raises takes no other with it.

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


def never_raises(method: Callable[P, None]) -> Callable[P, None]:
    """Decorate what the user's code calls directly: nothing of ours comes out of it but a wrong number of arguments."""

    @wraps(method)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            method(*args, **kwargs)
        except Exception as error:
            if type(error) is TypeError and error.__traceback__ and error.__traceback__.tb_next is None:
                raise  # it couldn't be called
            failed(method.__qualname__, error)

    return guarded


def failed(part: str, error: Exception) -> None:
    """Count a failure of ours, and say it unless this kind has been said in this process. Doesn't raise."""
    _Seen.uncounted += 1
    try:
        kind = f"{part}: {_json.type_name(error)}"
        if kind in _Seen.kinds:
            return
        _stdout.write(_json.encode(_line(part, error)))
        _Seen.kinds.add(kind)  # last: what nobody has heard may be said again
    except Exception:
        _say_barely(part)


def take_count() -> int:
    """Return how many failures have come up since the last call (metric `GuardErrors`)."""
    count, _Seen.uncounted = _Seen.uncounted, 0
    return count


def say_with(keys: Callable[[], dict[str, Any]]) -> None:
    """Have the lines of failures carry what `keys` returns: the service, and the keys of the invocation."""
    _Seen.keys = staticmethod(keys)


def forget() -> None:
    """Let every kind be said anew; for tests, which share one process."""
    _Seen.kinds.clear()
    take_count()


def _message(part: str) -> str:
    return f"lambda_guard could not do its part {part!r}; the handler's outcome is not affected"


def _say_barely(part: str) -> None:
    """Say it with nothing but text, where a part is broken that every line needs; if need be, each time."""
    try:
        line = f'{{"{_names.LEVEL}":"WARNING","{_names.LOCATION}":"{part}","{_names.MESSAGE}":"{_message(part)}"}}'
        out = getattr(
            sys.stdout, "behind", sys.stdout
        )  # not through our capture of `print`, which would be back here
        out.write(f"{line}\n")
    except Exception:
        return  # standard output is closed: there is nobody to tell


def _line(part: str, error: Exception) -> dict[str, Any]:
    line: dict[str, Any] = {
        _names.LEVEL: "WARNING",
        _names.LOCATION: part,
        _names.MESSAGE: _message(part),
        _names.TIMESTAMP: _stdout.timestamp(time()),
        _names.LOGGER_NAME: "lambda_guard",
        _names.EXCEPTION_NAME: _json.type_name(error),
    }
    if issubclass(type(error), ImportError | OSError):  # others' texts may quote the payload
        line[_names.EXCEPTION] = _json.text(error, _TEXT_MOST)
    line[_names.AT] = _frames(error)
    try:
        line.update(_Seen.keys())
    except Exception:
        return line  # the scope itself may be what is broken
    return line


def _frames(error: BaseException) -> list[str]:
    frames = []
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        frames.append(f"{code.co_filename.rpartition('/')[2]}:{trace.tb_lineno} in {code.co_name}")
        trace = trace.tb_next
    return frames[-_FRAMES_MOST:]
