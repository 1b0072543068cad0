"""Argument, then `LAMBDA_GUARD_*`, then the fallback variable, then the default: resolved once, at decoration."""

from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, NamedTuple

from . import _names
from .errors import ConfigurationError

_LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
_LEVEL_ALIASES: Final = {"TRACE": "DEBUG", "WARN": "WARNING", "FATAL": "CRITICAL"}
_TRUE: Final = frozenset({"1", "true", "yes", "on", "y", "t"})
_FALSE: Final = frozenset({"0", "false", "no", "off", "n", "f"})
_DIGITS_MOST: Final = 9
_DIMENSIONS: Final = ("function_version", "trigger")


class Settings(NamedTuple):
    """What holds for a decorated handler, for as long as the process lives."""

    service: str
    namespace: str
    log_level: str
    function_name: str
    function_version: str
    memory_limit_mb: int | None
    dimensions: tuple[str, ...]
    metrics_all: bool
    capture_print: bool
    tracing: bool
    disabled: bool
    each_record: bool
    report_batch_item_failures: bool
    max_receive_count: int | None
    warnings: tuple[str, ...]


def resolve(options: Mapping[str, Any], environ: Mapping[str, str]) -> Settings:
    """Resolve the options of `@production` against an environment.

    Args:
        options: the keyword arguments that were given; `None` counts as not given.
        environ: e.g. `os.environ`.

    Raises:
        ConfigurationError: a programmer's mistake: an option of the wrong type or out of its range. An operator's
            mistake, a malformed variable, becomes a text in `Settings.warnings` and the default holds.
    """
    found = _Resolver(options, environ)
    function_name = environ.get(_names.ENV_FUNCTION_NAME) or "unknown"
    settings = Settings(
        service=found.text("service", _names.ENV_SERVICE, _names.ENV_PT_SERVICE, default=function_name),
        namespace=found.text(
            "namespace", _names.ENV_NAMESPACE, _names.ENV_PT_NAMESPACE, default=_names.DEFAULT_NAMESPACE
        ),
        log_level=found.level(),
        function_name=function_name,
        function_version=environ.get(_names.ENV_FUNCTION_VERSION) or "$LATEST",
        memory_limit_mb=found.number(_names.ENV_MEMORY_SIZE),
        dimensions=found.dimensions(),
        metrics_all=found.choice(_names.ENV_METRICS, ("frugal", "all")) == "all",
        capture_print=found.flag("capture_print", _names.ENV_CAPTURE_PRINT, default=True),
        tracing=found.tracing(),
        disabled=found.flag("", _names.ENV_DISABLED, default=False),
        each_record=found.flag("each_record", "", default=False),
        report_batch_item_failures=found.flag("report_batch_item_failures", "", default=False),
        max_receive_count=found.number(_names.ENV_MAX_RECEIVE_COUNT),
        warnings=(),
    )
    if settings.report_batch_item_failures and not settings.each_record:
        raise ConfigurationError(
            "report_batch_item_failures=True needs each_record=True: "
            "write @production(each_record=True, report_batch_item_failures=True) on a function of one record"
        )
    return settings._replace(warnings=tuple(found.warnings))


class _Resolver:
    def __init__(self, options: Mapping[str, Any], environ: Mapping[str, str]) -> None:
        self.options = options
        self.environ = environ
        self.warnings: list[str] = []

    def text(self, option: str, *variables: str, default: str) -> str:
        if (given := self.options.get(option)) is not None:
            if not isinstance(given, str) or not given.strip():
                raise ConfigurationError(f"{option} must be a non-empty string, not {given!r}")
            return given
        return next((found for name in variables if (found := self.environ.get(name, "").strip())), default)

    def level(self) -> str:
        if (given := self.options.get("log_level")) is not None:
            if isinstance(given, str) and (level := _level(given)):
                return level
            raise ConfigurationError(f"log_level must be one of {', '.join(_LEVELS)}, not {given!r}")
        variables = (_names.ENV_LOG_LEVEL, _names.ENV_PT_LOG_LEVEL, _names.ENV_AWS_LOG_LEVEL)
        return self._first(variables, _level, f"one of {', '.join(_LEVELS)}") or "INFO"

    def flag(self, option: str, variable: str, *, default: bool) -> bool:
        if (given := self.options.get(option)) is not None:
            if not isinstance(given, bool):
                raise ConfigurationError(f"{option} must be True or False, not {given!r}")
            return given
        found = self._first((variable,), _boolean, "true or false")
        return default if found is None else found

    def choice(self, variable: str, allowed: tuple[str, ...]) -> str:
        return (
            self._first((variable,), lambda said: said if said in allowed else None, " or ".join(allowed))
            or allowed[0]
        )

    def number(self, variable: str) -> int | None:
        number: int | None = self._first(
            (variable,),
            lambda said: (
                int(said) if said.isdecimal() and len(said) <= _DIGITS_MOST and int(said) > 0 else None
            ),
            "a positive whole number",
        )
        return number

    def tracing(self) -> bool:
        on: bool | None = self._first((_names.ENV_TRACING,), _boolean, "on or off")
        if on is not None:
            return on
        return not self._first((_names.ENV_PT_TRACE_DISABLED,), _boolean, "true or false")

    def dimensions(self) -> tuple[str, ...]:
        given = self.options.get("dimensions")
        given = () if given is None else given
        known = isinstance(given, Collection) and not isinstance(given, str)
        if not known or any(name not in _DIMENSIONS for name in given):
            raise ConfigurationError(
                f"dimensions takes a tuple of {' and '.join(map(repr, _DIMENSIONS))}, not {given!r}; "
                "service and function_name are always there"
            )
        return tuple(dict.fromkeys(given))

    def _first(self, variables: tuple[str, ...], read: Callable[[str], Any], expected: str) -> Any:
        for name in variables:
            said = self.environ.get(name, "").strip()
            if said and (value := read(said if read is _level else said.lower())) is not None:
                return value
            if said:
                self.warnings.append(f"{name}={said[:64]!r} is not {expected}: ignored")
        return None


def _level(said: str) -> str | None:
    name = said.strip().upper()
    name = _LEVEL_ALIASES.get(name, name)
    return name if name in _LEVELS else None


def _boolean(said: str) -> bool | None:
    return True if said in _TRUE else False if said in _FALSE else None
