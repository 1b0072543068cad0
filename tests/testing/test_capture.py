"""`capture()`: what an invocation emitted, as objects."""

import io
import json
import logging
import os
import sys
from contextlib import ExitStack, suppress

import pytest
from aws_lambda_powertools import Logger, Tracer
from aws_xray_sdk import global_sdk_config
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


# --- Loggers -----------------------------------------------------------------------------------------------------


def messages(captured):
    """Return what the log lines say."""
    return [line["message"] for line in captured.logs]


@pytest.fixture(params=["propagates", "does not"])
def _propagation(request, monkeypatch):
    """Our logger as it is under pytest, and as it is elsewhere."""
    monkeypatch.setattr(logging.getLogger("lambda_guard"), "propagate", request.param == "propagates")


@pytest.mark.usefixtures("_propagation")
def test_lines_of_standard_loggers_have_the_form_that_they_have_in_lambda():
    """Any logger's line is there once, with the keys of its invocation, and so is a line of ours."""

    def handler(event, context):
        logger.info("ours", item="i-1")
        logging.getLogger("lambda_guard.child").warning("ours")
        logging.getLogger("shop.stock").warning("%s is low", "stock", extra={"item": "i-1"})
        logging.getLogger("shop.stock").info("not at this level")
        logging.getLogger().error("failed", exc_info=ValueError("no stock"))

    with capture() as captured:
        production(service="orders")(handler)({}, make_context(aws_request_id="r-1"))
    assert messages(captured) == ["ours", "ours", "stock is low", "failed"]
    line = captured.logs[2]
    assert line.pop("timestamp").endswith("Z")
    assert line.pop("location").startswith("handler:")
    assert line == {
        "level": "WARNING",
        "message": "stock is low",
        "service": "orders",
        "logger": "shop.stock",
        "item": "i-1",
        "invocation_id": "r-1",
        "function_name": "orders",
        "function_version": "$LATEST",
        "cold_start": False,
    }
    assert captured.logs[3]["exception_name"] == "ValueError"
    assert len(captured.lines) == 5


def test_the_level_of_the_root_logger_counts(monkeypatch):
    """As in Lambda, a function gets the INFO lines of its libraries by setting the root logger's level."""
    monkeypatch.setattr(logging.root, "level", logging.INFO)
    logging.getLogger("shop.stock").manager._clear_cache()
    with capture() as captured:
        logging.getLogger("shop.stock").info("heard")
    assert messages(captured) == ["heard"]


def test_a_powertools_logger_of_the_users(request):
    """Its lines are there once, whether it was made before the capture, in it, or in an earlier one; so are its child's."""
    with capture() as earlier:
        old = Logger(service=f"old-{request.node.name}", level="INFO")
        old.info("old")
    before = Logger(service=f"before-{request.node.name}", level="INFO")
    child = logging.getLogger(f"before-{request.node.name}.child")
    with capture() as captured:
        during = Logger(service=f"during-{request.node.name}", level="INFO")
        before.info("before")
        child.warning("child")
        during.info("during")
        old.info("old")
    assert messages(earlier) == ["old"]
    assert messages(captured) == ["before", "child", "during", "old"]
    assert {each.logger_handler.stream for each in (old, before, during)} == {sys.stdout}


def test_loggers_of_other_streams_and_of_none_stay_as_they_are(tmp_path):
    """A handler that writes to standard error or to a file does so in a capture, too; standard loggers' lines are there."""
    stderr, file = logging.StreamHandler(), logging.FileHandler(tmp_path / "log", delay=True)
    theirs = logging.getLogger("shop.files")
    theirs.handlers = [stderr, file, logging.NullHandler()]
    with capture() as captured:
        assert stderr.stream is sys.stderr
        assert file.stream is None
        theirs.warning("both")
    file.close()
    theirs.handlers = []
    assert (tmp_path / "log").read_text() == "both\n"
    assert messages(captured) == ["both"]


def test_without_standard_output_nothing_is_redirected(monkeypatch, tmp_path):
    """A process without `sys.stdout`, and a handler that has opened no file yet, are no pair."""
    file = logging.FileHandler(tmp_path / "log", delay=True)
    logging.getLogger("shop.files").handlers = [file]
    with monkeypatch.context() as without:
        without.setattr(sys, "stdout", None)
        with capture() as captured:
            logging.getLogger("shop.files").warning("both")
        assert sys.stdout is None
    file.close()
    logging.getLogger("shop.files").handlers = []
    assert (tmp_path / "log").read_text() == "both\n"
    assert messages(captured) == ["both"]


def test_an_inner_capture_has_each_line_once():
    """One root handler serves captures in each other; it goes with the one that brought it."""
    before = [*logging.root.handlers]
    stock = logging.getLogger("shop.stock")
    with capture() as outer:
        with capture() as inner:
            stock.warning("inner")
        stock.warning("outer")
    assert (messages(inner), messages(outer)) == (["inner"], ["outer"])
    assert logging.root.handlers == before


def test_a_capture_inside_itself():
    """The same object may be entered again before it is left."""
    both = capture()
    before = sys.stdout
    with both as outer:
        with both as inner:
            print("{}")
        print("[]")
    assert (inner.output, outer.output, sys.stdout) == ("{}\n", "[]\n", before)


# --- What others have done, and what fails -------------------------------------------------------------------------


@pytest.fixture
def _sdk_on(monkeypatch):
    """Whatever a Tracer of another test did, before and after."""
    for step in ("before", "after"):
        monkeypatch.delenv("AWS_XRAY_SDK_ENABLED", raising=False)  # it would win
        global_sdk_config.set_sdk_enabled(True)
        Tracer._reset_config()
        if step == "before":
            yield


@pytest.mark.usefixtures("_sdk_on")
@pytest.mark.parametrize("made", ["before", "inside"])
def test_a_powertools_tracer_takes_no_segments_away(made):
    """Outside Lambda a Tracer turns the X-Ray SDK off: a capture has the segments that Lambda would send all the same."""
    with ExitStack() as stack:
        if made == "before":
            Tracer(service="orders")
        captured = stack.enter_context(capture(TRACE_HEADER))
        if made == "inside":
            Tracer(service="orders")
        handler({}, make_context())
    assert [segment.name for segment in captured.segments] == ["work", "## handler"]
    assert global_sdk_config.sdk_enabled() is (made == "inside")


@pytest.mark.usefixtures("_sdk_on")
def test_an_sdk_that_the_environment_turns_off_stays_off(monkeypatch):
    """`AWS_XRAY_SDK_ENABLED=false` would do so in Lambda, too."""
    monkeypatch.setenv("AWS_XRAY_SDK_ENABLED", "false")
    global_sdk_config.set_sdk_enabled(False)
    with capture(TRACE_HEADER) as captured:
        handler({}, make_context())
    assert captured.segments == []


@pytest.mark.parametrize(("header", "kind"), [(7, TypeError), ("Root=\0", ValueError)], ids=["number", "NUL"])
def test_a_capture_that_fails_on_entry_leaves_everything_as_it_was(header, kind):
    """A header that no variable can hold raises before the block, with streams, handlers and recorder untouched."""
    state = sys.stdout, [*logging.root.handlers], os.environ.get("_X_AMZN_TRACE_ID"), xray_recorder.emitter
    with pytest.raises(kind), capture(header):
        pytest.fail("the block has begun")
    assert (
        sys.stdout, logging.root.handlers, os.environ.get("_X_AMZN_TRACE_ID"), xray_recorder.emitter
    ) == state  # fmt: skip


def test_a_capture_that_is_interrupted_on_entry_leaves_everything_as_it_was(monkeypatch):
    """Ctrl-C while the X-Ray SDK is being imported, for example."""

    def interrupted(_):
        raise KeyboardInterrupt

    monkeypatch.setattr("lambda_guard.sinks.xray.tracer.collect", interrupted)
    before = sys.stdout, [*logging.root.handlers]
    with suppress(KeyboardInterrupt), capture(TRACE_HEADER):
        pytest.fail("the block has begun")
    assert (sys.stdout, logging.root.handlers, os.environ.get("_X_AMZN_TRACE_ID")) == (*before, None)


# --- The service -------------------------------------------------------------------------------------------------


def test_the_context_names_the_service_where_nothing_else_does(monkeypatch):
    """`service` is the function's name, as in Lambda, in lines, records, metrics and segments; what is set goes first."""

    def emit(event, context):
        logger.info("once")
        metrics.add_metric("Orders", "Count", 1)

    def services(decorated):
        with capture(TRACE_HEADER) as captured:
            decorated({}, make_context(function_name="billing"))
        written = {line["service"] for line in captured.lines}
        sent = {segment.annotations["service"] for segment in captured.segments}
        return written | sent | {metric.dimensions["service"] for metric in captured.metrics}

    assert services(production(emit)) == {"billing"}
    assert services(production(service="orders")(emit)) == {"orders"}
    monkeypatch.setenv("LAMBDA_GUARD_SERVICE", "shop")
    assert services(production(emit)) == {"shop"}
    monkeypatch.delenv("LAMBDA_GUARD_SERVICE")
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "lambda")
    assert services(production(emit)) == {"lambda"}


def test_each_context_names_the_service_of_its_own_invocation():
    """Nothing of one invocation's name stays for the next; without a name it is unknown."""
    handler = production(lambda event, context: None)
    with capture() as captured:
        for context in (make_context(function_name="billing"), make_context(function_name="orders"), None):
            handler({}, context)
    assert [record["service"] for record in captured.records] == ["billing", "orders", "unknown"]
