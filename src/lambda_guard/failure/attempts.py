"""Which attempt at its event an invocation is, as far as the platform tells.

SQS says it in every message. For an asynchronous invocation Lambda says nothing but the request id, which
its retries keep: one that has failed in this process and comes again is a retry. A retry in another
environment can't be known as one (and after a timeout it always is another one): no attempt is said rather
than a wrong one.

https://repost.aws/knowledge-center/lambda-function-duplicate-invocations
"""

from typing import Final

from .. import _names
from .._invocation import Outcome
from .._scope import Scope
from ..sinks import Sink
from ..trigger.table import TABLE

FAILED_MOST: Final = 256  # invocations that are remembered; a retry comes within minutes

_failed: dict[str, int] = {}


def number(scope: Scope) -> int | None:
    """Return which attempt this is, from 1, or `None` where nobody tells."""
    it = scope.invocation
    if it.trigger.attempt is not None:
        return it.trigger.attempt
    known = _failed.get(it.invocation_id) if _failed else None
    return known + 1 if known is not None else None


def is_final(scope: Scope) -> bool | None:
    """Return whether no attempt comes after this one, or `None` where nobody tells."""
    attempt, most = scope.invocation.trigger.attempt, scope.settings.max_receive_count
    return attempt >= most if attempt is not None and most is not None else None


class Attempts(Sink):
    """Remembers which invocations have failed, in case they come again."""

    part = "attempts"

    def leave(self, scope: Scope, outcome: Outcome) -> None:
        """Note how an invocation ended, once its record is written."""
        if outcome.kind == _names.SUCCESS and not _failed:
            return
        it = scope.invocation
        attempt = number(scope) or 1
        _failed.pop(it.invocation_id, None)  # if it fails again, it goes back in as the latest
        if outcome.kind == _names.SUCCESS or it.trigger.attempt is not None:
            return
        if it.trigger.type in TABLE.synchronous:
            return  # whoever called it retries under another id
        _failed[it.invocation_id] = attempt
        while len(_failed) > FAILED_MOST:
            _failed.pop(next(iter(_failed)), None)
