"""What a handler is: its name, its parameters, whether it has to be awaited. Read once, at decoration."""

import functools
from math import inf
from types import FunctionType, MethodType
from typing import Any, Final

from ._failsafe import attempt

# Flags of a code object: https://docs.python.org/3/library/inspect.html#code-objects-bit-flags
_COROUTINE: Final = 0x80
_YIELDS: Final = 0x20 | 0x200  # a generator, an asynchronous one
MARKS: Final = (
    "_is_coroutine_mark",
    "_is_coroutine",
)  # inspect's and asyncio's, on what isn't an `async def`
_LEVELS_MOST: Final = 100


class Parameters:
    """How a handler gets the event and the context.

    Attributes:
        event, context: the names of the parameters, for calls by keyword.
        unbound: the number of arguments beyond which the first one is an instance or a class.
    """

    __slots__ = ("context", "event", "unbound")

    def __init__(self, event: str, context: str, unbound: float) -> None:
        self.event, self.context, self.unbound = event, context, unbound

    def read(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any]:
        """Return the event and the context of a call."""
        if len(args) + (self.event in kwargs) + (self.context in kwargs) > self.unbound:
            args = args[1:]
        if len(args) > 1:
            return args[0], args[1]
        return (args[0] if args else kwargs.get(self.event)), kwargs.get(self.context)


BATCH: Final = Parameters("event", "context", inf)


def parameters(handler: Any, binds: bool | None) -> Parameters:
    """Return the parameters of a handler; of one whose parameters are unknown (a builtin, a mock), the usual ones.

    Args:
        handler: any.
        binds: whether it gets an instance or class first, as classmethods do and staticmethods don't; `None` if that
            depends on where it is.
    """
    try:
        names = _names_of(handler)
    except Exception:
        return BATCH
    named, in_class = names[:1] in (["self"], ["cls"]), _is_in_class(handler)
    unbound: float = 2  # an event and a context
    if binds or (named and in_class):
        unbound = 0
    elif binds is False or not (named or in_class):
        unbound = inf
    names = names[named or bool(binds) :]
    return Parameters(names[0] if names else "event", names[1] if len(names) > 1 else "context", unbound)


def _names_of(function: Any) -> list[str]:
    for _ in range(_LEVELS_MOST):
        if hasattr(function, "__signature__") or (inner := getattr(function, "__wrapped__", None)) is None:
            break
        function = inner
    code = getattr(function, "__code__", None)
    if code is not None and not hasattr(function, "__signature__"):
        return list(code.co_varnames[: code.co_argcount + code.co_kwonlyargcount])
    import inspect  # late: on a cold start, it takes longer than the rest of the decoration

    found = inspect.signature(function).parameters.values()
    return [each.name for each in found if each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)]


def _is_in_class(handler: Any) -> bool:
    """Return whether a function was written in a class: binding it puts an instance in front of its arguments."""
    around = handler.__qualname__.rpartition(".")[0] if type(handler) is FunctionType else ""
    return bool(around) and not around.endswith("<locals>")


def name(handler: Any) -> str:
    """Return a handler's name, or that of its type."""
    function = inside(handler)
    found = attempt("name", getattr, function, "__name__", None)
    return found if isinstance(found, str) else type(function).__name__


def inside(handler: Any) -> Any:
    """Return the handler inside a `functools.partial`, `staticmethod` or `classmethod`."""
    while isinstance(handler, functools.partial | staticmethod | classmethod):
        handler = handler.func if isinstance(handler, functools.partial) else handler.__func__
    return handler


def is_async(handler: Any) -> bool:
    """Return whether a call of a handler returns a coroutine."""
    function = inside(handler)
    function = function.__func__ if type(function) is MethodType else function
    if type(function) is FunctionType and vars(function).keys().isdisjoint(MARKS):
        return bool(function.__code__.co_flags & _COROUTINE)
    import inspect  # late, as above

    if inspect.iscoroutinefunction(function):
        return True
    call = getattr(type(function), "__call__", None)  # noqa: B004 - the method itself is inspected
    return (
        not inspect.isfunction(function)
        and not inspect.isclass(function)
        and inspect.iscoroutinefunction(call)
    )


def advice_on(handler: Any, each_record: bool) -> str | None:
    """Return what is wrong with a handler whose calls don't do its work, and what to write, if anything is known."""
    function = inside(handler)
    if type(function) is FunctionType and not function.__code__.co_flags & _YIELDS:
        return None
    from . import _unfit  # late: nearly all handlers are plain functions

    return _unfit.advice_on(function, name(handler), each_record)
