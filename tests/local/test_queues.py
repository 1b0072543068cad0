"""Event source mappings: batches, failures, dead letters, order."""

import collections
import hashlib
import json
import random
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_guard.local import Cloud
from lambda_guard.local.lambda_service.event_source_mapping import failed_message_ids


@pytest.fixture(scope="module")
def cloud(functions, build):
    """Return a cloud with a queue for each way of answering."""
    template = build.template(
        Whole=build.function("worker.handler", events={"Q": build.from_queue("WholeQueue", BatchSize=10)}),
        WholeQueue=build.queue("WholeDead", receives=3, VisibilityTimeout=30),
        WholeDead=build.queue(),
        Partial=build.function(
            "worker.partial",
            events={"Q": build.from_queue("PartialQueue", FunctionResponseTypes=["ReportBatchItemFailures"])},
        ),
        PartialQueue=build.queue("PartialDead", receives=2),
        PartialDead=build.queue(),
        Ignored=build.function("worker.partial", events={"Q": build.from_queue("IgnoredQueue")}),
        IgnoredQueue=build.queue("IgnoredDead", receives=2),
        IgnoredDead=build.queue(),
        Malformed=build.function(
            "worker.malformed",
            events={
                "Q": build.from_queue("MalformedQueue", FunctionResponseTypes=["ReportBatchItemFailures"])
            },
        ),
        MalformedQueue=build.queue("MalformedDead", receives=2),
        MalformedDead=build.queue(),
        Ordered=build.function(
            "worker.partial",
            events={"Q": build.from_queue("Ordered1", FunctionResponseTypes=["ReportBatchItemFailures"])},
        ),
        Ordered1=build.queue(FifoQueue=True),
        OrderedWhole=build.function("worker.handler", events={"Q": build.from_queue("Ordered2")}),
        Ordered2=build.queue("OrderedDead", receives=2, FifoQueue=True),
        OrderedDead=build.queue(FifoQueue=True),
        Windowed=build.function(
            "worker.handler",
            events={"Q": build.from_queue("WindowQueue", BatchSize=25, MaximumBatchingWindowInSeconds=100)},
        ),
        WindowQueue=build.queue(),
        Slow=build.function("worker.handler", Timeout=1, events={"Q": build.from_queue("SlowQueue")}),
        SlowQueue=build.queue("SlowDead", receives=2),
        SlowDead=build.queue(),
        Echo=build.function("worker.echo", events={"Q": build.from_queue("EchoQueue")}),
        EchoQueue=build.queue(),
    )
    with Cloud(template, root=functions, speed=200) as cloud:
        yield cloud


def done(cloud, function):
    """Return the ids that a function said were done, in order."""
    lines = [event.message.split() for event in cloud.logs(function)]
    return [words[1] for words in lines if words[:1] == ["done"]]


def test_the_event_is_lambdas_sqs_event(cloud):
    """A record has exactly the documented keys, with attributes of every type."""
    cloud.client("sqs").send_message(
        QueueUrl=cloud.queue_url("EchoQueue"),
        MessageBody='{"id": "1"}',
        MessageAttributes={
            "text": {"DataType": "String", "StringValue": "a"},
            "count": {"DataType": "Number", "StringValue": "1"},
            "raw": {"DataType": "Binary", "BinaryValue": b"\x00\xff"},
        },
    )
    cloud.settle()
    [record] = cloud.results("Echo")[-1].payload["event"]["Records"]
    sent = int(record["attributes"].pop("SentTimestamp"))
    first = int(record["attributes"].pop("ApproximateFirstReceiveTimestamp"))

    assert sent <= first
    assert record.pop("receiptHandle")
    assert record.pop("messageId")
    assert len(record.pop("md5OfMessageAttributes")) == 32
    assert record == {
        "body": '{"id": "1"}',
        "attributes": {"ApproximateReceiveCount": "1", "SenderId": "AIDAIT2UOQQY3AUEKVGXU"},
        "messageAttributes": {
            "text": {
                "stringValue": "a",
                "stringListValues": [],
                "binaryListValues": [],
                "dataType": "String",
            },
            "count": {
                "stringValue": "1",
                "stringListValues": [],
                "binaryListValues": [],
                "dataType": "Number",
            },
            "raw": {
                "binaryValue": "AP8=",
                "stringListValues": [],
                "binaryListValues": [],
                "dataType": "Binary",
            },
        },
        "md5OfBody": hashlib.md5(b'{"id": "1"}').hexdigest(),
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-west-1:123456789012:EchoQueue",
        "awsRegion": "eu-west-1",
    }


def test_a_failed_batch_comes_back_until_it_is_dead(cloud, send, receive):
    """Without partial responses the whole batch is retried; after three receives it is in the dead-letter queue."""
    send(cloud, "WholeQueue", [{"id": "good"}, {"id": "bad", "fail": True}])
    cloud.settle()
    dead = receive(cloud, "WholeDead")
    attempts = [result.status for result in cloud.results("Whole")]

    assert "bad" in {json.loads(message["Body"])["id"] for message in dead}
    assert all(
        message["Attributes"]["DeadLetterQueueSourceArn"] == cloud.queue_arn("WholeQueue") for message in dead
    )
    assert attempts.count("error") >= 3
    assert "bad" not in done(cloud, "Whole")


def test_a_partial_response_returns_what_it_names(cloud, send, receive):
    """With ReportBatchItemFailures the others are deleted, and the named ones tried again."""
    send(cloud, "PartialQueue", [{"id": "a"}, {"id": "b", "fail": "first"}, {"id": "c", "fail": "always"}])
    cloud.settle()

    assert sorted(done(cloud, "Partial")) == ["a", "b"]
    assert [json.loads(message["Body"])["id"] for message in receive(cloud, "PartialDead")] == ["c"]


def test_without_the_response_type_the_answer_is_not_read(cloud, send, receive):
    """As AWS documents: the answer is ignored and the messages are deleted, failed ones too."""
    send(cloud, "IgnoredQueue", [{"id": "a"}, {"id": "c", "fail": "always"}])
    cloud.settle()

    assert done(cloud, "Ignored") == ["a"]
    assert receive(cloud, "IgnoredDead") == []


def test_an_unknown_id_fails_the_whole_batch(cloud, send, receive):
    """An answer that names no message of the batch gives everything back."""
    send(cloud, "MalformedQueue", [{"id": "a"}, {"id": "b"}])
    cloud.settle()

    assert sorted(json.loads(message["Body"])["id"] for message in receive(cloud, "MalformedDead")) == [
        "a",
        "b",
    ]


def test_a_timeout_counts_as_a_failed_batch(cloud, send, receive):
    """A stuck consumer is killed, its batch tried again by a new process, and dead-lettered."""
    send(cloud, "SlowQueue", [{"id": "stuck", "sleep": 30}])
    cloud.settle()

    assert [result.status for result in cloud.results("Slow")] == ["timeout", "timeout"]
    assert cloud.function("Slow").cold_starts == 2
    assert len(receive(cloud, "SlowDead")) == 1


def test_a_queue_of_another_stack_is_polled_once_it_is_here(functions, build, send):
    """Until then a warning names it, and there is nothing to settle."""
    arn = "arn:aws:sqs:eu-west-1:123456789012:theirs"
    event = {"Type": "SQS", "Properties": {"Queue": arn}}
    with Cloud(
        build.template(Fn=build.function("worker.handler", events={"Q": event})), root=functions
    ) as cloud:
        cloud.settle()
        assert cloud.warnings == (f"FnQ: {arn} isn't in the template, and is polled once it exists here",)
        url = cloud.client("sqs").create_queue(QueueName="theirs")["QueueUrl"]
        cloud.client("sqs").send_message(QueueUrl=url, MessageBody='{"id": "1"}')
        cloud.settle()
        assert done(cloud, "Fn") == ["1"]


def test_a_window_collects_more_than_one_receive_gives(cloud, send):
    """A batching window fills batches beyond the ten messages of one ReceiveMessage."""
    send(cloud, "WindowQueue", [{"id": str(number)} for number in range(25)])
    cloud.settle()

    assert max(len(result.payload["seen"]) for result in cloud.results("Windowed")) > 10
    assert sorted(map(int, done(cloud, "Windowed"))) == list(range(25))


def test_the_order_of_a_group_is_kept(cloud, send):
    """In a FIFO queue a failed message and those after it of its group come again in order."""
    for group in ("g1", "g2"):
        messages = [{"id": f"{group}-{number}"} for number in range(15)]
        messages[4]["fail"] = messages[11]["fail"] = "first"
        send(cloud, "Ordered1", messages, group=group)
    cloud.settle()
    finished = done(cloud, "Ordered")

    for group in ("g1", "g2"):
        assert [it for it in finished if it.startswith(group)] == [
            f"{group}-{number}" for number in range(15)
        ]


def test_a_fifo_queue_numbers_messages_and_delivers_each_once(cloud):
    """A message with the id of an earlier one isn't delivered, though that is deleted; numbers rise, also without an id."""
    given = {"QueueUrl": cloud.queue_url("Ordered1"), "MessageGroupId": "once"}
    answers = [
        cloud.client("sqs").send_message(
            **given, MessageBody=f'{{"id": "{name}"}}', MessageDeduplicationId=key
        )
        for name, key in (("once-1", "first"), ("once-2", "second"))
    ]
    cloud.settle()
    cloud.client("sqs").send_message(**given, MessageBody='{"id": "once-3"}', MessageDeduplicationId="first")
    cloud.settle()

    assert [it for it in done(cloud, "Ordered") if it.startswith("once")] == ["once-1", "once-2"]
    first, second = (int(answer["SequenceNumber"]) for answer in answers)
    assert first < second


def test_the_order_is_kept_when_whole_batches_fail(cloud, send, receive):
    """After a batch that failed and died, the rest of the group still comes in order, and the dead are in order."""
    messages = [{"id": str(number)} for number in range(25)]
    messages[0]["fail"] = True
    send(cloud, "Ordered2", messages, group="g")
    cloud.settle()
    dead = []
    while batch := receive(cloud, "OrderedDead"):
        dead += [int(json.loads(message["Body"])["id"]) for message in batch]
        for message in batch:
            cloud.client("sqs").delete_message(
                QueueUrl=cloud.queue_url("OrderedDead"), ReceiptHandle=message["ReceiptHandle"]
            )
    finished = [int(it) for it in done(cloud, "OrderedWhole")]

    assert dead[0] == 0
    assert dead == sorted(dead)
    assert finished == sorted(finished)
    assert sorted(dead + finished) == list(range(25))


def test_nothing_is_lost_when_consumers_are_killed(functions, build, send, receive):
    """200 messages, consumers killed at random: each is processed or dead; duplicates are possible, and counted."""
    template = build.template(
        Worker=build.function("worker.handler", events={"Q": build.from_queue("Queue", BatchSize=5)}),
        Queue=build.queue("Dead", receives=4),
        Dead=build.queue(),
    )
    # The long ones see to it that a kill finds a consumer at work, however fast the machine is.
    messages = [
        {"id": str(number), "sleep": 1 if number % 40 == 0 else 0.01, "fail": number % 50 == 13}
        for number in range(200)
    ]
    with Cloud(template, root=functions, speed=300) as cloud:
        stop, kills = threading.Event(), []

        def kill():
            while not stop.wait(random.uniform(0.05, 0.2)):
                kills.append(cloud.kill("Worker"))

        killer = threading.Thread(target=kill)
        killer.start()
        send(cloud, "Queue", messages)
        while not any(result.status == "killed" for result in cloud.results("Worker")):
            time.sleep(0.05)
        time.sleep(0.5)  # and some more kills
        stop.set()
        killer.join()
        cloud.settle(100)
        processed = collections.Counter(done(cloud, "Worker"))
        dead = {json.loads(message["Body"])["id"] for message in receive(cloud, "Dead")}
        killed = sum(result.status == "killed" for result in cloud.results("Worker"))
        left = cloud.messages("Queue")
    duplicates = sum(processed.values()) - len(processed)

    assert set(processed) | dead == {message["id"] for message in messages}
    assert {message["id"] for message in messages if message["fail"]} <= dead
    assert left == {"visible": 0, "in_flight": 0, "delayed": 0}
    assert any(kills)
    assert killed > 0
    assert duplicates >= 0


IDS = ("a", "b", "c")


@pytest.mark.parametrize(
    ("answer", "failed"),
    [
        (None, ""),
        ({}, ""),
        ("", ""),
        ({"batchItemFailures": []}, ""),
        ({"batchItemFailures": None}, ""),
        ({"batchItemFailures": [{"itemIdentifier": "b"}]}, "b"),
        ({"batchItemFailures": [{"itemIdentifier": "b"}, {"itemIdentifier": "b"}]}, "b"),
        ({"batchItemFailures": [{"itemIdentifier": ""}]}, "abc"),
        ({"batchItemFailures": [{"itemIdentifier": None}]}, "abc"),
        ({"batchItemFailures": [{"itemIdentifier": "b"}, {"itemIdentifier": "x"}]}, "abc"),
        ({"batchItemFailures": [{"ItemIdentifier": "b"}]}, "abc"),
        ({"batchItemFailures": ["b"]}, "abc"),
        ({"batchItemFailures": "b"}, "abc"),
        ([], "abc"),
        ("done", "abc"),
        (7, "abc"),
    ],
)
def test_a_partial_response_is_read_as_documented(answer, failed):
    """Success, the named messages, or everything: by the table of "Handling errors for an SQS event source"."""
    assert failed_message_ids(answer, IDS) == set(failed)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3) | st.sampled_from(IDS),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["batchItemFailures", "itemIdentifier", "x"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(JSON)
def test_any_answer_gives_messages_of_the_batch(answer):
    """Whatever a function answers, what comes back is part of the batch."""
    assert failed_message_ids(answer, IDS) <= set(IDS)
