"""The decorator: the checks at decoration, and the one frame around the handler."""

import functools
import inspect
import os
from collections.abc import Callable, Collection, Coroutine
from types import FunctionType
from typing import TYPE_CHECKING, Any, Final, Literal, ParamSpec, Self, TypeVar, cast, overload

import wrapt

from . import _settings
from ._failsafe import attempt, failed
from ._guard import Guard
from .errors import ConfigurationError
from .sinks.log import lines

if TYPE_CHECKING:  # at run time, a cold start would pay for it
    from ._types import Decorated, Decorator, RecordDecorator

P = ParamSpec("P")
R = TypeVar("R")
F = TypeVar("F", bound=Callable[..., Any])
_YIELDS: Final = inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR
Parameters = tuple[str, str, bool]  # names of the event and context parameters; whether it belongs to a class


class BoundProduction(wrapt.BoundFunctionWrapper):  # type: ignore[misc]  # typed in wrapt 2 only
    """A decorated method of an instance or class, which can be recognised by its type as well."""

    @property
    def __func__(self) -> Any:
        """The decorated function, as for any method: `inspect.iscoroutinefunction` reads it."""
        return self._self_parent


class Production(wrapt.FunctionWrapper):  # type: ignore[misc]  # as above
    """A decorated handler: looks like the handler, and is recognised by its type if it is decorated again."""

    __bound_function_wrapper__ = BoundProduction

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
    """A decorated `async def` handler: it returns its result, so it must not pass for a coroutine function."""

    @property
    def __code__(self) -> Any:
        """The handler's code without the flag that `inspect.iscoroutinefunction` reads."""
        code = self.__wrapped__.__code__
        return code.replace(co_flags=code.co_flags & ~inspect.CO_COROUTINE)


def _knowing_its_options(function: F) -> F:
    """List the options if one is misspelled; Python's own message wouldn't."""
    known = function.__kwdefaults__ or {}

    @functools.wraps(function)
    def checked(handler: Any = None, /, **options: Any) -> Any:
        if unknown := sorted(options.keys() - known):
            raise ConfigurationError(
                f"unknown option {unknown[0]!r}; production() takes {', '.join(sorted(known))}"
            )
        return function(handler, **options)

    return cast("F", checked)


# `@production` on an `async def` handler: Lambda gets its result, not a coroutine.
@overload
def production(
    handler: Callable[P, Coroutine[Any, Any, R]], /
) -> "Decorated[P, R, Callable[P, Coroutine[Any, Any, R]]]": ...


# `@production` on anything else: what it takes and returns survives.
@overload
def production(handler: Callable[P, R], /) -> "Decorated[P, R, Callable[P, R]]": ...


# `@production(each_record=True, …)`: turns a handler of one record, sync or async, into one of batches.
@overload
def production(
    *,
    each_record: Literal[True],
    report_batch_item_failures: bool = False,
    service: str | None = None,
    namespace: str | None = None,
    log_level: str | None = None,
    dimensions: Collection[str] = (),
    capture_print: bool | None = None,
) -> "RecordDecorator": ...


# `@production()` and `@production(service="orders", …)`.
@overload
def production(
    *,
    service: str | None = None,
    namespace: str | None = None,
    log_level: str | None = None,
    each_record: Literal[False] = False,
    report_batch_item_failures: Literal[False] = False,
    dimensions: Collection[str] = (),
    capture_print: bool | None = None,
) -> "Decorator": ...


@_knowing_its_options
def production(
    handler: Any = None,
    /,
    *,
    service: str | None = None,
    namespace: str | None = None,
    log_level: str | None = None,
    each_record: bool = False,
    report_batch_item_failures: bool = False,
    dimensions: Collection[str] = (),
    capture_print: bool | None = None,
) -> Any:
    """Make a Lambda handler fit for production.

    Every line that is logged or printed while the handler runs becomes one JSON object with the invocation's keys; one
    invocation record, with metrics, ends it; its work and what it sends on belong to one X-Ray trace. What the handler
    returns or raises comes out unchanged, and if telemetry fails, it still does.

    Args:
        handler: a function, method, `functools.partial`, callable instance, or `async def` of any of these.
        service: key in logs, dimension of metrics, annotation of traces. If not given `LAMBDA_GUARD_SERVICE`, or
            the function's name.
        namespace: namespace of all metrics. If not given `LAMBDA_GUARD_NAMESPACE`, or `LambdaGuard`.
        log_level: level of `lambda_guard.logger`. If not given `LAMBDA_GUARD_LOG_LEVEL`, or `INFO`.
        each_record: the decorated function handles one record of a batch from SQS, Kinesis, a DynamoDB stream or
            Kafka: it gets Powertools' data class of the record, and the context if it has a second parameter.
        report_batch_item_failures: with `each_record`: answer with a partial batch response.
        dimensions: a second set of dimensions: `service`, `function_name` and any of `function_version`, `trigger`.
        capture_print: printed lines become structured ones at level INFO. If not given
            `LAMBDA_GUARD_CAPTURE_PRINT`, or `True`.

    Returns:
        The handler, wrapped; without a handler, a decorator.

    Raises:
        ConfigurationError: an option is unknown, of the wrong type, or contradicts another one.
    """
    options = locals()
    del options["handler"]
    _check(handler, options)
    if handler is None:
        return functools.partial(_decorate, options)
    return _decorate(options, handler)


def _check(handler: Any, options: dict[str, Any]) -> None:
    if handler is not None and not callable(handler) and not isinstance(handler, staticmethod | classmethod):
        raise ConfigurationError(
            f"production() decorates a handler, not {type(handler).__name__}; options are given by keyword: "
            'write @production(service="orders")'
        )
    decorated = handler.__func__ if isinstance(handler, BoundProduction) else handler
    takes_batches = isinstance(decorated, Production) and not getattr(decorated, "_self_each_record", False)
    if options.get("each_record") and takes_batches:
        raise ConfigurationError(
            "each_record=True on a handler that is decorated already: it would get whole batches; "
            "write one @production(each_record=True) on it"
        )


def _decorate(options: dict[str, Any], handler: Any) -> Any:
    _check(handler, options)
    if isinstance(handler, Production | BoundProduction):
        return handler
    advice = attempt("handler", _advice_on, handler, bool(options.get("each_record")))
    if advice is not None and options.get("each_record"):
        raise ConfigurationError(advice)  # a message would be deleted that nobody has processed
    is_async = _is_async(handler)
    decorated = AsyncProduction if is_async else Production
    guard = _guard_for(options, handler)
    if advice is not None and guard is not None:
        attempt("handler", lines.warn, advice)  # no error: the function may work
    if options.get("each_record"):
        report = bool(options.get("report_batch_item_failures"))
        taking_apart = decorated(handler, _around_records(guard, handler, is_async, report))
        taking_apart._self_each_record = True  # noqa: SLF001 - wrapt stores names with this prefix on the wrapper
        return taking_apart
    if is_async:
        return decorated(handler, _around_async(guard, _parameters(handler)))
    return decorated(handler, _around(guard, _parameters(handler))) if guard is not None else handler


def _advice_on(handler: Any, each_record: bool) -> str | None:
    function = _inside(handler)
    if type(function) is FunctionType and not function.__code__.co_flags & _YIELDS:
        return None
    from ._unfit import advice_on  # late: nearly all handlers are plain functions

    return advice_on(function, _name(handler), each_record)


def _guard_for(options: dict[str, Any], handler: Any) -> Guard | None:
    """Return the guard, or `None` if the kill switch is on or if we fail: then the bare handler runs."""
    try:
        settings = _settings.resolve(options, os.environ)
        return None if settings.disabled else Guard(settings, _name(handler))
    except ConfigurationError:
        raise
    except Exception as error:
        failed("settings", error)
        return None


Around = Callable[[Any, Any, Any, Any], Any]  # wrapt's: takes the handler, its instance, and its arguments


def _around(guard: Guard, parameters: Parameters) -> Around:
    """Return the one frame around a handler: it calls the handler once, and returns or raises what the handler does."""
    enter, leave = _entering(guard, parameters), guard.leave

    def guarded(wrapped: Any, _: Any, args: Any, kwargs: Any) -> Any:
        __tracebackhide__ = True
        try:
            scope = attempt("enter", enter, args, kwargs)
        except RecursionError:  # the stack may be too full for the failsafe, but not for the handler
            scope = None
        if scope is None:
            return wrapped(*args, **kwargs)
        try:
            value = wrapped(*args, **kwargs)
        except BaseException as error:
            try:
                attempt("leave", leave, scope, error, None)
            except RecursionError:  # as above
                scope.open = False
            raise
        try:
            attempt("leave", leave, scope, None, value)
        except RecursionError:  # as above
            scope.open = False
        return value

    return guarded


def _around_async(guard: Guard | None, parameters: Parameters) -> Around:
    """Return the same for an `async def` handler; also without a guard, since Lambda can't run one by itself."""
    enter = _entering(guard, parameters) if guard is not None else None

    def guarded(wrapped: Any, _: Any, args: Any, kwargs: Any) -> Any:
        __tracebackhide__ = True
        from . import _event_loop

        _event_loop.refuse_running_loop()
        scope = attempt("enter", enter, args, kwargs) if enter is not None else None
        ended: _event_loop.Ended[Any] = _event_loop.Ended()
        try:
            _event_loop.run(ended, wrapped, args, kwargs)
            if ended.error is not None:
                raise ended.error  # noqa: TRY301 - as the handler did
        except BaseException as error:
            if scope is not None and guard is not None:
                attempt("leave", guard.leave, scope, error, None)
            ended.restore_context()
            del ended  # its own traceback would keep it alive, with everything that the handler referenced
            raise
        if scope is not None and guard is not None:
            attempt("leave", guard.leave, scope, None, ended.value)
        return ended.value

    return guarded


def _entering(guard: Guard, parameters: Parameters) -> Callable[[Any, Any], Any]:
    def enter(args: Any, kwargs: Any) -> Any:
        if len(args) == 2 and not kwargs:  # noqa: PLR2004 - as Lambda calls
            return guard.enter(args[0], args[1])
        return guard.enter(*_event_and_context(args, kwargs, parameters))

    return enter


def _around_records(guard: Guard | None, handler: Any, is_async: bool, report: bool) -> Around:
    """Call the handler for each batch item; without a guard, too, since that isn't telemetry."""
    from .batch.loop import RecordHandler

    records = RecordHandler(handler, report=report)
    run, owned = records.run_async if is_async else records.run, records.owned
    around: Around = _bare
    if is_async:
        around = _around_async(guard, _BATCH)
    elif guard is not None:
        around = _around(guard, _BATCH)

    def guarded(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
        __tracebackhide__ = True
        if owned and len(args) + len(kwargs) > 2:  # noqa: PLR2004 - the class, as in `_event_and_context`
            wrapped, args = functools.partial(wrapped, args[0]), args[1:]
        return around(functools.partial(run, wrapped), instance, args, kwargs)

    return guarded


_BATCH: Parameters = ("event", "context", False)


def _bare(wrapped: Any, _: Any, args: Any, kwargs: Any) -> Any:
    return wrapped(*args, **kwargs)


def _event_and_context(
    args: tuple[Any, ...], kwargs: dict[str, Any], parameters: Parameters
) -> tuple[Any, Any]:
    event, context, owned = parameters
    if owned and len(args) + (event in kwargs) + (context in kwargs) > 2:  # noqa: PLR2004 - one more than there are
        args = args[1:]  # the class of a class method, which is passed as an argument since Python 3.13
    if len(args) > 1:
        return args[0], args[1]
    return (args[0] if args else kwargs.get(event)), kwargs.get(context)


def _parameters(handler: Any) -> Parameters:
    """Return the names of the handler's parameters, for calls by keyword."""
    try:
        return _read_parameters(handler)
    except Exception:  # a builtin, a mock: the names of its parameters are unknown
        return "event", "context", False


def _read_parameters(handler: Any) -> Parameters:
    function = handler.__func__ if isinstance(handler, staticmethod | classmethod) else handler
    code = getattr(function, "__code__", None)
    if code is None or hasattr(function, "__wrapped__") or hasattr(function, "__signature__"):
        parameters = inspect.signature(function).parameters.values()
        names = [each.name for each in parameters if each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)]
    else:  # on a cold start, `inspect.signature` takes longer than the rest of the decoration
        names = list(code.co_varnames[: code.co_argcount + code.co_kwonlyargcount])
    if owned := bool(names) and names[0] in ("self", "cls"):
        names = names[1:]
    return names[0] if names else "event", names[1] if len(names) > 1 else "context", owned


def _name(handler: Any) -> str:
    function = _inside(handler)
    name = attempt("name", getattr, function, "__name__", None)
    return name if isinstance(name, str) else type(function).__name__


def _inside(handler: Any) -> Any:
    """Return the handler inside a `functools.partial`, `staticmethod` or `classmethod`."""
    while isinstance(handler, functools.partial | staticmethod | classmethod):
        handler = handler.func if isinstance(handler, functools.partial) else handler.__func__
    return handler


def _is_async(handler: Any) -> bool:
    function = _inside(handler)
    if isinstance(function, Production | BoundProduction):
        return False  # a decorated one returns its result, not a coroutine
    if inspect.iscoroutinefunction(function):
        return True
    call = getattr(type(function), "__call__", None)  # noqa: B004 - the method itself is inspected
    return (
        not inspect.isfunction(function)
        and not inspect.isclass(function)
        and inspect.iscoroutinefunction(call)
    )
