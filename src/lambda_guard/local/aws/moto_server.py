"""moto's server in a process of its own, with what AWS documents and moto 5.2 doesn't do.

`python -m lambda_guard.local.aws.moto_server PORT CONTROL [enforced]`: a process of its own, because moto's state is
global: tests that use moto's decorators in the same process as a local cloud would reset it. Calls of Lambda's
API go on to the cloud, whose functions it invokes.

What moto lacks is each in one place with the sentence that it implements: each function that `install` calls replaces
one thing in moto; when moto has it, the function goes. `install` fails where moto no longer looks as expected.
"""
# ruff: noqa: SLF001 - what is missing in moto is inside its classes

import contextlib
import hashlib
import itertools
import json
import logging
import sys
import threading
import time
from collections import defaultdict
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from moto.cloudwatch.responses import CloudWatchResponse
from moto.core.responses import ActionResult, EmptyResult
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from moto.sns.models import Subscription
from moto.sqs.exceptions import InvalidParameterValue
from moto.sqs.models import Queue, SQSBackend
from moto.sqs.responses import SQSResponse
from werkzeug.datastructures import EnvironHeaders
from werkzeug.middleware.http_proxy import ProxyMiddleware
from werkzeug.serving import make_server
from werkzeug.wrappers import Response

from lambda_guard.local.aws.buckets import buckets_notify, buckets_send_to_the_default_bus, events_of_buckets
from lambda_guard.local.aws.deliveries import Functions, UndeliverableError, trace_header
from lambda_guard.local.aws.event_bus import rules_deliver, trace_headers_of_entries
from lambda_guard.local.aws.event_patterns import answering_filters, objects_in_arrays
from lambda_guard.local.aws.log_groups import functions_are_destinations, log_groups_deliver
from lambda_guard.local.aws.replacing import locked, replaces
from lambda_guard.local.aws.state_machines import (
    executions_are_waited_for,
    executions_run,
    tasks_call_services,
)
from lambda_guard.local.aws.streams import one_iterator_at_the_end, one_lock_for_streams
from lambda_guard.local.runtime.callers import AUTHORIZE, DELIVER, is_loopback, refusal
from lambda_guard.local.runtime.http_server import HOST
from lambda_guard.local.runtime.platform_log import now_text
from lambda_guard.propagation.header import parse
from lambda_guard.shapes import sns

_CONTROL = "/moto-api"
_LAMBDA = ("/2015-03-31/", "/2019-09-25/")  # the versions of its API that the local cloud answers
_LOCK = threading.RLock()
_TRACE_ATTRIBUTE = "AWSTraceHeader"
_SOURCE_ATTRIBUTE = "DeadLetterQueueSourceArn"
_OLDEST = "OldestMessageSince"
_RECEIVES_MOST = 3
_DEDUPLICATED_MS = 300_000
_OF_THE_PROTOCOL = {"Action", "Version"}


def main(port: int, control: str, enforced: bool) -> None:
    """Serve until killed; the first line on stdout is the port.

    Args:
        port: 0 for any free one.
        control: the cloud's address, as `host:port`.
        enforced: whether functions are held to their roles' policies.
    """
    install(f"http://{control}{DELIVER}")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    moto = DomainDispatcherApplication(create_backend_app)
    targets = {path: {"target": f"http://{control}"} for path in _LAMBDA}
    front: Any = ProxyMiddleware(moto, targets, timeout=None)  # type: ignore[arg-type]  # as long as the function's
    if enforced:
        from lambda_guard.local.aws.authorization import held_to_policies

        front = held_to_policies(front, moto, f"http://{control}{AUTHORIZE}")
    front = answering_filters(front)
    server = make_server(HOST, port, loopback_only(front), threaded=True, request_handler=MotoRequestHandler)
    tasks_call_services(server.server_port)
    server.daemon_threads = True  # type: ignore[attr-defined]  # ThreadingMixIn's
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    server.serve_forever()


def loopback_only(application: WSGIApplication) -> WSGIApplication:
    """Refuse what `refusal` refuses, and moto's own control API to every page."""

    def front(environ: WSGIEnvironment, start_response: StartResponse) -> Any:
        headers = {name.lower(): value for name, value in EnvironHeaders(environ).items()}
        refused = refusal(environ["REQUEST_METHOD"], headers)
        if environ["PATH_INFO"].startswith(_CONTROL) and headers.keys() & {"origin", "sec-fetch-site"}:
            refused = f"Refused: {_CONTROL} isn't open to browsers; call it from a program."
        respond = application if refused is None else Response(refused, 403)
        return respond(environ, start_response)

    return front


def install(callback: str) -> None:
    """Put everything in place; what is sent to functions is posted to the URL `callback`."""
    functions = Functions(callback)
    one_lock_for_sqs()
    receives_in_order_and_in_time()
    trace_header_of_the_request()
    system_attributes_of_batch_entries()
    source_of_a_dead_letter()
    fifo_messages_once_and_numbered()
    age_of_the_oldest_message()
    functions_subscribed_to_topics(functions)
    composite_alarms_and_anomaly_detectors()
    objects_in_arrays()
    one_lock_for_streams(_LOCK)
    one_iterator_at_the_end()
    rules_deliver(functions)
    trace_headers_of_entries()
    events_of_buckets()
    buckets_notify(functions)
    buckets_send_to_the_default_bus()
    log_groups_deliver(functions)
    functions_are_destinations()
    executions_run()
    executions_are_waited_for()


def one_lock_for_sqs() -> None:
    """AWS: "Amazon SQS stores copies of your messages on multiple servers for redundancy": none is lost.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/standard-queues-at-least-once-delivery.html

    moto's `delete_message` rebuilds the list of messages without a lock: one that arrives meanwhile is gone.
    """

    @replaces(Queue, "__init__")
    def init(original: Any, self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        self._messages_lock = threading.Condition(_LOCK)

    for name in (
        "send_message",
        "send_message_batch",
        "delete_message_batch",
        "get_queue_attributes",
        "purge_queue",
    ):
        setattr(SQSBackend, name, locked(getattr(SQSBackend, name), _LOCK))


def receives_in_order_and_in_time() -> None:
    """AWS: messages of a group "are always processed one by one, in a strict order".

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/FIFO-queues-understanding-logic.html

    moto removes a message that is visible again from the pending ones only when its loop reaches the message,
    so that of two such messages of a group the second is received first.

    AWS: "If a message is available, the call returns sooner than WaitTimeSeconds".

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html

    moto looks once a second: messages that become visible again, whose delay ends, or whose group is no longer
    blocked by one in flight are received late.
    """

    @replaces(SQSBackend, "receive_message", lock=_LOCK)
    def receive_message(
        original: Any, self: Any, queue_name: str, count: int, seconds: float, *args: Any, **kwargs: Any
    ) -> Any:
        until = time.monotonic() + seconds
        while True:
            queue = self.get_queue(queue_name)
            queue._pending_messages = {it for it in queue._pending_messages if not it.visible}
            messages = original(self, queue_name, count, 0, *args, **kwargs)
            remaining = until - time.monotonic()
            if messages or remaining <= 0:
                return messages
            queue._messages_lock.wait(min(remaining, _seconds_until_due(queue)))

    for name in ("change_message_visibility", "delete_message"):

        @replaces(SQSBackend, name, lock=_LOCK)
        def change(original: Any, self: Any, queue_name: str, *args: Any, **kwargs: Any) -> None:
            original(self, queue_name, *args, **kwargs)
            self.get_queue(queue_name)._messages_lock.notify_all()


def trace_header_of_the_request() -> None:
    """AWS: "To send X-Ray trace headers through Amazon SQS, you can use the X-Amzn-Trace-Id tracing header".

    And for SNS: "Amazon SNS forwards the trace header to Lambda, Amazon SQS, HTTP/S and Firehose endpoints
    that are subscribed". moto's SNS calls this method in the publisher's thread, so it serves both, raw and
    enveloped. The attribute wins over the header; "its value must be a correctly formatted AWS X-Ray trace
    header string".

    https://docs.aws.amazon.com/xray/latest/devguide/xray-services-sqs.html,
    https://docs.aws.amazon.com/xray/latest/devguide/xray-services-sns.html
    """

    @replaces(SQSBackend, "send_message")
    def send_message(
        original: Any, self: Any, *args: Any, system_attributes: Any = None, **kwargs: Any
    ) -> Any:
        attributes = _checked(system_attributes)
        header = trace_header()
        if header and parse(header):
            attributes.setdefault(_TRACE_ATTRIBUTE, {"DataType": "String", "StringValue": header})
        return original(self, *args, system_attributes=attributes, **kwargs)


def system_attributes_of_batch_entries() -> None:
    """AWS, SendMessageBatchRequestEntry: "MessageSystemAttributes: the message system attribute to send".

    moto drops them.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatchRequestEntry.html
    """

    @replaces(SQSBackend, "send_message_batch", lock=_LOCK)
    def send_message_batch(
        original: Any, self: Any, queue_name: str, entries: dict[str, dict[str, Any]]
    ) -> Any:
        given = {entry["Id"]: _checked(entry.get("MessageSystemAttributes")) for entry in entries.values()}
        messages, failed = original(self, queue_name, entries)
        for message in messages:  # nobody has seen them yet: the lock is ours
            message.system_attributes = {**message.system_attributes, **given[message.user_id]}
        return messages, failed


def source_of_a_dead_letter() -> None:
    """AWS: "DeadLetterQueueSourceArn", the queue from which SQS moved the message.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html
    """

    @replaces(Queue, "add_message")
    def add_message(original: Any, self: Any, message: Any) -> None:
        before = getattr(message, "queue_arn", self.queue_arn)
        if before != self.queue_arn:
            message.dead_letter_source = before
            message.dead_since = time.time() * 1000
        message.queue_arn = self.queue_arn
        original(self, message)

    @replaces(SQSResponse, "receive_message")
    def response(original: Any, self: Any) -> Any:
        result = original(self)
        self_queue = self.sqs_backend.get_queue(self._get_queue_name())
        sources = {m.id: getattr(m, "dead_letter_source", None) for m in self_queue._messages}
        for message in result.result.get("Messages", []):
            if "Attributes" in message and sources.get(message["MessageId"]):
                message["Attributes"][_SOURCE_ATTRIBUTE] = sources[message["MessageId"]]
        return result


def fifo_messages_once_and_numbered() -> None:
    """AWS: a message with the same deduplication id within five minutes is "accepted … but isn't delivered".

    moto delivers it if the first is deleted by then. And a message's SequenceNumber "continues to increase for a
    particular MessageGroupId"; moto's is random, and missing where the id is made from the content.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/using-messagededuplicationid-property.html,
    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
    """
    numbers = itertools.count(18_870_000_000_000_000_000, 256)

    @replaces(Queue, "add_message")
    def add_message(original: Any, self: Any, message: Any) -> None:
        if self.fifo_queue and not hasattr(message, "queue_arn"):  # sent, not moved
            message.sequence_number = str(next(numbers))
            key, sent = message.deduplication_id or message.id, self.__dict__.setdefault("sent_by_id", {})
            if message.sent_timestamp - sent.get(key, 0) < _DEDUPLICATED_MS:
                return
            sent[key] = message.sent_timestamp
        original(self, message)


def age_of_the_oldest_message() -> None:
    """AWS, ApproximateAgeOfOldestMessage: "The age of the oldest non-deleted message in the queue".

    Without those "received more than three times"; in a dead-letter queue "when the message was moved". On AWS it is a
    metric alone; here an attribute tells since when, in milliseconds since 1970, if it alone is asked for.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
    """

    @replaces(SQSBackend, "get_queue_attributes", lock=_LOCK)
    def get_queue_attributes(original: Any, self: Any, queue_name: str, names: list[str]) -> Any:
        if names != [_OLDEST]:
            return original(self, queue_name, names)
        messages = self.get_queue(queue_name)._messages
        since = [
            getattr(it, "dead_since", it.sent_timestamp)
            for it in messages
            if it.approximate_receive_count <= _RECEIVES_MOST or hasattr(it, "dead_since")
        ]
        return {_OLDEST: int(min(since))} if since else {}


def functions_subscribed_to_topics(functions: Functions) -> None:
    """AWS: SNS "invokes your function asynchronously with an event that contains a message and metadata".

    moto runs functions in Docker, with an event of constants, and posts to addresses anywhere.

    https://docs.aws.amazon.com/lambda/latest/dg/with-sns.html
    """

    @replaces(Subscription, "publish")
    def deliver(original: Any, self: Any, message: str, message_id: str, **kwargs: Any) -> None:
        if self.protocol in {"http", "https"} and not is_loopback(self.endpoint):
            functions.say(
                f"a message of {self.topic.name} stays on this machine: {self.endpoint} doesn't get it"
            )
            return
        if self.protocol != "lambda":
            with contextlib.suppress(OSError):  # as on AWS, the publisher isn't told
                original(self, message, message_id, **_deduplicated(self.topic, message, kwargs))
            return
        attributes = kwargs.get("message_attributes") or {}
        if self._filter_policy_matcher and not self._filter_policy_matcher.matches(attributes, message):
            return
        if kwargs.get("message_structure") == "json":
            message = self._parse_message_structure(message, self.protocol)
        event = _sns_event(self, message, message_id, kwargs.get("subject"), attributes)
        with contextlib.suppress(UndeliverableError):  # as on AWS, the publisher isn't told
            functions.invoke(self.endpoint, json.dumps(event), topic=self.topic.arn)


def _deduplicated(topic: Any, message: str, given: dict[str, Any]) -> dict[str, Any]:
    """Give a message of a FIFO topic its id: "Amazon SNS uses a SHA-256 hash to generate the message deduplication ID".

    moto leaves it to the queue.

    https://docs.aws.amazon.com/sns/latest/dg/fifo-message-dedup.html
    """
    if str(topic.content_based_deduplication).lower() != "true" or given.get("deduplication_id"):
        return given
    return {**given, "deduplication_id": hashlib.sha256(message.encode()).hexdigest()}


def composite_alarms_and_anomaly_detectors() -> None:
    """A composite alarm is an alarm with a rule; an anomaly detector is there once it was put.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutCompositeAlarm.html,
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutAnomalyDetector.html
    """

    def put_composite_alarm(self: Any) -> Any:
        return self.put_metric_alarm()

    def put_anomaly_detector(self: Any) -> Any:
        detector = {key: value for key, value in self._get_params().items() if key not in _OF_THE_PROTOCOL}
        detectors[self.current_account, self.region].append(detector)
        return EmptyResult()

    def describe_anomaly_detectors(self: Any) -> Any:
        return ActionResult({"AnomalyDetectors": detectors[self.current_account, self.region]})

    detectors: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for method in (put_composite_alarm, put_anomaly_detector, describe_anomaly_detectors):
        if hasattr(CloudWatchResponse, method.__name__):
            raise AttributeError(f"moto has {method.__name__} now")
        setattr(CloudWatchResponse, method.__name__, method)


def _sns_event(
    subscription: Any, message: str, message_id: str, subject: str | None, attributes: dict[str, Any]
) -> dict[str, Any]:
    notification = sns.notification(
        message,
        topic_arn=subscription.topic.arn,
        message_id=message_id,
        timestamp=now_text(),
        subject=subject,
        attributes=attributes,
        subscription_arn=subscription.arn,
    )
    return sns.event(sns.for_a_function(notification), subscription_arn=subscription.arn)


def _checked(attributes: dict[str, Any] | None) -> dict[str, Any]:
    header = (attributes or {}).get(_TRACE_ATTRIBUTE, {}).get("StringValue")
    if header is not None and parse(header) is None:
        raise InvalidParameterValue(f"Value {header} for parameter {_TRACE_ATTRIBUTE} is invalid.")
    return dict(attributes or {})


def _seconds_until_due(queue: Any) -> float:
    """Return the seconds until the next message that is hidden or delayed can be received."""
    now = time.time() * 1000
    due = [moment for m in queue._messages if (moment := max(m.visible_at, m.delayed_until)) > now]
    return (min(due) - now) / 1000 + 0.002 if due else 3600.0


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], enforced="enforced" in sys.argv[3:])
