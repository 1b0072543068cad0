"""The options: argument, then `LAMBDA_GUARD_*`, then the fallback variable, then the default; resolved at decoration.

`OPTIONS` lists each of them once. Tests compare the signature of `production` and the tables of the docs with it.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from . import _names
from .errors import ConfigurationError

Read = Callable[[Any], Any]
# Returns the value of a variable's text, None if malformed; what the text must be, empty if it may be anything.
Kind = tuple[Read, str]
_LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
LEVEL_ALIASES: Final = {"TRACE": "DEBUG", "WARN": "WARNING", "FATAL": "CRITICAL"}
_TRUE: Final = ("1", "true", "yes", "on", "y", "t")
_FALSE: Final = ("0", "false", "no", "off", "n", "f")
_DIGITS_MOST: Final = 9
UNKNOWN: Final = "unknown"  # the name of a function outside Lambda, as far as the environment says
_DIMENSIONS: Final = ("function_version", "trigger")


class Settings:
    """The settings of a decorated handler, which last as long as the process."""

    service: str
    namespace: str
    log_level: str
    log_sample_rate: float | None
    function_name: str
    function_version: str
    memory_limit_mb: int | None
    dimensions: tuple[str, ...]
    metrics_all: bool
    capture_print: bool
    tracing: str  # a tracer of `sinks.tracer`, or empty
    disabled: bool
    each_record: bool
    report_batch_item_failures: bool
    max_receive_count: int | None
    replayed_lines: bool
    call_resources: bool
    initialization_type: str
    managed_instances: bool
    warnings: tuple[str, ...]

    def __init__(self, **resolved: Any) -> None:
        vars(self).update(resolved)

    def for_function(self, name: str) -> "Settings":
        """Return the same settings, with the service named after the function."""
        return Settings(**{**vars(self), "service": name})


class Option:
    """One option.

    Attributes:
        name: the field of `Settings`, and the keyword of `production` if `accept` is given.
        accept: returns the value of an argument, None if it isn't allowed; None: it can only be set by the environment.
        refusal: what an argument must be, for the message.
        variables: the environment variables in order of precedence, each with the kind of its value.
        default: the value without an argument or variable; None if there is none, or if it depends on other values.
    """

    __slots__ = ("accept", "default", "name", "refusal", "variables")

    def __init__(
        self,
        name: str,
        accept: Read | None = None,
        refusal: str = "",
        *,
        variables: Mapping[str, Kind] | None = None,
        default: Any = None,
    ) -> None:
        self.name, self.accept, self.refusal = name, accept, refusal
        self.variables, self.default = variables or {}, default

    def value(self, given: Any, environ: Mapping[str, str], warnings: list[str]) -> Any:
        """Return the resolved value; a malformed variable becomes a warning.

        Raises:
            ConfigurationError: the argument isn't allowed.
        """
        if given is not None and self.accept is not None:
            value = self.accept(given)
            if value is None:
                raise ConfigurationError(f"{self.name} {self.refusal.format(given)}")
            return value
        for variable, (read, expected) in self.variables.items():
            said = environ.get(variable, "").strip()
            if said and (value := read(said)) is not None:
                return value
            if said and expected:
                warnings.append(f"{variable}={said[:64]!r} is not {expected}: ignored")
        return self.default


def _text(given: Any) -> str | None:
    return given if isinstance(given, str) and given.strip() else None


def _level(given: Any) -> str | None:
    name = given.strip().upper() if isinstance(given, str) else ""
    name = LEVEL_ALIASES.get(name, name)
    return name if name in _LEVELS else None


def _flag(given: Any) -> bool | None:
    return given if isinstance(given, bool) else None


def _dimensions(given: Any) -> tuple[str, ...] | None:
    if not isinstance(given, Collection) or isinstance(given, str):
        return None
    return tuple(dict.fromkeys(given)) if all(name in _DIMENSIONS for name in given) else None


def _number(said: str) -> int | None:
    return int(said) or None if said.isdecimal() and len(said) <= _DIGITS_MOST else None


def _rate(said: str) -> float | None:
    try:
        rate = float(said)
    except ValueError:
        return None
    return rate if 0 <= rate <= 1 else None


def is_on(said: str) -> bool | None:
    """Return whether a variable's text means on or off; `None` if neither."""
    return True if said.lower() in _TRUE else False if said.lower() in _FALSE else None


def _is_off(said: str) -> bool | None:
    on = is_on(said)
    return None if on is None else not on


def _tracer(said: str) -> str | None:
    return "otlp" if said.lower() == "otlp" else _TRACERS.get(is_on(said))


def _tracer_unless(said: str) -> str | None:
    return _TRACERS.get(_is_off(said))


def _is_all(said: str) -> bool | None:
    return {"frugal": False, "all": True}.get(said.lower())


_A_LEVEL: Final = f"one of {', '.join(_LEVELS)}"
_NOT_EMPTY: Final = "must be a non-empty string, not {!r}"
_TRUE_OR_FALSE: Final = "must be True or False, not {!r}"
_ONLY_KNOWN: Final = (
    f"takes a tuple of {' and '.join(map(repr, _DIMENSIONS))}, not {{!r}}; "
    "service and function_name are always there"
)

_TRACERS: Final[dict[bool | None, str]] = {True: "xray", False: ""}
_SAID: Final = (_text, "text")
_ON: Final = (is_on, "true or false")
_COUNT: Final = (_number, "a positive whole number")

OPTIONS: Final = (
    Option(
        "service",
        _text,
        _NOT_EMPTY,
        variables=dict.fromkeys((_names.ENV_SERVICE, _names.ENV_PT_SERVICE), _SAID),
    ),
    Option(
        "namespace",
        _text,
        _NOT_EMPTY,
        variables=dict.fromkeys((_names.ENV_NAMESPACE, _names.ENV_PT_NAMESPACE), _SAID),
        default=_names.DEFAULT_NAMESPACE,
    ),
    Option(
        "log_level",
        _level,
        f"must be {_A_LEVEL}, not {{!r}}",
        # Powertools' order; the last has a name that other code may use in its own way.
        variables={
            **dict.fromkeys(
                (_names.ENV_LOG_LEVEL, _names.ENV_AWS_LOG_LEVEL, _names.ENV_PT_LOG_LEVEL), (_level, _A_LEVEL)
            ),
            _names.ENV_PT_OLD_LOG_LEVEL: (_level, ""),
        },
        default="INFO",
    ),
    Option("log_sample_rate", variables={_names.ENV_PT_SAMPLE_RATE: (_rate, "a number from 0 to 1")}),
    Option("each_record", _flag, _TRUE_OR_FALSE, default=False),
    Option("report_batch_item_failures", _flag, _TRUE_OR_FALSE, default=False),
    Option("dimensions", _dimensions, _ONLY_KNOWN, default=()),
    Option("capture_print", _flag, _TRUE_OR_FALSE, variables={_names.ENV_CAPTURE_PRINT: _ON}, default=True),
    Option("metrics_all", variables={_names.ENV_METRICS: (_is_all, "frugal or all")}, default=False),
    Option(
        "tracing",
        variables={
            _names.ENV_TRACING: (_tracer, "on, otlp or off"),
            _names.ENV_PT_TRACE_DISABLED: (_tracer_unless, "true or false"),
        },
        default="xray",
    ),
    Option("max_receive_count", variables={_names.ENV_MAX_RECEIVE_COUNT: _COUNT}),
    Option("replayed_lines", variables={_names.ENV_REPLAYED_LINES: (is_on, "on or off")}, default=True),
    Option("call_resources", variables={_names.ENV_CALL_RESOURCES: (is_on, "on or off")}, default=True),
    Option("disabled", variables={_names.ENV_DISABLED: _ON}, default=False),
)
_MEMORY: Final = Option("memory_limit_mb", variables={_names.ENV_MEMORY_SIZE: _COUNT})  # Lambda's own


def resolve(options: Mapping[str, Any], environ: Mapping[str, str]) -> Settings:
    """Resolve the options of `@production` against an environment.

    Args:
        options: the keyword arguments that were given; `None` counts as not given.
        environ: e.g. `os.environ`.

    Raises:
        ConfigurationError: an option has the wrong type or is out of range: a programmer's mistake. An operator's
            mistake, a malformed variable, adds a text to `Settings.warnings`, and the default is used.
    """
    warnings: list[str] = []
    found = {each.name: each.value(options.get(each.name), environ, warnings) for each in (*OPTIONS, _MEMORY)}
    if (least := _level(environ.get(_names.ENV_AWS_LOG_LEVEL))) is not None:
        asked = _level(options.get("log_level")) or _asked_by_variables(environ) or least
        warnings += _warning_of_drops(asked, least)
    function_name = environ.get(_names.ENV_FUNCTION_NAME) or UNKNOWN
    kind = environ.get(_names.ENV_INITIALIZATION_TYPE, "").strip()
    found["service"] = found["service"] or function_name
    if found["report_batch_item_failures"] and not found["each_record"]:
        raise ConfigurationError(
            "report_batch_item_failures=True needs each_record=True: "
            "write @production(each_record=True, report_batch_item_failures=True) on a function of one record"
        )
    return Settings(
        **found,
        function_name=function_name,
        function_version=environ.get(_names.ENV_FUNCTION_VERSION) or "$LATEST",
        initialization_type=kind,
        managed_instances=kind == _names.MANAGED_INSTANCES,
        warnings=tuple(warnings),
    )


def _asked_by_variables(environ: Mapping[str, str]) -> str | None:
    names = (_names.ENV_LOG_LEVEL, _names.ENV_PT_LOG_LEVEL, _names.ENV_PT_OLD_LOG_LEVEL)
    return next(filter(None, (_level(environ.get(name)) for name in names)), None)


def _warning_of_drops(asked: str, least: str) -> list[str]:
    """Return a warning if lines that are asked for don't get through Lambda.

    https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-log-level.html
    """
    if _LEVELS.index(asked) >= _LEVELS.index(least):
        return []
    said = f"lines of level {asked} are asked for, but {_names.ENV_AWS_LOG_LEVEL}={least} lets no lower ones through"
    return [f"{said}: set the application log level in the function's logging configuration"]
