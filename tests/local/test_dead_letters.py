"""The whole circle: events die in three ways, are listed, tried, replayed through kills, and none is lost."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from lambda_guard.local import Cloud
from lambda_guard.tools.replays import journal_line

KINDS = {"batch": 200, "billing": 150, "mailer": 150}


@pytest.fixture(scope="module")
def fix(tmp_path_factory):
    """The file whose existence mends the functions."""
    return tmp_path_factory.mktemp("fix") / "fixed"


@pytest.fixture(scope="module")
def logs(tmp_path_factory):
    return tmp_path_factory.mktemp("logs")


@pytest.fixture(scope="module")
def cloud(build, functions, fix, logs):
    """A queue with a redrive policy, a function with a dead-letter queue, and one with an on-failure destination."""
    dead = {"Type": "SQS", "TargetArn": {"Fn::GetAtt": ["Unbilled", "Arn"]}}
    failed = {"OnFailure": {"Type": "SQS", "Destination": {"Fn::GetAtt": ["Unmailed", "Arn"]}}}
    template = build.template(
        Orders=build.queue("Unpacked", receives=2, QueueName="orders", VisibilityTimeout=30),
        Unpacked=build.queue(QueueName="unpacked"),
        Unbilled=build.queue(QueueName="unbilled"),
        Unmailed=build.queue(QueueName="unmailed"),
        Packing=build.function(
            "parcels.batch",
            FunctionName="packing",
            events={"Q": build.from_queue("Orders", FunctionResponseTypes=["ReportBatchItemFailures"])},
        ),
        Billing=build.function("parcels.single", FunctionName="billing", DeadLetterQueue=dead),
        Mailer=build.function(
            "parcels.single",
            FunctionName="mailer",
            EventInvokeConfig={"MaximumRetryAttempts": 0, "DestinationConfig": failed},
        ),
    )
    template["Globals"]["Function"]["Environment"] = {"Variables": {"FIX": str(fix)}}
    with Cloud(template, root=functions, speed=1000, logs=logs) as cloud:
        yield cloud


@pytest.fixture
def dlq(cloud, tmp_path):
    """Run the command against the cloud, as a shell does; `start` gives the process."""
    return Dlq(cloud.endpoint, tmp_path)


class Dlq:
    def __init__(self, endpoint, cwd):
        self.cwd = cwd
        credentials = {
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_REGION": "eu-west-1",
        }
        self.env = {**os.environ, **credentials, "AWS_ENDPOINT_URL": endpoint, "PYTHONIOENCODING": "utf-8"}

    def start(self, *arguments):
        command = [sys.executable, "-m", "lambda_guard.tools", "dlq", *arguments]
        return subprocess.Popen(
            command, env=self.env, cwd=self.cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def __call__(self, *arguments, code=0):
        process = self.start(*arguments)
        out, error = process.communicate(timeout=240)
        assert process.returncode == code, out + error
        return out


def send_orders(cloud, send):
    """Send 500 events, in three ways; all of them die."""
    order = {"grams": "heavy"}
    send(cloud, "Orders", [{"id": f"batch-{number}", **order} for number in range(KINDS["batch"])])
    for function in ("billing", "mailer"):
        for number in range(KINDS[function]):
            payload = json.dumps({"id": f"{function}-{number}", **order})
            cloud.client("lambda").invoke(FunctionName=function, InvocationType="Event", Payload=payload)


def processed(logs):
    """Count the orders that were packed, by their lines in the logs."""
    lines = (line for path in logs.rglob("*.log") for line in path.read_text().splitlines())
    found = (json.loads(line) for line in lines if '"message":"packed"' in line)
    return Counter(line["order_id"] for line in found)


def kill_in_the_middle(process, journal, step):
    """Kill -9 in the middle, in the moment in which the journal's last line says `step`."""
    until = time.monotonic() + 240
    while time.monotonic() < until and process.poll() is None:
        if journal.exists() and journal.stat().st_size > 50_000 and last_step(journal) == step:
            break
        time.sleep(0.001)
    assert process.poll() is None, "the replay was over before it could be killed"
    process.send_signal(signal.SIGKILL)
    process.communicate()


def last_step(journal):
    with journal.open("rb") as file:
        file.seek(-4_000, os.SEEK_END)
        whole = [line for line in file.read().split(b"\n")[1:-1] if line]
    return json.loads(whole[-1])["do"] if whole else None


def whole_lines(journal):
    """Return the lines of a journal but the one that its kill -9 may have cut in the middle of its write."""
    found = list(map(journal_line, journal.read_bytes().splitlines()))
    assert found.count(None) <= 1
    return [line for line in found if line is not None]


def known_delivered_twice(journal):
    """Give the letters that were sent again although the journal knew of their delivery."""
    delivered, twice = set(), set()
    for line in whole_lines(journal):
        if line["do"] == "send" and line["message_id"] in delivered:
            twice.add(line["message_id"])
        elif line["do"] == "delivered":
            delivered.add(line["message_id"])
    return twice


@pytest.mark.slow
def test_the_whole_circle(cloud, dlq, send, fix, logs, functions, tmp_path):  # noqa: PLR0917 - what the circle goes through
    """500 events die in three ways; they are listed, tried, replayed through three kill -9, and none is lost."""
    send_orders(cloud, send)
    cloud.settle(timeout=240)
    queues = ("unpacked", "unbilled", "unmailed")
    assert [cloud.messages(name)["visible"] for name in ("Unpacked", "Unbilled", "Unmailed")] == [
        200,
        150,
        150,
    ]

    reports = [json.loads(line) for line in dlq("list", *queues, "--logs", str(logs), "--json").splitlines()]
    [groups] = zip(*(report["groups"] for report in reports), strict=True)
    assert [(it["origin"], it["count"], it["error"]) for it in groups] == [
        ("queue", 200, "ValueError: invalid literal for int() with base 10: 'heavy'"),
        ("function", 150, "ValueError: invalid literal for int() with base 10: 'heavy'"),
        ("destination", 150, "ValueError: invalid literal for int() with base 10: 'heavy'"),
    ]
    assert [(it["function"], it["version"]) for it in groups] == [
        (name, "$LATEST") for name in ("packing", "billing", "mailer")
    ]
    assert len({it["fingerprint"] for it in groups}) == 1
    assert all(letter["invocation_id"] and letter["trace_id"] for it in groups for letter in it["letters"])

    (tmp_path / "fixed.env").write_text("FIXED=1\n")
    trial = ("--handler", "parcels.batch", "--code", str(functions), "--limit", "20")
    broken = dlq("try", "unpacked", *trial, "--json", code=1)
    mended = dlq("try", "unpacked", *trial, "--env-file", "fixed.env", "--json")
    assert [json.loads(line)["passed"] for line in broken.splitlines()] == [False] * 20
    assert [json.loads(line)["passed"] for line in mended.splitlines()] == [True] * 20
    assert cloud.messages("Unpacked")["visible"] == 200

    fix.touch()
    cloud_journals = tmp_path / ".lambda-guard"
    for name, step in zip(queues, ("send", "delivered", "send"), strict=True):
        journal = cloud_journals / f"dlq-eu-west-1-123456789012-{name}.jsonl"
        kill_in_the_middle(dlq.start("replay", name, "--yes"), journal, step)
    with ThreadPoolExecutor(3) as pool:
        summaries = list(pool.map(lambda name: finish(cloud, dlq, name), queues))
    cloud.settle(timeout=240)

    unsure = sum(summary["maybe_twice"] for summary in summaries)
    counts = processed(logs)
    assert set(counts) == {f"{kind}-{number}" for kind, count in KINDS.items() for number in range(count)}
    assert sum(counts.values()) - len(counts) <= unsure <= 30
    for name in queues:
        assert not known_delivered_twice(cloud_journals / f"dlq-eu-west-1-123456789012-{name}.jsonl")
    assert [cloud.messages(name)["visible"] for name in ("Unpacked", "Unbilled", "Unmailed")] == [0, 0, 0]


def finish(cloud, dlq, name):
    """Replay until the queue is empty: what a killed run had in hand comes back within half a minute."""
    total = Counter()
    until = time.monotonic() + 240
    while time.monotonic() < until:
        if cloud.messages(name)["visible"]:
            summary = json.loads(dlq("replay", name, "--yes", "--json"))
            total.update({key: value for key, value in summary.items() if isinstance(value, int)})
        elif not any(cloud.messages(name).values()):
            return total
        time.sleep(0.1)
    raise AssertionError(f"{name} is not empty: {cloud.messages(name)}")
