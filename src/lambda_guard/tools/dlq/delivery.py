"""Delivering: to queues in batches, to functions asynchronously; what was acknowledged, and what was not."""

import json
import re
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, Literal

from lambda_guard import _names as names
from lambda_guard.errors import LambdaGuardError
from lambda_guard.tools.aws import Clients
from lambda_guard.tools.dlq.errors import asked, error_code
from lambda_guard.tools.dlq.letter import Letter, Origin
from lambda_guard.tools.dlq.message import Attributes
from lambda_guard.tools.dlq.packing import message_bytes, pack
from lambda_guard.tools.dlq.targets import Target

INVOKE_BYTES_MOST: Final = 1_048_576
"""Lambda's quota for asynchronous payloads: 1 MB."""

RETRY_SECONDS: Final = (0.2, 0.8, 2.0)
_AT_ONCE: Final = 10
_HEADER: Final = re.compile(r"(?=.*\bRoot=1-[0-9a-f]{8}-[0-9a-f]{24}\b)[\w=;?:| -]+")
_OF_ONE_LETTER: Final = frozenset(
    {
        "RequestTooLargeException",
        "InvalidRequestContentException",
        "UnsupportedMediaTypeException",
        "InvalidParameterValueException",
    }
)


@dataclass(slots=True, frozen=True)
class Parcel:
    """A letter on its way.

    Attributes:
        number: which replay of this letter it is, from 1; a repeated attempt of unknown outcome keeps its
            number.
        unsure: whether an earlier attempt may have been delivered.
    """

    letter: Letter
    target: Target
    number: int
    unsure: bool = False

    @property
    def body(self) -> str:
        """What is delivered."""
        if self.target.kind == "function" and self.target.subscription:
            return _as_sns_event(self.letter, self.target.subscription)
        return self.letter.payload

    @property
    def attributes(self) -> Attributes:
        """The message's own attributes; those that another service wrote about the failure stay behind."""
        own = self.letter.origin in {Origin.QUEUE, Origin.UNKNOWN}
        return self.letter.message.attributes if own else {}

    @property
    def group(self) -> str:
        """The FIFO group to deliver to; empty where the target keeps no order."""
        return (self.letter.message.group or self.letter.message_id) if self.target.fifo else ""


@dataclass(slots=True, frozen=True)
class Outcome:
    """What became of a parcel.

    Attributes:
        state: `unknown` where no answer came: it may have arrived.
        new_id: the message's or the invocation's id at the target.
        passing: the failure is the service's own and may pass.
        final: the target takes nothing at all: it is no use to go on.
        repeated: the SDK has sent it again by itself after a try without an answer, which may have arrived.
    """

    parcel: Parcel
    state: Literal["delivered", "failed", "unknown"]
    new_id: str = ""
    reason: str = ""
    passing: bool = False
    final: bool = False
    repeated: bool = False


class Courier:
    """Delivers parcels.

    Args:
        clients: gives clients of AWS.
    """

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self._call = threading.local()
        self._hooked = set[str]()
        self._pool: ThreadPoolExecutor | None = None

    @staticmethod
    def batches(parcels: Sequence[Parcel]) -> Iterator[list[Parcel]]:
        """Put parcels together that one call, or ten at once, deliver: in order, for one target each."""
        for target in dict.fromkeys(parcel.target for parcel in parcels):
            bound = [parcel for parcel in parcels if parcel.target == target]
            yield from pack(bound, _bytes_of, lambda parcel: parcel.group)

    def deliver(self, batch: Sequence[Parcel]) -> list[Outcome]:
        """Deliver a batch: what came of each parcel, in its order."""
        kind = batch[0].target.kind
        if kind == "queue":
            return self._send(batch)
        if kind == "stream":
            from lambda_guard.tools.dlq.streams import replay_batch

            return [replay_batch(parcel, self._clients) for parcel in batch]
        return self._invoke(batch)

    def _send(self, parcels: Sequence[Parcel]) -> list[Outcome]:
        """Send, and again what SQS could not take for reasons of its own."""
        outcomes = self._send_once(parcels)
        for pause in RETRY_SECONDS:
            again = [at for at, one in enumerate(outcomes) if one.passing]
            if not again:
                break
            time.sleep(pause)
            repeated = self._send_once([parcels[at] for at in again])
            for at, outcome in zip(again, repeated, strict=True):
                outcomes[at] = outcome
        return outcomes

    def _send_once(self, parcels: Sequence[Parcel]) -> list[Outcome]:
        self._hook("sqs", "SendMessageBatch")
        self._call.silent = False
        target = parcels[0].target
        entries = [_entry(str(at), parcel) for at, parcel in enumerate(parcels)]
        try:
            with asked(f"send to the queue {target.name}"):
                answer = self._clients("sqs").send_message_batch(QueueUrl=target.address, Entries=entries)
        except LambdaGuardError as error:
            return [_call_failed(parcel, error) for parcel in parcels]
        # In a FIFO queue, the deduplication id keeps the second one out.
        repeated = self._call.silent and not target.fifo
        outcomes = [Outcome(parcel, "unknown", reason="SQS's answer leaves it out") for parcel in parcels]
        for one in answer.get("Successful", []):
            at = int(one["Id"])
            outcomes[at] = Outcome(parcels[at], "delivered", str(one["MessageId"]), repeated=repeated)
        for one in answer.get("Failed", []):
            at = int(one["Id"])
            reason = f"{one.get('Code', '')}: {one.get('Message', '')}".strip(": ") or "refused"
            outcomes[at] = Outcome(parcels[at], "failed", reason=reason, passing=not one.get("SenderFault"))
        return outcomes

    def _invoke(self, parcels: Sequence[Parcel]) -> list[Outcome]:
        self._hook("lambda", "Invoke")
        if len(parcels) == 1:
            return [self._invoke_one(parcels[0])]
        if self._pool is None:
            self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="replay")
        return list(self._pool.map(self._invoke_one, parcels))

    def _invoke_one(self, parcel: Parcel) -> Outcome:
        payload = parcel.body.encode()
        if len(payload) > INVOKE_BYTES_MOST:
            return Outcome(
                parcel, "failed", reason=f"{len(payload):,} bytes: an asynchronous invocation takes 1 MB"
            )
        self._call.header, self._call.silent = parcel.letter.trace_header, False
        try:
            with asked(f"invoke the function {parcel.target.name}"):
                answer = self._clients("lambda").invoke(
                    FunctionName=parcel.target.address, InvocationType="Event", Payload=payload
                )
        except LambdaGuardError as error:
            return _call_failed(parcel, error)
        new_id = str(answer["ResponseMetadata"].get("RequestId", ""))
        return Outcome(parcel, "delivered", new_id, repeated=self._call.silent)

    def _hook(self, service: str, operation: str) -> None:
        """Let an invocation go on in the letter's trace, which is an HTTP header, and see which tries had no answer."""
        if service in self._hooked:
            return
        self._hooked.add(service)
        events = self._clients(service).meta.events
        events.register("before-call.lambda.Invoke", self._add_header, unique_id="lambda-guard-replay")
        events.register(f"needs-retry.{service}.{operation}", self._note, unique_id="lambda-guard-silence")

    def _note(self, response: Any = None, caught_exception: Any = None, **_: Any) -> None:
        """A try without an answer, or with one of a server that has failed, may have been delivered."""
        from botocore.exceptions import ConnectTimeoutError, EndpointConnectionError

        unsent = isinstance(caught_exception, ConnectTimeoutError | EndpointConnectionError)
        if not unsent and (response is None or response[0].status_code >= 500):  # noqa: PLR2004 - the server's fault
            self._call.silent = True

    def _add_header(self, params: dict[str, Any], **_: Any) -> None:
        header = getattr(self._call, "header", "")
        if is_trace_header(header):
            params["headers"][names.HTTP_TRACE_HEADER] = header

    def close(self) -> None:
        """End the threads."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)


def is_trace_header(text: str) -> bool:
    """Tell whether SQS would take it: a malformed header fails the whole call."""
    return _HEADER.fullmatch(text) is not None


def _entry(entry_id: str, parcel: Parcel) -> dict[str, Any]:
    entry: dict[str, Any] = {"Id": entry_id, "MessageBody": parcel.body}
    if parcel.attributes:
        entry["MessageAttributes"] = {name: dict(value) for name, value in parcel.attributes.items()}
    if is_trace_header(parcel.letter.trace_header):
        header = {"DataType": "String", "StringValue": parcel.letter.trace_header}
        entry["MessageSystemAttributes"] = {names.SQS_TRACE_ATTRIBUTE: header}
    if parcel.target.fifo:
        entry["MessageGroupId"] = parcel.group
        entry["MessageDeduplicationId"] = f"replay-{parcel.letter.message_id}-{parcel.number}"
    elif parcel.letter.origin is Origin.QUEUE and parcel.letter.message.group:
        entry["MessageGroupId"] = parcel.letter.message.group  # a fair queue's tenant
    return entry


def _bytes_of(parcel: Parcel) -> int:
    return message_bytes(parcel.body, parcel.attributes)


def _call_failed(parcel: Parcel, error: LambdaGuardError) -> Outcome:
    """Tell a refusal, after which nothing has arrived, from a silence, after which it may have."""
    from botocore.exceptions import ClientError

    cause = error.__cause__
    if not isinstance(cause, ClientError):
        return Outcome(parcel, "unknown", reason=str(error), final=True)
    status = int(cause.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 400))
    final = error_code(cause) not in _OF_ONE_LETTER
    state: Literal["failed", "unknown"] = "unknown" if status >= 500 else "failed"  # noqa: PLR2004 - the server's fault
    return Outcome(parcel, state, reason=str(error), final=final)


def _as_sns_event(letter: Letter, subscription: str) -> str:
    """Give a function the event that SNS would have: a dead letter may hold the bare notification."""
    event = letter.event
    if not isinstance(event, dict) or event.get("Type") != "Notification":
        return letter.payload
    record = {
        "EventSource": "aws:sns",
        "EventVersion": "1.0",
        "EventSubscriptionArn": subscription,
        "Sns": event,
    }
    return json.dumps({"Records": [record]})
