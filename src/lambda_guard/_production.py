"""The decorator: the checks at decoration, and the one frame around the handler."""

import functools
import os
import sys
from collections.abc import Callable, Collection, Coroutine
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, TypeVar, cast, overload

from . import _handler, _settings
from ._failsafe import attempt, failed
from ._guard import Guard
from .errors import ConfigurationError
from .sinks.log import lines

if TYPE_CHECKING:  # at run time, a cold start would pay for it
    from ._types import Decorated, Decorator, RecordDecorator

P = ParamSpec("P")
R = TypeVar("R")
F = TypeVar("F", bound=Callable[..., Any])


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
    if options.get("each_record") and _is_decorated(handler) and not _takes_batches(handler):
        raise ConfigurationError(
            "each_record=True on a handler that is decorated already: it would get whole batches; "
            "write one @production(each_record=True) on it"
        )


def _is_decorated(handler: Any) -> bool:
    function = _function_of(handler)
    if type(function) is FunctionType:
        return (
            function.__globals__ is globals()
        )  # a frame of ours: nobody decorates other functions of this module
    objects = sys.modules.get(f"{__package__}._object")
    return objects is not None and bool(objects.is_decorated(handler))


def _function_of(handler: Any) -> Any:
    return handler.__func__ if isinstance(handler, MethodType | staticmethod | classmethod) else handler


def _takes_batches(decorated: Any) -> bool:
    return bool(getattr(_function_of(decorated), "_self_takes_batches", False))


def _decorate(options: dict[str, Any], handler: Any, binds: bool | None = None) -> Any:
    _check(handler, options)
    if _is_decorated(handler):
        return handler
    if isinstance(handler, staticmethod | classmethod):
        inner = _decorate(options, handler.__func__, isinstance(handler, classmethod))
        return handler if inner is handler.__func__ else type(handler)(inner)
    if type(handler) is MethodType and type(handler.__func__) is FunctionType:
        inner = _decorate(options, handler.__func__, binds=True)
        return handler if inner is handler.__func__ else MethodType(inner, handler.__self__)
    advice = attempt("handler", _handler.advice_on, handler, bool(options.get("each_record")))
    if advice is not None and options.get("each_record"):
        raise ConfigurationError(advice)  # a message would be deleted that nobody has processed
    guard = _guard_for(options, handler)
    if advice is not None and guard is not None:
        attempt("handler", lines.warn, advice)  # no error: the function may work
    return _framed(options, guard, handler, binds)


def _framed(options: dict[str, Any], guard: Guard | None, handler: Any, binds: bool | None) -> Any:
    """Return the handler in its frame: a function of a function, else an object like the handler."""
    is_async, takes_batches = _handler.is_async(handler), bool(options.get("each_record"))
    frame: Frame = _bare
    if takes_batches:
        report = bool(options.get("report_batch_item_failures"))
        frame = _around_records(guard, handler, binds, is_async, report)
    elif is_async:
        frame = _around_async(guard, _handler.parameters(handler, binds))
    elif guard is not None:
        frame = _around(guard, _handler.parameters(handler, binds))
    else:
        return handler
    if type(handler) is not FunctionType:
        made = attempt("handler", _object_of, handler, frame, is_async, takes_batches)
        if made is not None or not (is_async or takes_batches):
            return made if made is not None else handler
    decorated = functools.update_wrapper(frame(handler), handler)
    for mark in _handler.MARKS:
        vars(decorated).pop(mark, None)  # it returns its result, so it must not pass for a coroutine function
    vars(decorated)["_self_takes_batches"] = takes_batches
    return decorated


def _object_of(handler: Any, frame: "Frame", is_async: bool, takes_batches: bool) -> Any:
    from . import _object  # late: it needs wrapt, and most handlers are functions

    return _object.decorated(handler, frame, is_async, takes_batches)


def _guard_for(options: dict[str, Any], handler: Any) -> Guard | None:
    """Return the guard, or `None` if the kill switch is on or if we fail: then the bare handler runs."""
    try:
        settings = _settings.resolve(options, os.environ)
        return None if settings.disabled else Guard(settings, _handler.name(handler))
    except ConfigurationError:
        raise
    except Exception as error:
        failed("settings", error)
        return None


Frame = Callable[[Any], Any]  # takes a handler, and returns the function that calls it in the frame


# long: contains the frame, in one piece: what it called would stand in the handler's tracebacks
def _around(guard: Guard, parameters: _handler.Parameters) -> Frame:
    """Return the one frame around a handler: it calls the handler once, and returns or raises what the handler does."""
    enter, leave = _entering(guard, parameters), guard.leave

    def around(handler: Any) -> Any:
        def guarded(*args: Any, **kwargs: Any) -> Any:
            __tracebackhide__ = True
            try:
                scope = attempt("enter", enter, args, kwargs)
            except RecursionError:  # the stack may be too full for the failsafe, but not for the handler
                scope = None
            if scope is None:
                return handler(*args, **kwargs)
            try:
                value = handler(*args, **kwargs)
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

    return around


# long: contains the frame, as above
def _around_async(guard: Guard | None, parameters: _handler.Parameters) -> Frame:
    """Return the same for an `async def` handler; also without a guard, since Lambda can't run one by itself."""
    enter = _entering(guard, parameters) if guard is not None else None

    def around(handler: Any) -> Any:
        def guarded(*args: Any, **kwargs: Any) -> Any:
            __tracebackhide__ = True
            from . import _event_loop

            _event_loop.refuse_running_loop()
            scope = attempt("enter", enter, args, kwargs) if enter is not None else None
            ended: _event_loop.Ended[Any] = _event_loop.Ended()
            try:
                _event_loop.run(ended, handler, args, kwargs)
                if ended.error is not None:
                    raise ended.error  # noqa: TRY301 - as the handler did
            except BaseException as error:
                if scope is not None and guard is not None:
                    attempt("leave", guard.leave, scope, error, None)
                ended.restore_context()
                del (
                    ended
                )  # its own traceback would keep it alive, with everything that the handler referenced
                raise
            if scope is not None and guard is not None:
                attempt("leave", guard.leave, scope, None, ended.value)
            return ended.value

        return guarded

    return around


def _entering(guard: Guard, parameters: _handler.Parameters) -> Callable[[Any, Any], Any]:
    unbound, read = parameters.unbound > 1, parameters.read

    def enter(args: Any, kwargs: Any) -> Any:
        if unbound and len(args) == 2 and not kwargs:  # noqa: PLR2004 - as Lambda calls
            return guard.enter(args[0], args[1])
        return guard.enter(*read(args, kwargs))

    return enter


def _around_records(
    guard: Guard | None, handler: Any, binds: bool | None, is_async: bool, report: bool
) -> Frame:
    """Call the handler for each batch item; without a guard, too, since that isn't telemetry."""
    from .batch.loop import RecordHandler

    records, parameters = RecordHandler(handler, report=report), _handler.parameters(handler, binds)
    run, unbound = records.run_async if is_async else records.run, parameters.unbound
    frame: Frame = _bare
    if is_async:
        frame = _around_async(guard, _handler.BATCH)
    elif guard is not None:
        frame = _around(guard, _handler.BATCH)

    def around(handler: Any) -> Any:
        whole = frame(functools.partial(run, handler))

        def guarded(*args: Any, **kwargs: Any) -> Any:
            __tracebackhide__ = True
            if args and len(args) + len(kwargs) > unbound:
                one = functools.partial(handler, args[0])
                return frame(functools.partial(run, one))(*args[1:], **kwargs)
            return whole(*args, **kwargs)

        return guarded

    return around


def _bare(handler: Any) -> Any:
    return handler
