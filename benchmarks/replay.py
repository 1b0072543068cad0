"""How fast dead letters are replayed, against the bare SDK on the same queue server.

`python benchmarks/replay.py [LETTERS]`. Both receive, send and delete in batches of ten; the replay also recognises
each letter, finds its target, and writes and syncs its journal before it sends. They take turns, 500 letters each:
a busy machine slows both. The server is as quick as it can be: with one further away, the client's work weighs
less, and the ratio is better.
"""

import contextlib
import itertools
import os
import resource
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import boto3

from lambda_guard.tools.dlq.commands.changing import Action
from lambda_guard.tools.dlq.replay import Pace, Planner, Replay
from lambda_guard.tools.dlq.sending import Sender
from lambda_guard.tools.dlq.targets import TargetFinder
from lambda_guard.tools.stopping import Stop

LETTERS = 10_000
TURN = 500
BUDGET = 0.7


def main(letters):
    with running_server(), tempfile.TemporaryDirectory() as directory:
        sqs = boto3.client("sqs")
        for queue in ("bare-dead", "replayed-dead"):
            fill(sqs, queue, letters)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        bare, ours = take_turns(bare_replay(sqs), Path(directory, "journal.jsonl"), letters)
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        assert [left(sqs, name) for name in ("bare-dead", "replayed-dead")] == [0, 0]
        assert [left(sqs, name) for name in ("bare", "replayed")] == [letters] * 2
    ratio = bare / ours
    print(f"{'':<28}{'letters/s':>12}{'ratio':>8}")
    print(f"{'bare SDK, batches of ten':<28}{letters / bare:>12,.0f}{1:>8.2f}")
    print(f"{'lambda-guard dlq replay':<28}{letters / ours:>12,.0f}{ratio:>8.2f}   budget ≥ {BUDGET}")
    print(f"{letters:,} letters each; peak memory grew by {grown:.0f} MB")
    return 0 if ratio >= BUDGET else 1


def take_turns(bare, journal, letters):
    """Give the seconds that the SDK and the replay take."""
    action = Action("replay", "replayed-dead", journal=str(journal), as_json=False, color="never")
    finder, understand = TargetFinder(action.queue, action.session.clients), action.session.understand
    seconds = [0.0, 0.0]
    with (
        Stop() as stop,
        action.opened(stop, None) as (opened, reading, progress),
        contextlib.closing(Sender(action.session.clients)) as sender,
        ThreadPoolExecutor(1) as background,
    ):
        planner = Planner(finder, opened.history, run=opened.run)
        pace = Pace(None, stop)
        loop = Replay(reading, understand, planner, opened, sender, pace, stop, progress, background)
        for _ in range(0, letters, TURN):
            began = time.perf_counter()
            for _ in itertools.islice(bare, TURN // 10):
                pass
            turned = time.perf_counter()
            for _ in loop.send(TURN):
                pass
            seconds[0] += turned - began
            seconds[1] += time.perf_counter() - turned
    assert loop.tally.counts == {"delivered": letters}, loop.tally
    return seconds


@contextlib.contextmanager
def running_server():
    command = [sys.executable, str(Path(__file__).with_name("queue_server.py"))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        os.environ |= {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{int(server.stdout.readline())}",
            "AWS_REGION": "eu-west-1",
            "AWS_DEFAULT_REGION": "eu-west-1",
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
        }
        yield
        server.stdin.close()


def url_of(sqs, queue):
    return sqs.get_queue_url(QueueName=queue)["QueueUrl"]


def left(sqs, queue):
    found = sqs.get_queue_attributes(QueueUrl=url_of(sqs, queue), AttributeNames=["All"])["Attributes"]
    return sum(int(value) for name, value in found.items() if name.startswith("Approximate"))


def fill(sqs, queue, letters):
    url = url_of(sqs, queue)
    for start in range(0, letters, 10):
        entries = [
            {
                "Id": str(number),
                "MessageBody": f'{{"order": {number}, "note": "{"x" * 500}"}}',
                "MessageAttributes": {"tenant": {"DataType": "String", "StringValue": "blue"}},
            }
            for number in range(start, min(start + 10, letters))
        ]
        sqs.send_message_batch(QueueUrl=url, Entries=entries)


def bare_replay(sqs):
    """Do what a script does that trusts everything; a step is a batch."""
    dead, target = url_of(sqs, "bare-dead"), url_of(sqs, "bare")
    while True:
        answer = sqs.receive_message(
            QueueUrl=dead,
            MaxNumberOfMessages=10,
            WaitTimeSeconds=1,
            MessageAttributeNames=["All"],
            AttributeNames=["All"],
        )
        messages = answer.get("Messages", [])
        if not messages:
            return
        entries = [
            {
                "Id": str(at),
                "MessageBody": message["Body"],
                "MessageAttributes": {
                    name: {key: value[key] for key in ("DataType", "StringValue")}
                    for name, value in message.get("MessageAttributes", {}).items()
                },
            }
            for at, message in enumerate(messages)
        ]
        sqs.send_message_batch(QueueUrl=target, Entries=entries)
        handles = [
            {"Id": str(at), "ReceiptHandle": message["ReceiptHandle"]} for at, message in enumerate(messages)
        ]
        sqs.delete_message_batch(QueueUrl=dead, Entries=handles)
        yield


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else LETTERS))
