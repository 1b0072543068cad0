"""How a handler of one batch item is called: with the record by name or by position, with Lambda's context or without.

Powertools' processors call `handler(record=…)`, and what it decorates may rely on that:
`@idempotent_function(data_keyword_argument="record")` finds its data among the keyword arguments alone.
"""

import inspect
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

from ..errors import ConfigurationError

_CONTEXT: Final = ("context", "lambda_context")
_LEVELS_MOST: Final = 100
Parameter = inspect.Parameter


class Calling:
    """The way in which a handler is called, found out once.

    A decorated handler gets the record by the name of its parameter, if each of its decorators takes that; any other
    handler can't tell, and gets it by position.

    Args:
        handler: the handler, as it was decorated.

    Attributes:
        name: the record's keyword, or `None` for a record by position.
        context: whether the context is passed; its keyword, if it isn't passed as the second argument.

    Raises:
        ConfigurationError: the handler can't be called with a record, or with a record and the context.
    """

    __slots__ = ("context", "name")

    def __init__(self, handler: Any) -> None:
        self.name: str | None = None
        self.context: bool | str = False
        try:
            parameters = list(inspect.signature(handler).parameters.values())
        except (TypeError, ValueError):  # a builtin without a signature
            return
        owned = bool(parameters) and parameters[0].name in ("self", "cls")
        record, context, self.context = _read(parameters[owned:])
        if record is not None:
            names = [record.name, *([context.name] if context is not None else [])]
            only = record.kind is not record.POSITIONAL_OR_KEYWORD
            if only or _all_take(handler, owned, names):
                self.name, self.context = record.name, context.name if context is not None else False

    def of(self, handler: Callable[..., Any], context: Any) -> Callable[[Any], Any]:
        """Return a function of one record that calls the handler.

        Args:
            handler: bound, if it is a method.
            context: Lambda's.
        """
        name, keywords = self.name, {self.context: context} if isinstance(self.context, str) else {}
        if name is not None:
            return lambda record: handler(**{name: record}, **keywords)
        if keywords:
            return lambda record: handler(record, **keywords)
        return (lambda record: handler(record, context)) if self.context else handler


def _read(parameters: list[Parameter]) -> tuple[Parameter | None, Parameter | None, bool | str]:
    """Return the record's parameter and the context's, where each can be named, and how the context is passed."""
    kinds = {each.kind for each in parameters}
    named = [each for each in parameters if each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)]
    positional = [each for each in named if each.kind is not each.KEYWORD_ONLY]
    record = next(iter(positional or [each for each in named if each.name == "record"]), None)
    asked = [each for each in named if each is not record and _is_asked(each)]
    if record is None and kinds == {Parameter.VAR_KEYWORD}:
        record = Parameter("record", Parameter.KEYWORD_ONLY)
    if (record is None and Parameter.VAR_POSITIONAL not in kinds) or len(asked) > 1:
        raise ConfigurationError(
            "each_record=True needs a handler of one record: write `def handler(record):`, "
            "or `def handler(record, context):` where it needs Lambda's context"
        )
    context = asked[0] if asked else None
    second = asked == positional[1:2]
    how = False if context is None else True if second else context.name
    if record is not None and record.kind is record.POSITIONAL_ONLY:
        record = None
    if context is not None and context.kind is context.POSITIONAL_ONLY:
        record = context = None
    return record, context, how


def _is_asked(parameter: Parameter) -> bool:
    return parameter.default is parameter.empty or parameter.name in _CONTEXT


def _all_take(function: Any, owned: bool, names: list[str]) -> bool:
    """Return whether a handler is decorated, and it and each of its decorators can be called with these keywords."""
    levels = list(_levels(function))
    return len(levels) > 1 and all(_takes(level, owned, names) for level in levels)


def _levels(function: Any) -> Iterator[Any]:
    """Yield a function, and what each decorator says that it wraps."""
    for _ in range(_LEVELS_MOST):
        yield function
        inner = function.func if isinstance(function, partial) else getattr(function, "__wrapped__", None)
        if inner is None:
            return
        function = inner


def _takes(level: Any, owned: bool, names: list[str]) -> bool:
    try:
        inspect.signature(level, follow_wrapped=False).bind(
            *([None] if owned else ()), **dict.fromkeys(names)
        )
    except (TypeError, ValueError):
        return False
    return True
