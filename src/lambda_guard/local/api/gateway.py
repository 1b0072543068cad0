"""API Gateway: the APIs of a stack, each on a port, and requests without a socket."""

import json
import urllib.parse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from lambda_guard._names import HTTP_TRACE_HEADER
from lambda_guard.local._errors import LocalCloudError
from lambda_guard.local.api.proxy import match, no_route, proxy_event, response
from lambda_guard.local.lambda_service.invoker import Invoker
from lambda_guard.local.lambda_service.trace import new_root
from lambda_guard.local.runtime.http_server import HttpRequest, HttpResponse, LoopbackServer
from lambda_guard.templates.stack import RouteDeclaration


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
            self._servers[api] = LoopbackServer(partial(self._serve, api), port=port and port + index)

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
        result = self._invoker.invoke(found.route.function, payload, trace_header=header)
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
