"""An invocation joins the trace that its event came with.

Lambda begins a new trace for a message from a queue; the sender's travels with the message.
https://docs.aws.amazon.com/lambda/latest/dg/services-xray.html
"""

from .._invocation import Outcome
from .._scope import Scope
from ..sinks import Sink
from .place import Place


class Adoption(Sink):
    """Gives an invocation its place in its trace; the environment names an upstream one while the handler runs."""

    part = "propagation"

    def enter(self, scope: Scope) -> None:
        """Take the place."""
        it = scope.invocation
        header = it.adopted or it.trace
        if header is not None:
            scope.place = place = Place(header, it.trace, it.adopted is not None)
            if place.adopted:
                place.adopt()

    def leave(self, scope: Scope, _: Outcome) -> None:
        """Put the environment back as it was before the handler, whatever became of the rest."""
        if scope.place is not None and scope.place.adopted:
            scope.place.give_back()
