"""Attempts: which one an invocation is, whether it is the last, and what is said when that one fails."""

import time
from contextlib import suppress
from types import SimpleNamespace

import pytest

from lambda_guard import production
from lambda_guard._invocation import Outcome
from lambda_guard.failure import attempts
from lambda_guard.testing import capture, events, make_context

QUEUE = "arn:aws:sqs:eu-west-1:123456789012:orders"


@pytest.fixture
def handler(monkeypatch):
    """A handler of a queue whose messages are received three times; it raises what the event's first body says."""
    monkeypatch.setenv("LAMBDA_GUARD_MAX_RECEIVE_COUNT", "3")

    @production(service="billing")
    def handle(event, context):
        if event["Records"][0]["body"] == "fail":
            raise ValueError("refused")

    return handle


def counts(record):
    return record.get("attempt"), record.get("final_attempt"), record.get("FinalAttempts")


def test_not_final(handler):
    """Before the last attempt a failure is no more than that."""
    with capture() as captured, pytest.raises(ValueError):
        handler(events.sqs("fail", attempt=2), make_context())
    assert counts(captured.record) == (2, False, None)
    assert captured.logs == []


def test_final_and_failed(handler):
    """The last attempt's failure is counted, and a WARNING says to which queue's dead-letter queue the message goes."""
    context = make_context(function_name="bills")
    with capture() as captured, pytest.raises(ValueError):
        handler(events.sqs("fail", attempt=3), context)
    assert counts(captured.record) == (3, True, 1)
    (line,) = captured.logs
    assert line == {
        "level": "WARNING",
        "location": "lambda_guard",
        "message": f"attempt 3 of 3 failed: the message goes to the dead-letter queue of {QUEUE}",
        "timestamp": line["timestamp"],
        "service": "billing",
        "logger": "lambda_guard",
        "attempt": 3,
        "max_receive_count": 3,
        "queue": QUEUE,
        "invocation_id": context.aws_request_id,
        "function_name": "bills",
        "function_version": "$LATEST",
        "cold_start": False,
    }
    assert '"record":"invocation"' in captured.output.splitlines()[-1]


def test_final_batch(handler):
    """Of a batch only the messages that have been received often enough are given up."""
    with capture() as captured, pytest.raises(ValueError):
        handler(events.sqs("fail", "ok", attempt=[3, 1]), make_context())
    assert counts(captured.record) == (3, True, 1)
    said = f"attempt 3 of 3 failed: of 2 messages those that have been received 3 times go to the dead-letter queue of {QUEUE}"
    assert [line["message"] for line in captured.logs] == [said]


def test_final_and_successful(handler):
    """A last attempt that succeeds is nothing to warn of."""
    with capture() as captured:
        handler(events.sqs("ok", attempt=3), make_context())
    assert counts(captured.record) == (3, True, None)
    assert captured.logs == []


@pytest.fixture
def answer(monkeypatch):
    """Have a plain handler of a queue whose messages are received three times answer a batch, and give what came of it."""
    monkeypatch.setenv("LAMBDA_GUARD_MAX_RECEIVE_COUNT", "3")

    def invoke(answer, event, context=None):
        handler = production(service="billing")(lambda event, context: answer)
        with capture() as captured:
            assert handler(event, context or make_context()) is answer
        assert "GuardErrors" not in captured.record
        return captured

    return invoke


def failures(*identifiers):
    """Return a partial batch response."""
    return {"batchItemFailures": [{"itemIdentifier": identifier} for identifier in identifiers]}


def test_final_in_an_answer(answer):
    """Of the messages that a plain handler answers as failed, those that were received for the last time are warned of."""
    context = make_context(function_name="bills")
    event = events.sqs("a", "b", "c", attempt=[3, 3, 2], message_ids=["m-1", "m-2", "m-3"])
    captured = answer(failures("m-1", "m-3"), event, context)
    assert counts(captured.record) == (3, True, 1)
    assert captured.record["RecordFailures"] == 2
    (line,) = captured.logs
    assert line == {
        "level": "WARNING",
        "location": "lambda_guard",
        "message": f"the last of 3 attempts failed: 1 message goes to the dead-letter queue of {QUEUE}",
        "timestamp": line["timestamp"],
        "service": "billing",
        "logger": "lambda_guard",
        "max_receive_count": 3,
        "queue": QUEUE,
        "message_ids": ["m-1"],
        "invocation_id": context.aws_request_id,
        "function_name": "bills",
        "function_version": "$LATEST",
        "cold_start": False,
    }
    assert '"record":"invocation"' in captured.output.splitlines()[-1]


def test_not_final_in_an_answer(answer):
    """Those that are received again are no more than failures, though the batch has one that isn't."""
    event = events.sqs("a", "b", attempt=[2, 3], message_ids=["m-1", "m-2"])
    captured = answer(failures("m-1"), event)
    assert counts(captured.record) == (3, True, None)
    assert captured.record["RecordFailures"] == 1
    assert captured.logs == []


def test_final_in_an_answer_to_thousands(answer):
    """The number is exact, whatever is named twice; a hundred messages are named at most."""
    names = [f"m-{number}" for number in range(10_000)]
    captured = answer(failures(*names, *names), events.sqs(*names, attempt=3, message_ids=names))
    assert counts(captured.record) == (3, True, 10_000)
    (line,) = captured.logs
    assert "10000 messages go to the dead-letter queue" in line["message"]
    assert line["message_ids"] == names[:100]


def test_final_in_an_answer_of_an_event_that_was_emptied(monkeypatch):
    """A handler that takes the messages out of the event has been given them all the same."""
    monkeypatch.setenv("LAMBDA_GUARD_MAX_RECEIVE_COUNT", "3")

    @production
    def handler(event, context):
        return failures(*[event["Records"].pop()["messageId"] for _ in range(2)])

    with capture() as captured:
        handler(events.sqs("a", "b", attempt=3), make_context())
    assert counts(captured.record) == (3, True, 2)


class Endless(list):
    """A list that has no end where one goes through it; the runtime client's encoder doesn't."""

    def __iter__(self):
        raise SystemExit

    __len__ = __iter__


class Silent(str):
    """A text that can't be asked anything."""

    __slots__ = ()

    def __hash__(self):
        raise SystemExit

    __str__ = __hash__


ANSWERS = {
    "nothing": None,
    "a list": [{"itemIdentifier": "m-1"}],
    "no list": {"batchItemFailures": {"itemIdentifier": "m-1"}},
    "no dicts": {"batchItemFailures": ["m-1", None, 1, []]},
    "no texts": failures(None, 1, 1.5, [], {}, {"partition": "m-1"}, b"m-1", object()),
    "hostile": {"batchItemFailures": Endless([{"itemIdentifier": Silent("m-1")}])},
    "another key": {"batchItemFailures": [{"item_identifier": "m-1"}]},
}


@pytest.mark.parametrize("shape", ANSWERS)
def test_answers_of_any_shape(answer, shape):
    """Whatever a handler answers is what comes out, and is no failure of ours."""
    captured = answer(ANSWERS[shape], events.sqs("a", attempt=3, message_ids=["m-1"]))
    assert captured.record["outcome"] == "success"


def test_final_and_out_of_time(monkeypatch):
    """A last attempt whose time runs out is warned of once, while it can be said."""
    monkeypatch.setenv("LAMBDA_GUARD_MAX_RECEIVE_COUNT", "3")

    @production
    def slow(event, context):
        end = time.monotonic() + 240
        while "dead-letter queue" not in captured.output and time.monotonic() < end:
            time.sleep(0.005)
        raise ValueError

    with capture() as captured, pytest.raises(ValueError):
        slow(events.sqs("{}", attempt=3), make_context(timeout_ms=300))
    warned, ended = captured.records
    assert counts(warned) == (3, True, 1)
    assert counts(ended) == (3, True, None)
    assert len(captured.logs) == 1


def test_unknown_maximum():
    """Without LAMBDA_GUARD_MAX_RECEIVE_COUNT nobody knows which attempt is the last."""

    @production
    def fail(event, context):
        raise ValueError

    with capture() as captured, pytest.raises(ValueError):
        fail(events.sqs("{}", attempt=100), make_context())
    assert counts(captured.record) == (100, None, None)
    assert captured.logs == []


def test_asynchronous_retry():
    """An invocation that has failed here and comes again with its request id is a retry; the platform says no more."""

    @production
    def handle(event, context):
        if event["fail"]:
            raise ValueError

    context = make_context()
    with capture() as captured:
        for fail in (True, True, False, True):
            with suppress(ValueError):
                handle({"fail": fail}, context)
        handle({"fail": False}, make_context())
    assert [record.get("attempt") for record in captured.records] == [None, 2, 3, None, None]
    assert not any("final_attempt" in record for record in captured.records)


@pytest.mark.parametrize(
    ("starts", "told"),
    [((0, 61, 182), [None, 2, 3]), ((0, 121), [None, None]), ((0, 121, 242), [None, None, 3])],
    ids=["from the first", "from the second", "late"],
)
def test_a_retry_whose_first_attempt_may_have_run_elsewhere(starts, told):
    """Only a minute after it has failed here is it the second one: two minutes later it may be the third."""
    sink, context, found = attempts.Attempts(), make_context(), []
    for start in starts:
        trigger = SimpleNamespace(attempt=None, type="sns")
        it = SimpleNamespace(trigger=trigger, invocation_id=context.aws_request_id, started=1e9 + start)
        scope = SimpleNamespace(invocation=it)
        found.append(attempts.number(scope))
        sink.leave(scope, Outcome("error", ValueError(), None, 1_000.0, 1e9 + start + 1))
    assert found == told


def test_memory_is_bounded():
    """Only so many failed invocations are remembered, the latest ones."""

    @production
    def handle(event, context):
        raise ValueError

    contexts = [make_context() for _ in range(attempts.FAILED_MOST + 1)]
    with capture() as captured:
        for context in [*contexts, contexts[0], contexts[-1]]:
            with pytest.raises(ValueError):
                handle({}, context)
    assert [record.get("attempt") for record in captured.records[-2:]] == [None, 2]
