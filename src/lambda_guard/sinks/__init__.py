"""What is emitted of an invocation. A sink is one object; the loop enters them in order and leaves them in reverse."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .._invocation import Outcome
    from .._scope import Scope


class Sink:
    """One thing that is emitted of an invocation. A method that isn't overridden costs nothing.

    Attributes:
        part: what would be missing if it failed; names it in the log.
    """

    part = ""

    def enter(self, scope: "Scope") -> None:
        """Begin, before the handler is called."""

    def leave(self, scope: "Scope", outcome: "Outcome") -> None:
        """End, after the handler."""

    def warn(self, scope: "Scope", outcome: "Outcome") -> None:
        """Write what there is, while the handler is at work and its time runs out: on the watchdog's thread."""
