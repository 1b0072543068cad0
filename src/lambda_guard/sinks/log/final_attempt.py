"""The WARNING that an event is given up: the next thing to happen to it is the dead-letter queue."""

from collections.abc import Iterable
from logging import WARNING
from typing import Any

from ... import _names
from ..._invocation import Outcome
from ..._scope import Scope
from ...failure import attempts
from ...propagation.extract import record_attempt, record_message_id
from .. import Sink
from . import lines


class FinalAttempt(Sink):
    """Says where an event goes whose last attempt has failed.

    The queue's redrive policy is not the function's to read, so what is said is what is known: how many
    receives there are, by `LAMBDA_GUARD_MAX_RECEIVE_COUNT`, and which queue has the policy.
    """

    part = "final_attempt"

    def leave(self, scope: Scope, outcome: Outcome) -> None:
        """Say it, unless it was said when the time was running out."""
        if outcome.kind not in _names.NO_FAILURE and scope.stuck is None:
            _say(scope)

    def warn(self, scope: Scope, _: Outcome) -> None:
        """Say it of an attempt that is about to be cut off."""
        _say(scope)


def _say(scope: Scope) -> None:
    if not attempts.is_final(scope) or scope.final_attempts is not None:  # each item was looked at
        return
    trigger, most = scope.invocation.trigger, scope.settings.max_receive_count
    goes = "the message goes"
    if trigger.records > 1:
        goes = f"of {trigger.records} messages those that have been received {most} times go"
    line = f"attempt {trigger.attempt} of {most} failed: {goes} to the dead-letter queue of {trigger.source}"
    fields = {
        _names.ATTEMPT: trigger.attempt,
        _names.MAX_RECEIVE_COUNT: most,
        _names.QUEUE: trigger.source,
    }
    lines.warn(line, fields)


def count(scope: Scope, given_back: Iterable[Any]) -> None:
    """Count the records of a batch that nobody will receive again from their queue, and say where they go.

    Args:
        scope: of the invocation.
        given_back: the records that go back to the queue.
    """
    most, queue = scope.settings.max_receive_count, scope.invocation.trigger.source
    if most is None:
        return
    final = [record_message_id(raw) for raw in given_back if (record_attempt(raw) or 0) >= most]
    scope.final_attempts = len(final)
    if final and lines.line_logger().isEnabledFor(WARNING):
        goes = "1 message goes" if len(final) == 1 else f"{len(final)} messages go"
        fields = {
            _names.MAX_RECEIVE_COUNT: most,
            _names.QUEUE: queue,
            _names.MESSAGE_IDS: final[: _names.MESSAGE_IDS_MOST],
        }
        lines.warn(f"the last of {most} attempts failed: {goes} to the dead-letter queue of {queue}", fields)
