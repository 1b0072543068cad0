"""The totals of an invocation's calls, and which messages they sent."""

import botocore.session
import pytest

from lambda_guard.propagation.calls import AwsCalls, Call
from lambda_guard.propagation.sent import SENDS, note_sent, sent
from lambda_guard.testing import TRACE_HEADER

BOTO_NAMES = {"sfn": "stepfunctions", "eventbridge": "events"}


@pytest.mark.parametrize(
    ("service", "operation", "params", "response", "expected"),
    [
        ("sqs", "SendMessage", {"QueueUrl": "q"}, {"MessageId": "m"}, [("q", "m")]),
        ("sns", "Publish", {"PhoneNumber": "+46"}, {"MessageId": "m"}, [(None, "m")]),
        (
            "sns",
            "Publish",
            {"TargetArn": "a:endpoint/GCM/b/c"},
            {"MessageId": "m"},
            [("a:endpoint/GCM/b/*", "m")],
        ),
        (
            "sqs",
            "SendMessageBatch",
            {"QueueUrl": "q", "Entries": [{"Id": "1"}, {"Id": "2"}]},
            {"Successful": [{"Id": "2", "MessageId": "m-2"}], "Failed": [{"Id": "1"}]},
            [("q", "m-2")],
        ),
        ("sqs", "SendMessageBatch", {"QueueUrl": "q", "Entries": []}, {"Failed": []}, []),
        (
            "eventbridge",
            "PutEvents",
            {"Entries": ({}, {"EventBusName": "b"}, {})},
            {"Entries": [{"EventId": "1"}, {"EventId": "2"}, {"ErrorCode": "no"}]},
            [("default", "1"), ("b", "2")],
        ),
        (
            "eventbridge",
            "PutEvents",
            {"Entries": [{}]},
            {"Entries": [{"EventId": "1"}, {"EventId": "2"}]},
            [("default", "1"), ("default", "2")],
        ),
        (
            "eventbridgev2",
            "PutEvents",
            {"EventBusArn": "arn:b", "Entries": [{}, {}]},
            {"Entries": [{"ErrorCode": "no"}, {"EventId": "2"}]},
            [("arn:b", "2")],
        ),
        (
            "eventbridgev2",
            "PutRawEvents",
            {"EventBusArn": "arn:b", "Entries": [{}, {}]},
            {"Entries": [{"EventId": "1"}, {"EventId": "2"}]},
            [("arn:b", "1"), ("arn:b", "2")],
        ),
        ("sfn", "StartExecution", {"stateMachineArn": "m"}, {"executionArn": "x"}, [("m", "x")]),
        ("sfn", "StartSyncExecution", {"stateMachineArn": "m"}, {"executionArn": "x"}, [("m", "x")]),
        ("kinesis", "PutRecord", {"StreamName": "s"}, {"SequenceNumber": "1"}, [("s", "1")]),
        ("firehose", "PutRecord", {"DeliveryStreamName": "s"}, {"RecordId": "1"}, [("s", "1")]),
        ("lambda", "Invoke", {"FunctionName": "f"}, {"ResponseMetadata": {"RequestId": "r"}}, [("f", "r")]),
        ("lambda", "Invoke", {"FunctionName": "f"}, {}, [("f", None)]),
        (
            "kinesis",
            "PutRecords",
            {"StreamName": "s", "Records": [{}, {}]},
            {"Records": [{"SequenceNumber": "1"}, {"ErrorCode": "no"}]},
            [("s", "1")],
        ),
        (
            "firehose",
            "PutRecordBatch",
            {"DeliveryStreamName": "s", "Records": [{}]},
            {"RequestResponses": [{"RecordId": "1"}]},
            [("s", "1")],
        ),
        ("sqs", "ReceiveMessage", {"QueueUrl": "q"}, {"Messages": [{"MessageId": "m"}]}, []),
    ],
)
def test_what_a_call_sent(service, operation, params, response, expected):
    """Each message that the service took, by its target and the id that its receiver will see."""
    assert list(sent(service, operation, params, response)) == expected


def test_the_table_names_what_the_services_have():
    """Operations, parameters and keys of answers exist in botocore's models, under these very names."""
    session = botocore.session.Session()
    for (service, operation), send in SENDS.items():
        model = session.get_service_model(BOTO_NAMES.get(service, service)).operation_model(operation)
        assert set(send.target) <= set(model.input_shape.members)
        if send.answers:
            assert send.message_id in model.output_shape.members[send.answers].member.members
        elif send.message_id:
            assert send.message_id in model.output_shape.members
        if send.entries:
            assert send.entry_target in model.input_shape.members[send.entries].member.members


def test_what_is_sent_beyond_the_limit_is_counted():
    """Of sixty messages in batches of ten, fifty are named and ten are counted."""
    calls = AwsCalls()
    entries = [{"Id": str(number), "MessageBody": "a"} for number in range(10)]
    call = Call("sqs", "SendMessageBatch", "sqs", "eu-west-1", {"QueueUrl": "q", "Entries": entries})
    call.header = TRACE_HEADER
    for batch in range(6):
        note_sent(
            calls,
            call,
            {"Successful": [{"MessageId": f"{batch}-{n}"} for n in range(10)]},
        )
    assert [entry["message_id"] for entry in calls.sent] == [
        f"{batch}-{n}" for batch in range(5) for n in range(10)
    ]
    assert {entry["span_id"] for entry in calls.sent} == {"53995c3f42cd8ad8"}
    assert calls.sent_more == 10
