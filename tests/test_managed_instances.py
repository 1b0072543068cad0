"""Managed Instances, where several processes share an environment and nobody enforces the deadline.

`tests/runtime/test_managed_instances.py` has the same through the runtime client's own workers.
"""

import os
import time

import pytest

from lambda_guard import current_invocation, logger, production
from lambda_guard.testing import TRACE_HEADER, capture, events, make_context

START = TRACE_HEADER


@pytest.fixture(autouse=True)
def managed(monkeypatch):
    """Be one of the processes of such an environment."""
    monkeypatch.setenv("AWS_LAMBDA_INITIALIZATION_TYPE", "lambda-managed-instances")
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "2048")


def past(captured=None):
    """Wait until the deadline has passed, and before that, for the watchdog's record."""
    while captured is not None and '"outcome":"timeout"' not in captured.output:
        time.sleep(0.005)
    while time.time() <= current_invocation().deadline:
        time.sleep(0.005)


def test_what_is_of_one_process_isnt_divided_by_what_all_share():
    """The memory is the process's own, and says whose; there is neither a limit nor a share of it."""

    @production
    def handler(event, context):
        logger.info("at work")

    with capture() as captured:
        handler({}, make_context())
    record = captured.record
    assert record["memory_used_mb"] > 0
    assert not record.keys() & {
        "memory_limit_mb",
        "MemoryUtilization",
        "init_ms",
        "ColdStarts",
        "InitDuration",
    }
    assert record["cold_start"] is False
    assert [line["worker_pid"] for line in captured.lines] == [os.getpid(), os.getpid()]
    assert captured.logs[0].keys() >= {"worker_pid", "invocation_id"}


@pytest.mark.parametrize("error", [None, ValueError("too late")])
def test_an_end_after_the_deadline_is_a_timeout(error):
    """Whatever came of it: Lambda has told the caller that the time ran out. It is counted once."""

    @production
    def handler(event, context):
        past(captured)
        if error is not None:
            raise error
        return "late"

    with capture(START) as captured:
        context = make_context(function_name="orders", timeout_ms=300)
        if error is None:
            assert handler({}, context) == "late"
        else:
            with pytest.raises(ValueError, match="too late"):
                handler({}, context)
    warned, last = captured.records
    came_to = "success" if error is None else "error"
    ms = last["overrun"]["ms"]
    assert (last["outcome"], last["level"], last["timeout_warned"]) == ("timeout", "ERROR", True)
    assert last["overrun"] == {"outcome": came_to, "ms": ms}
    assert ms >= 0
    assert last["message"] == f"orders timed out, and went on for {ms} ms: {came_to}"
    assert last["remaining_ms"] == 0
    assert last["error"]["type"] == ("Timeout" if error is None else "ValueError")
    assert last["stuck"]["stack"] == warned["stuck"]["stack"]
    assert "overrun" not in warned
    assert [metric.name for metric in captured.metrics if metric.name in {"Timeouts", "Errors"}] == [
        "Timeouts"
    ]
    whole = [segment for segment in captured.segments if not segment.document.get("in_progress")]
    assert [(segment.annotations["outcome"], segment.document["fault"]) for segment in whole] == [
        ("timeout", True)
    ]


def test_an_answer_that_came_too_late_has_no_status():
    """The client has had an answer of the service's, whatever the handler returned."""

    @production
    def handler(event, context):
        past()
        return {"statusCode": 500}

    with capture() as captured:
        handler(events.http_api(), make_context(timeout_ms=0))
    record = captured.record
    assert (record["outcome"], record["overrun"]["outcome"]) == ("timeout", "success")
    assert record["http"].keys() == {"method", "route"}
    assert "ServerErrors" not in record


def test_one_that_nobody_warned_of_is_counted_at_its_end():
    """Without a watchdog's record, as where no time was left from the beginning, the last record counts it."""

    @production
    def handler(event, context):
        past()

    with capture(START) as captured:
        handler({}, make_context(timeout_ms=0))
    record = captured.record
    assert (record["outcome"], record["Timeouts"], record["overrun"]["outcome"]) == ("timeout", 1, "success")
    assert not record.keys() & {"error", "stuck", "timeout_warned", "Errors"}
    (segment,) = captured.segments
    assert segment.document["fault"] is True


def test_elsewhere_lambda_enforces_the_deadline(monkeypatch):
    """There, one that made it after all is what it came to, as ever: the process would be gone otherwise."""
    monkeypatch.delenv("AWS_LAMBDA_INITIALIZATION_TYPE")

    @production
    def handler(event, context):
        past()

    with capture() as captured:
        handler({}, make_context(timeout_ms=0))
    assert captured.record["outcome"] == "success"
    assert not captured.record.keys() & {"overrun", "worker_pid"}
