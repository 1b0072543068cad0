"""Durable functions in the real runtime client, in both orders of the decorators."""

import json

import pytest

pytest.importorskip(
    "aws_durable_execution_sdk_python", reason="AWS's durable execution SDK isn't installed here"
)

ARN = "arn:aws:lambda:eu-west-1:123456789012:function:shop:7/durable-execution/order-7/6f0c1d3e"
WAIT = "1ced8f5be2db23a6513eba4d819c73806424748a7bc6fa0d792cc1c7d1775a97"  # the id of the first operation
ORDERS = pytest.mark.parametrize("handler", ["outside", "inside"])
FORMATS = pytest.mark.parametrize("log_format", ["Text", "JSON"])


def event(do, *earlier):
    """Return the event of an execution's invocation, with the operations of earlier ones."""
    started = {"Id": "6f0c1d3e", "Type": "EXECUTION", "Status": "STARTED", "StartTimestamp": 1795446245135}
    execution = {**started, "ExecutionDetails": {"InputPayload": json.dumps({"do": do})}}
    return {
        "DurableExecutionArn": ARN,
        "CheckpointToken": "token",
        "InitialExecutionState": {"Operations": [execution, *earlier], "NextMarker": ""},
    }


@FORMATS
@ORDERS
@pytest.mark.parametrize(
    "end",
    [("return", "SUCCEEDED", "success"), ("wait", "PENDING", "suspended"), ("fail", "FAILED", "error")],
)
def test_each_end_of_an_invocation(start, own_lines, end, handler, log_format):
    """Lambda gets the SDK's answer; each line has the id that Lambda gave, and the record says what it means."""
    do, status, outcome = end
    result = start(f"durable.{handler}", log_format).invoke(event(do))
    assert result.payload["Status"] == status
    lines = own_lines(result)
    (record,) = [line for line in lines if line.get("record") == "invocation"]
    assert (record["outcome"], record["level"]) == (outcome, "ERROR" if outcome == "error" else "INFO")
    assert record["invocation_id"] == result.request_id
    assert record["remaining_ms"] > 0
    assert record["durable"] == {"execution": ARN, "name": "order-7", "replay": False}
    assert ("Errors" in record) is (outcome == "error")
    assert "GuardErrors" not in record
    said = [line["message"] for line in lines if line.get("invocation_id") and "record" not in line]
    assert said[:3] == ["ours", "theirs", "printed"]


@FORMATS
@ORDERS
def test_repeated_lines_can_be_held_back(start, own_lines, handler, log_format):
    """Our logger's, those in the runtime client's handler, and printed ones; they are marked where they are not."""
    done = {"Id": WAIT, "Type": "WAIT", "SubType": "Wait", "Status": "SUCCEEDED", "WaitDetails": {}}
    for off, expected in ((False, ["ours", "theirs", "printed"]), (True, [])):
        variables = {"LAMBDA_GUARD_REPLAYED_LINES": "off"} if off else {}
        result = start(f"durable.{handler}", log_format, environment=variables).invoke(event("wait", done))
        assert result.payload["Status"] == "SUCCEEDED"
        *lines, record = own_lines(result)
        assert (record["outcome"], record["durable"]["replay"]) == ("success", True)
        assert [line["message"] for line in lines] == expected
        assert all(line["replay"] is True for line in lines)
