"""`lambda_guard.logger`: Powertools' Logger, writing through our formatter.

What the handler appends to it ends with the invocation; what module-level code appends stays.
"""

import logging
from collections.abc import Iterable
from contextvars import Token
from typing import Any

from aws_lambda_powertools.logging import Logger
from aws_lambda_powertools.logging.formatter import (
    THREAD_LOCAL_KEYS,
    BasePowertoolsFormatter,
)

from ... import _scope
from ..._scope import Defaults
from .lines import format_line, line_logger


class PowertoolsFormatter(BasePowertoolsFormatter):
    """Our lines, under the interface through which Powertools' Logger keeps its keys."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of `record`."""
        return format_line(record)

    def append_keys(self, **additional_keys: Any) -> None:
        """Add keys to every line: until the invocation, or the record of its batch, ends; for good outside of one."""
        owner = _scope.keys_owner()
        if owner is None:
            Defaults.keys = {**Defaults.keys, **additional_keys}
        else:
            owner.user_keys = {**(owner.user_keys or {}), **additional_keys}

    def get_current_keys(self) -> dict[str, Any]:
        """Return the keys that were appended, not those of the invocation."""
        owner = _scope.keys_owner()
        keys = {**_scope.inherited_keys(), **((owner.user_keys if owner else None) or {})}
        return {key: value for key, value in keys.items() if value is not None}

    def remove_keys(self, keys: Iterable[str]) -> None:
        """Take keys off again; unknown ones don't matter."""
        gone = set(keys)
        owner = _scope.keys_owner()
        if owner is None:
            Defaults.keys = {key: value for key, value in Defaults.keys.items() if key not in gone}
        else:
            kept = {key: value for key, value in (owner.user_keys or {}).items() if key not in gone}
            owner.user_keys = {**kept, **dict.fromkeys(gone & _scope.inherited_keys().keys())}

    def clear_state(self) -> None:
        """Take off every key that was appended here."""
        self.remove_keys(self.get_current_keys())

    def append_context_keys(self, **additional_keys: Any) -> "ContextKeys":  # type: ignore[override]
        """Add keys for a `with` block; afterwards what was there before holds again."""
        return ContextKeys(additional_keys)

    def thread_safe_append_keys(self, **additional_keys: Any) -> None:
        """Add keys for this thread or task alone."""
        THREAD_LOCAL_KEYS.set({**THREAD_LOCAL_KEYS.get(), **additional_keys})

    def thread_safe_get_current_keys(self) -> dict[str, Any]:
        """Return the keys of this thread or task."""
        return THREAD_LOCAL_KEYS.get()

    def thread_safe_remove_keys(self, keys: Iterable[str]) -> None:
        """Take keys off this thread or task."""
        gone = set(keys)
        THREAD_LOCAL_KEYS.set({key: value for key, value in THREAD_LOCAL_KEYS.get().items() if key not in gone})

    def thread_safe_clear_keys(self) -> None:
        """Take every key off this thread or task."""
        THREAD_LOCAL_KEYS.set({})


class ContextKeys:
    """Keys for a `with` block.

    Not made with `contextlib.contextmanager`, which sets attributes on an exception that passes through: one that
    can't take them (a frozen dataclass) would come out as another one.
    """

    def __init__(self, keys: dict[str, Any]) -> None:
        self._keys = keys
        self._token: Token[dict[str, Any]] | None = None

    def __enter__(self) -> None:
        self._token = THREAD_LOCAL_KEYS.set({**THREAD_LOCAL_KEYS.get(), **self._keys})

    def __exit__(self, *_: object) -> None:
        if self._token is not None:
            THREAD_LOCAL_KEYS.reset(self._token)
            self._token = None


def _method(level: int, with_exception: Any = None) -> Any:
    """Make Powertools' method of a level, straight to our logger: there is no buffer between."""

    def log(  # noqa: PLR0917 - Powertools' signature
        self: Any,
        msg: object,
        *args: object,
        exc_info: Any = with_exception,
        stack_info: bool = False,
        stacklevel: int = 2,
        extra: Any = None,
        **kwargs: object,
    ) -> None:
        ours = self._logger
        if ours.isEnabledFor(level):
            ours._log(level, msg, args, exc_info, {**extra, **kwargs} if extra else kwargs, stack_info, stacklevel - 1)

    return log


class _Logger(Logger):
    """Powertools' Logger on top of a logger that we made: its handler and level are there already."""

    def append_context_keys(self, **additional_keys: Any) -> ContextKeys:  # type: ignore[override]
        return ContextKeys(additional_keys)

    def get_correlation_id(self) -> Any:
        return self.get_current_keys().get("correlation_id")

    def _get_logger(self) -> logging.Logger:
        return line_logger()

    debug = _method(logging.DEBUG)
    info = _method(logging.INFO)
    warning = _method(logging.WARNING)
    error = _method(logging.ERROR)
    critical = _method(logging.CRITICAL)
    exception = _method(logging.ERROR, with_exception=True)


def make_logger() -> Logger:
    """Make `lambda_guard.logger`."""
    ours = line_logger()
    handler = ours.handlers[0]
    handler.setFormatter(PowertoolsFormatter())
    ours.init = True  # type: ignore[attr-defined] - tells Powertools that handler and formatter are in place
    ours.powertools_handler = handler  # type: ignore[attr-defined]
    ours.powertools_buffer_config = None  # type: ignore[attr-defined]
    ours.powertools_buffer_cache = None  # type: ignore[attr-defined]
    logger = _Logger(service=ours.name, logger_handler=handler, level=ours.level)
    logger._default_log_keys = {}  # noqa: SLF001 - it would append its own service key whenever keys are cleared
    return logger
