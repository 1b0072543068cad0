"""The options: argument, then `LAMBDA_GUARD_*`, then the fallback variable, then the default; resolved at decoration.

`OPTIONS` has each of them once. The signature of `production` and the tables of the docs are compared with it.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, NamedTuple

from . import _names
from .errors import ConfigurationError

Read = Callable[[Any], Any]
_LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
_LEVEL_ALIASES: Final = {"TRACE": "DEBUG", "WARN": "WARNING", "FATAL": "CRITICAL"}
_TRUE: Final = dict.fromkeys(("1", "true", "yes", "on", "y", "t"), True)
_FALSE: Final = dict.fromkeys(("0", "false", "no", "off", "n", "f"), False)
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


class Kind:
    """What values an option takes.

    Attributes:
        accept: returns the value of an argument, None for one that isn't allowed.
        refusal: what an argument must be, for the message.
        read: returns the value that a variable's text stands for, None for a malformed one.
        expected: what a variable must be, for the message.
    """

    __slots__ = ("accept", "expected", "read", "refusal")

    def __init__(self, accept: Read, refusal: str, read: Read, expected: str) -> None:
        self.accept, self.refusal, self.read, self.expected = accept, refusal, read, expected


def _text(given: Any) -> str | None:
    return given if isinstance(given, str) and given.strip() else None


def _level(given: Any) -> str | None:
    name = given.strip().upper() if isinstance(given, str) else ""
    name = _LEVEL_ALIASES.get(name, name)
    return name if name in _LEVELS else None


def _number(said: str) -> int | None:
    return int(said) or None if said.isdecimal() and len(said) <= _DIGITS_MOST else None


def _dimensions(given: Any) -> tuple[str, ...] | None:
    if not isinstance(given, Collection) or isinstance(given, str):
        return None
    return tuple(dict.fromkeys(given)) if all(name in _DIMENSIONS for name in given) else None


def _never(_: Any) -> None:
    """Accept no argument: an option that only the environment has."""


def _words(words: Mapping[str, bool], expected: str, refusal: str = "") -> Kind:
    accept = (lambda given: given if isinstance(given, bool) else None) if refusal else _never
    return Kind(accept, refusal, lambda said: words.get(said.lower()), expected)


_A_LEVEL: Final = f"one of {', '.join(_LEVELS)}"
_ONLY_KNOWN: Final = f"takes a tuple of {' and '.join(map(repr, _DIMENSIONS))}"

TEXT: Final = Kind(_text, "must be a non-empty string, not {!r}", _text, "text")
LEVEL: Final = Kind(_level, f"must be {_A_LEVEL}, not {{!r}}", _level, _A_LEVEL)
FLAG: Final = _words(_TRUE | _FALSE, "true or false", "must be True or False, not {!r}")
CONTRARY: Final = _words({word: not value for word, value in (_TRUE | _FALSE).items()}, "true or false")
SWITCH: Final = _words(_TRUE | _FALSE, "true or false")
ON_OR_OFF: Final = _words(_TRUE | _FALSE, "on or off")
ALL_OR_FRUGAL: Final = _words({"frugal": False, "all": True}, "frugal or all")
NUMBER: Final = Kind(_never, "", _number, "a positive whole number")
DIMENSIONS: Final = Kind(
    _dimensions, f"{_ONLY_KNOWN}, not {{!r}}; service and function_name are always there", _never, ""
)


class Option:
    """One option.

    Attributes:
        name: the field of `Settings`, and the keyword of `production` where the kind accepts an argument.
        kind: what values it takes.
        variables: the environment variables in the order in which they count, each with the kind of what it says.
        default: the value without argument and variable; None where there is none, or where it depends.
        meaning: what it does, as the docs say it.
    """

    __slots__ = ("default", "kind", "meaning", "name", "variables")

    def __init__(
        self, name: str, kind: Kind, variables: Mapping[str, Kind], *, default: Any = None, meaning: str
    ) -> None:
        self.name, self.kind, self.variables = name, kind, variables
        self.default, self.meaning = default, meaning

    def value(self, given: Any, environ: Mapping[str, str], warnings: list[str]) -> Any:
        """Return what holds; a malformed variable becomes a warning.

        Raises:
            ConfigurationError: the argument isn't allowed.
        """
        if given is not None:
            value = self.kind.accept(given)
            if value is None:
                raise ConfigurationError(f"{self.name} {self.kind.refusal.format(given)}")
            return value
        for variable, kind in self.variables.items():
            said = environ.get(variable, "").strip()
            if said and (value := kind.read(said)) is not None:
                return value
            if said:
                warnings.append(f"{variable}={said[:64]!r} is not {kind.expected}: ignored")
        return self.default


def _in(kind: Kind, *variables: str) -> dict[str, Kind]:
    return dict.fromkeys(variables, kind)


OPTIONS: Final = (
    Option(
        "service",
        TEXT,
        _in(TEXT, _names.ENV_SERVICE, _names.ENV_PT_SERVICE),
        meaning="key in logs, dimension of metrics, annotation of traces",
    ),
    Option(
        "namespace",
        TEXT,
        _in(TEXT, _names.ENV_NAMESPACE, _names.ENV_PT_NAMESPACE),
        default=_names.DEFAULT_NAMESPACE,
        meaning="namespace of all metrics",
    ),
    Option(
        "log_level",
        LEVEL,
        _in(LEVEL, _names.ENV_LOG_LEVEL, _names.ENV_PT_LOG_LEVEL, _names.ENV_AWS_LOG_LEVEL),
        default="INFO",
        meaning="level of `lambda_guard.logger`",
    ),
    Option("each_record", FLAG, {}, default=False, meaning="the decorated function handles one record"),
    Option(
        "report_batch_item_failures",
        FLAG,
        {},
        default=False,
        meaning="with `each_record`: answer with a partial batch response",
    ),
    Option(
        "dimensions",
        DIMENSIONS,
        {},
        default=(),
        meaning="a second set of dimensions: `service`, `function_name` and any of `function_version`, `trigger`",
    ),
    Option(
        "capture_print",
        FLAG,
        _in(FLAG, _names.ENV_CAPTURE_PRINT),
        default=True,
        meaning="printed lines become structured ones at level INFO",
    ),
    Option(
        "metrics_all",
        ALL_OR_FRUGAL,
        _in(ALL_OR_FRUGAL, _names.ENV_METRICS),
        default=False,
        meaning="`all` adds `Invocations` and `Duration`, which `AWS/Lambda` gives per function, but not per service",
    ),
    Option(
        "tracing",
        ON_OR_OFF,
        {_names.ENV_TRACING: ON_OR_OFF, _names.ENV_PT_TRACE_DISABLED: CONTRARY},
        default=True,
        meaning="`off`: no trace, and the X-Ray SDK isn't imported",
    ),
    Option(
        "max_receive_count",
        NUMBER,
        _in(NUMBER, _names.ENV_MAX_RECEIVE_COUNT),
        meaning="`maxReceiveCount` of the source queue's redrive policy: tells the final attempt",
    ),
    Option(
        "disabled",
        SWITCH,
        _in(SWITCH, _names.ENV_DISABLED),
        default=False,
        meaning="kill switch: the bare handler runs",
    ),
)
_MEMORY: Final = Option(
    "memory_limit_mb", NUMBER, _in(NUMBER, _names.ENV_MEMORY_SIZE), meaning="Lambda's own"
)


def resolve(options: Mapping[str, Any], environ: Mapping[str, str]) -> Settings:
    """Resolve the options of `@production` against an environment.

    Args:
        options: the keyword arguments that were given; `None` counts as not given.
        environ: e.g. `os.environ`.

    Raises:
        ConfigurationError: a programmer's mistake: an option of the wrong type or out of its range. An operator's
            mistake, a malformed variable, becomes a text in `Settings.warnings` and the default holds.
    """
    warnings: list[str] = []
    found = {each.name: each.value(options.get(each.name), environ, warnings) for each in (*OPTIONS, _MEMORY)}
    function_name = environ.get(_names.ENV_FUNCTION_NAME) or "unknown"
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
        warnings=tuple(warnings),
    )
