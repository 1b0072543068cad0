"""Batches record by record, over queues: whatever becomes of a record, it is processed, comes back, or is a dead letter."""

import json
import random
import textwrap

import pytest

from lambda_guard.local import Cloud

# What a message is to come to stands in its body: `<what>-<receives>:<name>`, as often as it says; then it is done.
HANDLERS = """
    import os
    import signal
    import sys
    import asyncio
    from lambda_guard import logger, production

    def work(record):
        what, _, name = record.body.partition(":")
        kind, _, times = what.partition("-")
        if kind != "good" and int(record.attributes.approximate_receive_count) <= int(times):
            fate[kind](name)
        print("done", name)

    def refuse(name):
        raise ValueError(name)

    fate = {
        "bad": refuse,
        "exit": lambda name: sys.exit(1),
        "kill": lambda name: os.kill(os.getpid(), signal.SIGKILL),
    }

    async def work_async(record):
        await asyncio.sleep(0.001)
        work(record)

    whole = production(each_record=True)(work)
    in_parts = production(each_record=True, report_batch_item_failures=True)(work)
    in_parts_async = production(each_record=True, report_batch_item_failures=True)(work_async)
"""
IN_PARTS = {"FunctionResponseTypes": ["ReportBatchItemFailures"]}
QUEUES = {
    "Whole": ("whole", {}, {}),
    "Parts": ("in_parts", IN_PARTS, {}),
    "PartsAsync": ("in_parts_async", IN_PARTS, {}),
    "WholeFifo": ("whole", {}, {"FifoQueue": True}),
    "PartsFifo": ("in_parts", IN_PARTS, {"FifoQueue": True}),
    "PartsFifoAsync": ("in_parts_async", IN_PARTS, {"FifoQueue": True}),
}


@pytest.fixture(scope="module")
def cloud(tmp_path_factory, build):
    """Return a cloud with a function of each kind, a queue for it, and the queue's dead letters."""
    code = tmp_path_factory.mktemp("batches")
    (code / "batches.py").write_text(textwrap.dedent(HANDLERS))
    resources = {}
    for name, (handler, mapping, options) in QUEUES.items():
        resources[name] = build.function(
            f"batches.{handler}", events={"Q": build.from_queue(f"{name}Queue", BatchSize=10, **mapping)}
        )
        resources[f"{name}Queue"] = build.queue(f"{name}Dead", receives=4, VisibilityTimeout=30, **options)
        resources[f"{name}Dead"] = build.queue(**options)
    with Cloud(build.template(**resources), root=code, speed=300) as cloud:
        yield cloud


def send(cloud, queue, bodies, groups=None):
    """Send messages, the ones of a FIFO queue in their groups."""
    client, url = cloud.client("sqs"), cloud.queue_url(queue)
    entries = [{"Id": str(number), "MessageBody": body} for number, body in enumerate(bodies)]
    for entry, group in zip(entries, groups or [], strict=False):
        entry.update(MessageGroupId=group, MessageDeduplicationId=f"{queue}-{entry['MessageBody']}")
    for start in range(0, len(entries), 10):
        client.send_message_batch(QueueUrl=url, Entries=entries[start : start + 10])


def dead(cloud, queue):
    """Return the names of the messages in a dead-letter queue."""
    client, url, found = cloud.client("sqs"), cloud.queue_url(queue), []
    while messages := client.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        for message in messages:
            found.append(message["Body"].partition(":")[2])
            client.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return found


def lines(cloud, function):
    """Return the structured lines of a function."""
    return [json.loads(event.message) for event in cloud.logs(function) if event.message.startswith("{")]


def done(cloud, function):
    """Return the names that a function said were done, in order."""
    said = [line.get("message") for line in lines(cloud, function) if line.get("logger") == "print"]
    return [message.removeprefix("done ") for message in said if str(message).startswith("done ")]


def mixture(name, count, kinds):
    """Return bodies of messages, most of them good, the others of the kinds, for up to five receives."""
    choose = random.Random(name)
    return [
        f"{choose.choice([*kinds, 'good', 'good', 'good'])}-{choose.randint(1, 5)}:{name}{number:02}"
        for number in range(count)
    ]


def names_of(bodies):
    return {body.partition(":")[2] for body in bodies}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["Whole", "Parts", "PartsAsync"])
def test_nothing_is_lost_and_nothing_acknowledged_that_was_not_done(cloud, name):
    """Of 60 messages, of which some fail and some kill the process in mid-batch, each is done or a dead letter."""
    bodies = mixture(name, 60, ["bad", "bad", "exit", "kill"])
    send(cloud, f"{name}Queue", bodies)
    cloud.settle(timeout=240)
    finished = {each for each in done(cloud, name) if each.startswith(name)}  # not what other tests sent
    given_up = dead(cloud, f"{name}Dead")
    assert finished | set(given_up) == names_of(bodies)
    assert cloud.messages(f"{name}Queue") == {"visible": 0, "in_flight": 0, "delayed": 0}
    always_bad = {
        body.partition(":")[2] for body in bodies if body.split(":")[0].endswith("-5") and "good" not in body
    }
    assert always_bad <= set(given_up)


def test_with_a_partial_answer_good_messages_are_done_once(cloud):
    """Where records only fail, no other record of their batch is done a second time."""
    bodies = mixture("once", 40, ["bad"])
    send(cloud, "PartsQueue", bodies)
    cloud.settle(timeout=240)
    finished = [name for name in done(cloud, "Parts") if name.startswith("once")]
    hopeless = {body.partition(":")[2] for body in bodies if body.startswith(("bad-4", "bad-5"))}
    assert sorted(finished) == sorted(names_of(bodies) - hopeless)
    assert set(dead(cloud, "PartsDead")) == hopeless


@pytest.mark.slow
@pytest.mark.parametrize("name", ["WholeFifo", "PartsFifo", "PartsFifoAsync"])
def test_order_is_kept_within_groups(cloud, name):
    """Of a group, no message is done for the first time before one that was sent before it, also where some kill."""
    kinds = ["bad", "kill"] if name != "PartsFifoAsync" else ["bad"]
    bodies = [
        body.replace("-5:", "-2:").replace("-4:", "-1:").replace("-3:", "-2:")
        for body in mixture(name, 30, kinds)
    ]
    groups = [f"group-{number % 3}" for number in range(len(bodies))]
    send(cloud, f"{name}Queue", bodies, groups)
    cloud.settle(timeout=240)
    given_up, firsts = dead(cloud, f"{name}Dead"), list(dict.fromkeys(done(cloud, name)))
    assert set(firsts) | set(given_up) == names_of(bodies)
    for group in range(3):
        of_group = [each for each in firsts if int(each[-2:]) % 3 == group and each not in given_up]
        assert of_group == sorted(of_group)


def test_what_was_given_back_stands_in_the_invocation_records(cloud):
    """The records of a function's log say of every failed receive which message it was, and which attempt."""
    send(cloud, "PartsQueue", ["bad-2:twice", "good-0:fine"])
    cloud.settle(timeout=240)
    assert {"twice", "fine"} <= set(done(cloud, "Parts"))
    failures = [
        (failure["attempt"], failure["error"]["message"])
        for line in lines(cloud, "Parts")
        for failure in line.get("records", {}).get("failures", [])
        if failure.get("error", {}).get("message") == "twice"
    ]
    assert failures == [(1, "twice"), (2, "twice")]
