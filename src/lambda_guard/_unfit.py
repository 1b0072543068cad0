"""Handlers that give Lambda nothing that it can send as an answer, and what to write instead.

Imported only for what isn't a plain function.
"""

from types import FunctionType, MethodType
from typing import Any, Final

# Flags of a code object: https://docs.python.org/3/library/inspect.html#code-objects-bit-flags
GENERATOR: Final = 0x20
ASYNC_GENERATOR: Final = 0x200
# What the runtime client writes as JSON: https://docs.aws.amazon.com/lambda/latest/dg/python-handler.html#python-handler-return
_ANSWERS: Final = (dict, list, tuple, str, int, float)


def advice_on(function: Any, name: str, each_record: bool) -> str | None:
    """Return what is wrong with a handler whose calls don't do its work, and what to write; `None` if nothing is known.

    Args:
        function: the handler, without `functools.partial` and the like around it.
        name: its name.
        each_record: whether it handles one record of a batch, and answers nothing.
    """
    flags = _flags(function)
    if flags & (GENERATOR | ASYNC_GENERATOR):
        kind, instead = (
            ("a generator function", "write `return` instead of `yield`")
            if flags & GENERATOR
            else ("an async generator function", "write an `async def` without `yield`")
        )
        if each_record:
            return f"handler {name} is {kind}: its code wouldn't run, and records would pass as processed; {instead}"
        return (
            f"handler {name} is {kind}: a call runs none of its code, and Lambda fails with Runtime.MarshalError, "
            f"unless another decorator above reads the values; {instead}, for several values `return [...]`"
        )
    if not each_record and issubclass(type(function), type) and _makes_plain_objects(function):
        return (
            f"handler {name} is a class: a call makes an instance of it, and Lambda fails with Runtime.MarshalError, "
            f"unless another decorator above makes an answer of it; decorate a function, or an instance that can be "
            f"called: handler = production({name}())"
        )
    return None


def _flags(function: Any) -> int:
    """Return the flags of a function, a method, or a callable object; none of a proxy, which may do anything."""
    kind = type(function)
    if kind is not FunctionType and kind is not MethodType:
        function = getattr(kind, "__call__", None)  # noqa: B004 - the method itself is inspected
    if type(function) is MethodType:
        function = function.__func__
    return function.__code__.co_flags if type(function) is FunctionType else 0


def _makes_plain_objects(kind: type) -> bool:
    """Return whether a call of a class makes an instance of it, and no value that JSON has."""
    made: tuple[Any, Any] = kind.__new__, type(kind).__call__
    return made == (object.__new__, type.__call__) and not issubclass(kind, _ANSWERS)
