"""`lambda_guard.logger`: one object, which is Powertools' Logger to whoever has imported Powertools.

Nearly all that it is used for needs nothing of Powertools, whose import takes longer than all of ours. So it begins
without; once Powertools' logger has been imported, by whomever, it becomes an instance of it. Asked for something
that only Powertools has, it imports Powertools itself.
"""

from typing import Any

from ... import _imports
from ..._failsafe import attempt
from . import lines
from .plain import Keys, Methods, PlainLogger

_HOME = "aws_lambda_powertools.logging.logger"


class Logger(Methods, Keys):
    """Our logger, as long as nobody has imported Powertools."""

    def __init__(self) -> None:
        self._logger = lines.line_logger()

    def __getattr__(self, name: str) -> Any:
        """Return what a logger of logging has, or else what Powertools' Logger has."""
        if name == "_logger" or name.startswith("__") or hasattr(self._logger, name):
            return super().__getattr__(name)
        attempt("log.logger", _import_powertools)
        if type(self) is Logger:  # it isn't there, or refuses one of its own variables
            self.__class__ = PlainLogger  # type: ignore[assignment]  # both are made of the same two classes
            PlainLogger.__init__(self)  # type: ignore[arg-type]
        return getattr(self, name)


def make_logger() -> Any:
    """Make `lambda_guard.logger`."""
    logger = Logger()

    def become(_: Any) -> None:
        from .powertools import become

        if type(logger) is Logger:
            become(logger)

    _imports.when_imported(_HOME, "log.logger", become)
    return logger


def _import_powertools() -> None:
    import aws_lambda_powertools.logging.logger  # noqa: F401 - what follows an import of it does the rest
