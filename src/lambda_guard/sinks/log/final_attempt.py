"""The WARNING that an event is given up: the next thing to happen to it is the dead-letter queue."""

import time
from logging import WARNING

from ... import _attempts, _names, _output
from ..._invocation import Outcome
from ..._scope import Scope
from . import lines


def warn(scope: Scope, outcome: Outcome) -> None:
    """Say where the event goes, if this was the last attempt at it and has failed.

    The queue's redrive policy is not the function's to read, so what is said is what is known: how many
    receives there are, by `LAMBDA_GUARD_MAX_RECEIVE_COUNT`, and which queue has the policy.
    """
    if outcome.kind == _names.SUCCESS:
        return
    said = scope.stuck is not None and outcome.kind != _names.TIMEOUT  # when its time was running out
    each_known = scope.final_attempts is not None  # of a batch that was handled record by record
    if not _attempts.is_final(scope) or said or each_known:
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
    _output.write(
        lines.make_line(WARNING, "lambda_guard", line, time.time(), lines.LOGGER_NAME, fields, None, None)
    )
