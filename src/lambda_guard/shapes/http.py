"""Requests through API Gateway and function URLs.

Payload format 1.0: https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html,
2.0: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from .sample import fill


class Api(NamedTuple):
    """The API that a request goes through, or the URL of a function."""

    api_id: str
    stage: str
    account: str
    region: str
    function_url: bool = False

    @property
    def domain(self) -> str:
        """The API's host."""
        if self.function_url:
            return f"{self.api_id}.lambda-url.{self.region}.on.aws"
        return f"{self.api_id}.execute-api.{self.region}.amazonaws.com"


class Request(NamedTuple):
    """A request, and what API Gateway notes of it.

    Attributes:
        method: the HTTP method.
        path: the path, without the stage.
        headers: all values of each header.
        query: all values of each parameter.
        body: as the event has it: text, or base64 with `is_base64`; None without.
        is_base64: whether the body is encoded.
        source_ip: the client's address.
        user_agent: the client's own name.
        request_id: the id that API Gateway gave.
        time_ms: when it came, in milliseconds since the epoch.
    """

    method: str
    path: str
    headers: Mapping[str, Sequence[str]]
    query: Mapping[str, Sequence[str]]
    body: str | None
    is_base64: bool
    source_ip: str
    user_agent: str
    request_id: str
    time_ms: int

    @property
    def time(self) -> str:
        """When it came, as `25/Nov/2025:15:04:05 +0000`."""
        return datetime.fromtimestamp(self.time_ms // 1000, UTC).strftime("%d/%b/%Y:%H:%M:%S +0000")


def event(
    version: str, request: Request, api: Api, *, path_parameters: Mapping[str, str], **route: Any
) -> dict[str, Any]:
    """Return the event of a REST API (payload format 1.0), or of an HTTP API or a function URL (2.0).

    Args:
        version: `1.0` or `2.0`; with 2.0, several values of a header or parameter are joined by commas.
        request: the request.
        api: the API.
        path_parameters: what the route's variables stand for.
        route: with 1.0 its `resource`, as `/orders/{id}`, and `extended_request_id`, a second id that API Gateway
            gives; with 2.0 its `route_key`, as `GET /orders/{id}` or `$default`, `raw_query`, the query as it stands
            in the URL, and `cookies`, each as `name=value`: the `cookie` header isn't taken apart here.
    """
    document, join = _FORMATS[version]
    return fill(
        document,
        route,
        request=request,
        api=api,
        headers=_each(request.headers, join),
        all_headers=_each(request.headers, list),
        query=_each(request.query, join) or None,
        all_query=_each(request.query, list) or None,
        path_parameters=dict(path_parameters) or None,
        body=request.body or None,
    )


def _each(named: Mapping[str, Sequence[str]], made: Callable[[Sequence[str]], Any]) -> dict[str, Any]:
    return {name: made(values) for name, values in named.items()}


def _last(values: Sequence[str]) -> str:
    return values[-1]


_FORMATS: Final[dict[str, tuple[str, Callable[[Sequence[str]], str]]]] = {
    "1.0": ("apigateway", _last),
    "2.0": ("apigateway-v2", ",".join),
}
