"""AWS's module `runtime_client`, for systems where it isn't built: awslambdaric's own, in C++, is for Linux alone.

https://github.com/aws/aws-lambda-python-runtime-interface-client/blob/main/awslambdaric/runtime_client.cpp

The bootstrap puts it in the place of the missing one. It asks the same of the runtime API, with the same headers, and
raises the same errors.
"""

import os
from http.client import HTTPConnection, HTTPMessage
from typing import Any, Final

_ROOT: Final = "/2018-06-01/runtime/invocation"
_DEADLINE: Final = "Lambda-Runtime-Deadline-Ms"
_HEADERS: Final = (
    "Lambda-Runtime-Aws-Request-Id",
    "Lambda-Runtime-Trace-Id",
    "Lambda-Runtime-Invoked-Function-Arn",
    "Lambda-Runtime-Client-Context",
    "Content-Type",
    "Lambda-Runtime-Cognito-Identity",
    "Lambda-Runtime-Aws-Tenant-Id",
    "Lambda-Runtime-Invocation-Id",
)


def initialize_client(user_agent: str) -> None:
    """Do nothing: the name by which the runtime client calls itself matters to nobody here."""


def next() -> tuple[bytes, dict[str, Any]]:  # noqa: A001 - the name of AWS's function
    """Wait for the next invocation, and return its event and headers.

    Raises:
        RuntimeError: there is none; in AWS's words.
    """
    status, headers, body = _call("GET", "next", b"", {})
    if status // 100 != 2:  # noqa: PLR2004 - successful
        raise RuntimeError("Failed to get next")
    found: dict[str, Any] = {name: _text(headers[name]) for name in _HEADERS}
    return body, {**found, _DEADLINE: int(headers[_DEADLINE] or 0)}


def post_invocation_result(
    request_id: str, response: bytes, content_type: str, invocation_id: str | None = None
) -> None:
    """Give what the handler returned.

    Raises:
        RuntimeError: it isn't accepted, for example because it is too large; in AWS's words.
    """
    headers = {"content-type": content_type or "text/html"}
    if not _post(f"{request_id}/response", response, headers, invocation_id):
        raise RuntimeError("Failed to post invocation response")


def post_error(request_id: str, response: str, xray_fault: str, invocation_id: str | None = None) -> None:
    """Give what the handler raised.

    Raises:
        RuntimeError: it isn't accepted; in AWS's words.
    """
    headers = {
        "content-type": "application/json",
        # JSON; http.client writes headers in Latin-1.
        "lambda-runtime-function-xray-error-cause": xray_fault.encode().decode("latin-1"),
    }
    if not _post(f"{request_id}/error", response.encode(), headers, invocation_id):
        raise RuntimeError("Failed to post invocation error")


def _post(path: str, body: bytes, headers: dict[str, str], invocation_id: str | None) -> bool:
    if invocation_id:
        headers["lambda-runtime-invocation-id"] = invocation_id
    return _call("POST", path, body, headers)[0] // 100 == 2  # noqa: PLR2004 - as above


def _call(method: str, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, HTTPMessage, bytes]:
    connection = HTTPConnection(os.environ.get("AWS_LAMBDA_RUNTIME_API") or "127.0.0.1:9001")
    try:
        connection.request(method, f"{_ROOT}/{path}", body or None, headers)
        response = connection.getresponse()
        return response.status, response.headers, response.read()
    finally:
        connection.close()


def _text(header: str | None) -> str | None:
    """Return a header's value, which is UTF-8, and which http.client takes for Latin-1; None for an empty one."""
    return header.encode("latin-1").decode("utf-8", "replace") if header else None
