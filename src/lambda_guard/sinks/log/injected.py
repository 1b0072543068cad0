"""What is left of `inject_lambda_context` below `@production`: the event's correlation id, and the event as a line.

Everything else that Powertools' decorator does, `@production` does by itself.
"""

import functools
import os
from collections.abc import Callable
from types import FunctionType
from typing import Any, Final

from ... import _handler, _json, _names, _settings
from ..._failsafe import attempt
from ...trigger.read import raw_event
from . import lines

Handler = Callable[..., Any]
_LEFT: Final = (
    "@logger.inject_lambda_context has nothing to add to what @production does for {}: delete it "
    "(function_request_id is called invocation_id)"
)


def around(logger: Any, handler: Handler, log_event: bool | None, path: str | None) -> Handler:
    """Return a handler that logs its event first and sets its correlation id, or the same one if neither is asked for.

    Args:
        logger: ours.
        handler: any.
        log_event: as given to `inject_lambda_context`; `None` if it wasn't.
        path: the same of `correlation_id_path`.
    """
    if log_event is None:
        log_event = _settings.is_on(os.environ.get(_names.ENV_PT_LOG_EVENT, ""))
    if not (log_event or path):
        lines.warn(_LEFT.format(getattr(handler, "__name__", "the handler")))
        return handler

    parameters = _handler.parameters(handler, binds=None)

    def note(args: Any, kwargs: Any) -> None:
        event, _ = parameters.read(args, kwargs)
        if path:
            attempt("log.correlation_id", _set_correlation_id, logger, path, event)
        if log_event:
            attempt("log.event", _log, logger, event)

    return _preceded(handler, note)


def _preceded(handler: Handler, note: Callable[[Any, Any], None]) -> Handler:
    """Return a handler that calls `note` with its arguments first: a function of a function, else an object like it."""

    def called(wrapped: Handler, _: Any, args: Any, kwargs: Any) -> Any:
        __tracebackhide__ = True
        attempt("log.inject_lambda_context", note, args, kwargs)
        return wrapped(*args, **kwargs)

    async def awaited(*args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        attempt("log.inject_lambda_context", note, args, kwargs)
        return await handler(*args, **kwargs)

    if type(handler) is not FunctionType:
        import wrapt  # late: what the object has stays reachable

        wrapper: Handler = wrapt.FunctionWrapper(handler, called)
        return wrapper
    if _handler.is_async(handler):
        return functools.wraps(handler)(awaited)
    return functools.wraps(handler)(lambda *args, **kwargs: called(handler, None, args, kwargs))


def _set_correlation_id(logger: Any, path: str, event: Any) -> None:
    from aws_lambda_powertools.utilities import jmespath_utils

    found, event = None, raw_event(event)
    try:
        found = jmespath_utils.query(data=event, envelope=path)
    except Exception as error:  # a body that isn't JSON, which is the sender's doing; an invalid path
        lines.warn(f"the event has no correlation id at {path!r}: {_json.type_name(error)}")
    logger.set_correlation_id(found)


def _log(logger: Any, event: Any) -> None:
    event = raw_event(event)
    if callable(dump := getattr(event, "model_dump", None)):
        event = dump()
    elif hasattr(type(event), "__dataclass_fields__"):
        from dataclasses import asdict  # late: it's heavy

        event = asdict(event)
    logger.info(event)
