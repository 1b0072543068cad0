"""What a decorated handler is to a type checker; never imported at run time."""

from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, ParamSpec, Protocol, Self, TypeVar, overload

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
F = TypeVar("F", bound=Callable[..., Any])
H_co = TypeVar("H_co", covariant=True, bound=Callable[..., Any])


class Decorated(Protocol[P, R_co, H_co]):
    """The type of a decorated handler, for type checkers: it is called as the handler is, and bound as a method."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co: ...

    @property
    def __wrapped__(self) -> H_co:
        """The handler as it was written."""
        ...

    # `Orders.handle`
    @overload
    def __get__(self, instance: None, owner: Any, /) -> Self: ...

    # `Orders().handle`
    @overload
    def __get__(
        self: "Decorated[Concatenate[Any, Q], R_co, H_co]", instance: object, owner: Any = None, /
    ) -> "Decorated[Q, R_co, Callable[..., Any]]": ...


class Decorator(Protocol):
    """The type of `production(service=…)`, for type checkers."""

    # An `async def` handler.
    @overload
    def __call__(
        self, handler: Callable[P, Coroutine[Any, Any, R]], /
    ) -> Decorated[P, R, Callable[P, Coroutine[Any, Any, R]]]: ...

    # Any other handler.
    @overload
    def __call__(self, handler: Callable[P, R], /) -> Decorated[P, R, Callable[P, R]]: ...


class RecordDecorator(Protocol):
    """The type of `production(each_record=True)`, for type checkers."""

    def __call__(self, handler: F, /) -> Decorated[..., dict[str, Any] | None, F]: ...
