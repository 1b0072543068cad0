"""What AWS documents and moto 5.2 doesn't do, each in one place with the sentence that it implements.

Runs inside moto's process only. Each function below replaces one thing in moto; when moto has it, the
function goes. `install` fails with a clear error where moto no longer looks as expected.
"""
# ruff: noqa: N806, SLF001 - the names are those of moto's classes, and what is missing is inside them

import importlib
import json
import threading
import time
import urllib.request
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import wraps
from typing import Any

from lambda_guard.propagation.header import parse
from lambda_guard.shapes import sns

# The trace header of the HTTP request that this thread serves.
http_trace_header: ContextVar[str | None] = ContextVar("http_trace_header", default=None)

_LOCK = threading.RLock()
_TRACE_ATTRIBUTE = "AWSTraceHeader"
_SOURCE_ATTRIBUTE = "DeadLetterQueueSourceArn"


def install(callback: str) -> None:
    """Put everything in place.

    Args:
        callback: the URL to which deliveries of SNS to functions are posted.

    Raises:
        AttributeError: moto has changed inside.
    """
    one_lock_for_sqs()
    visible_again_is_not_pending()
    long_polling_ends_in_time()
    trace_header_of_the_request()
    system_attributes_of_batch_entries()
    source_of_a_dead_letter()
    functions_subscribed_to_topics(callback)


def _moto(module: str, name: str) -> Any:
    return getattr(importlib.import_module(f"moto.{module}"), name)


def one_lock_for_sqs() -> None:
    """AWS: "Amazon SQS stores copies of your messages on multiple servers for redundancy": none is lost.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/standard-queues-at-least-once-delivery.html

    moto's `delete_message` rebuilds the list of messages without a lock: one that arrives meanwhile is gone.
    """
    Queue = _moto("sqs.models", "Queue")
    SQSBackend = _moto("sqs.models", "SQSBackend")

    original_init = Queue.__init__

    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        original_init(self, *args, **kwargs)
        self._messages_lock = threading.Condition(_LOCK)

    Queue.__init__ = init
    for name in (
        "send_message",
        "send_message_batch",
        "receive_message",
        "delete_message",
        "delete_message_batch",
        "change_message_visibility",
        "get_queue_attributes",
        "purge_queue",
    ):
        setattr(SQSBackend, name, _locked(getattr(SQSBackend, name)))


def visible_again_is_not_pending() -> None:
    """AWS: messages of a group "are always processed one by one, in a strict order".

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/FIFO-queues-understanding-logic.html

    moto takes a message that is visible again out of the pending ones only when it comes to it in its loop,
    so that of two such messages of a group the second is handed out first. A queue that is waited for also
    has to learn of a message whose visibility was changed.
    """
    SQSBackend = _moto("sqs.models", "SQSBackend")

    receive, change = SQSBackend.receive_message, SQSBackend.change_message_visibility

    @wraps(receive)
    def receive_message(self: Any, queue_name: str, *args: Any, **kwargs: Any) -> Any:
        queue = self.get_queue(queue_name)
        queue._pending_messages = {message for message in queue._pending_messages if not message.visible}
        return receive(self, queue_name, *args, **kwargs)

    @wraps(change)
    def change_message_visibility(self: Any, queue_name: str, *args: Any, **kwargs: Any) -> None:
        change(self, queue_name, *args, **kwargs)
        self.get_queue(queue_name)._messages_lock.notify_all()

    SQSBackend.receive_message = _locked(receive_message)
    SQSBackend.change_message_visibility = _locked(change_message_visibility)


def long_polling_ends_in_time() -> None:
    """AWS: "If a message is available, the call returns sooner than WaitTimeSeconds".

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html

    moto looks once a second, so that a message comes late that becomes visible again, whose delay ends, or
    whose group is no longer held up by one in flight.
    """
    SQSBackend = _moto("sqs.models", "SQSBackend")

    receive, delete = SQSBackend.receive_message, SQSBackend.delete_message

    @wraps(receive)
    def receive_message(
        self: Any, queue_name: str, count: int, wait_seconds_timeout: float, *args: Any, **kwargs: Any
    ) -> Any:
        until = time.monotonic() + wait_seconds_timeout
        while True:
            messages = receive(self, queue_name, count, 0, *args, **kwargs)
            remaining = until - time.monotonic()
            if messages or remaining <= 0:
                return messages
            queue = self.get_queue(queue_name)
            queue._messages_lock.wait(min(remaining, _seconds_until_due(queue)))

    @wraps(delete)
    def delete_message(self: Any, queue_name: str, *args: Any, **kwargs: Any) -> None:
        delete(self, queue_name, *args, **kwargs)
        self.get_queue(queue_name)._messages_lock.notify_all()

    SQSBackend.receive_message = _locked(receive_message)
    SQSBackend.delete_message = _locked(delete_message)


def trace_header_of_the_request() -> None:
    """AWS: "To send X-Ray trace headers through Amazon SQS, you can use the X-Amzn-Trace-Id tracing header".

    And for SNS: "Amazon SNS forwards the trace header to Lambda, Amazon SQS, HTTP/S and Firehose endpoints
    that are subscribed". moto's SNS calls this method in the publisher's thread, so it serves both, raw and
    enveloped. The attribute wins over the header; "its value must be a correctly formatted AWS X-Ray trace
    header string".

    https://docs.aws.amazon.com/xray/latest/devguide/xray-services-sqs.html,
    https://docs.aws.amazon.com/xray/latest/devguide/xray-services-sns.html
    """
    InvalidParameterValue = _moto("sqs.exceptions", "InvalidParameterValue")
    SQSBackend = _moto("sqs.models", "SQSBackend")

    send = SQSBackend.send_message

    @wraps(send)
    def send_message(self: Any, *args: Any, system_attributes: Any = None, **kwargs: Any) -> Any:
        attributes = dict(system_attributes or {})
        given = attributes.get(_TRACE_ATTRIBUTE, {}).get("StringValue")
        if given is not None and parse(given) is None:
            raise InvalidParameterValue(f"Value {given} for parameter {_TRACE_ATTRIBUTE} is invalid.")
        header = http_trace_header.get()
        if given is None and header and parse(header):
            attributes[_TRACE_ATTRIBUTE] = {"DataType": "String", "StringValue": header}
        return send(self, *args, system_attributes=attributes, **kwargs)

    SQSBackend.send_message = send_message


def system_attributes_of_batch_entries() -> None:
    """AWS, SendMessageBatchRequestEntry: "MessageSystemAttributes: the message system attribute to send".

    moto drops them.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatchRequestEntry.html
    """
    InvalidParameterValue = _moto("sqs.exceptions", "InvalidParameterValue")
    SQSBackend = _moto("sqs.models", "SQSBackend")

    send_batch = SQSBackend.send_message_batch

    @wraps(send_batch)
    def send_message_batch(self: Any, queue_name: str, entries: dict[str, dict[str, Any]]) -> Any:
        given = {entry["Id"]: entry.get("MessageSystemAttributes") or {} for entry in entries.values()}
        for attributes in given.values():
            header = attributes.get(_TRACE_ATTRIBUTE, {}).get("StringValue")
            if header is not None and parse(header) is None:
                raise InvalidParameterValue(f"Value {header} for parameter {_TRACE_ATTRIBUTE} is invalid.")
        messages, failed = send_batch(self, queue_name, entries)
        for message in messages:  # nobody has seen them yet: the lock is ours
            message.system_attributes = {**message.system_attributes, **given[message.user_id]}
        return messages, failed

    SQSBackend.send_message_batch = _locked(send_message_batch)


def source_of_a_dead_letter() -> None:
    """AWS, ReceiveMessage: "DeadLetterQueueSourceArn", the queue from which SQS moved the message."""
    Queue = _moto("sqs.models", "Queue")
    SQSBackend = _moto("sqs.models", "SQSBackend")
    SQSResponse = _moto("sqs.responses", "SQSResponse")

    receive, add, respond = SQSBackend.receive_message, Queue.add_message, SQSResponse.receive_message
    source: ContextVar[str | None] = ContextVar("source", default=None)

    @wraps(add)
    def add_message(self: Any, message: Any) -> None:
        moved_from = source.get()
        if moved_from is not None and moved_from != self.queue_arn:
            message.dead_letter_source = moved_from
        add(self, message)

    @wraps(receive)
    def receive_message(self: Any, queue_name: str, *args: Any, **kwargs: Any) -> Any:
        token = source.set(self.get_queue(queue_name).queue_arn)
        try:
            return receive(self, queue_name, *args, **kwargs)
        finally:
            source.reset(token)

    @wraps(respond)
    def response(self: Any) -> Any:
        result = respond(self)
        self_queue = self.sqs_backend.get_queue(self._get_queue_name())
        sources = {m.id: getattr(m, "dead_letter_source", None) for m in self_queue._messages}
        for message in result.result.get("Messages", []):
            if "Attributes" in message and sources.get(message["MessageId"]):
                message["Attributes"][_SOURCE_ATTRIBUTE] = sources[message["MessageId"]]
        return result

    Queue.add_message = add_message
    SQSBackend.receive_message = receive_message
    SQSResponse.receive_message = response


def functions_subscribed_to_topics(callback: str) -> None:
    """AWS: SNS "invokes your function asynchronously with an event that contains a message and metadata".

    moto runs functions in Docker, with an event of constants.

    https://docs.aws.amazon.com/lambda/latest/dg/with-sns.html
    """
    Subscription = _moto("sns.models", "Subscription")

    publish = Subscription.publish

    @wraps(publish)
    def deliver(self: Any, message: str, message_id: str, **kwargs: Any) -> None:
        if self.protocol != "lambda":
            publish(self, message, message_id, **kwargs)
            return
        attributes = kwargs.get("message_attributes") or {}
        if self._filter_policy_matcher and not self._filter_policy_matcher.matches(attributes, message):
            return
        if kwargs.get("message_structure") == "json":
            message = self._parse_message_structure(message, self.protocol)
        event = _sns_event(self, message, message_id, kwargs.get("subject"), attributes)
        _post(callback, {"function": self.endpoint, "event": event, "trace_header": http_trace_header.get()})

    Subscription.publish = deliver


def _sns_event(
    subscription: Any, message: str, message_id: str, subject: str | None, attributes: dict[str, Any]
) -> dict[str, Any]:
    notification = sns.notification(
        message,
        topic_arn=subscription.topic.arn,
        message_id=message_id,
        timestamp=datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        subject=subject,
        attributes=attributes,
        subscription_arn=subscription.arn,
    )
    return sns.event(sns.for_a_function(notification), subscription_arn=subscription.arn)


def _post(url: str, document: dict[str, Any]) -> None:
    request = urllib.request.Request(  # noqa: S310 - the URL is the cloud's own
        url, data=json.dumps(document).encode(), headers={"Content-Type": "application/json"}, method="POST"
    )
    with urllib.request.urlopen(request, timeout=30):  # noqa: S310 - likewise
        pass


def _seconds_until_due(queue: Any) -> float:
    """Return the seconds until the next message that is hidden or delayed can be received."""
    now = time.time() * 1000
    due = [moment for m in queue._messages if (moment := max(m.visible_at, m.delayed_until)) > now]
    return (min(due) - now) / 1000 + 0.002 if due else 3600.0


def _locked(method: Any) -> Any:
    @wraps(method)
    def under_lock(*args: Any, **kwargs: Any) -> Any:
        with _LOCK:
            return method(*args, **kwargs)

    return under_lock
