"""The commands against the local cloud: what they print, what they end with, and what they say of bad input."""

import contextlib
import gzip
import json
import os
import subprocess
import sys
import threading
import uuid

import pytest

from lambda_guard.local import Cloud
from lambda_guard.local.lambda_service.event_source_mapping import message_counts
from lambda_guard.tools.group import run

from .fakes import FakeSqs
from .server import served
from .test_recognition import DESTINATION, STREAM

HANDLER = """
def handler(event, context):
    if event.get("fail"):
        raise KeyError("sku")
    return {"batchItemFailures": event.get("refuse", [])}
"""


@pytest.fixture(scope="module")
def cloud(tmp_path_factory):
    code = tmp_path_factory.mktemp("code")
    (code / "app.py").write_text(HANDLER)
    function = {
        "Type": "AWS::Serverless::Function",
        "Properties": {
            "FunctionName": "mailer",
            "Handler": "app.handler",
            "Runtime": "python3.11",
            "CodeUri": ".",
        },
    }
    onward = {"OnFailure": {"Type": "SQS", "Destination": {"Fn::GetAtt": ["Unmailed", "Arn"]}}}
    careful = {
        "Type": "AWS::Serverless::Function",
        "Properties": {
            **function["Properties"],
            "FunctionName": "careful",
            "EventInvokeConfig": {"DestinationConfig": onward},
        },
    }
    unmailed = {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "unmailed"}}
    template = {
        "Transform": "AWS::Serverless-2016-10-31",
        "Resources": {"Mailer": function, "Careful": careful, "Unmailed": unmailed},
    }
    with Cloud(template, root=code, speed=1000) as cloud:
        cloud.code = code
        yield cloud


@pytest.fixture
def dlq(cloud, monkeypatch, tmp_path, capsys):
    """Run a command in this process; gives its exit code, output and standard error."""
    for name, value in {
        "AWS_ENDPOINT_URL": cloud.endpoint,
        "AWS_REGION": cloud.region,
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        code = run(["dlq", *arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


@pytest.fixture
def queue(cloud):
    """Make a queue with messages; gives its name."""

    def make(*bodies, fifo=False, **attributes):
        sqs, name = cloud.client("sqs"), f"q-{uuid.uuid4().hex[:8]}" + ".fifo" * fifo
        told = {"FifoQueue": "true", "ContentBasedDeduplication": "true"} if fifo else {}
        url = sqs.create_queue(QueueName=name, Attributes={**told, **attributes})["QueueUrl"]
        for body in bodies:
            group = {"MessageGroupId": "g"} if fifo else {}
            text = body if isinstance(body, str) else json.dumps(body)
            sqs.send_message(QueueUrl=url, MessageBody=text, **group)
        return name

    return make


@pytest.mark.parametrize("command", ["replay", "discard"])
def test_without_permission_nothing_is_said_to_be_in_order(dlq, command, monkeypatch):
    """What AWS refuses is named, as the permission that is missing; that is not the same as an empty queue."""
    with served(FakeSqs(dead=[]), monkeypatch.setenv) as server:
        server.sqs.broken["ReceiveMessage"] = "AccessDenied"
        code, out, err = dlq(command, "dead", "--yes")
    assert code == 1
    assert out.startswith("dead: nothing was done\n")
    assert err == (
        "lambda-guard: AWS refused to receive from the queue dead: the permission ReceiveMessage is missing "
        "(AccessDenied it is)\n"
    )


def count(cloud, name):
    sqs = cloud.client("sqs")
    return message_counts(sqs, sqs.get_queue_url(QueueName=name)["QueueUrl"])["visible"]


def test_an_empty_queue_is_fine(dlq, queue):
    """That is what one hopes for."""
    name = queue()
    assert dlq("list", name)[:2] == (0, f"{name}  no letters\n\n")
    assert dlq("replay", name, "--yes")[0] == 0


def test_a_queue_that_is_not_there_is_said(dlq):
    """With the name that was typed."""
    code, _, error = dlq("list", "nobody")
    assert (code, error) == (
        1, "lambda-guard: AWS could not find the queue nobody: there is no such queue in this account and region\n",
    )  # fmt: skip


def test_a_queue_of_the_same_name_in_another_region_is_not_taken(cloud, dlq, queue):
    """An ARN names one queue: the region that is asked has to be its own, here as in a target."""
    name, other = queue("{}"), queue()
    for arguments in (
        ("discard", _elsewhere(name), "--yes"),
        ("replay", name, "--yes", "--to", _elsewhere(other)),
    ):
        code, _, err = dlq(*arguments)
        assert code == 1
        assert "is in another region than eu-west-1, which is asked: export AWS_REGION=us-west-2" in err
    assert count(cloud, name) == 1


def _elsewhere(name):
    return f"arn:aws:sqs:us-west-2:123456789012:{name}"


def test_a_filter_that_matches_nothing_ends_with_3(dlq, queue):
    """So that a script can tell it from an empty queue; nothing is sent, nothing is hidden."""
    name = queue({"a": 1})
    assert dlq("list", name, "--where", "error=KeyError")[0] == 3
    assert dlq("replay", name, "--where", "error=KeyError", "--yes")[0] == 3
    assert dlq("show", name, "m-0")[0] == 3


@pytest.mark.parametrize(
    "arguments", [("list",), ("replay",), ("discard",), ("replay", "--yes"), ("discard", "--yes")]
)
def test_a_filter_that_only_logs_can_answer_says_so(dlq, queue, arguments):
    """A message doesn't tell what it died of: that no letter matches is no answer to the question."""
    command, *options = arguments
    code, _, err = dlq(command, queue({"a": 1}), "--where", "error=KeyError", *options)
    assert code == 3
    assert "without --logs, a queue's own messages have no error: = and ~ leave them out" in err
    assert "lambda-guard: no letter matches\n" in err


@pytest.mark.parametrize("path", ["nosuch.log", "nosuch/", "logs/nosuch.jsonl", "./nosuch", "~nobody/logs"])
@pytest.mark.parametrize("command", [("list",), ("show",), ("replay", "--yes")])
def test_logs_that_are_not_there_are_said_to_be_missing(cloud, dlq, queue, command, path):
    """Before a letter is read: what the logs should have told is not guessed."""
    name, (command, *options) = queue({"a": 1}), command
    ids = ["m-0"] if command == "show" else []
    assert dlq(command, name, *ids, *options, "--logs", path) == (
        2,
        "",
        f"lambda-guard: no such file: {path}\n",
    )
    assert count(cloud, name) == 1


@pytest.mark.parametrize("command", ["list", "show"])
def test_logs_that_are_damaged_are_named(dlq, queue, tmp_path, command):
    """What they don't tell any more may be why a letter stays unexplained."""
    (tmp_path / "cut.log.gz").write_bytes(gzip.compress(b"{}\n" * 1_000)[:-9])
    name = queue({"a": 1})
    [group] = json.loads(dlq("list", name, "--json")[1])["groups"]
    ids = [group["letters"][0]["message_id"]] if command == "show" else []
    code, _, err = dlq(command, name, *ids, "--logs", "cut.log.gz")
    assert code == 0
    assert err.count("lambda-guard: cut.log.gz: the compressed data is cut off or damaged") == 1


def test_letters_are_visible_after_each_command_that_reads(cloud, dlq, queue):
    """Listing, showing, trying and planning leave the queue as it was."""
    name = queue(DESTINATION, "not json", STREAM)
    [group, *_] = json.loads(dlq("list", name, "--json")[1])["groups"]
    dlq("show", name, group["letters"][0]["message_id"])
    dlq("replay", name)
    dlq("try", name, "--handler", "app.handler", "--code", str(cloud.code))
    assert count(cloud, name) == 3


def test_a_letter_is_shown_whole(dlq, queue):
    """Why it died, where it was bound for, and its event so that it can be read."""
    name = queue(DESTINATION)
    [group] = json.loads(dlq("list", name, "--json")[1])["groups"]
    code, out, _ = dlq("show", name, group["letters"][0]["message_id"])
    assert code == 0
    assert out.splitlines()[:3] == [
        f"{group['letters'][0]['message_id']}  an on-failure destination", "    ✗ KeyError: 'sku'", "        File app.py",
    ]  # fmt: skip
    assert out.endswith('\n\n{\n  "order": 1\n}\n')


def test_what_the_logs_say_of_a_letter_is_told_as_json(dlq, queue, tmp_path):
    """The invocations that failed on it, with their lines as data."""
    name = queue({"order": 1})
    [group] = json.loads(dlq("list", name, "--json")[1])["groups"]
    message_id = group["letters"][0]["message_id"]
    common = {"timestamp": "2026-11-23T15:04:05.000Z", "invocation_id": str(uuid.uuid4())}
    error = {"type": "KeyError", "message": "'sku'", "fingerprint": "0123456789abcdef", "stack": []}
    failures = [{"message_id": message_id, "attempt": 3, "outcome": "error", "error": error}]
    lines = [
        {**common, "level": "INFO", "message": "looking", "order_id": "o-1"},
        {**common, "level": "ERROR", "message": "failed", "record": "invocation", "outcome": "success",
         "records": {"total": 1, "failed": 1, "failures": failures}},
    ]  # fmt: skip
    (tmp_path / "app.log").write_text("".join(json.dumps(line) + "\n" for line in lines))
    code, out, _ = dlq("show", name, message_id, "--logs", "app.log", "--json")
    told = json.loads(out)
    assert code == 0
    assert told["error"]["type"] == "KeyError"
    [invocation] = told["invocations"]
    assert [(line["message"], line["fields"]) for line in invocation["lines"]] == [
        ("looking", {"order_id": "o-1"})
    ]


def record_of(cloud, name):
    """Write the record that a destination gets of a failed invocation."""
    context = {**DESTINATION["requestContext"], "functionArn": cloud.function(name).arn}
    return {**DESTINATION, "requestContext": context}


def test_an_event_is_invoked_asynchronously_and_told_again_when_it_comes_back(cloud, dlq):
    """A record of a destination goes to its function, whose configuration names the queue."""
    sqs = cloud.client("sqs")
    url = sqs.get_queue_url(QueueName="unmailed")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody=json.dumps(record_of(cloud, "careful")))
    before = len(cloud.results("careful"))
    code, out, _ = dlq("replay", "unmailed", "--yes", "--json")
    cloud.settle()

    assert (code, json.loads(out)["delivered"], json.loads(out)["targets"]) == (0, 1, {"careful": 1})
    assert count(cloud, "unmailed") == 0
    assert len(cloud.results("careful")) == before + 1


def test_a_letter_invokes_no_function_of_its_own_choice(cloud, dlq, queue):
    """Anyone may write such a record: without a word by name it stays, with one it goes there."""
    name, before = queue(record_of(cloud, "mailer")), len(cloud.results("mailer"))
    for arguments in ((), ("--yes",)):
        code, out, _ = dlq("replay", name, *arguments)
        assert code == 1
        assert f"of {cloud.function('mailer').arn}, which sends no failures here" in out
    cloud.settle()
    assert (count(cloud, name), len(cloud.results("mailer"))) == (1, before)
    assert dlq("replay", name, "--to", "function:mailer", "--yes")[0] == 0
    cloud.settle()
    assert (count(cloud, name), len(cloud.results("mailer"))) == (0, before + 1)


def test_an_invocation_goes_on_in_the_letter_s_trace(cloud, dlq, queue):
    """The header of the dead letter is that of the replayed invocation."""
    header = "Root=1-6742a1b5-0123456789abcdef01234567;Parent=53995c3f42cd8ad8;Sampled=1"
    name, sqs = queue(), cloud.client("sqs")
    sqs.send_message(
        QueueUrl=sqs.get_queue_url(QueueName=name)["QueueUrl"],
        MessageBody="{}",
        MessageSystemAttributes={"AWSTraceHeader": {"DataType": "String", "StringValue": header}},
    )
    assert dlq("replay", name, "--to", "function:mailer", "--yes")[0] == 0
    cloud.settle()
    assert cloud.results("mailer")[-1].trace_header.startswith("Root=1-6742a1b5-0123456789abcdef01234567;")


def test_a_letter_of_nobody_stays_with_a_reason(cloud, dlq, queue):
    """Until a target is named; then it goes there."""
    name, other = queue("not json"), queue()
    code, out, _ = dlq("replay", name, "--yes")
    assert code == 1
    assert "no queue's redrive policy names this one: name a target with --to" in out
    assert dlq("replay", name, "--to", f"queue:{other}", "--yes")[0] == 0
    assert (count(cloud, name), count(cloud, other)) == (0, 1)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--to", "somewhere"), "write source, a queue's URL or ARN, queue:NAME, or function:NAME"),
        (("--to", "function:nobody"), "Function not found: nobody"),
        (("--to", "queue:nobody"), "there is no such queue"),
        (("--prove",), "name their logs with --logs"),
        (("--where", "fingerprint=f"), "name them with --logs"),
        (("--rate", "0"), "Invalid value for '--rate'"),
        (("--rate", "20/m"), "Invalid value for '--rate'"),
        (("--logs", "nothing.log", "--yes", "--limit", "x"), "Invalid value for '--limit'"),
    ],
)
def test_a_wrong_replay_is_refused_before_anything_is_read(cloud, dlq, queue, arguments, said):
    """With what to type instead."""
    name = queue({"a": 1})
    code, _, error = dlq("replay", name, *arguments)
    assert code in {1, 2}
    assert said in error
    assert count(cloud, name) == 1


def test_a_rate_may_be_written_as_one(cloud, dlq, queue):
    """Per second, which is what it is."""
    name, other = queue({"a": 1}), queue()
    assert dlq("replay", name, "--to", f"queue:{other}", "--rate", "20/s", "--yes")[0] == 0
    assert (count(cloud, name), count(cloud, other)) == (0, 1)


def test_a_trial_needs_time(cloud, dlq, queue):
    """Without any, every letter would seem to die of a timeout."""
    code, _, error = dlq("try", queue({"a": 1}), "--handler", "app.handler", "--timeout", "0s")
    assert code == 2
    assert "--timeout 0 leaves a letter no time" in error


def test_a_queue_is_not_its_own_target(dlq, queue):
    """It would go in circles for ever."""
    name = queue({"a": 1})
    assert "is the dead-letter queue itself" in dlq("replay", name, "--to", f"queue:{name}", "--yes")[2]


def test_discarding_keeps_a_copy(cloud, dlq, queue, tmp_path):
    """Nothing is deleted without --yes, and with it the journal holds each letter."""
    name = queue({"a": 1}, {"a": 2})
    assert dlq("discard", name, "--match", "a == `1`")[0] == 0
    assert count(cloud, name) == 2
    assert dlq("discard", name, "--match", "a == `1`", "--yes", "--journal", "j.jsonl")[0] == 0
    assert count(cloud, name) == 1
    lines = [json.loads(line) for line in (tmp_path / "j.jsonl").read_text().splitlines()]
    assert [line["do"] for line in lines] == ["run", "discard", "deleted"]
    assert lines[1]["message"]["body"] == '{"a": 1}'


def test_the_result_goes_to_standard_output_beside_a_progress_bar(cloud, dlq, queue):
    """The bar stands on the terminal; what is meant for a file or a pipe arrives there."""
    pty = pytest.importorskip("pty")
    name, other = queue("{}"), queue()
    ours, theirs = pty.openpty()
    command = [
        sys.executable,
        "-m",
        "lambda_guard.tools",
        "dlq",
        "replay",
        name,
        "--to",
        f"queue:{other}",
        "--yes",
        "--json",
    ]
    reader = threading.Thread(target=_read_all, args=(ours,))
    reader.start()
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=theirs, check=True, timeout=240)
    finally:
        os.close(theirs)
        reader.join()
    assert json.loads(done.stdout)["delivered"] == 1


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "ascii", "utf-8"])
def test_json_is_json_in_every_encoding(dlq, queue, encoding):
    """What the encoding of a pipe doesn't have is escaped as JSON does it."""
    message = "caf\u00e9 \u20ac \U0001f600"
    name = queue({**DESTINATION, "responsePayload": {"errorType": "Bad", "errorMessage": message}})
    command = [sys.executable, "-m", "lambda_guard.tools", "dlq", "list", name, "--json"]
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    done = subprocess.run(command, capture_output=True, check=True, timeout=240, env=environment)
    assert json.loads(done.stdout.decode(encoding))["groups"][0]["error"] == f"Bad: {message}"


def _read_all(terminal):
    with (
        os.fdopen(terminal, "rb", buffering=0) as file,
        contextlib.suppress(OSError),
    ):  # Linux ends it with EIO
        while file.read(65_536):
            pass


def test_a_fifo_queue_says_what_it_hides(dlq, queue):
    """Only the head of a group can be read; the rest is counted."""
    name = queue(*({"n": number} for number in range(15)), fifo=True)
    _, out, error = dlq("list", name, "--json")
    assert json.loads(out)["letters"] == 10
    assert "FIFO: about 5 more wait behind the head of their groups" in error


def test_what_a_limit_leaves_out_is_not_said_to_wait(dlq, queue):
    """Letters of a FIFO queue that nobody asked for are not behind the head of their group for all one knows."""
    _, _, err = dlq("list", queue(*map(str, range(12)), fifo=True), "--limit", "1")
    assert "read, which hid" in err
    assert "FIFO" not in err


def test_letters_run_through_a_handler(cloud, dlq, queue):
    """Which would pass, which would die of what; a partial batch response that gives a letter back is a failure."""
    bodies = [{}, {"fail": True}, {"refuse": [{"itemIdentifier": "m"}]}]
    attributes = {name: {"DataType": "String", "StringValue": "200"} for name in ("RequestID", "ErrorCode")}
    name = queue()
    for body in bodies:
        cloud.client("sqs").send_message(
            QueueUrl=cloud.client("sqs").get_queue_url(QueueName=name)["QueueUrl"],
            MessageBody=json.dumps(body),
            MessageAttributes=attributes,
        )
    code, out, _ = dlq("try", name, "--handler", "app.handler", "--code", str(cloud.code), "--json")
    trials = [json.loads(line) for line in out.splitlines()]
    assert code == 1
    assert [(trial["passed"], trial.get("error", {}).get("type")) for trial in trials] == [
        (True, None), (False, "KeyError"), (False, "batchItemFailures"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--handler", "nobody.handler"), "there is no"),
        (("--handler", "handler"), "write module.function"),
        (("--handler", "app.nothing"), "the handler can't be loaded: Runtime.HandlerNotFound"),
        (("--handler", "app.handler", "--env-file", "wrong.env"), "wrong.env, line 2: write KEY=VALUE"),
        (("--handler", "app.handler", "--env-file", "latin.env"), "latin.env isn't text in UTF-8 (byte 2)"),
    ],
)
def test_a_handler_that_cannot_run_is_said_at_once(cloud, dlq, queue, tmp_path, arguments, said):  # noqa: PLR0917 - fixtures
    """It says nothing about the letters, so none is judged."""
    (tmp_path / "wrong.env").write_text("A=1\nnonsense\n")
    (tmp_path / "latin.env").write_bytes(b"A=\xe9")
    code, _, error = dlq("try", queue({"a": 1}), "--code", str(cloud.code), *arguments)
    assert (code, said in error) == (2, True), error


@pytest.mark.parametrize("fifo", [False, True], ids=["standard", "FIFO"])
@pytest.mark.parametrize(
    "command", [("replay", "--yes"), ("replay",), ("list",), ("discard",), ("discard", "--yes")], ids=" ".join
)
def test_letters_that_someone_else_holds_are_no_success(cloud, dlq, queue, command, fifo):
    """Nothing was read, and something is there: come again, and when. A letter in flight blocks its FIFO group."""
    name, sqs = queue("first", "second", fifo=fifo, VisibilityTimeout="45"), cloud.client("sqs")
    url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
    held = 1 if fifo else 2
    assert len(sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=held)["Messages"]) == held
    code, out, error = dlq(command[0], name, *command[1:])
    assert code == 1
    assert f"{name}: nothing was read: about {held} letter{'s' * (held > 1)} in flight" in error
    assert "visibility timeout (the queue's is 45 s): run this again then" in error
    assert ("1 more wait behind in their FIFO groups" in error) is fifo
    assert "no letters" not in out


def test_hidden_letters_stand_in_the_json(cloud, dlq, queue):
    """A program needs no sentence."""
    name, sqs = queue("first"), cloud.client("sqs")
    sqs.receive_message(QueueUrl=sqs.get_queue_url(QueueName=name)["QueueUrl"])
    assert json.loads(dlq("list", name, "--json")[1])["hidden"] == 1
