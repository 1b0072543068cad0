"""Stream batches: the letter holds pointers; the records are read from the stream again."""

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

from lambda_guard.errors import LambdaGuardError
from lambda_guard.shapes import arns, streams
from lambda_guard.tools.aws import FUNCTION_SECONDS_MOST, Clients, error_code, new_clients
from lambda_guard.tools.dlq.delivery import Delivery, Result
from lambda_guard.tools.dlq.errors import NoEventError, asked
from lambda_guard.tools.dlq.letter import StreamPointer, parsed
from lambda_guard.tools.logs.model import as_mapping

EMPTY_PAGES_MOST: Final = 50
"""Pages without records are normal: a shard is read by time, not by record."""

_GONE: Final = frozenset(
    {"ResourceNotFoundException", "TrimmedDataAccessException", "InvalidArgumentException"}
)


def stream_event(pointer: StreamPointer, clients: Clients) -> dict[str, Any]:
    """Rebuild the event that the function got, from the stream.

    Raises:
        NoEventError: the retention is over: 24 hours for DynamoDB, 24 hours to a year for Kinesis.
        CloudError: AWS could not be asked.
    """
    arn = pointer.stream_arn
    records = [
        streams.dynamodb_record(raw, stream_arn=arn)
        if ":dynamodb:" in arn
        else streams.kinesis_record(raw, stream_arn=arn, shard_id=pointer.shard_id)
        for raw in _records(pointer, clients)
    ]
    if not records:
        raise NoEventError(f"the stream no longer has the records from {pointer.start} on")
    return {"Records": records}


def replay_batch(delivery: Delivery, clients: Clients) -> Result:
    """Read the batch and invoke the function with it, waiting for its end.

    Synchronously, unlike events: Lambda doesn't read the partial batch response of an asynchronous invocation, so that
    records that failed again would be lost.
    """
    pointer = delivery.letter.pointer
    assert pointer is not None
    try:
        payload = json.dumps(stream_event(pointer, clients), ensure_ascii=False).encode()
        with asked(f"invoke the function {delivery.target.name}"):
            answer = _patient_lambda().invoke(FunctionName=delivery.target.address, Payload=payload)
            body = answer["Payload"].read().decode("utf-8", "replace")
    except NoEventError as error:
        return Result(delivery, "failed", reason=str(error))
    except LambdaGuardError as error:
        return Result(delivery, "failed", reason=str(error), final=True)
    refused = _refused(answer.get("FunctionError"), body)
    return Result(delivery, "failed" if refused else "delivered", reason=refused)


def _refused(function_error: str | None, body: str) -> str:
    """Return why a batch that was run isn't done; empty where it is."""
    answer = as_mapping(parsed(body))
    if function_error:
        return f"it died again of {answer.get('errorType', function_error)}: {answer.get('errorMessage', '')}"
    failed = answer.get("batchItemFailures")
    return f"{len(failed)} of its records failed again" if isinstance(failed, list) and failed else ""


@lru_cache(maxsize=1)
def _patient_lambda() -> Any:
    """A client that waits for the function's end, and never asks twice: the batch would run twice."""
    return new_clients(read_timeout=FUNCTION_SECONDS_MOST + 10, retries={"total_max_attempts": 1})("lambda")


def _records(pointer: StreamPointer, clients: Clients) -> Iterator[Mapping[str, Any]]:
    """Read from the first to the last sequence number that the letter names."""
    dynamodb = ":dynamodb:" in pointer.stream_arn
    client = clients("dynamodbstreams" if dynamodb else "kinesis")
    iterator = _iterator(client, pointer, dynamodb=dynamodb)
    empty = 0
    while iterator and empty < EMPTY_PAGES_MOST:
        with asked(f"read the stream {pointer.stream_arn}"):
            page = client.get_records(ShardIterator=iterator, Limit=1_000)
        for record in page["Records"]:
            if int(_sequence_number(record)) > int(pointer.end):
                return
            yield record
            if _sequence_number(record) == pointer.end:
                return
        iterator, empty = page.get("NextShardIterator"), 0 if page["Records"] else empty + 1


def _iterator(client: Any, pointer: StreamPointer, *, dynamodb: bool) -> Any:
    from botocore.exceptions import ClientError

    if dynamodb:
        start = {"StreamArn": pointer.stream_arn, "SequenceNumber": pointer.start}
    else:
        start = {"StreamName": arns.stream(pointer.stream_arn), "StartingSequenceNumber": pointer.start}
    with asked(f"read the stream {pointer.stream_arn}"):
        try:
            return client.get_shard_iterator(
                ShardId=pointer.shard_id, ShardIteratorType="AT_SEQUENCE_NUMBER", **start
            )["ShardIterator"]
        except ClientError as error:
            if error_code(error) not in _GONE:
                raise
            return None


def _sequence_number(record: Mapping[str, Any]) -> str:
    return str(record["dynamodb"]["SequenceNumber"] if "dynamodb" in record else record["SequenceNumber"])
