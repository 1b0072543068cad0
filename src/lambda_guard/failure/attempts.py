"""The number of an invocation's attempt at its event, as far as the platform reveals it.

SQS includes it in every message. For asynchronous invocations there is only the request id, which is the same
for retries: an id that has failed in this process and comes again is a retry. A retry in another environment
can't be recognised, nor one in another process of a managed instance's environment (and after a timeout that
Lambda enforces, the environment is always another one): no attempt is reported rather than a wrong one.

https://repost.aws/knowledge-center/lambda-function-duplicate-invocations
"""

from typing import Final

from .. import _names
from .._invocation import Outcome
from .._scope import Scope
from ..sinks import Sink
from ..trigger.table import TABLE

FAILED_MOST: Final = 256  # invocations that are remembered; retries follow within minutes

FIRST_PAUSE = 90.0  # s; Lambda waits one minute after the first attempt, and two after the second

_failed: dict[str, tuple[int, float]] = {}  # how often it has failed here, and when it ended, epoch seconds


def number(scope: Scope) -> int | None:
    """Return the number of this attempt, from 1, or `None` if it isn't known."""
    it = scope.invocation
    if it.trigger.attempt is not None:
        return it.trigger.attempt
    times, ended = _failed.get(it.invocation_id, (0, 0.0)) if _failed else (0, 0.0)
    # Lambda makes three attempts at most, so that the one after two is the third.
    return times + 1 if times > 1 or (times and it.started - ended < FIRST_PAUSE) else None


def is_final(scope: Scope) -> bool | None:
    """Return whether this is the last attempt, or `None` if it isn't known."""
    attempt, most = scope.invocation.trigger.attempt, scope.settings.max_receive_count
    return attempt >= most if attempt is not None and most is not None else None


class Attempts(Sink):
    """Remembers which invocations have failed, in case they come again."""

    part = "attempts"

    def leave(self, scope: Scope, outcome: Outcome) -> None:
        """Note how an invocation ended, once its record is written."""
        if outcome.kind in _names.NO_FAILURE and not _failed:
            return
        it = scope.invocation
        # If it fails again, it is added again as the latest.
        times, _ = _failed.pop(it.invocation_id, (0, 0.0))
        if outcome.kind in _names.NO_FAILURE or it.trigger.attempt is not None:
            return
        if it.trigger.type in TABLE.synchronous:
            return  # the caller's retries have other ids
        _failed[it.invocation_id] = (times + 1, outcome.ended)
        while len(_failed) > FAILED_MOST:
            _failed.pop(next(iter(_failed)), None)
