"""A record of a Kinesis stream: https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html."""

from base64 import b64encode
from typing import Any

from . import arns
from .sample import fill


def record(
    data: bytes,
    *,
    stream_arn: str,
    shard_id: str,
    sequence_number: str,
    partition_key: str,
    arrived: float,
    role_arn: str | None = None,
) -> dict[str, Any]:
    """Return a record of the event `{"Records": […]}`.

    Args:
        data: what was put into the stream.
        stream_arn: the stream.
        shard_id: the shard.
        sequence_number: the record's number in the shard.
        partition_key: what the producer chose.
        arrived: when it arrived, in seconds since the epoch.
        role_arn: the role that reads the stream; left out if None.
    """
    return fill("kinesis", locals(), data=b64encode(data).decode("ascii"), region=arns.region(stream_arn))
