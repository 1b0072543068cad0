"""The routes of an API, read from the OpenAPI document that SAM makes of it.

https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-swagger-extensions.html
"""

import re
from collections.abc import Iterator
from typing import Any, Literal

from lambda_guard.templates.stack import RouteDeclaration
from lambda_guard.templates.template import Resource, Template

Version = Literal["1.0", "2.0"]
_METHODS = frozenset({"get", "put", "post", "delete", "options", "head", "patch"})
_ANY_METHOD = "x-amazon-apigateway-any-method"
_INTEGRATION = "x-amazon-apigateway-integration"
_INTEGRATED_FUNCTION = re.compile(r":function:([^:/]+)")


def read_rest_api(_template: Template, it: Resource) -> Iterator[RouteDeclaration]:
    """Yield the routes of a REST API."""
    return _routes(it, "1.0")


def read_http_api(_template: Template, it: Resource) -> Iterator[RouteDeclaration]:
    """Yield the routes of an HTTP API."""
    return _routes(it, "2.0")


def _routes(it: Resource, version: Version) -> Iterator[RouteDeclaration]:
    for path, methods in ((it.properties.get("Body") or {}).get("paths") or {}).items():
        for method, operation in methods.items():
            if method == _ANY_METHOD or method in _METHODS:
                yield _route(it.logical_id, path, method, operation.get(_INTEGRATION) or {}, version)


def _route(
    api: str, path: str, method: str, integration: dict[str, Any], version: Version
) -> RouteDeclaration:
    found = _INTEGRATED_FUNCTION.search(str(integration.get("uri", "")))
    return RouteDeclaration(
        api=api,
        method="ANY" if method == _ANY_METHOD else method.upper(),
        path=path,
        function=found[1] if found else None,
        version="1.0" if integration.get("payloadFormatVersion") == "1.0" else version,
    )
