"""docs/migrating.md: its code before and after in the real runtime client, and each row of its tables."""

import re

import pytest

from lambda_guard.testing import events

from .deployed import block, deployed, run

DECORATORS = "From Powertools' three decorators"
BATCHES = "From Powertools' BatchProcessor"
ENVIRONMENT = {"POWERTOOLS_SERVICE_NAME": "orders", "POWERTOOLS_METRICS_NAMESPACE": "Shop"}
GOOD = {"id": "o-1", "prices": [4, 5]}
BAD = {"id": "o-2", "prices": ["4"]}
SAME = {
    *("level", "message", "service", "cold_start", "function_name", "xray_trace_id"),
    *("order_id", "items"),
}


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """Both functions, each with an order that is good and one that isn't: before, and after."""
    return [
        run(
            tmp_path_factory.mktemp("app"),
            block("migrating.md", DECORATORS, number),
            GOOD,
            BAD,
            environment=ENVIRONMENT,
        )
        for number in (0, 1)
    ]


def body(code):
    """Return the lines of a module from its handler on."""
    return code[code.index("def handler") :]


def test_the_body_stays_as_it_is():
    """Only the imports, the module's objects and the decorators differ."""
    assert body(block("migrating.md", DECORATORS, 0)) == body(block("migrating.md", DECORATORS, 1))


def test_the_answer_and_the_error_stay(both):
    """Lambda gets the same."""
    before, after = both
    assert [ran.status for ran in after] == [ran.status for ran in before] == ["success", "error"]
    assert after[0].answer == before[0].answer == {"total": 9}
    for key in ("errorType", "errorMessage"):
        assert after[1].answer[key] == before[1].answer[key]


def test_the_keys_of_a_line(both):
    """Those of the table are the same; the request's id has another name, and the time another form."""
    before, after = ([ran.logs[0] for ran in runs] for runs in both)
    for theirs, ours in zip(before, after, strict=True):
        assert {key: ours[key] for key in SAME} == {key: theirs[key] for key in SAME}
        assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}\+0000", theirs["timestamp"])
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", ours["timestamp"])
        assert ours["location"].split(":")[0] == theirs["location"].split(":")[0] == "handler"
        gone = {"function_request_id", "function_memory_size", "function_arn"}
        assert theirs.keys() - ours.keys() == gone
        assert ours.keys() - theirs.keys() == {"invocation_id", "function_version", "logger"}
    for ran in both[0]:
        assert ran.logs[0]["function_request_id"] == ran.id
    for ran in both[1]:
        assert ran.logs[0]["invocation_id"] == ran.id
        assert ran.record["memory_limit_mb"] == 128


def test_an_error_has_a_record_where_it_had_no_line(both):
    """Of the order that fails, Powertools' Logger has the line that the handler wrote, and none else."""
    before, after = (runs[1] for runs in both)
    assert [line["message"] for line in before.logs] == ["order accepted"]
    assert after.record["error"]["type"] == "TypeError"
    assert after.record["error"]["stack"][-1] == "app.py:20 in total"
    assert after.record["Errors"] == 1


def test_the_metrics(both):
    """The handler's own are the same; `ColdStart` has become `ColdStarts`, in the record."""
    before, after = both
    ours = "Shop", frozenset({"service", "country"}), "OrdersAccepted"
    cold = "Shop", frozenset({"service", "function_name"}), "ColdStart"
    assert [ran.metrics for ran in before] == [{ours: [1.0], cold: [1.0]}, {ours: [1.0]}]
    assert [ran.metrics for ran in after] == [{ours: [1.0]}, {ours: [1.0]}]
    [directive] = after[0].record["_aws"]["CloudWatchMetrics"]
    assert (directive["Namespace"], directive["Dimensions"]) == ("Shop", [["service", "function_name"]])
    assert after[0].record["ColdStarts"] == 1
    assert "MemoryUtilization" in after[0].record
    for ran in after:
        [document] = [line for line in ran.lines if isinstance(line, dict) and "OrdersAccepted" in line]
        assert (document["invocation_id"], document["service"], document["country"]) == (
            ran.id,
            "orders",
            "SE",
        )
        assert document["xray_trace_id"] == "1-5759e988-bd862e3fe1be46a994272793"


def test_the_traces(both):
    """The same tree; other annotations; neither the answer nor attributes of the exception."""
    for before, after in zip(*both, strict=True):
        (their_total, theirs), (our_total, ours) = before.documents, after.documents
        assert [theirs["name"], their_total["name"]] == [ours["name"], our_total["name"]]
        assert ours["name"] == "## handler"
        assert (theirs["parent_id"], their_total["parent_id"]) == (ours["parent_id"], theirs["id"])
        assert our_total["parent_id"] == ours["id"]
        assert our_total["annotations"] == their_total["annotations"]
        cold = theirs["annotations"]["ColdStart"]
        assert theirs["annotations"] == {"ColdStart": cold, "Service": "orders"}
        assert ours["annotations"] == {
            "cold_start": cold,
            "service": "orders",
            "invocation_id": after.id,
            "trigger": "lambda",
            "outcome": after.record["outcome"],
        }
        assert "metadata" in theirs
        assert "metadata" not in ours


# --- Left in place --------------------------------------------------------------------------------------------------

THEIRS = """
from aws_lambda_powertools import Logger, Metrics, Tracer
from lambda_guard import production

logger, metrics, tracer = Logger(), Metrics(), Tracer()


@production
@logger.inject_lambda_context(clear_state=True)
@tracer.capture_lambda_handler
@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event, context):
    logger.info("accepted", extra={"order_id": event["id"]})
    metrics.add_metric(name="OrdersAccepted", unit="Count", value=1)
    if "raise" in event:
        raise ValueError("refused")
"""


def test_powertools_own_objects_left_in_place(tmp_path):
    """Logger, Tracer and Metrics of Powertools work below; lines gain the keys; one record each."""
    events_ = {"id": "o-1"}, {"id": "o-2", "raise": True}
    for ran in run(tmp_path, THEIRS, *events_, environment=ENVIRONMENT):
        [line] = ran.logs
        assert (line["message"], line["invocation_id"]) == ("accepted", ran.id)
        assert line["function_request_id"] == ran.id
        assert ran.metrics["Shop", frozenset({"service"}), "OrdersAccepted"] == [1.0]
        theirs, ours = ran.documents
        assert theirs["parent_id"] == ours["id"]
        assert ran.record["outcome"] == ran.status


def test_powertools_own_metrics_without_a_namespace(tmp_path):
    """They fail the handler after its work, as before; the record says so."""
    [ran] = run(tmp_path, THEIRS, {"id": "o-1"})
    assert ran.answer["errorType"] == ran.record["error"]["type"] == "SchemaValidationError"


SINGLE = """
from aws_lambda_powertools import single_metric
from lambda_guard import metrics, production


@production
def handler(event, context):
    with single_metric(name="Theirs", unit="Count", value=1, namespace="Shop") as metric:
        metric.add_dimension(name="country", value="SE")
    with metrics.single_metric(name="Ours", unit="Count", value=2) as metric:
        metric.add_dimension(name="country", value="SE")
"""


def test_single_metrics(tmp_path):
    """Powertools' passes through `print` as it is; ours has the namespace."""
    [ran] = run(tmp_path, SINGLE, environment=ENVIRONMENT)
    dimensions = frozenset({"service", "country"})
    assert ran.metrics == {("Shop", dimensions, "Theirs"): [1.0], ("Shop", dimensions, "Ours"): [2.0]}


OURS = """
from lambda_guard import logger, metrics, production


@production
@logger.inject_lambda_context(correlation_id_path="requestContext.requestId", log_event=True)
@metrics.log_metrics(capture_cold_start_metric=True, default_dimensions={"environment": "prod"})
def handler(event, context):
    logger.info("accepted")
    metrics.add_metric(name="OrdersAccepted", unit="Count", value=1)
"""


def test_powertools_decorators_of_our_objects(tmp_path):
    """`inject_lambda_context` does what it does; `log_metrics` says to delete it, and keeps default dimensions."""
    event = {"requestContext": {"requestId": "r-1"}}
    first, second = run(tmp_path, OURS, event, event, environment=ENVIRONMENT)
    warning, said, accepted = first.logs
    assert (warning["level"], "delete @metrics.log_metrics" in warning["message"]) == ("WARNING", True)
    assert said["message"] == event
    assert (accepted["message"], accepted["correlation_id"]) == ("accepted", "r-1")
    assert [line["message"] for line in second.logs] == [event, "accepted"]
    for ran in (first, second):
        key = "Shop", frozenset({"service", "environment"}), "OrdersAccepted"
        assert ran.metrics == {key: [1.0]}
        assert ran.record["outcome"] == "success"


MODULES = """
from aws_lambda_powertools import Logger, Metrics, Tracer
from lambda_guard import logger, metrics, production

theirs, their_metrics, tracer = Logger(LOGGER), Metrics(), Tracer()


@production
def handler(event, context):
    logger.append_keys(order_id="o-1")
    theirs.info("theirs")
    their_metrics.add_metric(name="Theirs", unit="Count", value=1)
    metrics.add_metric(name="Ours", unit="Count", value=1)
    in_a_subsegment()
    theirs.append_keys(more=1)
    theirs.info("more")


@tracer.capture_method
def in_a_subsegment():
    pass
"""


def test_powertools_objects_of_other_modules(tmp_path):
    """A Logger has keys of its own, metrics are lost, subsegments aren't."""
    [ran] = run(tmp_path, MODULES.replace("LOGGER", ""), environment=ENVIRONMENT)
    assert [(line["message"], line["invocation_id"], line.get("more")) for line in ran.logs] == [
        ("theirs", ran.id, None),
        ("more", ran.id, 1),
    ]
    assert "order_id" not in str(ran.logs)
    assert ran.metrics == {("Shop", frozenset({"service"}), "Ours"): [1.0]}
    assert [document["name"] for document in ran.documents] == ["## app.in_a_subsegment", "## handler"]
    assert ran.record["outcome"] == "success"


def test_a_child_logger_of_another_module(tmp_path):
    """Its lines are like ours, but it takes no keys."""
    [ran] = run(tmp_path, MODULES.replace("LOGGER", "child=True"), environment=ENVIRONMENT)
    [line] = ran.logs
    assert (line["message"], line["service"], line["order_id"]) == ("theirs", "orders", "o-1")
    assert line["invocation_id"] == ran.id
    assert ran.answer["errorType"] == ran.record["error"]["type"] == "OrphanedChildLoggerError"


# --- Rows of the tables -----------------------------------------------------------------------------------------------

BEFORE = """
import logging
from aws_lambda_powertools import Logger

logger = Logger()


@logger.inject_lambda_context
def handler(event, context):
    if "id" in event:
        logger.append_keys(order_id=event["id"])
    logger.info("theirs")
    logging.getLogger("other").warning("other")
    print("printed")
"""
AFTER = """
import logging
from lambda_guard import logger, metrics, production


@production
def handler(event, context):
    if "id" in event:
        logger.append_keys(order_id=event["id"])
    logger.set_correlation_id("c-1")
    logger.info("ours")
    logging.getLogger("other").warning("other")
    print("printed")
    metrics.add_metric(name="Refused", unit="Smiles", value=1)
    metrics.add_metric(name="Refused", unit="Count", value="many")
    metrics.add_metric(name="Accepted", unit="Count", value=1)
"""


def test_appended_keys_and_the_lines_of_others(tmp_path):
    """Before: keys stay, other lines are text without ids. After: keys end, and every line is JSON with the id."""
    _, second = run(tmp_path, BEFORE, {"id": "o-1"}, {})
    [line] = second.logs
    assert line["order_id"] == "o-1"
    assert "printed" in second.lines
    assert any("\tother" in line for line in second.lines if isinstance(line, str))
    first, second = run(tmp_path, AFTER, {"id": "o-1"}, {})
    assert [line.get("order_id") for line in first.logs[:2]] == ["o-1"] * 2
    assert "order_id" not in str(second.lines)
    for ran in (first, second):
        assert {line["invocation_id"] for line in ran.logs} == {ran.id}
        assert [line["message"] for line in ran.logs[:3]] == ["ours", "other", "printed"]
        assert ran.logs[0]["correlation_id"] == "c-1"


def test_a_refused_metric_and_a_missing_namespace(tmp_path):
    """A WARNING each, and the others are written, under our namespace."""
    [ran] = run(tmp_path, AFTER)
    assert [line["level"] for line in ran.logs[3:]] == ["WARNING", "WARNING"]
    assert ran.metrics == {("LambdaGuard", frozenset({"service"}), "Accepted"): [1.0]}
    assert (ran.status, ran.record["outcome"]) == ("success", "success")


EXCEPTIONS = """
from aws_lambda_powertools import Logger
from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter
from aws_lambda_powertools.logging.buffer import LoggerBufferConfig
from lambda_guard import logger, production

class Formatter(LambdaPowertoolsFormatter):
    def serialize(self, log):
        return super().serialize({"mine": True, **log})


own = Logger(service="own", level="DEBUG", buffer_config=LoggerBufferConfig(), logger_formatter=Formatter())


@production
def handler(event, context):
    for each in logger, own:
        try:
            raise ValueError("refused")
        except ValueError:
            each.exception("failed")
    own.debug("buffered")
    own.info("at once")
    own.error("written")
"""


def test_exceptions_and_loggers_with_options(tmp_path):
    """An exception's keys are Powertools'; a Logger with a formatter and a buffer works below `@production`."""
    [ran] = run(tmp_path, EXCEPTIONS)
    ours, theirs, *buffered = ran.logs
    for key in ("exception_name",):
        assert ours[key] == theirs[key]
    assert ours["exception"].endswith("ValueError: refused")
    assert theirs["exception"].endswith("ValueError: refused")
    assert {key: ours["stack_trace"][key] for key in ("type", "value", "module")} == {
        key: theirs["stack_trace"][key] for key in ("type", "value", "module")
    }
    assert [line["message"] for line in buffered] == ["at once", "buffered", "written"]
    assert {(line["invocation_id"], line["mine"]) for line in buffered} == {(ran.id, True)}


THEIR_METRICS = """
from aws_lambda_powertools import Metrics

metrics = Metrics()


@metrics.log_metrics
def handler(event, context):
    metrics.add_metric(name="Orders", unit=event.get("unit", "Count"), value=1)
"""


def test_what_the_table_says_of_powertools_metrics(tmp_path):
    """Without a namespace a handler fails after its work; a bad unit raises in it."""
    [ran] = run(tmp_path, THEIR_METRICS)
    assert ran.answer["errorType"] == "SchemaValidationError"
    [ran] = run(tmp_path, THEIR_METRICS, {"unit": "Smiles"}, environment=ENVIRONMENT)
    assert ran.answer["errorType"] == "MetricUnitError"


VARIABLES = """
from aws_lambda_powertools import Logger
from lambda_guard import logger, metrics, production

own = Logger(service="own")


@production
def handler(event, context):
    logger.debug("fine")
    logger.info("usual")
    own.info("own")
    metrics.add_metric(name="Orders", unit="Count", value=1)
    return event
"""


def of(folder, **environment):
    [ran] = run(folder, VARIABLES, {"secret": "s-1"}, environment=environment)
    return ran


def test_variables_that_hold(tmp_path):
    """Service, namespace and level are read; tracing is off where it was."""
    ran = of(tmp_path, **ENVIRONMENT, POWERTOOLS_LOG_LEVEL="DEBUG", POWERTOOLS_TRACE_DISABLED="true")
    assert [line["message"] for line in ran.logs] == ["fine", "usual", "own"]
    assert ran.record["service"] == "orders"
    assert ran.metrics == {("Shop", frozenset({"service"}), "Orders"): [1.0]}
    assert ran.documents == []
    ours = of(tmp_path, **ENVIRONMENT, LAMBDA_GUARD_SERVICE="ours", LAMBDA_GUARD_NAMESPACE="Ours")
    assert ours.record["service"] == "ours"
    assert ours.metrics == {("Ours", frozenset({"service"}), "Orders"): [1.0]}
    assert [document["name"] for document in ours.documents] == ["## handler"]


def test_variables_that_do_not_hold(tmp_path):
    """No event, no answer, no indented JSON of ours, and metrics all the same under the function's own name."""
    plain = of(tmp_path)
    ran = of(
        tmp_path,
        POWERTOOLS_LOGGER_LOG_EVENT="true",
        POWERTOOLS_TRACER_CAPTURE_RESPONSE="true",
        POWERTOOLS_TRACER_CAPTURE_ERROR="true",
        POWERTOOLS_METRICS_DISABLED="true",
        POWERTOOLS_METRICS_FUNCTION_NAME="another",
    )
    assert [line["message"] for line in ran.logs] == [line["message"] for line in plain.logs]
    assert ran.metrics == plain.metrics
    assert ran.record["function_name"] == "shop"
    assert "s-1" not in str(ran.lines) + str(ran.documents)


def test_variables_of_what_is_left_in_place(tmp_path):
    """The event where the Logger's decorator stands, no answer of `capture_method`, and a utility's switch."""
    code = """
from aws_lambda_powertools import Tracer
from aws_lambda_powertools.utilities.idempotency import IdempotencyConfig, DynamoDBPersistenceLayer, idempotent
from lambda_guard import logger, production

tracer = Tracer()
nowhere = DynamoDBPersistenceLayer(table_name="nowhere")


@production
@logger.inject_lambda_context
@idempotent(persistence_store=nowhere, config=IdempotencyConfig(event_key_jmespath="id"))
def handler(event, context):
    return captured(event)


@tracer.capture_method
def captured(event):
    return event
"""
    variables = {
        "POWERTOOLS_LOGGER_LOG_EVENT": "true",
        "POWERTOOLS_TRACER_CAPTURE_RESPONSE": "false",
        "POWERTOOLS_IDEMPOTENCY_DISABLED": "true",  # of which Powertools warns
    }
    [ran] = run(tmp_path, code, {"id": "o-1"}, environment=variables)
    assert ran.answer == {"id": "o-1"}
    event, warned = ran.logs
    assert (event["message"], warned["logger"]) == ({"id": "o-1"}, "py.warnings")
    assert [document["name"] for document in ran.documents] == ["## app.captured", "## handler"]
    assert [document.get("metadata") for document in ran.documents] == [None, None]


def test_powertools_dev_breaks_the_lines_of_its_own_logger_only(tmp_path):
    """Its JSON is then several lines, hence several log events; ours is one."""
    ran = of(tmp_path, POWERTOOLS_DEV="true")
    assert "usual" in [line["message"] for line in ran.logs if "message" in line]
    assert '    "message":"own",' in ran.lines


# --- Batches ------------------------------------------------------------------------------------------------------------


def test_a_batch_before_and_after(tmp_path):
    """The same answer; after, the failed message has its line, its place in the record and its metric."""
    batch = events.sqs({"id": "o-1"}, "not JSON")
    failed = {"batchItemFailures": [{"itemIdentifier": batch["Records"][1]["messageId"]}]}
    [before] = run(tmp_path, block("migrating.md", BATCHES, 0), batch)
    assert before.answer == failed
    assert [line["message"] for line in before.logs] == ["order packed"]
    [after] = run(tmp_path, block("migrating.md", BATCHES, 1), batch)
    assert after.answer == failed
    packed, refused = after.logs
    assert (packed["message"], packed["order_id"], packed["attempt"]) == ("order packed", "o-1", 1)
    assert [packed["message_id"], refused["message_id"]] == [each["messageId"] for each in batch["Records"]]
    assert (refused["level"], "stack_trace" in refused) == ("ERROR", True)
    assert after.record["RecordFailures"] == 1
    assert after.record["records"]["failures"][0]["error"]["type"] == "JSONDecodeError"


def test_every_message_fails(tmp_path):
    """Before: an error of the processor's. After: a group of the exceptions themselves."""
    batch = events.sqs("not JSON", "nor this")
    [before] = run(tmp_path, block("migrating.md", BATCHES, 0), batch)
    [after] = run(tmp_path, block("migrating.md", BATCHES, 1), batch)
    assert before.answer["errorType"] == "BatchProcessingError"
    assert after.answer["errorType"] == "ExceptionGroup"
    assert after.record["records"]["failures"][0]["error"]["type"] == "JSONDecodeError"


def test_a_processor_that_is_kept(tmp_path):
    """`@production` counts and lists what its answer names."""
    code = block("migrating.md", BATCHES, 0)
    kept = code.replace("@logger.inject", "@production\n@logger.inject").replace(
        "import Logger\n", "import Logger\nfrom lambda_guard import production\n"
    )
    batch = events.sqs({"id": "o-1"}, "not JSON")
    [ran] = run(tmp_path, kept, batch)
    second = batch["Records"][1]["messageId"]
    assert ran.answer == {"batchItemFailures": [{"itemIdentifier": second}]}
    assert ran.record["RecordFailures"] == 1
    assert [failure["message_id"] for failure in ran.record["records"]["failures"]] == [second]


ASYNC = """
from lambda_guard import logger, production


@production(each_record=True, report_batch_item_failures=True)
async def handler(record, anything):
    logger.info("packed", left=anything.get_remaining_time_in_millis(), kind=type(record).__name__)
    if record.raw_event.get("body") == "bad":
        raise ValueError("refused")
"""


def test_an_async_handler_with_a_context_of_any_name(tmp_path):
    """What `AsyncBatchProcessor` and `lambda_context` were for."""
    batch = events.sqs("good", "bad", "good")
    with deployed(tmp_path, ASYNC) as invoke:
        ran = invoke(batch)
        assert ran.answer == {"batchItemFailures": [{"itemIdentifier": batch["Records"][1]["messageId"]}]}
        assert [line["kind"] for line in ran.logs if line["message"] == "packed"] == ["SQSRecord"] * 3
        stream = invoke(events.kinesis("one"))
        assert stream.answer == {"batchItemFailures": []}
        assert stream.logs[0]["kind"] == "KinesisStreamRecord"
