"""Records of Kinesis and DynamoDB streams, as `GetRecords` of boto3 gives them, as Lambda hands them over.

https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html, https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html.
"""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from . import arns
from .sample import fill


def kinesis_record(raw: Mapping[str, Any], *, stream_arn: str, shard_id: str) -> dict[str, Any]:
    """Return a record of a Kinesis stream, its data as base64; the role's name is the one in AWS's example."""
    return fill(
        "kinesis",
        role_arn=f"arn:aws:iam::{stream_arn.split(':')[4]}:role/lambda-role",
        data=_plain(raw["Data"]),
        stream_arn=stream_arn,
        region=arns.region(stream_arn),
        shard_id=shard_id,
        sequence_number=str(raw["SequenceNumber"]),
        partition_key=raw["PartitionKey"],
        arrived=_plain(raw["ApproximateArrivalTimestamp"]),
    )


def dynamodb_record(raw: Mapping[str, Any], *, stream_arn: str) -> dict[str, Any]:
    """Return a record of a table's stream: binary values as base64, times in seconds."""
    return {**_plain(raw), "awsRegion": arns.region(stream_arn), "eventSourceARN": stream_arn}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, bytes):
        return b64encode(value).decode("ascii")
    return value.timestamp() if isinstance(value, datetime) else value


def discarded_batch(
    records: Sequence[Mapping[str, Any]],
    *,
    stream_arn: str,
    shard_id: str,
    function_arn: str,
    condition: str,
    attempts: int,
    request_id: str,
    function_error: str | None,
    timestamp: str,
) -> dict[str, Any]:
    """Return what an on-failure destination is told of records that Lambda gives up: where they are, not what they are.

    https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html#kinesis-on-failure-destination-example-sqs-sns,
    https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html

    Args:
        records: as the function got them.
        stream_arn: the stream.
        shard_id: the shard.
        function_arn: the function.
        condition: `RetryAttemptsExhausted` or `RecordAgeExceeded`.
        attempts: how often the function was invoked.
        request_id: of the last invocation; a new one where there was none.
        function_error: of the last invocation; None where there was none, or where it succeeded in part.
        timestamp: when they were given up, as `2025-11-25T15:04:05.135Z`.
    """
    first, last = (_place(records[index]) for index in (0, -1))
    kind = "dynamodb" if "dynamodb" in records[0] else "kinesis"
    response = {"statusCode": 200, "executedVersion": "$LATEST", "functionError": function_error}
    info = {
        "shardId": shard_id,
        "startSequenceNumber": first[0],
        "endSequenceNumber": last[0],
        "approximateArrivalOfFirstRecord": first[1],
        "approximateArrivalOfLastRecord": last[1],
        "batchSize": len(records),
        "streamArn": stream_arn,
    }
    return fill("discarded-batch", locals(), response=response if attempts else None, **{kind: info})


def _place(record: Mapping[str, Any]) -> tuple[str, str]:
    """Return a record's sequence number, and when it arrived."""
    number, arrived = position(record)
    moment = datetime.fromtimestamp(arrived, UTC)
    return number, moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def position(record: Mapping[str, Any]) -> tuple[str, float]:
    """Return a record's sequence number, and when it arrived, in seconds since the epoch."""
    if "dynamodb" in record:
        change = record["dynamodb"]
        return str(change["SequenceNumber"]), float(change["ApproximateCreationDateTime"])
    return str(record["kinesis"]["sequenceNumber"]), float(record["kinesis"]["approximateArrivalTimestamp"])
