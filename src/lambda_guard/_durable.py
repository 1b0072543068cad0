"""Durable functions: what an invocation is a part of, and what its end means for the execution.

A durable execution takes many invocations: code that waits is suspended, and the next invocation replays what is done.
https://docs.aws.amazon.com/lambda/latest/dg/durable-functions.html

`@production` may stand on either side of AWS's `@durable_execution`. Outside, it gets Lambda's own event and context,
and the SDK's answer: `{"Status": …}`. Inside, it gets the execution's input and a `DurableContext`, on a thread of the
SDK's, and a suspension is an exception. This module is imported only where the function's code has imported the SDK.
"""

import json
import logging
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING, Any, Final

from . import _json, _names
from ._failsafe import attempt

if TYPE_CHECKING:
    from ._settings import Settings

_SDK: Final = _names.DURABLE_SDK
_LOGGER: Final = f"{_SDK}.execution"
_THREAD: Final = "dex-handler_0"  # of the two threads of the SDK's pool, the one that runs the handler
_UNREAD: Final = object()
_NAME_MOST: Final = 100  # characters of an error's type

Running = Callable[[], "Execution | None"]
End = tuple[str, BaseException | None, Any]  # outcome, error, and the execution's own result


class Execution:
    """The durable execution that an invocation is a part of, with `@production` outside of the SDK's decorator.

    Attributes:
        arn: of the execution.
        event: its input, as its trigger sent it.
        context: Lambda's context.
        replay: whether an earlier invocation has done a part of the work; `None` if the event doesn't show it.
        raised: the exception that the SDK has logged as the execution's failure.
    """

    raised: BaseException | None = None

    def __init__(self, arn: str, event: Any, context: Any, replay: bool | None) -> None:
        self.arn, self.event, self.context, self.replay = arn, event, context, replay

    def as_record(self) -> dict[str, Any]:
        """Return the invocation record's `durable`."""
        _, _, name = self.arn.partition("/durable-execution/")
        named = {_names.EXECUTION_NAME: name.partition("/")[0]} if name else {}
        known = {} if self.replay is None else {_names.REPLAY: self.replay}
        return {_names.EXECUTION: self.arn, **named, **known}

    def ended(self, error: BaseException | None, value: Any) -> End:
        """Return what the end of the invocation means.

        Args:
            error: the exception that Lambda gets: it invokes the function again.
            value: the SDK's answer, of which the status says how the execution goes on.
        """
        answer = _mapping(value)
        status = answer.get("Status")
        if error is not None:
            return _names.FAILURE, error, None
        if status == "PENDING":
            return _names.SUSPENDED, None, None
        if status == "FAILED":
            return _names.FAILURE, self._failure(answer.get("Error")), None
        return _names.SUCCESS, None, _decoded(answer.get("Result"))

    def _failure(self, said: Any) -> BaseException:
        """Return the exception that the execution failed with, or one that has its name and its message."""
        said = _mapping(said)
        name = _json.cut(str(said.get("ErrorType") or "ExecutionFailed").rpartition(".")[2], _NAME_MOST)
        if self.raised is not None and (not said or _json.type_name(self.raised) == name):
            return self.raised
        named: type[Exception] = type(name.replace("\0", ""), (Exception,), {})
        return named(said.get("ErrorMessage") or "")

    def mark(self, fields: dict[str, Any]) -> None:
        """Mark a line's fields, if the line repeats another; a field of the user's gets out of the way."""
        if attempt("durable", self.replaying):
            theirs = fields.pop(_names.REPLAY, True)
            if theirs is not True:
                fields[f"{_names.REPLAY}_"] = theirs
            fields[_names.REPLAY] = True

    def is_held_back(self, settings: "Settings") -> bool:
        """Return whether a line that is written here repeats another, and the operator doesn't want it."""
        return not settings.replayed_lines and attempt("durable", self.replaying) is True

    def replaying(self) -> bool:
        """Return whether the code that is at work here repeats what an earlier invocation has done already.

        Branches of one execution catch up at different times, so that the nearest context of the SDK on this thread's
        stack decides. Where there is none, nothing is known, and the work counts as new.
        """
        return self.replay is not False and _is_replay(sys._getframe(1))  # noqa: SLF001 - the only way to a caller's variables

    def thread(self, began: int) -> int:
        """Return the id of the thread that the handler runs on, given that of the one that the invocation began on."""
        found = (each.ident for each in threading.enumerate() if each.name == _THREAD and each.ident)
        return next(found, began)


class InnerExecution(Execution):
    """The same, with `@production` inside of the SDK's decorator.

    Args:
        event: the execution's input.
        durable: the SDK's context.
    """

    def __init__(self, event: Any, durable: Any) -> None:
        self._durable = durable
        super().__init__(
            durable.state.durable_execution_arn, event, durable.lambda_context, _replays(durable)
        )

    def ended(self, error: BaseException | None, value: Any) -> End:
        """Return what the end of the handler means: a suspension is an exception here."""
        suspends = getattr(sys.modules.get(f"{_SDK}.exceptions"), "SuspendExecution", ())
        if isinstance(error, suspends) or self._is_superseded():
            return _names.SUSPENDED, None, None
        return (_names.SUCCESS if error is None else _names.FAILURE), error, value

    def _is_superseded(self) -> bool:
        """Return whether the service takes no result of this invocation any more: the SDK will answer `PENDING`."""
        return getattr(self._durable.state, "is_checkpoint_token_revoked", False) is True

    def replaying(self) -> bool:
        """As of any execution; but once the outermost context has caught up, all others have."""
        return _replays(self._durable) and _is_replay(sys._getframe(1))  # noqa: SLF001 - as above

    def thread(self, began: int) -> int:
        """Return the same: the handler runs where the invocation began."""
        return began


def read(event: Any, context: Any, running: Running) -> Execution | None:
    """Return the durable execution that a handler's arguments belong to, or `None` if there is none.

    Args:
        event: of the handler.
        context: of the handler.
        running: returns the execution at work, for a line that the SDK writes.
    """
    if _context_type() in type(context).__mro__:  # `isinstance` would ask the object for its class
        return InnerExecution(event, context)
    if type(event).__module__.startswith(_SDK):  # as its testing SDK calls: an object instead of JSON
        event = event.to_json_dict()
    arn = event.get("DurableExecutionArn") if type(event) is dict else None
    if not isinstance(arn, str):
        return None
    _watch_failures(running)
    state = _mapping(event.get("InitialExecutionState"))
    operations = state.get("Operations")
    operations = operations if type(operations) is list else []
    replay = True if len(operations) > 1 else None if state.get("NextMarker") else False
    return Execution(arn, _input(operations), context, replay)


def _input(operations: list[Any]) -> Any:
    """Return the execution's input, or an object that no event is: a large one comes by another call."""
    for operation in map(_mapping, operations[:1]):
        given = _mapping(operation.get("ExecutionDetails")).get("InputPayload")
        return _decoded(given) if given else None
    return _UNREAD


def _mapping(value: Any) -> dict[str, Any]:
    return value if type(value) is dict else {}


def _context_type() -> Any:
    return getattr(sys.modules.get(f"{_SDK}.context"), "DurableContext", None)


def _decoded(said: Any) -> Any:
    """Return what a JSON text says."""
    try:
        return json.loads(said)
    except (TypeError, ValueError, RecursionError):  # none, or nested deeper than can be read
        return _UNREAD


def _replays(durable: Any) -> bool:
    """Return whether a context repeats earlier work; until version 1.2 of the SDK, its state knows it."""
    known = getattr(durable, "is_replaying", None) or durable.state.is_replaying
    return known() is True


def _is_replay(frame: FrameType | None) -> bool:
    kind = _context_type()
    while frame is not None:
        found = [value for value in frame.f_locals.values() if type(value) is kind]
        if found:
            return all(map(_replays, found))
        frame = frame.f_back
    return False


class _Failures:
    """A filter of the SDK's logger that lets every line pass, and notes the exception, which no answer has."""

    def __init__(self, running: Running) -> None:
        self._running = running

    def filter(self, record: logging.LogRecord) -> bool:
        """Note the exception of a line, if it has one."""
        execution = self._running()
        if execution is not None and type(record.exc_info) is tuple:
            execution.raised = record.exc_info[1]
        return True


def _watch_failures(running: Running) -> None:
    logger = logging.getLogger(_LOGGER)
    if not any(type(each) is _Failures for each in logger.filters):
        logger.addFilter(_Failures(running))
