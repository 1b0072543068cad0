"""The invocation record: what an invocation came to, in one line that is an EMF document, too."""

import json
import time
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambda_guard import production
from lambda_guard.testing import capture, events, make_context

OWN = "1-5759e988-bd862e3fe1be46a994272793"
CPU_SHARE = {"CpuUtilization"}  # only of a handler that took a millisecond
UPSTREAM = "1-6742a1b5-0123456789abcdef01234567"


def upstream_header(number=0, sampled=0):
    """Return the header of one of several upstream traces."""
    return f"Root=1-6742a1b5-{number:024x};Parent={number + 1:016x};Sampled={sampled}"


def queue(*headers, count=1, **attributes):
    """Return an SQS event with a record for each header, `None` for one without."""
    event = events.sqs(*range(len(headers)))
    for number, (record, header) in enumerate(zip(event["Records"], headers, strict=True)):
        record["messageId"] = f"m-{number}"
        record["attributes"] |= {"ApproximateReceiveCount": str(count), **attributes}
        record["attributes"].pop("AWSTraceHeader", None)
        if header is not None:
            record["attributes"]["AWSTraceHeader"] = header
    return event


def without_cpu_share(record):
    """Return a record as it is where the handler took less than a millisecond, however busy the machine was."""
    left = {key: value for key, value in record.items() if key not in CPU_SHARE}
    for directive in left["_aws"]["CloudWatchMetrics"]:
        directive["Metrics"] = [each for each in directive["Metrics"] if each["Name"] not in CPU_SHARE]
    return left


def names(captured):
    """Return the metrics of the record, name → value."""
    record = captured.record
    (directive,) = record["_aws"]["CloudWatchMetrics"]
    return {metric["Name"]: record[metric["Name"]] for metric in directive["Metrics"]}


def test_the_message_has_the_duration_of_the_record(invoke, monkeypatch):
    """A duration near the middle between two tenths is rounded once, whoever writes it."""
    clock = iter([0.0, 0.1238500001])
    monkeypatch.setattr("lambda_guard._guard.perf_counter", lambda: next(clock))
    record = invoke(lambda event, context: None).record
    assert (record["duration_ms"], record["message"]) == (123.85, "orders succeeded in 123.8 ms")


def test_the_record_of_an_invocation_that_succeeded(invoke, header):
    """The whole record of a plain invocation, key by key, in its order."""
    context = make_context(
        aws_request_id="r-1", function_name="accept", function_version="7", memory_limit_in_mb="256"
    )
    captured = invoke(lambda event, context: None, header=header, context=context)
    record = without_cpu_share(captured.record)
    measured = (
        "duration_ms",
        "remaining_ms",
        "memory_used_mb",
        "cpu_ms",
        "MemoryUtilization",
    )
    assert all(isinstance(record[key], int | float) and record[key] >= 0 for key in measured)
    assert record["message"] == f"accept succeeded in {record['duration_ms']:.1f} ms"
    ended = record["_aws"]["Timestamp"]
    assert (
        record["timestamp"]
        == time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(ended // 1000)) + f".{ended % 1000:03d}Z"
    )
    assert list(record.items()) == [
        ("level", "INFO"),
        ("message", record["message"]),
        ("timestamp", record["timestamp"]),
        ("service", "orders"),
        ("record", "invocation"),
        ("outcome", "success"),
        ("severityText", "INFO"),
        ("invocation_id", "r-1"),
        ("xray_trace_id", OWN),
        ("function_name", "accept"),
        ("function_version", "7"),
        ("cold_start", False),
        ("trigger", {"type": "lambda", "source": None, "records": 1}),
        ("traceId", OWN),
        ("span_id", captured.segments[0].id),
        ("parent_id", "53995c3f42cd8ad8"),
        ("duration_ms", record["duration_ms"]),
        ("remaining_ms", record["remaining_ms"]),
        ("memory_used_mb", record["memory_used_mb"]),
        ("memory_limit_mb", 256),
        ("cpu_ms", record["cpu_ms"]),
        (
            "_aws",
            {
                "Timestamp": ended,
                "CloudWatchMetrics": [
                    {
                        "Namespace": "LambdaGuard",
                        "Dimensions": [["service", "function_name"]],
                        "Metrics": [{"Name": "MemoryUtilization", "Unit": "Percent"}],
                    }
                ],
            },
        ),
        ("MemoryUtilization", record["MemoryUtilization"]),
    ]


def test_the_share_of_the_cpu_is_that_of_a_duration_that_means_something(invoke):
    """Below a millisecond the clocks' own time would count as the handler's: nothing is said."""

    def compute(event, context):
        end = time.perf_counter() + 0.002
        while time.perf_counter() < end:
            pass

    record = invoke(lambda event, context: None).record
    assert record["duration_ms"] >= 1 or "CpuUtilization" not in record
    assert "cpu_ms" in record
    assert "CpuUtilization" in names(invoke(compute))


def test_a_record_without_metrics_is_no_metrics_document(invoke):
    """EMF wants one metric at least: where the memory's limit isn't known and the duration is short, there is none."""
    captured = invoke(lambda event, context: None, context=SimpleNamespace(aws_request_id="r-1"))
    assert captured.record["invocation_id"] == "r-1"
    assert ("_aws" in captured.record) is ("CpuUtilization" in captured.record)


@pytest.mark.parametrize(("tenant", "said"), [("blue", "blue"), (None, None), ("", None), (7, None)])
def test_the_tenant_of_a_function_with_tenant_isolation(invoke, tenant, said):
    """`tenant_id` is the context's, where it has one."""
    record = invoke(lambda event, context: None, context=make_context(tenant_id=tenant)).record
    assert record.get("tenant_id") == said


def test_an_older_runtime_client_has_no_tenant(invoke):
    """Everything else of its context is read."""
    context = make_context(aws_request_id="r-1")
    del context.tenant_id
    record = invoke(lambda event, context: None, context=context).record
    assert (record["invocation_id"], "tenant_id" in record) == ("r-1", False)


def test_the_level_is_said_under_the_name_that_is_indexed(invoke):
    """`severityText` is `level` again, whatever the outcome."""

    def fail(event, context):
        raise ValueError

    in_part = {"batchItemFailures": [{"itemIdentifier": "m-0"}]}
    records = [
        invoke(lambda event, context: None).record,
        invoke(fail).record,
        invoke(lambda event, context: in_part, queue(None)).record,
    ]
    assert [record["severityText"] for record in records] == ["INFO", "ERROR", "WARNING"]
    assert [record["level"] for record in records] == ["INFO", "ERROR", "WARNING"]


def test_the_record_of_an_invocation_that_failed(invoke):
    """An error stands in the record by type, message, stack and fingerprint, and counts."""

    def charge():
        raise ValueError("refused")

    def handler(event, context):
        charge()

    captured = invoke(handler)
    record = captured.record
    first = handler.__code__.co_firstlineno
    assert record["level"] == "ERROR"
    assert record["outcome"] == "error"
    assert record["message"] == f"orders failed after {record['duration_ms']:.1f} ms: ValueError"
    assert record["error"].pop("fingerprint").isalnum()
    assert record["error"] == {
        "type": "ValueError",
        "message": "refused",
        "stack": [
            f"test_record.py:{first + 1} in handler",
            f"test_record.py:{charge.__code__.co_firstlineno + 1} in charge",
        ],
    }
    assert names(captured).keys() - CPU_SHARE == {"MemoryUtilization", "Errors"}
    assert captured.lines[-1] == json.loads(captured.output.split("\n")[-2])


def test_what_a_trigger_is(invoke):
    """The trigger's type, source and number of records, and the age of the oldest message."""
    captured = invoke(
        lambda event, context: None, queue(None, None, SentTimestamp=str(int(time.time() * 1000) - 60_000))
    )
    assert captured.record["trigger"] == {
        "type": "sqs",
        "source": events.sqs("a")["Records"][0]["eventSourceARN"],
        "records": 2,
    }
    assert names(captured)["Records"] == 2
    assert 60_000 <= names(captured)["MessageAge"] < 120_000


def test_a_message_from_the_future_is_not_negative_years_old(invoke):
    """Clocks differ: the age of a message is never below zero."""
    captured = invoke(
        lambda event, context: None, queue(None, SentTimestamp=str(int(time.time() * 1000) + 60_000))
    )
    assert names(captured)["MessageAge"] == 0


@pytest.mark.parametrize(
    ("received", "most", "fails", "expected", "metrics"),
    [
        (2, None, True, {"attempt": 2}, {"Errors"}),
        (2, "3", True, {"attempt": 2, "final_attempt": False}, {"Errors"}),
        (3, "3", True, {"attempt": 3, "final_attempt": True}, {"Errors", "FinalAttempts"}),
        (4, "3", True, {"attempt": 4, "final_attempt": True}, {"Errors", "FinalAttempts"}),
        (3, "3", False, {"attempt": 3, "final_attempt": True}, set()),
    ],
)
def test_attempts(invoke, monkeypatch, received, most, fails, expected, metrics):  # noqa: PLR0917 - one per column
    """`attempt` is the receive count; with the queue's maximum known, the last failure counts as a final attempt."""
    if most is not None:
        monkeypatch.setenv("LAMBDA_GUARD_MAX_RECEIVE_COUNT", most)

    def handler(event, context):
        if fails:
            raise ValueError

    captured = invoke(handler, queue(None, count=received))
    record = captured.record
    assert {key: record[key] for key in ("attempt", "final_attempt") if key in record} == expected
    assert names(captured).keys() & {"Errors", "FinalAttempts"} == metrics


def test_a_plain_handlers_own_batch_item_failures_are_counted(invoke):
    """What a handler answers as failed is looked at: it is what alarms must see, and the answer isn't changed."""
    answer = {"batchItemFailures": [{"itemIdentifier": "m-1"}, {"itemIdentifier": "m-2"}, {"wrong": 1}]}
    captured = invoke(lambda event, context: answer, queue(None, None, None))
    assert captured.record["records"] == {
        "total": 3,
        "failed": 3,
        "failures": [{"message_id": "m-1", "outcome": "error"}, {"message_id": "m-2", "outcome": "error"}],
    }
    assert captured.record["outcome"] == "success"
    assert names(captured)["RecordFailures"] == 3


@pytest.mark.parametrize("answer", [None, {"batchItemFailures": []}, {"batchItemFailures": None}, [], "text"])
def test_an_answer_without_failures_counts_none(invoke, answer):
    """All succeeded: nothing is written to say zero."""
    captured = invoke(lambda event, context: answer, queue(None))
    assert "records" not in captured.record
    assert "RecordFailures" not in names(captured)


STRANGERS = {
    "unknown": [{"itemIdentifier": "m-0"}, {"itemIdentifier": "m-9"}],
    "empty": [{"itemIdentifier": "m-0"}, {"itemIdentifier": ""}],
    "null": [{"itemIdentifier": None}, {"itemIdentifier": "m-0"}],
    "another key": [{"itemIdentifier": "m-0"}, {"item_identifier": "m-1"}],
    "no text": [{"itemIdentifier": "m-0"}, {"itemIdentifier": 1}],
    "no object": [{"itemIdentifier": "m-0"}, "m-1"],
}


@pytest.mark.parametrize("kind", STRANGERS)
def test_an_answer_that_names_no_message_of_its_batch_is_warned_of(invoke, kind):
    """Lambda takes all of the batch for failed: said in one WARNING, without a word of what the answer names."""
    answer = {"batchItemFailures": STRANGERS[kind]}
    captured = invoke(lambda event, context: answer, queue(None, None, None))
    (line,) = captured.logs
    assert (line["level"], line["location"], line["logger"]) == ("WARNING", "lambda_guard", "lambda_guard")
    assert line["message"] == (
        "1 of 2 itemIdentifiers in the answer belongs to no message of the batch: with ReportBatchItemFailures, "
        "Lambda takes all 3 messages for failed"
    )
    assert captured.record["records"]["failed"] == 2


def test_all_of_a_batch_is_given_up_with_an_answer_that_names_none_of_it(invoke, monkeypatch):
    """Where Lambda takes all of the batch for failed, all messages at their last receive go."""
    monkeypatch.setenv("LAMBDA_GUARD_MAX_RECEIVE_COUNT", "3")
    answer = {"batchItemFailures": [{"itemIdentifier": None}] * 10_000}
    captured = invoke(lambda event, context: answer, queue(None, None, count=3))
    warned, final = captured.logs
    assert warned["message"].startswith("10000 of 10000 itemIdentifiers in the answer belong to no message")
    assert final["message_ids"] == ["m-0", "m-1"]
    assert names(captured)["FinalAttempts"] == 2


@pytest.mark.parametrize(
    "event",
    [queue(None)["Records"], events.kinesis(b"a"), events.dynamodb({"id": "a"}), events.kafka("a")],
    ids=["pipe", "kinesis", "dynamodb", "kafka"],
)
def test_nothing_is_said_of_answers_to_others_than_queues(invoke, event):
    """What AWS makes of an unknown identifier is documented for batches that Lambda takes from SQS."""
    captured = invoke(lambda event, context: {"batchItemFailures": [{"itemIdentifier": "m-9"}]}, event)
    assert captured.logs == []
    assert captured.record["records"]["failed"] == 1


def test_the_warning_of_an_answer_has_its_level(invoke, monkeypatch):
    """Who wants errors only isn't warned."""
    monkeypatch.setenv("LAMBDA_GUARD_LOG_LEVEL", "ERROR")
    captured = invoke(lambda event, context: {"batchItemFailures": [{"itemIdentifier": "m-9"}]}, queue(None))
    assert captured.logs == []


def test_failures_are_only_counted_where_a_batch_came_in(invoke):
    """An API's answer with a key of that name is the user's."""
    captured = invoke(lambda event, context: {"batchItemFailures": [{"itemIdentifier": "m-1"}]})
    assert "records" not in captured.record


def test_at_most_a_hundred_failures_are_named(invoke):
    """The number is exact, the list is not endless."""
    answer = {"batchItemFailures": [{"itemIdentifier": f"m-{number}"} for number in range(150)]}
    records = invoke(lambda event, context: answer, queue(*[None] * 150)).record["records"]
    assert (records["total"], records["failed"], len(records["failures"])) == (150, 150, 100)


def test_upstreams_are_named_with_their_messages(invoke):
    """Each upstream header stands there once, with the ids of the messages that it sent."""
    a, b = upstream_header(1), upstream_header(2)
    captured = invoke(lambda event, context: None, queue(a, b, a, None))
    assert captured.record["upstreams"] == [
        {"trace_id": f"1-6742a1b5-{1:024x}", "parent_id": f"{2:016x}", "message_ids": ["m-0", "m-2"]},
        {"trace_id": f"1-6742a1b5-{2:024x}", "parent_id": f"{3:016x}", "message_ids": ["m-1"]},
        {"trace_id": None, "parent_id": None, "message_ids": ["m-3"]},
    ]
    assert "upstreams_more" not in captured.record


def test_upstreams_have_an_end(invoke):
    """Twenty are named, the others counted, and a hundred messages are named at most."""
    record = invoke(
        lambda event, context: None, queue(*[upstream_header(number) for number in range(25)])
    ).record
    assert (len(record["upstreams"]), record["upstreams_more"]) == (20, 5)
    record = invoke(
        lambda event, context: None, queue(*[upstream_header(1)] * 90, *[upstream_header(2)] * 90)
    ).record
    assert [len(upstream["message_ids"]) for upstream in record["upstreams"]] == [90, 10]


def test_far_more_upstreams_than_anybody_looks_at_are_still_counted(invoke):
    """A batch of hundreds of traces says how many there were."""
    record = invoke(
        lambda event, context: None, queue(*[upstream_header(number) for number in range(300)])
    ).record
    assert (len(record["upstreams"]), record["upstreams_more"]) == (20, 280)


def test_an_adopted_trace_is_the_records(invoke, header):
    """Where the upstream trace is adopted, the record belongs to it and names the function's own."""
    captured = invoke(lambda event, context: None, queue(upstream_header(1, sampled=1)), header=header)
    record = captured.record
    adopted = next(segment for segment in captured.segments if not segment.is_subsegment)
    assert record["xray_trace_id"] == record["traceId"] == f"1-6742a1b5-{1:024x}"
    assert record["lambda_trace_id"] == OWN
    assert record["parent_id"] == f"{2:016x}"
    assert record["span_id"] == adopted.id


def test_metrics_all_adds_what_lambda_gives_per_function(invoke, monkeypatch):
    """`LAMBDA_GUARD_METRICS=all` adds `Invocations` and `Duration`, which a service may want."""
    monkeypatch.setenv("LAMBDA_GUARD_METRICS", "all")
    captured = invoke(lambda event, context: None)
    found = names(captured)
    assert found.keys() - CPU_SHARE == {"MemoryUtilization", "Invocations", "Duration"}
    assert found["Invocations"] == 1
    assert found["Duration"] == captured.record["duration_ms"]


@pytest.mark.parametrize(
    ("dimensions", "sets"),
    [
        ((), [["service", "function_name"]]),
        (("trigger",), [["service", "function_name"], ["service", "function_name", "trigger_type"]]),
        (
            ("function_version", "trigger"),
            [["service", "function_name"], ["service", "function_name", "function_version", "trigger_type"]],
        ),
    ],
)
def test_dimensions_add_a_second_set(invoke, dimensions, sets):
    """The base set is always there, so that one alarm covers every function."""
    record = invoke(lambda event, context: None, events.sqs("a"), dimensions=dimensions).record
    assert record["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == sets
    assert record.get("trigger_type") == ("sqs" if "trigger" in dimensions else None)
    assert record["trigger"]["type"] == "sqs"


def test_the_namespace_is_the_users(invoke):
    """`namespace` names where the metrics are."""
    assert {metric.namespace for metric in invoke(lambda event, context: None, namespace="Shop").metrics} == {
        "Shop"
    }


def test_failures_of_our_own_are_counted_once(invoke):
    """`GuardErrors` says how many of our own parts failed, in the record that follows, and not again."""

    class Stream:
        def write(self, said):
            raise OSError("gone")

    import sys

    from lambda_guard import logger

    def handler(event, context):
        before, sys.stdout = sys.stdout, Stream()
        logger.info("lost")
        logger.info("lost")
        sys.stdout = before

    captured = invoke(handler)
    assert names(captured)["GuardErrors"] == 2
    assert captured.record["outcome"] == "success"
    assert "GuardErrors" not in names(invoke(lambda event, context: None))


def test_a_record_that_is_too_big_is_shortened(invoke):
    """A record beyond what the log takes loses long texts, never its ids or its metrics."""

    def handler(event, context):
        return {"batchItemFailures": [{"itemIdentifier": "m" * 20_000} for _ in range(100)]}

    captured = invoke(handler, queue(*[None] * 100), context=make_context(aws_request_id="r-1"))
    assert len(captured.output) < 1_000_000
    assert captured.record["truncated"] is True
    assert captured.record["invocation_id"] == "r-1"
    assert names(captured)["RecordFailures"] == 100


def test_a_context_that_says_nothing(invoke):
    """Without a context there are no limit and no deadline to write, and an id of our own."""
    decorated = production(service="orders")(lambda event, context: None)
    with capture() as captured:
        decorated({}, None)
        decorated({}, None)
    first, second = captured.records
    assert not first.keys() & {"memory_limit_mb", "remaining_ms", "MemoryUtilization"}
    assert first["invocation_id"] != second["invocation_id"]
    assert first["function_name"] == "unknown"


def test_remaining_time_is_never_negative(invoke):
    """A handler that came back after its deadline had none left."""
    captured = invoke(lambda event, context: time.sleep(0.02), context=make_context(timeout_ms=1))
    assert captured.records[-1]["remaining_ms"] == 0


def test_names_that_json_must_escape(invoke):
    """A service, a function or a source with quotes, controls and lone surrogates is still one line of JSON."""
    odd = 'a"b\\c\nd\u2028é\ud800'
    event = events.sqs("a")
    event["Records"][0]["eventSourceARN"] = odd
    captured = invoke(
        lambda event, context: None,
        event,
        service=odd,
        context=make_context(function_name=odd, aws_request_id=odd),
    )
    record = captured.record
    assert captured.output.encode().count(b"\n") == 1
    assert record["service"] == record["function_name"] == record["invocation_id"] == odd
    assert record["trigger"]["source"] == odd


@settings(max_examples=100)
@given(
    event=st.sampled_from(
        [events.sqs("a"), events.sns("a"), events.kinesis("a"), events.http_api(), {}, None, 3]
    ),
    service=st.text(min_size=1).filter(str.strip),
    dimensions=st.sets(st.sampled_from(["function_version", "trigger"])),
    error=st.one_of(st.none(), st.builds(ValueError, st.text()), st.builds(KeyError, st.binary())),
    memory=st.one_of(st.just("128"), st.just(""), st.just("0"), st.just(512)),
)
def test_every_record_is_a_valid_document(invoke, event, service, dimensions, error, memory):  # noqa: PLR0917 - likewise
    """Over events, services, dimensions, errors and limits: one record, and EMF's schema holds."""

    def handler(event, context):
        if error is not None:
            raise error

    captured = invoke(
        handler,
        event,
        service=service[:1024],
        dimensions=tuple(dimensions),
        context=make_context(memory_limit_in_mb=memory),
    )
    assert captured.raised is error
    assert captured.record["outcome"] == ("error" if error is not None else "success")
