"""CORS of HTTP APIs: API Gateway answers preflights itself, and adds the headers to every answer.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-cors.html
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from lambda_guard.local.runtime.http_server import HttpRequest, HttpResponse
from lambda_guard.templates.stack import CorsDeclaration

_HEADERS: Final = "access-control-"
_METHOD: Final = "access-control-request-method"


def is_preflight(request: HttpRequest) -> bool:
    """Return whether a browser asks whether it may send a request."""
    return request.method == "OPTIONS" and {"origin", _METHOD} <= request.lower_headers.keys()


def preflight(cors: CorsDeclaration, request: HttpRequest) -> HttpResponse:
    """Answer a preflight: an origin that isn't allowed gets no headers."""
    lines = list(_of_the_origin(cors, request))
    if lines:
        lists = (("allow-methods", cors.methods), ("allow-headers", cors.headers))
        lines += [(f"{_HEADERS}{name}", ",".join(values)) for name, values in lists if values]
        if cors.max_age is not None:
            lines.append((f"{_HEADERS}max-age", str(cors.max_age)))
    return HttpResponse(status=204, body=b"", header_lines=tuple(lines))


def with_cors(cors: CorsDeclaration, request: HttpRequest, answer: HttpResponse) -> HttpResponse:
    """Return an answer with the API's headers: "API Gateway ignores CORS headers returned from your backend"."""
    lines = [*_of_the_origin(cors, request)]
    if lines and cors.exposed:
        lines.append((f"{_HEADERS}expose-headers", ",".join(cors.exposed)))
    own = (line for line in answer.header_lines if not line[0].lower().startswith(_HEADERS))
    return replace(answer, header_lines=(*own, *lines))


def _of_the_origin(cors: CorsDeclaration, request: HttpRequest) -> Iterator[tuple[str, str]]:
    origin = request.lower_headers.get("origin")
    if origin is None or not ({"*", origin} & {*cors.origins} or _by_scheme(cors, origin)):
        return
    yield f"{_HEADERS}allow-origin", "*" if "*" in cors.origins and not cors.credentials else origin
    if cors.credentials:
        yield f"{_HEADERS}allow-credentials", "true"


def _by_scheme(cors: CorsDeclaration, origin: str) -> bool:
    """Return whether all origins of a scheme are allowed, as with `https://*`."""
    return any(one.endswith("://*") and origin.startswith(one[:-1]) for one in cors.origins)
