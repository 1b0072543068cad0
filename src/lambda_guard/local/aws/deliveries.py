"""In moto's process: how its services reach the functions of the local cloud, and with which trace header."""

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar

import requests
from flask import has_request_context, request

from lambda_guard._names import HTTP_TRACE_HEADER

_carried: ContextVar[str | None] = ContextVar("_carried", default=None)


class UndeliverableError(Exception):
    """A target isn't there, or refuses what it is sent; `code` is EventBridge's word for it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Functions:
    """The functions of the local cloud, behind the URL `callback`."""

    def __init__(self, callback: str) -> None:
        self._callback = callback

    def invoke(self, arn: str, payload: str, *, topic: str | None = None) -> None:
        """Invoke a function asynchronously, in the trace of the request at hand.

        Args:
            arn: the function's ARN, or its name.
            payload: the event as JSON.
            topic: the ARN of the topic whose message it is; None for any other service.

        Raises:
            UndeliverableError: there is no such function.
        """
        delivery = {"function": arn, "payload": payload, "trace_header": trace_header(), "topic": topic}
        answer = requests.post(self._callback, json=delivery, timeout=30)
        if not answer.ok:
            raise UndeliverableError("NO_RESOURCE", answer.text)

    def say(self, message: str) -> None:
        """Have the local cloud warn of something: what is printed here, nobody sees."""
        requests.post(self._callback, json={"said": message}, timeout=30)


def trace_header() -> str | None:
    """Return the header of what is being delivered, or of the HTTP request that moto's Flask serves in this thread."""
    given = _carried.get()
    if given is not None:
        return given
    return request.headers.get(HTTP_TRACE_HEADER) if has_request_context() else None


@contextlib.contextmanager
def carried(header: str | None) -> Iterator[None]:
    """Send everything with this header within the block; None leaves the request's."""
    token = _carried.set(header or _carried.get())
    try:
        yield
    finally:
        _carried.reset(token)
