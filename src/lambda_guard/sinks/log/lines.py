"""Log lines: every logger's, and `print`'s, as one JSON object each, with the invocation's keys.

`format_line` is the one place where a line is made. It needs nothing but the standard library, so that lines keep
coming where Powertools can't be imported; `powertools` puts Powertools' Logger in front of it.
"""

import logging
import sys
from contextlib import suppress
from itertools import islice
from typing import Any, Final

from ... import _error, _json, _names, _output, _scope
from ..._output import timestamp
from ..._scope import Defaults
from ..._seam import attempt

LOGGER_NAME: Final = "lambda_guard"
LINE_BYTES_MOST: Final = 900_000  # a CloudWatch Logs event holds 1 MB

_bare = logging.LogRecord("", 0, "", 0, "", (), None)
_FIELDS: Final = len(vars(_bare))
_RESERVED: Final = frozenset(vars(_bare)) | {
    "message", "asctime", "taskName", "aws_request_id", "tenant_id", "_frame_type",
}  # fmt: skip
_OURS: Final = frozenset(
    (*_names.LINE_KEYS, _names.MESSAGE_ID, "xray_trace_id", "level", "location", "message", "timestamp", "service", "logger")
)
_LEVEL_NAMES: Final = {10: '"DEBUG"', 20: '"INFO"', 30: '"WARNING"', 40: '"ERROR"', 50: '"CRITICAL"'}


def format_line(record: logging.LogRecord) -> str:
    """Return a log record as one line of JSON, without a line break."""
    scope = _scope.current()
    level = _LEVEL_NAMES.get(record.levelno) or _json.encode(record.levelname)
    fields: dict[str, Any] = {
        "location": f"{record.funcName}:{record.lineno}",
        "message": _message(record),
        "timestamp": timestamp(record.created),
        "service": scope.settings.service if scope else Defaults.service,
        "logger": record.name,
    }
    _add_user_fields(fields, record, scope)
    if record.exc_info:
        fields.update(_error.fields(record.exc_info))
    if record.stack_info:
        fields["stack_info"] = record.stack_info
    tail = scope.tail if scope else ""
    if (keys := _scope._record_keys.get()) and scope:  # noqa: SLF001 - the scope's other half
        tail += "," + _json.encode(keys)[1:-1]
    line = f'{{"level":{level},{_json.encode(fields)[1:-1]}{tail}}}'
    return line if len(line) <= LINE_BYTES_MOST // 4 else _fit(line)


def _fit(line: str) -> str:
    import json

    return line if len(line.encode()) <= LINE_BYTES_MOST else _json.fit(json.loads(line), LINE_BYTES_MOST)


def _message(record: logging.LogRecord) -> Any:
    message = record.msg
    if not record.args:
        return message if type(message) is str or isinstance(message, dict) else _json.text(message)
    try:
        return record.getMessage()
    except Exception:  # arguments that don't fit the format: the line is worth more than its form
        return f"{_json.text(message)} {_json.text(record.args)}"


def _add_user_fields(fields: dict[str, Any], record: logging.LogRecord, scope: _scope.Scope | None) -> None:
    if Defaults.keys:
        _merge(fields, Defaults.keys)
    if scope and scope.user_keys:
        _merge(fields, scope.user_keys)
    if keys := _thread_keys():
        _merge(fields, keys)
    attributes = vars(record)
    if len(attributes) > _FIELDS:
        keys = scope.keys if scope else {}
        for key, value in islice(attributes.items(), _FIELDS, None):
            if key not in _RESERVED and value is not None and (key not in keys or keys[key] != value):
                fields[f"{key}_" if key in _OURS else key] = value


def _thread_keys() -> dict[str, Any] | None:
    variable = _thread_variable()
    return variable.get() if variable is not None else None


def _thread_variable() -> Any:
    """Return the context variable in which Powertools' loggers keep the keys of a thread, if they are in use."""
    formatter = sys.modules.get("aws_lambda_powertools.logging.formatter")
    return getattr(formatter, "THREAD_LOCAL_KEYS", None)


def _merge(fields: dict[str, Any], more: dict[str, Any]) -> None:
    """Add the user's fields; one whose name is taken by a key of ours gets an underscore instead of getting lost."""
    for key, value in more.items():
        if value is not None:
            fields[f"{key}_" if key in _OURS else key] = value


class Record(logging.LogRecord):
    """A record that carries the invocation's keys for formatters that aren't ours.

    They are set when the message is formatted, not when the record is made: `Logger.makeRecord` raises `KeyError` for a
    field in `extra` that the record already has, and that would be an error of ours in the user's code.
    """

    def getMessage(self) -> str:  # noqa: N802 - the library's name
        """Return the message; on the way, set the keys that the record hasn't got."""
        if (scope := _scope.current()) is not None:
            attributes = self.__dict__
            for key, value in scope.keys.items():
                attributes.setdefault(key, value)
        return super().getMessage()


def install_records() -> None:
    """Make every logger's records carry the keys, on top of a factory that the user has set."""
    theirs = logging.getLogRecordFactory()
    if theirs is logging.LogRecord:
        logging.setLogRecordFactory(Record)
    elif theirs is not Record and not hasattr(theirs, "lambda_guard"):
        logging.setLogRecordFactory(_over(theirs))


def _over(theirs: Any) -> Any:
    def factory(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record: logging.LogRecord = theirs(*args, **kwargs)
        if type(record) is logging.LogRecord:  # a class of their own is left alone
            record.__class__ = Record
        return record

    factory.lambda_guard = True  # type: ignore[attr-defined]
    return factory


class Formatter(logging.Formatter):
    """Any handler's lines in our form; `terminator` is what the handler doesn't add by itself."""

    def __init__(self, terminator: str = "") -> None:
        super().__init__()
        self.terminator = terminator

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of `record`."""
        return format_line(record) + self.terminator


class Handler(logging.Handler):
    """Writes to standard output, whatever that is at the moment, below our capture of `print`."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line; what goes wrong is ours and is counted, never raised into the handler."""
        attempt("log.line", self._write, record)

    def _write(self, record: logging.LogRecord) -> None:
        _output.write(self.format(record) if self.formatter else format_line(record))


class LineLogger(logging.Logger):
    """A logger that takes fields as keywords and never refuses a name."""

    def makeRecord(self, *args: Any, **kwargs: Any) -> logging.LogRecord:  # noqa: N802 - the library's name
        """Make a record; a field named like an attribute of the record gets an underscore instead of a `KeyError`."""
        extra = args[8] if len(args) > 8 else kwargs.get("extra")  # noqa: PLR2004 - the position in logging's signature
        if extra and not _RESERVED.isdisjoint(extra):
            extra = {(f"{key}_" if key in _RESERVED else key): value for key, value in extra.items()}
            args = (*args[:8], extra, *args[9:]) if len(args) > 8 else args  # noqa: PLR2004
            kwargs = {**kwargs, "extra": extra} if "extra" in kwargs else kwargs
        return super().makeRecord(*args, **kwargs)


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
    return logger


def enter(scope: _scope.Scope) -> None:
    """Give the lines from here on the keys of this invocation."""
    it = scope.invocation
    keys: dict[str, Any] = {_names.INVOCATION_ID: it.invocation_id}
    if trace_id := it.trace_id:
        keys[_names.XRAY_TRACE_ID] = trace_id
    keys[_names.FUNCTION_NAME] = it.function
    keys[_names.FUNCTION_VERSION] = it.version
    keys[_names.COLD_START] = it.cold_start
    scope.keys = keys
    scope.tail = "," + _json.encode(keys)[1:-1]
    if (variable := _thread_variable()) is not None:
        scope.thread_keys = variable.set(variable.get())


def leave(scope: _scope.Scope, _: object = None) -> None:
    """Take back the keys that the handler gave to its own thread."""
    if scope.thread_keys is not None:
        scope.thread_keys.var.reset(scope.thread_keys)
        scope.thread_keys = None


def take_over_runtime_handler() -> None:
    """Give the runtime client's handler on the root logger our formatter, so that every logger's lines have our form.

    A handler whose formatter isn't the runtime client's own was configured by the user and stays as it is.
    """
    for handler in logging.root.handlers:
        formatter = handler.formatter
        if not type(handler).__module__.startswith("awslambdaric") or formatter is None:
            continue
        if type(formatter) is logging.Formatter and "%(aws_request_id)s" in (formatter._fmt or ""):  # noqa: SLF001 - the only mark it has
            handler.setFormatter(Formatter("\n"))
        elif type(formatter).__module__.startswith("awslambdaric"):
            handler.setFormatter(_Framed(formatter))


class _Framed(Formatter):
    """For Lambda's JSON log format: the client's formatter also marks the record with the frame type of its level."""

    def __init__(self, theirs: logging.Formatter) -> None:
        super().__init__("\n")
        self._theirs = theirs

    def format(self, record: logging.LogRecord) -> str:
        with suppress(Exception):
            module = sys.modules[type(self._theirs).__module__]
            record._frame_type = module._JSON_FRAME_TYPES.get(record.levelno // 10 * 10)
        return super().format(record)
