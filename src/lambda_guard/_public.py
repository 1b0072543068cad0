"""The public names besides the decorator.

`logger` and `metrics` are created on demand.
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
    """Return `lambda_guard.logger`, which writes our log lines."""
    attempt("settings", _set_defaults)
    from .sinks.log.logger import make_logger

    return make_logger()


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
