"""Log lines: every logger's, and `print`'s, as one JSON object each, with the invocation's keys.

`format_line` is the one place where a line is made. It needs nothing but the standard library, so that lines keep
coming where Powertools can't be imported; `powertools` puts Powertools' Logger in front of it.
"""

import json
import logging
import sys
from contextlib import suppress
from functools import lru_cache
from time import time
from typing import TYPE_CHECKING, Any, Final

from ... import _imports, _json, _names, _scope, _stdout
from ..._failsafe import attempt, failed
from ..._invocation import Outcome
from ..._scope import Defaults
from ..._settings import Settings
from ..._stdout import timestamp
from ...failure import exceptions
from .. import Sink
from .fields import ThreadKeys, all_fields, fields_text, share_thread_keys, thread_keys

if TYPE_CHECKING:
    from types import CodeType

LOGGER_NAME: Final = "lambda_guard"
LINE_BYTES_MOST: Final = 900_000  # a CloudWatch Logs event holds 1 MB

_bare = logging.LogRecord("", 0, "", 0, "", (), None)
_FIELDS: Final = len(vars(_bare))
_RESERVED: Final = frozenset(vars(_bare)) | {
    "message", "asctime", "taskName", "aws_request_id", "_frame_type",
}  # fmt: skip
_quote = _json.quote_text
_LEVEL_NAMES: Final = {10: '"DEBUG"', 20: '"INFO"', 30: '"WARNING"', 40: '"ERROR"', 50: '"CRITICAL"'}


def format_line(record: logging.LogRecord) -> str:
    """Return a log record as one line of JSON, without a line break."""
    attributes = vars(record)
    extra = None
    if len(attributes) > _FIELDS:
        extra = {key: value for key, value in attributes.items() if key not in _RESERVED}
        if extra.get("tenant_id", "") is None:  # the runtime client's, of a function without tenants
            del extra["tenant_id"]
    if LineLogger.formats:
        extra = {**_formatted_keys(record), **(extra or {})}
    said: Any = record.msg
    if record.args:
        said = _formatted(record.msg, record.args)
    elif type(said) is str and said[:1] in _MAYBE_JSON:
        said = _decoded(said)
    return make_line(
        record.levelno if record.levelno in _LEVEL_NAMES else record.levelname,
        _quote(f"{record.funcName}:{record.lineno}"), said, record.created, record.name, extra,
        record.exc_info, record.stack_info,
    )  # fmt: skip


def make_line(  # noqa: PLR0917 - what a line is made of
    level: Any,
    location: str,
    said: Any,
    created: float,
    name: str,
    extra: dict[str, Any] | None,
    exc_info: Any,
    stack_info: str | None,
) -> str:
    """Return one line of JSON, without a line break: the one place where a line is made.

    Args:
        level: of logging, or the name of a level that logging doesn't know.
        location: `function:line`, as JSON.
        said: the message, its arguments already in it; what JSON has a type for stays what it is.
        created: epoch seconds.
        name: the logger's.
        extra: the user's fields.
        exc_info: as logging takes it.
        stack_info: as logging makes it.
    """
    scope = _scope.current()
    item = _scope.item_of(scope) if scope is not None else None
    work = item or scope
    service = scope.settings.service if scope is not None else Defaults.service
    line = (
        f"{_LEVEL}{_LEVEL_NAMES.get(level) or _other_level(level)}{_LOCATION}{location}"
        f"{_MESSAGE}{_quote(said) if type(said) is str else _object(said)}{_TIMESTAMP}{timestamp(created)}"
        f"{_service_and_logger(service, name)}"
        f"{fields_text(extra, scope, item, exc_info, stack_info)}{work.tail if work is not None else ''}}}"
    )
    if not line.isascii():
        line = _json.encodable(line)
    return line if len(line) <= LINE_BYTES_MOST // 4 else _fit(line)


_LEVEL: Final = f'{{"{_names.LEVEL}":'
_LOCATION: Final = f',"{_names.LOCATION}":'
_MESSAGE: Final = f',"{_names.MESSAGE}":'
_TIMESTAMP: Final = f',"{_names.TIMESTAMP}":"'
_SERVICE: Final = f'","{_names.SERVICE}":'
_LOGGER: Final = f',"{_names.LOGGER_NAME}":'


@lru_cache(64)
def _service_and_logger(service: str, name: str) -> str:
    return f"{_SERVICE}{_quote(service)}{_LOGGER}{_quote(name)}"


def warn(said: str, fields: dict[str, Any] | None = None) -> None:
    """Write a WARNING of our own."""
    _stdout.write(
        make_line(logging.WARNING, f'"{LOGGER_NAME}"', said, time(), LOGGER_NAME, fields, None, None)
    )


def _other_level(level: int | str) -> str:
    return _quote(level if isinstance(level, str) else logging.getLevelName(level))


def _fit(line: str) -> str:
    return line if len(line.encode()) <= LINE_BYTES_MOST else _json.fit(json.loads(line), LINE_BYTES_MOST)


# Appended keys with these names are formats, as with Powertools: `append_keys(process="%(process)d")`.
FORMATS: Final = frozenset(vars(_bare)) | {"asctime", _names.LEVEL, _names.LOCATION, _names.TIMESTAMP}


def note_formats(keys: dict[str, Any]) -> None:
    """Have lines made of records from now on if one of `keys` takes its value from them."""
    if any(type(keys[name]) is str and "%(" in keys[name] for name in FORMATS & keys.keys()):
        LineLogger.formats = True


def _formatted_keys(record: logging.LogRecord) -> dict[str, Any]:
    from . import formats  # late: few use them

    scope = _scope.current()
    appended = all_fields(None, scope, _scope.item_of(scope) if scope is not None else None, None, None)
    return formats.formatted(appended, FORMATS, record)


def _object(said: Any) -> str:
    return _json.encode(
        said if issubclass(type(said), dict | list | tuple | int | float) else _json.text(said)
    )


_MAYBE_JSON: Final = frozenset("{[ \t\r\n")  # the first character of text that may be an object or array


def _decoded(said: str) -> Any:
    """Return the object or array that a text is, as Powertools does; any other text as it is.

    A number, `true` or `null` stays text, where Powertools decodes it: `null` would leave a line without a message, and
    an id of many digits would come out as another one. Whatever is in the object stays below `message`, so that no line
    can pass for one of another kind.
    """
    if len(said) <= LINE_BYTES_MOST and said.lstrip(" \t\r\n")[:1] in ("{", "["):
        with suppress(ValueError, RecursionError):  # no JSON, or nested deeper than can be read
            return json.loads(said)
    return said


def _formatted(said: Any, args: Any) -> str:
    try:
        if type(args) is tuple and len(args) == 1 and isinstance(args[0], dict) and args[0]:
            args = args[0]
        formatted: str = str(said) % args
        return formatted
    except (Exception, SystemExit):  # arguments that don't fit, or exit: the line is worth more than its form
        return f"{_json.text(said)} {_json.text(args)}"


class Handler(logging.Handler):
    """Writes to standard output, whatever that is at the moment, below our capture of `print`."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line; what goes wrong is ours and is counted, never raised into the handler."""
        attempt("log.line", self._write, record)

    def _write(self, record: logging.LogRecord) -> None:
        line = attempt("log.formatter", self.format, record) if self.formatter else None
        _stdout.write(line if type(line) is str else format_line(record))


class LineLogger(logging.Logger):
    """A logger that takes any field, and writes its lines without going through a record where nobody else listens.

    `logging.config` disables every logger that it isn't told of, unless it is told not to. Ours stays: it is its level
    that silences it.
    """

    disabled = property(lambda _: False, lambda *_: None)
    formats = False  # whether a key was appended that takes its value from each record

    def isEnabledFor(self, level: int) -> bool:  # noqa: N802 - the library's name
        """Answer as logging does, without asking whether the logger is disabled."""
        known: bool | None = self._cache.get(level)  # type: ignore[attr-defined]  # logging's own
        return super().isEnabledFor(level) if known is None else known

    def _log(  # noqa: PLR0917 - logging's signature
        self,
        level: int,
        msg: object,
        args: Any,
        exc_info: Any = None,
        extra: Any = None,
        stack_info: bool = False,
        stacklevel: int = 1,
        **fields: Any,
    ) -> None:
        if fields or type(extra) is not dict:
            extra = attempt("log.fields", joined, extra, fields)
        alone = len(self.handlers) == 1 and type(self.handlers[0]) is Handler
        if self.propagate or self.filters or self.formats or stack_info is not False or not alone:
            # Above the frames of logging's own file, which it doesn't count: this one, and Powertools' method.
            above = 1 + (sys._getframe(1).f_code.co_filename != logging._srcfile)  # noqa: SLF001 - as `findCaller`
            try:
                if isinstance(exc_info, BaseException):  # logging would ask it whether it is true
                    exc_info = (type(exc_info), exc_info, exceptions.trace_of(exc_info))
                super()._log(level, msg, args, exc_info, _renamed(extra), stack_info, stacklevel + above)
            except Exception as error:  # an argument of a kind that logging doesn't take
                attempt("log.line", failed, "log.record", error)
            else:
                return
        attempt("log.line", _write_line, self.name, level, msg, args, exc_info, extra, stacklevel)

    def filter(self, record: logging.LogRecord) -> Any:
        """Ask the user's filters; where one raises, the line is written."""
        found = attempt("log.filter", super().filter, record)
        return True if found is None else found

    def callHandlers(self, record: logging.LogRecord) -> None:  # noqa: N802 - the library's name
        """Write the line, ours first; what another handler raises isn't the caller's."""
        attempt("log.handlers", super().callHandlers, record)


def _write_line(  # noqa: PLR0917 - as above
    name: str, level: int, said: Any, args: Any, exc_info: Any, extra: dict[str, Any] | None, stacklevel: int
) -> None:
    if args:
        said = _formatted(said, args)
    elif type(said) is str and said[:1] in _MAYBE_JSON:
        said = _decoded(said)
    frame = sys._getframe(4)  # noqa: SLF001 - attempt, _log and a method of logging or Powertools lie between
    above = type(stacklevel) is int and stacklevel > 1
    known = None if above else _known_locations.get((id(frame.f_code), frame.f_lasti))
    _, location = known or _located(frame, stacklevel if above else 1)
    _stdout.write(make_line(level, location, said, time(), name, _renamed(extra), exc_info, None))


# The place of a call → its code, which keeps the id from being another's, and its location as JSON.
_known_locations: Final[dict[tuple[int, int], tuple["CodeType", str]]] = {}
_LOCATIONS_MOST: Final = 256


def _located(frame: Any, stacklevel: int) -> tuple["CodeType", str]:
    """Return what is to be known of a frame's place; where another frame is the caller's, it isn't kept."""
    called, asked = frame, stacklevel
    while frame.f_code.co_filename == logging._srcfile:  # noqa: SLF001 - `exception` calls `error`
        frame = frame.f_back
    while stacklevel > 1 and frame.f_back is not None:
        frame, stacklevel = frame.f_back, stacklevel - 1
    code = frame.f_code
    found = code, _quote(f"{code.co_name}:{frame.f_lineno}")
    if frame is called and asked == 1:
        if len(_known_locations) >= _LOCATIONS_MOST:  # code that is made again and again
            _known_locations.clear()
        _known_locations[id(code), frame.f_lasti] = found
    return found


def joined(extra: Any, fields: dict[str, Any]) -> dict[str, Any]:
    """Return `extra` and `fields` in one; what is no mapping is a field by itself, where `**` would raise."""
    if extra is None:
        return fields
    try:
        return {**extra, **fields}
    except Exception:
        return {"extra": extra, **fields}


def _renamed(extra: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return fields that a record can take: a taken name gets an underscore, where logging would raise `KeyError`."""
    if not extra or _RESERVED.isdisjoint(extra):
        return extra
    return {(f"{key}_" if key in _RESERVED else key): value for key, value in extra.items()}


def line_logger() -> logging.Logger:
    """Return the logger of ours, made and given its handler on the first call.

    It doesn't pass its lines on to the root logger, whose handler in Lambda would write them again; pytest's
    `caplog` listens there, so that under pytest it does.
    """
    known = logging.root.manager.loggerDict.get(LOGGER_NAME)
    if isinstance(known, LineLogger):
        return known
    logger = LineLogger(LOGGER_NAME, logging.INFO)
    logger.parent = logging.root
    logger.propagate = "_pytest.logging" in sys.modules
    handler = Handler()
    logger.addHandler(handler)
    logging.root.manager.loggerDict[LOGGER_NAME] = logger
    _imports.when_imported("aws_lambda_powertools.logging.formatter", "log.keys", share_thread_keys)
    return logger


def set_level_of(settings: Settings) -> None:
    """Give our logger its level."""
    logger = line_logger()
    logger.setLevel(settings.log_level)
    if settings.log_sample_rate is not None:
        from . import sampling  # late: only an operator's word needs it

        sampling.begin(logger, settings.log_sample_rate)


class LogKeys(Sink):
    """Keeps the keys that the handler gives to its own thread out of the next invocation."""

    part = "log"

    def enter(self, scope: _scope.Scope) -> None:
        """Note the keys that the thread has by itself."""
        scope.thread_keys = thread_keys()

    def leave(self, scope: _scope.Scope, _: Outcome) -> None:
        """Take back those that the handler gave it."""
        if ThreadKeys.variable is not None and thread_keys() is not scope.thread_keys:
            ThreadKeys.variable.set(scope.thread_keys or {})
