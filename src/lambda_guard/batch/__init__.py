"""Batches item by item: `loop` gives each its turn, `source` knows the event sources, `report` tells the telemetry.

Here is the sink that looks at what a plain handler answers by itself; the rest is imported with the first batch.
"""

from typing import Any

from .._invocation import Outcome
from .._scope import Scope
from ..sinks import Sink
from ..trigger.table import TABLE


class PartialResponse(Sink):
    """Looks at the failures that a plain handler answers with."""

    part = "batch"

    def leave(self, scope: Scope, outcome: Outcome) -> None:
        """Note them, where there are any."""
        value = outcome.value
        if type(value) is not dict or scope.batch is not None:
            return
        failures: Any = value.get("batchItemFailures")
        if issubclass(type(failures), list) and scope.invocation.trigger.type in TABLE.batches:
            from . import partial_response  # late: most handlers never answer so

            partial_response.note(scope, failures)
