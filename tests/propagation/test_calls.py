"""AWS calls in words: which resource a call is about, and which messages it sent."""

import botocore.session
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_guard.propagation.calls import _RESOURCES, AwsCalls, Call, resources
from lambda_guard.propagation.sent import SENDS, note_sent, sent


@pytest.mark.parametrize(
    ("service", "params", "expected"),
    [
        ("sqs", {"QueueUrl": "https://q"}, ["https://q"]),
        ("sqs", {"QueueName": "orders"}, ["orders"]),
        ("sqs", {}, [None]),
        ("sns", {"TopicArn": "arn:t"}, ["arn:t"]),
        ("sns", {"TargetArn": "arn:t"}, ["arn:t"]),
        ("sns", {"PhoneNumber": "+46"}, [None]),
        ("sns", {"TopicArn": "+46701234567"}, [None]),
        (
            "sns",
            {"TargetArn": "arn:aws:sns:eu-west-1:1:endpoint/APNS/shop/5e3e9847-3183-3f18"},
            ["arn:aws:sns:eu-west-1:1:endpoint/APNS/shop/*"],
        ),
        ("ses", {"Source": "shop@example.com", "Destination": {"ToAddresses": ["ann@example.com"]}}, [None]),
        ("sesv2", {"FromEmailAddress": "shop@example.com"}, [None]),
        ("pinpoint", {"MessageRequest": {"Addresses": {"+46": {}}}}, [None]),
        ("pinpoint-sms-voice-v2", {"DestinationPhoneNumber": "+46"}, [None]),
        ("cognito-identity-provider", {"Username": "ann@example.com", "Password": "p"}, [None]),
        ("secrets-manager", {"SecretId": "mail/ann@example.com"}, [None]),
        ("sqs", {"QueueUrl": "https://user:secret@queue.example/1/orders"}, [None]),
        (
            "sqs",
            {"QueueUrl": "https://queue.example/1/orders?token=secret"},
            ["https://queue.example/1/orders"],
        ),
        (
            "sfn",
            {"executionArn": "arn:aws:states:eu-west-1:1:execution:orders:ann@example.com"},
            ["arn:aws:states:eu-west-1:1:execution:orders:*"],
        ),
        (
            "sfn",
            {"executionArn": "arn:aws:states:eu-west-1:1:execution:orders:ann-1"},
            ["arn:aws:states:eu-west-1:1:execution:orders:*"],
        ),
        (
            "sfn",
            {"executionArn": "arn:aws:states:eu-west-1:1:express:orders:ann-1:7f"},
            ["arn:aws:states:eu-west-1:1:express:orders:*"],
        ),
        ("eventbridge", {"Name": "arn:aws:events:eu-west-1:1:rule/a"}, ["arn:aws:events:eu-west-1:1:rule/a"]),
        ("dynamodb", {"TableName": "orders", "Item": {}}, ["orders"]),
        ("dynamodb", {"RequestItems": {"orders": [], "stock": []}}, ["orders", "stock"]),
        (
            "dynamodb",
            {
                "TransactItems": [
                    {"Put": {"TableName": "a"}},
                    {"Get": {"TableName": "b"}},
                    {"Put": {"TableName": "a"}},
                ]
            },
            ["a", "b"],
        ),
        ("dynamodb", {"Statement": "SELECT 1"}, [None]),
        ("s3", {"Bucket": "b", "Key": "secret/key"}, ["b"]),
        ("lambda", {"FunctionName": "billing"}, ["billing"]),
        ("sfn", {"stateMachineArn": "arn:m"}, ["arn:m"]),
        ("eventbridge", {"Entries": [{}, {"EventBusName": "b"}, {"EventBusName": "b"}]}, ["default", "b"]),
        ("eventbridge", {"Entries": ({"EventBusName": "b"},)}, ["b"]),
        ("eventbridge", {"Name": "rule"}, ["rule"]),
        ("eventbridgev2", {"EventBusArn": "arn:b", "Entries": [{}]}, ["arn:b"]),
        ("secrets-manager", {"SecretId": "s", "SecretString": "hidden"}, ["s"]),
        ("unheard-of", {"Name": "x"}, [None]),
    ],
)
def test_the_resource_of_a_call(service, params, expected):
    """It is named by the parameter that the service has for it, and nothing else of the call is."""
    assert resources(service, params) == expected


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


def test_the_tables_name_what_the_services_have():
    """Services, operations, parameters and keys of answers exist in botocore's models, under these very names."""
    session = botocore.session.Session()
    names = {
        "sfn": "stepfunctions",
        "eventbridge": "events",
        "secrets-manager": "secretsmanager",
        "cloudwatch-logs": "logs",
    }
    models = {service: session.get_service_model(names.get(service, service)) for service in _RESOURCES | dict(SENDS)
              if isinstance(service, str)}  # fmt: skip
    for service, parameters in _RESOURCES.items():
        assert models[service].service_id.hyphenize() == service
        inputs = [
            models[service].operation_model(name).input_shape for name in models[service].operation_names
        ]
        known = {name for shape in inputs if shape is not None for name in shape.members}
        assert set(parameters) <= known, (service, set(parameters) - known)
    for (service, operation), send in SENDS.items():
        model = models[service].operation_model(operation)
        assert set(send.target) <= set(model.input_shape.members)
        if send.answers:
            assert send.message_id in model.output_shape.members[send.answers].member.members
        elif send.message_id:
            assert send.message_id in model.output_shape.members
        if send.entries:
            assert send.entry_target in model.input_shape.members[send.entries].member.members


VALUES = st.recursive(
    st.one_of(st.none(), st.integers(), st.text(max_size=4)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)
PARAMETERS = st.dictionaries(
    st.sampled_from(["Entries", "QueueUrl", "TopicArn", "TableName", "RequestItems", "Records", "Name"]),
    VALUES,
)


@given(st.sampled_from(sorted(_RESOURCES)), PARAMETERS)
def test_resources_of_any_parameters(service, params):
    """Parameters that botocore would refuse are looked at without an error, and named by text or not at all."""
    assert all(resource is None or isinstance(resource, str) for resource in resources(service, params))


def test_what_is_sent_beyond_the_limit_is_counted():
    """Of sixty messages in batches of ten, fifty are named and ten are counted."""
    calls = AwsCalls()
    entries = [{"Id": str(number), "MessageBody": "a"} for number in range(10)]
    call = Call("sqs", "SendMessageBatch", "sqs", "eu-west-1", {"QueueUrl": "q", "Entries": entries})
    for batch in range(6):
        note_sent(
            calls,
            call,
            "53995c3f42cd8ad8",
            {"Successful": [{"MessageId": f"{batch}-{n}"} for n in range(10)]},
        )
    assert [entry["message_id"] for entry in calls.sent] == [
        f"{batch}-{n}" for batch in range(5) for n in range(10)
    ]
    assert {entry["span_id"] for entry in calls.sent} == {"53995c3f42cd8ad8"}
    assert calls.sent_more == 10
