"""Attempts: which one an invocation is, whether it is the last, and what is said when that one fails."""

import time
from contextlib import suppress

import pytest

from lambda_guard import _attempts, production
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


def attempts(record):
    return record.get("attempt"), record.get("final_attempt"), record.get("FinalAttempts")


def test_not_final(handler):
    """Before the last attempt a failure is no more than that."""
    with capture() as captured, pytest.raises(ValueError):
        handler(events.sqs("fail", attempt=2), make_context())
    assert attempts(captured.record) == (2, False, None)
    assert captured.logs == []


def test_final_and_failed(handler):
    """The last attempt's failure is counted, and a WARNING says to which queue's dead-letter queue the message goes."""
    context = make_context(function_name="bills")
    with capture() as captured, pytest.raises(ValueError):
        handler(events.sqs("fail", attempt=3), context)
    assert attempts(captured.record) == (3, True, 1)
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
    assert attempts(captured.record) == (3, True, 1)
    said = f"attempt 3 of 3 failed: of 2 messages those that have been received 3 times go to the dead-letter queue of {QUEUE}"
    assert [line["message"] for line in captured.logs] == [said]


def test_final_and_successful(handler):
    """A last attempt that succeeds is nothing to warn of."""
    with capture() as captured:
        handler(events.sqs("ok", attempt=3), make_context())
    assert attempts(captured.record) == (3, True, None)
    assert captured.logs == []


def test_final_and_out_of_time(monkeypatch):
    """A last attempt whose time runs out is warned of once, while it can be said."""
    monkeypatch.setenv("LAMBDA_GUARD_MAX_RECEIVE_COUNT", "3")

    @production
    def slow(event, context):
        end = time.monotonic() + 10
        while "dead-letter queue" not in captured.output and time.monotonic() < end:
            time.sleep(0.005)
        raise ValueError

    with capture() as captured, pytest.raises(ValueError):
        slow(events.sqs("{}", attempt=3), make_context(timeout_ms=300))
    warned, ended = captured.records
    assert attempts(warned) == (3, True, 1)
    assert attempts(ended) == (3, True, None)
    assert len(captured.logs) == 1


def test_unknown_maximum():
    """Without LAMBDA_GUARD_MAX_RECEIVE_COUNT nobody knows which attempt is the last."""

    @production
    def fail(event, context):
        raise ValueError

    with capture() as captured, pytest.raises(ValueError):
        fail(events.sqs("{}", attempt=100), make_context())
    assert attempts(captured.record) == (100, None, None)
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


def test_memory_is_bounded():
    """Only so many failed invocations are remembered, the latest ones."""

    @production
    def handle(event, context):
        raise ValueError

    contexts = [make_context() for _ in range(_attempts.FAILED_MOST + 1)]
    with capture() as captured:
        for context in [*contexts, contexts[0], contexts[-1]]:
            with pytest.raises(ValueError):
                handle({}, context)
    assert [record.get("attempt") for record in captured.records[-2:]] == [None, 2]
