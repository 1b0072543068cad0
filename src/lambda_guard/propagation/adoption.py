"""Makes an invocation join the trace that came with its event.

Lambda starts a new trace for a message from a queue; the sender's trace travels with the message.
https://docs.aws.amazon.com/lambda/latest/dg/services-xray.html
"""

from .._invocation import Outcome
from .._scope import Scope
from ..sinks import Sink
from .place import Place


class Adoption(Sink):
    """Sets an invocation's place in its trace; while the handler runs, the environment names an adopted trace."""

    part = "propagation"

    def enter(self, scope: Scope) -> None:
        """Set the place, and adopt the upstream trace, if there is one."""
        it = scope.invocation
        header = it.adopted or it.trace
        if header is not None:
            scope.place = place = Place(header, it.trace, it.adopted is not None)
            if place.adopted:
                place.adopt()

    def leave(self, scope: Scope, _: Outcome) -> None:
        """Restore the environment as it was before the handler, whatever else has failed."""
        if scope.place is not None and scope.place.adopted:
            scope.place.give_back()
