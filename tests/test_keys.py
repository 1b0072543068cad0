"""Everything that is written, at once: each key of it has its name in `_names`, and its row in docs/records.md."""

import contextlib
import decimal
import json
import logging
import re
import sys
import time
import types
from pathlib import Path

import boto3
import botocore.exceptions
import botocore.stub
import pytest

from lambda_guard import _failsafe, _names, logger, metrics, production
from lambda_guard.testing import TRACE_HEADER, capture, events, make_context

UPSTREAM = "Root=1-6742a1b5-0123456789abcdef01234567;Parent=4c721bf33e3caf8f;Sampled=1"
OTHER = "Root=1-6742a1b5-aaaaaaaaaaaaaaaaaaaaaaaa;Parent=4c721bf33e3caf90;Sampled=1"
PAGE = (Path(__file__).parents[1] / "docs" / "records.md").read_text(encoding="utf-8")
NAMED = {value for value in vars(_names).values() if isinstance(value, str)} | set(_names.UNITS)
ROWS = re.findall(r"^\| (`[^|]*`) \|", PAGE, re.MULTILINE)
# `calls[].count` is two keys.
DOCUMENTED = {
    part for row in ROWS for key in re.findall(r"`([^`]+)`", row) for part in key.replace("[]", "").split(".")
}
# The user's own, which stand where the user put them, and X-Ray's for AWS calls.
USERS = {
    "order_id",
    "Orders",
    "Latency",
    "country",
    "lambda_guard",
    "queue_url",
    "table_name",
    "index_name",
    "bucket_name",
    "response",
}


def chained():
    """Return an error with a cause, a note and parts."""
    error = ExceptionGroup("both", [ValueError("a"), KeyError("b")])
    error.__cause__ = OSError(2, "no such file")
    error.add_note("of order o-1")
    return error


@production(dimensions=("function_version", "trigger"))
def whole(event, context):
    """Write lines, metrics and an error."""
    logger.info("at work", order_id=decimal.Decimal("1.5"), stack_info=True)
    print("printed")
    metrics.add_metric("Orders", "Count", 1)
    metrics.add_metric("Latency", "Milliseconds", 1, 1)
    metrics.add_dimension("country", "SE")
    metrics.add_metadata("order_id", "o-1")
    if "requestContext" in event:
        return {"statusCode": 503}
    if error := event.get("error"):
        try:
            raise error  # noqa: TRY301 - the block is what is written of
        except BaseException:
            logger.exception("failed")
            raise
    return None


@production(each_record=True, report_batch_item_failures=True)
def of_batch(record):
    """Fail one item."""
    if record.body == "b":
        raise ValueError("refused")


@production
def late(event, context):
    """Have time run out."""
    end = time.monotonic() + 240
    while '"outcome":"timeout"' not in event["written"]() and time.monotonic() < end:
        time.sleep(0.005)


@pytest.fixture(scope="module")
def everything():
    """Return all lines and all trace documents of invocations of every kind."""
    patch = pytest.MonkeyPatch()
    patch.setenv("LAMBDA_GUARD_MAX_RECEIVE_COUNT", "3")
    patch.setenv("LAMBDA_GUARD_METRICS", "all")
    patch.setenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
    patch.setenv("POWERTOOLS_LOGGER_SAMPLE_RATE", "0.5")
    decorated = [production(handler.__wrapped__) for handler in (whole, late)]
    all_of_it = production(dimensions=("function_version", "trigger"))(whole.__wrapped__)
    with capture(TRACE_HEADER) as captured:
        decorated[0]({"id": 1}, make_context(tenant_id="blue"))
        decorated[0](events.http_api(), make_context())
        for ending in (chained(), SystemExit(1)):
            with pytest.raises(type(ending)):
                all_of_it(
                    {**events.sqs("a", trace_header=UPSTREAM, attempt=3), "error": ending}, make_context()
                )
        decorated[0](events.sqs("a", "b", trace_header=[UPSTREAM, OTHER]), make_context())
        of_batch(
            events.sqs("a", "b", trace_header=[UPSTREAM, None], attempt=3), make_context(timeout_ms=60_000)
        )
        decorated[1]({"written": lambda: captured.output}, make_context(timeout_ms=1000))
        _replay()
        _overrun()
        logging.getLogger("theirs").warning("outside")
        logger.warning("outside")
        print(_failsafe.lost_lines(2))  # which a pipe would have to be full for: tests/test_full_stdout.py
        _break_a_part(decorated[0])
        _call()
        patch.setenv("LAMBDA_GUARD_CALL_RESOURCES", "off")
        _call()
    patch.undo()
    logger.remove_keys(["sampling_rate"])
    logger.setLevel("INFO")
    return captured.lines + captured._documents


def _overrun():
    """Have an invocation end after its deadline where nobody enforces that."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_LAMBDA_INITIALIZATION_TYPE", "lambda-managed-instances")
        production(lambda event, context: time.sleep(0.01))({}, make_context(timeout_ms=0))


def _replay():
    """Have a line repeated by a durable function, without AWS's SDK, which may not be there."""

    class DurableContext:
        state = types.SimpleNamespace(durable_execution_arn="arn:aws:lambda:…/durable-execution/order-7/6f0c")
        lambda_context = make_context()

        def is_replaying(self):
            return True

    sdk = "aws_durable_execution_sdk_python"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, sdk, types.ModuleType(sdk))
        patch.setitem(sys.modules, f"{sdk}.context", types.SimpleNamespace(DurableContext=DurableContext))
        production(whole.__wrapped__)({"id": 1}, DurableContext())


def _call():
    """Have AWS called, without AWS: each key of `calls` is written."""
    placed = {"region_name": "us-east-1", "aws_access_key_id": "a", "aws_secret_access_key": "b"}
    clients = {
        name: boto3.client(name, **placed) for name in ("dynamodb", "kinesis", "lambda", "rds-data", "s3")
    }
    stubbers = {name: botocore.stub.Stubber(client) for name, client in clients.items()}
    arn = "arn:aws:kinesis:us-east-1:210987654321:stream/orders"
    said = (
        f"not authorized to perform: a:B on resource: {arn} with an explicit deny in an identity-based policy: "
        "arn:aws:iam::123456789012:policy/no, authorization id: EXAMPLE1a2b"
    )
    for name, operation in (("dynamodb", "query"), ("dynamodb", "execute_statement"), ("kinesis", "describe_stream_consumer"),
                            ("lambda", "invoke"), ("rds-data", "execute_statement"), ("s3", "copy_object")):  # fmt: skip
        stubbers[name].add_client_error(operation, "AccessDeniedException", said, 403)

    def handler(event, context):
        calls = (
            lambda: clients["dynamodb"].query(TableName="orders", IndexName="by-date"),
            lambda: clients["dynamodb"].execute_statement(Statement="DELETE FROM orders WHERE id='1'"),
            lambda: clients["kinesis"].describe_stream_consumer(StreamARN=arn, ConsumerName="a"),
            lambda: clients["lambda"].invoke(FunctionName="f", Qualifier="live"),
            lambda: clients["rds-data"].execute_statement(resourceArn=arn, secretArn=arn, sql=""),
            lambda: clients["s3"].copy_object(Bucket="a", Key="k", CopySource="b/k"),
            lambda: clients["s3"].generate_presigned_url("get_object", Params={"Bucket": "a", "Key": "k"}),
        )
        for call in calls:
            with contextlib.suppress(botocore.exceptions.ClientError):
                call()

    with contextlib.ExitStack() as stack:
        for stubber in stubbers.values():
            stack.enter_context(stubber)
        production(handler)({}, make_context())


def _break_a_part(handler):
    """Have a part of ours fail, so that its line is written."""
    closure = handler.__closure__
    enter = next(
        each.cell_contents for each in closure if getattr(each.cell_contents, "__name__", "") == "enter"
    )
    guard = next(each.cell_contents for each in enter.__closure__ if hasattr(each.cell_contents, "leaving"))
    guard.leaving = (("of the test", lambda *_: Path("/nowhere").read_text()), *guard.leaving)
    handler({"id": 1}, make_context())


def keys(value):
    """Yield every key, at any depth, but not below a key of the user's."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            if key not in USERS:
                yield from keys(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from keys(inner)


def test_every_key_has_its_name(everything):
    """What is written and isn't the user's is spelt in `_names` alone."""
    assert {key for each in everything for key in keys(each)} - USERS - NAMED == set()


def test_every_key_has_its_row(everything):
    """What is written and isn't the user's is explained on the page of records."""
    assert {key for each in everything for key in keys(each)} - USERS - DOCUMENTED == set()


def test_everything_is_written(everything):
    """The run above writes what it is there for."""
    found = {key for each in everything for key in keys(each)}
    assert found >= _names.TOP_KEYS - {
        "truncated", "init_ms", "sent", "sent_more", "calls_more", "upstreams_more",
    }  # fmt: skip
    assert {
        "Errors",
        "Timeouts",
        "Records",
        "RecordFailures",
        "FinalAttempts",
        "GuardErrors",
        "Invocations",
    } <= found
    assert {
        "region", "account", "kind", "index", "source", "secret", "qualifier", "consumer", "presigned", "denied",
        "action", "deny", "policy_type", "policy", "authorization_id",
    } <= found  # fmt: skip
    assert {"subsegments", "cause", "links", "annotations", "in_progress"} <= found
    assert json.dumps(everything)
