"""What `lambda_guard.logger` can do, without Powertools: its methods, and the keys that it appends.

`powertools` puts Powertools' Logger on top. Where that can't be made (it isn't there, or one of its variables has a
value that it refuses), `PlainLogger` stands in, so that no handler fails for it.
"""

import logging
from collections.abc import Callable, Iterable
from contextvars import ContextVar, Token
from typing import Any

from ... import _scope
from ..._failsafe import attempt, never_raises
from ..._scope import Defaults
from . import lines


def _thread_variable() -> ContextVar[dict[str, Any]]:
    """Return the variable that holds the keys of a thread or task: Powertools', so that its loggers have them, too."""
    if (known := lines.thread_variable()) is None:
        known = lines.use_thread_variable(ContextVar("lambda_guard_thread_keys", default={}))  # noqa: B039 - never changed
    variable: ContextVar[dict[str, Any]] = known
    return variable


class Keys:
    """The keys that stand on every line, under Powertools' names for what can be done with them."""

    @never_raises
    def append_keys(self, **additional_keys: Any) -> None:
        """Add keys to every line: until the invocation, or the record of its batch, ends; for good outside of one.

        Work that outlived its invocation adds them to its own lines only.
        """
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
        """Take off every key that was appended here."""
        self.remove_keys(self.get_current_keys())

    def append_context_keys(self, **additional_keys: Any) -> "ContextKeys":
        """Add keys for a `with` block; afterwards what was there before holds again."""
        return ContextKeys(additional_keys)

    @never_raises
    def thread_safe_append_keys(self, **additional_keys: Any) -> None:
        """Add keys for this thread or task alone."""
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


class ContextKeys:
    """Keys for a `with` block.

    Not made with `contextlib.contextmanager`, which sets attributes on an exception that passes through: one that
    can't take them (a frozen dataclass) would come out as another one.
    """

    def __init__(self, keys: dict[str, Any]) -> None:
        self._keys = keys
        self._token: Token[dict[str, Any]] | None = None

    def __enter__(self) -> None:
        variable = _thread_variable()
        self._token = variable.set({**variable.get(), **self._keys})

    def __exit__(self, *_: object) -> None:
        if self._token is not None:
            _thread_variable().reset(self._token)
            self._token = None


def _method(level: int, with_exception: Any = None) -> Any:
    """Make Powertools' method of a level, straight to our logger: there is no buffer between."""

    def log(
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
            fields = kwargs if extra is None else attempt("log.fields", lines.joined, extra, kwargs)
            ours._log(level, msg, args, exc_info, fields, stack_info, stacklevel - 1)  # noqa: SLF001 - as Powertools

    return log


class Methods:
    """The methods of a logger that takes any field by keyword.

    None of them raises: what can't be done is said in the log.
    """

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

    debug = _method(logging.DEBUG)
    info = _method(logging.INFO)
    warning = _method(logging.WARNING)
    error = _method(logging.ERROR)
    critical = _method(logging.CRITICAL)
    exception = _method(logging.ERROR, with_exception=True)


class PlainLogger(Methods, Keys):
    """`lambda_guard.logger` where Powertools' Logger can't be made: the same methods, the same lines."""

    def __init__(self) -> None:
        self._logger = lines.line_logger()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._logger, name)

    def structure_logs(self, append: bool = False, formatter_options: object = None, **keys: Any) -> None:  # noqa: ARG002 - Powertools' signature
        """Append keys, instead of those that were there or besides them."""
        if not append:
            self.clear_state()
            self.thread_safe_clear_keys()
        self.append_keys(**keys)

    def set_correlation_id(self, value: str | None) -> None:
        """Set the key `correlation_id`."""
        self.append_keys(correlation_id=value)

    def get_correlation_id(self) -> Any:
        """Return the key `correlation_id`."""
        return self.get_current_keys().get("correlation_id")

    def inject_lambda_context(self, lambda_handler: Callable[..., Any] | None = None, **_: Any) -> Any:
        """Return the handler as it is: its lines have the keys of its context already."""
        return lambda_handler if lambda_handler is not None else lambda handler: handler
