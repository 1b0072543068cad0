"""Sample events of requests: API Gateway, function URLs, load balancers, AppSync."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from lambda_guard._names import HTTP_TRACE_HEADER
from lambda_guard.shapes import http as shapes
from lambda_guard.shapes.sample import fill
from lambda_guard.testing._samples import ACCOUNT, REGION, SENT_MS, Event, text_of, uuid

_API_ID = "a1b2c3d4e5"
_SOURCE_IP = "192.0.2.1"  # an address reserved for documentation
_USER_AGENT = "example/1.0"
_TARGET_GROUP_ARN = f"arn:aws:elasticloadbalancing:{REGION}:{ACCOUNT}:targetgroup/orders/0123456789abcdef"

Headers = Mapping[str, str] | None


def _with_trace(headers: Headers, usual: Mapping[str, str], trace_header: str | None) -> dict[str, str]:
    trace = {} if trace_header is None else {HTTP_TRACE_HEADER: trace_header}
    return dict(usual) | trace | dict(headers or {})


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _body(body: object) -> str | None:
    return None if body is None else text_of(body)


def _several(values: Headers) -> dict[str, list[str]]:
    return {name: [value] for name, value in (values or {}).items()}


def _request(
    method: str, path: str, *, headers: Headers, query: Headers, body: object, request_id: str
) -> shapes.Request:
    return shapes.Request(
        method=method,
        path=path,
        headers=_several(headers),
        query=_several(query),
        body=_body(body),
        is_base64=False,
        source_ip=_SOURCE_IP,
        user_agent=_USER_AGENT,
        request_id=request_id,
        time_ms=SENT_MS,
    )


def api_gateway(
    method: str = "GET",
    path: str = "/orders",
    *,
    body: object = None,
    headers: Headers = None,
    query: Mapping[str, str] | None = None,
    resource: str | None = None,
    path_parameters: Mapping[str, str] | None = None,
    trace_header: str | None = None,
    stage: str = "prod",
    api_id: str = _API_ID,
) -> Event:
    """A request through a REST API of API Gateway (payload format 1.0).

    ```python
    handler(events.api_gateway("POST", "/orders", body={"order_id": "o-1"}), make_context())
    ```

    Args:
        method: the HTTP method.
        path: the path, without the stage.
        body: a string as it is, anything else as JSON.
        headers: beside the usual ones, or instead of them.
        query: the query's parameters.
        resource: the route, e.g. `/orders/{id}`; if not given, the path.
        path_parameters: the values of the route's variables.
        trace_header: the `X-Amzn-Trace-Id` header.
        stage: the stage.
        api_id: the API.
    """
    api = shapes.Api(api_id, stage, ACCOUNT, REGION)
    usual = {"Accept": "application/json", "Host": api.domain, "User-Agent": _USER_AGENT}
    sent = _with_trace(headers, usual, trace_header)
    return shapes.event(
        "1.0",
        _request(method, path, headers=sent, query=query, body=body, request_id=uuid(1, kind=6)),
        api,
        resource=resource or path,
        path_parameters=path_parameters or {},
        extended_request_id="example-extended=",
    )


def http_api(
    method: str = "GET",
    path: str = "/orders",
    *,
    body: object = None,
    headers: Headers = None,
    query: Mapping[str, str] | None = None,
    route_key: str | None = None,
    path_parameters: Mapping[str, str] | None = None,
    trace_header: str | None = None,
    stage: str = "$default",
    api_id: str = _API_ID,
) -> Event:
    """A request through an HTTP API of API Gateway (payload format 2.0).

    Args:
        method: the HTTP method.
        path: the path.
        body: a string as it is, anything else as JSON; without one the event has no `body`.
        headers: beside the usual ones, or instead of them; their names become lower-case.
        query: the query's parameters.
        route_key: the route, e.g. `GET /orders/{id}`; if not given, method and path.
        path_parameters: the values of the route's variables.
        trace_header: the `x-amzn-trace-id` header.
        stage: the stage.
        api_id: the API.
    """
    api = shapes.Api(api_id, stage, ACCOUNT, REGION)
    sent = _lower(_with_trace(headers, {"accept": "*/*", "host": api.domain}, trace_header))
    return shapes.event(
        "2.0",
        _request(method, path, headers=sent, query=query, body=body, request_id="JKJaXmPLvHcESHA="),
        api,
        route_key=route_key or f"{method} {path}",
        path_parameters=path_parameters or {},
        raw_query=urlencode(query or {}),
    )


def function_url(
    method: str = "GET",
    path: str = "/",
    *,
    body: object = None,
    headers: Headers = None,
    query: Mapping[str, str] | None = None,
    trace_header: str | None = None,
    url_id: str = "abcdefghijklmnopqrstuvwxyz012345",
) -> Event:
    """A request to a function URL (payload format 2.0).

    Args:
        method: the HTTP method.
        path: the path.
        body: a string as it is, anything else as JSON; without one the event has no `body`.
        headers: beside the usual ones, or instead of them; their names become lower-case.
        query: the query's parameters.
        trace_header: the `x-amzn-trace-id` header.
        url_id: the URL's first part.
    """
    host = f"{url_id}.lambda-url.{REGION}.on.aws"
    event = http_api(
        method,
        path,
        body=body,
        headers={"host": host} | dict(headers or {}),
        query=query,
        route_key="$default",
        trace_header=trace_header,
        api_id=url_id,
    )
    event["requestContext"] |= {"accountId": "anonymous", "domainName": host}
    return event


def alb(
    method: str = "GET",
    path: str = "/orders",
    *,
    body: object = None,
    headers: Headers = None,
    query: Mapping[str, str] | None = None,
    multi_value: bool = False,
    trace_header: str | None = None,
    target_group_arn: str = _TARGET_GROUP_ARN,
) -> Event:
    """A request through an Application Load Balancer.

    Args:
        method: the HTTP method.
        path: the path.
        body: a string as it is, anything else as JSON.
        headers: beside the usual ones, or instead of them; their names become lower-case.
        query: the query's parameters.
        multi_value: multi-value headers are enabled on the target group: lists instead of strings.
        trace_header: the `x-amzn-trace-id` header.
        target_group_arn: the target group.
    """
    usual = {"accept": "*/*", "host": "orders.example.com", "x-forwarded-for": _SOURCE_IP}
    sent = _lower(_with_trace(headers, usual, trace_header))
    return fill(
        "alb",
        locals(),
        body=_body(body) or "",
        headers=None if multi_value else sent,
        query=None if multi_value else dict(query or {}),
        all_headers=_several(sent) if multi_value else None,
        all_query=_several(query) if multi_value else None,
    )


def websocket(
    body: object = None,
    *,
    event_type: str = "MESSAGE",
    route_key: str | None = None,
    connection_id: str = "L0SM9cOFvHcCIhw=",
    headers: Headers = None,
    trace_header: str | None = None,
    stage: str = "prod",
    api_id: str = _API_ID,
) -> Event:
    """A message, or the start or end of a connection, from a WebSocket API of API Gateway.

    Args:
        body: the body of a message; a string as it is, anything else as JSON.
        event_type: `CONNECT`, `MESSAGE` or `DISCONNECT`; only `CONNECT` has headers.
        route_key: if not given, `$connect`, `$disconnect` or `$default`, by the event type.
        connection_id: the connection.
        headers: the headers of the request that connects.
        trace_header: the `X-Amzn-Trace-Id` header of the request that connects.
        stage: the stage.
        api_id: the API.

    Raises:
        ValueError: headers were given for an event type other than `CONNECT`.
    """
    connects, is_message = event_type == "CONNECT", event_type == "MESSAGE"
    if not connects and (headers or trace_header):
        raise ValueError(f'{event_type} of a WebSocket has no headers: only event_type="CONNECT" has')
    routes = {"CONNECT": "$connect", "DISCONNECT": "$disconnect"}
    host = shapes.Api(api_id, stage, ACCOUNT, REGION).domain
    sent = _with_trace(headers, {"Host": host}, trace_header)
    return fill(
        "websocket",
        locals(),
        route_key=route_key or routes.get(event_type, "$default"),
        headers=sent if connects else None,
        all_headers=_several(sent) if connects else None,
        body=_body(body) or "" if is_message else None,
        message_id="example-message=" if is_message else None,
    )


def appsync(
    field: str = "getOrder",
    *,
    parent_type: str = "Query",
    arguments: Mapping[str, Any] | None = None,
    source: Any = None,
    headers: Headers = None,
    trace_header: str | None = None,
) -> Event:
    """A call to a direct Lambda resolver of AppSync.

    Args:
        field: the field to resolve.
        parent_type: the type that the field belongs to.
        arguments: the field's arguments.
        source: the parent's value.
        headers: beside the usual ones, or instead of them; their names become lower-case.
        trace_header: the `x-amzn-trace-id` header.
    """
    usual = {"host": f"example.appsync-api.{REGION}.amazonaws.com", "x-forwarded-for": _SOURCE_IP}
    sent = _lower(_with_trace(headers, usual, trace_header))
    return fill("appsync", locals(), arguments=dict(arguments or {}), headers=sent)
