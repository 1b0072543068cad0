"""The output of an invocation. A sink is one object; the loop enters the sinks in order and leaves them in reverse."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .._invocation import Outcome
    from .._scope import Scope


class Sink:
    """Writes one kind of output of an invocation. A method that isn't overridden costs nothing.

    Attributes:
        part: the name, in the log, of the part that is missing if the sink fails.
    """

    part = ""

    def enter(self, scope: "Scope") -> None:
        """Begin, before the handler is called."""

    def leave(self, scope: "Scope", outcome: "Outcome") -> None:
        """End, after the handler."""

    def warn(self, scope: "Scope", outcome: "Outcome") -> None:
        """Write what is known so far, when the handler is running out of time; called on the watchdog's thread."""
