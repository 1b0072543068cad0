"""The command: `local up TEMPLATE`."""

import contextlib
import json
import signal
import subprocess
import sys
import time
import urllib.request

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError
from click.testing import CliRunner

from lambda_guard.local.cli import local

TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Parameters:
  Answer: {Type: String, Default: none}
Resources:
  Hello:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: .
      Handler: hello.handler
      Runtime: python3.0
      Layers: ["arn:aws:lambda:eu-west-1:123456789012:layer:shared:3"]
      Environment: {Variables: {ANSWER: !Ref Answer}}
      Events:
        Get: {Type: HttpApi, Properties: {Path: "/hello/{name}", Method: get}}
  Queue: {Type: AWS::SQS::Queue}
  Topic: {Type: AWS::SNS::Topic}
Outputs:
  Text: {Value: !Base64 hello}
  Elsewhere: {Value: !ImportValue elsewhere}
"""
HANDLER = """
import os
def handler(event, context):
    print("for", event["pathParameters"]["name"])
    import shared
    return {"statusCode": 200, "body": os.environ["ANSWER"]}
"""


@pytest.fixture
def template(tmp_path):
    """Return a template file with its code."""
    (tmp_path / "hello.py").write_text(HANDLER)
    (tmp_path / "layer/python").mkdir(parents=True)
    (tmp_path / "layer/python/shared.py").write_text("")
    path = tmp_path / "template.yaml"
    path.write_text(TEMPLATE)
    return path


def line_of(process):
    """Return the next line of a command; one that has ended by itself says what it had to say."""
    line = process.stdout.readline()
    assert line, process.communicate(timeout=240)[1]
    return line.rstrip("\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_up_describes_serves_streams_and_ends(template, tmp_path, number):
    """It prints what there is and how to use it, then log lines, and ends with 0 on Ctrl-C and SIGTERM."""
    command = [sys.executable, "-c", "from lambda_guard.local.cli import local; local()", "up", str(template)]
    options = ["--port", "0", "--parameter", "Answer=42", "--logs", str(tmp_path / "logs")]
    options += ["--layer", f"shared={tmp_path}/layer"]
    process = subprocess.Popen(
        [*command, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with process:
        lines = []
        while not lines or not lines[-1].startswith("Ctrl-C"):
            lines.append(line_of(process))
        curl = next(line for line in lines if "curl" in line)
        with urllib.request.urlopen(curl.split()[-1]) as answer:
            body = answer.read()
        while "END RequestId" not in lines[-1]:
            lines.append(line_of(process))
        process.send_signal(number)
        rest, errors = process.communicate(timeout=240)
    text = "\n".join(lines)

    assert body == b"42"
    assert process.returncode == 0
    assert rest.splitlines()[-1] == "ended"
    for expected in (
        "lambda-guard local env --port",
        "Endpoint  http://127.0.0.1:",
        "hello.handler in",
        "GET /hello/{name}",
        "Text  aGVsbG8=",
        "sqs send-message",
    ):
        assert expected in text
    assert "Hello │ for 1" in lines  # the command alone, without `lambda-guard`, prints them as they come
    assert "Warning: Runtime python3.0: functions run with this interpreter" in errors
    assert "Warning: The output Elsewhere is left out: Value: Fn::ImportValue isn't supported" in errors
    assert len(list((tmp_path / "logs" / "aws" / "lambda" / "Hello").iterdir())) == 1


def test_a_wrong_template_ends_with_2(template):
    """The error names the file and the resource, without a traceback."""
    template.write_text(TEMPLATE.replace("Runtime:", "Timeout: soon\n      Runtime:"))
    result = CliRunner().invoke(local, ["up", str(template), "--port", "0"])

    assert result.exit_code == 2
    assert f"Error: {template}: resource Hello: Timeout must be a number, not 'soon'" in result.output
    assert "Traceback" not in result.output


def test_a_template_of_which_nothing_runs_ends_with_1(template):
    """It says which functions can't run, and why, and leaves nothing running."""
    document = TEMPLATE.replace("python3.0", "nodejs22.x").replace("AWS::SQS::Queue", "AWS::GameLift::Fleet")
    template.write_text(document.replace("AWS::SNS::Topic", "AWS::GameLift::Fleet"))
    result = CliRunner().invoke(local, ["up", str(template), "--port", "0"])

    assert result.exit_code == 1
    assert (
        "Warning: Hello doesn't run here: its runtime is nodejs22.x, and Python functions do" in result.output
    )
    assert result.output.splitlines()[-1] == "Error: nothing of the template runs here"


def test_wrong_options_are_refused(template):
    """A parameter without a value, a template that isn't there and a region that isn't one say what to type."""
    run = CliRunner().invoke

    assert "must be NAME=VALUE" in run(local, ["up", str(template), "--parameter", "Answer"]).output
    assert "must be NAME=PATH" in run(local, ["up", str(template), "--layer", "shared"]).output
    assert run(local, ["up", "nowhere.yaml"]).exit_code == 2
    for region in ("eu-west-9", "", "e u"):
        result = run(local, ["up", str(template), "--region", region])
        assert result.exit_code == 2
        assert f"Error: there is no region '{region}'; say, for example, eu-west-1" in result.output


@pytest.mark.parametrize("speed", ["0", "-1", "nan", "inf", "-inf", "1e400"])
def test_a_speed_that_is_none_is_refused(template, speed):
    """Nothing is started at a speed at which no waiting ends, or none begins."""
    result = CliRunner().invoke(local, ["up", str(template), "--port", "0", "--speed", speed])

    assert result.exit_code == 2
    assert "Error: speed must be a number above 0 (1 is AWS's pace), not " in result.output


def test_a_taken_port_is_said(template):
    """A port that somebody else has is an error that names the option."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = CliRunner().invoke(local, ["up", str(template), "--port", str(taken.getsockname()[1])])

    assert result.exit_code == 1
    assert "in use" in result.output
    assert "--port chooses another one" in result.output


LOG = """
import pathlib, time
print("loaded")
def handler(event, context):
    print("begun")
    if "begun" in event:
        pathlib.Path(event["begun"]).touch()
        time.sleep(600)
    return event["answer"]
"""


@pytest.fixture
def up(template, monkeypatch):
    """Return what runs `lambda-guard local up` with options, as a context manager: its output, and its endpoint."""

    @contextlib.contextmanager
    def run(*options):
        command = [sys.executable, "-m", "lambda_guard.tools", "local", "up", str(template), "--port", "0"]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        with subprocess.Popen([*command, *options], text=True, **pipes) as process:
            try:
                endpoint = line_of(process).split()[1]
                while not line_of(process).startswith("Ctrl-C"):
                    pass
                yield (
                    process,
                    boto3.client(
                        "lambda",
                        endpoint_url=endpoint,
                        region_name="eu-west-1",
                        aws_access_key_id="local",
                        aws_secret_access_key="local",
                        config=Config(proxies={}),
                    ),
                )
            finally:
                process.kill()

    return run


def test_lambda_guard_prints_by_invocation(template, up, tmp_path):
    """As `invocations` does, each as soon as it has ended, with its initialization; what hasn't ended, at the end."""
    (template.parent / "hello.py").write_text(LOG)
    begun = tmp_path / "begun"
    with up() as (process, client):
        client.invoke(FunctionName="Hello", Payload=b'{"answer": 1}')
        first = [line_of(process) for _ in range(5)]
        client.invoke(FunctionName="Hello", Payload=b"{}")
        second = [line_of(process)]
        while second[-1]:
            second.append(line_of(process))
        client.invoke(
            FunctionName="Hello", InvocationType="Event", Payload=json.dumps({"begun": str(begun)}).encode()
        )
        while not begun.exists():
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        rest = process.communicate(timeout=240)[0].splitlines()

    assert first[0].startswith("\N{CHECK MARK} success  Hello:$LATEST  ")
    assert " cold " in first[0]
    assert [line.split()[-1] for line in first[1:3]] == ["loaded", "begun"]
    assert first[3].startswith("    Lambda: python:3.")
    assert second[0].startswith("\N{BALLOT X} error  Hello:$LATEST  ")
    assert any(line.endswith("ERROR    KeyError: 'answer'") for line in second)
    assert rest[0].startswith("\N{SKULL AND CROSSBONES} killed  Hello:$LATEST  ")
    assert rest[1].endswith("begun")
    assert rest[-1] == "ended"


def test_nobody_who_reads_ends_it(template, up):
    """As with `| head`: the functions go on until it has ended by itself."""
    with up("--raw") as (process, client):
        process.stdout.close()
        with contextlib.suppress(BotoCoreError):  # the cloud ends while it answers
            client.invoke(FunctionName="Hello", Payload=b"{}")
        assert process.wait(timeout=240) in {0, 1}


@pytest.mark.parametrize("reload", [True, False])
def test_changed_code_is_what_runs(template, up, reload):
    """The command says what it has reloaded; with --no-reload it does not look."""
    code = template.parent / "hello.py"
    code.write_text("def handler(event, context): return 1\n")
    with up(*[] if reload else ["--no-reload"]) as (process, client):
        assert json.load(client.invoke(FunctionName="Hello")["Payload"]) == 1
        code.write_text("def handler(event, context): return 22\n")
        if reload:
            while not (line := line_of(process)).startswith("reloaded"):
                pass
            assert line == f"reloaded Hello: {code} changed"
        assert json.load(client.invoke(FunctionName="Hello")["Payload"]) == (22 if reload else 1)
