"""Lines that the replay of a durable execution repeats, held back where `LAMBDA_GUARD_REPLAYED_LINES=off` asks for it.

Imported only there.
"""

import logging

from ... import _scope
from . import lines, other_loggers


def install() -> None:
    """Hold them back in our logger and in the runtime client's handler; `printed` asks for itself."""
    for target in (lines.line_logger(), *other_loggers.runtime_handlers()):
        if _is_new not in target.filters:
            target.addFilter(_is_new)


def _is_new(_: logging.LogRecord) -> bool:
    return not _scope.is_held_back(_scope.current())
