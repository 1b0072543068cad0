"""The one place where an error of our own is swallowed: counted, said once per kind, and kept from the handler.

Whatever runs around the handler runs through `attempt`. It lets `BaseException` through (a `SystemExit`
that arrives while we work isn't ours to keep) and lets nothing else out.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from . import _json, _names, _stdout

T = TypeVar("T")

_said: set[str] = set()
_uncounted = 0


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
        failed(part, error)
        return None


def attempt_all(steps: Sequence[tuple[str, Callable[..., object]]], *args: Any) -> None:
    """Call each step with `args`; one that raises takes no other with it.

    Args:
        steps: (part, step) as in `attempt`.
        *args: their arguments.
    """
    for part, step in steps:
        try:
            step(*args)
        except Exception as error:
            failed(part, error)


def failed(part: str, error: Exception) -> None:
    """Count a failure of ours, and say it unless this kind has been said in this process."""
    global _uncounted  # noqa: PLW0603 - a counter of the process, not of an invocation
    _uncounted += 1
    kind = f"{part}: {_json.type_name(error)}"
    if kind in _said:
        return
    _said.add(kind)
    try:
        _stdout.write(_json.encode(_line(part, error)))
    except Exception:
        _said.discard(kind)  # nobody has heard it: it may be said again


def take_count() -> int:
    """Return how many failures have come up since the last call (metric `GuardErrors`)."""
    global _uncounted
    count, _uncounted = _uncounted, 0
    return count


def forget() -> None:
    """Let every kind be said anew; for tests, which share one process."""
    _said.clear()
    take_count()


def _line(part: str, error: Exception) -> dict[str, Any]:
    from ._scope import Defaults, current_keys  # the scope may itself be what is broken

    line: dict[str, Any] = {
        _names.LEVEL: "WARNING",
        _names.LOCATION: part,
        _names.MESSAGE: f"lambda_guard could not do its part {part!r}; the handler's outcome is not affected",
        _names.TIMESTAMP: _stdout.timestamp(time.time()),
        _names.SERVICE: Defaults.service,
        _names.LOGGER_NAME: "lambda_guard",
        _names.EXCEPTION_NAME: _json.type_name(error),
    }
    if issubclass(type(error), ImportError | OSError):  # others' texts may quote the payload
        line[_names.EXCEPTION] = _json.text(error, 500)
    try:
        line["at"] = _frames(error)
        line.update(current_keys())
    except Exception:
        line["at"] = []
    return line


def _frames(error: BaseException) -> list[str]:
    frames = []
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        frames.append(f"{code.co_filename.rpartition('/')[2]}:{trace.tb_lineno} in {code.co_name}")
        trace = trace.tb_next
    return frames[-8:]
