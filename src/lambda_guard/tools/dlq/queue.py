"""The queue: what it is, and how to read it without changing more than reading needs."""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Self

from lambda_guard.shapes import arns
from lambda_guard.tools.aws import CloudError, NoSuchResourceError, error_code
from lambda_guard.tools.dlq.errors import DeadLetterError, asked
from lambda_guard.tools.dlq.message import Message
from lambda_guard.tools.stopping import Stop

BATCH_MOST: Final = 10
"""What SQS takes and gives in one call."""

WAIT_SECONDS: Final = 1
"""A long poll asks all of SQS's servers; a short one asks some, and may miss what there is.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-short-and-long-polling.html
"""

EMPTY_MOST: Final = 3
REPEATED_MOST: Final = 20
VISIBILITY_LEAST: Final = 60
VISIBILITY_MOST: Final = 3_600
_LETTERS_A_SECOND: Final = 50
"""Slower than any connection reads: what was read stays hidden until the end is reached."""

LEFT_OUT: Final = "SQS's answer leaves it out"
_IN_FLIGHT_FULL: Final = "OverLimit"
_VISIBLE: Final = "ApproximateNumberOfMessages"
_HIDDEN: Final = "ApproximateNumberOfMessagesNotVisible"


@dataclass(slots=True, frozen=True)
class Queue:
    """A queue of SQS.

    Attributes:
        fifo: whether it keeps an order.
        count: about how many messages are in it, those in flight included.
        retention_ms: how long it keeps a message.
        moves_to: the ARN of its own dead-letter queue; empty where it has none.
        moves_after: how many receives a message has before it is moved there.
        visibility_ms: how long a message is hidden from others by whoever receives it and doesn't say otherwise.
    """

    url: str
    arn: str
    fifo: bool = False
    count: int = 0
    retention_ms: float = 345_600_000.0
    moves_to: str = ""
    moves_after: int = 0
    visibility_ms: float = 30_000.0

    @property
    def name(self) -> str:
        """Its name."""
        return arns.name(self.arn)

    def expires_ms(self, message: Message) -> float | None:
        """When SQS will delete a message, ms since 1970.

        "For standard queues, the expiration of a message is always based on its original enqueue timestamp";
        for FIFO queues the timestamp is reset when it is moved, and is what `SentTimestamp` says.
        https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-dead-letter-queues.html
        """
        return None if message.sent_ms is None else message.sent_ms + self.retention_ms


def find_queue(text: str, sqs: Any) -> Queue:
    """Find a queue by URL, ARN or name.

    Raises:
        NoSuchResourceError: there is none, or only one of its name in another region.
        NotPermittedError: its attributes may not be read.
    """
    url = text if text.startswith(("https://", "http://")) else _url_of(text, sqs)
    with asked(f"read the attributes of the queue {text}"):
        found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"]).get("Attributes", {})
    arn = str(found.get("QueueArn", text))
    here, there = arns.region(arn), arns.region(text)
    if there and there != here:
        raise NoSuchResourceError(
            f"{text} is in another region than {here}, which is asked: export AWS_REGION={there}"
        )
    redrive = json.loads(found.get("RedrivePolicy") or "{}")
    return Queue(
        url,
        arn,
        found.get("FifoQueue") == "true" or url.endswith(".fifo"),
        _counted(found, _VISIBLE, _HIDDEN, f"{_VISIBLE}Delayed"),
        float(found.get("MessageRetentionPeriod", 345_600)) * 1_000.0,
        str(redrive.get("deadLetterTargetArn", "")),
        int(redrive.get("maxReceiveCount", 0)),
        float(found.get("VisibilityTimeout", 30)) * 1_000.0,
    )


def _counted(attributes: Mapping[str, str], *names: str) -> int:
    return sum(int(attributes.get(name, 0)) for name in names)


def _url_of(text: str, sqs: Any) -> str:
    owner = {}
    name = text
    if text.startswith("arn:"):
        arn = arns.parse(text)
        if arn is None or arn.service != "sqs":
            raise DeadLetterError(
                f"{text!r} isn't a queue: use its name, its URL, or its ARN (arn:aws:sqs:…)"
            )
        name, owner = arn.resource, {"QueueOwnerAWSAccountId": arn.account}
    with asked(f"find the queue {text}"):
        return str(sqs.get_queue_url(QueueName=name, **owner)["QueueUrl"])


def sources_of(queue: Queue, sqs: Any) -> list[str]:
    """Return the URLs of the queues whose redrive policy names this one."""
    with asked(f"list the queues whose dead letters go to {queue.name}"):
        pages = sqs.get_paginator("list_dead_letter_source_queues").paginate(QueueUrl=queue.url)
        # The key begins with a small letter in SQS's model.
        return [url for page in pages for url in page.get("queueUrls", [])]


@dataclass(slots=True)
class Reading:
    """Reads a queue once, from its head; in the end, what wasn't deleted is made visible again.

    Every receive raises a message's receive count by one and hides it for its visibility timeout; SQS has no way to
    look at a message without that:
    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-visibility-timeout.html

    Attributes:
        stop: the wish to end, asked between calls.
        seconds: how long a message is hidden, which is also how long it takes to come back after a crash;
            None for long enough to read the whole queue.
        size: how many messages to receive in one call.
        full: whether SQS gives no more because too many are in flight.
        exhausted: whether the end was reached.
        hidden: where nothing could be read, how many messages are in flight with someone else.
        waiting: and how many wait behind those in the groups of a FIFO queue.
    """

    queue: Queue
    sqs: Any
    stop: Stop | None = None
    seconds: int | None = None
    size: int = BATCH_MOST
    read: int = 0
    full: bool = False
    exhausted: bool = False
    hidden: int = 0
    waiting: int = 0
    _receipts: dict[str, str] = field(default_factory=dict)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        receipts, self._receipts = list(self._receipts.values()), {}
        self.show(receipts)

    def batches(self) -> Iterator[list[Message]]:
        """Return messages that weren't seen before, `size` at a time at most, until nothing more comes."""
        empty = repeated = 0
        while not self._ended and empty < self._empty_most and repeated < self._repeated_most:
            received = self._receive()
            fresh = [message for message in received if message.message_id not in self._receipts]
            self._receipts |= {message.message_id: message.receipt for message in received}
            self.read += len(fresh)
            empty = 0 if received else empty + 1
            repeated = repeated + 1 if received and not fresh else 0
            if fresh:
                yield fresh
        self.exhausted = not self._ended
        if (self.exhausted or self.full) and not self.read:
            self._count_hidden()

    def _count_hidden(self) -> None:
        """Ask again: what was counted before may be gone, and is then no reason to come again.

        "As long as a message is in flight, no other of its group is returned":
        https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/FIFO-queues-understanding-logic.html
        """
        asked_for = [_VISIBLE, _HIDDEN]
        with asked(f"read the attributes of the queue {self.queue.name}"):
            answer = self.sqs.get_queue_attributes(QueueUrl=self.queue.url, AttributeNames=asked_for)
        found = answer.get("Attributes", {})
        self.hidden = _counted(found, _HIDDEN)
        self.waiting = _counted(found, _VISIBLE) if self.hidden and self.queue.fifo else 0

    @property
    def held(self) -> int:
        """How many messages were read and not deleted."""
        return len(self._receipts)

    @property
    def _long_seconds(self) -> int:
        return min(VISIBILITY_MOST, VISIBILITY_LEAST + self.queue.count // _LETTERS_A_SECOND)

    @property
    def _repeated_most(self) -> int:
        """All messages that were seen may come once more before one that wasn't."""
        return REPEATED_MOST + len(self._receipts) // BATCH_MOST

    @property
    def _ended(self) -> bool:
        return self.full or (self.stop is not None and self.stop.requested)

    @property
    def _empty_most(self) -> int:
        """How many empty long polls are the end: one where everything that was counted was seen.

        And one of a FIFO queue, which gives nothing more of a group while some of its messages are in flight:
        https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/FIFO-queues-understanding-logic.html
        """
        return 1 if self.read >= self.queue.count or self.queue.fifo else EMPTY_MOST

    def _receive(self) -> list[Message]:
        from botocore.exceptions import ClientError

        with asked(f"receive from the queue {self.queue.name}"):
            try:
                answer = self.sqs.receive_message(
                    QueueUrl=self.queue.url,
                    MaxNumberOfMessages=self.size,
                    VisibilityTimeout=self.seconds or self._long_seconds,
                    WaitTimeSeconds=WAIT_SECONDS,
                    AttributeNames=["All"],
                    MessageAttributeNames=["All"],
                )
            except ClientError as error:
                if not error_code(error).endswith(_IN_FLIGHT_FULL):
                    raise
                self.full = True
                return []
            return [Message.received(raw) for raw in answer.get("Messages", [])]

    def delete(self, messages: Sequence[Message]) -> dict[str, str]:
        """Delete messages of this reading.

        Returns:
            Why not, by message id, for those that are still in the queue.
        """
        refused: dict[str, str] = {}
        for chunk in _chunks(messages):
            # With any but the most recent receipt handle SQS reports success, and may not delete the message:
            # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_DeleteMessage.html
            entries = [
                {"Id": str(at), "ReceiptHandle": self._receipts[message.message_id]}
                for at, message in enumerate(chunk)
            ]
            with asked(f"delete letters in {self.queue.name}"):
                answer = self.sqs.delete_message_batch(QueueUrl=self.queue.url, Entries=entries)
                failed = {int(one["Id"]): one for one in answer.get("Failed", [])}
                gone = {int(one["Id"]) for one in answer.get("Successful", [])}
            for at, message in enumerate(chunk):
                if at in failed:
                    refused[message.message_id] = str(failed[at].get("Message") or failed[at].get("Code"))
                elif at not in gone:
                    refused[message.message_id] = LEFT_OUT
        for message in messages:
            if message.message_id not in refused:
                self._receipts.pop(message.message_id, None)
        return refused

    def keep(self, messages: Sequence[Message]) -> None:
        """Hide messages that stay in the queue until this reading is over: one look at each is enough."""
        if self.seconds and self.seconds < self._long_seconds:
            self._hide([self._receipts[one.message_id] for one in messages], self._long_seconds)

    def show(self, receipts: Sequence[str]) -> None:
        """Make messages visible by their receipt handles; what can't be comes back by itself."""
        self._hide(receipts, 0)

    def _hide(self, receipts: Sequence[str], seconds: int) -> None:
        for chunk in _chunks(receipts):
            entries = [
                {"Id": str(at), "ReceiptHandle": receipt, "VisibilityTimeout": seconds}
                for at, receipt in enumerate(chunk)
            ]
            try:
                with asked(f"hide or show letters in {self.queue.name}"):
                    self.sqs.change_message_visibility_batch(QueueUrl=self.queue.url, Entries=entries)
            except CloudError:
                return


def _chunks(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    return (items[start : start + BATCH_MOST] for start in range(0, len(items), BATCH_MOST))


def now_ms() -> float:
    """The time, ms since 1970."""
    return time.time() * 1_000.0
