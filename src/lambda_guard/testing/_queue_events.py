"""Sample events of queues and topics."""

import json
from collections.abc import Mapping, Sequence
from hashlib import md5
from typing import Any, Final

from lambda_guard.shapes import sns as sns_shapes
from lambda_guard.shapes import sqs as sqs_shapes
from lambda_guard.shapes.sample import fill
from lambda_guard.testing._samples import (
    FIFO_QUEUE_ARN,
    QUEUE_ARN,
    SENT_MS,
    TOPIC_ARN,
    Event,
    iso,
    one_each,
    text_of,
    uuid,
)

TraceHeaders = str | Sequence[str | None] | None

_OF_A_QUEUE: Final = ("trace_header", "attempt", "queue_arn", "message_ids", "message_attributes", "sent_ms")


# long: one event, key by key, as AWS documents it
def sqs(
    *bodies: object,
    trace_header: TraceHeaders = None,
    attempt: int | Sequence[int] = 1,
    fifo: bool = False,
    message_group_id: str | Sequence[str] = "group-1",
    queue_arn: str | None = None,
    message_ids: Sequence[str] | None = None,
    message_attributes: Mapping[str, str] | None = None,
    sent_ms: int = SENT_MS,
) -> Event:
    """A batch from SQS with one message per body; strings stay as they are, anything else becomes JSON.

    ```python
    handler(events.sqs({"order_id": "o-1"}, {"order_id": "o-2"}, attempt=3), make_context())
    ```

    Args:
        bodies: one message each; if none is given, there is one message with the body `{}`.
        trace_header: the sender's X-Ray header (`AWSTraceHeader`), for all or one per message.
        attempt: how often the message was received, for all or one per message.
        fifo: from a FIFO queue: with message group, deduplication id and sequence number.
        message_group_id: with `fifo`, the group, for all or one per message.
        queue_arn: the queue; if not given, `orders` or `orders.fifo` of the sample account.
        message_ids: one per message.
        message_attributes: String attributes of every message.
        sent_ms: when the messages were sent, in milliseconds since the epoch.

    Raises:
        ValueError: a sequence is of another length than there are messages.
    """
    bodies = bodies or ({},)
    count = len(bodies)
    columns = zip(
        map(text_of, bodies),
        one_each(message_ids, count, "message_ids"),
        one_each(trace_header, count, "trace_header"),
        one_each(attempt, count, "attempt"),
        one_each(message_group_id, count, "message_group_id"),
        strict=True,
    )
    messages = (
        {
            "MessageId": message_id or uuid(number),
            "ReceiptHandle": f"receipt-{number}-{received}",
            "Body": body,
            "MD5OfBody": md5(body.encode(), usedforsecurity=False).hexdigest(),
            "Attributes": fill(
                "sqs-attributes",
                attempt=received,
                sent_ms=sent_ms,
                received_ms=sent_ms + 1,
                trace_header=header,
                sequence_number=f"{18_849_496_460_467_696_128 + number}" if fifo else None,
                group=group if fifo else None,
                deduplication_id=f"deduplication-{number}" if fifo else None,
            ),
            "MessageAttributes": {
                name: sqs_shapes.text_attribute(value) for name, value in (message_attributes or {}).items()
            },
        }
        for number, (body, message_id, header, received, group) in enumerate(columns, 1)
    )
    arn = queue_arn or (FIFO_QUEUE_ARN if fifo else QUEUE_ARN)
    return {"Records": [sqs_shapes.record(message, arn) for message in messages]}


def of_a_queue(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a builder passes on to `sqs`, from its `locals()`."""
    return {name: given[name] for name in _OF_A_QUEUE if name in given}


def sns(
    message: object = "{}",
    *,
    subject: str | None = None,
    message_attributes: Mapping[str, str] | None = None,
    topic_arn: str = TOPIC_ARN,
    message_id: str | None = None,
    sent_ms: int = SENT_MS,
) -> Event:
    """A notification from an SNS topic, as a subscribed function receives it: always one record.

    It doesn't contain the publisher's trace header, which Lambda provides in `_X_AMZN_TRACE_ID`.

    Args:
        message: the published message; strings stay as they are, anything else becomes JSON.
        subject: the subject.
        message_attributes: String attributes.
        topic_arn: the topic.
        message_id: the id assigned by SNS.
        sent_ms: when it was published, in milliseconds since the epoch.
    """
    notification = sns_shapes.for_a_function(_notification(message, message_id or uuid(1, kind=1), locals()))
    return sns_shapes.event(notification, subscription_arn=f"{topic_arn}:{uuid(1, kind=2)}")


def _notification(message: object, message_id: str, given: Mapping[str, Any]) -> Event:
    """Return one message of a topic; `given` are the `locals()` of its builder."""
    attributes = given["message_attributes"] or {}
    return sns_shapes.notification(
        text_of(message),
        topic_arn=given["topic_arn"],
        message_id=message_id,
        timestamp=iso(given["sent_ms"]),
        subject=given["subject"],
        attributes={name: {"Type": "String", "Value": value} for name, value in attributes.items()},
    )


def sns_in_sqs(
    *messages: object,
    raw: bool = False,
    subject: str | None = None,
    message_attributes: Mapping[str, str] | None = None,
    topic_arn: str = TOPIC_ARN,
    sns_message_ids: Sequence[str] | None = None,
    trace_header: TraceHeaders = None,
    attempt: int | Sequence[int] = 1,
    queue_arn: str = QUEUE_ARN,
    message_ids: Sequence[str] | None = None,
    sent_ms: int = SENT_MS,
) -> Event:
    """A batch from a queue that is subscribed to an SNS topic.

    Args:
        messages: the published messages; if none is given, there is one, `{}`.
        raw: with raw message delivery: without an envelope, and with the attributes on the SQS message.
        subject: the subject, in the envelope.
        message_attributes: String attributes of every message.
        topic_arn: the topic.
        sns_message_ids: the ids in the envelopes, one per message.
        trace_header: the publisher's X-Ray header, which SNS passes on to the queue.
        attempt: how often the message was received, for all or one per message.
        queue_arn: the queue.
        message_ids: the queue's ids, one per message.
        sent_ms: when the messages were published, in milliseconds since the epoch.

    Raises:
        ValueError: a sequence is of another length than there are messages.
    """
    messages = messages or ("{}",)
    ids = one_each(sns_message_ids, len(messages), "sns_message_ids")
    given = locals()
    if raw:
        return sqs(*messages, **of_a_queue(given))
    notifications = (
        _notification(message, sns_id or uuid(number, kind=1), given)
        for number, (message, sns_id) in enumerate(zip(messages, ids, strict=True), 1)
    )
    bodies = [json.dumps(each, indent=2) for each in notifications]
    return sqs(*bodies, **of_a_queue(given | {"message_attributes": None}))
