"""Sample events of event buses and buckets, directly and through a queue.

https://docs.aws.amazon.com/eventbridge/latest/ref/overiew-event-structure.html
"""

from collections.abc import Sequence
from typing import Any

from lambda_guard.shapes.sample import fill
from lambda_guard.testing._queue_events import TraceHeaders, of_a_queue, sns_in_sqs, sqs
from lambda_guard.testing._samples import ACCOUNT, QUEUE_ARN, REGION, SENT_MS, Event, iso, uuid


def eventbridge(
    detail: Any = None,
    *,
    detail_type: str = "OrderPlaced",
    source: str = "com.example.orders",
    resources: Sequence[str] = (),
    event_id: str | None = None,
    sent_ms: int = SENT_MS,
) -> Event:
    """An event from an EventBridge bus, as a rule's target receives it.

    It doesn't contain the sender's trace header, which Lambda provides in `_X_AMZN_TRACE_ID`.

    Args:
        detail: the event's content, an object; `{}` if not given.
        detail_type: the kind of event.
        source: the sender.
        resources: the ARNs of the resources concerned.
        event_id: the id returned by `PutEvents`.
        sent_ms: when it occurred, in milliseconds since the epoch; the event has whole seconds.
    """
    return fill(
        "eventbridge",
        locals(),
        detail={} if detail is None else detail,
        event_id=event_id or uuid(1, kind=3),
        time=iso(sent_ms, timespec="seconds"),
        account=ACCOUNT,
        region=REGION,
        resources=list(resources),
    )


def eventbridge_in_sqs(
    *details: Any,
    detail_type: str = "OrderPlaced",
    source: str = "com.example.orders",
    trace_header: TraceHeaders = None,
    attempt: int | Sequence[int] = 1,
    queue_arn: str = QUEUE_ARN,
    message_ids: Sequence[str] | None = None,
    sent_ms: int = SENT_MS,
) -> Event:
    """A batch from a queue that is the target of an EventBridge rule: one event per message.

    Args:
        details: the events' contents; if none is given, there is one event with `{}`.
        detail_type: the kind of events.
        source: the sender.
        trace_header: the sender's X-Ray header, which EventBridge passes on to the queue.
        attempt: how often the message was received, for all or one per message.
        queue_arn: the queue.
        message_ids: the queue's ids, one per message.
        sent_ms: when they occurred, in milliseconds since the epoch.

    Raises:
        ValueError: a sequence is of another length than there are messages.
    """
    bodies = [
        eventbridge(
            detail, detail_type=detail_type, source=source, event_id=uuid(number, kind=3), sent_ms=sent_ms
        )
        for number, detail in enumerate(details or ({},), 1)
    ]
    return sqs(*bodies, **of_a_queue(locals()))


def schedule(
    *,
    rule_arn: str = f"arn:aws:events:{REGION}:{ACCOUNT}:rule/nightly",
    event_id: str | None = None,
    sent_ms: int = SENT_MS,
) -> Event:
    """The event of a scheduled EventBridge rule; EventBridge *Scheduler* sends the payload that you set.

    Args:
        rule_arn: the rule.
        event_id: the event's id.
        sent_ms: when it was due, in milliseconds since the epoch; the event has whole seconds.
    """
    return eventbridge(
        detail_type="Scheduled Event",
        source="aws.events",
        resources=[rule_arn],
        event_id=event_id,
        sent_ms=sent_ms,
    )


def s3(
    *keys: str,
    bucket: str = "example-orders",
    event_name: str = "ObjectCreated:Put",
    size: int = 1024,
    request_id: str | None = None,
    sent_ms: int = SENT_MS,
) -> Event:
    """A notification from an S3 bucket: one record per key.

    Args:
        keys: the objects' keys, written as S3 writes them (URL-encoded); if none is given, there is one.
        bucket: the bucket.
        event_name: `ObjectCreated:Put`, `ObjectRemoved:Delete` …
        size: the size of each object in bytes.
        request_id: the id of the request that made the change.
        sent_ms: when the change was made, in milliseconds since the epoch.
    """
    given = locals()
    records = [
        fill(
            "s3",
            given,
            key=key,
            request_id=request_id or f"C3D13FE58DE4C{number:03X}",
            time=iso(sent_ms),
            region=REGION,
            principal="AWS:AIDAEXAMPLEEXAMPLE123",
            source_ip="192.0.2.1",
            configuration="orders-created",
            etag="d41d8cd98f00b204e9800998ecf8427e",
            sequencer=f"0A1B2C3D4E5F678{number:03d}",
        )
        for number, key in enumerate(keys or ("orders/o-1.json",), 1)
    ]
    return {"Records": records}


def s3_in_sqs(
    *keys: str,
    bucket: str = "example-orders",
    event_name: str = "ObjectCreated:Put",
    topic_arn: str | None = None,
    trace_header: TraceHeaders = None,
    attempt: int | Sequence[int] = 1,
    queue_arn: str = QUEUE_ARN,
    message_ids: Sequence[str] | None = None,
    sent_ms: int = SENT_MS,
) -> Event:
    """A batch from a queue that receives a bucket's notifications: one message per key.

    Args:
        keys: the objects' keys; if none is given, there is one.
        bucket: the bucket.
        event_name: `ObjectCreated:Put`, `ObjectRemoved:Delete` …
        topic_arn: a topic between bucket and queue; if not given, there is none.
        trace_header: the X-Ray header of the message.
        attempt: how often the message was received, for all or one per message.
        queue_arn: the queue.
        message_ids: the queue's ids, one per message.
        sent_ms: when the change was made, in milliseconds since the epoch.

    Raises:
        ValueError: a sequence is of another length than there are messages.
    """
    bodies = [
        s3(key, bucket=bucket, event_name=event_name, sent_ms=sent_ms) for key in keys or ("orders/o-1.json",)
    ]
    queue = of_a_queue(locals())
    if topic_arn is None:
        return sqs(*bodies, **queue)
    return sns_in_sqs(*bodies, subject="Amazon S3 Notification", topic_arn=topic_arn, **queue)
