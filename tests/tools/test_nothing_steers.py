"""Nothing that came from outside steers the terminal: escapes in every field of letters and logs, through every command."""

import contextlib
import copy
import dataclasses
import io
import json
import re
import signal
import subprocess
import sys
import time
from xml.etree import ElementTree as ET

import boto3
import click
import pytest
from botocore.config import Config

from lambda_guard import _names as names
from lambda_guard.errors import LambdaGuardError
from lambda_guard.local.running import Running, registered
from lambda_guard.tools.dlq.message import Message
from lambda_guard.tools.dlq.queue import find_queue
from lambda_guard.tools.dlq.recognition import recognise
from lambda_guard.tools.dlq.render import LetterView, letter_document
from lambda_guard.tools.group import lambda_guard as group
from lambda_guard.tools.group import run
from lambda_guard.tools.logs.views.documents import encoded
from lambda_guard.tools.progress import progress_bar
from lambda_guard.tools.terminal import Palette

from .conftest import TRACE, Logs, invocation_id
from .dlq.fakes import FakeSqs, url
from .dlq.server import served
from .dlq.test_recognition import SHAPES

FORGED = "✓ success  forged"
UNSEEN = (
    "\x1b[31m\x1b[2J\x1b]0;title\x07\x1b]8;;file:evil\x1b\\link\x1b]8;;\x1b\\"  # colour, clear, title, a link
    "\x00\b\v\f\r\x7f\x9b31m\x9d0;title\x9c\x85"  # C0, DEL, C1
    "\u202e\u2066\u2069\u200f\u061c\u200b\ufeff\u2028\u2029"  # bidirectional marks, no width, separators
)
HOSTILE = f"[red]a{UNSEEN}[/red][link=file:evil]b\n{FORGED}"
IN_A_NAME = HOSTILE.replace("\0", "")
"""For names of files and arguments, which can't have a NUL."""

COLOUR = re.compile(r"\x1b\[[\d;]+m")


def assert_nothing_steers(text):
    """Every character can be seen, but for ends of lines and spaces; no line begins with what somebody else wrote."""
    unseen = {char for char in text if not char.isprintable()} - {"\n", "\t", "\xa0"}
    assert not unseen, re.search(f".*[{re.escape(''.join(unseen))}].*", text)[0]
    assert not [line for line in text.splitlines() if line.startswith(FORGED)]


def variants(document):
    """Return a document with something hostile in each place: after each value, instead of it, beside it under a key."""
    yield HOSTILE
    if isinstance(document, dict):
        yield {**document, HOSTILE: HOSTILE}
        for key, value in document.items():
            yield from ({**document, key: one} for one in variants(value))
    elif isinstance(document, list):
        yield [*document, HOSTILE]
        for place, value in enumerate(document):
            yield from ([*document[:place], one, *document[place + 1 :]] for one in variants(value))
    else:
        yield f"{document}{HOSTILE}"


# --- The commands -----------------------------------------------------------------------------------------------------


def commands(command=group, path=()):
    """Walk the group: the path of each command in it, and the command."""
    if not isinstance(command, click.Group):
        return {" ".join(path): command}
    context = click.Context(command)
    below = [(name, command.get_command(context, name)) for name in command.list_commands(context)]
    return {key: value for name, one in below for key, value in commands(one, (*path, name)).items()}


LOG_COMMANDS = {"invocations": (), "trace": ("m-1",), "message": ("m-1",)}
LETTER_COMMANDS = {
    "dlq list": ("--letters",),
    "dlq show": (HOSTILE,),
    "dlq try": ("--handler", "app.handler", "--verbose"),
    "dlq replay": (),
    "dlq discard": (),
}
ELSEWHERE = {
    "dlq status",
    "export otlp",
    "harden",
    "alarms fleet",
    "alarms heartbeats",
    "alarms rehearse",
    "audit",
    "policy",
    "layer build",
    "layer publish",
    "layer list",
    "local env",
    "local up",
}


def test_every_command_is_driven():
    """A command that is added shows what came from outside, too: drive it here."""
    assert commands().keys() == LOG_COMMANDS.keys() | LETTER_COMMANDS.keys() | ELSEWHERE


@pytest.fixture
def said(capsys, monkeypatch, tmp_path):
    """Run a command in this process; gives its exit code and its output, once nothing in it or in its errors steers."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        code = run(arguments)
        captured = capsys.readouterr()
        assert_nothing_steers(captured.err)
        assert_nothing_steers(captured.out)
        return code, captured.out

    return call


# --- Logs -------------------------------------------------------------------------------------------------------------

FRAMES = ["app.py:14 in handler"]
ERROR = {"type": "Refused", "message": "declined", "fingerprint": "1f2e", "stack": FRAMES}
SENT = {"service": "sqs", "operation": "SendMessage", "target": "orders", "message_id": "m-2", "span_id": "s"}
CALL = {"service": "s3", "operation": "GetObject", "resource": "b", "region": "r", "count": 2, "errors": 1}
RECORD = {
    **dict.fromkeys(sorted(names.TOP_KEYS), "x"),
    "timestamp": "2026-11-23T15:04:05.000Z",
    "record": "invocation",
    "outcome": "error",
    "message_id": "m-1",
    "trigger": {"type": "sqs", "source": "arn:aws:sqs:eu-west-1:123456789012:orders", "records": 2},
    "xray_trace_id": TRACE,
    "traceId": TRACE,
    "upstreams": [{"trace_id": TRACE, "parent_id": "p", "message_ids": ["m-1"]}],
    "sent": [SENT],
    "calls": [CALL],
    "records": {
        "total": 2,
        "failed": 1,
        "failures": [{"message_id": "m-1", "attempt": 2, "outcome": "error", "error": ERROR}],
    },
    "attempt": 2,
    "final_attempt": True,
    "error": ERROR,
    "stuck": {"stack": FRAMES, "at": "app.py:1", "calls": [CALL], "tasks": [{"name": "t", "stack": FRAMES}]},
    "duration_ms": 20.0,
    "memory_used_mb": 71.0,
}
LINE = {
    **json.loads(Logs().line(0, 0, "charging", amount=1)),
    "message_id": "m-1",
    "exception": "Traceback",
    "exception_name": "Refused",
    "stack_trace": {"type": "Refused", "value": "v", "frames": [{"file": "f", "line": 1, "function": "g"}]},
}
PLATFORM = [
    json.loads(Logs().platform("start", 0, 0, version="$LATEST", tracing={"type": "t", "value": "Root=1-2"})),
    json.loads(
        Logs().platform(
            "report", 0, 0, status="error", errorType="Out", metrics={"durationMs": 1.0, "memorySizeMB": 1}
        )
    ),
    json.loads(Logs().platform("runtimeDone", 0, 0, status="error", errorType="Out")),
    json.loads(Logs().platform("initStart", 0, 0, runtimeVersion="python:3.13", functionName="f")),
]
TEXT = [
    f"[ERROR]\t2026-11-23T15:04:05.000Z\t{invocation_id(7)}\tRefused: {UNSEEN}",
    f"START RequestId: {invocation_id(7)} Version: {UNSEEN}",
    f"REPORT RequestId: {invocation_id(7)}\tDuration: 1 ms\tStatus: {UNSEEN}\tError Type: {UNSEEN}",
    f"RequestId: {invocation_id(8)} Error: Runtime exited with error: {UNSEEN}",
    f"INIT_START Runtime Version: {UNSEEN}",
    f"2026-11-23T15:04:05.000Z {invocation_id(9)} Task timed out after 3.00 seconds {UNSEEN}",
    UNSEEN,
    f'{{"level": "{UNSEEN}',
]
"""Lines: what they are ended by isn't in them."""


@pytest.fixture(scope="module")
def logs(tmp_path_factory):
    """Logs in which every value of every kind of line is hostile once, in a file with a hostile name."""
    path = tmp_path_factory.mktemp("logs") / f"{IN_A_NAME.replace('/', '')}.log"
    lines = []
    for number, record in enumerate(variants(RECORD), 10):
        known = {"invocation_id": invocation_id(number)}
        lines.append({**LINE, **known})
        lines.append(record if isinstance(record, str) else {**known, **record})
        if isinstance(record, dict) and record["invocation_id"] == "x":
            record["invocation_id"] = invocation_id(number)
    lines += [one for document in (LINE, *PLATFORM) for one in variants(document)]
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines) + "\n".join(TEXT), encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("command", LOG_COMMANDS)
def test_no_field_of_a_log_steers(said, logs, command):
    """Neither as text nor as JSON; coloured text has no sequences but our colours."""
    arguments = (command, *LOG_COMMANDS[command], logs)
    code, text = said(*arguments)
    assert code == 0
    assert FORGED in text
    _, lines = said(*arguments, "--json")
    assert HOSTILE in set(strings(list(map(json.loads, lines.splitlines()))))


def test_no_field_of_a_cause_steers(said, logs):
    """Causes are made of errors that anybody may have written."""
    arguments = ("invocations", logs, "--by", "cause")
    assert FORGED in said(*arguments)[1]
    _, lines = said(*arguments, "--json")
    found = [json.loads(line)["cause"] for line in lines.splitlines()]
    assert f"Out{HOSTILE}" in found


@pytest.mark.parametrize("command", ["invocations", "trace"])
def test_no_field_of_a_log_brings_colours_or_steers_the_page(said, logs, capsys, tmp_path, command):
    """Where colours are on, there are those that we chose; the page escapes what a browser obeys."""
    arguments = (command, *LOG_COMMANDS[command], logs)
    run((*arguments, "--color", "always"))
    assert_nothing_steers(COLOUR.sub("", capsys.readouterr().out))
    said(*arguments, "--html", "page.html", "--map", "map.svg")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert_nothing_steers(page)
    picture = (tmp_path / "map.svg").read_text(encoding="utf-8")
    assert_nothing_steers(picture)
    assert "\\u202e" in "".join(ET.fromstring(picture).itertext())
    data = json.loads(re.search(r'<script id="data"[^>]*>(.*?)</script>', page, re.DOTALL)[1])
    shown = "".join(strings(data))
    assert "\\u202e" in shown
    assert_nothing_steers(shown.replace(f"\n{FORGED}", ""))


def strings(document):
    """Return all texts of a document, keys too."""
    if isinstance(document, str):
        yield document
    elif isinstance(document, dict):
        yield from document
        yield from strings(list(document.values()))
    elif isinstance(document, list):
        for one in document:
            yield from strings(one)


# --- Dead letters -----------------------------------------------------------------------------------------------------

SYSTEM = {
    "SentTimestamp": "1790000000000",
    "ApproximateReceiveCount": "2",
    "DeadLetterQueueSourceArn": "arn:aws:sqs:eu-west-1:123456789012:source",
    "MessageGroupId": "g",
    "AWSTraceHeader": f"Root={TRACE}",
    "SenderId": "s",
}
ATTRIBUTE = {"tenant": {"DataType": "String", "StringValue": "blue"}}
HANDLER = f"""
class Refused(Exception): pass
Refused.__name__ = Refused.__qualname__ = {IN_A_NAME!r}
def handler(event, context):
    print({HOSTILE!r})
    raise Refused({HOSTILE!r})
"""


def letters():
    """Return messages of each shape, each with one hostile value: body, attributes, what SQS says, id."""
    plain = {"body": "x", "attributes": ATTRIBUTE, "system": SYSTEM, "source": ""}
    for key, value in (("attributes", ATTRIBUTE), ("system", SYSTEM)):
        for one in variants(value):
            if isinstance(one, dict):
                yield {
                    **plain,
                    key: {name: told for name, told in one.items() if key == "system" or is_attribute(told)},
                }
    for shape, *_ in SHAPES.values():
        whole = {
            "body": shape.body,
            "attributes": shape.attributes,
            "system": {**shape.system, "SentTimestamp": "1"},
        }
        yield from (
            {**whole, "source": "", "attributes": one}
            for one in variants(whole["attributes"])
            if all_attributes(one)
        )
        with contextlib.suppress(ValueError):
            for body in variants(json.loads(shape.body)):
                yield {**whole, "source": "", "body": json.dumps(body)}
    yield {**plain, "body": HOSTILE, "system": {}}


def is_attribute(told):
    return isinstance(told, dict) and all(isinstance(one, str) for one in told.values())


def all_attributes(attributes):
    return isinstance(attributes, dict) and all(map(is_attribute, attributes.values()))


@pytest.fixture
def sqs(monkeypatch, tmp_path):
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)  # between two tries of a call
    (tmp_path / "app.py").write_text(HANDLER)
    sqs = FakeSqs(dead=[], source=[])
    with served(sqs, monkeypatch.setenv):
        yield sqs


CHANGING = ("dlq replay", "dlq discard")
RUNS = [
    *((command, options) for command in LETTER_COMMANDS for options in ((), ("--json",))),
    *((command, ("--yes", *options)) for command in CHANGING for options in ((), ("--json",))),
]


@pytest.mark.slow
@pytest.mark.parametrize(("command", "options"), RUNS)
def test_no_field_of_a_letter_steers(said, sqs, logs, command, options):
    """Neither of the letter itself, nor of its queue, nor of what the logs know of it, nor of AWS's answers."""
    for number, letter in enumerate(letters()):
        if command != "dlq try" or number % 20 == 0:  # each takes a while
            sqs.put("dead", message_id=f"m-{number}" if number % 2 else f"m-{number}{HOSTILE}", **letter)
    sqs.put("dead", HOSTILE, message_id=HOSTILE, attributes=ATTRIBUTE)
    sqs.put("dead", "refused", message_id="m-1")
    sqs.refused["refused"] = {"Code": HOSTILE, "Message": HOSTILE, "SenderFault": True}
    sqs.attributes["dead"] = {"QueueArn": f"arn:aws:sqs:eu-west-1:123456789012:dead{HOSTILE}"}
    sqs.attributes["dead"]["RedrivePolicy"] = json.dumps(
        {"deadLetterTargetArn": HOSTILE, "maxReceiveCount": 3}
    )
    arguments = [*command.split(), url("dead"), *LETTER_COMMANDS[command], *options, "--logs", logs]
    arguments += ["--journal", "journal.jsonl"] * (command in CHANGING)
    code, out = said(*arguments)
    assert code in {0, 1}
    if "--json" in options:
        assert HOSTILE in "".join(strings(list(map(json.loads, out.splitlines()))))
    else:
        assert FORGED in out


def test_no_field_of_a_letter_that_is_shown_whole_steers():
    """Each in turn: `dlq show` shows one."""
    queue, view = find_queue("dead", FakeSqs(dead=[])), LetterView(Palette(on=False))
    sqs = FakeSqs(dead=[])
    for letter in letters():
        sqs.put("dead", message_id=HOSTILE, **letter)
    for raw in sqs.queues["dead"]:
        letter = recognise(Message.received(raw))
        assert_nothing_steers(view.letter(letter, queue))
        assert_nothing_steers(encoded(letter_document(letter, queue)))


@pytest.mark.parametrize("broken", ["GetQueueUrl", "GetQueueAttributes", "ReceiveMessage"])
@pytest.mark.parametrize("command", LETTER_COMMANDS)
def test_no_answer_of_aws_steers(said, sqs, command, broken):
    """Its code and its message stand in the error."""
    sqs.broken[broken] = HOSTILE
    assert said(*command.split(), "dead", *LETTER_COMMANDS[command])[0] == 1


def test_a_progress_bar_takes_no_markup(monkeypatch, capsys):
    """Neither escapes nor Rich's own brackets mean anything in the name of a queue."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with progress_bar(f"trying {HOSTILE}", 1):
        pass
    said = re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", capsys.readouterr().err).replace("\r", "")
    assert_nothing_steers(said)
    assert "[red]" in said


# --- What is typed ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "option"),
    [
        (name, parameter.opts[0])
        for name, command in commands().items()
        for parameter in command.params
        if not getattr(parameter, "is_flag", False)
    ],
)
@pytest.mark.usefixtures("sqs")
def test_nothing_typed_steers(said, monkeypatch, command, option):
    """What is typed is often pasted, or comes from a script: each argument and each option in turn."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO()))
    known = {
        "queue_name": "dead",
        "queues": "dead",
        "message_id": "m-1",
        "wanted": "m-1",
        "template": "none.yaml",
        "paths": "none.yaml",
    }
    required = {
        "dlq try": {"--handler": "app.handler"},
        "layer build": {"--python": "3.11", "--arch": "arm64"},
    }
    options = dict(required.get(command, {}))
    arguments = [
        IN_A_NAME if parameter.opts[0] == option else known[parameter.name]
        for parameter in commands()[command].params
        if isinstance(parameter, click.Argument) and parameter.name in known
    ]
    options |= {option: IN_A_NAME} if option.startswith("-") else {}
    said(*command.split(), *arguments, *(f"{name}={value}" for name, value in options.items()))


# --- Templates that are audited ---------------------------------------------------------------------------------------

AUDITED = {
    "Resources": {
        "Fn": {
            "Type": "AWS::Serverless::Function",
            "Metadata": {"LambdaGuard": {"Ignore": {"IG701": "traced by hand", "X": "unknown"}}},
            "Properties": {
                "CodeUri": ".",
                "Handler": "app.handler",
                "Runtime": "python3.9",
                "Environment": {"Variables": {names.ENV_MAX_RECEIVE_COUNT: "3"}},
                "Policies": [
                    "AmazonS3FullAccess",
                    {"Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]},
                ],
                "Events": {"Q": {"Type": "SQS", "Properties": {"Queue": {"Fn::GetAtt": "Queue.Arn"}}}},
            },
        },
        "Queue": {
            "Type": "AWS::SQS::Queue",
            "Properties": {
                "RedrivePolicy": {"deadLetterTargetArn": {"Fn::GetAtt": "Queue.Arn"}, "maxReceiveCount": 2}
            },
        },
        "Nested": {"Type": "AWS::CloudFormation::Stack"},
    }
}


def test_no_template_that_is_audited_steers(said, tmp_path):
    """Whatever a template holds, in every place of it: findings, notes and what isn't known show it as text."""
    for number, document in enumerate(variants(AUDITED)):
        (tmp_path / f"{number}.json").write_text(json.dumps(document))
    code, out = said("audit", *map(str, sorted(tmp_path.glob("*.json"))))
    assert code == 2
    assert out.count("WG905") > 10


# --- The local cloud --------------------------------------------------------------------------------------------------

TEMPLATE = {
    "Transform": "AWS::Serverless-2016-10-31",
    "Parameters": {"Given": {"Type": "String"}},
    "Resources": {
        "Hello": {
            "Type": "AWS::Serverless::Function",
            "Properties": {
                "FunctionName": "Hello",
                "CodeUri": ".",
                "Handler": "app.handler",
                "Runtime": "python3.13",
                "Timeout": 5,
                "Events": {"Get": {"Type": "HttpApi", "Properties": {"Path": "/hello", "Method": "get"}}},
            },
        },
    },
    "Outputs": {"Given": {"Value": {"Ref": "Given"}}, "Text": {"Value": HOSTILE}},
}
WARNED = copy.deepcopy(TEMPLATE)
WARNED["Resources"] |= {"Odd": {"Type": f"AWS::Odd::{HOSTILE}"}, "Queue": {"Type": "AWS::SQS::Queue"}}
WARNED["Resources"]["Queue"]["Properties"] = {"QueueName": "q", HOSTILE: HOSTILE}
WARNED["Resources"]["Hello"]["Properties"]["Tags"] = {HOSTILE: HOSTILE}
WARNED["Outputs"]["Gone"] = {"Value": {"Fn::ImportValue": HOSTILE}}


@pytest.mark.slow
@pytest.mark.parametrize("raw", [["--raw"], []])
def test_no_line_of_a_function_and_no_name_of_a_template_steers(tmp_path, monkeypatch, raw):
    """What `local up` says of the template, the functions' lines as they come or by invocation, and its warnings."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    (tmp_path / "app.py").write_text(HANDLER)
    (tmp_path / "template.json").write_text(json.dumps(WARNED))
    command = [sys.executable, "-m", "lambda_guard.tools", "local", "up", "template.json", "--port", "0"]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    options = [*raw, "--parameter", f"Given={IN_A_NAME}"]
    with subprocess.Popen([*command, *options], cwd=tmp_path, encoding="utf-8", **streams) as process:
        lines = []
        while not lines or not lines[-1].startswith("Ctrl-C"):
            lines.append(process.stdout.readline())
            assert lines[-1], process.stderr.read()
        endpoint = lines[0].split()[1]
        keys = {"aws_access_key_id": "local", "aws_secret_access_key": "local", "region_name": "eu-west-1"}
        client = boto3.client("lambda", endpoint_url=endpoint, config=Config(proxies={}), **keys)
        client.invoke(FunctionName="Hello", Payload=b"{}")
        while ("END RequestId" if raw else "Lambda: ") not in lines[-1]:
            lines.append(process.stdout.readline())
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=90)
    text = "".join(lines) + rest
    assert_nothing_steers(text)
    assert_nothing_steers(errors)
    assert process.returncode == 0
    begins = "Hello │ " if raw else "     "
    assert len([line for line in text.splitlines() if line.startswith(begins) and FORGED in line]) >= 2
    assert "\\u202e" in errors


def test_no_cloud_that_runs_steers(said, monkeypatch, tmp_path):
    """Its variables, and the list of those that run where several do."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    first = Running(f"shop{HOSTILE}", f"http://{HOSTILE}:4566", HOSTILE, f"/{HOSTILE}/template.yaml")
    with registered(first):
        assert FORGED in said("local", "env")[1]
        with registered(dataclasses.replace(first, endpoint="http://127.0.0.1:4567")):
            assert said("local", "env") == (1, "")


def wrong(**properties):
    """Return the template with other properties of its function."""
    template = copy.deepcopy(TEMPLATE)
    template["Resources"]["Hello"]["Properties"] |= properties
    return template


WRONG = wrong(Handler=HOSTILE)


@pytest.mark.parametrize(
    "template", [WRONG, {**WRONG, "Resources": {HOSTILE: WRONG["Resources"]["Hello"]}}, HOSTILE]
)
def test_no_error_about_a_template_steers(said, tmp_path, template):
    """The error names the resource and what stands there."""
    (tmp_path / "app.py").write_text(HANDLER)
    (tmp_path / "template.json").write_text(json.dumps(template))
    with contextlib.suppress(SystemExit, LambdaGuardError):
        assert said("local", "up", "template.json", "--port", "0", "--parameter", "Given=1")[0] in {1, 2}
