"""The public names besides the decorator.

`logger` and `metrics` are created on demand; if Powertools can't be imported, stand-ins let the handler run.
"""

import os
from typing import Any

from . import _settings
from ._failsafe import attempt
from ._invocation import Invocation
from ._scope import Defaults, current
from .sinks.log.lines import set_level_of


def current_invocation() -> Invocation | None:
    """Return the facts of the invocation that is running here, or `None` outside an invocation."""
    scope = current()
    return scope.invocation if scope is not None else None


def logger() -> Any:
    """Return `lambda_guard.logger`: Powertools' Logger, writing our log lines."""
    attempt("settings", _set_defaults)
    return attempt("log.logger", _powertools_logger) or _plain_logger()


def metrics() -> Any:
    """Return `lambda_guard.metrics`."""
    attempt("settings", _set_defaults)
    from .sinks.metrics.facade import Metrics

    return Metrics()


def _set_defaults() -> None:
    """Apply the environment's settings to what module-level code writes before anything is decorated."""
    if Defaults.are_set:
        return
    settings = _settings.resolve({}, os.environ)
    set_level_of(settings)
    Defaults.set(settings)


def _powertools_logger() -> Any:
    from .sinks.log.powertools import make_logger

    return make_logger()


def _plain_logger() -> Any:
    from .sinks.log.plain import PlainLogger

    return PlainLogger()
