"""In moto's process: streams of Kinesis and of DynamoDB's tables, whole and without end."""

from typing import Any

from moto.dynamodb.models.table import StreamShard
from moto.dynamodbstreams.models import DynamoDBStreamsBackend
from moto.kinesis.models import Shard

from lambda_guard.local.aws.replacing import locked, replaces


def one_lock_for_streams(lock: Any) -> None:
    """AWS: "Each data record has a sequence number that is unique per partition-key within its shard".

    moto counts without a lock: of two records that are put at once, one takes the other's place.

    https://docs.aws.amazon.com/streams/latest/dev/key-concepts.html
    """
    for owner, names in ((Shard, ("put_record", "get_records")), (StreamShard, ("add", "get"))):
        for name in names:
            setattr(owner, name, locked(getattr(owner, name), lock))


def one_iterator_at_the_end() -> None:
    """AWS: a shard iterator "expires 15 minutes after it is retrieved".

    moto keeps each one of a table's stream, 2 KB with every read, however often there is nothing to read.

    https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_streams_GetShardIterator.html
    """

    @replaces(DynamoDBStreamsBackend, "get_records")
    def get_records(original: Any, self: Any, iterator: str, limit: int) -> Any:
        answer = original(self, iterator, limit)
        if not answer["Records"]:
            del self.shard_iterators[answer["NextShardIterator"]]
            answer["NextShardIterator"] = iterator
        return answer
