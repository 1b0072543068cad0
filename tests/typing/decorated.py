"""What a decorated handler is to a type checker: mypy reads this file, nobody runs it."""

import functools
from typing import TYPE_CHECKING, Any, Protocol, assert_type

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from lambda_guard import Invocation, __version__, current_invocation, logger, metrics, production
from lambda_guard.testing import Captured, capture, events, make_context

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

Event = dict[str, Any]


class Context(Protocol):
    aws_request_id: str


@production
def bare(event: Event, context: Context) -> str:
    return context.aws_request_id


@production()
def with_parentheses(event: Event, context: Context) -> str:
    return context.aws_request_id


@production(
    service="orders", namespace="Shop", log_level="DEBUG", dimensions=("trigger",), capture_print=False
)
def with_options(event: Event, context: Context) -> str:
    return context.aws_request_id


@production
async def asynchronous(event: Event, context: Context) -> str:
    return context.aws_request_id


@production(service="orders")
async def asynchronous_with_options(event: Event, context: Context) -> list[str]:
    return [context.aws_request_id]


@production
def with_defaults(event: Event, context: Context | None = None, *, dry: bool = False) -> int:
    return int(dry)


class Orders:
    @production
    def handle(self, event: Event, context: Context) -> bytes:
        return b""

    @production
    async def handle_in_time(self, event: Event, context: Context) -> bytes:
        return b""

    @staticmethod
    @production
    def handle_static(event: Event, context: Context) -> bytes:
        return b""

    @classmethod
    @production(service="orders")
    def handle_class(cls, event: Event, context: Context) -> bytes:
        return b""


class AsyncHandler:
    async def __call__(self, event: Event, context: Context) -> float:
        return 0.0


class Handler:
    def __call__(self, event: Event, context: Context) -> float:
        return 0.0


@production(each_record=True, report_batch_item_failures=True)
def one_record(record: SQSRecord) -> None:
    return None


def check(event: Event, context: Context) -> None:
    """A handler's type survives: parameters, keywords, defaults and what it returns."""
    assert_type(bare(event, context), str)
    assert_type(bare(event=event, context=context), str)
    assert_type(with_parentheses(event, context), str)
    assert_type(with_options(event, context), str)
    assert_type(with_defaults(event), int)
    assert_type(with_defaults(event, None, dry=True), int)
    assert_type(Orders().handle(event, context), bytes)
    assert_type(Orders.handle_static(event, context), bytes)
    # Neither mypy nor pyright bind a class method that has attributes: the class would have to be given.
    assert_type(Orders.handle_class(event, context), bytes)  # type: ignore[call-arg]
    assert_type(production(Handler())(event, context), float)
    assert_type(production(Handler()).__wrapped__(event, context), float)
    assert_type(production(functools.partial(with_defaults, {}))(), int)
    handler: Callable[[Event, Context], str] = bare
    assert_type(production(bare)(event, context), str)
    handler(event, context)


def check_the_bare_handler(event: Event, context: Context, record: SQSRecord) -> None:
    """`__wrapped__` is the handler as it was written."""
    assert_type(bare.__wrapped__(event, context), str)
    assert_type(with_parentheses.__wrapped__(event, context), str)
    assert_type(with_options.__wrapped__(event=event, context=context), str)
    assert_type(with_defaults.__wrapped__(event, dry=True), int)
    assert_type(Orders.handle.__wrapped__(Orders(), event, context), bytes)
    coroutine: Coroutine[Any, Any, str] = asynchronous.__wrapped__(event, context)
    coroutine.close()
    assert_type(one_record.__wrapped__(record), None)


def check_asynchronous(event: Event, context: Context) -> None:
    """A coroutine function's result is what a call gives; stacked, it stays that."""
    assert_type(asynchronous(event, context), str)
    assert_type(asynchronous(event=event, context=context), str)
    assert_type(asynchronous_with_options(event, context), list[str])
    assert_type(production(asynchronous)(event, context), str)
    assert_type(Orders().handle_in_time(event, context), bytes)
    assert_type(production(AsyncHandler())(event, context), float)
    handler: Callable[[Event, Context], str] = asynchronous
    handler(event, context)


def check_records(event: Event, context: Context) -> None:
    """A handler of one record becomes one of batches."""
    assert_type(one_record(event, context), dict[str, Any] | None)


def check_the_face() -> None:
    """The rest of the face has the types that it says."""
    assert_type(current_invocation(), Invocation | None)
    assert_type(logger, Logger)
    assert_type(__version__, str)
    found = current_invocation()
    if found is not None:
        assert_type(found.invocation_id, str)
        assert_type(found.trace_id, str | None)
        assert_type(found.deadline, float | None)
    metrics.add_metric(name="Orders", unit="Count", value=1)
    with metrics.single_metric(name="Orders", unit="Count", value=1) as metric:
        metric.add_dimension(name="country", value="SE")
    with capture() as captured:
        assert_type(captured, Captured)
        bare(events.sqs("a"), make_context())
