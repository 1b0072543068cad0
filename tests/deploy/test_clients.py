"""Clients in other languages against the local cloud, as `local env` sets them up: JavaScript's SDK."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from lambda_guard.local import Cloud
from lambda_guard.local.running import Running

from .conftest import BUILT, ROOT

KEY = {"AttributeName": "id", "KeyType": "HASH"}
RESOURCES = {
    "Function": {
        "Type": "AWS::Serverless::Function",
        "Properties": {"Handler": "single.handler", "Runtime": "python3.11", "CodeUri": "."},
    },
    "Queue": {"Type": "AWS::SQS::Queue"},
    "Topic": {"Type": "AWS::SNS::Topic"},
    "Bucket": {"Type": "AWS::S3::Bucket"},
    "Table": {
        "Type": "AWS::DynamoDB::Table",
        "Properties": {
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
            "KeySchema": [KEY],
        },
    },
}


def test_javascripts_sdk_needs_the_variables_alone():
    """SQS, SNS, Lambda, DynamoDB and S3 answer it as they answer boto3."""
    node = shutil.which("node")
    if node is None or not (BUILT / "node_modules" / "@aws-sdk" / "client-sqs").exists():
        pytest.skip("JavaScript's SDK isn't here: `make test-deploy` installs it where npm is")
    script = shutil.copy(Path(__file__).parent / "clients.mjs", BUILT)
    template = {"Transform": "AWS::Serverless-2016-10-31", "Resources": RESOURCES}
    with Cloud(template, root=ROOT / "tests/local/functions") as cloud:
        variables = Running.of(cloud.endpoint, cloud.region, ROOT / "template.yaml").variables
        own = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
        ran = subprocess.run(
            [node, script], env={**own, **variables}, capture_output=True, text=True, timeout=120, check=False
        )
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout) == {
        "sqs": "sent",
        "sns": "string",
        "lambda": [1, "Unhandled: ValueError"],
        "dynamodb": "o-1",
        "s3": "text",
    }
