"""Synchronous and asynchronous invocations, with retries, dead-letter queues and destinations.

https://docs.aws.amazon.com/lambda/latest/dg/invocation-async.html
"""

import contextlib
import json
import logging
import threading
import time
import uuid
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from lambda_guard.local._errors import LocalCloudError, ThrottledError
from lambda_guard.local.aws.moto_process import MotoProcess
from lambda_guard.local.aws.xray_daemon import XRayDaemon
from lambda_guard.local.lambda_service.absent import AbsentFunctions
from lambda_guard.local.lambda_service.activity import Activity, Clock
from lambda_guard.local.lambda_service.service_metrics import ServiceMetrics
from lambda_guard.local.lambda_service.trace import ServiceTrace, new_root
from lambda_guard.local.runtime.function import Function
from lambda_guard.local.runtime.platform_log import now_text
from lambda_guard.local.runtime.result import InvocationResult
from lambda_guard.shapes import arns
from lambda_guard.shapes.sample import fill
from lambda_guard.templates.stack import FunctionDeclaration

if TYPE_CHECKING:
    from lambda_guard.local.permissions.deciding import Permissions

# "Lambda waits one minute before the first retry and two minutes before the second.":
# https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
RETRY_SECONDS = (60.0, 120.0)
_ERROR_MESSAGE_MOST = 1024  # "ErrorMessage: the first 1 KB of the error message"
_RECENT_RESULTS = 10_000
_THROTTLED_SECONDS_MOST = 300.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Deployed:
    """A function and how it was declared."""

    function: Function
    declaration: FunctionDeclaration
    pool: ThreadPoolExecutor


@dataclass(frozen=True, slots=True)
class AsynchronousEvent:
    """An event in Lambda's internal queue."""

    request_id: str
    function: str
    payload: bytes
    trace_header: str
    client_context: Any
    accepted: float
    attempt: int = 1
    throttles: int = 0


class Invoker:
    """Invokes functions, as the service does, with the retries of asynchronous ones; `functions` has them by name."""

    def __init__(
        self,
        moto: MotoProcess,
        clock: Clock,
        activity: Activity,
        daemon: XRayDaemon,
        metrics: ServiceMetrics,
        *,
        permissions: "Permissions | None",
        sampled: bool,
    ) -> None:
        self._moto = moto
        self._clock = clock
        self._activity = activity
        self._daemon = daemon
        self._sampled = sampled
        self.metrics = metrics
        self._permissions = permissions
        self.functions: dict[str, Deployed] = {}
        self._lock = threading.Lock()
        self._results: deque[tuple[str, InvocationResult]] = deque(maxlen=_RECENT_RESULTS)
        self._closed = False
        self.absent = AbsentFunctions((), moto)

    def deploy(self, function: Function, declaration: FunctionDeclaration) -> None:
        """Make a function known."""
        pool = ThreadPoolExecutor(
            declaration.reserved_concurrency or 1, thread_name_prefix=f"async-{function.name}"
        )
        self.functions[function.name] = Deployed(function, declaration, pool)

    def find(self, name_or_arn: str) -> Deployed | None:
        """Find a function by name or (partial) ARN, qualified or not; None where there is none."""
        return self.functions.get(arns.function(name_or_arn)[0])

    def results(self) -> list[tuple[str, InvocationResult]]:
        """Return function name and result of the latest invocations, oldest first."""
        with self._lock:
            return list(self._results)

    def invoke(
        self,
        name: str,
        payload: bytes,
        *,
        trace_header: str | None = None,
        client_context: Any = None,
        request_id: str | None = None,
    ) -> InvocationResult:
        """Invoke a function and wait for its end; the header is the caller's.

        Raises:
            FunctionAbsentError: it can't run here.
            ThrottledError: its reserved concurrency is 0.
            LocalCloudError: there is no such function, or the cloud is closed.
        """
        deployed = self._deployed(name)
        function = deployed.function
        if deployed.declaration.reserved_concurrency == 0:
            self.metrics.of_function(function.name, "Throttles")
            raise ThrottledError(f"function {function.name} is throttled: it reserves no concurrency")
        trace = ServiceTrace.begin(
            function.arn, trace_header, active=deployed.declaration.tracing, sampled=self._sampled
        )
        if function.busy:  # where AWS would refuse it, it waits here
            self.metrics.of_function(function.name, "Throttles")
        self._activity.begin()
        try:
            began = time.time()
            result = function.invoke(
                payload, trace_header=trace.header, client_context=client_context, request_id=request_id
            )
            self._record(deployed, trace, result, began)
        finally:
            self._activity.end()
        return result

    def _record(
        self, deployed: Deployed, trace: ServiceTrace, result: InvocationResult, began: float
    ) -> None:
        function = deployed.function
        with self._lock:
            self._results.append((function.name, result))
        # With PassThrough, "Lambda doesn't send traces to X-Ray".
        if trace.sampled and deployed.declaration.tracing:
            failed = result.function_error is not None
            documents = trace.documents(
                function.name, function.arn, result.request_id, began, time.time(), failed=failed
            )
            for document in documents:
                self._daemon.add(document)

    def invoke_later(
        self, name: str, payload: bytes, *, trace_header: str | None = None, client_context: Any = None
    ) -> str:
        """Accept an event for asynchronous invocation and return its request id.

        Raises:
            LocalCloudError: there is no such function, or the cloud is closed.
        """
        deployed = self._deployed(name)
        event = AsynchronousEvent(
            str(uuid.uuid4()),
            deployed.function.name,
            payload,
            trace_header or f"Root={new_root()}",  # every attempt belongs to one trace
            client_context,
            time.monotonic(),
        )
        self._activity.begin()
        self._submit(event)
        return event.request_id

    def _submit(self, event: AsynchronousEvent) -> None:
        try:
            self.functions[event.function].pool.submit(self._attempt, event)
        except RuntimeError:  # the pool is shut down: the cloud is closing
            self._activity.end()

    def _attempt(self, event: AsynchronousEvent) -> None:
        try:
            result = self.invoke(
                event.function,
                event.payload,
                trace_header=event.trace_header,
                client_context=event.client_context,
                request_id=event.request_id,
            )
            if result.function_error is not None and self._retried(event):
                return
            self._concluded(event, result)
        except ThrottledError:
            if self._throttled(event):
                return
        except Exception:
            if not self._closed:
                _log.exception(
                    "the asynchronous invocation %s of %s is lost", event.request_id, event.function
                )
        self._activity.end()

    def _retried(self, event: AsynchronousEvent) -> bool:
        """Put the event back for the next attempt, and return whether there is one."""
        if event.attempt > self.functions[event.function].declaration.retry_attempts:
            return False
        delay = RETRY_SECONDS[min(event.attempt, len(RETRY_SECONDS)) - 1]
        return self._again(replace(event, attempt=event.attempt + 1), delay)

    def _throttled(self, event: AsynchronousEvent) -> bool:
        """Put the event back for a while, and return whether it isn't too old for that.

        "For throttling errors […] Lambda returns the event to the queue and attempts to run the function again […]. The
        retry interval increases exponentially from 1 second after the first attempt to a maximum of 5 minutes."
        """
        delay = min(2.0**event.throttles, _THROTTLED_SECONDS_MOST)
        if self._again(replace(event, throttles=event.throttles + 1), delay):
            return True
        self._concluded(event, _throttled_result(event))
        return False

    def _again(self, event: AsynchronousEvent, delay: float) -> bool:
        """Submit an event in so many seconds of AWS's; return whether it isn't too old by then."""
        age = (time.monotonic() - event.accepted) * self._clock.speed
        if age + delay > self.functions[event.function].declaration.event_age:
            return False
        self._clock.after(delay, lambda: self._submit(event))
        return True

    def _concluded(self, event: AsynchronousEvent, result: InvocationResult) -> None:
        declaration = self.functions[event.function].declaration
        if result.function_error is None:
            if declaration.on_success:
                document = self._document(event, result, "Success")
                self.to_destination(event.function, event.request_id, declaration.on_success, document)
            return
        self.metrics.of_function(event.function, "AsyncEventsDropped")
        exhausted = event.attempt > declaration.retry_attempts
        condition = "RetriesExhausted" if exhausted else "EventAgeExceeded"
        if declaration.on_failure:
            document = self._document(event, result, condition)
            self.to_destination(event.function, event.request_id, declaration.on_failure, document)
        if arn := declaration.dead_letter_arn:
            with self._counted(event.function, event.request_id, arn, "DeadLetterErrors"):
                self._deliver(event.function, arn, event.payload.decode(), _dead_letter(event, result))

    def to_destination(self, function: str, request_id: str, arn: str, document: str) -> None:
        """Send a document on what became of an invocation, in the function's name."""
        with self._counted(function, request_id, arn, "DestinationDeliveryFailures"):
            self._deliver(function, arn, document)

    @contextlib.contextmanager
    def _counted(self, function: str, request_id: str, arn: str, metric: str) -> Iterator[None]:
        """Count a delivery that is refused: as on AWS, the event is lost, and a metric is all that says so."""
        try:
            yield
        except (BotoCoreError, ClientError, LocalCloudError) as error:
            if not self._closed:
                self.metrics.of_function(function, metric)
                _log.warning("%s of %s to %s failed: %s", request_id, function, arn, error)

    def _document(self, event: AsynchronousEvent, result: InvocationResult, condition: str) -> str:
        """Return the invocation record that a destination gets.

        https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html#invocation-async-destinations
        """
        record = fill(
            "invocation-record",
            event=event,
            result=result,
            condition=condition,
            timestamp=now_text(),
            function_arn=self.functions[event.function].function.arn,
            payload=json.loads(event.payload or b"null"),
            function_error=result.function_error,
        )
        return json.dumps(record)

    def _deliver(self, function: str, arn: str, body: str, attributes: dict[str, Any] | None = None) -> None:
        if self._permissions is not None and (refusal := self._permissions.sends(function, arn)):
            raise LocalCloudError(refusal)
        if arn.startswith("arn:aws:sqs:"):
            url = self._moto.queue_url(arn)
            self._moto.client("sqs").send_message(
                QueueUrl=url, MessageBody=body, MessageAttributes=attributes or {}
            )
        elif arn.startswith("arn:aws:sns:"):
            self._moto.client("sns").publish(TopicArn=arn, Message=body, MessageAttributes=attributes or {})
        elif arn.startswith("arn:aws:events:"):
            self._moto.client("events").put_events(Entries=[_entry(arn, body)])
        else:
            self.invoke_later(arn, body.encode())

    def _deployed(self, name: str) -> Deployed:
        deployed = self.find(name)
        if deployed is None:
            self.absent.refuse(name)
            known = ", ".join(sorted(self.functions)) or "none"
            raise LocalCloudError(f"there is no function {name!r} here; functions: {known}")
        if self._closed:
            raise LocalCloudError("the local cloud is closed: no more invocations")
        return deployed

    def stop(self) -> None:
        """Take no more invocations and kill the functions."""
        self._closed = True
        self.absent.close()
        for deployed in self.functions.values():
            deployed.pool.shutdown(wait=False, cancel_futures=True)
            deployed.function.close()

    def join(self) -> None:
        """Wait for the threads, after `stop`."""
        for deployed in self.functions.values():
            with contextlib.suppress(RuntimeError):
                deployed.pool.shutdown(wait=True)


def _entry(bus: str, record: str) -> dict[str, Any]:
    """Return what a bus gets as a destination: an invocation record as an event.

    https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html#invocation-async-destinations
    """
    context = json.loads(record)["requestContext"]
    outcome = "Success" if context["condition"] == "Success" else "Failure"
    return {
        "EventBusName": bus,
        "Source": "lambda",
        "DetailType": f"Lambda Function Invocation Result - {outcome}",
        "Detail": record,
        "Resources": [bus, context["functionArn"]],
    }


def _throttled_result(event: AsynchronousEvent) -> InvocationResult:
    """Return what stands for the result of an event that never ran."""
    error = "TooManyRequestsException"
    return InvocationResult.of(
        json.dumps({"errorType": error, "errorMessage": "Rate Exceeded."}).encode(),
        error,
        request_id=event.request_id,
        status="error",
        cold_start=False,
        duration_ms=0.0,
        init_ms=None,
        max_memory_mb=0,
        log_stream="",
        trace_header=event.trace_header,
    )


def _dead_letter(event: AsynchronousEvent, result: InvocationResult) -> dict[str, Any]:
    """Return the message attributes of a dead letter.

    https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html#invocation-dlq
    """
    message = (result.error_message or "").encode()[:_ERROR_MESSAGE_MOST].decode("utf-8", "ignore")
    return {
        "RequestID": {"DataType": "String", "StringValue": event.request_id},
        "ErrorCode": {"DataType": "Number", "StringValue": "200"},
        "ErrorMessage": {"DataType": "String", "StringValue": message or "-"},
    }
