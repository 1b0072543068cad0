"""Streams as Lambda's pollers read them: Kinesis' and the ones of DynamoDB's tables, shard by shard."""

import base64
import json
from dataclasses import dataclass
from typing import Any, Protocol

from lambda_guard.local.aws.moto_process import MotoProcess
from lambda_guard.local.lambda_service.filtering import content
from lambda_guard.shapes import arns, streams
from lambda_guard.templates.stack import MappingDeclaration


@dataclass(frozen=True, slots=True)
class StreamRecord:
    """A record of a shard.

    Attributes:
        event: as the function gets it.
        key: order is kept among the records of one key, however many batches of a shard are at work.
        text: the event as JSON.
    """

    event: dict[str, Any]
    key: str
    text: str

    @property
    def seen(self) -> Any:
        """As filters see it: of Kinesis, its `kinesis` alone, with the data decoded.

        https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis-filtering.html
        """
        kinesis = self.event.get("kinesis")
        if kinesis is None:
            return self.event
        return {**kinesis, "data": content(base64.b64decode(kinesis["data"]).decode(errors="replace"))}

    @property
    def sequence_number(self) -> str:
        """Its place in the shard."""
        return streams.position(self.event)[0]

    @property
    def arrived(self) -> float:
        """When it arrived, in seconds since the epoch."""
        return streams.position(self.event)[1]


class Stream(Protocol):
    """A stream that exists.

    Attributes:
        arn: its ARN.
        page: the most records that one read returns.
    """

    arn: str
    page: int

    def shards(self) -> list[str]:
        """Return the ids of its shards."""

    def iterator(self, shard: str, position: str, timestamp: float | None) -> str:
        """Return where reading begins: see `StartingPosition`."""

    def read(self, shard: str, iterator: str, limit: int) -> tuple[list[StreamRecord], str]:
        """Return the next records, and the iterator that follows."""


def open_stream(declaration: MappingDeclaration, moto: MotoProcess) -> Stream | None:
    """Return the stream of a mapping; None where there is none (yet)."""
    from botocore.exceptions import ClientError

    arn = arns.parse(declaration.source_arn)
    kind = TableStream if arn is not None and arn.service == "dynamodb" else KinesisStream
    try:
        return kind(declaration.source_arn, moto)
    except (ClientError, LookupError):
        return None


class KinesisStream:
    """A stream of Kinesis: https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html."""

    page = 10_000

    def __init__(self, arn: str, moto: MotoProcess) -> None:
        self._client, self._name = moto.client("kinesis"), arns.stream(arn)
        self.arn: str = self._client.describe_stream_summary(StreamName=self._name)[
            "StreamDescriptionSummary"
        ]["StreamARN"]

    def shards(self) -> list[str]:
        """See `Stream`."""
        return [shard["ShardId"] for shard in self._client.list_shards(StreamName=self._name)["Shards"]]

    def iterator(self, shard: str, position: str, timestamp: float | None) -> str:
        """See `Stream`."""
        given = {"Timestamp": timestamp} if position == "AT_TIMESTAMP" else {}
        answer = self._client.get_shard_iterator(
            StreamName=self._name, ShardId=shard, ShardIteratorType=position, **given
        )
        return str(answer["ShardIterator"])

    def read(self, shard: str, iterator: str, limit: int) -> tuple[list[StreamRecord], str]:
        """See `Stream`."""
        answer = self._client.get_records(ShardIterator=iterator, Limit=limit)
        events = [
            streams.kinesis_record(raw, stream_arn=self.arn, shard_id=shard) for raw in answer["Records"]
        ]
        records = [StreamRecord(it, it["kinesis"]["partitionKey"], json.dumps(it)) for it in events]
        return records, answer["NextShardIterator"]


class TableStream:
    """The stream of a table: https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html."""

    page = 1_000

    def __init__(self, arn: str, moto: MotoProcess) -> None:
        self._client = moto.client("dynamodbstreams")
        # The template knows no label: a table's stream gets it when it is made.
        [stream] = self._client.list_streams(TableName=arns.stream(arn))["Streams"] or [None]
        if stream is None:
            raise LookupError(arn)
        self.arn: str = stream["StreamArn"]

    def shards(self) -> list[str]:
        """See `Stream`."""
        stream = self._client.describe_stream(StreamArn=self.arn)["StreamDescription"]
        return [shard["ShardId"] for shard in stream["Shards"]]

    def iterator(self, shard: str, position: str, timestamp: float | None) -> str:
        """See `Stream`; DynamoDB has no positions in time."""
        del timestamp
        answer = self._client.get_shard_iterator(
            StreamArn=self.arn, ShardId=shard, ShardIteratorType=position
        )
        return str(answer["ShardIterator"])

    def read(self, shard: str, iterator: str, limit: int) -> tuple[list[StreamRecord], str]:
        """See `Stream`."""
        del shard
        answer = self._client.get_records(ShardIterator=iterator, Limit=limit)
        events = [streams.dynamodb_record(raw, stream_arn=self.arn) for raw in answer["Records"]]
        records = [
            StreamRecord(event, json.dumps(event["dynamodb"]["Keys"], sort_keys=True), json.dumps(event))
            for event in events
        ]
        return records, answer["NextShardIterator"]
