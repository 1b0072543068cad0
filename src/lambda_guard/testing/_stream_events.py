"""Sample events of streams, brokers and log groups."""

import json
from base64 import b64encode
from collections.abc import Mapping
from numbers import Number
from typing import Any

from lambda_guard.shapes import arns
from lambda_guard.shapes.sample import fill
from lambda_guard.testing._samples import ACCOUNT, REGION, SENT_MS, Event, text_of, uuid

_STREAM_ARN = f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/orders"
_TABLE_STREAM_ARN = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/orders/stream/2025-11-25T00:00:00.000"
_CLUSTER_ARN = f"arn:aws:kafka:{REGION}:{ACCOUNT}:cluster/orders/{uuid(1)}-1"
_BROKER_ARN = f"arn:aws:mq:{REGION}:{ACCOUNT}:broker:orders:b-{uuid(1)}"


def _bytes(payload: object) -> bytes:
    return payload if isinstance(payload, bytes) else text_of(payload).encode()


def _base64(payload: object) -> str:
    return b64encode(_bytes(payload)).decode()


def kinesis(
    *payloads: object,
    stream_arn: str = _STREAM_ARN,
    partition_key: str = "o-1",
    shard_id: str = "shardId-000000000000",
    sent_ms: int = SENT_MS,
) -> Event:
    """A batch from a Kinesis stream: one record per payload, base64-encoded.

    Args:
        payloads: bytes and strings as they are, anything else as JSON; without any there is one, `{}`.
        stream_arn: the stream.
        partition_key: the partition key of every record.
        shard_id: the shard.
        sent_ms: when the records arrived, in milliseconds since the epoch.
    """
    given = locals() | {"region": arns.region(stream_arn), "role_arn": f"arn:aws:iam::{ACCOUNT}:role/orders"}
    records = [
        fill(
            "kinesis",
            given,
            data=_base64(payload),
            sequence_number=_sequence_number(number),
            arrived=sent_ms / 1000,
        )
        for number, payload in enumerate(payloads or ({},), 1)
    ]
    return {"Records": records}


def _sequence_number(number: int) -> str:
    return f"{49_590_338_271_490_256_608_559_692_538_361_571_095_921_575_989_136_588_800 + number}"


def dynamodb(
    *new_images: Mapping[str, Any],
    event_name: str = "INSERT",
    keys: tuple[str, ...] = ("id",),
    stream_arn: str = _TABLE_STREAM_ARN,
    sent_ms: int = SENT_MS,
) -> Event:
    """A batch from a DynamoDB stream: one record per item.

    ```python
    handler(events.dynamodb({"id": "o-1", "amount": 12}), make_context())
    ```

    Args:
        new_images: items as plain Python values, converted to DynamoDB's JSON; if none is given, there is one.
        event_name: `INSERT`, `MODIFY` or `REMOVE`; a removed item is in `OldImage`.
        keys: the names of the key attributes.
        stream_arn: the table's stream.
        sent_ms: when the items were written, in milliseconds since the epoch.

    Raises:
        TypeError: a value has no equivalent in DynamoDB.
    """
    records = []
    for number, item in enumerate(new_images or ({"id": "o-1"},), 1):
        image = {name: _attribute(value) for name, value in item.items()}
        record = fill(
            "dynamodb",
            locals(),
            seconds=sent_ms // 1000,
            keys={name: _attribute(item[name]) for name in keys if name in item},
            old_image=image if event_name == "REMOVE" else None,
            new_image=None if event_name == "REMOVE" else image,
            sequence_number=f"{4_421_584_500_000_000_017_450_439_091 + number}",
            size=len(json.dumps(image)),
        )
        records.append(record)
    return {"Records": records}


def _attribute(value: Any) -> dict[str, Any]:
    """Return a plain value in DynamoDB's JSON."""
    if isinstance(value, dict):
        return {"M": {name: _attribute(part) for name, part in value.items()}}
    if isinstance(value, list):
        return {"L": [_attribute(part) for part in value]}
    if value is None or isinstance(value, bool):
        return {"NULL": True} if value is None else {"BOOL": value}
    if isinstance(value, str | bytes):
        return {"S": value} if isinstance(value, str) else {"B": _base64(value)}
    if isinstance(value, Number):
        return {"N": str(value)}
    raise TypeError(
        f"DynamoDB has no form for {type(value).__name__}: give JSON values or bytes",
    )


def kafka(
    *values: object,
    topic: str = "orders",
    partition: int = 0,
    headers: Mapping[str, str] | None = None,
    self_managed: bool = False,
    cluster_arn: str = _CLUSTER_ARN,
    sent_ms: int = SENT_MS,
) -> Event:
    """A batch from Apache Kafka: one record per value, base64-encoded.

    Args:
        values: bytes and strings as they are, anything else as JSON; if none is given, there is one, `{}`.
        topic: the topic.
        partition: the partition.
        headers: the headers of every record; Lambda passes their values as lists of bytes.
        self_managed: from a self-managed cluster, which has no ARN, instead of Amazon MSK.
        cluster_arn: the MSK cluster.
        sent_ms: when the records were created, in milliseconds since the epoch.
    """
    bootstrap = "b-1.orders.example.com:9094,b-2.orders.example.com:9094"
    event: Event = {"eventSource": "SelfManagedKafka", "bootstrapServers": bootstrap}
    if not self_managed:
        event = {"eventSource": "aws:kafka", "eventSourceArn": cluster_arn, "bootstrapServers": bootstrap}
    given = locals()
    records = [
        fill(
            "kafka",
            given,
            offset=number - 1,
            key=_base64(f"o-{number}"),
            value=_base64(value),
            headers=[{name: list(text.encode())} for name, text in (headers or {}).items()],
        )
        for number, value in enumerate(values or ({},), 1)
    ]
    return event | {"records": {f"{topic}-{partition}": records}}


def mq(
    *bodies: object,
    rabbit: bool = False,
    queue: str = "orders",
    headers: Mapping[str, str] | None = None,
    broker_arn: str = _BROKER_ARN,
    sent_ms: int = SENT_MS,
) -> Event:
    """A batch from Amazon MQ: one message per body, base64-encoded.

    Args:
        bodies: bytes and strings as they are, anything else as JSON; if none is given, there is one, `{}`.
        rabbit: from RabbitMQ instead of ActiveMQ.
        queue: the queue.
        headers: for every message: ActiveMQ's custom properties, RabbitMQ's headers.
        broker_arn: the broker.
        sent_ms: when the messages were sent, in milliseconds since the epoch; RabbitMQ's have no such time.
    """
    source = {"eventSource": "aws:rmq" if rabbit else "aws:mq", "eventSourceArn": broker_arn}
    given = locals()
    messages = [
        fill(
            "rabbitmq" if rabbit else "mq",
            given,
            number=number,
            data=_base64(body),
            size=len(_bytes(body)),
            headers=_rabbit_headers(headers or {}) if rabbit else dict(headers or {}),
            out_ms=sent_ms + 1,
        )
        for number, body in enumerate(bodies or ({},), 1)
    ]
    return source | ({"rmqMessagesByQueue": {f"{queue}::/": messages}} if rabbit else {"messages": messages})


def _rabbit_headers(headers: Mapping[str, str]) -> Event:
    return {name: {"bytes": list(text.encode())} for name, text in headers.items()}


def firehose(
    *payloads: object,
    stream_arn: str = f"arn:aws:firehose:{REGION}:{ACCOUNT}:deliverystream/orders",
    sent_ms: int = SENT_MS,
) -> Event:
    """A batch of Data Firehose to be transformed: one record per payload, base64-encoded.

    Args:
        payloads: bytes and strings as they are, anything else as JSON; without any there is one, `{}`.
        stream_arn: the Firehose stream.
        sent_ms: when the records arrived, in milliseconds since the epoch.
    """
    records = [
        fill("firehose", sequence_number=_sequence_number(number), sent_ms=sent_ms, data=_base64(payload))
        for number, payload in enumerate(payloads or ({},), 1)
    ]
    return {
        "invocationId": uuid(1, kind=5),
        "deliveryStreamArn": stream_arn,
        "region": REGION,
        "records": records,
    }


def logs(
    *messages: str,
    log_group: str = "/aws/lambda/orders",
    log_stream: str = "2025/11/25/[$LATEST]0123456789abcdef0123456789abcdef",
    sent_ms: int = SENT_MS,
) -> Event:
    """The event of a subscription to a CloudWatch Logs group: JSON, gzipped and base64-encoded.

    Args:
        messages: the log lines; if none is given, there is one.
        log_group: the log group.
        log_stream: the log stream.
        sent_ms: when the lines were written, in milliseconds since the epoch.
    """
    from gzip import compress

    lines = [
        {"id": f"{number:056d}", "timestamp": sent_ms, "message": message}
        for number, message in enumerate(messages or ("order accepted",), 1)
    ]
    data = fill("logs", locals(), owner=ACCOUNT, filter=arns.name(log_group), events=lines)
    return {"awslogs": {"data": _base64(compress(text_of(data).encode(), mtime=0))}}
