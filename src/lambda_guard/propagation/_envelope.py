"""Envelopes in message bodies: what SNS, EventBridge and S3 wrap around what they put into a queue.

A body is somebody's payload first: it is parsed only where a look at its beginning says that it is an
envelope, and only up to a size. Raw delivery of SNS has no envelope: such a message looks like any other.
"""

import json
import re
from typing import Any, Final

_HEAD: Final = 512  # characters that are looked at
_BODY_MOST: Final = 262_144  # characters of one body that is parsed: the most that SNS and EventBridge send
_ALL_MOST: Final = 1_048_576  # characters of all bodies that are parsed for one event

Envelope = tuple[str, str | None]  # who wrapped a body, and the id that the wrapper gave (S3 gives none)
SNS: Final = "sns"
EVENTBRIDGE: Final = "eventbridge"
S3: Final = "s3"

# The beginnings as AWS writes them, which give the id without parsing. Compiled by `re` on first use.
_HEADS: Final = {
    SNS: r'\{\s*"Type"\s*:\s*"Notification"\s*,\s*"MessageId"\s*:\s*"([^"\\]{1,128})"\s*,'
    r'(?:\s*"SequenceNumber"\s*:\s*"[0-9]+"\s*,)?\s*"TopicArn"\s*:\s*"',
    EVENTBRIDGE: r'\{\s*"version"\s*:\s*"[^"\\]*"\s*,\s*"id"\s*:\s*"([^"\\]{1,128})"\s*,'
    r'\s*"detail-type"\s*:\s*"[^"\\]*"\s*,\s*"source"\s*:\s*"',
    S3: r'\{\s*"Records"\s*:\s*\[\s*\{\s*"eventVersion"\s*:\s*"[^"\\]*"\s*,\s*"eventSource"\s*:\s*"aws:s3"()',
}


class BodyReader:
    """Parses bodies until as much was parsed as one event may cost."""

    __slots__ = ("_left",)

    def __init__(self) -> None:
        self._left = _ALL_MOST

    def read(self, body: object) -> dict[str, Any] | None:
        """Return the JSON object in a body; None if it isn't one, is too big, or nothing is left to spend."""
        if isinstance(body, dict):  # parsed already, by the input template of a pipe or a state machine
            return body
        if not isinstance(body, str) or len(body) > min(self._left, _BODY_MOST):
            return None
        self._left -= len(body)
        try:
            value = json.loads(body)
        except (ValueError, RecursionError):
            return None
        return value if isinstance(value, dict) else None


def hint(body: object) -> str | None:
    """Which envelope a body may be, from its first characters and for next to nothing."""
    if type(body) is not str or not body.startswith("{"):
        return None
    head = body[:_HEAD]
    if '"TopicArn"' in head:
        return SNS
    if '"detail-type"' in head:
        return EVENTBRIDGE
    return S3 if '"aws:s3"' in head else None


def look(body: object, reader: BodyReader | None = None) -> Envelope | None:
    """Return the envelope that a body is, known by its beginning; None where it isn't one.

    Args:
        body: the body, as text or parsed already.
        reader: parses the body in the rare case that its fields stand in another order than AWS's.
    """
    kind = hint(body)
    if kind is not None:
        return _look_closer(kind, str(body), reader or BodyReader())
    return _look_at_object(body) if isinstance(body, dict) else None


def _look_closer(kind: str, body: str, reader: BodyReader) -> Envelope | None:
    match = re.match(_HEADS[kind], body)
    if match is not None:
        return (kind, match[1] or None)
    value = reader.read(body)  # the same fields in another order, or somebody's own message with such a field
    return None if value is None else _look_at_object(value)


def _look_at_object(value: dict[str, Any]) -> Envelope | None:
    if value.get("Type") == "Notification" and isinstance(value.get("TopicArn"), str):
        return (SNS, _text(value.get("MessageId")))
    if isinstance(value.get("detail-type"), str) and isinstance(value.get("source"), str):
        return (EVENTBRIDGE, _text(value.get("id")))
    records = value.get("Records")
    if isinstance(records, list) and records and isinstance(records[0], dict):
        return (S3, None) if records[0].get("eventSource") == "aws:s3" else None
    return None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
