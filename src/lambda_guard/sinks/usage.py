"""What the handler itself used of the process: measured right around it."""

from time import process_time

from .. import _process
from .._invocation import Outcome
from .._scope import Scope
from . import Sink


class Usage(Sink):
    """Measures memory and CPU."""

    part = "process"

    def enter(self, scope: Scope) -> None:
        """Note what the process has used before the handler runs."""
        if scope.invocation.cold_start:
            _process.note_peak()  # imports have reached it
        scope.cpu_s = process_time()

    def leave(self, scope: Scope, _: Outcome) -> None:
        """Note what the process has used when the handler is done."""
        scope.used = _process.used(scope.cpu_s)
