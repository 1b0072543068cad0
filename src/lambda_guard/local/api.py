"""API Gateway on loopback: the APIs of a stack, each on a port, and requests without a socket.

HTTP APIs, payload format 2.0:
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html; REST APIs, 1.0:
https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html.
"""

import base64
import json
import re
import time
import urllib.parse
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from http import HTTPStatus
from typing import Any, Final

from lambda_guard._names import HTTP_TRACE_HEADER
from lambda_guard.local._errors import FunctionAbsentError, LocalCloudError, ThrottledError
from lambda_guard.local.lambda_service.invoker import Invoker
from lambda_guard.local.lambda_service.trace import new_root
from lambda_guard.local.runtime.http_server import COOKIE, HttpRequest, HttpResponse, LoopbackServer
from lambda_guard.local.runtime.result import InvocationResult
from lambda_guard.local.runtime.settings import ACCOUNT
from lambda_guard.shapes import http
from lambda_guard.templates.stack import RouteDeclaration

_JSON: Final = (("content-type", "application/json"),)


class ApiGateway:
    """Answers requests with functions."""

    def __init__(self, invoker: Invoker, region: str) -> None:
        self._invoker = invoker
        self._all_routes: Sequence[RouteDeclaration] = ()
        self._region = region
        self._servers: dict[str, LoopbackServer] = {}

    def serve(self, routes: Sequence[RouteDeclaration], port: int) -> None:
        """Serve all APIs, the first on `port` and the others on the next ones; 0 for any free ones."""
        self._all_routes = routes
        for index, api in enumerate(dict.fromkeys(route.api for route in routes)):
            serve = partial(self._serve, api)
            self._servers[api] = LoopbackServer(serve, port=port and port + index, links=True)

    def _serve(self, api: str, request: HttpRequest) -> HttpResponse:
        try:
            return self.answer(request, api)
        except LocalCloudError as error:  # the cloud is closing
            plain = (("Content-Type", "text/plain"),)
            return HttpResponse(status=503, body=str(error).encode(), header_lines=plain)

    def answer(self, request: HttpRequest, api: str | None = None) -> HttpResponse:
        """Answer a request as API Gateway does; see `Cloud.request`."""
        if api is not None and api not in self._servers:
            raise LocalCloudError(f"there is no API {api!r}; APIs: {', '.join(self._servers) or 'none'}")
        routes = [route for route in self._all_routes if api in {None, route.api}]
        found = match(routes, request.method, request.path)
        if found is None:
            return no_route(rest=bool(routes) and all(route.version == "1.0" for route in routes))
        assert found.route.function is not None
        request, header = _traced(request)
        event = proxy_event(request, found, self._region)
        payload = json.dumps(event).encode()
        rest = found.route.version == "1.0"
        try:
            result = self._invoker.invoke(found.route.function, payload, trace_header=header)
        except FunctionAbsentError as error:
            return _message(HTTPStatus.BAD_GATEWAY if rest else HTTPStatus.INTERNAL_SERVER_ERROR, str(error))
        except ThrottledError:
            return _throttled(rest=rest)
        return response(result, found.route.version)

    def url(self, api: str | None = None) -> str:
        """Return the URL of an API; see `Cloud.api_url`."""
        if api is None and len(self._servers) == 1:
            return next(iter(self.urls.values()))
        if api is None or api not in self._servers:
            raise LocalCloudError(f"name one of the APIs: {', '.join(self._servers) or 'there is none'}")
        return self.urls[api]

    @property
    def urls(self) -> Mapping[str, str]:
        """The URLs by logical id."""
        return {api: f"http://{server.address}" for api, server in self._servers.items()}

    def with_local_urls(self, text: str) -> str:
        """Return the text with the addresses that the APIs would have on AWS replaced by those here."""
        for api, url in self.urls.items():
            address = f"https://{api.lower()}.execute-api.{self._region}.amazonaws.com"
            text = text.replace(f"{address}/Prod", url).replace(address, url)
        return text

    def close(self) -> None:
        """End the servers."""
        for server in self._servers.values():
            server.close()


def request_of(
    method: str, path: str, body: Any, headers: Mapping[str, str], query: Mapping[str, str]
) -> HttpRequest:
    """Return a request given by its parts; see `Cloud.request`."""
    raw, kind = _encoded(body)
    sent = tuple(headers.items())
    if kind and not any(name.lower() == "content-type" for name, _ in sent):
        sent = (("Content-Type", kind), *sent)
    path, _, written = path.partition("?")
    query_string = "&".join(filter(None, (written, urllib.parse.urlencode(query))))
    return HttpRequest(method=method.upper(), path=path, body=raw, headers=sent, query=query_string)


def _traced(request: HttpRequest) -> tuple[HttpRequest, str]:
    """Return the request with its trace header: API Gateway starts a trace where the client has none."""
    name = HTTP_TRACE_HEADER.lower()
    header = request.lower_headers.get(name) or f"Root={new_root()}"
    kept = [line for line in request.headers if line[0].lower() != name]
    return replace(request, headers=(*kept, (HTTP_TRACE_HEADER, header))), header


def _encoded(body: Any) -> tuple[bytes, str]:
    """Return a body as bytes, and its content type, which is empty for bytes."""
    if body is None:
        return b"", ""
    if isinstance(body, bytes):
        return body, ""
    if isinstance(body, str):
        return body.encode(), "text/plain"
    return json.dumps(body).encode(), "application/json"


@dataclass(frozen=True, slots=True)
class Match:
    """A route and the path parameters with which it matches."""

    route: RouteDeclaration
    parameters: dict[str, str]


def match(routes: Sequence[RouteDeclaration], method: str, path: str) -> Match | None:
    """Find the route: full matches before `{proxy+}`, a method before `ANY`, `$default` last.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-routes.html
    """
    found = [
        (_rank(route), Match(route, matched.groupdict()))
        for route in routes
        if route.method in {method, "ANY"} and (matched := _pattern(route.path).fullmatch(path))
    ]
    return min(found, key=lambda ranked: ranked[0])[1] if found else None


def _rank(route: RouteDeclaration) -> tuple[int, int, int, int]:
    greedy, default = "+}" in route.path, route.path == "$default"
    return int(default), int(greedy), route.path.count("{"), int(route.method == "ANY")


def _pattern(path: str) -> re.Pattern[str]:
    if path == "$default":
        return re.compile(".*")
    parts = re.split(r"\{(\w+)(\+?)\}", path.rstrip("/") or "/")
    pattern = re.escape(parts[0])
    for index in range(1, len(parts), 3):
        name, greedy, literal = parts[index : index + 3]
        pattern += f"(?P<{name}>{'.+' if greedy else '[^/]+'})" + re.escape(literal)
    return re.compile(pattern + "/?")


def proxy_event(request: HttpRequest, found: Match, region: str) -> dict[str, Any]:
    """Return the event of a request, in the route's payload format."""
    route, rest = found.route, found.route.version == "1.0"
    api = http.Api(route.api.lower(), "Prod" if rest else "$default", ACCOUNT, region)
    if rest:
        return http.event(
            "1.0",
            _noted(request, {"Host": [api.domain], **request.header_values}),
            api,
            resource=route.path,
            path_parameters=found.parameters,
            extended_request_id=uuid.uuid4().hex[:16],
        )
    headers = {name: [value] for name, value in request.lower_headers.items()}
    cookies = headers.pop("cookie", [""])[0].split(";")
    return http.event(
        "2.0",
        _noted(request, {"host": [api.domain], **headers}),
        api,
        route_key=route.path if route.path == "$default" else f"{route.method} {route.path}",
        path_parameters=found.parameters,
        raw_query=request.query,
        cookies=[cookie.strip() for cookie in cookies if cookie] or None,
    )


def _noted(request: HttpRequest, headers: Mapping[str, list[str]]) -> http.Request:
    body, encoded = _body(request.body)
    return http.Request(
        method=request.method,
        path=request.path,
        headers=headers,
        query=urllib.parse.parse_qs(request.query, keep_blank_values=True),
        body=body,
        is_base64=encoded,
        source_ip="127.0.0.1",
        user_agent=request.lower_headers.get("user-agent", ""),
        request_id=str(uuid.uuid4()),
        time_ms=int(time.time() * 1000),
    )


def no_route(*, rest: bool) -> HttpResponse:
    """Return API Gateway's answer where no route matches."""
    if rest:
        return _message(HTTPStatus.FORBIDDEN, "Missing Authentication Token")
    return _message(HTTPStatus.NOT_FOUND, "Not Found")


def response(result: InvocationResult, version: str) -> HttpResponse:
    """Map the function's answer.

    A failed invocation is 502 for a REST API and 500 for an HTTP API, a malformed answer likewise; an HTTP
    API takes an answer without `statusCode` as the body of a 200.
    """
    rest = version == "1.0"
    payload = result.payload
    if result.function_error is not None or (payload is None and result.body.strip() != b"null"):
        return _failure(result, rest=rest)
    if isinstance(payload, dict) and "statusCode" in payload:
        return _mapped(payload, result, rest=rest) or _failure(result, rest=rest)
    if rest:
        return _failure(result, rest=True)
    body = payload.encode() if isinstance(payload, str) else result.body
    return HttpResponse(status=200, body=body, header_lines=_JSON, result=result)


def _mapped(payload: dict[str, Any], result: InvocationResult, *, rest: bool) -> HttpResponse | None:
    """Read the documented shape; None where it is malformed."""
    body = payload.get("body")
    try:
        status = int(payload["statusCode"])
        raw = b"" if body is None else body.encode()
        raw = base64.b64decode(raw) if payload.get("isBase64Encoded") else raw
        lines = _header_lines(payload, rest=rest)
    except (TypeError, ValueError, AttributeError):
        return None
    if not HTTPStatus.CONTINUE <= status <= 599:  # noqa: PLR2004 - the last status code there is
        return None
    return HttpResponse(status=status, body=raw, header_lines=lines, result=result)


def _header_lines(payload: dict[str, Any], *, rest: bool) -> tuple[tuple[str, str], ...]:
    """Read the headers: a line of `multiValueHeaders` that stands in `headers`, too, is sent once.

    In payload format 2.0 each has one value, and cookies are separate.
    """
    several = (payload.get("multiValueHeaders") or {}) if rest else {COOKIE: payload.get("cookies") or []}
    more = [(name.lower(), str(value)) for name, values in several.items() for value in _listed(values)]
    single = [(name.lower(), str(value)) for name, value in (payload.get("headers") or {}).items()]
    return (*(line for line in single if not rest or line not in more), *more)


def _listed(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError(value)
    return value


def _failure(result: InvocationResult, *, rest: bool) -> HttpResponse:
    if rest:
        return _message(HTTPStatus.BAD_GATEWAY, "Internal server error", result)
    return _message(HTTPStatus.INTERNAL_SERVER_ERROR, "Internal Server Error", result)


def _throttled(*, rest: bool) -> HttpResponse:
    if rest:
        return _message(HTTPStatus.INTERNAL_SERVER_ERROR, "Internal server error")
    return _message(HTTPStatus.SERVICE_UNAVAILABLE, "Service Unavailable")


def _message(status: int, text: str, result: InvocationResult | None = None) -> HttpResponse:
    body = json.dumps({"message": text}).encode()
    return HttpResponse(status=int(status), body=body, header_lines=_JSON, result=result)


def _body(body: bytes) -> tuple[str | None, bool]:
    if not body:
        return None, False
    try:
        return body.decode(), False
    except UnicodeDecodeError:
        return base64.b64encode(body).decode(), True
