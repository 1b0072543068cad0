"""A dead letter: a message, and what could be found out about how it died. Pure."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any, Final, Self

from lambda_guard.propagation import header as trace_headers
from lambda_guard.shapes import arns
from lambda_guard.tools.dlq.message import Message

_POINTERS: Final = re.compile(
    r'\s*\[\s*"(?:software\.amazon\.payloadoffloading\.PayloadS3Pointer|com\.amazon\.sqs\.javamessaging\.MessageS3Pointer)"'
)
_DIGITS: Final = re.compile(r"\d+")
_DIGEST_LENGTH: Final = 32
_canonical: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode


UNKNOWN_ERROR: Final = "error unknown: only the logs can tell (--logs)"


class Origin(StrEnum):
    """Who put the letter into the dead-letter queue, and that in words."""

    explained: str

    QUEUE = "queue", "a queue's redrive policy"
    FUNCTION = "function", "the dead-letter queue of an asynchronous function"
    DESTINATION = "destination", "an on-failure destination"
    STREAM = "stream", "a stream mapping's on-failure destination: only pointers into the stream"
    RULE = "rule", "an EventBridge rule's target"
    BUS = "bus", "an EventBridge bus's subscriber: a record without the events"
    SUBSCRIPTION = "subscription", "an SNS subscription"
    SCHEDULE = "schedule", "EventBridge Scheduler"
    UNKNOWN = "unknown", "unknown: no service has left a sign in it"

    def __new__(cls, value: str, explained: str) -> Self:
        """Keep the words beside the value."""
        origin = str.__new__(cls, value)
        origin._value_, origin.explained = value, explained
        return origin


@dataclass(slots=True, frozen=True)
class Failure:
    """What is known of the failure: from the letter itself, or from the invocation's record in the logs.

    Attributes:
        message: the exception's text, which the services cut at 1 KB.
        code: an error code or condition of a service, such as `RetriesExhausted`.
        fingerprint: the record's; known only with logs.
        attempts: how many there were; 0 where unknown.
        trace_header: of the failed invocation, so that a replay goes on in its trace.
    """

    type: str = ""
    message: str = ""
    code: str = ""
    fingerprint: str = ""
    stack: tuple[str, ...] = ()
    function: str = ""
    version: str = ""
    invocation_id: str = ""
    trace_id: str = ""
    trace_header: str = ""
    attempts: int = 0

    @property
    def cause(self) -> str:
        """What letters are grouped by: fingerprint, or type, or the message without its numbers, or code."""
        return self.fingerprint or self.type or _DIGITS.sub("#", self.message) or self.code or "unknown"

    @property
    def sentence(self) -> str:
        """Say it in a line: `KeyError: 'sku'`."""
        return ": ".join(filter(None, (self.type, self.message))) or self.code or UNKNOWN_ERROR


@dataclass(slots=True, frozen=True)
class StreamPointer:
    """Where the records of a failed stream batch are, as long as the stream keeps them."""

    stream_arn: str
    shard_id: str
    start: str
    end: str


@dataclass(frozen=True)
class Letter:
    """A dead letter.

    Attributes:
        message: as it lies in the queue.
        origin: who put it there.
        payload: what failed, as text: the event of a function, the body of a queue's message.
        failure: what is known of the failure.
        target: where it was bound for, an ARN or a queue's URL, if the letter itself names it; else empty.
        topic: for SNS, the ARN of topic or subscription.
        via: the topic through which another service's letter came; empty where it came directly.
        pointer: for streams, where the data is.
        request_id: of the asynchronous invocation that failed; empty for others.
        problem: why what failed can't be had from the letter; empty where it can.
    """

    message: Message
    origin: Origin
    payload: str
    failure: Failure = field(default_factory=Failure)
    target: str = ""
    topic: str = ""
    via: str = ""
    pointer: StreamPointer | None = None
    request_id: str = ""
    problem: str = ""

    @property
    def message_id(self) -> str:
        """SQS's id."""
        return self.message.message_id

    @cached_property
    def event(self) -> Any:
        """What failed, parsed; None where it isn't JSON."""
        return parsed(self.payload)

    @cached_property
    def digest(self) -> str:
        """The hash of what failed: the same event has the same one, however it died."""
        document = self.event
        text = self.payload if document is None else _canonical(document)
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGEST_LENGTH]

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids under which the logs, and the journal of an earlier replay, know it."""
        return (self.message_id, self.request_id) if self.request_id else (self.message_id,)

    @property
    def function(self) -> tuple[str, str]:
        """The function that failed, and its version, as far as they are known."""
        if self.failure.function:
            return self.failure.function, self.failure.version
        return arns.function(self.target) if ":function:" in self.target else ("", "")

    @property
    def invocation_id(self) -> str:
        """The invocation that failed; empty where it isn't known."""
        return self.failure.invocation_id or self.request_id

    @property
    def source(self) -> str:
        """Where it was bound for, as far as the letter itself names it."""
        return self.topic or self.target

    @property
    def trace_header(self) -> str:
        """The trace that a replay goes on in: the message's, else the failed invocation's."""
        return self.message.trace_header or self.failure.trace_header

    @property
    def trace_id(self) -> str:
        """The trace of its own header, else of the failed invocation."""
        header = trace_headers.parse(self.message.trace_header)
        return header.root if header is not None else self.failure.trace_id

    @property
    def offloaded(self) -> str:
        """Where in S3 the body is, where the extended client put it there; empty otherwise."""
        if not _POINTERS.match(self.message.body):
            return ""
        document = parsed(self.message.body)
        where = document[1] if isinstance(document, list) and len(document) > 1 else None
        if not isinstance(where, Mapping):
            return ""
        return f"s3://{where.get('s3BucketName')}/{where.get('s3Key')}"


def parsed(text: str) -> Any:
    """Parse JSON; None where it isn't, or is nested too deeply."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
