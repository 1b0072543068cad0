"""Sixty templates in the manner of public ones: whatever can start starts, what can't is said, and those with code answer.

Each file in `templates` has a template, and behind it what is expected: the warnings that it gives, the files of its code, and
what is sent to it. A case without files gets a module for each handler.
"""

import json
import zipfile
from pathlib import Path

import boto3
import pytest
import yaml
from moto import mock_aws

from lambda_guard.local import Cloud
from lambda_guard.local.deployable import deployable
from lambda_guard.local.placeholders import read_template
from lambda_guard.local.resources.making import make
from lambda_guard.templates.document import Location
from lambda_guard.templates.stack import Stack

LOCATION = Location("eu-west-1", "123456789012", "http://127.0.0.1:1")
CASES = sorted((Path(__file__).parent / "templates").glob("*.yaml"))
# What nearly every template says, what depends on the interpreter, and what moto says where it isn't in the cloud's process.
USUAL = (
    "permissions are not checked without --enforce-policies",
    "functions run with this interpreter",
    "Could not execute the lambda function",
)


class Case:
    """A template in a directory of its own, with its code."""

    def __init__(self, path: Path, directory: Path) -> None:
        template, _, expected = path.read_text().partition("\n---\n")
        self.expected = yaml.safe_load(expected) or {}
        self.directory = directory
        self.template = directory / "template.yaml"
        self.template.write_text(template)
        for name, text in (self.expected.get("files") or {}).items():
            self._write(name, text)
        for name, files in (self.expected.get("zips") or {}).items():
            with zipfile.ZipFile(directory / name, "w") as archive:
                for file, text in files.items():
                    archive.writestr(file, text)
        if not {"files", "zips"} & self.expected.keys():
            self._write_handlers()

    def _write(self, name: str, text: str) -> None:
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def _write_handlers(self) -> None:
        template = read_template(self.template, LOCATION, None, None)
        for resource in template.resources("AWS::Lambda::Function"):
            code, runtime = template.path(resource, "Code"), str(resource.properties.get("Runtime"))
            if code is not None and runtime.startswith("python"):
                module, _, name = resource.properties["Handler"].rpartition(".")
                self._write(f"{code}/{module}.py", f"def {name}(event, context): ...\n")

    def read(self) -> tuple[Stack, list[str]]:
        """Return what would run, and what there is to say, as `Cloud` finds them."""
        template = read_template(self.template, LOCATION, None, None)
        made = make(template, lambda service: boto3.client(service, region_name="eu-west-1"), "eu-west-1")
        stack, said = deployable(template, self.directory / "unpacked")
        return stack, [
            warning for warning in (*said, *made.warnings) if not any(usual in warning for usual in USUAL)
        ]


@pytest.fixture
def case(tmp_path, request):
    """Return the case of a file, in a directory of its own."""
    return Case(request.param, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=[path.stem for path in CASES], indirect=True)
def test_whatever_can_start_starts_and_the_rest_is_said(case):
    """Each warning is expected, each that is expected is given, and a function is there or has a reason."""
    with mock_aws():
        stack, warnings = case.read()
    left = list(warnings)
    for expected in case.expected.get("warnings") or []:
        found = [warning for warning in left if warning.startswith(expected)]
        assert found, f"{expected!r} is none of {warnings}"
        left.remove(found[0])
    assert left == []
    assert all(it.code is not None and it.code.is_dir() for it in stack.functions)


def test_there_are_sixty():
    """And at least fifteen of them have code that is sent something."""
    assert len(CASES) >= 60
    assert sum("\nsends:" in path.read_text() for path in CASES) >= 15


SENT = [path for path in CASES if "\nsends:" in path.read_text()]


@pytest.mark.parametrize("case", SENT, ids=[path.stem for path in SENT], indirect=True)
def test_what_is_sent_is_answered(case):
    """By the API, by the function that was called, or by where a message is in the end."""
    with Cloud(case.template, speed=100) as cloud:
        for send in case.expected["sends"]:
            _answered(cloud, send)


def _answered(cloud, send):
    if "request" in send:
        method, path = send["request"].split()
        answer = cloud.request(method, path, send.get("body"), headers=send.get("headers"))
        assert answer.status == send["status"], answer.body
        if "answer" in send:
            assert answer.json() == send["answer"]
        assert answer.body.decode() == send.get("text", answer.body.decode())
        return
    if "invoke" in send:
        assert cloud.invoke(send["invoke"], send["event"]).payload == send["answer"]
        return
    _set_off(cloud, send)
    cloud.settle(60)
    for queue, count in send.get("left", {}).items():
        assert sum(cloud.messages(queue).values()) == count
    if "function" in send:
        assert [result.payload for result in cloud.results(send["function"])] == [send["answer"]]


def _set_off(cloud, send):
    if "fire" in send:
        cloud.fire(send["fire"])
    elif "queue" in send:
        cloud.client("sqs").send_message(QueueUrl=cloud.queue_url(send["queue"]), MessageBody=send["body"])
    elif "topic" in send:
        cloud.client("sns").publish(TopicArn=cloud.topic_arn(send["topic"]), Message=send["body"])
    elif "bucket" in send:
        cloud.client("s3").put_object(Bucket=send["bucket"], Key=send["key"], Body=b"x")
    else:
        detail = {"EventBusName": send["bus"], "Source": send["source"], "DetailType": send["type"]}
        cloud.client("events").put_events(Entries=[{**detail, "Detail": json.dumps(send["detail"])}])
