"""What is promised of the outside, through the command: the disk, servers that fail, messages handed out twice."""

import json
import os
import threading
import time

import pytest

from lambda_guard.tools.aws import CloudError, NoSuchResourceError, NotPermittedError, explained
from lambda_guard.tools.dlq.errors import asked
from lambda_guard.tools.group import run

from .fakes import FakeSqs, order, refusal
from .server import served

NUMBER = 130
"""More than one sync covers: letters are received while others wait for the disk."""


@pytest.fixture
def server(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with served(FakeSqs(dead=[], source=[]), monkeypatch.setenv) as server:
        yield server


@pytest.fixture
def dlq(capsys):
    """Run a command on the queue in this process; gives its exit code and what its JSON says."""

    def call(command, *arguments):
        code = run(["dlq", command, "dead", "--yes", "--json", "--journal", "journal.jsonl", *arguments])
        return code, json.loads(capsys.readouterr().out)

    return call


class Disk:
    """The disk under the journal: a power cut takes what was written since the last fsync that has come to its end.

    Attributes:
        lost: the messages that a power cut would have taken, as they were sent or deleted.
        changed: set when a queue or function is about to be changed.
    """

    def __init__(self, path, server):
        self.path, self.server = path, server
        self.kept, self.syncs, self.lost = 0, 0, []
        self.changed = threading.Event()
        self._fsync = os.fsync

    def fsync(self, file):
        """As slow as a disk may be: what doesn't wait for it is seen to overtake it."""
        size = os.fstat(file).st_size
        self.changed.clear()
        self.changed.wait(0.2)
        self._fsync(file)
        self.kept, self.syncs = size, self.syncs + 1

    def watch(self, operation, parameters):
        """Compare what leaves the queue with what the disk would have after a power cut at this moment."""
        leaving = {
            "SendMessageBatch": lambda: [entry["MessageBody"] for entry in parameters["Entries"]],
            "Invoke": lambda: [json.dumps(parameters)],
            "DeleteMessageBatch": lambda: [
                self._body(entry["ReceiptHandle"]) for entry in parameters["Entries"]
            ],
        }.get(operation)
        if leaving:
            self.changed.set()
            self.lost += set(leaving()) - self._after_a_power_cut()

    def _body(self, receipt):
        message_id = self.server.sqs.in_flight["dead"][receipt]
        return next(one["Body"] for one in self.server.sqs.queues["dead"] if one["MessageId"] == message_id)

    def _after_a_power_cut(self):
        lines = self.path.read_bytes()[: self.kept].splitlines()
        return {line["message"]["body"] for line in map(json.loads, lines) if "message" in line}


@pytest.fixture
def disk(server, monkeypatch, tmp_path):
    disk = Disk(tmp_path / "journal.jsonl", server)
    monkeypatch.setattr(os, "fsync", disk.fsync)
    server.on_call = disk.watch
    return disk


@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("replay", ()),
        ("replay", ("--to", "function:mailer")),
        ("replay", ("--rate", "1000")),
        ("discard", ()),
    ],
)
def test_a_power_cut_at_any_call_loses_no_message(server, disk, dlq, command, options):
    """Before a message is sent, and before it is deleted, the journal on the disk holds it whole."""
    for number in range(NUMBER):
        server.sqs.put("dead", order(number), source="" if "--to" in options else "source")
    code, told = dlq(command, *options)

    assert (code, told["delivered"], server.sqs.queues["dead"]) == (0, NUMBER, [])
    assert disk.syncs >= 2
    assert disk.lost == []


@pytest.fixture
def impatient(monkeypatch):
    """The SDK tries again at once."""
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)


@pytest.mark.parametrize("answer", [500, 503, None])
@pytest.mark.parametrize(
    ("operation", "options"), [("SendMessageBatch", ()), ("Invoke", ("--to", "function:mailer"))]
)
def test_what_the_sdk_has_sent_twice_is_said(server, dlq, impatient, operation, options, answer):  # noqa: PLR0917 - fixtures
    """A try that ended with a server's failure, or with no answer, may have arrived: the next one may be the second."""
    server.sqs.put("dead", order(1), source="" if options else "source")
    server.answers[operation] = [answer]
    code, told = dlq("replay", *options)

    assert len(server.sqs.sent) + len(server.invoked) == 2
    assert (code, told["delivered"], told["maybe_twice"]) == (0, 1, 1)


def test_the_summary_says_what_may_have_arrived_twice(server, impatient, capsys):
    """In a sentence under the row that counts it."""
    server.sqs.put("dead", order(1))
    server.answers["SendMessageBatch"] = [None]
    assert run(["dlq", "replay", "dead", "--yes"]) == 0
    assert capsys.readouterr().out.splitlines()[:2] == [
        "replayed           1  gone from dead",
        "  1 letter may have arrived twice: an earlier try had no answer",
    ]


@pytest.mark.parametrize(
    ("operation", "options"), [("SendMessageBatch", ()), ("Invoke", ("--to", "function:mailer"))]
)
def test_a_server_s_failure_is_not_a_refusal(server, dlq, impatient, operation, options):
    """The message may have arrived: it stays, is not said to be undelivered, and the next run says that it is sent again."""
    server.sqs.put("dead", order(1), source="" if options else "source")
    server.answers[operation] = [500] * 100
    code, told = dlq("replay", *options)
    assert (code, told["unsure"], told["failed"], told["delivered"]) == (1, 1, 0, 0)
    assert server.sqs.bodies("dead") == [order(1)]

    server.answers.clear()
    code, told = dlq("replay", *options)
    assert (code, told["delivered"], told["maybe_twice"]) == (0, 1, 1)
    assert server.sqs.bodies("dead") == []


@pytest.mark.parametrize("again_at", [(2,), (3,), (2, 4)])
def test_a_message_that_is_handed_out_again_is_deleted_by_its_last_receipt(server, dlq, again_at):
    """An earlier receipt handle deletes nothing, and SQS says that it did: the message would be sent again."""
    for number in range(30):
        server.sqs.put("dead", order(number))
    server.sqs.visible_again_at = again_at
    code, told = dlq("replay")

    assert (code, told["delivered"]) == (0, 30)
    assert sorted(server.sqs.bodies("source")) == sorted(map(order, range(30)))
    assert server.sqs.bodies("dead") == []


@pytest.mark.parametrize("options", [(), ("--match", "id == `-1`")])
def test_a_message_that_stays_is_hidden_and_released_by_its_last_receipt(server, dlq, options):
    """Whether no filter selects it or its target refuses it: it is handed out once more, and visible at the end."""
    for number in range(30):
        server.sqs.put("dead", order(number))
        server.sqs.refused[order(number)] = {"Code": "Denied", "Message": "no", "SenderFault": True}
    server.sqs.visible_again_at = (2,)
    dlq("replay", *options)
    assert (len(server.sqs.bodies("dead")), server.sqs.in_flight["dead"], server.sqs.stale) == (30, {}, [])


@pytest.mark.parametrize(
    ("code", "kind", "message"),
    [
        (
            "AWS.SimpleQueueService.NonExistentQueue",
            NoSuchResourceError,
            "there is no such queue in this account",
        ),
        ("KMS.AccessDeniedException", NotPermittedError, "the queue is encrypted, and its key can't be used"),
        ("RequestThrottled", CloudError, "it throttles the calls; slow down with --rate"),
        ("InternalError", CloudError, "InternalError: it is"),
    ],
)
def test_what_sqs_refuses_is_said_in_words_that_help(code, kind, message):
    """A queue, its key, and a rate that is too high have words of their own."""
    with pytest.raises(kind, match=f"^AWS could not send: {message}"), asked("send"):
        raise refusal("SendMessageBatch", code, "it is")


def test_a_rate_is_advised_where_there_is_one():
    """Commands that only read logs have no --rate."""
    with (
        pytest.raises(CloudError, match=r"^AWS could not read: ThrottlingException: it is$"),
        explained("read"),
    ):
        raise refusal("FilterLogEvents", "ThrottlingException", "it is")


NO_ANSWERS = (
    b"",
    b"<html>a proxy's page</html>",
    b"[1]",
    b"null",
    b"\xff\xfe",
    b'{"Successful": "x", "Messages": [1]}',
    b'{"Successful": [{}], "Messages": [{}]}',
)


@pytest.mark.parametrize("body", NO_ANSWERS, ids=repr)
@pytest.mark.parametrize(
    "operation",
    ["GetQueueUrl", "GetQueueAttributes", "ReceiveMessage", "SendMessageBatch", "DeleteMessageBatch"],
)
def test_what_is_no_answer_is_an_error_and_loses_nothing(server, dlq, impatient, capsys, operation, body):  # noqa: PLR0917 - fixtures
    """A proxy may answer in AWS's place: no traceback, and a letter is in its queue, or known to be delivered."""
    server.sqs.put("dead", order(1))
    server.answers[operation] = [body] * 100
    code = run(["dlq", "replay", "dead", "--yes", "--json"])
    told = capsys.readouterr()

    assert code in {0, 1, 2}, told.err
    assert "Traceback" not in told.err
    assert order(1) in server.sqs.bodies("dead") + server.sqs.bodies("source")
    server.answers.clear()
    server.sqs.in_flight.clear()
    assert dlq("replay")[0] == 0
    assert order(1) in server.sqs.bodies("source")
    assert server.sqs.bodies("dead") == []
