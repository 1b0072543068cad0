"""Durable functions, run by AWS's own SDK and its testing SDK, with `@production` on either side of its decorator."""

import contextlib
import io
import json
import logging
import threading

import pytest

from lambda_guard import current_invocation, logger, production
from lambda_guard.testing import capture, events, make_context
from lambda_guard.timeout import watchdog

sdk = pytest.importorskip(
    "aws_durable_execution_sdk_python", reason="AWS's durable execution SDK isn't installed here"
)
testing_sdk = pytest.importorskip(
    "aws_durable_execution_sdk_python_testing",
    reason="AWS's testing SDK of durable functions isn't installed here",
)

from aws_durable_execution_sdk_python.config import (  # noqa: E402 - only where the SDK is there
    Duration,
    StepConfig,
)
from aws_durable_execution_sdk_python.context import DurableContext  # noqa: E402 - as above
from aws_durable_execution_sdk_python.exceptions import (  # noqa: E402 - as above
    BackgroundThreadError,
    ExecutionError,
    InvocationError,
    OrphanedChildException,
    SuspendExecution,
)
from aws_durable_execution_sdk_python.plugin import PluginExecutor  # noqa: E402 - as above
from aws_durable_execution_sdk_python.retries import RetryDecision  # noqa: E402 - as above
from aws_durable_execution_sdk_python.state import ExecutionState  # noqa: E402 - as above

HOUR = Duration.from_hours(1)
ONCE = StepConfig(retry_strategy=lambda error, attempt: RetryDecision.no_retry())


def outside(handler, **options):
    """Return a durable function with `@production` outside of the SDK's decorator."""
    return production(sdk.durable_execution(handler, **options))


def inside(handler, **options):
    """Return a durable function with `@production` inside of the SDK's decorator."""
    return sdk.durable_execution(production(handler), **options)


@pytest.fixture(params=[outside, inside])
def decorate(request):
    """Either order of the two decorators."""
    return request.param


@pytest.fixture
def durable_context():
    """A context of the SDK's as it gives it to a handler."""
    state = ExecutionState("arn:of/durable-execution/n/i", "token", {}, None, PluginExecutor([]))
    return DurableContext.from_lambda_context(state, make_context())


def run(handler, event=None, **options):
    """Run an execution to its end, and return its result and what was written."""
    with capture() as captured, testing_sdk.DurableFunctionTestRunner(handler, poll_interval=0.01) as runner:
        result = runner.run(json.dumps(event if event is not None else {}), **options)
    runner._scheduler._thread.join()
    runner._scheduler._loop.close()  # its own `close` leaves it open
    return result, captured


def metric_names(captured):
    """Return the names of all metrics that were written."""
    return {metric.name for metric in captured.metrics}


def test_a_wait_is_a_suspension_and_no_error(decorate):
    """The record says `suspended` at INFO and counts no error; the next one, a replay, says how it ended."""

    def handler(event, context):
        context.wait(HOUR)
        return event["id"]

    result, captured = run(decorate(handler), {"id": 7})
    assert (result.status.value, json.loads(result.result)) == ("SUCCEEDED", 7)
    first, second = captured.records
    assert (first["outcome"], first["level"]) == ("suspended", "INFO")
    assert (second["outcome"], second["level"]) == ("success", "INFO")
    assert first["message"] == (
        f"test-function was suspended after {first['duration_ms']:.1f} ms, and will be invoked again"
    )
    assert "error" not in first
    assert "Errors" not in metric_names(captured)
    assert [record["durable"]["replay"] for record in (first, second)] == [False, True]
    assert first["durable"]["execution"] == second["durable"]["execution"]


@pytest.mark.parametrize("ends", [lambda: 1, lambda: 1 // 0], ids=["returns", "raises"])
def test_id_deadline_and_watchdog_come_from_lambdas_context(decorate, ends):
    """The ids are those that Lambda gave, not invented ones, and the time that is left is known."""
    seen = []

    def handler(event, context):
        seen.append((context.lambda_context.aws_request_id, current_invocation().invocation_id))
        assert [scope.invocation.deadline for scope in watchdog._armed if scope.durable]
        return ends()

    _, captured = run(decorate(handler))
    ((given, known),) = seen
    record = captured.record
    assert known == record["invocation_id"] == given
    assert record["function_name"] == "test-function"
    assert record["remaining_ms"] > 0


def test_a_failed_execution_is_an_error_with_its_exception(decorate):
    """Although the SDK returns and Lambda counts no error: type, message, stack and fingerprint are the exception's."""

    class PaymentRefusedError(Exception):
        pass

    def charge():
        raise PaymentRefusedError("card 1")

    def handler(event, context):
        charge()

    result, captured = run(decorate(handler))
    assert result.status.value == "FAILED"
    record = captured.record
    assert (record["outcome"], record["level"]) == ("error", "ERROR")
    assert (record["error"]["type"], record["error"]["message"]) == ("PaymentRefusedError", "card 1")
    assert record["error"]["stack"][-1].startswith("test_durable.py:")
    assert record["error"]["stack"][-1].endswith(" in charge")
    assert record["Errors"] == 1
    assert record["message"].endswith(": PaymentRefusedError")


def test_the_same_failure_has_the_same_fingerprint_in_both_orders():
    """It is made of the same exception."""

    def handler(event, context):
        raise LookupError("gone")

    found = {run(decorate(handler))[1].record["error"]["fingerprint"] for decorate in (outside, inside)}
    assert len(found) == 1


def test_a_failure_that_the_sdk_logs_nowhere_has_its_name_and_message():
    """A program that silences the SDK's logger gets what the answer says."""

    def handler(event, context):
        raise ExecutionError("no such order")

    silenced = logging.getLogger("aws_durable_execution_sdk_python.execution")
    silenced.setLevel(logging.CRITICAL + 1)
    try:
        record = run(outside(handler))[1].record
    finally:
        silenced.setLevel(logging.NOTSET)
    assert (record["outcome"], record["Errors"]) == ("error", 1)
    assert (record["error"]["type"], record["error"]["message"]) == ("ExecutionError", "no such order")
    assert record["error"]["stack"] == []


def test_a_result_that_is_no_json_fails_the_execution():
    """Outside of the SDK's decorator the failure is seen; inside of it the handler has returned."""

    def handler(event, context):
        return object()

    result, captured = run(outside(handler))
    assert (result.status.value, captured.record["outcome"]) == ("FAILED", "error")
    assert captured.record["error"]["type"] == "TypeError"
    result, captured = run(inside(handler))
    assert (result.status.value, captured.record["outcome"]) == ("FAILED", "success")


def test_a_step_that_fails_and_is_tried_again(decorate):
    """Each attempt is an invocation; the ones in between are suspended."""
    attempts = []

    def flaky(step):
        attempts.append(1)
        if len(attempts) < 3:
            raise ConnectionError("try again")
        return "done"

    def handler(event, context):
        return context.step(flaky, name="flaky")

    result, captured = run(decorate(handler))
    assert result.status.value == "SUCCEEDED"
    assert [record["outcome"] for record in captured.records] == ["suspended", "suspended", "success"]
    assert "Errors" not in metric_names(captured)


def test_a_step_that_fails_for_good_fails_the_execution(decorate):
    """The record has the SDK's error of the step."""

    def handler(event, context):
        context.step(lambda step: 1 // 0, name="divide", config=ONCE)

    result, captured = run(decorate(handler))
    assert result.status.value == "FAILED"
    assert captured.record["outcome"] == "error"
    assert captured.record["error"]["type"] == "StepError"


def test_children_and_parallel_branches_are_suspended_and_replayed(decorate):
    """An execution with a child context and branches that wait for different times ends as one without us does."""

    def branch(seconds):
        def work(context):
            context.wait(Duration.from_seconds(seconds))
            return context.step(lambda step: seconds)

        return work

    def handler(event, context):
        child = context.run_in_child_context(branch(5), name="child")
        return [child, *context.parallel([branch(60), branch(3600)], name="both").get_results()]

    bare, _ = run(sdk.durable_execution(handler))
    result, captured = run(decorate(handler))
    assert (result.status.value, result.result) == (bare.status.value, bare.result)
    assert json.loads(result.result) == [5, 60, 3600]
    *before, last = [record["outcome"] for record in captured.records]
    assert last == "success"
    assert before
    assert set(before) == {"suspended"}


@pytest.mark.parametrize(
    "error",
    [
        SuspendExecution("wait"),
        BackgroundThreadError("checkpoint", ValueError("source")),
        OrphanedChildException("late", "operation-1"),
        InvocationError("again"),
        KeyboardInterrupt(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_the_sdks_exceptions_pass_untouched(error, durable_context):
    """The very object comes out, nothing is added to it, and only a suspension is none of the errors."""

    @production
    def handler(event, context):
        raise error

    with capture() as captured, pytest.raises(type(error)) as raised:
        handler({}, durable_context)
    assert raised.value is error
    assert (error.__context__, error.__cause__, getattr(error, "__notes__", None)) == (None, None, None)
    expected = "suspended" if isinstance(error, SuspendExecution) else "error"
    assert captured.record["outcome"] == expected


def test_an_invocation_whose_token_is_revoked_is_suspended(durable_context):
    """The SDK answers PENDING whatever the handler returned: the service takes no result of this invocation."""
    durable_context.state._checkpoint_token_revoked.set()

    with capture() as captured:
        assert production(lambda event, context: 1)({}, durable_context) == 1
    assert captured.record["outcome"] == "suspended"


@pytest.mark.parametrize(
    "order", [production, lambda handler: production(sdk.durable_execution(production(handler)))]
)
def test_standing_on_both_sides_it_writes_one_record(order):
    """As where a layer decorates a handler that is decorated by hand."""

    def handler(event, context):
        logger.info("at work")

    _, captured = run(order(handler) if order is not production else outside(handler))
    assert captured.record["outcome"] == "success"
    assert [line["invocation_id"] for line in captured.logs] == [captured.record["invocation_id"]]


def test_the_trigger_is_that_of_the_executions_input(decorate):
    """In both orders it is read from the event that started the execution, in each of its invocations."""

    def handler(event, context):
        context.wait(HOUR)

    _, captured = run(decorate(handler), events.sqs("a", "b"))
    triggers = [record["trigger"] for record in captured.records]
    assert [(trigger["type"], trigger["records"]) for trigger in triggers] == [("sqs", 2), ("sqs", 2)]


def test_a_partial_batch_response_is_read_from_the_result(decorate):
    """The execution's result is what the event source mapping reads."""
    event = events.sqs("a", "b")
    failed = event["Records"][0]["messageId"]
    _, captured = run(
        decorate(lambda event, context: {"batchItemFailures": [{"itemIdentifier": failed}]}), event
    )
    record = captured.record
    assert (record["outcome"], record["level"]) == ("success", "WARNING")
    assert record["records"]["failed"] == 1


def test_a_suspension_is_no_final_attempt(decorate, monkeypatch):
    """The message isn't on its way to the dead-letter queue while its execution waits."""
    monkeypatch.setenv("LAMBDA_GUARD_MAX_RECEIVE_COUNT", "1")

    def handler(event, context):
        context.wait(HOUR)

    _, captured = run(decorate(handler), events.sqs("a"))
    assert "FinalAttempts" not in metric_names(captured)
    assert not captured.logs


def test_lambdas_own_event_is_read_like_the_testing_sdks(monkeypatch):
    """As JSON text gives it: with the name of the execution in its ARN."""
    arn = "arn:aws:lambda:eu-west-1:123456789012:function:orders:7/durable-execution/order-7/6f0c1d3e"
    operations = [
        {
            "Id": "e",
            "Type": "EXECUTION",
            "Status": "STARTED",
            "ExecutionDetails": {"InputPayload": json.dumps(events.sqs("a"))},
        },
    ]

    @production
    def handler(event, context):
        return {"Status": "PENDING"}

    def record_of(**state):
        with capture() as captured:
            event = {"DurableExecutionArn": arn, "CheckpointToken": "t", "InitialExecutionState": state}
            handler(event, make_context())
        return captured.record

    record = record_of(Operations=operations)
    assert record["durable"] == {"execution": arn, "name": "order-7", "replay": False}
    assert record["trigger"]["type"] == "sqs"
    assert record_of(Operations=operations * 2)["durable"]["replay"] is True
    assert "replay" not in record_of(Operations=operations, NextMarker="more")["durable"]
    assert record_of()["trigger"]["type"] == "unknown"
    assert record_of(Operations=[{"Type": "EXECUTION"}])["trigger"]["type"] == "lambda"


@pytest.mark.parametrize(
    "event",
    [
        {"DurableExecutionArn": 7},
        {"DurableExecutionArn": "a", "InitialExecutionState": None},
        {"DurableExecutionArn": "a", "InitialExecutionState": {"Operations": [{"ExecutionDetails": None}]}},
        {
            "DurableExecutionArn": "a",
            "InitialExecutionState": {"Operations": [{"ExecutionDetails": {"InputPayload": "{"}}]},
        },
        {"DurableExecutionArn": "a", "InitialExecutionState": [1]},
        {"DurableExecutionArn": "a", "InitialExecutionState": {"Operations": [1, 2]}},
        {"DurableExecutionArn": "a", "InitialExecutionState": {"Operations": {"0": 1}}},
    ],
)
@pytest.mark.parametrize(
    "answer", [None, {"Status": "FAILED"}, {"Status": "FAILED", "Error": {"ErrorType": "\0"}}, {}]
)
def test_an_odd_envelope_or_answer_changes_nothing(event, answer):
    """The handler gets the event and Lambda its answer, the same objects."""
    seen = []

    @production
    def handler(event, context):
        seen.append(event)
        return answer

    with capture() as captured:
        assert handler(event, make_context()) is answer
    assert seen == [event]
    failed = isinstance(answer, dict) and "Status" in answer and event["DurableExecutionArn"] == "a"
    assert captured.record["outcome"] == ("error" if failed else "success")
    assert not captured.logs


def said(captured):
    """Return each line's message, with whether it is marked as a repetition; the emulated service's are none of ours."""
    lines = [line for line in captured.logs if "_testing" not in line["logger"]]
    return [(line["message"], line.get("replay", False)) for line in lines]


def test_a_line_that_a_replay_repeats_says_so(decorate):
    """Lines from before the point that the execution had reached are marked, whoever writes them; new ones aren't."""

    def handler(event, context):
        logger.info("start", replay="mine")
        context.wait(HOUR)
        print("between")
        context.wait(HOUR)
        logger.info("end", extra={"replay": "mine"})

    _, captured = run(decorate(handler))
    assert said(captured) == [
        ("start", "mine"),
        ("start", True),
        ("between", False),
        ("start", True),
        ("between", True),
        ("end", "mine"),
    ]
    assert captured.logs[1]["replay_"] == "mine"
    assert all(line["invocation_id"] for line in captured.logs)


def test_other_loggers_records_say_so_too(decorate, caplog):
    """A formatter of the user's own can use the key."""

    def handler(event, context):
        logging.getLogger("third.party").warning("start")
        context.wait(HOUR)

    run(decorate(handler))
    starts = [record for record in caplog.records if record.name == "third.party"]
    assert [getattr(record, "replay", False) for record in starts] == [False, True]
    assert logging.Formatter("%(replay)s").format(starts[0]) == "None"


def test_branches_that_catch_up_at_different_times(decorate):
    """Each branch's lines are new from where it had come to itself, also while others still replay."""

    def branch(name, seconds):
        def work(context):
            logger.info(f"{name} begins")
            context.wait(Duration.from_seconds(seconds))
            logger.info(f"{name} ends")
            return name

        return work

    def handler(event, context):
        logger.info("start")
        context.parallel([branch("short", 5), branch("long", 3600)], name="both")
        logger.info("end")

    _, captured = run(decorate(handler))
    new = [message for message, replay in said(captured) if not replay]
    assert sorted(new) == sorted(["start", "short begins", "long begins", "short ends", "long ends", "end"])
    assert ("start", True) in said(captured)
    assert ("long begins", True) in said(captured)


def test_a_thread_of_the_users_own_counts_as_new(decorate):
    """Nothing is known of it, and a line too many is better than one that is lost."""

    def handler(event, context):
        thread = threading.Thread(target=logger.info, args=("aside",))
        thread.start()
        thread.join()
        context.wait(HOUR)

    _, captured = run(decorate(handler))
    assert said(captured) == [("aside", False), ("aside", False)]


def test_an_operator_can_hold_repeated_lines_back(decorate, monkeypatch):
    """With `LAMBDA_GUARD_REPLAYED_LINES=off` each line is written once, and the records stay."""
    monkeypatch.setenv("LAMBDA_GUARD_REPLAYED_LINES", "off")

    def handler(event, context):
        logger.info("start")
        print("printed")
        context.wait(HOUR)
        logger.info("end")

    try:
        _, captured = run(decorate(handler))
    finally:
        logger.filters.clear()
    assert said(captured) == [("start", False), ("printed", False), ("end", False)]
    assert [record["outcome"] for record in captured.records] == ["suspended", "success"]


def test_our_logger_behind_the_sdks(decorate):
    """`context.set_logger(logger)` gives lines the SDK's fields, each line once."""

    def handler(event, context):
        context.set_logger(logger)
        context.logger.info("start", extra={"order": 7})
        context.wait(HOUR)
        context.step(lambda step: step.logger.info("in a step"), name="say")

    _, captured = run(decorate(handler))
    assert said(captured) == [("start", False), ("in a step", False)]
    start, step = captured.logs
    assert start["executionArn"] == captured.records[0]["durable"]["execution"]
    assert (start["order"], step["operationName"]) == (7, "say")


def test_time_that_runs_out_shows_where_the_handler_is(decorate):
    """In the SDK's thread, if the handler runs there, rather than where the SDK waits for it."""
    released = threading.Event()

    def stuck_here():
        assert released.wait(240)

    def handler(event, context):
        stuck_here()

    class Output(io.StringIO):
        def write(self, text):
            if '"outcome":"timeout"' in text:
                released.set()
            return super().write(text)

    state = {"Operations": [{"Id": "i", "Type": "EXECUTION", "Status": "STARTED", "StartTimestamp": 0}]}
    event = {
        "DurableExecutionArn": "arn/durable-execution/n/i",
        "CheckpointToken": "t",
        "InitialExecutionState": state,
    }
    with capture(), contextlib.redirect_stdout(Output()) as out:
        decorate(handler, boto3_client=object())(event, make_context(timeout_ms=500))
    first, last = (json.loads(line) for line in out.getvalue().splitlines() if '"outcome"' in line)
    assert (first["outcome"], last["outcome"], last["timeout_warned"]) == ("timeout", "success", True)
    assert [place.split()[-1] for place in first["error"]["stack"] if "test_durable" in place] == [
        "handler",
        "stuck_here",
    ]
