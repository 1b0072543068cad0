"""DEBUG lines of a share of the invocations, as `POWERTOOLS_LOGGER_SAMPLE_RATE` asks for them.

Imported only there. Invocations that are open at once in one process share the logger, and with it the level.
"""

import logging
from os import urandom

from ... import _names
from ..._invocation import Outcome
from ..._scope import Defaults, Scope
from .. import Sink


class _Drawn:
    """Our logger, and the level that it has again when what was drawn has ended; `None` where DEBUG wasn't drawn."""

    logger: logging.Logger = logging.root
    before: int | None = None


def begin(logger: logging.Logger, rate: float) -> None:
    """Draw for module-level code, and have the rate on each line, by which whoever counts DEBUG lines can divide."""
    _Drawn.logger, _Drawn.before = logger, None
    Defaults.keys = {**Defaults.keys, _names.SAMPLING_RATE: rate}
    draw(rate)


def draw(rate: float) -> None:
    """Decide anew whether DEBUG lines are written."""
    _undo()
    logger = _Drawn.logger
    # Not from `random`, whose state is the same in all clones of a SnapStart snapshot.
    if logger.level > logging.DEBUG and int.from_bytes(urandom(4)) < rate * 2**32:
        _Drawn.before = logger.level
        logger.setLevel(logging.DEBUG)


def _undo() -> None:
    logger = _Drawn.logger
    if _Drawn.before is not None and logger.level == logging.DEBUG:  # else the handler has set another one
        logger.setLevel(_Drawn.before)
    _Drawn.before = None


class SampledDebug(Sink):
    """Decides for each invocation.

    Args:
        rate: the share of invocations that write DEBUG lines, from 0 to 1.
    """

    part = "log.sampling"

    def __init__(self, rate: float) -> None:
        self._rate = rate

    def enter(self, scope: Scope) -> None:  # noqa: ARG002 - a sink's
        """Draw."""
        draw(self._rate)

    def leave(self, scope: Scope, outcome: Outcome) -> None:  # noqa: ARG002 - a sink's
        """Have the level from before again."""
        _undo()
