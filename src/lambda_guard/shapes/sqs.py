"""A message of SQS as Lambda hands it over: https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html."""

from base64 import b64encode
from collections.abc import Mapping
from typing import Any

from . import arns
from .sample import fill


def record(message: Mapping[str, Any], queue_arn: str) -> dict[str, Any]:
    """Return a message, as `ReceiveMessage` gives it, as a record of the event `{"Records": […]}`.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_Message.html
    """
    attributes = message.get("MessageAttributes") or {}
    return fill(
        "sqs",
        message,
        Attributes=message.get("Attributes", {}),
        MessageAttributes={name: _attribute(each) for name, each in attributes.items()},
        queue_arn=queue_arn,
        region=arns.region(queue_arn),
    )


def text_attribute(text: str) -> dict[str, str]:
    """Return a String attribute of a message, as the API takes it."""
    return {"DataType": "String", "StringValue": text}


def _attribute(attribute: Mapping[str, Any]) -> dict[str, Any]:
    value = {"stringValue": str(attribute.get("StringValue", ""))}
    if "BinaryValue" in attribute:
        value = {"binaryValue": b64encode(attribute["BinaryValue"]).decode("ascii")}
    return {**value, "stringListValues": [], "binaryListValues": [], "dataType": attribute["DataType"]}
