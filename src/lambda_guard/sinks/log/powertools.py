"""`lambda_guard.logger` as Powertools' Logger, writing through our formatter. Imported once Powertools is.

What the handler appends to it ends with the invocation; what module-level code appends stays.
"""

import logging
import warnings

from aws_lambda_powertools.logging.formatter import BasePowertoolsFormatter
from aws_lambda_powertools.logging.logger import Logger  # from its home, which is there before the package is

from .lines import format_line, line_logger
from .plain import Keys, Methods


class PowertoolsFormatter(Keys, BasePowertoolsFormatter):  # type: ignore[misc]  # a better `append_context_keys`
    """Our lines, under the interface through which Powertools' Logger keeps its keys."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of `record`."""
        return format_line(record)


class _Logger(Methods, Keys, Logger):  # type: ignore[misc]  # as above
    """Powertools' Logger on top of a logger that we made: its handler and level are there already."""

    def _get_logger(self) -> logging.Logger:
        return line_logger()


def become(logger: object) -> None:
    """Make a logger of ours an instance of Powertools' Logger.

    Args:
        logger: made of `Methods` and `Keys`, too.

    Raises:
        Exception: Powertools refuses one of its own variables.
    """
    ours = line_logger()
    handler = ours.handlers[0]
    handler.setFormatter(PowertoolsFormatter())
    # By these Powertools knows that handler and formatter are in place.
    vars(ours).update(
        init=True, powertools_handler=handler, powertools_buffer_config=None, powertools_buffer_cache=None
    )
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # that Lambda's log level is another one than ours: it is the operator's
        made = _Logger(service=ours.name, logger_handler=handler, level=ours.level)
    made._default_log_keys = {}  # noqa: SLF001 - it would append its own service key whenever keys are cleared
    vars(logger).update(vars(made))
    logger.__class__ = _Logger
