"""What API Gateway makes of a request for a function, and of the function's answer.

HTTP APIs, payload format 2.0:
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html; REST APIs, 1.0:
https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html; binary bodies:
https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-payload-encodings.html.
"""

import base64
import contextlib
import json
import re
import time
import urllib.parse
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, Literal

from lambda_guard.local.runtime.http_server import COOKIE, HttpRequest, HttpResponse
from lambda_guard.local.runtime.result import InvocationResult
from lambda_guard.local.runtime.settings import ACCOUNT
from lambda_guard.shapes import http
from lambda_guard.templates.stack import ApiDeclaration, MockAnswer, RouteDeclaration

_JSON: Final = (("content-type", "application/json"),)
_OF_REST: Final = {"statusCode", "headers", "multiValueHeaders", "body", "isBase64Encoded"}
# An HTTP API sends anything else as base64, a form included.
_TEXT: Final = re.compile(r"text/.*|application/(?:.*\+)?(?:json|xml)|application/javascript", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Match:
    """A route and the path parameters with which it matches."""

    route: RouteDeclaration
    parameters: dict[str, str]


def method_arn(api: ApiDeclaration, request: HttpRequest, region: str) -> str:
    """Return the ARN of a method, as it is called: for policies of authorizers."""
    place = f"{api.logical_id.lower()}/{api.stage}/{request.method}{request.path}"
    return f"arn:aws:execute-api:{region}:{ACCOUNT}:{place}"


def proxy_event(
    request: HttpRequest, found: Match, api: ApiDeclaration, region: str, version: Literal["1.0", "2.0"]
) -> dict[str, Any]:
    """Return the event of a request, in a payload format."""
    account = "anonymous" if api.function_url else ACCOUNT
    named = http.Api(api.logical_id.lower(), api.stage, account, region, api.function_url)
    if version == "1.0":
        event = _of_format_1(request, found, api, named)
        event["stageVariables"] = dict(api.variables) or None
        return event if api.rest else {"version": "1.0", **event}
    event = _of_format_2(request, found, api, named)
    return {**event, "stageVariables": dict(api.variables)} if api.variables else event


def _of_format_1(request: HttpRequest, found: Match, api: ApiDeclaration, named: http.Api) -> dict[str, Any]:
    return http.event(
        "1.0",
        _noted(request, {"Host": [named.domain], **request.header_values}, api),
        named,
        resource=found.route.path,
        path_parameters=found.parameters,
        extended_request_id=uuid.uuid4().hex[:16],
    )


def _of_format_2(request: HttpRequest, found: Match, api: ApiDeclaration, named: http.Api) -> dict[str, Any]:
    route = found.route
    headers = {name: [value] for name, value in request.lower_headers.items()}
    cookies = headers.pop("cookie", [""])[0].split(";")
    return http.event(
        "2.0",
        _noted(request, {"host": [named.domain], **headers}, api),
        named,
        route_key=route.path if route.path == "$default" else f"{route.method} {route.path}",
        path_parameters=found.parameters,
        raw_query=request.query,
        cookies=[cookie.strip() for cookie in cookies if cookie] or None,
    )


def _noted(request: HttpRequest, headers: Mapping[str, list[str]], api: ApiDeclaration) -> http.Request:
    body, encoded = _body(request, api)
    # "If you specify a stage other than $default", an HTTP API's path begins with it
    stage = "" if api.rest or api.stage == "$default" else f"/{api.stage}"
    return http.Request(
        method=request.method,
        path=f"{stage}{request.path}",
        headers=headers,
        query=urllib.parse.parse_qs(request.query, keep_blank_values=True),
        body=body,
        is_base64=encoded,
        source_ip="127.0.0.1",
        user_agent=request.lower_headers.get("user-agent", ""),
        request_id=str(uuid.uuid4()),
        time_ms=int(time.time() * 1000),
    )


def _body(request: HttpRequest, api: ApiDeclaration) -> tuple[str | None, bool]:
    """Return a body as the event has it, and whether as base64: as is any that isn't text, whatever its type says."""
    if not request.body:
        return None, False
    kind = _media_type(request.lower_headers.get("content-type", ""))
    binary = is_binary(api.binary, kind) if api.rest else kind != "" and not _TEXT.fullmatch(kind)
    if not binary:
        with contextlib.suppress(UnicodeDecodeError):
            return request.body.decode(), False
    return base64.b64encode(request.body).decode(), True


def _media_type(header: str) -> str:
    """Return the media type of a header; of `Accept`, the first: "API Gateway honors only the first"."""
    return header.partition(",")[0].partition(";")[0].strip().lower()


def is_binary(kinds: Iterable[str], kind: str) -> bool:
    """Return whether a media type is one of an API's binary ones, of which `*/*` is any."""
    return any(one == "*/*" or one.lower() == kind for one in kinds)


def no_route(*, rest: bool) -> HttpResponse:
    """Return API Gateway's answer where no route matches."""
    if rest:
        return message(HTTPStatus.FORBIDDEN, "Missing Authentication Token")
    return message(HTTPStatus.NOT_FOUND, "Not Found")


def mocked(answer: MockAnswer) -> HttpResponse:
    """Return the answer of a mock."""
    lines = tuple(answer.headers.items())
    return HttpResponse(status=answer.status, body=answer.body.encode(), header_lines=lines)


def throttled(route: RouteDeclaration) -> HttpResponse:
    """Return the answer where Lambda throttles a function."""
    if route.rest:
        return message(HTTPStatus.INTERNAL_SERVER_ERROR, "Internal server error")
    if route.function_url:
        return message(HTTPStatus.TOO_MANY_REQUESTS, "Rate Exceeded.")
    return message(HTTPStatus.SERVICE_UNAVAILABLE, "Service Unavailable")


def response(
    result: InvocationResult, route: RouteDeclaration, accepted: str = "", binary: tuple[str, ...] = ()
) -> HttpResponse:
    """Map the function's answer.

    A failed invocation is 502 for a REST API and a function's URL, 500 for an HTTP API, a malformed answer likewise; in
    payload format 2.0 an answer without `statusCode` is the body of a 200. A REST API's has any of the documented keys,
    and no other, or it's a "malformed Lambda proxy response".

    Args:
        result: of the invocation.
        route: the route.
        accepted: the request's `Accept`, by which a REST API decodes base64.
        binary: its binary media types.
    """
    payload = result.payload
    if result.function_error is not None or (payload is None and result.body.strip() != b"null"):
        return _failure(result, route)
    if route.rest and (not isinstance(payload, dict) or payload.keys() - _OF_REST):
        return _failure(result, route)
    if isinstance(payload, dict) and (route.rest or "statusCode" in payload):
        mapped = _mapped(payload, result, route, (_media_type(accepted), binary))
        return mapped or _failure(result, route)
    if route.version == "1.0":
        return _failure(result, route)
    body = payload.encode() if isinstance(payload, str) else result.body
    return HttpResponse(status=200, body=body, header_lines=_JSON, result=result)


def _mapped(
    payload: dict[str, Any],
    result: InvocationResult,
    route: RouteDeclaration,
    binary: tuple[str, tuple[str, ...]],
) -> HttpResponse | None:
    """Read the documented shape; None where it is malformed."""
    body, (accepted, kinds) = payload.get("body"), binary
    try:
        status = int(payload.get("statusCode") or 200)
        lines = _header_lines(payload, several=route.version == "1.0")
        raw = b"" if body is None else body.encode()
        if payload.get("isBase64Encoded"):
            returned = _media_type(dict(lines).get("content-type", ""))
            decoded = not route.rest or is_binary(kinds, accepted) or is_binary(kinds, returned)
            raw = base64.b64decode(raw) if decoded else raw
    except (TypeError, ValueError, AttributeError):
        return None
    if not HTTPStatus.CONTINUE <= status <= 599:  # noqa: PLR2004 - the last status code there is
        return None
    return HttpResponse(status=status, body=raw, header_lines=lines, result=result)


def _header_lines(payload: dict[str, Any], *, several: bool) -> tuple[tuple[str, str], ...]:
    """Read the headers: a line of `multiValueHeaders` that stands in `headers`, too, is sent once.

    In payload format 2.0 each has one value, and cookies are separate.
    """
    listed = (payload.get("multiValueHeaders") or {}) if several else {COOKIE: payload.get("cookies") or []}
    more = [(name.lower(), str(value)) for name, values in listed.items() for value in _listed(values)]
    single = [(name.lower(), str(value)) for name, value in (payload.get("headers") or {}).items()]
    return (*(line for line in single if not several or line not in more), *more)


def _listed(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError(value)
    return value


def _failure(result: InvocationResult, route: RouteDeclaration) -> HttpResponse:
    if route.rest:
        return message(HTTPStatus.BAD_GATEWAY, "Internal server error", result)
    return message(failed(route), "Internal Server Error", result)


def failed(route: RouteDeclaration) -> HTTPStatus:
    """Return the status of a function that fails: a REST API and a function's URL say who it was."""
    if route.rest or route.function_url:
        return HTTPStatus.BAD_GATEWAY
    return HTTPStatus.INTERNAL_SERVER_ERROR


def message(status: int, text: str, result: InvocationResult | None = None) -> HttpResponse:
    """Return an answer of API Gateway's own."""
    return document(status, {"message": text}, result=result)


def document(
    status: int, body: Mapping[str, Any], *lines: tuple[str, str], result: InvocationResult | None = None
) -> HttpResponse:
    """Return an answer in JSON, with further lines of its header."""
    body_text = json.dumps(body).encode()
    return HttpResponse(status=int(status), body=body_text, header_lines=(*_JSON, *lines), result=result)
