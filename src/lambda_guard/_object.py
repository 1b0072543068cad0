"""Decorated handlers that are objects (a resolver, an app, a partial): what they have stays reachable.

Imported for those alone: what decorates a function is a function.
"""

from collections.abc import Callable
from typing import Any, Final, Self

import wrapt

_COROUTINE: Final = 0x80  # https://docs.python.org/3/library/inspect.html#code-objects-bit-flags


class BoundProduction(wrapt.BoundFunctionWrapper):  # type: ignore[type-arg]  # generic in wrapt 2 only
    """A decorated method of an instance or class, which can be recognised by its type as well."""

    @property
    def __func__(self) -> Any:
        """The decorated function, as for any method: `inspect.iscoroutinefunction` reads it."""
        return self._self_parent


class Production(wrapt.FunctionWrapper):  # type: ignore[type-arg]  # as above
    """A decorated handler: looks like the handler, and is recognised by its type if it is decorated again."""

    __bound_function_wrapper__ = BoundProduction
    _self_takes_batches = False  # wrapt keeps names with this prefix on the wrapper

    def __copy__(self) -> Self:
        """The same, as with any function."""
        return self

    def __deepcopy__(self, _: object) -> Self:
        """The same, as with any function."""
        return self

    def __reduce_ex__(self, _: object) -> str:
        """Its name: functions are pickled by name."""
        name: str = self.__wrapped__.__qualname__
        return name


class AsyncProduction(Production):
    """A decorated handler that was awaited: it returns its result, so it mustn't pass for a coroutine function."""

    @property
    def __code__(self) -> Any:
        """The handler's code without the flag that `inspect.iscoroutinefunction` reads."""
        code = self.__wrapped__.__code__
        return code.replace(co_flags=code.co_flags & ~_COROUTINE)


def decorated(handler: Any, frame: Callable[[Any], Any], is_async: bool, takes_batches: bool) -> Any:
    """Return an object that is called in the frame, and is the handler otherwise.

    Args:
        handler: any that can be called.
        frame: takes the handler, or what binding makes of it, and returns the function that calls it in the frame.
        is_async: whether the handler has to be awaited.
        takes_batches: whether the frame calls it for each record of a batch.
    """

    def guarded(wrapped: Any, _: Any, args: Any, kwargs: Any) -> Any:
        __tracebackhide__ = True
        return frame(wrapped)(*args, **kwargs)

    found = (AsyncProduction if is_async else Production)(handler, guarded)
    found._self_takes_batches = takes_batches  # noqa: SLF001 - ours
    return found


def is_decorated(handler: Any) -> bool:
    """Return whether this is a decorated object, or a bound one."""
    return isinstance(handler, Production | BoundProduction)
