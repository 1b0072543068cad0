"""A function with nothing but the runtime dependencies: run as a script, ends with an error if anything is amiss.

python tests/smoke.py
"""

import contextlib
import io
import json
import os
import sys

os.environ.update(
    AWS_LAMBDA_FUNCTION_NAME="orders",
    _X_AMZN_TRACE_ID="Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1",
)

from lambda_guard import logger, metrics, production

ANSWER = object()


@production
def handler(event, context):
    logger.info("order accepted", order_id=event["id"])
    metrics.add_metric(name="OrdersAccepted", unit="Count", value=1)
    print("printed")
    return ANSWER


def main():
    with contextlib.redirect_stdout(io.StringIO()) as out:
        answer = handler({"id": "o-1"}, None)
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert answer is ANSWER
    assert [line.get("message") for line in lines[:2]] == ["order accepted", "printed"], lines
    assert lines[2]["OrdersAccepted"] == 1, lines
    assert lines[3]["record"] == "invocation", lines
    assert len({line["invocation_id"] for line in lines}) == 1, lines
    foreign = {"aws_xray_sdk", "boto3", "botocore", "click", "rich", "moto", "pytest"} & sys.modules.keys()
    assert not foreign, foreign
    print("ok: one invocation, four lines, one id")


if __name__ == "__main__":
    main()
