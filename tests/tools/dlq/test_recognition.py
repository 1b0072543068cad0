"""Every shape of dead letter is recognised by itself, and no message is too odd to be one."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lambda_guard.tools.dlq.letter import Letter, Origin
from lambda_guard.tools.dlq.message import Message
from lambda_guard.tools.dlq.recognition import recognise

FUNCTION = "arn:aws:lambda:eu-west-1:123456789012:function:mailer:7"
EVENT = {"order": 1}
DESTINATION = {
    "version": "1.0",
    "requestContext": {
        "requestId": "i-1",
        "functionArn": FUNCTION,
        "condition": "RetriesExhausted",
        "approximateInvokeCount": 3,
    },
    "requestPayload": EVENT,
    "responseContext": {"statusCode": 200, "executedVersion": "7", "functionError": "Unhandled"},
    "responsePayload": {"errorType": "KeyError", "errorMessage": "'sku'", "stackTrace": ["  File app.py\n"]},
}
STREAM = {
    "requestContext": {"requestId": "i-2", "functionArn": FUNCTION, "condition": "RetryAttemptsExhausted"},
    "KinesisBatchInfo": {
        "shardId": "shardId-000000000000",
        "startSequenceNumber": "1",
        "endSequenceNumber": "2",
        "batchSize": 2,
        "streamArn": "arn:aws:kinesis:eu-west-1:123456789012:stream/clicks",
    },
}
BUS = {
    "version": "1.0",
    "busArn": "arn:aws:events:eu-west-1:123456789012:event-busv2/orders/1",
    "targetArn": "arn:aws:sqs:eu-west-1:123456789012:orders",
    "errorCode": "ACCESS_DENIED",
    "errorMessage": "no",
    "failedMessages": [{"eventId": "e-1"}, {"eventId": "e-2"}],
}
NOTIFICATION = {
    "Type": "Notification",
    "TopicArn": "arn:aws:sns:eu-west-1:123456789012:placed",
    "Message": "{}",
}
SNS_EVENT = {
    "Records": [
        {"EventSource": "aws:sns", "EventSubscriptionArn": "arn:aws:sns:eu-west-1:1:placed:u-1", "Sns": {}}
    ]
}
SCHEDULED = {"MessageBody": "hello", "QueueUrl": "https://sqs.eu-west-1.amazonaws.com/123456789012/todo"}


def texts(**values):
    return {name: {"DataType": "String", "StringValue": value} for name, value in values.items()}


def message(body, system=None, **attributes):
    return Message(
        "m-1", body if isinstance(body, str) else json.dumps(body), system or {}, texts(**attributes)
    )


ASYNC = {"RequestID": "i-3", "ErrorCode": "200", "ErrorMessage": "boom"}
RULE = {
    "RULE_ARN": "arn:aws:events:r",
    "TARGET_ARN": FUNCTION,
    "ERROR_CODE": "NO_PERMISSIONS",
    "ERROR_MESSAGE": "no",
    "RETRY_ATTEMPTS": "4",
}
SHAPES = {
    "queue": (message("x", {"DeadLetterQueueSourceArn": "arn:aws:sqs:r:a:orders"}), Origin.QUEUE, "x", "arn:aws:sqs:r:a:orders", "unknown"),
    "queue, even with a record inside": (
        message(DESTINATION, {"DeadLetterQueueSourceArn": "arn:aws:sqs:r:a:failed"}),
        Origin.QUEUE, json.dumps(DESTINATION), "arn:aws:sqs:r:a:failed", "unknown",
    ),
    "function": (message(EVENT, **ASYNC), Origin.FUNCTION, json.dumps(EVENT), "", "boom"),
    "function, invoked by SNS": (message(SNS_EVENT, **ASYNC), Origin.FUNCTION, json.dumps(SNS_EVENT), "", "boom"),
    "destination": (message(DESTINATION), Origin.DESTINATION, json.dumps(EVENT), FUNCTION, "KeyError"),
    "destination through a topic": (
        message({**NOTIFICATION, "Message": json.dumps(DESTINATION)}), Origin.DESTINATION, json.dumps(EVENT), FUNCTION, "KeyError",
    ),
    "function through a topic": (
        message({**NOTIFICATION, "Message": '{"a": 1}', "MessageAttributes": {name: {"Type": "String", "Value": value} for name, value in ASYNC.items()}}),
        Origin.FUNCTION, '{"a": 1}', "", "boom",
    ),
    "stream": (message(STREAM), Origin.STREAM, json.dumps(STREAM), FUNCTION, "RetryAttemptsExhausted"),
    "rule": (message(EVENT, **RULE), Origin.RULE, json.dumps(EVENT), FUNCTION, "no"),
    "bus": (message(BUS), Origin.BUS, json.dumps(BUS), BUS["targetArn"], "no"),
    "subscription of a queue": (message(NOTIFICATION), Origin.SUBSCRIPTION, json.dumps(NOTIFICATION), "", "unknown"),
    "subscription of a function": (message(SNS_EVENT), Origin.SUBSCRIPTION, json.dumps(SNS_EVENT), "", "unknown"),
    "schedule": (message(SCHEDULED, SCHEDULE_ARN="s", ERROR_MESSAGE="gone"), Origin.SCHEDULE, "hello", SCHEDULED["QueueUrl"], "gone"),
    "unknown": (message("not json"), Origin.UNKNOWN, "not json", "", "unknown"),
}  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
def test_a_shape_is_recognised(shape):
    """Origin, what failed, where it was bound for and what it died of are read from the letter itself."""
    received, origin, payload, target, cause = SHAPES[shape]
    letter = recognise(received)
    assert (letter.origin, letter.payload, letter.target, letter.failure.cause) == (
        origin,
        payload,
        target,
        cause,
    )
    assert letter.message is received


def test_a_destination_s_record_tells_everything():
    """Function, version, attempts, invocation and stack need no logs."""
    failure = recognise(message(DESTINATION)).failure
    assert (failure.function, failure.version, failure.attempts, failure.invocation_id) == (
        "mailer",
        "7",
        3,
        "i-1",
    )
    assert (failure.sentence, failure.code, failure.stack) == (
        "KeyError: 'sku'",
        "RetriesExhausted",
        ("File app.py",),
    )


@pytest.mark.parametrize(
    "event",
    [
        '{"emoji" : "\\ud83d", "z": 1}',
        '"\\ud83d"',
        "12345678901234567890.125",
        "1e400",
        '[{"a": 1.10}, {}]',
        "null",
    ],
)
def test_a_destination_s_event_is_kept_as_it_was_written(event):
    """To the digit and the escape: half of a surrogate pair is no text that could be sent."""
    others = '"requestContext" : {"functionArn": "mailer", "}": [1, "{"]}'
    for body in (f'{{"requestPayload":{event}, {others}}}', f' {{ {others},\n"requestPayload" :\t{event} }}'):
        assert recognise(message(body)).payload == event


@pytest.mark.parametrize(
    ("body", "attributes", "problem"),
    [
        ("not json", ASYNC, "its event isn't JSON"),
        (BUS, {}, "the record names 2 event(s) and holds none"),
        (
            {"Action": "x"},
            {"SCHEDULE_ARN": "s", "TARGET_ARN": "arn:aws:scheduler:::aws-sdk:ec2:stop"},
            "aws-sdk:ec2:stop",
        ),
        (SCHEDULED, {"SCHEDULE_ARN": "s", "IS_PAYLOAD_TRUNCATED": "true"}, "has cut its payload"),
    ],
)
def test_what_cannot_be_replayed_says_why(body, attributes, problem):
    """A letter whose event is not in it is still a letter."""
    assert problem in recognise(message(body, **attributes)).problem


@pytest.mark.parametrize(
    "marker",
    ["software.amazon.payloadoffloading.PayloadS3Pointer", "com.amazon.sqs.javamessaging.MessageS3Pointer"],
)
def test_a_body_in_s3_is_said_to_be_there(marker):
    """The extended client leaves a pointer, which goes back as it is."""
    pointer = [marker, {"s3BucketName": "big", "s3Key": "k-1"}]
    assert recognise(message(pointer)).offloaded == "s3://big/k-1"


def test_equal_events_have_one_digest_however_they_died():
    """That is how a circle is recognised across shapes."""
    digests = {SHAPES[name][0].message_id: recognise(SHAPES[name][0]).digest for name in ("function",)}
    assert recognise(message(DESTINATION)).digest in digests.values()


JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["requestContext", "requestPayload", "functionArn", "KinesisBatchInfo", "Records", "Type", "TopicArn", "Message",
             "MessageAttributes", "busArn", "failedMessages", "responsePayload", "responseContext", "stackTrace", "batchSize"]
        ) | st.text(max_size=3),
        inner, max_size=5,
    ),
    max_leaves=20,
)  # fmt: skip


@given(
    JSON | st.just("Notification"),
    st.dictionaries(st.sampled_from([*ASYNC, *RULE, "SCHEDULE_ARN"]), st.text(), max_size=5),
)
@example({}, {"SCHEDULE_ARN": "s", "RETRY_ATTEMPTS": "²"})
def test_no_message_is_too_odd(body, attributes):
    """Whatever lies in a queue becomes a letter, and everything about it can be asked."""
    letter = recognise(message(json.dumps(body), **attributes))
    assert isinstance(letter, Letter)
    assert letter.digest
    assert letter.failure.sentence
    assert letter.ids[0] == "m-1"


VALUES = st.fixed_dictionaries(
    {"DataType": st.just("String"), "StringValue": st.text()}
) | st.fixed_dictionaries({"DataType": st.just("Binary"), "BinaryValue": st.binary()})


@given(st.text(), st.dictionaries(st.text(), st.text()), st.dictionaries(st.text(), VALUES))
def test_a_message_survives_the_journal(body, system, attributes):
    """What is written as JSON is read back as it was."""
    original = Message("m-1", body, system, attributes)
    assert Message.from_document(json.loads(json.dumps(original.as_document()))) == original
