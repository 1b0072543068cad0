"""A message of SQS as it lies in the queue, and as it is kept in a file. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypedDict

import msgspec

from lambda_guard import _names as names

SOURCE_ATTRIBUTE: Final = "DeadLetterQueueSourceArn"
_SENT: Final = "SentTimestamp"
_RECEIVES: Final = "ApproximateReceiveCount"
_GROUP: Final = "MessageGroupId"


class Attribute(TypedDict, total=False):
    """A message attribute as boto3 sends it: without the list values, which SQS doesn't implement."""

    DataType: str
    StringValue: str
    BinaryValue: bytes


Attributes = Mapping[str, Attribute]


@dataclass(slots=True, frozen=True)
class Message:
    """A message as it was received.

    Attributes:
        message_id: SQS's id; a message keeps it when its queue's redrive policy moves it.
        system: system attributes, such as `SentTimestamp`, whose values are text.
        attributes: message attributes of every type, as the sender set them.
        receipt: the receipt handle; empty where the message was read from a file.
    """

    message_id: str
    body: str
    system: Mapping[str, str] = field(default_factory=dict)
    attributes: Attributes = field(default_factory=dict)
    receipt: str = ""

    @classmethod
    def received(cls, raw: Mapping[str, Any]) -> "Message":
        """Take over a message of ReceiveMessage's answer."""
        return cls(
            str(raw["MessageId"]),
            str(raw.get("Body", "")),
            raw.get("Attributes", {}),
            {name: _settable(value) for name, value in raw.get("MessageAttributes", {}).items()},
            str(raw.get("ReceiptHandle", "")),
        )

    @property
    def sent_ms(self) -> float | None:
        """When it was sent, ms since 1970: a standard queue keeps that time when it moves a message."""
        return _number(self.system.get(_SENT))

    @property
    def receives(self) -> int:
        """How often it was received, this time included."""
        return int(_number(self.system.get(_RECEIVES)) or 0)

    @property
    def group(self) -> str:
        """The FIFO message group, or the group of a fair standard queue; empty where there is none."""
        return self.system.get(_GROUP, "")

    @property
    def trace_header(self) -> str:
        """The trace that the message belongs to; empty where there is none."""
        return self.system.get(names.SQS_TRACE_ATTRIBUTE, "")

    def text(self, attribute: str) -> str:
        """Return a message attribute as text; empty where it is missing or binary."""
        return str(self.attributes.get(attribute, {}).get("StringValue") or "")

    def as_document(self) -> dict[str, Any]:
        """Return it as JSON takes it, without the receipt handle; binary values as base64."""
        document: dict[str, Any] = msgspec.to_builtins(self)
        del document["receipt"]
        return document

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "Message":
        """Read what `as_document` gave."""
        return msgspec.convert(document, cls)


def _settable(value: Mapping[str, Any]) -> Attribute:
    """Leave out what can be read but not sent, and keep to one order of keys."""
    return msgspec.convert({key: value[key] for key in Attribute.__annotations__ if key in value}, Attribute)


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        return None
