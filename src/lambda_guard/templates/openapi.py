"""The routes of an API, read from the OpenAPI document that SAM makes of it.

https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-swagger-extensions.html
"""

import re
from collections.abc import Iterator
from typing import Literal

from lambda_guard.templates.stack import RouteDeclaration
from lambda_guard.templates.template import Resource, Template

Version = Literal["1.0", "2.0"]
_METHODS = frozenset({"get", "put", "post", "delete", "options", "head", "patch"})
_ANY_METHOD = "x-amazon-apigateway-any-method"
_INTEGRATION = "x-amazon-apigateway-integration"
_INTEGRATED_FUNCTION = re.compile(r":function:([^:/]+)")


def read_api(_template: Template, it: Resource) -> Iterator[RouteDeclaration]:
    """Yield the routes of a REST or HTTP API."""
    version: Version = "1.0" if it.kind == "AWS::ApiGateway::RestApi" else "2.0"
    for path, methods in ((it.properties.get("Body") or {}).get("paths") or {}).items():
        for method, operation in methods.items():
            if method == _ANY_METHOD or method in _METHODS:
                integration = operation.get(_INTEGRATION) or {}
                found = _INTEGRATED_FUNCTION.search(str(integration.get("uri", "")))
                yield RouteDeclaration(
                    api=it.logical_id,
                    method="ANY" if method == _ANY_METHOD else method.upper(),
                    path=path,
                    function=found[1] if found else None,
                    version="1.0" if integration.get("payloadFormatVersion") == "1.0" else version,
                )
