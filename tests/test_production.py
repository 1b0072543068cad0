"""`@production`: what it takes, what it refuses, and what the decorated handler looks like."""

import asyncio
import copy
import functools
import inspect
import json
import pickle
import unittest.mock
import warnings
from typing import NamedTuple

import pytest

from lambda_guard import Invocation, current_invocation, metrics, production
from lambda_guard.errors import ConfigurationError, LambdaGuardError
from lambda_guard.testing import capture, events, make_context


def handler(event, context=None, *, dry: bool = False) -> str:
    """Accept an order."""
    return "done"


async def asynchronous(event, context) -> str:
    """Accept an order in its own time."""
    await asyncio.sleep(0)
    return "done"


# --- Options -----------------------------------------------------------------------------------------------------

REFUSED = {
    "unknown": (
        {"servce": "orders"},
        r"unknown option 'servce'; production\(\) takes capture_print, dimensions, each_record, .*, service",
    ),
    "service is no text": ({"service": 7}, "service must be a non-empty string, not 7"),
    "service is empty": ({"service": " "}, "service must be a non-empty string, not ' '"),
    "namespace is no text": ({"namespace": b"Shop"}, "namespace must be a non-empty string, not b'Shop'"),
    "log level is unknown": (
        {"log_level": "LOUD"},
        "log_level must be one of DEBUG, INFO, WARNING, ERROR, CRITICAL, not 'LOUD'",
    ),
    "log level is a number": ({"log_level": 10}, "log_level must be one of .*, not 10"),
    "each_record is no boolean": ({"each_record": 1}, "each_record must be True or False, not 1"),
    "capture_print is no boolean": ({"capture_print": "no"}, "capture_print must be True or False, not 'no'"),
    "report_batch_item_failures alone": (
        {"report_batch_item_failures": True},
        r"needs each_record=True: write @production\(each_record=True, report_batch_item_failures=True\)",
    ),
    "dimensions are text": (
        {"dimensions": "trigger"},
        "dimensions takes a tuple of 'function_version' and 'trigger', not 'trigger'",
    ),
    "a dimension is unknown": (
        {"dimensions": ("region",)},
        r"not \('region',\); service and function_name are always there",
    ),
    "dimensions are no collection": ({"dimensions": 7}, "dimensions takes a tuple .*, not 7"),
    "dimensions are false": ({"dimensions": False}, "dimensions takes a tuple .*, not False"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_wrong_option_is_refused_at_decoration(name):
    """A programmer's mistake raises when the module is imported, and says what to write instead."""
    options, said = REFUSED[name]
    with pytest.raises(ConfigurationError, match=said):
        production(**options)(handler)


@pytest.mark.parametrize("given", ["orders", 7, {"service": "orders"}, object()])
def test_what_is_no_handler_is_refused(given):
    """Options given by position are met with how to give them."""
    with pytest.raises(ConfigurationError, match=r'write @production\(service="orders"\)'):
        production(given)


def test_what_is_no_handler_is_refused_with_options_too():
    """A decorator with options takes a handler as well, and nothing else."""
    with pytest.raises(ConfigurationError, match="decorates a handler, not str"):
        production(service="orders")("orders")


def test_a_wrong_option_is_a_type_error_of_ours():
    """`ConfigurationError` is caught by who expects a TypeError, and by who expects an error of ours."""
    assert issubclass(ConfigurationError, TypeError)
    assert issubclass(ConfigurationError, LambdaGuardError)


def test_a_wrong_option_is_refused_under_the_kill_switch(monkeypatch):
    """What is wrong in the code is wrong whatever the environment says."""
    monkeypatch.setenv("LAMBDA_GUARD_DISABLED", "1")
    with pytest.raises(ConfigurationError):
        production(service=7)(handler)


def test_options_reach_the_record():
    """Service, namespace and dimensions stand in the invocation record."""
    decorated = production(
        service="orders",
        namespace="Shop",
        dimensions=("trigger", "function_version", "trigger"),
        log_level="warn",
    )(handler)
    with capture() as captured:
        decorated(events.sqs("a"), make_context(function_name="shop-orders"))
    record = captured.record
    assert record["service"] == "orders"
    assert record["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "Shop"
    assert record["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [
        ["service", "function_name"],
        ["service", "function_name", "trigger_type", "function_version"],
    ]
    assert (record["function_name"], record["trigger_type"], record["function_version"]) == (
        "shop-orders",
        "sqs",
        "$LATEST",
    )


def test_print_is_left_alone_where_asked():
    """With `capture_print=False` a printed line stands as it was printed."""
    with capture() as captured:
        production(capture_print=False)(lambda event, context: print("plain"))({}, None)
    assert captured.output.splitlines()[0] == "plain"


# --- What the decorated handler looks like ------------------------------------------------------------------------


@pytest.mark.parametrize("original", [handler, asynchronous])
def test_a_decorated_handler_looks_like_the_handler(original):
    """Signature, name, documentation, module and annotations are the handler's; `__wrapped__` is the handler."""
    decorated = production(original)
    assert inspect.signature(decorated) == inspect.signature(original)
    for name in ("__name__", "__qualname__", "__doc__", "__module__", "__annotations__"):
        assert getattr(decorated, name) == getattr(original, name)
    assert decorated.__wrapped__ is original
    assert callable(decorated)


def test_attributes_of_the_handler_are_reached():
    """What stands on a handler can be read from the decorated one, and set there, as with any decorator."""

    def marked(event, context):
        return None

    marked.route = "/orders"
    decorated = production(marked)
    decorated.owner = "shop"
    assert (decorated.route, decorated.owner) == ("/orders", "shop")


@production
def to_be_pickled(event, context):
    return "done"


def test_a_decorated_handler_is_copied_and_pickled_as_functions_are():
    """A copy is the handler itself, and so is what comes back from a pickle."""
    assert copy.copy(to_be_pickled) is to_be_pickled
    assert copy.deepcopy({"route": [to_be_pickled]})["route"][0] is to_be_pickled
    assert pickle.loads(pickle.dumps(to_be_pickled)) is to_be_pickled


def test_a_decorated_asynchronous_handler_is_no_coroutine_function():
    """It gives its result when it is called, and whoever asks is told so; the bare one still says what it is."""
    decorated = production(asynchronous)
    assert not inspect.iscoroutinefunction(decorated)
    assert not inspect.iscoroutinefunction(functools.partial(decorated, {}))
    assert inspect.iscoroutinefunction(decorated.__wrapped__)


def test_methods_keep_their_instance():
    """A decorated method is a method: it has the instance, of whatever class that is."""

    class Orders:
        def __init__(self, name):
            self.name = name

        @production
        def handle(self, event, context):
            return self.name

    class Refunds(Orders):
        pass

    with capture() as captured:
        assert Orders("orders").handle({}, None) == "orders"
        assert Refunds("refunds").handle({}, None) == "refunds"
    assert len(captured.records) == 2


def test_a_method_may_be_called_in_every_way():
    """Bound or not, with or without a context, by name: the event that is read is the event, not the instance."""

    def of_several(self, event, context):
        return self, event, context

    class Orders:
        handle_as_others = production(of_several)

        @production
        def handle(self, event, context=None):
            return self, event, context

        @production
        @staticmethod
        def static(event, context=None):
            return event, context

        @staticmethod
        @production
        def static_below(event, context):
            return event, context

        @production
        @classmethod
        def of_class(cls, event, context=None):
            return cls, event, context

        @production
        def unusual(this, event, context):  # noqa: N805 - what is meant
            return this, event, context

    orders, event, context = Orders(), events.sqs("a"), make_context()
    with capture() as captured:
        for call in (orders.handle, functools.partial(Orders.handle, orders), production(orders.handle)):
            assert call(event) == (orders, event, None)
            assert call(event, context) == (orders, event, context)
            assert (
                call(event, context=context) == call(context=context, event=event) == (orders, event, context)
            )
        assert orders.static(event) == (event, None)
        assert Orders.static(event, context) == orders.static_below(event, context) == (event, context)
        assert Orders.of_class(event) == orders.of_class(event=event) == (Orders, event, None)
        assert orders.of_class(event, context) == (Orders, event, context)
        assert orders.unusual(event, context) == (orders, event, context)
        assert orders.handle_as_others(event, context=context) == (orders, event, context)
    assert len(captured.records) == 20
    assert {record["trigger"]["type"] for record in captured.records} == {"sqs"}


def test_a_bound_method_stays_one():
    """A decorated one is bound to the same instance, and isn't bound again where it becomes an attribute of a class."""

    class Orders:
        def handle(self, event, context):
            return self

    orders = Orders()
    handler = production(orders.handle)

    class Api:
        handle = handler

    with capture() as captured:
        assert handler({}, None) is Api().handle({}, None) is orders
    assert handler.__self__ is orders
    assert production(handler) is handler
    assert len(captured.records) == 2


def test_a_batch_handler_is_bound_in_every_way():
    """A method of one record gets its instance or class, whether the context is given or not."""
    taken = []

    class Orders:
        @production(each_record=True)
        def handle(self, record):
            taken.append((self, record.body))

        @production(each_record=True)
        @classmethod
        def of_class(cls, record):
            taken.append((cls, record.body))

        @production(each_record=True)
        @staticmethod
        def static(record):
            taken.append((None, record.body))

    orders, batch = Orders(), events.sqs("a")
    with capture():
        for call in (orders.handle, orders.of_class, orders.static):
            call(batch)
            call(batch, make_context())
            call(event=batch, context=make_context())
    assert taken == [(orders, "a")] * 3 + [(Orders, "a")] * 3 + [(None, "a")] * 3


def test_a_decorator_on_top_is_not_taken_for_ours():
    """What copies our function's attributes is a handler of its own: it is decorated, and the invocation recorded once."""

    @production
    def inner(event, context):
        return "done"

    @functools.wraps(inner)
    def outer(event, context):
        return inner(event, context)

    decorated = production(outer)
    assert decorated is not outer
    with capture() as captured:
        assert decorated({}, None) == "done"
    assert len(captured.records) == 1


WITHOUT_WRAPT = """
    import asyncio, functools, json, sys

    class Without:
        def find_spec(name, path=None, target=None):
            if name.partition(".")[0] == "wrapt":
                raise ModuleNotFoundError("No module named 'wrapt'")
    sys.meta_path.insert(0, Without)

    from lambda_guard import production

    class Resolver:
        routes = {"/orders": 1}
        def __call__(self, event, context):
            return "resolved"

    class AsyncResolver:
        async def __call__(self, event, context):
            return "awaited"

    class Orders:
        @production
        def handle(self, event, context):
            return "method"

    resolver, record = production(Resolver()), production(each_record=True)(functools.partial(lambda record: None))
    assert resolver.routes and resolver({}, None) == "resolved"
    assert production(AsyncResolver())({}, None) == "awaited"
    assert record({"Records": []}, None) is None
    assert Orders().handle({}, None) == "method"
    assert production(lambda event, context: "function")({}, None) == "function"
"""


def test_without_wrapt_functions_are_decorated_and_objects_run_bare(fresh):
    """An object keeps its attributes rather than its record; one that needs us to be called is called. It is said."""
    lines = [json.loads(line) for line in fresh(WITHOUT_WRAPT).splitlines()]
    said = [line for line in lines if "could not do its part 'handler'" in line["message"]]
    assert [line["exception"] for line in said] == ["No module named 'wrapt'"]
    assert [line["message"].split()[0] for line in lines if line.get("record") == "invocation"] == [
        "unknown",
    ] * 4


@pytest.mark.documents
def test_a_callable_without_a_name_is_called_after_its_class():
    """In traces a callable instance or a partial has the best name that there is."""

    class OrderHandler:
        def __call__(self, event, context):
            return None

    header = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
    with capture(header) as captured:
        production(OrderHandler())({}, None)
        production(functools.partial(handler, dry=True))({}, None)
        production(functools.partial(OrderHandler()))({}, None)
        production(staticmethod(handler))({}, None)
    assert [segment.name for segment in captured.segments] == [
        "## OrderHandler", "## handler", "## OrderHandler", "## handler",
    ]  # fmt: skip


# --- Stacking ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("original", [handler, asynchronous])
def test_decorated_twice_it_is_instrumented_once(original):
    """Stacking the decorator, directly, gives the same object."""
    decorated = production(original)
    assert production(decorated) is decorated
    assert production(service="other")(decorated) is decorated
    with capture() as captured:
        assert production(decorated)({}, None) == "done"
    assert len(captured.records) == 1


@pytest.mark.parametrize("original", [handler, asynchronous])
@pytest.mark.parametrize("context", [None, "runtime"])
def test_decorated_twice_with_another_decorator_between_it_is_instrumented_once(
    original, context, wrapped_by
):
    """With a decorator of the user's between, the outer one has the invocation, and the handler runs once."""
    context = make_context() if context else None
    decorated = production(wrapped_by(production(wrapped_by(production(original)))))
    with capture() as captured:
        assert decorated({}, context) == "done"
        assert decorated({}, context) == "done"
    assert len(captured.records) == 2
    assert not any("GuardErrors" in record for record in captured.records)


@pytest.mark.parametrize("original", [handler, asynchronous])
def test_a_partial_of_a_decorated_handler_is_instrumented_once(original):
    """A partial of a decorated handler, decorated again, gives the handler's result and one record."""
    decorated = production(functools.partial(production(original), {}))
    with capture() as captured:
        assert decorated(None) == "done"
    assert len(captured.records) == 1


def test_a_decorated_method_that_is_decorated_again_on_its_instance_is_instrumented_once():
    """A method that is decorated in its class gives its result and one record, also where it is asynchronous."""

    class Orders:
        @production
        def handle(self, event, context):
            return "done"

        @production
        async def handle_in_time(self, event, context):
            return "done"

    for method in (Orders().handle, Orders().handle_in_time):
        assert not inspect.iscoroutinefunction(method)
        assert production(method) is method
        with capture() as captured:
            assert production(functools.partial(method, {}))(None) == "done"
        assert len(captured.records) == 1


def test_a_handler_that_invokes_another_has_its_own_invocation():
    """A decorated handler that a decorated handler calls with another context is an invocation of its own."""

    @production
    def inner(event, context):
        return current_invocation().invocation_id

    @production
    def outer(event, context):
        before = current_invocation().invocation_id
        return before, inner(event, make_context(aws_request_id="inner")), current_invocation().invocation_id

    with capture() as captured:
        assert outer({}, make_context(aws_request_id="outer")) == ("outer", "inner", "outer")
    assert [record["invocation_id"] for record in captured.records] == ["inner", "outer"]


# --- Kill switch ---------------------------------------------------------------------------------------------------


def test_the_kill_switch_gives_back_the_bare_handler(monkeypatch):
    """With `LAMBDA_GUARD_DISABLED` a handler isn't decorated at all."""
    monkeypatch.setenv("LAMBDA_GUARD_DISABLED", "true")
    assert production(handler) is handler
    assert production(service="orders")(handler) is handler


def test_the_kill_switch_leaves_an_asynchronous_handler_runnable(monkeypatch):
    """A coroutine function still gives its result, since Lambda couldn't run it by itself; nothing is written."""
    monkeypatch.setenv("LAMBDA_GUARD_DISABLED", "1")
    error = ValueError("refused")

    async def failing(event, context):
        raise error

    with capture() as captured:
        assert production(asynchronous)({}, None) == "done"
        with pytest.raises(ValueError, match="refused") as raised:
            production(failing)({}, None)
    assert raised.value is error
    assert captured.output == ""


def test_metrics_and_the_invocation_are_harmless_under_the_kill_switch(monkeypatch):
    """The handler's own use of the face works without a decorator: no invocation, and metrics written at once."""
    monkeypatch.setenv("LAMBDA_GUARD_DISABLED", "1")

    def counting(event, context):
        metrics.add_metric(name="Orders", unit="Count", value=1)
        return current_invocation()

    with capture() as captured:
        assert production(counting)({}, None) is None
    assert [metric.name for metric in captured.metrics] == ["Orders"]


# --- Environment -----------------------------------------------------------------------------------------------------


def test_a_malformed_variable_is_said_in_the_log_and_ignored(monkeypatch, unheard):
    """An operator's mistake costs a warning a decoration, and the default holds."""
    unheard()
    monkeypatch.setenv("LAMBDA_GUARD_METRICS", "everything")
    monkeypatch.setenv("LAMBDA_GUARD_MAX_RECEIVE_COUNT", "three")
    with capture() as captured:
        assert production(handler)({}, None) == "done"
    assert [(line["level"], line["message"]) for line in captured.logs] == [
        ("WARNING", "LAMBDA_GUARD_METRICS='everything' is not frugal or all: ignored"),
        ("WARNING", "LAMBDA_GUARD_MAX_RECEIVE_COUNT='three' is not a positive whole number: ignored"),
    ]
    assert "Duration" not in captured.record


def test_all_metrics_are_written_where_asked(monkeypatch):
    """With `LAMBDA_GUARD_METRICS=all` the record has the two metrics that Lambda gives for each function."""
    monkeypatch.setenv("LAMBDA_GUARD_METRICS", "all")
    with capture() as captured:
        production(handler)({}, None)
    assert captured.record["Invocations"] == 1
    assert captured.record["Duration"] == pytest.approx(captured.record["duration_ms"], abs=0.001)


# --- current_invocation ----------------------------------------------------------------------------------------------


def test_the_current_invocation_is_that_of_the_handler():
    """Inside of a handler the facts of its invocation are at hand; outside there are none."""
    assert current_invocation() is None
    context = make_context(function_name="shop-orders", timeout_ms=60_000)
    with capture("Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"):
        found = production(lambda event, context: current_invocation())(events.sqs("a"), context)
    assert type(found) is Invocation
    assert found.invocation_id == context.aws_request_id
    assert found.function == "shop-orders"
    assert found.trigger.type == "sqs"
    assert found.trace_id == "1-5759e988-bd862e3fe1be46a994272793"
    assert found.memory_limit_mb == 128
    assert found.deadline - found.started == pytest.approx(60, abs=10)
    assert current_invocation() is None


def test_the_current_invocation_cannot_be_changed():
    """It is a value: nobody can alter it under another's hands."""
    with capture():
        found = production(lambda event, context: current_invocation())({}, None)
    with pytest.raises(AttributeError):
        found.invocation_id = "mine"


def test_no_warning_is_raised_by_decorating_or_calling():
    """Our own code uses nothing deprecated, and never sends the handler a warning."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with capture() as captured:
            production(handler)({}, None)
            production(asynchronous)({}, None)
    assert [str(warning.message) for warning in caught] == []
    assert all(json.loads(line) for line in captured.output.splitlines())


def test_a_builtin_is_called_by_keyword():
    """Where nothing says what the parameters are called, they are `event` and `context`."""
    event, context = events.sqs("a"), make_context(aws_request_id="6f0c1d3e")
    with capture() as captured:
        assert production(dict)(event=event, context=context) == {"event": event, "context": context}
    assert captured.record["invocation_id"] == "6f0c1d3e"
    assert captured.record["trigger"]["type"] == "sqs"


def plain_generator(event, context):
    yield 1


async def async_generator(event, context):
    yield 1


class Made:
    """A class whose instances aren't answers."""

    def __init__(self, event, context):
        pass


class Yielding:
    def __call__(self, event, context):
        yield 1


class Answer(dict):
    def __init__(self, event, context):
        super().__init__(event)


class Pair(NamedTuple):
    event: dict
    context: object


class Fleeting:
    def __new__(cls, event, context):
        return event


class Proxy:
    """A decorator of the user's, which looks like what it decorates."""

    def __init__(self, function):
        self.__wrapped__, self.__code__, self.__name__ = function, function.__code__, function.__name__

    def __call__(self, event, context):
        return list(self.__wrapped__(event, context))


UNFIT = {
    "a generator function": (plain_generator, "plain_generator is a generator function"),
    "an async generator function": (async_generator, "async_generator is an async generator function"),
    "in a partial": (functools.partial(plain_generator), "plain_generator is a generator function"),
    "a callable instance": (Yielding(), "Yielding is a generator function"),
    "its method": (Yielding().__call__, "__call__ is a generator function"),
    "a class": (Made, "Made is a class"),
}
FIT = {
    "a class of answers": Answer,
    "a class that makes something else": Fleeting,
    "a named tuple": Pair,
    "a proxy": Proxy(plain_generator),
    "a builtin": dict,
    "a mock": unittest.mock.MagicMock(),
    "a function around it": lambda event, context: list(plain_generator(event, context)),
}


@pytest.mark.parametrize("kind", UNFIT)
def test_a_handler_that_cannot_answer_is_a_warning(kind):
    """It is decorated as it is, since a decorator above may make an answer of it, and a WARNING says what to write."""
    handler, said = UNFIT[kind]
    with capture() as captured:
        decorated = production(handler)
    (line,) = captured.logs
    assert line["level"] == "WARNING"
    assert line["message"].startswith(f"handler {said}: ")
    assert "Runtime.MarshalError, unless " in line["message"]
    with capture() as captured:
        assert type(decorated({}, make_context())) is type(handler({}, None))
    assert captured.record["outcome"] == "success"
    assert captured.logs == []


@pytest.mark.parametrize("kind", FIT)
def test_a_handler_that_may_answer_is_none(kind):
    """Whatever isn't known to be of no use is decorated without a word."""
    with capture() as captured:
        production(FIT[kind])
    assert captured.output == ""


@pytest.mark.parametrize("kind", [kind for kind in UNFIT if kind != "a class"])
def test_a_record_handler_that_does_nothing_is_refused(kind):
    """With `each_record` nobody else can run its code: each message would be deleted that nobody has processed."""
    handler, said = UNFIT[kind]
    with pytest.raises(ConfigurationError, match=f"handler {said}: .* pass as processed; write "):
        production(each_record=True)(handler)


def test_a_class_may_handle_records():
    """Its instances are no answers then, and making one may be the work."""
    seen = []

    class Order:
        def __init__(self, record):
            seen.append(record.body)

    with capture() as captured:
        production(each_record=True)(Order)(events.sqs("a", "b"), make_context())
    assert seen == ["a", "b"]
    assert captured.logs == []


def test_a_handler_that_cannot_answer_is_let_alone_without_us(monkeypatch):
    """The kill switch leaves the bare handler, without a word."""
    monkeypatch.setenv("LAMBDA_GUARD_DISABLED", "true")
    with capture() as captured:
        assert production(plain_generator) is plain_generator
    assert captured.output == ""
