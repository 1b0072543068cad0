"""The receiver of spans: an OTLP endpoint, asked again where it says so.

https://opentelemetry.io/docs/specs/otlp/#otlphttp-response
"""

import contextlib
import email.utils
import http.client
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlsplit

from lambda_guard.errors import LambdaGuardError
from lambda_guard.otlp.reading import partial_success

PATH: Final = "/v1/traces"
_TRIES_MOST: Final = 6
_WAIT_MOST: Final = 60.0  # seconds
_TIMEOUT: Final = 30.0  # seconds
_SAID_MOST: Final = 300  # characters
_AGAIN: Final = (
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
)
_HINTS: Final[dict[int, str]] = {
    HTTPStatus.UNAUTHORIZED: "name its key with --header",
    HTTPStatus.FORBIDDEN: "name its key with --header",
    HTTPStatus.NOT_FOUND: "nothing receives spans there: check the path",
    HTTPStatus.METHOD_NOT_ALLOWED: "nothing receives spans there: check the path",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "it doesn't take JSON: say --protobuf",
}


class EndpointError(LambdaGuardError):
    """The endpoint isn't an address of a receiver."""

    exit_code = 2


class RefusedError(LambdaGuardError):
    """The receiver doesn't take spans, or isn't there."""


class _Stay(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: a POST would come out of it as a GET."""

    def redirect_request(self, *_: Any) -> None:
        """Have the redirect be the answer."""


class Receiver:
    """Sends requests to an endpoint.

    Args:
        endpoint: `http://localhost:4318`, to which the path is added, or the whole address up to `/v1/traces`.
        headers: HTTP headers, such as a key.
        wait: sleeps that many seconds.

    Attributes:
        url: where requests go.

    Raises:
        EndpointError: it isn't an HTTP address, or a header isn't one.
    """

    def __init__(self, endpoint: str, headers: Mapping[str, str], wait: Callable[[float], object]) -> None:
        self.url = _url(endpoint)
        for name, value in headers.items():
            if not (f"{name}{value}".isascii() and f"{name}{value}".isprintable()):
                raise EndpointError(f"no HTTP header can hold the value of {name!r}")
        self._headers, self._wait = dict(headers), wait
        self._opener = urllib.request.build_opener(_Stay)

    def send(self, body: bytes, content_type: str) -> tuple[int, str]:
        """Send a request, again and again where the receiver is busy.

        Returns:
            How many spans it rejected, and why.

        Raises:
            RefusedError: it doesn't take the request, or can't be reached.
        """
        for attempt in range(_TRIES_MOST):
            answer, after = self._once(body, content_type)
            if answer is not None:
                return answer
            if attempt + 1 < _TRIES_MOST:
                self._wait(min(after if after is not None else 2.0**attempt, _WAIT_MOST))
        raise RefusedError(f"{self.url} is busy: it was asked {_TRIES_MOST} times and didn't take a request")

    def _once(self, body: bytes, content_type: str) -> tuple[tuple[int, str] | None, float | None]:
        headers = {**self._headers, "Content-Type": content_type}
        request = urllib.request.Request(self.url, body, headers, method="POST")  # noqa: S310 - `_url` has checked it
        try:
            with self._opener.open(request, timeout=_TIMEOUT) as answer:
                return partial_success(answer.read(), content_type), None
        except urllib.error.HTTPError as error:
            with error:
                if error.code in _AGAIN:
                    return None, _seconds(error.headers.get("Retry-After"))
                raise self._refused(error) from error
        except (OSError, http.client.HTTPException) as error:
            said = getattr(error, "reason", None) or error or type(error).__name__
            raise RefusedError(f"{self.url} can't be reached: {said}") from error

    def _refused(self, error: urllib.error.HTTPError) -> RefusedError:
        place = error.headers.get("Location")
        if place and HTTPStatus.MULTIPLE_CHOICES <= error.code < HTTPStatus.BAD_REQUEST:
            return RefusedError(f"{self.url} has moved: name {place} instead")
        hint = _HINTS.get(error.code)
        said = " ".join(error.read(_SAID_MOST).decode("utf-8", "replace").split())
        more = "".join(f": {each}" for each in (said, hint) if each)
        return RefusedError(f"{self.url} answered {error.code} {error.reason}{more}")


def _url(endpoint: str) -> str:
    try:
        url = urlsplit(endpoint.strip())
        sound = url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
    except ValueError:
        sound = False
    if not sound or not endpoint.strip().isprintable():
        raise EndpointError(f"{endpoint!r} isn't an endpoint: write it as in http://localhost:4318")
    whole = url.path.endswith(PATH)
    return url._replace(path=url.path if whole else f"{url.path.rstrip('/')}{PATH}", fragment="").geturl()


def _seconds(said: str | None) -> float | None:
    """Read `Retry-After`: seconds, or a date."""
    if said is None:
        return None
    if said.strip().isdecimal():
        return float(said)
    with contextlib.suppress(ValueError, TypeError):
        return max(0.0, email.utils.parsedate_to_datetime(said).timestamp() - time.time())
    return None
