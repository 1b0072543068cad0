"""Documents of events, as `aws logs filter-log-events` and `get-log-events` write them: one JSON object for all."""

import json
import re
from collections.abc import Iterator
from typing import Final

from lambda_guard.tools.logs.model import TimedLine, as_number

DOCUMENT_BYTES_MOST: Final = 256 * 2**20
_OPENING: Final = re.compile(rb'\s*\{\s*"(?:events|searchedLogStreams)"\s*:\s*\[')


def is_event_document(first: bytes) -> bool:
    """Recognise such a document by its first bytes."""
    return _OPENING.match(first) is not None


def lines_of_events(first: bytes, rest: Iterator[bytes]) -> Iterator[list[bytes]]:
    """Yield the events' messages as lines with their times and streams.

    A document that is cut off or over 256 MB comes as the lines that it consists of: nothing is hidden.
    """
    whole = bytearray(first)
    for chunk in rest:
        whole += chunk
        if len(whole) > DOCUMENT_BYTES_MOST:
            break
    try:
        yield list(map(line_of, json.loads(bytes(whole))["events"]))
    except (ValueError, KeyError, TypeError, RecursionError):
        yield bytes(whole).split(b"\n")
    for chunk in rest:
        yield chunk.split(b"\n")


def line_of(event: object) -> bytes:
    """Return the message of an event as a line with its time and stream; anything else is shown as it is."""
    if not isinstance(event, dict) or not isinstance(event.get("message"), str):
        return json.dumps(event).encode()
    message = event["message"].rstrip("\r\n").encode("utf-8", "replace")
    at = as_number(event.get("timestamp"))
    return message if at is None else TimedLine.at(message, at, str(event.get("logStreamName") or ""))
