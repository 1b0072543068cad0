"""`capture()`: what an invocation emitted, as objects."""

import io
import json
import os
import sys

import pytest
from aws_xray_sdk.core import xray_recorder

from lambda_guard import logger, metrics, production
from lambda_guard.testing import TRACE_HEADER, Metric, Segment, capture, events, make_context

OWN = "1-5759e988-bd862e3fe1be46a994272793"


@production(service="orders", namespace="Shop")
def handler(event, context):
    logger.info("order accepted", order_id="o-1", record="of the order")
    print("printed")
    metrics.add_metric("OrdersAccepted", "Count", 1)
    metrics.add_metric("OrdersAccepted", "Count", 2)
    with xray_recorder.in_subsegment("work"):
        pass


def test_everything_that_was_emitted():
    """Log lines, the record, metrics and documents, each for itself."""
    with capture(TRACE_HEADER) as captured:
        handler({}, make_context(aws_request_id="r-1"))
    assert [line["message"] for line in captured.logs] == ["order accepted", "printed"]
    assert captured.records == [captured.record]
    assert captured.record["outcome"] == "success"
    assert captured.lines == [json.loads(line) for line in captured.output.splitlines()]
    assert len(captured.lines) == 4
    assert captured.metrics[0] == Metric("Shop", "OrdersAccepted", "Count", (1.0, 2.0), {"service": "orders"})
    assert captured.metrics[0].value == 3.0
    assert {metric.name for metric in captured.metrics[1:]} - {"CpuUtilization"} == {"MemoryUtilization"}
    assert captured.metrics[1].dimensions == {"service": "orders", "function_name": "orders"}
    work, own = captured.segments
    assert isinstance(own, Segment)
    assert (own.name, own.trace_id, own.parent_id, own.is_subsegment) == (
        "## handler",
        OWN,
        "53995c3f42cd8ad8",
        True,
    )
    assert own.annotations == own.document["annotations"]
    assert own.annotations["invocation_id"] == "r-1"
    assert (work.name, work.parent_id) == ("work", own.id)


def test_nothing_is_left_behind():
    """The output, the variable and the recorder's emitter are what they were, also after an error in the block."""
    before = sys.stdout, os.environ.get("_X_AMZN_TRACE_ID"), xray_recorder.emitter
    with pytest.raises(ZeroDivisionError), capture(TRACE_HEADER):
        handler({}, make_context())
        raise ZeroDivisionError
    assert (sys.stdout, os.environ.get("_X_AMZN_TRACE_ID"), xray_recorder.emitter) == before


def test_a_variable_of_the_tests_own(monkeypatch):
    """Without an argument the variable stays as it is, and its trace is captured."""
    monkeypatch.setenv("_X_AMZN_TRACE_ID", TRACE_HEADER)
    with capture() as captured:
        handler({}, make_context())
    assert {segment.trace_id for segment in captured.segments} == {OWN}
    with capture("Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0") as captured:
        handler({}, make_context())
    assert captured.segments == []
    assert os.environ["_X_AMZN_TRACE_ID"] == TRACE_HEADER


def test_a_trace_that_came_with_a_message():
    """A message's own header is adopted: its documents are captured and not sent, without any variable."""
    with capture() as captured:
        handler(events.sqs("a", trace_header=TRACE_HEADER), make_context())
    assert {segment.trace_id for segment in captured.segments} == {OWN}


def test_without_a_trace_there_are_no_documents():
    """Nothing is traced that no header asks for."""
    with capture() as captured:
        production(lambda event, context: None)({}, make_context())
    assert captured.segments == []


def test_one_record_or_an_error_that_says_how_many():
    """`record` is for the one invocation of a test."""
    with capture() as captured:
        with pytest.raises(AssertionError, match="0 invocation records"):
            _ = captured.record
        handler({}, make_context())
        handler({}, make_context())
    with pytest.raises(AssertionError, match="2 invocation records"):
        _ = captured.record
    assert len(captured.records) == 2


def test_one_record_or_an_error_under_python_o(fresh):
    """That there is one record is looked at with assertions switched off, too."""
    output = fresh(
        """
        from lambda_guard import production
        from lambda_guard.testing import capture

        with capture() as captured:
            for _ in range(2):
                production(lambda event, context: None)({}, None)
        try:
            print(captured.record["outcome"])
        except AssertionError as error:
            print(error)
        """,
        PYTHONOPTIMIZE="1",
    )
    assert output == "2 invocation records were written, not one\n"


def test_a_line_that_is_not_json_is_an_error():
    """`lines` parses what is there; `output` has it in any case."""
    with capture() as captured:
        print("plain")
    assert captured.output == "plain\n"
    with pytest.raises(ValueError, match="Expecting value"):
        _ = captured.lines


def test_lines_of_other_forms_hide_nothing():
    """What a test prints, and what a handler prints whose print isn't captured, is left out of logs, records and metrics."""
    with capture() as captured:
        print("plain")
        print("[1]")
        production(capture_print=False)(lambda event, context: print("7"))({}, make_context())
    assert captured.logs == []
    assert captured.record["outcome"] == "success"
    assert "MemoryUtilization" in [metric.name for metric in captured.metrics]


def test_captures_in_each_other_and_again():
    """An inner capture takes what is emitted inside it; a capture can be used again."""
    reused = capture()
    with capture() as outer:
        with reused as first:
            handler({}, make_context())
        handler({}, make_context())
        with reused as second:
            handler({}, make_context())
    assert len(outer.records) == len(first.records) == len(second.records) == 1


def test_a_stream_of_ones_own_stays(monkeypatch):
    """A test that replaced `sys.stdout` has it back, with nothing written to it."""
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stdout", stream)
    with capture():
        handler({}, make_context())
    assert sys.stdout is stream
    assert stream.getvalue() == ""
