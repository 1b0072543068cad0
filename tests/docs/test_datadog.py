"""docs/migrating.md: from Datadog's wrapper. Where it is installed, as in `make test-datadog`; it would patch this process."""

from importlib.util import find_spec

import pytest

from .deployed import block, run

pytestmark = pytest.mark.skipif(
    find_spec("datadog_lambda") is None, reason="datadog-lambda brings a pytest plugin: make test-datadog"
)
HEADING = "From Datadog's wrapper"
ENVIRONMENT = {
    "DD_FLUSH_TO_LOG": "true",
    "DD_TRACE_ENABLED": "false",
    "DD_INSTRUMENTATION_TELEMETRY_ENABLED": "false",
    "DD_SERVICE": "theirs",
}
BOTH = """
import sys

from datadog_lambda.metric import lambda_metric
from datadog_lambda.wrapper import datadog_lambda_wrapper
from lambda_guard import production


def answer(event, context):
    lambda_metric("orders.accepted", 1, tags=["country:SE"])
    if "raise" in event:
        raise ValueError("refused")
    if "exit" in event:
        sys.exit(1)
    return {"accepted": event["id"]}


alone = datadog_lambda_wrapper(answer)
both = datadog_lambda_wrapper(production(answer))
ours = production(answer)
"""


def distributions(ran):
    """Return the names of the metrics that were printed for the Forwarder, at the top level."""
    return [line["m"] for line in ran.lines if isinstance(line, dict) and line.keys() == set("mvet")]


def test_before_and_after(tmp_path):
    """The same answer; the tag is a dimension of a metric in CloudWatch."""
    [before] = run(tmp_path, block("migrating.md", HEADING, 0), {"id": "o-1"}, environment=ENVIRONMENT)
    [after] = run(tmp_path, block("migrating.md", HEADING, 1), {"id": "o-1"}, environment=ENVIRONMENT)
    assert before.answer == after.answer == {"accepted": "o-1"}
    assert "orders.accepted" in distributions(before)
    assert after.metrics == {("LambdaGuard", frozenset({"service", "country"}), "OrdersAccepted"): [1.0]}
    assert after.record["service"] == "shop"


def test_an_exit(tmp_path):
    """Datadog's wrapper answers with null; without it, the process ends, and Lambda reports an error."""
    [alone] = run(tmp_path, BOTH, {"exit": True}, handler="app.alone", environment=ENVIRONMENT)
    assert (alone.status, alone.answer) == ("success", None)
    [ours] = run(tmp_path, BOTH, {"exit": True}, handler="app.ours", environment=ENVIRONMENT)
    assert ours.status == "error"
    assert ours.record["error"]["type"] == "SystemExit"


@pytest.mark.parametrize("by", ["decorator", "variable", "both variables"])
def test_both(tmp_path, by):
    """With Datadog's wrapper outside, the record says what the code did; its metrics pass untouched."""
    where = {"handler": "app.both"}
    environment = ENVIRONMENT
    if by == "variable":
        where = {"handler": "datadog_lambda.handler.handler"}
        environment = {**ENVIRONMENT, "DD_LAMBDA_HANDLER": "app.ours"}
    if by == "both variables":
        where = {"handler": "datadog_lambda.handler.handler"}
        environment = {
            **ENVIRONMENT,
            "DD_LAMBDA_HANDLER": "lambda_guard_handler.handler",
            "LAMBDA_GUARD_HANDLER": "app.answer",
        }
    good, bad, gone = run(
        tmp_path, BOTH, {"id": "o-1"}, {"raise": True}, {"exit": True}, environment=environment, **where
    )
    assert (good.answer, good.record["outcome"]) == ({"accepted": "o-1"}, "success")
    assert (bad.answer["errorType"], bad.status) == ("ValueError", "error")
    assert (gone.status, gone.answer, gone.record["error"]["type"]) == ("success", None, "SystemExit")
    for ran in (good, bad, gone):
        assert "orders.accepted" in distributions(ran)
