"""The event that a function would get for a letter. Pure."""

import base64
from collections.abc import Mapping
from typing import Any, Final

from lambda_guard.tools.dlq.errors import DeadLetterError
from lambda_guard.tools.dlq.letter import Letter, Origin
from lambda_guard.tools.dlq.message import Attributes, Message

_NOT_IN_RECORDS: Final = frozenset({"DeadLetterQueueSourceArn"})


class NoEventError(DeadLetterError):
    """A letter has no event to run a function with; the message says why."""


def event_of(letter: Letter, queue_arn: str) -> Any:
    """Build the event: a queue's message in a batch of one, as Lambda's poller gives it; others as they were.

    Args:
        letter: the letter; for streams, the records must be read from the stream instead.
        queue_arn: the queue that the message is said to come from, where the letter doesn't name it.

    Raises:
        NoEventError: there is none.
    """
    if letter.problem:
        raise NoEventError(letter.problem)
    if _is_for_a_queue(letter):
        arn = letter.target if letter.target.startswith("arn:") else queue_arn
        return {"Records": [sqs_record(letter.message, letter.payload, arn)]}
    if letter.event is None and letter.payload.strip() != "null":
        raise NoEventError("its body isn't JSON, so that no function takes it")
    return letter.event


def sqs_record(message: Message, body: str, queue_arn: str) -> dict[str, Any]:
    """Give a message as a record of Lambda's SQS event. Source: "Example Amazon SQS message event"."""
    return {
        "messageId": message.message_id,
        "receiptHandle": message.receipt or "-",
        "body": body,
        "attributes": {name: text for name, text in message.system.items() if name not in _NOT_IN_RECORDS},
        "messageAttributes": _record_attributes(message.attributes),
        "eventSource": "aws:sqs",
        "eventSourceARN": queue_arn,
        "awsRegion": queue_arn.split(":")[3] if queue_arn.count(":") >= 5 else "",  # noqa: PLR2004 - an ARN's fields
    }


def _is_for_a_queue(letter: Letter) -> bool:
    if letter.origin is Origin.SUBSCRIPTION:
        return isinstance(letter.event, Mapping) and letter.event.get("Type") == "Notification"
    to_a_queue = ":sqs:" in letter.target or letter.target.startswith(("https://", "http://"))
    return letter.origin in {Origin.QUEUE, Origin.UNKNOWN} or to_a_queue


def _record_attributes(attributes: Attributes) -> dict[str, dict[str, Any]]:
    return {name: _record_attribute(value) for name, value in attributes.items()}


def _record_attribute(value: Mapping[str, Any]) -> dict[str, Any]:
    lists: dict[str, Any] = {"stringListValues": [], "binaryListValues": [], "dataType": value["DataType"]}
    if "BinaryValue" in value:
        return {"binaryValue": base64.b64encode(value["BinaryValue"]).decode("ascii"), **lists}
    return {"stringValue": str(value.get("StringValue", "")), **lists}
