"""What the tests of the local cloud share: code of functions, and parts of templates."""

import json
from pathlib import Path

import pytest

from lambda_guard.local import Cloud

FUNCTIONS = Path(__file__).parent / "functions"
TRACE = "Root=1-5e34a614-10bd0000000fb44f07bc535a;Parent=07f50000d1f6f8aa;Sampled=1"
ROOT = "1-5e34a614-10bd0000000fb44f07bc535a"


@pytest.fixture(autouse=True)
def _own_runtime_directory(monkeypatch, tmp_path):
    """Make clouds known to `local env` in a directory of the test's own."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))


@pytest.fixture(scope="session")
def functions():
    """Return the directory of the functions under test."""
    return FUNCTIONS


@pytest.fixture(scope="session")
def build():
    """Return a builder of templates."""
    return Build


@pytest.fixture(scope="module")
def pages(functions, build):
    """Return a cloud with a queue, and an API whose function answers every request, preflights for any origin too."""
    every = {"Type": "HttpApi", "Properties": {"Path": "/{proxy+}", "Method": "ANY"}}
    template = build.template(
        Pages=build.function("pages.handler", events={"Every": every}), Queue=build.queue()
    )
    with Cloud(template, root=functions) as cloud:
        yield cloud


class Build:
    """Parts of SAM templates, as CloudFormation reads them."""

    @staticmethod
    def template(**resources):
        globals_ = {"Function": {"Runtime": "python3.11", "CodeUri": ".", "Timeout": 5, "Tracing": "Active"}}
        return {
            "AWSTemplateFormatVersion": "2010-09-09",
            "Transform": "AWS::Serverless-2016-10-31",
            "Globals": globals_,
            "Resources": resources,
        }

    @staticmethod
    def function(handler, *, events=None, **properties):
        properties = {"Handler": handler, **properties}
        if events:
            properties["Events"] = events
        return {"Type": "AWS::Serverless::Function", "Properties": properties}

    @staticmethod
    def queue(dead_letter=None, receives=3, **properties):
        if dead_letter:
            target = {"Fn::GetAtt": [dead_letter, "Arn"]}
            properties["RedrivePolicy"] = {"deadLetterTargetArn": target, "maxReceiveCount": receives}
        return {"Type": "AWS::SQS::Queue", "Properties": properties}

    @staticmethod
    def topic(**properties):
        return {"Type": "AWS::SNS::Topic", "Properties": properties}

    @staticmethod
    def from_queue(queue, **properties):
        return {"Type": "SQS", "Properties": {"Queue": {"Fn::GetAtt": [queue, "Arn"]}, **properties}}

    @staticmethod
    def from_topic(topic, **properties):
        return {"Type": "SNS", "Properties": {"Topic": {"Ref": topic}, **properties}}


@pytest.fixture
def send():
    """Return a function that sends bodies to a queue, ten at a time, with the HTTP trace header if asked to."""
    return _send


def _send(cloud, queue, bodies, *, group=None, entries=None):
    sqs, url = cloud.client("sqs"), cloud.queue_url(queue)
    extra = {} if group is None else {"MessageGroupId": group}
    for start in range(0, len(bodies), 10):
        batch = [
            {
                "Id": str(index),
                "MessageBody": json.dumps(body),
                **extra,
                **({"MessageDeduplicationId": f"{group}-{body['id']}"} if group else {}),
                **(entries or {}),
            }
            for index, body in enumerate(bodies[start : start + 10])
        ]
        answer = sqs.send_message_batch(QueueUrl=url, Entries=batch)
        assert not answer.get("Failed")


@pytest.fixture
def traced():
    """Return a context manager that puts the HTTP trace header into every call of a client."""
    return _Traced


class _Traced:
    def __init__(self, client, header=TRACE):
        self.client, self.header = client, header

    def __enter__(self):
        self.client.meta.events.register("before-call", self._add, unique_id="traced")
        return self.client

    def __exit__(self, *_):
        self.client.meta.events.unregister("before-call", unique_id="traced")

    def _add(self, params, **_):
        params["headers"]["X-Amzn-Trace-Id"] = self.header


@pytest.fixture
def receive():
    """Return a function that receives everything that is in a queue."""
    return _receive


def _receive(cloud, queue):
    messages = []
    while True:
        answer = cloud.client("sqs").receive_message(
            QueueUrl=cloud.queue_url(queue),
            MaxNumberOfMessages=10,
            MessageSystemAttributeNames=["All"],
            MessageAttributeNames=["All"],
        )
        if not answer.get("Messages"):
            return messages
        messages += answer["Messages"]
