"""Lambda's Runtime API for one execution environment, on loopback.

The interface is that of https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html: `next` is a long poll
that returns one invocation at a time, `response` and `error` end it, `init/error` reports that the function
could not be loaded.
"""

import json
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus

from lambda_guard.local.runtime.http_server import HttpRequest, HttpResponse, LoopbackServer

# "6,291,556 bytes": https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
RESPONSE_BYTES_MOST = 6 * 1024 * 1024 + 100
_ROOT = "/2018-06-01/runtime"
_INVOCATION = re.compile(rf"{_ROOT}/invocation/([^/]+)/(response|error)")
_ERROR_TYPE = "lambda-runtime-function-error-type"


@dataclass(frozen=True, slots=True)
class Invocation:
    """One invocation as the runtime receives it.

    Attributes:
        request_id: a UUID; becomes `context.aws_request_id`.
        event: the JSON document, encoded.
        deadline_ms: when the environment is killed, in milliseconds since the epoch.
        function_arn: becomes `context.invoked_function_arn`.
        trace_header: becomes `_X_AMZN_TRACE_ID`; None leaves the variable out.
        client_context: the caller's client context, a JSON document.
        cognito_identity: the caller's identity, a JSON document.
    """

    request_id: str
    event: bytes
    deadline_ms: int
    function_arn: str
    trace_header: str | None = None
    client_context: str | None = None
    cognito_identity: str | None = None

    def response(self) -> HttpResponse:
        """Return the answer of `next`."""
        headers = {
            "Lambda-Runtime-Aws-Request-Id": self.request_id,
            "Lambda-Runtime-Deadline-Ms": str(self.deadline_ms),
            "Lambda-Runtime-Invoked-Function-Arn": self.function_arn,
            "Lambda-Runtime-Trace-Id": self.trace_header,
            "Lambda-Runtime-Client-Context": self.client_context,
            "Lambda-Runtime-Cognito-Identity": self.cognito_identity,
        }
        lines = tuple((name, value) for name, value in headers.items() if value is not None)
        return HttpResponse(status=HTTPStatus.OK, body=self.event, header_lines=lines)


@dataclass(frozen=True, slots=True)
class RuntimeReply:
    """The runtime's reply: the handler's answer, or its error.

    Attributes:
        body: the document as posted.
        error_type: None for an answer; else the error's type.
        received: when, on the monotonic clock, in seconds.
    """

    body: bytes
    error_type: str | None = None
    received: float = field(default_factory=time.monotonic)

    @classmethod
    def of_error(cls, body: bytes, header: str | None) -> "RuntimeReply":
        """Read an error document; its `errorType` is more exact than the header."""
        try:
            document = json.loads(body)
        except ValueError:
            document = None
        named = document.get("errorType") if isinstance(document, dict) else None
        return cls(body, str(named or header or "Runtime.Unknown"))


class RuntimeApi:
    """The server, where the runtime and the invoker meet.

    Every wait ends when the runtime moves on, with `abandon` (the process is gone), or at its deadline.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._parked = False
        self._next: Invocation | None = None
        self._current: str | None = None
        self._reply: RuntimeReply | None = None
        self.gone = False
        self.init_error: RuntimeReply | None = None
        self._server = LoopbackServer(self._respond)
        self.address = self._server.address

    # --- The invoker's side ---------------------------------------------------------------------------------

    def wait_until_ready(self, until: float) -> bool:
        """Wait for the runtime's call of `next`, until the monotonic time `until` (seconds) at most."""
        return self._wait(lambda: self._parked, until) and self._parked

    def deliver(self, invocation: Invocation) -> None:
        """Hand the invocation to the parked `next` call."""
        with self._changed:
            self._reply, self._current, self._next = None, invocation.request_id, invocation
            self._parked = False
            self._changed.notify_all()

    def wait_for_reply(self, until: float) -> RuntimeReply | None:
        """Wait until the runtime has replied and asks for more, so that everything it printed is out.

        Returns:
            The reply; None where there was none until the monotonic time `until`, in seconds, or the process
            is gone.
        """
        self._wait(lambda: self._reply is not None and self._parked, until)
        with self._changed:
            return self._reply

    def abandon(self) -> None:
        """Note that the process is gone, which ends every wait."""
        with self._changed:
            self.gone = True
            self._changed.notify_all()

    def close(self) -> None:
        """End every wait and the server."""
        self.abandon()
        self._server.close()

    def _wait(self, met: Callable[[], bool], until: float) -> bool:
        with self._changed:
            remaining = max(0.0, until - time.monotonic())
            self._changed.wait_for(lambda: met() or self.gone, timeout=remaining)
            return met()

    # --- The runtime's side ---------------------------------------------------------------------------------

    def _respond(self, request: HttpRequest) -> HttpResponse | None:
        if request.method == "GET":
            if request.path == f"{_ROOT}/invocation/next":
                return self._take()
            restored = request.path == f"{_ROOT}/restore/next"
            return HttpResponse(status=HTTPStatus.OK if restored else HTTPStatus.NOT_FOUND)
        found = _INVOCATION.fullmatch(request.path)
        failed = request.path in {f"{_ROOT}/init/error", f"{_ROOT}/restore/error"}
        if not found and not failed:
            return HttpResponse(status=HTTPStatus.NOT_FOUND)
        if found and found[2] == "response":
            reply = RuntimeReply(request.body)
        else:
            reply = RuntimeReply.of_error(request.body, request.lower_headers.get(_ERROR_TYPE))
        status = self._receive(found[1], reply) if found else self._fail_init(reply)
        return HttpResponse(status=status, body=b'{"status":"OK"}')

    def _take(self) -> HttpResponse | None:
        """Park until there is an invocation; None when the environment ends."""
        with self._changed:
            self._parked = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._next is not None or self.gone)
            invocation, self._next = self._next, None
            return None if invocation is None else invocation.response()

    def _receive(self, request_id: str, reply: RuntimeReply) -> HTTPStatus:
        """Take the runtime's reply; an oversized one counts as an error, as on AWS."""
        status = HTTPStatus.ACCEPTED
        if reply.error_type is None and len(reply.body) > RESPONSE_BYTES_MOST:
            status, reply = HTTPStatus.REQUEST_ENTITY_TOO_LARGE, _too_large(len(reply.body))
        with self._changed:
            if request_id != self._current:
                return HTTPStatus.BAD_REQUEST
            self._reply, self._current = reply, None
            self._changed.notify_all()
        return status

    def _fail_init(self, reply: RuntimeReply) -> HTTPStatus:
        """Note that the function couldn't be loaded."""
        with self._changed:
            self.init_error = reply
            self._changed.notify_all()
        return HTTPStatus.ACCEPTED


def _too_large(size: int) -> RuntimeReply:
    most = RESPONSE_BYTES_MOST
    message = f"Response payload size ({size} bytes) exceeded maximum allowed payload size ({most} bytes)."
    error_type = "Function.ResponseSizeTooLarge"
    return RuntimeReply(json.dumps({"errorType": error_type, "errorMessage": message}).encode(), error_type)
