"""Reads the routes of an API from the OpenAPI document that SAM makes of it."""

import re
from collections.abc import Iterator
from typing import Any, Literal

from lambda_guard.templates.stack import RouteDeclaration

_METHODS = frozenset({"get", "put", "post", "delete", "options", "head", "patch"})
_ANY_METHOD = "x-amazon-apigateway-any-method"
_INTEGRATION = "x-amazon-apigateway-integration"
_INTEGRATED_FUNCTION = re.compile(r":function:([^:/]+)")


def routes(
    api: str, body: dict[str, Any], version: Literal["1.0", "2.0"]
) -> Iterator[RouteDeclaration | str]:
    """Yield the routes, and a warning in place of one that leads to no function.

    Args:
        api: the API's logical id.
        body: the OpenAPI document, references resolved.
        version: the payload format where the integration names none.
    """
    for path, methods in (body.get("paths") or {}).items():
        for method, operation in methods.items():
            if method == _ANY_METHOD or method in _METHODS:
                yield _route(api, path, method, operation.get(_INTEGRATION) or {}, version)


def _route(
    api: str, path: str, method: str, integration: dict[str, Any], version: Literal["1.0", "2.0"]
) -> RouteDeclaration | str:
    found = _INTEGRATED_FUNCTION.search(str(integration.get("uri", "")))
    if found is None:
        return f"{api}: {method} {path} isn't integrated with a function, and is not served"
    return RouteDeclaration(
        api=api,
        method="ANY" if method == _ANY_METHOD else method.upper(),
        path=path,
        function=found[1],
        version="1.0" if integration.get("payloadFormatVersion") == "1.0" else version,
    )
