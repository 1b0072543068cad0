"""HTTP: the record of a request tells its method, its route and the status that it was answered with."""

import json

import pytest
from aws_xray_sdk.core import xray_recorder

from lambda_guard import production
from lambda_guard.testing import capture, events, make_context

UPSTREAM = "Root=1-6742a1b5-0123456789abcdef01234567;Parent=53995c3f42cd8ad8;Sampled=1"
REST = events.api_gateway("GET", "/orders/4711", resource="/orders/{id}", path_parameters={"id": "4711"})
V2 = events.http_api("GET", "/orders/4711", route_key="GET /orders/{id}", path_parameters={"id": "4711"})
FORMAT_1 = REST | {"version": "1.0"}
URL = events.function_url("GET", "/orders/4711")
ALB = events.alb("GET", "/orders/4711")
ALB_MULTI = events.alb("GET", "/orders/4711", multi_value=True)
ROUTED = {"method": "GET", "route": "/orders/{id}"}
UNROUTED = {"method": "GET"}
CALLERS = {
    "REST": (REST, ROUTED),
    "HTTP API": (V2, ROUTED),
    "HTTP API, format 1.0": (FORMAT_1, ROUTED),
    "function URL": (URL, UNROUTED),
    "ALB": (ALB, UNROUTED),
    "ALB, several values": (ALB_MULTI, UNROUTED),
}


def metrics(record):
    """Return the names of a record's metrics."""
    return {each["Name"] for each in record["_aws"]["CloudWatchMetrics"][0]["Metrics"]}


@pytest.mark.parametrize("caller", CALLERS)
def test_an_answer_is_told_by_its_status(invoke, caller):
    """A response below 500 is a success, told by method, route and status, and nothing of the path."""
    event, known = CALLERS[caller]
    captured = invoke(lambda event, context: {"statusCode": 404, "body": "no order 4711"}, event)
    record = captured.record
    assert record["http"] == known | {"status": 404}
    assert (record["level"], record["severityText"], record["outcome"]) == ("INFO", "INFO", "success")
    assert record["message"] == f"orders succeeded in {record['duration_ms']:.1f} ms"
    assert "ServerErrors" not in metrics(record)
    assert "4711" not in json.dumps(record)


@pytest.mark.parametrize("caller", CALLERS)
def test_a_server_error_is_one(invoke, caller):
    """A response from 500 on is an error to whoever operates the function, though Lambda got an answer."""
    event, known = CALLERS[caller]
    answer = {"statusCode": 503, "body": "down"}
    record = invoke(lambda event, context: answer, event).record
    assert record["http"] == known | {"status": 503}
    assert (record["level"], record["severityText"], record["outcome"]) == ("ERROR", "ERROR", "success")
    assert record["message"] == f"orders answered with 503 after {record['duration_ms']:.1f} ms"
    assert record["ServerErrors"] == 1
    assert "ServerErrors" in metrics(record)
    assert "Errors" not in record
    assert "error" not in record


@pytest.mark.parametrize("traces", [False, True], ids=["plain", "with a subsegment"])
@pytest.mark.parametrize("status", [499, 500])
def test_a_server_error_is_a_fault_in_the_trace(invoke, header, status, traces):
    """X-Ray's `fault` says that the server failed; there is no exception to show as the cause."""

    def handler(event, context):
        if traces:
            with xray_recorder.in_subsegment("work"):
                pass
        return {"statusCode": status}

    captured = invoke(handler, V2, header=header)
    own = captured.segments[-1].document
    assert own["name"] == "## handler"
    assert own.get("fault", False) is (status == 500)
    assert "cause" not in own
    assert own["annotations"]["outcome"] == "success"


def test_a_server_error_is_a_fault_in_an_upstream_trace_too(invoke):
    """Where a request brought a trace of its own, the segment in it is a fault, and so is the handler's subsegment."""
    upstream = V2 | {"headers": {"x-amzn-trace-id": UPSTREAM}}
    captured = invoke(lambda event, context: {"statusCode": 500}, upstream)
    assert captured.segments != []
    for segment in captured.segments:
        assert segment.document["fault"] is True
        assert all(child["fault"] for child in segment.document.get("subsegments", ()))


def test_an_answer_that_is_none_is_a_server_error(invoke):
    """API Gateway answers by itself where it can't read the handler's answer."""
    record = invoke(lambda event, context: {"Hello": "World"}, REST).record
    assert record["http"] == ROUTED | {"status": 502}
    assert (record["level"], record["outcome"], record["ServerErrors"]) == ("ERROR", "success", 1)


@pytest.mark.parametrize("caller", CALLERS)
def test_an_exception_is_no_answer(invoke, caller):
    """It's an error and counted as such, once; the status is the gateway's own."""

    def handler(event, context):
        raise ValueError

    event, known = CALLERS[caller]
    record = invoke(handler, event).record
    assert record["http"] == known
    assert (record["level"], record["outcome"], record["Errors"]) == ("ERROR", "error", 1)
    assert "ServerErrors" not in record


def test_what_the_answer_doesnt_tell_isnt_written(invoke):
    """Without a status that can be read, the record has what is known, and nothing at all where nothing is."""
    assert invoke(lambda event, context: {"statusCode": "odd"}, V2).record["http"] == ROUTED
    unknown = events.alb("get") | {"httpMethod": None}
    assert "http" not in invoke(lambda event, context: {"statusCode": 7}, unknown).record


@pytest.mark.parametrize(
    "event",
    [
        {"a": 1},
        events.sqs("a"),
        REST | {"type": "REQUEST", "methodArn": "arn:aws:execute-api:eu-west-1:1:a/b/GET/orders"},
        events.websocket("a"),
    ],
    ids=["direct", "sqs", "authorizer", "websocket"],
)
def test_an_answer_to_no_request_is_the_users(invoke, event):
    """A status code means something only where somebody asked by HTTP."""
    record = invoke(lambda event, context: {"statusCode": 503}, event).record
    assert (record["level"], record["outcome"]) == ("INFO", "success")
    assert not record.keys() & {"http", "ServerErrors"}


def test_the_answer_is_the_same_object():
    """It's looked at, never changed or copied, whatever class it's of."""

    class Answer(dict):
        def __getitem__(self, _):
            raise AssertionError

        get = keys = items = __iter__ = __contains__ = __len__ = __getitem__

    answer = Answer(statusCode=500)
    with capture() as captured:
        assert production(lambda event, context: answer)(REST, make_context()) is answer
    assert captured.record["http"]["status"] == 500
    assert "GuardErrors" not in captured.record


def test_an_async_handlers_answer_is_told(invoke):
    """The same for `async def`."""

    async def handler(event, context):
        return {"statusCode": 500}

    assert invoke(handler, V2).record["http"] == ROUTED | {"status": 500}
