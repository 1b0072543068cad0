"""A stream's letter holds pointers: the records are read again, as long as the stream has them."""

import base64

import boto3
import pytest

from lambda_guard.tools.dlq.errors import NoEventError
from lambda_guard.tools.dlq.letter import StreamPointer
from lambda_guard.tools.dlq.streams import _refused, stream_event

moto = pytest.importorskip("moto", reason="needs moto")


@pytest.fixture
def clients(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with moto.mock_aws():
        yield lambda service: boto3.client(service, region_name="eu-west-1")


def test_a_kinesis_batch_is_read_again(clients):
    """From the first to the last sequence number, in the shape that the function got."""
    kinesis = clients("kinesis")
    kinesis.create_stream(StreamName="clicks", ShardCount=1)
    arn = kinesis.describe_stream(StreamName="clicks")["StreamDescription"]["StreamARN"]
    put = [kinesis.put_record(StreamName="clicks", Data=f"c{n}".encode(), PartitionKey="p") for n in range(4)]
    numbers, shard = [it["SequenceNumber"] for it in put], put[0]["ShardId"]
    event = stream_event(StreamPointer(arn, shard, numbers[1], numbers[2]), clients)

    assert [base64.b64decode(it["kinesis"]["data"]) for it in event["Records"]] == [b"c1", b"c2"]
    assert {
        key: event["Records"][0][key] for key in ("eventSource", "eventID", "eventSourceARN", "awsRegion")
    } == {
        "eventSource": "aws:kinesis",
        "eventID": f"{shard}:{numbers[1]}",
        "eventSourceARN": arn,
        "awsRegion": "eu-west-1",
    }


def test_a_stream_that_is_gone_is_said(clients):
    """As is one that has forgotten the records."""
    arn = "arn:aws:kinesis:eu-west-1:123456789012:stream/gone"
    with pytest.raises(NoEventError, match="no longer has the records from 1 on"):
        stream_event(StreamPointer(arn, "shardId-000000000000", "1", "2"), clients)


def test_a_batch_that_was_run_is_done_only_if_the_answer_says_so():
    """An error or a partial batch response leaves the letter where it is."""
    assert _refused(None, "null") == ""
    assert _refused(None, '{"batchItemFailures": []}') == ""
    assert (
        _refused(None, '{"batchItemFailures": [{"itemIdentifier": "1"}]}') == "1 of its records failed again"
    )
    assert (
        _refused("Unhandled", '{"errorType": "KeyError", "errorMessage": "k"}')
        == "it died again of KeyError: k"
    )
