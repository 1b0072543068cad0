"""A bug of ours, planted in each function on the way of an invocation, is counted, said once a part, and changes no outcome."""

import gc
import importlib
import sys
from types import FunctionType

import pytest

from lambda_guard import production
from lambda_guard.testing import capture, events, make_context
from lambda_guard.testing.context import ClientContext

UPSTREAM = "Root=1-6742a1b5-0123456789abcdef01234567;Parent=4c721bf33e3caf8f;Sampled=1"
W3C = "00-6742a1b5000000000000000000000002-0000000000000002-01"
MODULES = (
    "trigger.read",
    "trigger.table",
    "propagation.extract",
    "propagation._carriers",
    "propagation._envelope",
    "propagation.header",
)
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
CONTEXT = make_context(client_context=ClientContext(custom={"traceparent": W3C}), w3c={"traceparent": W3C})
RESULT = object()


@production
def handler(event, context):
    """Return one object, the same each time."""
    return RESULT


def codes_run(event):
    """Return the code objects of `MODULES` that an invocation runs."""
    files = {importlib.import_module(f"lambda_guard.{name}").__file__ for name in MODULES}
    found = set()

    def seen(frame, kind, _):
        if kind == "call" and frame.f_code.co_filename in files:
            found.add(frame.f_code)

    sys.setprofile(seen)
    try:
        handler(event, CONTEXT)
    finally:
        sys.setprofile(None)
    return found


def reached():
    """Return each function that an invocation reaches, by name, with the name of an event that reaches it."""
    with capture():
        runs = {name: codes_run(event) for name, event in EVENTS.items()}
    by_code = {}
    for each in gc.get_objects():
        if type(each) is FunctionType and any(each.__code__ in codes for codes in runs.values()):
            by_code.setdefault(each.__code__, []).append(each)
    return {
        f"{functions[0].__module__.removeprefix('lambda_guard.')}.{functions[0].__qualname__}": (name, functions)
        for code, functions in by_code.items()
        for name in [next(name for name, codes in runs.items() if code in codes)]
    }  # fmt: skip


REACHED = reached()


def broken(function):
    """Return code for a function that raises `NameError`, whatever it is called with."""
    names = function.__code__.co_freevars
    body = "\n        ".join([*names, "raise NameError('planted')"])
    source = f"def outer():\n    {' = '.join([*names, 'made'])} = None\n    def inner(*_, **__):\n        {body}\n    return inner"
    made = {}
    exec(source, made)
    return made["outer"]().__code__


@pytest.mark.parametrize("name", REACHED)
def test_a_bug_of_ours_is_heard_of(name, monkeypatch):
    """A `NameError` in any function gives `GuardErrors` and one line for each part that lacks it; the outcome and the record stand."""
    event, functions = REACHED[name]
    for function in functions:
        monkeypatch.setattr(function, "__code__", broken(function))
    with capture() as captured:
        assert handler(EVENTS[event], CONTEXT) is RESULT
    monkeypatch.undo()
    assert captured.record["outcome"] == "success"
    assert captured.record["GuardErrors"] >= 1
    parts = [line["location"] for line in captured.lines if "could not do its part" in line["message"]]
    assert parts
    assert len(set(parts)) == len(parts)


def test_the_functions_are_found():
    """The search above finds what it is made for: readers, methods, the tests of the table."""
    assert {
        "trigger.read._read",
        "trigger.table._text",
        "propagation._carriers._in_carrier",
        "propagation._envelope.BodyReader.read",
        "propagation.extract._Groups.add",
        "propagation.header.parse",
    } <= REACHED.keys()
    assert len(REACHED) > 60


class Hostile(dict):
    """A dict whose methods raise."""

    def get(self, *_):
        """Raise."""
        raise RuntimeError("hostile")

    __getitem__ = __contains__ = __iter__ = __len__ = keys = values = items = get


class HostileList(list):
    """A list whose methods raise."""

    __getitem__ = __iter__ = __len__ = Hostile.get


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
