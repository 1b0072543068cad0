"""Values shared by the sample events: a documentation account, a time, and ids that are the same in every run."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

Event = dict[str, Any]

ACCOUNT: Final = "123456789012"
REGION: Final = "eu-west-1"
SENT_MS: Final = 1_764_083_045_135  # 2025-11-25T15:04:05.135Z
QUEUE_ARN: Final = f"arn:aws:sqs:{REGION}:{ACCOUNT}:orders"
FIFO_QUEUE_ARN: Final = f"{QUEUE_ARN}.fifo"
TOPIC_ARN: Final = f"arn:aws:sns:{REGION}:{ACCOUNT}:orders"


def uuid(number: int, *, kind: int = 0) -> str:
    """Return an id in the form of a UUID; each `kind` has ids of its own."""
    return f"{kind:08x}-0000-4000-8000-{number:012x}"


def text_of(body: object) -> str:
    """Return a string as it is, anything else as compact JSON."""
    return body if isinstance(body, str) else json.dumps(body, separators=(",", ":"))


def iso(ms: int, *, timespec: str = "milliseconds") -> str:
    """Return milliseconds since the epoch in AWS's time format: `2025-11-25T15:04:05.135Z`."""
    moment = datetime.fromtimestamp(ms // 1000, UTC).replace(microsecond=ms % 1000 * 1000)
    return moment.isoformat(timespec=timespec).replace("+00:00", "Z")


def one_each(value: Any, count: int, name: str) -> list[Any]:
    """Return one value for each of `count` messages, from a single value or a sequence.

    Raises:
        ValueError: the sequence has a different length.
    """
    if value is None or isinstance(value, str | int) or not isinstance(value, Sequence):
        return [value] * count
    if len(value) != count:
        raise ValueError(
            f"{name} has {len(value)} values for {count} messages: give one for each, or one value"
        )
    return list(value)
