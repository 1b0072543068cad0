"""Loggers that aren't ours: their records carry the keys, and the runtime client's handler writes our lines."""

import logging
import sys
from contextlib import suppress
from typing import Any, Final

from ... import _names, _scope
from ..._failsafe import failed
from .fields import ITEM_KEYS
from .lines import format_line

_KEYS: Final = frozenset((*_names.LINE_KEYS, *ITEM_KEYS, _names.REPLAY))


class _Attributes(dict[str, Any]):
    """A record's attributes, the invocation's keys among them, for formatters that aren't ours.

    Whoever asks whether one of those keys is there is told no: `Logger.makeRecord` raises `KeyError` for a
    field in `extra` that the record already has, and that would be an error of ours in the user's code.
    """

    def __contains__(self, key: object) -> bool:
        return key not in _KEYS and super().__contains__(key)

    def __missing__(self, key: str) -> None:
        """Give a formatter that names one of those keys `None` where there is none: its line would be lost."""
        if key not in _KEYS:
            raise KeyError(key)


def _with_keys(record: logging.LogRecord) -> logging.LogRecord:
    record.__dict__ = _Attributes({**record.__dict__, **_scope.current_keys()})
    scope = _scope.current()
    if scope is not None and scope.durable is not None:
        scope.durable.mark(record.__dict__)
    return record


def install_records() -> None:
    """Make every logger's records carry the keys, on top of a factory that the user has set."""
    theirs = logging.getLogRecordFactory()
    if not hasattr(theirs, "lambda_guard"):
        logging.setLogRecordFactory(_over(theirs))


def _over(theirs: Any) -> Any:
    def factory(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record: logging.LogRecord = theirs(*args, **kwargs)
        try:
            return _with_keys(record)
        except RecursionError:  # whoever logs at the very end of the stack has left no room for keys
            return record
        except Exception as error:
            failed("log.keys", error)
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


def runtime_handlers() -> list[logging.Handler]:
    """Return the runtime client's handlers on the root logger."""
    return [each for each in logging.root.handlers if type(each).__module__.startswith("awslambdaric")]


def take_over_runtime_handler() -> None:
    """Give the runtime client's handler on the root logger our formatter, so that every logger's lines have our form.

    A handler whose formatter isn't the runtime client's own was configured by the user and stays as it is.
    """
    for handler in runtime_handlers():
        formatter = handler.formatter
        if formatter is None:
            continue
        if type(formatter) is logging.Formatter and "%(aws_request_id)s" in (formatter._fmt or ""):  # noqa: SLF001 - the only mark it has
            handler.setFormatter(Formatter("\n"))
        elif type(formatter).__module__.startswith("awslambdaric"):
            handler.setFormatter(_Framed(formatter))
        logging.captureWarnings(True)  # or they would go to standard error, as plain text


class _Framed(Formatter):
    """For Lambda's JSON log format: the client's formatter also marks the record with the frame type of its level."""

    def __init__(self, theirs: logging.Formatter) -> None:
        super().__init__("\n")
        self._theirs = theirs

    def format(self, record: logging.LogRecord) -> str:
        with suppress(Exception):
            module = sys.modules[type(self._theirs).__module__]
            frame_types = module._JSON_FRAME_TYPES  # noqa: SLF001 - the client has no public name for them
            record._frame_type = frame_types.get(record.levelno // 10 * 10)  # noqa: SLF001 - as its own formatter does
        return super().format(record)
