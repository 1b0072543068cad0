"""The event sources of batches: how their items are passed to the handler, ordered, and identified in a response.

They are passed as Powertools' data classes; its processors aren't used (`docs/batches.md` explains why).
"""

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any, Final, NamedTuple

from aws_lambda_powertools.utilities.data_classes.dynamo_db_stream_event import DynamoDBRecord
from aws_lambda_powertools.utilities.data_classes.kafka_event import KafkaEventRecord
from aws_lambda_powertools.utilities.data_classes.kinesis_stream_event import KinesisStreamRecord
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from ..errors import NotABatchError
from ..trigger.read import messages_of, read_trigger


class Source(NamedTuple):
    """How the items of one event source are passed to the handler, ordered, and identified in a response.

    Attributes:
        data_class: Powertools' data class of an item.
        identifier: returns the item's `itemIdentifier` in `batchItemFailures`.
        lane: returns the item's lane: items of the same lane have to be processed in order. `None`: there is
            no order.
        from_lowest: whether Lambda retries everything from the lowest identifier on.
    """

    data_class: Callable[[Any], Any]
    identifier: Callable[[Any], Any]
    lane: Callable[[Any], object] | None = None
    from_lowest: bool = False


def _kafka_identifier(record: Any) -> dict[str, Any]:
    return {"partition": f"{record['topic']}-{record['partition']}", "offset": record["offset"]}


def _group(record: Any) -> object:
    try:
        return record["attributes"]["MessageGroupId"]
    except Exception:  # messages of FIFO queues always have one: any without it share a lane
        return None


# In https://docs.aws.amazon.com/lambda/latest/dg/: services-sqs-errorhandling.html (the message's id; in a
# FIFO group everything after a failure is given back), services-kinesis-batchfailurereporting.html ("Lambda uses
# the record with the lowest sequence number"), kafka-retry-configurations.html (topic-partition, offset).
_STANDARD: Final = Source(SQSRecord, itemgetter("messageId"))
_FIFO: Final = _STANDARD._replace(lane=_group)
_SOURCES: Final = {
    "sqs": _STANDARD,
    "kinesis": Source(KinesisStreamRecord, lambda it: it["kinesis"]["sequenceNumber"], lambda _: 0, True),
    "dynamodb": Source(DynamoDBRecord, lambda it: it["dynamodb"]["SequenceNumber"], lambda _: 0, True),
    "kafka": Source(KafkaEventRecord, _kafka_identifier, lambda it: (it["topic"], it["partition"])),
}
_NO_SOURCE: Final = ("lambda", "unknown")


def read_batch(event: Any) -> tuple[Source, Sequence[Any]]:
    """Return the event source of a batch, and its items.

    Raises:
        NotABatchError: the event isn't a batch, or its source doesn't support responses for single items.
    """
    records, kind = messages_of(event), read_trigger(event).type
    if records is not None and len(records) == 0:
        return _STANDARD, ()  # the last call of a Kinesis window: nothing to process, nothing to lose
    if records is not None and kind in _NO_SOURCE:  # the first item may be broken
        kinds = (read_trigger({"Records": [record]}).type for record in records)
        kind = next((found for found in kinds if found not in _NO_SOURCE), kind)
    source = _SOURCES.get(kind.rpartition("-")[2])  # `sns-sqs` is a message in a queue, too
    # A bare list comes from a pipe, which identifies stream records by other ids:
    # https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-pipes-batching-concurrency.html
    if records is None or source is None or (source is not _STANDARD and isinstance(event, list)):
        raise NotABatchError(
            "each_record=True takes batches from SQS, Kinesis, DynamoDB streams and Kafka; this event is "
            f"{_described(kind, event)}. Decorate with @production alone for a function that handles whole "
            "events; in a test, make a batch with lambda_guard.testing.events.sqs(…)"
        )
    return (_FIFO if source is _STANDARD and _is_fifo(records) else source), records


def _described(kind: str, event: Any) -> str:
    if kind in _NO_SOURCE:
        return f"a {type(event).__name__} that no such source sends"
    return f"of type {kind!r}"


def _is_fifo(records: Sequence[Any]) -> bool:
    arns = (record.get("eventSourceARN") for record in records if isinstance(record, dict))
    return str(next((arn for arn in arns if arn), "")).endswith(".fifo")


def identifiers(source: Source, records: Sequence[Any]) -> list[Any]:
    """Return each item's identifier in a partial batch response; `None` for an item without one."""
    try:
        found = list(map(source.identifier, records))
        if (set(map(type, found)) == {str} and all(found)) or all(map(_names_a_record, found)):
            return found
    except Exception:  # an item has none: they are read one by one
        found = []
    return [_identifier(source, record) for record in records]


def _identifier(source: Source, record: Any) -> Any:
    try:
        found = source.identifier(record)
    except Exception:
        return None
    return found if _names_a_record(found) else None


def _names_a_record(identifier: Any) -> bool:
    return bool(identifier) and isinstance(identifier, str | dict)
