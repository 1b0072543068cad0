"""Batches item by item: `loop` processes the items, `source` knows the event sources, `report` notifies the telemetry.

This module has the sink that reads a plain handler's own response; the rest is imported with the first batch.
"""

from typing import Any

from .._invocation import Outcome
from .._scope import Scope
from ..sinks import Sink
from ..trigger.table import TABLE


class PartialResponse(Sink):
    """Reads the failures in a plain handler's response."""

    part = "batch"

    def leave(self, scope: Scope, outcome: Outcome) -> None:
        """Note the failures, if there are any."""
        value = outcome.value
        if type(value) is not dict or scope.batch is not None:
            return
        failures: Any = value.get("batchItemFailures")
        if issubclass(type(failures), list) and scope.invocation.trigger.type in TABLE.batches:
            from . import partial_response  # late: most handlers never return any

            partial_response.note(scope, failures)
