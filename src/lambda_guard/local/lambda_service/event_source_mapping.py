"""Event source mappings of queues: poll, invoke the function with batches, delete or return the messages.

https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html,
https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
"""

import contextlib
import json
import logging
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from lambda_guard.local._errors import LocalCloudError
from lambda_guard.local.aws.moto_process import MotoProcess
from lambda_guard.local.lambda_service.activity import Clock
from lambda_guard.local.lambda_service.filtering import RecordFilter, content
from lambda_guard.local.lambda_service.invoker import Invoker
from lambda_guard.local.lambda_service.trace import fresh_header
from lambda_guard.shapes import arns, sqs
from lambda_guard.templates.stack import MappingDeclaration

Message = dict[str, Any]
_RECEIVE_MOST = 10
_POLL_SECONDS = 20
_SHORT_WAIT_SECONDS = 0.02
_CONCURRENCY = 5  # Lambda's pollers begin with five batches at once
_log = logging.getLogger(__name__)


def failed_message_ids(payload: Any, message_ids: Iterable[str]) -> set[str]:
    """Return the ids of the messages that a partial batch response gives back to the queue.

    https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html#services-sqs-batchfailurereporting:
    "Lambda treats a batch as a complete success" if the response is empty or null, or its list is; "as a
    complete failure" if the response is of another shape, or an identifier is empty, null, or of no message
    of the batch.
    """
    everything = set(message_ids)
    if payload in (None, "", {}):
        return set()
    if not isinstance(payload, dict):
        return everything
    failures = payload.get("batchItemFailures")
    if failures is None:
        return set()
    if not isinstance(failures, list):
        return everything
    named = [failure.get("itemIdentifier") if isinstance(failure, dict) else None for failure in failures]
    known = all(isinstance(name, str) and name in everything for name in named)
    return {name for name in named if isinstance(name, str)} if known else everything


class EventSourceMapping:
    """Polls one queue for one function until `close`.

    Failed messages come back when the visibility timeout ends, as on AWS; where the clock's speed isn't 1 they are
    made visible when the timeout ends on that clock, counted from their receipt.
    """

    def __init__(
        self,
        declaration: MappingDeclaration,
        moto: MotoProcess,
        invoker: Invoker,
        clock: Clock,
    ) -> None:
        self.declaration = declaration
        self._sqs = moto.client("sqs")
        name = arns.name(declaration.source_arn)
        self.queue_url = moto.queue_url(declaration.source_arn)
        self._invoker = invoker
        self._clock = clock
        self._filter = RecordFilter(declaration, moto)
        self._closed = threading.Event()
        concurrency = declaration.maximum_concurrency or _CONCURRENCY
        self._slots = threading.Semaphore(concurrency)
        prefix = f"esm-{name}"
        self._pool = ThreadPoolExecutor(concurrency, thread_name_prefix=prefix)
        self._thread = threading.Thread(target=self._poll, name=f"{prefix}-poller", daemon=True)
        self._thread.start()

    def _poll(self) -> None:
        while not self._closed.is_set():
            self._slots.acquire()
            try:
                batch = self._gather()
            except Exception:
                # The cloud is closing, or the queue was deleted: the poller survives both.
                batch = []
                self._closed.wait(0.5)
            if batch and not self._closed.is_set():
                self._pool.submit(self._process, batch, time.monotonic())
            else:
                self._slots.release()

    def _gather(self) -> list[Message]:
        """Receive a batch: the messages that are there, and those that arrive within the batching window."""
        wanted = self.declaration.batch_size
        batch = self._receive(wanted, _POLL_SECONDS)
        until = time.monotonic() + self.declaration.batching_window / self._clock.speed
        while batch and len(batch) < wanted and not self._closed.is_set():
            remaining = until - time.monotonic()
            more = self._receive(wanted - len(batch), max(0, min(_POLL_SECONDS, int(remaining))))
            if not more and remaining <= 0:
                break
            if not more:
                self._closed.wait(min(remaining, _SHORT_WAIT_SECONDS))
            batch += more
        return batch

    def _receive(self, count: int, wait: int) -> list[Message]:
        answer = self._sqs.receive_message(
            QueueUrl=self.queue_url,
            MaxNumberOfMessages=min(count, _RECEIVE_MOST),
            WaitTimeSeconds=wait,
            MessageSystemAttributeNames=["All"],
            MessageAttributeNames=["All"],
        )
        return self._passing(answer.get("Messages", []))

    def _passing(self, messages: list[Message]) -> list[Message]:
        """Return the messages that are sent; the others are deleted.

        "For Amazon SQS, if a message doesn't satisfy your filter criteria, Lambda automatically removes the message
        from the queue": https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventfiltering.html
        """
        passing = self._filter.passing(messages, self._seen)
        self._delete([message for message, passes in zip(messages, passing, strict=True) if not passes])
        return [message for message, passes in zip(messages, passing, strict=True) if passes]

    def _seen(self, message: Message) -> dict[str, Any]:
        record = sqs.record(message, self.declaration.source_arn)
        return {**record, "body": content(record["body"])}

    def _process(self, batch: list[Message], received: float) -> None:
        try:
            failed = self._failed(batch)
            self._delete([message for message in batch if message["MessageId"] not in failed])
            self._give_back([message for message in batch if message["MessageId"] in failed], received)
        except Exception:
            if not self._closed.is_set():
                _log.exception(
                    "a batch of %s wasn't completed: its messages return to the queue", self.queue_url
                )
        finally:
            self._slots.release()

    def _failed(self, batch: list[Message]) -> set[str]:
        """Invoke the function, and return the ids of the messages that return to the queue."""
        event = {"Records": [sqs.record(message, self.declaration.source_arn) for message in batch]}
        header = fresh_header(message.get("Attributes", {}).get("AWSTraceHeader") for message in batch)
        ids = [message["MessageId"] for message in batch]
        try:
            result = self._invoker.invoke(
                self.declaration.function, json.dumps(event).encode(), trace_header=header
            )
        except LocalCloudError:
            return set(ids)
        if result.function_error is not None:
            return set(ids)
        # Without ReportBatchItemFailures the answer isn't read: all messages are deleted.
        return (
            failed_message_ids(result.payload, ids) if self.declaration.report_batch_item_failures else set()
        )

    def _delete(self, messages: list[Message]) -> None:
        for entries in _entries(messages):
            self._sqs.delete_message_batch(QueueUrl=self.queue_url, Entries=entries)

    def _give_back(self, messages: list[Message], received: float) -> None:
        if not messages or self._clock.speed == 1:
            return
        attributes = self._sqs.get_queue_attributes(
            QueueUrl=self.queue_url, AttributeNames=["VisibilityTimeout"]
        )["Attributes"]
        elapsed = (time.monotonic() - received) * self._clock.speed
        remaining = max(0.0, float(attributes["VisibilityTimeout"]) - elapsed)
        self._clock.after(remaining, lambda: self._make_visible(messages))

    def _make_visible(self, messages: list[Message]) -> None:
        for entries in _entries(messages, VisibilityTimeout=0):
            try:
                self._sqs.change_message_visibility_batch(QueueUrl=self.queue_url, Entries=entries)
            except Exception:
                # The queue is gone or the service is closing; if not, the visibility timeout does it.
                return

    def unsettled(self) -> str | None:
        """Return what is in the queue; None where nothing is."""
        with contextlib.suppress(self._sqs.exceptions.QueueDoesNotExist):  # another stack's, or deleted
            # Twice: a message may become visible between the counting of one kind and of the other.
            for _ in range(2):
                counts = message_counts(self._sqs, self.queue_url)
                if any(counts.values()):
                    return f"{self.queue_url} has messages: {counts}"
        return None

    def stop(self) -> None:
        """Take no more messages."""
        self._closed.set()

    def join(self) -> None:
        """Wait for the threads, after `stop` and after the services have ended."""
        self._slots.release()
        self._thread.join(10)
        self._pool.shutdown(wait=True, cancel_futures=True)


def message_counts(sqs: Any, url: str) -> dict[str, int]:
    """Return how many messages of a queue are `visible`, `in_flight` and `delayed`."""
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    prefix = "ApproximateNumberOfMessages"
    return {
        "visible": int(attributes[prefix]),
        "in_flight": int(attributes[f"{prefix}NotVisible"]),
        "delayed": int(attributes[f"{prefix}Delayed"]),
    }


def _entries(messages: list[Message], **more: int) -> Iterator[list[dict[str, Any]]]:
    """Yield the entries of a batch request, as many at a time as SQS takes."""
    entries = [
        {"Id": str(index), "ReceiptHandle": it["ReceiptHandle"], **more} for index, it in enumerate(messages)
    ]
    for start in range(0, len(entries), _RECEIVE_MOST):
        yield entries[start : start + _RECEIVE_MOST]
