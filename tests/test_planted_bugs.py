"""A bug of ours, planted in each function on the way of an invocation, is counted, said, and changes no outcome."""

import contextlib
import decimal
import functools
import gc
import importlib
import inspect
import io
import json
import logging
import os
import pkgutil
import sys
import threading
from types import FunctionType

import pytest

import lambda_guard
from lambda_guard import _failsafe, _scope, logger, metrics, production
from lambda_guard.testing import TRACE_HEADER, capture, events, make_context
from lambda_guard.testing.context import ClientContext
from lambda_guard.timeout import watchdog

UPSTREAM = "Root=1-6742a1b5-0123456789abcdef01234567;Parent=4c721bf33e3caf8f;Sampled=1"
W3C = "00-6742a1b5000000000000000000000002-0000000000000002-01"
EVENTS = {
    "direct": {"order_id": "o-1"},
    "direct, traced": {"traceHeader": f"{UPSTREAM};Self=1", "Payload": {}},
    "sqs": events.sqs("a", "b", trace_header=UPSTREAM),
    "sqs, odd": {"Records": [{**events.sqs("a")["Records"][0], "attributes": None}]},
    "sns-sqs": events.sns_in_sqs("a", message_attributes={"traceparent": W3C}),
    "sqs, envelope in another order": events.sqs('{"TopicArn": "t", "Type": "Notification", "Message": "Root=1-"}'),
    "sns": events.sns("a", message_attributes={"AWSTraceHeader": UPSTREAM}),
    "dynamodb": events.dynamodb({"id": "o-1", "traceparent": W3C}),
    "kafka": events.kafka("a", headers={"traceparent": W3C}),
    "mq": events.mq("a", rabbit=True, headers={"traceparent": W3C}),
    "http": events.http_api(trace_header=f"{UPSTREAM},{UPSTREAM}"),
    "websocket": events.websocket("a"),
    "eventbridge": events.eventbridge({"traceHeader": UPSTREAM}),
    "logs": events.logs("a"),
    "pipe": [{**events.sqs("a")["Records"][0]}],
    "appsync": [events.appsync()],
    "tuple": (),
}  # fmt: skip
CONTEXT = make_context(
    timeout_ms=86_400_000, client_context=ClientContext(custom={"traceparent": W3C}), w3c={"traceparent": W3C}
)
# Where a bug isn't telemetry's: it fails the invocation, which is retried, or there is nobody left to tell.
EXEMPT = {
    "_failsafe": "it is what tells",
    "_event_loop": "it runs the handler",
    "batch.loop": "it runs the handler, record by record",
    "batch.calling": "likewise",
    "batch.source": "it reads the batch that is to be processed",
    "testing": "not in a function",
    "tools": "not in a function",
    "local": "not in a function",
    "templates": "not in a function",
    "iam": "not in a function",
    "shapes": "not in a function",
}
# What the user's code or logging calls itself, and what guards the rest.
ENTRANCES = {
    "sinks.log.printed.PrintedLines.write": "standard output: what the stream raises is the user's",
    "sinks.log.lines.LineLogger._log": "the frame in which a line is guarded",
    "sinks.log.lines.LineLogger.isEnabledFor": "logging's, with one question less",
    "sinks.log.lines.LineLogger.<lambda>": "an attribute that logging reads",
    "sinks.log.lines.Handler.emit": "the frame in which a line is guarded",
    "sinks.log.other_loggers._Attributes.__contains__": "an operator that logging uses",
    "sinks.metrics.facade.Metrics.add_metric": "the frame in which a metric is guarded",
    "sinks.metrics.facade.Metrics.single_metric": "a `with` block can't do without its object",
    "sinks.metrics.facade.SingleMetric.__init__": "likewise",
    "sinks.metrics.facade.SingleMetric.__enter__": "likewise",
}
# Reached by some runs and not by others: the thread may be awake already, the memory as it was; a line of ours may be
# written through the stream in front.
SOMETIMES = {"timeout.watchdog._Watch.ring", "_process.resident_mb", "sinks.log.printed.PrintedLines._pass"}


class Hostile(dict):
    """A dict whose methods raise."""

    def get(self, *_):
        """Raise."""
        raise RuntimeError("hostile")

    __getitem__ = __contains__ = __iter__ = __len__ = keys = values = items = get


class HostileList(list):
    """A list whose methods raise."""

    __getitem__ = __iter__ = __len__ = Hostile.get


class Call:
    """A handler that ends in one way, and how often it was called."""

    def __init__(self, ending):
        self.ending = ending
        self.calls = 0

    def end(self):
        self.calls += 1
        if isinstance(self.ending, BaseException):
            raise self.ending
        return self.ending


def ended_as(call, decorated, event, context=CONTEXT):
    """Call a decorated handler, and hold it to its ending."""
    before = call.calls
    try:
        ended = decorated(event, context)
    except BaseException as error:  # whatever it is
        ended = error
    assert ended is call.ending
    assert call.calls == before + 1


# --- The ways of an invocation: each is run as it is, and again with a bug in each function that it reached ---------


def reading(event):
    """The event is read; nothing else happens."""
    call = Call(object())
    decorated = production(lambda event, context: call.end())
    return lambda: ended_as(call, decorated, event)


def writing():
    """Lines, prints and metrics of every kind."""
    call = Call({"done": True})

    @production(dimensions=("trigger",))
    def handler(event, context):
        logger.append_keys(order_id="o-1")
        logger.info("at work", amount=decimal.Decimal("1.5"), level="mine", odd={1: {2}})
        logger.info({"not": float("nan"), "a": Hostile(), "b": frozenset((True,)), "c": object()})
        logger.warning("%s", "formatted", stacklevel=1)
        logging.getLogger("theirs").warning("at work", extra={"order_id": "o-2"})
        try:
            {}["id"]
        except KeyError:
            logger.exception("caught")
        print("half a line", end="")
        print(' and the rest\n{"level": "INFO"}')
        print("unfinished", end="")
        metrics.add_metric("Orders", "Count", 1)
        metrics.add_metric("Orders", "Parsecs", 1)
        metrics.add_metric("Latency", "Milliseconds", 2, 1)
        metrics.add_dimension("country", "SE")
        metrics.add_dimensions(city="Malmo")
        metrics.add_metadata("order_id", "o-1")
        with metrics.single_metric("Refunds", "Count", 1) as metric:
            metric.add_dimension("country", "SE")
        logger.remove_keys(["order_id"])
        return call.end()

    return lambda: ended_as(call, handler, {"id": 1})


def answered(event):
    """A request is answered with a server error."""
    call = Call({"statusCode": 503})
    decorated = production(lambda event, context: call.end())
    return lambda: ended_as(call, decorated, event)


def plain():
    """The usual: a line and a metric."""
    call = Call("done")

    @production
    def handler(event, context):
        logger.info("at work")
        metrics.add_metric("Orders", "Count", 1)
        return call.end()

    return lambda: ended_as(call, handler, {"id": 1})


def awaiting(ending):
    """A coroutine function is the handler."""
    call = Call(ending)

    @production
    async def handler(event, context):
        return call.end()

    return lambda: ended_as(call, handler, {"id": 1})


def failing(error):
    """The handler raises."""
    call = Call(error)
    decorated = production(lambda event, context: call.end())
    return lambda: ended_as(call, decorated, events.sqs("a", trace_header=UPSTREAM, attempt=3))


def chained():
    """Return an error with a cause, notes and parts."""
    error = ExceptionGroup("both", [ValueError("a"), KeyError("b")])
    error.__cause__ = OSError(2, "no such file")
    error.add_note("of order o-1")
    return error


def answering():
    """A partial batch response of the handler's own."""
    call = Call({"batchItemFailures": [{"itemIdentifier": "m-1"}, {"itemIdentifier": "m-9"}]})
    decorated = production(lambda event, context: call.end())
    return lambda: ended_as(call, decorated, events.sqs("a", "b", message_ids=["m-1", "m-2"], attempt=3))


def records(is_async):
    """Records of two traces, one of which fails."""
    done = []

    def work(record):
        done.append(record.body)
        logger.info("at work")
        if record.body == "b":
            raise ValueError("refused")

    async def work_async(record):
        work(record)

    decorated = production(each_record=True, report_batch_item_failures=True)(
        work_async if is_async else work
    )
    event = events.sqs("a", "b", message_ids=["m-1", "m-2"], trace_header=[UPSTREAM, None])

    def run():
        done.clear()
        assert decorated(event, CONTEXT) == {"batchItemFailures": [{"itemIdentifier": "m-2"}]}
        assert sorted(done) == ["a", "b"]

    return run


def calling():
    """A call to AWS that is answered on this machine, and one that fails."""
    import botocore.session
    from botocore.awsrequest import AWSResponse

    session = botocore.session.Session()
    session.set_credentials("id", "secret")
    client = session.create_client("sqs", region_name="eu-west-1")
    answers = {"SendMessage": b'{"MessageId":"m-1","MD5OfMessageBody":"0cc175b9c0f1b6a831c399e269772661"}'}

    def answer(request, **_):
        body = answers.get(request.headers["X-Amz-Target"].decode().rpartition(".")[2])
        raw = type("Raw", (io.BytesIO,), {"stream": lambda self, **_: [self.read()]})(
            body or b'{"__type":"QueueDoesNotExist"}'
        )
        return AWSResponse(request.url, 200 if body else 400, {}, raw)

    client.meta.events.register("before-send.sqs", answer)
    call = Call("done")
    url = "https://sqs.eu-west-1.amazonaws.com/1/q"

    @production
    def handler(event, context):
        assert client.send_message(QueueUrl=url, MessageBody="a")["MessageId"] == "m-1"
        with contextlib.suppress(client.exceptions.QueueDoesNotExist):
            client.receive_message(QueueUrl=url)
        return call.end()

    return lambda: ended_as(call, handler, {"id": 1})


def running_late():
    """An invocation whose time runs out while it prints and counts: the watchdog looks, on a thread, without being waited for."""
    call = Call("done")

    @production
    def handler(event, context):
        scope = _scope.current()
        cell = watchdog._armed.pop(scope, None)
        print("half a line", end="")
        metrics.add_metric("Orders", "Count", 1)

        def look():
            cell.wake = cell.due = 0.0
            watchdog._armed[scope] = cell
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(watchdog, "time", lambda: scope.invocation.deadline)
                _failsafe.attempt("watchdog", watchdog._watch._look)

        if cell is not None:
            thread = threading.Thread(target=look)
            thread.start()
            thread.join()
        return call.end()

    # Time runs out when the handler says so, however busy the machine is.
    return lambda: ended_as(call, handler, {"id": 1}, make_context(timeout_ms=600_000))


WAYS = {
    **{f"reads {name}": (lambda event=event: reading(event)) for name, event in EVENTS.items()},
    "plain": plain,
    "writes": writing,
    "answers a request": lambda: answered(events.api_gateway()),
    "raises": lambda: failing(chained()),
    "awaits": lambda: awaiting("done"),
    "awaits, and raises": lambda: awaiting(ValueError("refused")),
    "exits": lambda: failing(SystemExit(1)),
    "answers in part": answering,
    "records": lambda: records(False),
    "records, async": lambda: records(True),
    "calls AWS": calling,
    "runs late": running_late,
}


# --- Which functions there are --------------------------------------------------------------------------------------


def modules():
    """Return the modules of the runtime that aren't exempt, by file."""
    found = {}
    for info in pkgutil.walk_packages(lambda_guard.__path__, "lambda_guard."):
        name = info.name.removeprefix("lambda_guard.")
        if not any(name == each or name.startswith(f"{each}.") for each in EXEMPT):
            found[importlib.import_module(info.name).__file__] = name
    return found


@contextlib.contextmanager
def conditions():
    """Run under the same conditions each time: a sampled trace, and a queue that gives up after three attempts."""
    variables = {"LAMBDA_GUARD_MAX_RECEIVE_COUNT": "3", "AWS_LAMBDA_FUNCTION_NAME": "orders"}
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        with capture(TRACE_HEADER) as captured:
            yield captured
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.__setitem__(name, value)


def codes_run(way, files):
    """Return the code objects of `files` that an invocation runs, on any thread."""
    found = set()

    def seen(frame, kind, _):
        if kind == "call" and frame.f_code.co_filename in files:
            found.add(frame.f_code)

    with conditions():
        run = WAYS[way]()
        run()  # what happens the first time only isn't on the way of every invocation
        run = WAYS[way]()  # whose context has its time before it
        threading.setprofile(seen)
        sys.setprofile(seen)
        try:
            run()
        finally:
            sys.setprofile(None)
            threading.setprofile(None)
    return found


def objects():
    """Return all objects there are; those from before a test are frozen while it runs."""
    gc.unfreeze()
    found = gc.get_objects()
    gc.freeze()
    return found


@functools.cache  # and not at import: each process that collects tests would run all of it
def reached():
    """Return each function that an invocation reaches, by name, with the way that reaches it."""
    files = modules()
    runs = {way: codes_run(way, files) for way in WAYS}
    by_code = {}
    for each in objects():
        if type(each) is FunctionType and any(each.__code__ in codes for codes in runs.values()):
            by_code.setdefault(each.__code__, []).append(each)
    return {
        f"{functions[0].__module__.removeprefix('lambda_guard.')}.{functions[0].__qualname__}": (
            way,
            functions,
        )
        for code, functions in by_code.items()
        for way in [next(way for way, codes in runs.items() if code in codes)]
        if "<locals>"
        not in functions[0].__qualname__  # made anew each time; the frame around the handler among them
    }


@functools.cache
def caches():
    """Return what has the results of functions of ours."""
    return [
        each
        for each in objects()
        if hasattr(type(each), "cache_clear") and each.__module__.startswith("lambda_guard")
    ]


def guarded():
    """Return those of them whose bugs have to be heard of."""
    return {name: found for name, found in reached().items() if name not in ENTRANCES.keys() | SOMETIMES}


def names_of(module):
    """Return the names of a module's functions that an invocation reaches."""
    return [
        name
        for name, (_, functions) in guarded().items()
        if functions[0].__module__ == f"lambda_guard.{module}"
    ]


def broken(function, error):
    """Return code for a function that raises an error, whatever it is called with."""
    names = function.__code__.co_freevars
    ending = ["yield"] if function.__code__.co_flags & inspect.CO_GENERATOR else []
    body = "\n        ".join([*names, f"raise {error}('planted')", *ending])
    source = f"def outer():\n    {' = '.join([*names, 'made'])} = None\n    def inner(*_, **__):\n        {body}\n    return inner"
    made = {}
    exec(source, made)
    return made["outer"]().__code__


@contextlib.contextmanager
def planted(functions, error):
    """Have functions raise."""
    before = [function.__code__ for function in functions]
    for cached in caches():
        cached.cache_clear()
    for function in functions:
        function.__code__ = broken(function, error)
    try:
        yield
    finally:
        for function, code in zip(functions, before, strict=True):
            function.__code__ = code
        # What a broken end of an invocation leaves open: in Lambda the next one has another context.
        _scope._open.clear()
        _scope.lend(None)
        _scope.set_item(None)


def runs(name, error):
    """Run an invocation with a bug in a function, and a whole one after it; return the lines of both."""
    way, functions = guarded()[name]
    _failsafe.forget()
    _failsafe.take_count()
    with conditions() as captured:
        run, clean = WAYS[way](), WAYS["plain"]()
        with planted(functions, error):
            run()
        said = captured.output
        clean()
    return said, [line.get("GuardErrors", 0) for line in captured._objects() if line.get("record")]


@pytest.mark.parametrize("module", sorted(modules().values()))
def test_a_bug_of_ours_is_heard_of(module):
    """A `NameError` in any function gives `GuardErrors`, in this record or the next, and a line; the outcome stands."""
    for name in names_of(module):
        said, counts = runs(name, "NameError")
        assert sum(counts) >= 1, f"{name} is broken, and nothing is counted"
        assert "could not do its part" in said, f"{name} is broken, and nothing is said"


@pytest.mark.parametrize(
    ("name", "part", "ways"),
    [
        ("_guard.Guard.enter", "enter", ["plain", "awaits"]),
        ("_guard.Guard.leave", "leave", ["plain", "raises", "awaits", "awaits, and raises"]),
        ("batch.report.BatchReport.begin", "batch.begin", ["records", "records, async"]),
        ("batch.report.BatchReport._open", "trace.item.enter", ["records", "records, async"]),
        ("batch.report.BatchReport.end", "batch.end", ["records", "records, async"]),
        ("propagation.inject._take_back", "inject.take_back", ["calls AWS"]),
    ],
)
def test_a_bug_that_several_ways_reach_is_logged_once(name, part, ways):
    """By the name of its part, whether the handler returns or raises, is awaited or not."""
    _failsafe.forget()
    with conditions() as captured:
        for way in ways:
            run = WAYS[way]()
            with planted(guarded()[name][1], "NameError"):
                run()
    assert [line["location"] for line in captured.logs if "could not do its part" in line["message"]] == [
        part
    ]


def test_a_timeout_of_which_nothing_can_be_seen_is_reported_all_the_same():
    """Its error says no more than is known."""
    said, _ = runs("timeout.snapshot.look", "NameError")
    [error] = [
        line["error"] for line in map(json.loads, said.splitlines()) if line.get("outcome") == "timeout"
    ]
    assert error["fingerprint"]
    assert error == {
        "type": "Timeout",
        "message": "still at work",
        "fingerprint": error["fingerprint"],
        "stack": [],
    }


@pytest.mark.parametrize("error", ["MemoryError", "RecursionError"])
@pytest.mark.parametrize("module", sorted(modules().values()))
def test_the_end_of_memory_or_stack_in_our_frames_changes_no_outcome(module, error):
    """The handler is called once, and its outcome stands."""
    for name in names_of(module):
        runs(name, error)


def test_the_functions_are_found():
    """The search above finds what it is made for: readers, sinks, methods, threads of ours."""
    assert {
        "_guard.Guard.enter",
        "_json.encode",
        "_stdout.write",
        "trigger.read._read",
        "trigger.table._text",
        "propagation._envelope.BodyReader.read",
        "propagation.extract._Groups.add",
        "propagation.inject._begin",
        "failure.fingerprint.fingerprint",
        "batch.report.BatchReport.begin",
        "sinks.record.line_of",
        "sinks.metrics.metric_set.MetricSet.add_metric",
        "sinks.xray.tracer.XRay.enter",
        "timeout.snapshot.look",
    } <= guarded().keys()
    assert reached().keys() >= ENTRANCES.keys()
    assert len(guarded()) > 250


CALL = Call(object())


@production
def handler(event, context):
    """Return one object, the same each time."""
    return CALL.ending


RESULT = CALL.ending


@pytest.mark.parametrize(
    "make", [lambda records: Hostile(Records=records), lambda records: {"Records": HostileList(records)}]
)
def test_a_users_object_that_raises_is_no_bug_of_ours(make):
    """An event whose methods raise is read as what it holds, and nothing is counted or said."""
    records = [Hostile(record) for record in events.sqs("a", "b", trace_header=UPSTREAM)["Records"]]
    with capture() as captured:
        assert handler(make(records), CONTEXT) is RESULT
    assert captured.record["trigger"] == {
        "type": "sqs",
        "source": "arn:aws:sqs:eu-west-1:123456789012:orders",
        "records": 2,
    }
    assert len(captured.record["upstreams"][0]["message_ids"]) == 2
    assert "GuardErrors" not in captured.record
    assert [line["message"] for line in captured.lines if line["level"] == "WARNING"] == []


@pytest.mark.parametrize("event", [Hostile(), HostileList(), object(), (Hostile(),)])
def test_an_event_of_no_shape_is_no_bug_of_ours(event):
    """Whatever the event is, there is a record, and nothing is counted."""
    with capture() as captured:
        assert handler(event, CONTEXT) is RESULT
    assert captured.record["trigger"]["type"] in ("lambda", "unknown")
    assert "GuardErrors" not in captured.record
