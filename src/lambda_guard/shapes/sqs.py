"""A message of SQS as Lambda hands it over: https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html."""

from base64 import b64encode
from collections.abc import Mapping
from typing import Any

from . import arns
from .sample import fill


def record(
    body: str,
    *,
    queue_arn: str,
    message_id: str,
    receipt_handle: str,
    attributes: Mapping[str, str],
    message_attributes: Mapping[str, Mapping[str, Any]] | None = None,
    md5_of_body: str | None = None,
    md5_of_attributes: str | None = None,
) -> dict[str, Any]:
    """Return a record of the event `{"Records": […]}`.

    Args:
        body: the message's body.
        queue_arn: the queue.
        message_id: SQS's id.
        receipt_handle: of this receipt.
        attributes: the system attributes (`SentTimestamp` …).
        message_attributes: the sender's attributes, each as the API returns it: `{"DataType": …, "StringValue": …}`.
        md5_of_body: left out if None.
        md5_of_attributes: left out if None.
    """
    return fill(
        "sqs",
        locals(),
        attributes=dict(attributes),
        message_attributes={name: _attribute(each) for name, each in (message_attributes or {}).items()},
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
