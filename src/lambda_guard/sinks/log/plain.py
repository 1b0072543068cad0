"""What `lambda_guard.logger` can do, without Powertools: its methods, and the keys that it appends.

`logger` makes Powertools' Logger of it once that is needed. Where it can't be made (it isn't there, or one of its
variables has a value that it refuses), `PlainLogger` stands in, so that no handler fails for it.
"""

import logging
import os
from collections.abc import Callable, Iterable
from contextvars import ContextVar, Token
from typing import Any

from ... import _json, _names, _scope
from ..._failsafe import attempt, never_raises
from ..._scope import Defaults
from . import fields, lines


def _thread_variable() -> ContextVar[dict[str, Any]]:
    """Return the variable that holds the keys of a thread or task, which Powertools' loggers share with us."""
    if (variable := fields.ThreadKeys.variable) is None:
        variable = fields.ThreadKeys.variable = ContextVar("lambda_guard_thread_keys", default={})  # noqa: B039 - never changed
    return variable


class Keys:
    """The keys that stand on every line, under Powertools' names for what can be done with them."""

    @never_raises
    def append_keys(self, **additional_keys: Any) -> None:
        """Add keys to every line: until the invocation, or the record of its batch, ends; for good outside of one.

        Work that outlived its invocation adds them to its own lines only.
        """
        lines.note_formats(additional_keys)
        owner = _scope.work()
        if owner is None and _scope.is_nobodys():
            self.thread_safe_append_keys(**additional_keys)
        elif owner is None:
            Defaults.keys = {**Defaults.keys, **additional_keys}
        else:
            owner.user_keys = {**(owner.user_keys or {}), **additional_keys}

    def get_current_keys(self) -> dict[str, Any]:
        """Return the keys that were appended, not those of the invocation."""
        owner = _scope.work()
        keys = {**_scope.inherited_keys(), **((owner.user_keys if owner else None) or {})}
        return {key: value for key, value in keys.items() if value is not None}

    @never_raises
    def remove_keys(self, keys: Iterable[str]) -> None:
        """Take keys off again; unknown ones don't matter."""
        gone = set(keys)
        owner = _scope.work()
        if owner is None and _scope.is_nobodys():
            self.thread_safe_remove_keys(gone)
        elif owner is None:
            Defaults.keys = {key: value for key, value in Defaults.keys.items() if key not in gone}
        else:
            kept = {key: value for key, value in (owner.user_keys or {}).items() if key not in gone}
            owner.user_keys = {**kept, **dict.fromkeys(gone & _scope.inherited_keys().keys())}

    @never_raises
    def clear_state(self) -> None:
        """Take off every key that was appended here, those of this thread or task, too."""
        self.remove_keys(self.get_current_keys())
        self.thread_safe_clear_keys()

    def append_context_keys(self, **additional_keys: Any) -> "ContextKeys":
        """Add keys for a `with` block; afterwards what was there before holds again."""
        return ContextKeys(additional_keys)

    @never_raises
    def thread_safe_append_keys(self, **additional_keys: Any) -> None:
        """Add keys for this thread or task alone."""
        lines.note_formats(additional_keys)
        variable = _thread_variable()
        variable.set({**variable.get(), **additional_keys})

    def thread_safe_get_current_keys(self) -> dict[str, Any]:
        """Return the keys of this thread or task."""
        return _thread_variable().get()

    @never_raises
    def thread_safe_remove_keys(self, keys: Iterable[str]) -> None:
        """Take keys off this thread or task."""
        gone, variable = set(keys), _thread_variable()
        variable.set({key: value for key, value in variable.get().items() if key not in gone})

    @never_raises
    def thread_safe_clear_keys(self) -> None:
        """Take every key off this thread or task."""
        _thread_variable().set({})

    @never_raises
    def structure_logs(self, append: bool = False, formatter_options: object = None, **keys: Any) -> None:  # noqa: ARG002 - Powertools' signature
        """Append keys, instead of those that were there or besides them."""
        if not append:
            self.clear_state()
        self.append_keys(**keys)

    @never_raises
    def set_correlation_id(self, value: str | None) -> None:
        """Set the key `correlation_id`."""
        self.append_keys(correlation_id=value)

    def get_correlation_id(self) -> Any:
        """Return the key `correlation_id`."""
        return self.get_current_keys().get("correlation_id")


class ContextKeys:
    """Keys for a `with` block.

    Not made with `contextlib.contextmanager`, which sets attributes on an exception that passes through: one that
    can't take them (a frozen dataclass) would come out as another one.
    """

    def __init__(self, keys: dict[str, Any]) -> None:
        self._keys = keys
        self._token: Token[dict[str, Any]] | None = None

    @never_raises
    def __enter__(self) -> None:
        lines.note_formats(self._keys)
        variable = _thread_variable()
        self._token = variable.set({**variable.get(), **self._keys})

    @never_raises
    def __exit__(self, *_: object) -> None:
        token, self._token = self._token, None
        if token is None:
            return
        try:
            _thread_variable().reset(token)
        except ValueError:  # the block is left in another context, as that of a generator may be
            variable = _thread_variable()
            variable.set({key: value for key, value in variable.get().items() if key not in self._keys})


def _method(level: int, with_exception: Any = None, caller: int = 2) -> Any:
    """Make the method of a level, straight to our logger: there is no buffer between.

    Args:
        level: of logging.
        with_exception: what `exc_info` is if it isn't given.
        caller: the `stacklevel` that means the caller: 2 in Powertools' own methods, 1 in those of logging.
    """

    def log(
        self: Any,
        msg: object,
        *args: object,
        exc_info: Any = with_exception,
        stack_info: bool = False,
        stacklevel: int = caller,
        extra: Any = None,
        **kwargs: object,
    ) -> None:
        ours = self._logger
        if ours.isEnabledFor(level):
            fields = kwargs if extra is None else attempt("log.fields", lines.joined, extra, kwargs)
            up = stacklevel - caller + 1 if type(stacklevel) is int else 1
            ours._log(level, msg, args, exc_info, fields, stack_info, up)  # noqa: SLF001 - as Powertools

    return log


class Methods:
    """The methods of a logger that takes any field by keyword.

    None of them raises: what can't be done is said in the log.
    """

    _logger: logging.Logger

    @never_raises
    def setLevel(self, level: str | int | None) -> None:  # noqa: N802 - the library's name
        """Set the level, by its name or number; with `None` the one that the environment asks for."""
        from . import level as levels

        levels.set_level(level)

    @never_raises
    def refresh_sample_rate_calculation(self) -> None:
        """Decide anew whether DEBUG lines are written, where `POWERTOOLS_LOGGER_SAMPLE_RATE` has them sampled."""
        from . import level as levels

        levels.draw_again()

    def inject_lambda_context(
        self,
        lambda_handler: Callable[..., Any] | None = None,
        log_event: bool | None = None,
        correlation_id_path: str | None = None,
        clear_state: bool | None = False,  # noqa: ARG002 - Powertools' signature
        flush_buffer_on_uncaught_error: bool = False,  # noqa: ARG002 - likewise
    ) -> Any:
        """Return the handler as it is, and say in the log that the decorator can be deleted.

        Args:
            lambda_handler: the handler; without it, a decorator is returned.
            log_event: log the event first. The handler is then wrapped.
            correlation_id_path: where the event has its correlation id, in JMESPath. Likewise.
            clear_state: has no effect: keys end with the invocation.
            flush_buffer_on_uncaught_error: has no effect: there is no buffer.
        """
        if lambda_handler is None:
            return lambda handler: self.inject_lambda_context(handler, log_event, correlation_id_path)
        from . import injected

        given = self, lambda_handler, log_event, correlation_id_path
        wrapped = attempt("log.inject_lambda_context", injected.around, *given)
        return wrapped if wrapped is not None else lambda_handler

    debug = _method(logging.DEBUG)
    info = _method(logging.INFO)
    warning = _method(logging.WARNING)
    error = _method(logging.ERROR)
    warn = _method(logging.WARNING, caller=1)
    critical = _method(logging.CRITICAL)
    fatal = _method(logging.CRITICAL, caller=1)
    exception = _method(logging.ERROR, with_exception=True)

    def log(  # noqa: D102 - logging's
        self,
        level: Any,
        msg: object,
        *args: object,
        exc_info: Any = None,
        stack_info: bool = False,
        stacklevel: int = 1,
        extra: Any = None,
        **kwargs: object,
    ) -> None:
        if type(level) is not int:
            from . import level as levels

            level = attempt("log.level", levels.number, level) or logging.INFO
        ours = self._logger
        if ours.isEnabledFor(level):
            fields = attempt("log.fields", lines.joined, extra, kwargs)
            ours._log(level, msg, args, exc_info, fields, stack_info, stacklevel)  # noqa: SLF001 - as above

    @property
    def service(self) -> str:
        """The service that lines have; it is the option of `@production`."""
        scope = _scope.current()
        return scope.settings.service if scope is not None else Defaults.service

    @service.setter
    def service(self, service: str) -> None:
        """Take what Powertools' constructor sets."""

    @never_raises
    def addHandler(self, handler: logging.Handler) -> None:  # noqa: N802 - likewise
        """Have the lines written by another handler, too."""
        self._logger.addHandler(handler)

    @never_raises
    def addFilter(self, filter: Any) -> None:  # noqa: A002, N802 - likewise
        """Have each line judged by a filter; one that raises lets it pass."""
        self._logger.addFilter(filter)

    @never_raises
    def removeFilter(self, filter: Any) -> None:  # noqa: A002, N802 - likewise
        """Take a filter off again."""
        self._logger.removeFilter(filter)

    def getChild(self, suffix: str) -> logging.Logger:  # noqa: N802 - the library's name
        """Return the logger `lambda_guard.suffix`."""
        return self._logger.getChild(_json.text(suffix))

    def __getattr__(self, name: str) -> Any:
        """Return what a logger of logging has."""
        if name == "_logger":  # it isn't made yet
            raise AttributeError(name)
        found = getattr(self._logger, name)
        return never_raises(found) if callable(found) else found


class PlainLogger(Methods, Keys):
    """`lambda_guard.logger` where Powertools' Logger can't be made: the same methods, the same lines."""

    child = log_uncaught_exceptions = False
    logger_formatter = None

    def __init__(self) -> None:
        self._logger = lines.line_logger()
        self.logger_handler = self.registered_handler = self._logger.handlers[0]
        self.initial_log_level = self._logger.level
        self.sampling_rate = os.environ.get(_names.ENV_PT_SAMPLE_RATE)

    @property
    def registered_formatter(self) -> "PlainLogger":
        """Itself: it has the keys."""
        return self

    @property
    def log_level(self) -> int:
        """The level, as a number."""
        return self._logger.level

    def flush_buffer(self) -> None:
        """Do nothing: lines are written at once."""

    clear_buffer = flush_buffer
