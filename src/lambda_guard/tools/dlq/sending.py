"""Sending: to queues in batches, to functions asynchronously; what was acknowledged, and what was not."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, Literal, TypeVar

from lambda_guard import _names as names
from lambda_guard.errors import LambdaGuardError
from lambda_guard.propagation import header as trace_headers
from lambda_guard.tools.aws import Clients, error_code
from lambda_guard.tools.dlq.delivery import Delivery, Result
from lambda_guard.tools.dlq.errors import asked
from lambda_guard.tools.dlq.letter import Origin
from lambda_guard.tools.dlq.message import Attributes
from lambda_guard.tools.dlq.queue import LEFT_OUT
from lambda_guard.tools.dlq.streams import replay_batch

ENTRIES_MOST: Final = 10
BYTES_MOST: Final = 1_048_576
"""SendMessageBatch: "The total size of all messages that you send in a single call can't exceed 1 MiB".

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html
"""

INVOKE_BYTES_MOST: Final = 1_048_576
"""1 MB, the quota of asynchronous payloads: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html."""

Item = TypeVar("Item")
RETRY_SECONDS: Final = (0.2, 0.8, 2.0)
_AT_ONCE: Final = 10
_OF_ONE_LETTER: Final = frozenset(
    {
        "RequestTooLargeException",
        "InvalidRequestContentException",
        "UnsupportedMediaTypeException",
        "InvalidParameterValueException",
    }
)


class Sender:
    """Makes deliveries."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self._call = threading.local()
        self._hooked: set[str] = set()
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="replay")

    @staticmethod
    def batches(deliveries: Sequence[Delivery]) -> Iterator[list[Delivery]]:
        """Yield deliveries for one target at a time, in their order, as many as one call or ten threads take."""
        for target in dict.fromkeys(delivery.target for delivery in deliveries):
            bound = [delivery for delivery in deliveries if delivery.target == target]
            yield from pack(bound, lambda one: message_bytes(one.body, one.attributes), lambda one: one.group)

    def deliver(self, batch: Sequence[Delivery]) -> list[Result]:
        """Make the deliveries of a batch; returns their results in the same order."""
        kind = batch[0].target.kind
        if kind == "queue":
            return self._send(batch)
        if kind == "stream":
            return [replay_batch(delivery, self._clients) for delivery in batch]
        return self._invoke(batch)

    def _send(self, deliveries: Sequence[Delivery]) -> list[Result]:
        """Send, and send again what SQS couldn't take for reasons of its own.

        A batch may succeed in part, with status 200:
        https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html
        """
        results = self._send_once(deliveries)
        for pause in RETRY_SECONDS:
            again = [at for at, one in enumerate(results) if one.passing]
            if not again:
                break
            time.sleep(pause)
            repeated = self._send_once([deliveries[at] for at in again])
            for at, result in zip(again, repeated, strict=True):
                results[at] = result
        return results

    def _send_once(self, deliveries: Sequence[Delivery]) -> list[Result]:
        self._hook("sqs", "SendMessageBatch")
        self._call.silent = False
        target = deliveries[0].target
        entries = [_entry(str(at), delivery) for at, delivery in enumerate(deliveries)]
        try:
            with asked(f"send to the queue {target.name}"):
                answer = self._clients("sqs").send_message_batch(QueueUrl=target.address, Entries=entries)
                # In a FIFO queue, the deduplication id keeps the second one out.
                return _results(answer, deliveries, repeated=self._call.silent and not target.fifo)
        except LambdaGuardError as error:
            return [_call_failed(delivery, error) for delivery in deliveries]

    def _invoke(self, deliveries: Sequence[Delivery]) -> list[Result]:
        self._hook("lambda", "Invoke")
        return list(self._pool.map(self._invoke_one, deliveries))

    def _invoke_one(self, delivery: Delivery) -> Result:
        payload = delivery.body.encode()
        if len(payload) > INVOKE_BYTES_MOST:
            return Result(
                delivery, "failed", reason=f"{len(payload):,} bytes: an asynchronous invocation takes 1 MB"
            )
        self._call.header, self._call.silent = delivery.letter.trace_header, False
        try:
            with asked(f"invoke the function {delivery.target.name}"):
                answer = self._clients("lambda").invoke(
                    FunctionName=delivery.target.address, InvocationType="Event", Payload=payload
                )
        except LambdaGuardError as error:
            return _call_failed(delivery, error)
        new_id = str(answer["ResponseMetadata"].get("RequestId", ""))
        return Result(delivery, "delivered", new_id, repeated=self._call.silent)

    def _hook(self, service: str, operation: str) -> None:
        """Pass the letter's trace on in an invocation's HTTP header, and note which attempts had no answer."""
        if service in self._hooked:
            return
        self._hooked.add(service)
        events = self._clients(service).meta.events
        events.register("before-call.lambda.Invoke", self._add_header, unique_id="lambda-guard-replay")
        events.register(f"needs-retry.{service}.{operation}", self._note, unique_id="lambda-guard-silence")

    def _note(self, response: Any = None, caught_exception: Any = None, **_: Any) -> None:
        """Note an attempt without an answer, or with a 5xx: it may have been delivered."""
        from botocore.exceptions import ConnectTimeoutError, EndpointConnectionError

        unsent = isinstance(caught_exception, ConnectTimeoutError | EndpointConnectionError)
        if not unsent and (response is None or response[0].status_code >= 500):  # noqa: PLR2004 - the server's fault
            self._call.silent = True

    def _add_header(self, params: dict[str, Any], **_: Any) -> None:
        header = trace_headers.parse(getattr(self._call, "header", ""))
        if header is not None:
            params["headers"][names.HTTP_TRACE_HEADER] = header.text()

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown(wait=True, cancel_futures=True)


def pack(
    items: Iterable[Item], size_of: Callable[[Item], int], group_of: Callable[[Item], str]
) -> Iterator[list[Item]]:
    """Put items into batches, in their order.

    A batch may succeed in part: were two of one FIFO group in it, the second could overtake the first.

    Args:
        items: what to pack.
        size_of: the bytes that SQS counts.
        group_of: the FIFO group, of which only one may be in a batch; empty where order doesn't matter.
    """
    batch: list[Item] = []
    size, groups = 0, set[str]()
    for item in items:
        more, group = size_of(item), group_of(item)
        if batch and (len(batch) == ENTRIES_MOST or size + more > BYTES_MOST or group in groups):
            yield batch
            batch, size, groups = [], 0, set()
        batch.append(item)
        size += more
        groups |= {group} if group else set()
    if batch:
        yield batch


def message_bytes(body: str, attributes: Attributes) -> int:
    """Count as SQS does: the body, and name, type and value of each message attribute."""
    size = len(body.encode("utf-8", "surrogatepass"))
    for name, value in attributes.items():
        texts = (name, value.get("DataType", ""), value.get("StringValue", ""))
        size += sum(len(text.encode()) for text in texts) + len(value.get("BinaryValue", b""))
    return size


def _entry(entry_id: str, delivery: Delivery) -> dict[str, Any]:
    entry: dict[str, Any] = {"Id": entry_id, "MessageBody": delivery.body}
    if delivery.attributes:
        entry["MessageAttributes"] = {name: dict(value) for name, value in delivery.attributes.items()}
    # SQS refuses the whole call for a malformed header.
    header = trace_headers.parse(delivery.letter.trace_header)
    if header is not None:
        value = {"DataType": "String", "StringValue": header.text()}
        entry["MessageSystemAttributes"] = {names.SQS_TRACE_ATTRIBUTE: value}
    if delivery.target.fifo:
        entry["MessageGroupId"] = delivery.group
        entry["MessageDeduplicationId"] = f"replay-{delivery.letter.message_id}-{delivery.number}"
    elif delivery.letter.origin is Origin.QUEUE and delivery.letter.message.group:
        entry["MessageGroupId"] = delivery.letter.message.group  # a fair queue's tenant
    return entry


def _results(answer: Mapping[str, Any], deliveries: Sequence[Delivery], *, repeated: bool) -> list[Result]:
    """Read what became of each entry of a batch."""
    results = [Result(one, "unknown", reason=LEFT_OUT) for one in deliveries]
    for one in answer.get("Successful", []):
        at = int(one["Id"])
        results[at] = Result(deliveries[at], "delivered", str(one["MessageId"]), repeated=repeated)
    for one in answer.get("Failed", []):
        at = int(one["Id"])
        reason = f"{one.get('Code', '')}: {one.get('Message', '')}".strip(": ") or "refused"
        results[at] = Result(deliveries[at], "failed", reason=reason, passing=not one.get("SenderFault"))
    return results


def _call_failed(delivery: Delivery, error: LambdaGuardError) -> Result:
    """Tell a refusal, after which nothing has arrived, from a 5xx or no answer at all, after which it may have."""
    from botocore.exceptions import ClientError

    cause = error.__cause__
    if not isinstance(cause, ClientError):
        return Result(delivery, "unknown", reason=str(error), final=True)
    status = int(cause.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 400))
    final = error_code(cause) not in _OF_ONE_LETTER
    state: Literal["failed", "unknown"] = "unknown" if status >= 500 else "failed"  # noqa: PLR2004 - the server's fault
    return Result(delivery, state, reason=str(error), final=final)
