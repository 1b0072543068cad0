"""Who put a message into the dead-letter queue: one recogniser for each service, asked in turn. Pure."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from lambda_guard.shapes import arns
from lambda_guard.tools.dlq.letter import Failure, Letter, Origin, StreamPointer, parsed
from lambda_guard.tools.dlq.message import SOURCE_ATTRIBUTE, Attribute, Attributes, Message
from lambda_guard.tools.logs.model import as_mapping

_BATCH_INFOS: Final = ("KinesisBatchInfo", "DDBStreamBatchInfo")

Recogniser = Callable[[Message, Mapping[str, Any]], Letter | None]


def recognise(message: Message) -> Letter:
    """Return the dead letter that a message is: any message is one, of unknown origin at worst."""
    letter = _moved_by_a_queue(message)
    if letter is not None:  # most are, and nothing need be known of their bodies
        return letter
    body = as_mapping(parsed(message.body))
    for recogniser in RECOGNISERS:
        letter = recogniser(message, body)
        if letter is not None:
            return letter
    return Letter(message, Origin.UNKNOWN, message.body)


def _moved_by_a_queue(message: Message) -> Letter | None:
    """A redrive policy moves the message as it was.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-dead-letter-queues.html
    """
    source = message.system.get(SOURCE_ATTRIBUTE)
    return Letter(message, Origin.QUEUE, message.body, target=source) if source else None


def _of_a_rule(message: Message, _body: Mapping[str, Any]) -> Letter | None:
    """EventBridge names rule, target and error: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html."""
    if not (message.text("RULE_ARN") and message.text("TARGET_ARN")):
        return None
    return Letter(message, Origin.RULE, message.body, _service_failure(message), message.text("TARGET_ARN"))


def _of_a_schedule(message: Message, body: Mapping[str, Any]) -> Letter | None:
    """Scheduler writes its call's parameters: `{QueueUrl, MessageBody}`, `{FunctionName, Payload}`.

    https://docs.aws.amazon.com/scheduler/latest/UserGuide/configuring-schedule-dlq.html
    """
    if not message.text("SCHEDULE_ARN"):
        return None
    target = _text(body, "FunctionName") or _text(body, "QueueUrl")
    payload = body.get("Payload", body.get("MessageBody"))
    problem = ""
    if message.text("IS_PAYLOAD_TRUNCATED").lower() == "true":
        problem = "Scheduler has cut its payload"
    elif payload is None:
        bound_for = message.text("TARGET_ARN") or "another API"
        problem = f"it was bound for {bound_for}, which can't be called from here"
    text = message.body if payload is None else payload if isinstance(payload, str) else json.dumps(payload)
    return Letter(message, Origin.SCHEDULE, text, _service_failure(message), target, problem=problem)


def _of_a_stream(message: Message, body: Mapping[str, Any]) -> Letter | None:
    """A stream mapping's on-failure record: https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html."""
    info = next((body[key] for key in _BATCH_INFOS if isinstance(body.get(key), Mapping)), None)
    if info is None:
        return None
    context = as_mapping(body.get("requestContext"))
    arn = _text(context, "functionArn")
    place = ("streamArn", "shardId", "startSequenceNumber", "endSequenceNumber")
    pointer = StreamPointer(*(_text(info, key) for key in place))
    failure = replace(_responded(context, body), message=_text(context, "condition"))
    return Letter(
        message,
        Origin.STREAM,
        message.body,
        failure,
        arn,
        pointer=pointer,
        request_id=_text(context, "requestId"),
        problem="it holds only pointers; the data is in the stream as long as that keeps it",
    )


def _of_a_destination(message: Message, body: Mapping[str, Any]) -> Letter | None:
    """An invocation record: https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html."""
    context = as_mapping(body.get("requestContext"))
    arn, request_id = _text(context, "functionArn"), _text(context, "requestId")
    if not arn or "requestPayload" not in body:
        return None
    payload, failure = _as_written(message.body, "requestPayload"), _responded(context, body)
    return Letter(message, Origin.DESTINATION, payload, failure, arn, request_id=request_id)


def _of_a_bus(message: Message, body: Mapping[str, Any]) -> Letter | None:
    failed = body.get("failedMessages")
    if not (_text(body, "busArn") and isinstance(failed, list)):
        return None
    failure = Failure(code=_text(body, "errorCode"), message=_text(body, "errorMessage"))
    problem = (
        f"the record names {len(failed)} event(s) and holds none: replay them from an archive of the bus"
    )
    return Letter(message, Origin.BUS, message.body, failure, _text(body, "targetArn"), problem=problem)


def _through_a_topic(message: Message, body: Mapping[str, Any]) -> Letter | None:
    """This queue is subscribed to a topic that is a DLQ or destination: the letter is in the notification."""
    if not _is_notification(body):
        return None
    inner = replace(message, body=_text(body, "Message"), attributes=_attributes_of(body))
    document = as_mapping(parsed(inner.body))
    for recogniser in (_of_a_stream, _of_a_destination, _of_a_function):
        letter = recogniser(inner, document)
        if letter is not None:
            return replace(letter, message=message, via=_text(body, "TopicArn"))
    return None


def _of_a_subscription(message: Message, body: Mapping[str, Any]) -> Letter | None:
    """An envelope was bound for a queue or endpoint; `Records` for a function that SNS could not invoke.

    https://docs.aws.amazon.com/sns/latest/dg/sns-dead-letter-queues.html
    """
    failure = Failure(code=message.text("ErrorCode"), message=message.text("ErrorMessage"))
    if _is_notification(body):
        return Letter(message, Origin.SUBSCRIPTION, message.body, failure, topic=_text(body, "TopicArn"))
    records = body.get("Records")
    first = records[0] if isinstance(records, list) and records else None
    if message.text("RequestID") or not isinstance(first, Mapping) or first.get("EventSource") != "aws:sns":
        return None
    return Letter(
        message, Origin.SUBSCRIPTION, message.body, failure, topic=_text(first, "EventSubscriptionArn")
    )


def _of_a_function(message: Message, _body: Mapping[str, Any]) -> Letter | None:
    """A function's dead-letter queue gets the event: https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html."""
    request_id = message.text("RequestID")
    if not (request_id and message.text("ErrorCode")):
        return None
    # ErrorCode is the HTTP status of the invocation: 200 where the function itself failed.
    code = message.text("ErrorCode").removeprefix("200")
    failure = Failure(code=code, message=message.text("ErrorMessage"), invocation_id=request_id)
    problem = "" if parsed(message.body) is not None or message.body == "null" else "its event isn't JSON"
    return Letter(message, Origin.FUNCTION, message.body, failure, request_id=request_id, problem=problem)


RECOGNISERS: Final[tuple[Recogniser, ...]] = (
    _of_a_rule,
    _of_a_schedule,
    _of_a_stream,
    _of_a_destination,
    _of_a_bus,
    _through_a_topic,
    _of_a_subscription,
    _of_a_function,
)


def _service_failure(message: Message) -> Failure:
    retries = message.text("RETRY_ATTEMPTS")
    attempts = int(retries) + 1 if retries.isdecimal() else 0
    return Failure(code=message.text("ERROR_CODE"), message=message.text("ERROR_MESSAGE"), attempts=attempts)


def _responded(context: Mapping[str, Any], body: Mapping[str, Any]) -> Failure:
    """What Lambda knows: the error document that the function ended with, and how often it was tried."""
    response, payload = as_mapping(body.get("responseContext")), as_mapping(body.get("responsePayload"))
    name, qualifier = arns.function(_text(context, "functionArn"))
    stack = payload.get("stackTrace")
    count = context.get("approximateInvokeCount")
    return Failure(
        type=_text(payload, "errorType"),
        message=_text(payload, "errorMessage"),
        code=_text(context, "condition"),
        stack=tuple(str(frame).strip() for frame in stack) if isinstance(stack, list) else (),
        function=name,
        version=_text(response, "executedVersion") or qualifier,
        invocation_id=_text(context, "requestId"),
        attempts=count if isinstance(count, int) and count > 0 else 0,
    )


def _is_notification(body: Mapping[str, Any]) -> bool:
    return body.get("Type") == "Notification" and bool(_text(body, "TopicArn")) and "Message" in body


def _attributes_of(body: Mapping[str, Any]) -> Attributes:
    """Message attributes as a notification carries them, `{Type, Value}`, in the shape of SQS's."""
    return {
        name: Attribute(DataType=str(value.get("Type", "String")), StringValue=str(value.get("Value", "")))
        for name, value in as_mapping(body.get("MessageAttributes")).items()
        if isinstance(value, Mapping)
    }


def _as_written(document: str, key: str) -> str:
    """Cut a value out of an object's text: numbers keep their digits, and half a surrogate pair stays an escape."""
    decode, found = json.JSONDecoder().raw_decode, ""
    at = _next(document, document.index("{") + 1)
    while document[at] != "}":
        name, end = decode(document, at)
        start = _next(document, end)
        _, end = decode(document, start)
        found = document[start:end] if name == key else found
        at = _next(document, end)
    return found


def _next(document: str, at: int) -> int:
    while document[at] in " \t\r\n:,":
        at += 1
    return at


def _text(document: Mapping[str, Any], key: str) -> str:
    value = document.get(key)
    return value if isinstance(value, str) else "" if value is None else str(value)
