"""API Gateway on loopback: the APIs of a stack, each on a port, and requests without a socket."""

import json
import re
import urllib.parse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain, zip_longest
from typing import Any

from lambda_guard._names import HTTP_TRACE_HEADER
from lambda_guard.local._errors import LocalCloudError, ThrottledError
from lambda_guard.local.authorizers import CLAIMS, Authorizers, Decisions, DeniedError
from lambda_guard.local.cors import is_preflight, preflight, with_cors
from lambda_guard.local.lambda_service.invoker import Invoker
from lambda_guard.local.lambda_service.trace import new_root
from lambda_guard.local.proxying import (
    Match,
    failed,
    message,
    method_arn,
    mocked,
    no_route,
    proxy_event,
    response,
    throttled,
)
from lambda_guard.local.runtime.http_server import HttpRequest, HttpResponse, LoopbackServer
from lambda_guard.shapes import http
from lambda_guard.templates.stack import ApiDeclaration, RouteDeclaration

_PARAMETER = re.compile(r"\{([^{}]+?)\+?\}")  # its name may have what an identifier can't: `{order-id}`


class ApiGateway:
    """Answers requests with functions."""

    def __init__(self, invoker: Invoker, region: str) -> None:
        self._invoker = invoker
        self._all_routes: Sequence[RouteDeclaration] = ()
        self._region = region
        self._servers: dict[str, LoopbackServer] = {}
        self._apis: dict[str, ApiDeclaration] = {}
        self._decided = Decisions()

    def serve(self, apis: Sequence[ApiDeclaration], routes: Sequence[RouteDeclaration], port: int) -> None:
        """Serve all APIs, the first on `port` and the others on the next ones; 0 for any free ones."""
        self._all_routes = routes
        declared = {api.logical_id: api for api in apis}
        for index, name in enumerate(dict.fromkeys(route.api for route in routes)):
            rest = any(route.rest for route in routes if route.api == name)
            # one that the template only refers to has no stage here
            other = ApiDeclaration(logical_id=name, rest=rest, stage="Prod" if rest else "$default")
            self._apis[name] = declared.get(name, other)
            self._servers[name] = LoopbackServer(
                partial(self._serve, name), port=port and port + index, links=True
            )

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
        request, found = self._found(request, api)
        here = self._of(found, api)
        if here is not None and here.cors is not None and is_preflight(request):
            return preflight(here.cors, request)
        if found is None or here is None:
            rest = bool(self._apis) and all(it.rest for name, it in self._apis.items() if api in {None, name})
            answer = no_route(rest=rest)
        else:
            answer = self._respond(request, found, here)
        return answer if here is None or here.cors is None else with_cors(here.cors, request, answer)

    def _found(self, request: HttpRequest, api: str | None) -> tuple[HttpRequest, Match | None]:
        """Find the route of a path, which may begin with the stage as on AWS; return the request without it."""
        routes = [route for route in self._all_routes if api in {None, route.api}]
        found = match(routes, request.method, request.path)
        if found is not None:
            return request, found
        for name in dict.fromkeys(route.api for route in routes):
            stage = f"/{self._apis[name].stage}"
            if request.path == stage or request.path.startswith(f"{stage}/"):
                inside = replace(request, path=request.path.removeprefix(stage) or "/")
                found = match([route for route in routes if route.api == name], inside.method, inside.path)
                if found is not None:
                    return inside, found
        return request, None

    def _of(self, found: Match | None, api: str | None) -> ApiDeclaration | None:
        """Return the API of a route; without one the API asked for, or the first that answers preflights."""
        if found is not None or api is not None:
            return self._apis[found.route.api if found is not None else str(api)]
        return next((it for it in self._apis.values() if it.cors is not None), None)

    def _respond(self, request: HttpRequest, found: Match, api: ApiDeclaration) -> HttpResponse:
        route = found.route
        if route.mock is not None:
            return mocked(route.mock)
        assert route.function is not None
        request, header = _traced(request)
        kept = tuple(line for line in request.headers if line[0].lower() != CLAIMS)
        seen = partial(proxy_event, replace(request, headers=kept), found, api, self._region)
        try:
            event = seen(route.version)
            authorizer_event = seen(route.authorizer.version) if route.authorizer else event
            arn = method_arn(api, request, self._region)
            authorizers = Authorizers(partial(self._invoker.invoke, trace_header=header), self._decided)
            if context := authorizers.context(route, request, authorizer_event, arn):
                event["requestContext"]["authorizer"] = context
            result = self._invoker.invoke(route.function, json.dumps(event).encode(), trace_header=header)
        except DeniedError as error:
            return error.answer
        except ThrottledError:
            return throttled(route)
        except LocalCloudError as error:  # the function can't run here, or there is none of the name
            return message(failed(route), str(error))
        return response(result, route, request.lower_headers.get("accept", ""), api.binary)

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
            declared = self._apis[api]
            domain = http.Api(api.lower(), "", "", self._region, declared.function_url).domain
            text = text.replace(f"https://{domain}/{declared.stage}", url).replace(f"https://{domain}", url)
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


def match(routes: Sequence[RouteDeclaration], method: str, path: str) -> Match | None:
    """Find the route: full matches before `{proxy+}`, a method before `ANY`, `$default` last.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-routes.html
    """
    found = [
        (_rank(route), Match(route, dict(zip(_PARAMETER.findall(route.path), matched.groups(), strict=True))))
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
    parts = re.split(r"(\{[^{}]+\})", path.rstrip("/") or "/")
    groups = ("(.+)" if it.endswith("+}") else "([^/]+)" for it in parts[1::2])
    literals = map(re.escape, parts[::2])
    return re.compile("".join(chain(*zip_longest(literals, groups, fillvalue=""))) + "/?")
