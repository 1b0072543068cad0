"""Requests through API Gateway and function URLs.

Payload format 1.0: https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html,
2.0: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from .sample import fill


class Api(NamedTuple):
    """The API that a request goes through."""

    api_id: str
    stage: str
    account: str
    region: str

    @property
    def domain(self) -> str:
        """The API's host."""
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


def event_v1(
    request: Request, api: Api, *, resource: str, path_parameters: Mapping[str, str], extended_request_id: str
) -> dict[str, Any]:
    """Return the event of a REST API (payload format 1.0).

    Args:
        request: the request.
        api: the API.
        resource: the route, as `/orders/{id}`.
        path_parameters: what the route's variables stand for.
        extended_request_id: a second id that API Gateway gives.
    """
    return fill(
        "apigateway",
        locals(),
        headers=_each(request.headers, _last),
        all_headers=_each(request.headers, list),
        query=_each(request.query, _last) or None,
        all_query=_each(request.query, list) or None,
        path_parameters=dict(path_parameters) or None,
    )


def event_v2(
    request: Request,
    api: Api,
    *,
    route_key: str,
    path_parameters: Mapping[str, str],
    raw_query: str,
    cookies: Sequence[str] = (),
) -> dict[str, Any]:
    """Return the event of an HTTP API or a function URL (payload format 2.0).

    Args:
        request: the request; several values of a header or parameter are joined by commas.
        api: the API.
        route_key: the route, as `GET /orders/{id}`; `$default`.
        path_parameters: what the route's variables stand for.
        raw_query: the query as it stands in the URL.
        cookies: each cookie, as `name=value`; the `cookie` header isn't taken apart here.
    """
    return fill(
        "apigateway-v2",
        locals(),
        headers=_each(request.headers, ",".join),
        query=_each(request.query, ",".join) or None,
        path_parameters=dict(path_parameters) or None,
        cookies=list(cookies) or None,
        body=request.body or None,
    )


def _each(named: Mapping[str, Sequence[str]], made: Callable[[Sequence[str]], Any]) -> dict[str, Any]:
    return {name: made(values) for name, values in named.items()}


def _last(values: Sequence[str]) -> str:
    return values[-1]
