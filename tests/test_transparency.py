"""Tenet 1: whatever comes in, however it ends, the decorated handler does what the bare one does, and once."""

import asyncio
import copy
import functools
import inspect
import json
import sys
import threading
import types
from collections import UserDict
from unittest.mock import MagicMock
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_guard import current_invocation, production
from lambda_guard.testing import TRACE_HEADER, capture, events, make_context

UPSTREAM = "Root=1-6742a1b5-0123456789abcdef01234567;Parent=4c721bf33e3caf8f;Sampled=1"
OTHER = "Root=1-6742a1b6-0123456789abcdef01234567;Parent=4c721bf33e3caf90;Sampled=1"


def facts(error):
    """Return what an exception carries, its traceback apart, without asking the exception itself."""
    attributes = {
        name: BaseException.__getattribute__(error, name)
        for name in ("__cause__", "__context__", "__suppress_context__", "args")
    }
    try:
        attributes |= {"__dict__": dict(object.__getattribute__(error, "__dict__"))}
    except AttributeError:
        attributes |= {"__dict__": None}
    return {name: repr_of(value) for name, value in attributes.items()}


def repr_of(value):
    """Return something that tells whether a value is the same one with the same parts."""
    if isinstance(value, dict):
        return {key: repr_of(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [repr_of(item) for item in value]
    return id(value)


def frames(error):
    """Return (file, line, function) of each frame of a traceback, outermost first."""
    found, trace = [], BaseException.__getattribute__(error, "__traceback__")
    while trace is not None:
        found.append((trace.tb_frame.f_code.co_filename, trace.tb_lineno, trace.tb_frame.f_code.co_name))
        trace = trace.tb_next
    return found


def ended(call, *args, **kwargs):
    """Call something, and return its value and its exception, one of which is None."""
    try:
        return call(*args, **kwargs), None
    except BaseException as error:
        return None, error


@pytest.fixture(autouse=True)
def tracer(request, monkeypatch):
    """Have one of the tracers, X-Ray's or OpenTelemetry's: each run takes for each test the one or the other."""
    seed = request.config.getoption("randomly_seed", 0)
    drawn = crc32(request.node.nodeid.encode()) + (seed if isinstance(seed, int) else 0)
    monkeypatch.setenv("LAMBDA_GUARD_TRACING", ("on", "otlp")[drawn % 2])


class Watched:
    """A body that notes what it was called with, and how often."""

    def __init__(self, body):
        self.body = body
        self.calls = []

    def __call__(self, *args, **kwargs):
        self.calls.append((args, kwargs))
        return self.body()


def assert_undisturbed(captured):
    """Assert that one record was written and that nothing of ours failed on the way."""
    assert "could not do its part" not in captured.output
    assert "GuardErrors" not in captured.record


def assert_same_ending(body, decorated, bare, before):
    """Assert that an ending is the body's own: the same object, nothing added, its frames and at most one more."""
    value, error = decorated
    assert value is getattr(body, "value", None)
    assert error is getattr(body, "error", None)
    if error is not None:
        assert facts(error) == before
        assert_frames(frames(error), bare, deep=type(error) is RecursionError)


def assert_frames(found, bare, *, deep):
    """Assert that the handler's own frames are all there, with at most one that is not."""
    own = bare[1:] if not deep else bare[1:100]  # how deep it goes at all depends on where it begins
    extra = len(found) - len(bare) if not deep else 1
    assert found[1 + extra :][: len(own)] == own
    assert extra <= 1


def check(body, handler):
    """Call a handler bare and decorated, and compare."""
    error = getattr(body, "error", None)
    before = facts(error) if error is not None else None
    _, bare_error = ended(handler, {"id": 1}, None)
    bare = frames(bare_error) if bare_error is not None else []
    if bare_error is not None:
        BaseException.with_traceback(bare_error, None)
    if error is None and bare_error is not None:  # one that only the interpreter can raise
        before = None
    with capture(TRACE_HEADER) as captured:
        decorated = ended(production(handler), {"id": 1}, None)
    if before is None and decorated[1] is not None:
        before = facts(decorated[1])
    assert_same_ending(body, decorated, bare, before)
    assert_undisturbed(captured)
    assert captured.record["outcome"] == ("success" if decorated[1] is None else "error")


def test_a_handlers_ending_is_its_own(body):
    """A function's value and exception come out as the same objects, with nothing added and at most one frame more."""

    def handler(event, context):
        return body()

    check(body, handler)


def test_an_ending_that_no_coroutine_can_have_is_a_functions_own(sync_body):
    """StopIteration passes through as well."""

    def handler(event, context):
        return sync_body()

    check(sync_body, handler)


def test_an_asynchronous_handlers_ending_is_its_own(body):
    """A coroutine's value and exception come out as the same objects, with its own frames below at most two."""
    before = facts(body.error) if getattr(body, "error", None) is not None else None

    async def handler(event, context):
        await asyncio.sleep(0)
        return body()

    with capture(TRACE_HEADER) as captured:
        value, error = ended(production(handler), {"id": 1}, None)
    assert value is getattr(body, "value", None)
    assert error is getattr(body, "error", None)
    if error is not None:
        assert before is None or facts(error) == before
        assert [name for _, _, name in frames(error)][:4] == ["ended", "guarded", "handler", "__call__"]
    assert_undisturbed(captured)


def test_a_generator_comes_back_unstarted():
    """Nobody takes anything out of an iterator that a handler returns."""
    generator = (number for number in range(3))
    with capture():
        assert production(lambda event, context: generator)({}, None) is generator
    assert inspect.getgeneratorstate(generator) == inspect.GEN_CREATED


def test_an_exception_raised_in_an_except_block_keeps_its_context():
    """The context that Python gives an exception is the handler's, also where the caller is handling another one."""

    def handler(event, context):
        try:
            raise KeyError("inner")  # noqa: TRY301 - the block is what is tested
        except KeyError:
            raise ValueError("outer")  # noqa: B904 - the implicit context is what is looked at

    async def asynchronous(event, context):
        handler(event, context)

    for decorated in (production(handler), production(asynchronous)):
        try:
            raise LookupError("the caller's")  # noqa: TRY301 - as above
        except LookupError:
            with capture():
                _, error = ended(decorated, {}, None)
        assert repr(error.__context__) == "KeyError('inner')"


def test_an_exception_that_is_raised_again_and_again_gathers_no_frames():
    """A handler that raises one exception of its module's gets no more frames from us than from its own calls."""
    body = ValueError("one for all")

    @production
    def handler(event, context):
        raise body.with_traceback(None)

    with capture():
        counts = {len(frames(ended(handler, {}, None)[1])) for _ in range(5)}
    assert counts == {3}


def at(depth, call, *args):
    """Call something from so many frames further down the stack."""
    return at(depth - 1, call, *args) if depth else call(*args)


@pytest.mark.parametrize("error", [None, ValueError("refused")], ids=repr)
def test_a_handler_at_the_end_of_the_stack_is_called_while_there_is_room_for_it(error):
    """Within two frames of the bare one's deepest call, wrapt's included, and the invocation after that is whole."""
    calls, value = [], {}

    def bare(event, context):
        calls.append(event)
        if error is not None:
            error.__traceback__ = None  # or it grows by a thousand frames with each call
            raise error
        return value

    decorated, expected = production(bare), (value, None) if error is None else (None, error)
    with capture(TRACE_HEADER):
        depths = range(sys.getrecursionlimit(), 0, -1)
        deepest = next(depth for depth in depths if ended(at, depth, bare, {}, None) == expected)
        calls.clear()
        for depth in range(deepest - 100, deepest - 1):
            assert ended(at, depth, decorated, {}, make_context()) == expected
        assert len(calls) == 99
        assert current_invocation() is None
    with capture(TRACE_HEADER) as captured:
        assert ended(decorated, {}, make_context(aws_request_id="next")) == expected
    traced = [segment.annotations["invocation_id"] for segment in captured.segments]
    traced += [span.attributes["faas.invocation_id"] for span in captured.spans]
    assert [captured.record["invocation_id"]] == traced == ["next"]


# --- Events ----------------------------------------------------------------------------------------------------


def leaves_gone(value):
    """Return a copy of an event with null in place of every value."""
    if isinstance(value, dict):
        return {key: leaves_gone(item) for key, item in value.items()}
    if isinstance(value, list):
        return [leaves_gone(item) for item in value]
    return None


def of_other_types(value):
    """Return a copy of an event in which every text is a list, every number a text, and so on."""
    if isinstance(value, dict):
        return {key: of_other_types(item) for key, item in value.items()}
    if isinstance(value, list):
        return {str(index): of_other_types(item) for index, item in enumerate(value)}
    return [value] if isinstance(value, str) else str(value)


def shallow(value):
    """Return a copy of an event whose parts are empty."""
    if isinstance(value, dict):
        return {key: type(item)() if isinstance(item, dict | list) else item for key, item in value.items()}
    return [{} for _ in value]


def rubble(value):
    """Return a copy of an event whose lists hold things that don't belong there."""
    if isinstance(value, dict):
        return {key: rubble(item) for key, item in value.items()}
    if isinstance(value, list):
        return [None, 1, "x", [], {}, *map(rubble, value), Ellipsis]
    return value


SAMPLES = {
    "sqs": lambda: events.sqs({"id": 1}, {"id": 2}),
    "sqs fifo": lambda: events.sqs("a", "b", fifo=True),
    "sqs adopted": lambda: events.sqs("a", trace_header=UPSTREAM),
    "sqs of two traces": lambda: events.sqs("a", "b", trace_header=[UPSTREAM, OTHER]),
    "sqs of one trace in two": lambda: events.sqs("a", "b", trace_header=[UPSTREAM, None]),
    "sns": lambda: events.sns("a"),
    "sns in sqs": lambda: events.sns_in_sqs("a", "b"),
    "sns in sqs, raw": lambda: events.sns_in_sqs("a", raw=True),
    "eventbridge": lambda: events.eventbridge({"a": 1}),
    "eventbridge in sqs": lambda: events.eventbridge_in_sqs({"a": 1}),
    "schedule": events.schedule,
    "s3": lambda: events.s3("key"),
    "s3 in sqs": lambda: events.s3_in_sqs("key"),
    "kinesis": lambda: events.kinesis("a", "b"),
    "dynamodb": lambda: events.dynamodb({"id": 1}),
    "kafka": lambda: events.kafka("a"),
    "mq": lambda: events.mq("a"),
    "firehose": lambda: events.firehose("a"),
    "logs": lambda: events.logs("a"),
    "api gateway": events.api_gateway,
    "http api": events.http_api,
    "function url": events.function_url,
    "alb": events.alb,
    "websocket": lambda: events.websocket("a"),
    "appsync": events.appsync,
    "cognito": events.cognito,
    "iot": lambda: events.iot({"a": 1}),
    "cloudformation": events.cloudformation,
    "codepipeline": events.codepipeline,
    "ses": events.ses,
    "step functions": lambda: events.step_functions({"a": 1}),
}
BENT = {"leaves gone": leaves_gone, "of other types": of_other_types, "shallow": shallow, "rubble": rubble}


def nested(depth):
    """Make a dict in a dict in a dict."""
    event = {}
    for _ in range(depth):
        event = {"Records": [event], "body": event}
    return event


def ring():
    """Make an event that holds itself."""
    event = {"Records": []}
    event["Records"].append(event)
    event["body"] = event
    return event


MALFORMED = {
    "None": lambda: None,
    "true": lambda: True,
    "zero": lambda: 0,
    "huge number": lambda: 10**5000,
    "NaN": lambda: float("nan"),
    "infinity": lambda: float("-inf"),
    "empty text": lambda: "",
    "text": lambda: '{"Records": []}',
    "surrogate": lambda: "\ud800",
    "bytes": lambda: b"\xff",
    "empty list": list,
    "list of nothing": lambda: [None, None],
    "list in list": lambda: [[[]]],
    "empty dict": dict,
    "no records": lambda: {"Records": []},
    "null records": lambda: {"Records": None},
    "text records": lambda: {"Records": "none"},
    "dict records": lambda: {"Records": {"0": {}}},
    "number records": lambda: {"Records": 7},
    "records of rubbish": lambda: {"Records": [None, 1, "x", [], {}]},
    "record without body": lambda: {"Records": [{"eventSource": "aws:sqs"}]},
    "body of rubbish": lambda: {"Records": [{"eventSource": "aws:sqs", "body": 7, "attributes": []}]},
    "body is no JSON": lambda: {"Records": [{"eventSource": "aws:sqs", "body": '{"Type": "Notification", '}]},
    "deep body": lambda: {"Records": [{"eventSource": "aws:sqs", "body": '{"Message":' * 50_000}]},
    "counts of rubbish": lambda: {
        "Records": [
            {
                "eventSource": "aws:sqs",
                "attributes": {"ApproximateReceiveCount": "many", "SentTimestamp": "\u0663x"},
            }
        ]
    },
    "endless count": lambda: {
        "Records": [
            {
                "eventSource": "aws:sqs",
                "attributes": {"ApproximateReceiveCount": "9" * 5000, "SentTimestamp": "9" * 5000},
            }
        ]
    },
    "garbage header": lambda: events.sqs("a", trace_header="Root=;;;=;Parent=\n"),
    "long header": lambda: events.sqs("a", trace_header="Root=1-" + "f" * 1_000_000),
    "header of digits in another script": lambda: events.sqs(
        "a", trace_header=UPSTREAM.replace("1-", "\u0661-")
    ),
    "header that is no text": lambda: {
        "Records": [{"eventSource": "aws:sqs", "attributes": {"AWSTraceHeader": {"a": 1}}}]
    },
    "unknown source": lambda: {"Records": [{"eventSource": "aws:tomorrow"}]},
    "source of rubbish": lambda: {"Records": [{"eventSource": ["aws:sqs"]}]},
    "mixed sources": lambda: {"Records": [*events.sqs("a")["Records"], *events.sns("b")["Records"], None]},
    "null everywhere": lambda: {"requestContext": None, "headers": None, "detail": None, "source": None},
    "headers of rubbish": lambda: {"headers": [1], "requestContext": {"http": 7, "elb": 1}},
    "header names of rubbish": lambda: {"headers": {1: 2, None: 3}, "requestContext": {"http": {}}},
    "keys that are no text": lambda: {1: 2, None: 3, (1,): 4, "Records": [{5: 6}]},
    "ten thousand records": lambda: {"Records": events.sqs("a")["Records"] * 10_000},
    "2 MB": lambda: {"body": "x" * 2_000_000},
    "nested deeply": lambda: nested(400),
    "ring": ring,
    "UserDict": lambda: UserDict(Records=[]),
    "mapping": lambda: types.MappingProxyType({"Records": []}),
    "namespace": lambda: types.SimpleNamespace(Records=[]),
    "mock": MagicMock,
    "generator": lambda: iter([1]),
    "object": object,
    "class": lambda: dict,
    "exception": lambda: ValueError("an event"),
    "awslogs of rubbish": lambda: {"awslogs": {"data": "no gzip"}},
    "awslogs without data": lambda: {"awslogs": None},
    "kafka without records": lambda: {"eventSource": "aws:kafka", "records": None},
    "kafka of rubbish": lambda: {
        "eventSource": "aws:kafka",
        "records": {"t-0": [None, {"headers": [None, {"a": "b"}]}]},
    },
}
EVENTS = {
    **SAMPLES,
    **{
        f"{name}, {how}": functools.partial(lambda make, bend: bend(make()), make, bend)
        for name, make in SAMPLES.items()
        for how, bend in BENT.items()
    },
    **MALFORMED,
}


def assert_event_untouched(event):
    """Assert that a handler gets the very event and context, once, and that nothing in them was changed."""
    before = event if isinstance(event, MagicMock) else snapshot(event)
    body = Watched(lambda: "done")
    context = make_context()
    with capture(TRACE_HEADER) as captured:
        assert production(body)(event, context) == "done"
    [(args, kwargs)] = body.calls
    assert args[0] is event
    assert args[1] is context
    assert kwargs == {}
    assert isinstance(event, MagicMock) or snapshot(event) == before
    assert_undisturbed(captured)
    assert captured.record["invocation_id"] == context.aws_request_id


def snapshot(event):
    """Return an event's whole content with the identities of its parts."""
    found, stack, seen = [], [event], set()
    while stack:
        value = stack.pop()
        found.append((id(value), type(value).__name__))
        if id(value) in seen:
            continue
        seen.add(id(value))
        if type(value) is dict:
            found.extend(map(id, value))
            stack.extend(value.values())
        elif type(value) is list:
            stack.extend(value)
    return found


@pytest.mark.parametrize("name", EVENTS)
def test_an_event_reaches_the_handler_as_it_is(name):
    """The handler gets the event itself, unchanged and once, whatever it looks like."""
    assert_event_untouched(EVENTS[name]())


def test_hostile_events_reach_the_handler(hostile):
    """Objects and dicts that raise whatever is asked of them are events like any other."""
    for event in hostile:
        body = Watched(lambda: "done")
        with capture(TRACE_HEADER) as captured:
            assert production(body)(event, None) == "done"
        assert body.calls[0][0][0] is event
        assert_undisturbed(captured)


def test_there_are_more_than_a_hundred_events():
    """The suite keeps the breadth that it claims."""
    assert len(EVENTS) > 200


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
KEYS = st.sampled_from(
    [
        "Records",
        "records",
        "eventSource",
        "body",
        "attributes",
        "headers",
        "requestContext",
        "detail",
        "source",
        "awslogs",
    ]
)


@given(
    JSON
    | st.dictionaries(KEYS, JSON)
    | st.fixed_dictionaries({"Records": st.lists(st.dictionaries(KEYS, JSON))})
)
def test_any_json_reaches_the_handler_as_it_is(event):
    """No JSON value keeps a handler from being called once with it, or is changed by us."""
    before = copy.deepcopy(event)
    body = Watched(lambda: "done")
    with capture(TRACE_HEADER) as captured:
        assert production(body)(event, None) == "done"
    assert body.calls[0][0][0] is event
    assert len(body.calls) == 1
    assert json.dumps(event) == json.dumps(before)
    assert_undisturbed(captured)


# --- Contexts --------------------------------------------------------------------------------------------------


class Raising:
    """A context with properties that raise."""

    @property
    def aws_request_id(self):
        raise RuntimeError("no id")

    @property
    def function_name(self):
        raise RuntimeError("no name")

    def get_remaining_time_in_millis(self):
        raise RuntimeError("no time")


class Slotted:
    __slots__ = ("aws_request_id",)

    def __init__(self):
        self.aws_request_id = "slotted"


class Frozen:
    aws_request_id = "frozen"

    def __setattr__(self, name, value):
        raise AttributeError(f"{name} is read-only")


class Generous:
    """A context that has everything, and all of it is wrong."""

    def __getattr__(self, name):
        return 7


class Timeless:
    aws_request_id, function_name, function_version, memory_limit_in_mb = "id", "f", "1", "lots"

    def get_remaining_time_in_millis(self):
        return float("nan")


class Backward(Timeless):
    memory_limit_in_mb = "-1"

    def get_remaining_time_in_millis(self):
        return -(10**400)


CONTEXTS = {
    "runtime client's": make_context,
    "None": lambda: None,
    "dict": lambda: {"aws_request_id": "from a dict"},
    "empty dict": dict,
    "text": lambda: "context",
    "number": lambda: 7,
    "MagicMock": MagicMock,
    "namespace": types.SimpleNamespace,
    "object": object,
    "slots": Slotted,
    "raising": Raising,
    "frozen": Frozen,
    "generous": Generous,
    "without a time": Timeless,
    "with a time gone by": Backward,
    "surrogates": lambda: make_context(aws_request_id='\ud800\n"', function_name="f\udfff"),
    "quotes": lambda: make_context(aws_request_id='a"b\\c', function_version="\x00"),
    "long": lambda: make_context(aws_request_id="x" * 1_000_000),
    "no memory": lambda: make_context(memory_limit_in_mb="0"),
    "text subclass": lambda: make_context(aws_request_id=type("Id", (str,), {})("id")),
}


@pytest.mark.parametrize("name", CONTEXTS)
@pytest.mark.parametrize("error", [None, ValueError("refused")])
def test_a_context_reaches_the_handler_as_it_is(name, error):
    """The handler gets the context itself, once, whatever it has or lacks; and its ending is its own."""
    context = CONTEXTS[name]()
    calls = []

    @production
    def handler(event, context):
        calls.append(context)
        if error is not None:
            raise error
        return calls

    with capture(TRACE_HEADER) as captured:
        value, raised = ended(handler, {}, context)
    assert calls[0] is context
    assert len(calls) == 1
    assert (value, raised) == ((calls, None) if error is None else (None, error))
    assert_undisturbed(captured)


def test_hostile_contexts_reach_the_handler(hostile):
    """Objects that raise whatever is asked of them are contexts like any other."""
    for context in hostile:
        body = Watched(lambda: "done")
        with capture(TRACE_HEADER) as captured:
            assert production(body)({}, context) == "done"
        assert body.calls[0][0][1] is context
        assert_undisturbed(captured)


# --- Ways to define a handler, and to call it ----------------------------------------------------------------------


def as_function(body):
    @production
    def handler(event, context):
        return body(event, context)

    return handler


def with_options(body):
    @production(service="orders")
    def handler(event, context):
        return body(event, context)

    return handler


def with_parentheses(body):
    @production()
    def handler(event, context):
        return body(event, context)

    return handler


def as_lambda(body):
    return production(lambda event, context: body(event, context))  # noqa: PLW0108 - what is tested


def as_method(body):
    class Orders:
        @production
        def handle(self, event, context):
            assert isinstance(self, Orders)
            return body(event, context)

    return Orders().handle


def through_its_class(body):
    class Orders:
        @production
        def handle(self, event, context):
            assert isinstance(self, Orders)
            return body(event, context)

    return functools.partial(Orders.handle, Orders())


def as_bound_method(body):
    class Orders:
        def handle(self, event, context):
            return body(event, context)

    return production(Orders().handle)


def as_static_method(body):
    class Orders:
        @staticmethod
        @production
        def handle(event, context):
            return body(event, context)

    return Orders.handle


def around_a_static_method(body):
    class Orders:
        @production
        @staticmethod
        def handle(event, context):
            return body(event, context)

    return Orders().handle


def as_class_method(body):
    class Orders:
        @classmethod
        @production
        def handle(cls, event, context):
            assert cls is Orders
            return body(event, context)

    return Orders.handle


def around_a_class_method(body):
    class Orders:
        @production
        @classmethod
        def handle(cls, event, context):
            assert cls is Orders
            return body(event, context)

    return Orders.handle


def as_partial(body):
    def handler(table, event, context):
        assert table == "orders"
        return body(event, context)

    return production(functools.partial(handler, "orders"))


def as_callable_instance(body):
    class Handler:
        def __call__(self, event, context):
            return body(event, context)

    return production(Handler())


def as_decorated_call(body):
    class Handler:
        @production
        def __call__(self, event, context):
            return body(event, context)

    return Handler()


def as_partial_of_an_instance(body):
    class Handler:
        def __call__(self, table, event, context):
            return body(event, context)

    return production(functools.partial(Handler(), "orders"))


def as_mock(body):
    return production(MagicMock(side_effect=lambda event, context: body(event, context)))  # noqa: PLW0108 - by its names


def asynchronous(body):
    @production
    async def handler(event, context):
        await asyncio.sleep(0)
        return body(event, context)

    return handler


def as_asynchronous_method(body):
    class Orders:
        @production
        async def handle(self, event, context):
            await asyncio.sleep(0)
            return body(event, context)

    return Orders().handle


def around_an_asynchronous_static_method(body):
    class Orders:
        @production
        @staticmethod
        async def handle(event, context):
            return body(event, context)

    return Orders().handle


def as_asynchronous_partial(body):
    async def handler(table, event, context):
        return body(event, context)

    return production(functools.partial(handler, "orders"))


def as_asynchronous_instance(body):
    class Handler:
        async def __call__(self, event, context):
            return body(event, context)

    return production(Handler())


def as_partial_of_an_asynchronous_instance(body):
    class Handler:
        async def __call__(self, table, event, context):
            return body(event, context)

    return production(functools.partial(Handler(), "orders"))


DEFINITIONS = (
    as_function, with_options, with_parentheses, as_lambda, as_method, through_its_class, as_bound_method, as_static_method,
    around_a_static_method, as_class_method, around_a_class_method, as_partial, as_callable_instance, as_decorated_call,
    as_partial_of_an_instance, as_mock, asynchronous, as_asynchronous_method, around_an_asynchronous_static_method,
    as_asynchronous_partial, as_asynchronous_instance, as_partial_of_an_asynchronous_instance,
)  # fmt: skip


def positionally(handler, event, context):
    return handler(event, context)


def by_keyword(handler, event, context):
    return handler(event=event, context=context)


def mixed(handler, event, context):
    return handler(event, context=context)


def from_a_thread(handler, event, context):
    found = []
    thread = threading.Thread(target=lambda: found.append(ended(handler, event, context)))
    thread.start()
    thread.join()
    value, error = found[0]
    if error is not None:
        raise error
    return value


CALLS = (positionally, by_keyword, mixed, from_a_thread)


@pytest.mark.parametrize("error", [None, ValueError("refused"), SystemExit(1)], ids=repr)
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("define", DEFINITIONS)
def test_every_way_to_define_and_call_a_handler(define, call, error):
    """The handler is called once, with the very event and context, and ends as it does by itself."""
    event, context, value, calls = {"id": 1}, make_context(), object(), []

    def body(*args):
        calls.append(args)
        if error is not None:
            raise error
        return value

    handler = define(body)
    with capture(TRACE_HEADER) as captured:
        result = ended(call, handler, event, context)
    assert result == ((value, None) if error is None else (None, error))
    [args] = calls
    assert args[0] is event
    assert args[1] is context
    assert captured.record["invocation_id"] == context.aws_request_id
    assert_undisturbed(captured)


@pytest.mark.parametrize(
    ("handler", "args", "kwargs"),
    [
        (lambda: "done", (), {}),
        (lambda event: "done", (1,), {}),
        (lambda *args: "done", (1, 2, 3, 4), {}),
        (lambda **kwargs: "done", (), {"event": 1, "context": 2, "more": 3}),
        (lambda event, context, *, more: "done", (1, 2), {"more": 3}),
        (lambda *, event, context: "done", (), {"event": 1, "context": 2}),
        (lambda message, ctx: "done", (), {"message": 1, "ctx": 2}),
        (lambda event, context=None: "done", (1,), {}),
        (lambda self, event: "done", ("self", 2), {}),
    ],
)
def test_any_number_of_arguments_reaches_the_handler(handler, args, kwargs):
    """Arguments that Lambda wouldn't give are the caller's business, and pass."""
    with capture() as captured:
        assert production(handler)(*args, **kwargs) == "done"
    assert_undisturbed(captured)


@pytest.mark.parametrize(
    ("handler", "kwargs"),
    [
        (lambda message, ctx: None, {"message": events.sqs("a"), "ctx": {"aws_request_id": "mine"}}),
        (lambda event, *, ctx: None, {"event": events.sqs("a"), "ctx": {"aws_request_id": "mine"}}),
    ],
)
def test_event_and_context_are_told_by_the_names_of_the_parameters(handler, kwargs):
    """A call by keyword is read like one by position, whatever the handler calls its parameters."""
    with capture() as captured:
        production(handler)(**kwargs)
    assert captured.record["invocation_id"] == "mine"
    assert captured.record["trigger"]["type"] == "sqs"


def test_wrong_arguments_get_pythons_own_error():
    """A call that the handler doesn't take raises the handler's TypeError, in its own words."""

    def handler(event):
        return event

    with capture():
        _, decorated = ended(production(handler), 1, 2)
    assert type(decorated) is TypeError
    assert str(decorated) == str(ended(handler, 1, 2)[1])
