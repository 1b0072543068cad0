"""A queue: what its attributes say, and what it refuses."""

import json
from types import SimpleNamespace

import pytest

from lambda_guard.tools.dlq.queue import Queue, Reading, find_queue
from lambda_guard.tools.stopping import Stop

from .fakes import FakeSqs, order

ARN = "arn:aws:sqs:eu-west-1:123456789012:dead"


def test_the_redrive_policy_of_a_dead_letter_queue():
    """One that has a dead-letter queue of its own moves what is received too often there."""
    policy = {"deadLetterTargetArn": f"{ARN}-too", "maxReceiveCount": "3"}
    attributes = {"QueueArn": ARN, "RedrivePolicy": json.dumps(policy)}
    sqs = SimpleNamespace(get_queue_attributes=lambda **_: {"Attributes": attributes})
    queue = find_queue("https://sqs.eu-west-1.amazonaws.com/123456789012/dead", sqs)
    assert (queue.arn, queue.moves_to, queue.moves_after) == (ARN, f"{ARN}-too", 3)


def test_what_the_attributes_say():
    """All that are in it are counted: visible, in flight and delayed; times are in milliseconds."""
    attributes = {
        "QueueArn": f"{ARN}.fifo",
        "FifoQueue": "true",
        "ApproximateNumberOfMessages": "1",
        "ApproximateNumberOfMessagesNotVisible": "20",
        "ApproximateNumberOfMessagesDelayed": "300",
        "MessageRetentionPeriod": "1209600",
        "VisibilityTimeout": "90",
    }
    sqs = SimpleNamespace(get_queue_attributes=lambda **_: {"Attributes": attributes})
    url = "https://sqs.eu-west-1.amazonaws.com/123456789012/dead.fifo"
    assert find_queue(url, sqs) == Queue(
        url, f"{ARN}.fifo", fifo=True, count=321, retention_ms=1_209_600_000.0, visibility_ms=90_000.0
    )


def test_an_answer_without_attributes():
    """Nothing is known of such a queue but where it is; the rest is as in a queue that was created without options."""
    url = "http://127.0.0.1:9324/000000000000/dead"
    queue = find_queue(url, SimpleNamespace(get_queue_attributes=lambda **_: {}))
    assert queue == Queue(url, url)


@pytest.mark.parametrize(
    ("count", "seconds"), [(0, 60), (49, 60), (5_000, 160), (177_000, 3_600), (10**6, 3_600)]
)
def test_how_long_a_reading_hides_what_it_reads(count, seconds):
    """For a minute, and a second more for every 50 messages of the queue, so that none comes back before its end."""
    asked = []
    sqs = SimpleNamespace(
        receive_message=lambda **given: asked.append(given) or {}, get_queue_attributes=lambda **_: {}
    )
    list(Reading(Queue("http://sqs.local/1/dead", ARN, count=count), sqs).batches())
    assert {each["VisibilityTimeout"] for each in asked} == {seconds}


def test_a_queue_that_has_too_much_in_flight_is_not_asked_again():
    """SQS gives nothing more before some of it is deleted or visible again: the queue's end wasn't reached.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html
    """
    sqs = FakeSqs(dead=[], source=[])
    sqs.put("dead", order(1))
    sqs.broken["ReceiveMessage"] = "AWS.SimpleQueueService.OverLimit"
    with Reading(find_queue("dead", sqs), sqs, seconds=30) as reading:
        assert list(reading.batches()) == []
    assert (reading.full, reading.exhausted) == (True, False)
    assert sqs.calls.count("ReceiveMessage") == 1


def test_a_message_that_cannot_be_deleted_says_why(monkeypatch):
    """By its id, in SQS's words, or with its code where there are none."""
    sqs = FakeSqs(dead=[], source=[])
    for number in (1, 2, 3):
        sqs.put("dead", order(number), message_id=f"m-{number}")
    failed = [{"Id": "0", "Code": "InternalError", "Message": "try again"}, {"Id": "2", "Code": "Denied"}]
    answer = {"Failed": failed, "Successful": [{"Id": "1"}]}
    monkeypatch.setattr(sqs, "delete_message_batch", lambda **_: answer, raising=False)
    with Reading(find_queue("dead", sqs), sqs, stop=Stop(), seconds=30) as reading:
        messages = [message for batch in reading.batches() for message in batch]
        assert reading.delete(messages) == {
            messages[0].message_id: "try again",
            messages[2].message_id: "Denied",
        }
