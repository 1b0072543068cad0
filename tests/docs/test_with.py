"""docs/with.md: each block in the real runtime client, and each order that it compares."""

import json
import re
import subprocess
import sys

import pytest

from lambda_guard.testing import events

from .deployed import DOCS, block, named, run

PAGE = "with.md"
SECRET = "4711-secret"


def page(heading, number=0):
    return block(PAGE, heading, number)


def messages(ran):
    return [line["message"] for line in ran.logs if "record" not in line]


def reordered(code, inner):
    """Return a page's code with `@production` below another decorator instead of above it."""
    swapped = re.sub(rf"@production\n(@{inner}.*\n)", r"\1@production\n", code)
    assert swapped != code
    return swapped


# --- HTTP ---------------------------------------------------------------------------------------------------------------


def post(path):
    return events.http_api("POST", path, route_key="POST /orders/{order_id}")


def test_fastapi(tmp_path):
    """Routes, in threads or on the loop, and background tasks have the invocation's keys."""
    code = page("FastAPI with Mangum")
    for each in (code, code.replace("def accept", "async def accept")):
        assert_accepted(*run(tmp_path, each, post("/orders/7")))


def assert_accepted(ran):
    assert (ran.answer["statusCode"], json.loads(ran.answer["body"])) == (200, {"id": "7"})
    assert messages(ran) == ["order accepted", "order packed"]
    for message in messages(ran):
        assert named(ran, message)["order_id"] == "7"
    assert list(ran.metrics.values()) == [[1.0]]
    assert ran.record["http"] == {"method": "POST", "route": "/orders/{order_id}", "status": 200}


def test_fastapi_whose_route_raises(tmp_path):
    """Mangum's line has the stack under the invocation's id; the record counts the answer."""
    code = page("FastAPI with Mangum").replace('return {"id": order_id}', 'return {"id": int(order_id)}')
    [ran] = run(tmp_path, code, post("/orders/seven"))
    line = named(ran, "An error occurred running the application.")
    assert (line["logger"], line["stack_trace"]["type"]) == ("mangum.http", "ValueError")
    assert (ran.record["outcome"], ran.record["level"], ran.record["ServerErrors"]) == ("success", "ERROR", 1)
    assert ran.record["http"]["status"] == ran.answer["statusCode"] == 500


def test_flask(tmp_path):
    """The same through serverless-wsgi."""
    code = page("Flask with serverless-wsgi").replace('{"id": order_id}', '{"id": int(order_id)}')
    good, bad = run(tmp_path, code, post("/orders/7"), post("/orders/seven"))
    assert named(good, "order accepted")["order_id"] == "7"
    assert (good.answer["statusCode"], good.record["http"]["status"]) == (200, 200)
    [failed] = [line for line in bad.logs if line.get("exception_name") == "ValueError"]
    assert failed["invocation_id"] == bad.id
    assert (bad.record["outcome"], bad.record["http"]["status"], bad.record["ServerErrors"]) == (
        "success",
        500,
        1,
    )


def test_resolvers(tmp_path):
    """An answer from 500 on is counted, an exception that nobody takes leaves the handler."""
    good, refused, bad = run(
        tmp_path,
        page("Powertools' resolvers"),
        *(post(f"/orders/{each}") for each in ("7", "o-0", "seven")),
    )
    assert named(good, "order accepted")["route"] == "accept"
    assert json.loads(good.answer["body"]) == {"id": 7}
    assert (refused.answer["statusCode"], refused.record["ServerErrors"]) == (503, 1)
    assert (refused.record["outcome"], refused.record["level"]) == ("success", "ERROR")
    assert (bad.answer["errorType"], bad.record["outcome"], bad.record["error"]["type"]) == (
        "ValueError",
        "error",
        "ValueError",
    )


def test_resolvers_with_routers_and_middlewares(tmp_path):
    """Both are called, and their lines have the keys."""
    code = """
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver
from aws_lambda_powertools.event_handler.api_gateway import Router
from lambda_guard import logger, production

router = Router()
app = APIGatewayHttpResolver()


def before(app, next_middleware):
    logger.info("before")
    return next_middleware(app)


@router.post("/orders/<order_id>", middlewares=[before])
def accept(order_id):
    logger.info("accepted")
    return {"id": order_id}


app.include_router(router)
handler = production(app.resolve)
"""
    [ran] = run(tmp_path, code, post("/orders/7"))
    assert messages(ran) == ["before", "accepted"]
    assert {line["invocation_id"] for line in ran.logs if "record" not in line} == {ran.id}
    assert ran.record["http"]["status"] == 200


# --- Idempotency ----------------------------------------------------------------------------------------------------------

MEMORY = """
from aws_lambda_powertools.utilities.idempotency.exceptions import (
    IdempotencyItemAlreadyExistsError, IdempotencyItemNotFoundError,
)
from aws_lambda_powertools.utilities.idempotency.persistence.base import BasePersistenceLayer, DataRecord


class DynamoDBPersistenceLayer(BasePersistenceLayer):
    kept, state = {}, {}

    def __init__(self, table_name):
        super().__init__()

    def configure(self, config, *args, **kwargs):
        super().configure(config, *args, **kwargs)
        self.use_local_cache = False

    def _get_record(self, idempotency_key):
        return self.kept[idempotency_key]

    def _put_record(self, data_record):
        if self.state["store"] == "away":
            raise ConnectionError
        old = self.kept.get(data_record.idempotency_key)
        if self.state["store"] == "busy":
            old = DataRecord(data_record.idempotency_key, status="INPROGRESS", in_progress_expiry_timestamp=9**15)
        if old is not None:
            raise IdempotencyItemAlreadyExistsError(old_data_record=old)
        self.kept[data_record.idempotency_key] = data_record

    def _update_record(self, data_record):
        self.kept[data_record.idempotency_key] = data_record

    def _delete_record(self, data_record):
        self.kept.pop(data_record.idempotency_key, None)


"""


def in_memory():
    """Return the page's function over a store that an event can take away, or make busy."""
    code = page("Powertools' idempotency").replace("DynamoDBPersistenceLayer, ", "")
    code = code.replace("store = Dyn", MEMORY + "store = Dyn").replace('"id"))\n', '"id"))\n')
    code = code.replace(
        '    logger.info("card',
        '    if "bad" in event:\n        raise ValueError("refused")\n    logger.info("card',
    )
    outermost = (
        "\n\ndecorated = handler\n\n\ndef handler(event, context):\n"
        '    store.state["store"] = event.get("store")\n    return decorated(event, context)\n'
    )
    return code + outermost


EVENTS = [
    {"id": "o-1"},
    {"id": "o-1"},
    {"id": "o-2", "store": "busy"},
    {"id": "o-3", "bad": True},
    {"id": "o-4", "store": "away"},
]


def test_idempotency(tmp_path):
    """Above `@idempotent`, every invocation has its record, and repeated events call nobody."""
    runs = run(tmp_path, in_memory(), *EVENTS)
    assert [messages(ran) for ran in runs] == [["card charged"], [], [], [], []]
    assert runs[1].answer == runs[0].answer == {"charged": "o-1"}
    assert [ran.record["outcome"] for ran in runs] == ["success", "success", "error", "error", "error"]
    assert [ran.record["error"]["type"] for ran in runs[2:]] == [
        "IdempotencyAlreadyInProgressError",
        "ValueError",
        "IdempotencyPersistenceLayerError",
    ]


def test_idempotency_in_the_other_order(tmp_path):
    """Below it, what doesn't reach the handler leaves nothing."""
    runs = run(tmp_path, reordered(in_memory(), "idempotent"), *EVENTS)
    first, again, busy, failed, away = runs
    assert (first.record["outcome"], failed.record["outcome"]) == ("success", "error")
    assert again.lines == []
    for ran in (busy, away):
        assert ran.status == "error"
        assert [line for line in ran.lines if isinstance(line, dict)] == []


def test_idempotency_as_on_the_page(tmp_path, services):
    """With Powertools' own store: the second of two events is answered from the table."""
    client = services.client("dynamodb")
    client.create_table(
        TableName="idempotency",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    first, again = run(
        tmp_path,
        page("Powertools' idempotency"),
        {"id": "o-1"},
        {"id": "o-1"},
        endpoint_url=services.endpoint,
    )
    assert first.answer == again.answer == {"charged": "o-1"}
    assert [messages(first), messages(again)] == [["card charged"], []]
    assert {call["resource"] for ran in (first, again) for call in ran.record["calls"]} == {"idempotency"}


# --- Parser, Pydantic ------------------------------------------------------------------------------------------------------

PARSER = "Powertools' parser and Pydantic"
BAD_ORDERS = {"id": "o-2", "cents": SECRET}, {"id": "o-3", "cents": "something else"}


def test_a_parser(tmp_path):
    """The model is written as an object; a refused event is an error, which doesn't quote it."""
    good, *bad = run(tmp_path, page(PARSER), {"id": "o-1", "cents": 500}, *BAD_ORDERS)
    assert named(good, "order accepted")["order"] == {"id": "o-1", "cents": 500}
    assert good.answer == {"id": "o-1", "cents": 500}
    assert good.record["trigger"]["type"] == "lambda"
    for ran in bad:
        assert ran.record["error"]["type"] == "ValidationError"
        assert SECRET not in str(ran.lines)
    assert bad[0].record["error"]["fingerprint"] == bad[1].record["error"]["fingerprint"]


def test_a_parser_that_quotes(tmp_path):
    """Without the option the message of the exception quotes the event; the fingerprint is one all the same."""
    code = page(PARSER).replace("    model_config = ConfigDict(hide_input_in_errors=True)\n", "")
    code = code.replace("order=event.model_dump(mode=", "order=event if event.id else str(")
    first, second, good = run(tmp_path, code, *BAD_ORDERS, {"id": "o-1", "cents": 500})
    assert SECRET in first.record["error"]["message"]
    assert first.record["error"]["fingerprint"] == second.record["error"]["fingerprint"]
    assert named(good, "order accepted")["order"] == "id='o-1' cents=500"


def test_a_parser_in_the_other_order(tmp_path):
    """A refused event leaves no record, and the trigger isn't known."""
    good, bad = run(
        tmp_path, reordered(page(PARSER), "event_parser"), {"id": "o-1", "cents": 500}, BAD_ORDERS[0]
    )
    assert good.record["trigger"]["type"] == "unknown"
    assert [line for line in bad.lines if isinstance(line, dict)] == []


def test_a_model_as_an_answer(tmp_path):
    """The runtime client can't write it."""
    code = page(PARSER).replace("return event.model_dump(mode", "return event  # (mode")
    for each in (code, code.replace("@production\n", "")):
        [ran] = run(tmp_path, each, {"id": "o-1", "cents": 500})
        assert ran.answer["errorType"] == "Runtime.MarshalError"


def test_data_classes_in_both_orders(tmp_path):
    """`@event_source` above or below: the trigger and the sender's trace are known."""
    code = """
from aws_lambda_powertools.utilities.data_classes import SQSEvent, event_source
from lambda_guard import production


@production
@event_source(data_class=SQSEvent)
def handler(event, context):
    return [record.body for record in event.records]
"""
    sender = "Root=1-6742a1b5-0123456789abcdef01234567;Parent=4c721bf33e3caf8f;Sampled=1"
    for each in (code, reordered(code, "event_source")):
        [ran] = run(tmp_path, each, events.sqs("o-1", trace_header=sender))
        assert ran.answer == ["o-1"]
        assert ran.record["trigger"]["type"] == "sqs"
        assert ran.record["traceId"] == "1-6742a1b5-0123456789abcdef01234567"


# --- Loggers -----------------------------------------------------------------------------------------------------------------

ORDER = {"id": "o-1", "items": ["tea", "mug"]}


@pytest.mark.parametrize("log_format", ["Text", "JSON"])
def test_structlog(tmp_path, log_format):
    """Its own JSON, once, with the invocation's keys; what was bound before doesn't stay."""
    first, second = run(tmp_path, page("structlog"), ORDER, {"id": "o-2", "items": []}, log_format=log_format)
    line = named(first, "order accepted")
    assert (line["level"], line["items"], line["order_id"]) == ("info", 2, "o-1")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT.*Z", line["timestamp"])
    assert line["function_name"] == "shop"
    assert list(line).count("level") == 1
    assert named(second, "order accepted")["order_id"] == "o-2"


def test_structlog_read_by_the_commands(tmp_path):
    """`lambda-guard invocations` shows a line's level, text and fields, in its invocation."""
    [ran] = run(tmp_path, page("structlog"), ORDER)
    log = tmp_path / "app.log"
    log.write_text("".join(f"{json.dumps(line)}\n" for line in ran.lines))
    command = [sys.executable, "-m", "lambda_guard.tools", "invocations", str(log), "--color", "never"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert re.search(r"INFO +order accepted  .*items=2", shown)
    assert re.search(r"INFO .* order_id=o-1", shown)
    assert shown.count(ran.id) == 1


def test_structlog_with_an_exception(tmp_path):
    """Its stack is an object, in one line."""
    code = page("structlog").replace(
        "    log.info(",
        '    try:\n        1 / 0\n    except ZeroDivisionError:\n        log.exception("failed")\n    log.info(',
    )
    [ran] = run(tmp_path, code, ORDER)
    line = named(ran, "failed")
    assert (line["level"], line["exception"][0]["exc_type"]) == ("error", "ZeroDivisionError")
    assert messages(ran) == ["failed", "order accepted"]


def test_structlog_as_it_comes(tmp_path):
    """Without a configuration: text, at level INFO, with the keys."""
    code = re.sub(r"structlog\.configure\(.*?\n\)\n", "", page("structlog"), flags=re.DOTALL)
    [ran] = run(tmp_path, code.replace("log.info(", "log.error("), ORDER)
    [line] = ran.logs
    assert (line["level"], line["invocation_id"]) == ("INFO", ran.id)
    assert "[error    ] order accepted" in line["message"]


@pytest.mark.parametrize("more", ["", "cache_logger_on_first_use=True,"])
def test_structlog_bound_by_the_module(tmp_path, more):
    """A logger that module-level code has bound and used prints where all others print."""
    code = page("structlog").replace("get_logger()", 'get_logger().bind(app="shop")\nlog.info("starting")')
    [ran] = run(tmp_path, code.replace("structlog.configure(", f"structlog.configure({more}"), ORDER)
    assert named(ran, "order accepted")["app"] == "shop"


def test_structlog_that_writes_bytes(tmp_path):
    """`BytesLoggerFactory` writes past `print`."""
    code = page("structlog").replace(
        "JSONRenderer(),\n    ]",
        "JSONRenderer(serializer=lambda *args, **kwargs: json.dumps(*args, **kwargs).encode()),\n    ],\n"
        "    logger_factory=structlog.BytesLoggerFactory(),",
    )
    [ran] = run(tmp_path, f"import json\n{code}", ORDER)
    [line] = ran.logs
    assert (line["message"], "invocation_id" in line) == ("order accepted", False)


def test_structlog_that_isnt_cleared(tmp_path):
    """What is bound stays for the next invocation."""
    code = page("structlog").replace("    structlog.contextvars.clear_contextvars()\n", "")
    code = code.replace('bind_contextvars(order_id=event["id"])', "bind_contextvars(**event.get('bind', {}))")
    _, second = run(tmp_path, code, {"bind": {"order_id": "o-1"}, "items": []}, {"items": []})
    assert named(second, "order accepted")["order_id"] == "o-1"


@pytest.mark.parametrize("log_format", ["Text", "JSON"])
def test_loguru(tmp_path, log_format):
    """Lines like all others: level, place, stack and keys."""
    code = page("loguru") + (
        "    try:\n        1 / 0\n    except ZeroDivisionError:\n"
        '        log.exception("not {}", "delivered")\n'
    )
    [ran] = run(tmp_path, code, ORDER, log_format=log_format)
    assert messages(ran) == ["order accepted", "order packed", "not delivered"]
    lines = [named(ran, message) for message in messages(ran)]
    assert [line["level"] for line in lines] == ["INFO", "SUCCESS", "ERROR"]
    assert {line["extra"]["order_id"] for line in lines} == {"o-1"}
    assert {line["location"].split(":")[0] for line in lines} == {"handler"}
    assert lines[2]["stack_trace"]["type"] == "ZeroDivisionError"


def test_loguru_with_a_format_of_text(tmp_path):
    """Its traceback stands in the message, with values of variables."""
    code = page("loguru").replace('lambda record: "{message}"', '"{message}"') + (
        f'    secret = "{SECRET}"\n    try:\n        int(secret)\n    except ValueError:\n        log.exception("failed")\n'
    )
    [ran] = run(tmp_path, code, ORDER)
    assert f"└ '{SECRET}'" in ran.logs[-1]["message"] or f"-> '{SECRET}'" in ran.logs[-1]["message"]


def test_loguru_with_a_queue(tmp_path):
    """A thread of its own writes: no invocation is known there."""
    code = (
        page("loguru").replace('"{message}")', '"{message}", enqueue=True)')
        + "    loguru.logger.complete()\n"
    )
    [ran] = run(tmp_path, code, ORDER)
    lines = [line for line in ran.logs if line["logger"] == "app"]
    assert [line["message"] for line in lines] == ["order accepted", "order packed"]
    assert [line for line in lines if "invocation_id" in line] == []


def test_loguru_as_it_comes(tmp_path):
    """Text on standard error, without ids."""
    code = re.sub(r"^loguru\.logger\.(remove|add).*\n", "", page("loguru"), flags=re.MULTILINE)
    [ran] = run(tmp_path, code, ORDER)
    assert ran.logs == []
    assert [line for line in ran.lines if "order accepted" in line and ran.id not in line] != []


def test_every_section_of_the_table_is_there():
    """The first table leads to every section."""
    text = (DOCS / PAGE).read_text(encoding="utf-8")
    anchors = {
        re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")
        for title in re.findall(r"^## (.*)", text, re.MULTILINE)
    }
    linked = set(re.findall(r"\]\(#([^)]*)\)", text))
    assert linked == anchors
