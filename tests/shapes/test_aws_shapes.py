"""AWS's events and ARNs, built and read in one place: whole, in AWS's order, and told by the triggers' table."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

import lambda_guard
from lambda_guard.shapes import arns, http, sample, sns, sqs, streams
from lambda_guard.trigger.read import read_trigger

SOURCES = Path(lambda_guard.__file__).parent
QUEUE = "arn:aws:sqs:eu-west-1:123456789012:orders"
FUNCTION = "arn:aws:lambda:eu-west-1:123456789012:function:orders"


@pytest.mark.parametrize(
    ("text", "arn", "name"),
    [
        (QUEUE, arns.Arn("aws", "sqs", "eu-west-1", "123456789012", "orders"), "orders"),
        ("arn:aws-cn:s3:::b", arns.Arn("aws-cn", "s3", "", "", "b"), "b"),
        ("arn:aws:events:r:1:rule/bus/nightly", arns.Arn("aws", "events", "r", "1", "rule/bus/nightly"), "nightly"),
        (f"{FUNCTION}:live", arns.Arn("aws", "lambda", "eu-west-1", "123456789012", "function:orders:live"), "live"),
    ],
)  # fmt: skip
def test_an_arn_has_six_fields(text, arn, name):
    """An ARN is taken apart into its fields; colons in the resource belong to it."""
    assert arns.parse(text) == arn
    assert arns.region(text) == arn.region
    assert arn.name == name == arns.name(text)


@pytest.mark.parametrize(
    "text", ["", "orders", "arn:aws:sqs", "urn:aws:sqs:r:1:orders", "https://sqs.r.amazonaws.com/1/orders"]
)
def test_any_other_text_is_not_an_arn(text):
    """What isn't an ARN has no fields and no region."""
    assert arns.parse(text) is None
    assert arns.region(text) == ""


@pytest.mark.parametrize(
    ("text", "name", "qualifier"),
    [
        ("orders", "orders", ""),
        ("orders:live", "orders", "live"),
        (FUNCTION, "orders", ""),
        (f"{FUNCTION}:$LATEST", "orders", "$LATEST"),
        ("123456789012:function:orders:7", "orders", "7"),
        ("function:orders", "orders", ""),
        ("", "", ""),
    ],
)
def test_a_function_is_named_in_every_form(text, name, qualifier):
    """A name, a partial ARN and a full one give the same name; version or alias stand apart."""
    assert arns.function(text) == (name, qualifier)


def test_a_stream_is_named():
    """A Kinesis stream has its own name, a DynamoDB stream its table's."""
    assert arns.stream("arn:aws:kinesis:r:1:stream/orders") == "orders"
    assert arns.stream("arn:aws:dynamodb:r:1:table/orders/stream/2025-11-25T00:00:00.000") == "orders"
    assert arns.stream("orders") == "orders"


def test_records_of_streams_are_those_of_lambda():
    """What GetRecords returns has bytes and times, what Lambda hands over has base64 and seconds; the stream is named."""
    moment, table = datetime(2025, 11, 25, tzinfo=UTC), "arn:aws:dynamodb:eu-west-1:1:table/t/stream/s"
    change = {"Keys": {"id": {"B": b"\xff"}}, "ApproximateCreationDateTime": moment, "SequenceNumber": "7"}
    raw = {
        "eventID": "e",
        "awsRegion": "us-east-1",
        "dynamodb": {**change, "NewImage": {"l": {"L": [{"B": b"a"}]}}},
    }
    record = streams.dynamodb_record(raw, stream_arn=table)
    seconds = moment.timestamp()
    assert record == {
        "eventID": "e",
        "awsRegion": "eu-west-1",
        "dynamodb": {
            "Keys": {"id": {"B": "/w=="}},
            "ApproximateCreationDateTime": seconds,
            "SequenceNumber": "7",
            "NewImage": {"l": {"L": [{"B": "YQ=="}]}},
        },
        "eventSourceARN": table,
    }
    assert streams.position(record) == ("7", seconds)

    stream = "arn:aws:kinesis:eu-west-1:1:stream/s"
    raw = {"Data": b"\xff", "PartitionKey": "p", "SequenceNumber": "8", "ApproximateArrivalTimestamp": moment}
    record = streams.kinesis_record(raw, stream_arn=stream, shard_id="shardId-0")
    assert (record["kinesis"]["data"], record["eventID"], record["awsRegion"]) == (
        "/w==",
        "shardId-0:8",
        "eu-west-1",
    )
    assert streams.position(record) == ("8", seconds)


def test_a_message_of_sqs_is_a_record():
    """A record has the fields of AWS's example in its order, binary attributes as base64, and no field without a value."""
    message = {
        "Body": "a",
        "MessageId": "m-1",
        "ReceiptHandle": "r-1",
        "Attributes": {"SentTimestamp": "1"},
        "MessageAttributes": {
            "text": sqs.text_attribute("x"),
            "raw": {"DataType": "Binary", "BinaryValue": b"\xff"},
        },
        "MD5OfMessageAttributes": "d",
    }
    record = sqs.record(message, QUEUE)
    assert json.dumps(record) == (
        '{"messageId": "m-1", "receiptHandle": "r-1", "body": "a", "attributes": {"SentTimestamp": "1"}, '
        '"messageAttributes": {"text": {"stringValue": "x", "stringListValues": [], "binaryListValues": [], "dataType": '
        '"String"}, "raw": {"binaryValue": "/w==", "stringListValues": [], "binaryListValues": [], "dataType": "Binary"}}, '
        f'"eventSource": "aws:sqs", "eventSourceARN": "{QUEUE}", "awsRegion": "eu-west-1", "md5OfMessageAttributes": "d"}}'
    )
    assert read_trigger({"Records": [record]}).type == "sqs"


def test_a_notification_goes_into_a_queue_and_to_a_function():
    """The envelope leaves out what a notification doesn't have; a function gets a subject and attributes always."""
    topic = QUEUE.replace("sqs", "sns")
    envelope = sns.notification("a", topic_arn=topic, message_id="n-1", timestamp="2025-11-25T15:04:05.135Z")
    assert "Subject" not in envelope
    assert "MessageAttributes" not in envelope
    event = sns.event(sns.for_a_function(envelope), subscription_arn=f"{topic}:s-1")
    fields = event["Records"][0]["Sns"]
    assert fields["Subject"] is None
    assert fields["MessageAttributes"] == {}
    assert fields["UnsubscribeUrl"] == envelope["UnsubscribeURL"]
    assert "UnsubscribeURL" not in fields
    assert read_trigger(event).source == topic


def test_a_request_has_two_formats():
    """Several values stand in lists in format 1.0, and joined by commas in 2.0; time is written as the clock of the host."""
    request = http.Request(
        "GET",
        "/a",
        {"x": ["1", "2"]},
        {"q": ["1", "2"]},
        None,
        False,
        "192.0.2.1",
        "",
        "id",
        1_764_083_045_135,
    )
    api = http.Api("abc", "prod", "1", "eu-west-1")
    one = http.event("1.0", request, api, resource="/a", path_parameters={}, extended_request_id="e")
    two = http.event(
        "2.0", request, api, route_key="GET /a", path_parameters={}, raw_query="q=1&q=2", cookies=["a=b"]
    )
    assert (one["headers"], one["multiValueHeaders"]) == ({"x": "2"}, {"x": ["1", "2"]})
    assert one["multiValueQueryStringParameters"] == {"q": ["1", "2"]}
    assert (two["headers"], two["queryStringParameters"]) == ({"x": "1,2"}, {"q": "1,2"})
    assert two["cookies"] == ["a=b"]
    assert "pathParameters" not in two
    assert "body" not in two
    assert (
        one["requestContext"]["requestTime"] == two["requestContext"]["time"] == "25/Nov/2025:15:04:05 +0000"
    )
    assert [read_trigger(event).type for event in (one, two)] == ["apigateway", "apigateway-v2"]


def test_a_document_is_filled_in():
    """Values go in as they are or as text, an optional key stays away without one, and each call has parts of its own."""
    given = {"message_id": 7, "topic_arn": "arn:t", "message": "{region}", "timestamp": None, "region": "r"}
    filled = sample.fill("sns", given, subscription_arn="s", subject=None, attributes={})
    assert (filled["MessageId"], filled["Message"], filled["Timestamp"]) == (7, "{region}", None)
    assert filled["UnsubscribeURL"] == "https://sns.r.amazonaws.com/?Action=Unsubscribe&SubscriptionArn=s"
    assert "Subject" not in filled
    assert filled["MessageAttributes"] == {}
    filled["Message"] = "changed"
    assert sample.fill("sns", given, subscription_arn="s")["Message"] == "{region}"
    with pytest.raises(KeyError, match="subscription_arn"):
        sample.fill("sns", given)


def test_every_document_is_used():
    """A document that no builder names would be a dead one."""
    sources = "".join(path.read_text() for path in SOURCES.rglob("*.py"))
    names = [path.stem for path in (SOURCES / "shapes/samples").iterdir()]
    assert names
    assert [name for name in names if f'"{name}"' not in sources] == []
