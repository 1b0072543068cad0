"""The APIs of a template, with their stages, CORS and authorizers, and their routes.

Written as an OpenAPI document, as SAM does:
https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-swagger-extensions.html; or as resources, as
the CDK and the Serverless Framework do:
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/AWS_ApiGateway.html, …/AWS_ApiGatewayV2.html.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Literal

from lambda_guard.shapes import arns
from lambda_guard.templates.stack import (
    ApiDeclaration,
    AuthorizerDeclaration,
    CorsDeclaration,
    MockAnswer,
    RouteDeclaration,
)
from lambda_guard.templates.template import Resource, Template

_METHODS = frozenset({"get", "put", "post", "delete", "options", "head", "patch"})
_X = "x-amazon-apigateway-"
_ANY_METHOD = f"{_X}any-method"
_INTEGRATED_FUNCTION = re.compile(r":function:([^:/]+)")
_STAGE_VARIABLE = re.compile(r"\$\{stageVariables\.(\w+)\}")
_REST = "AWS::ApiGateway::RestApi"
_HTTP = "AWS::ApiGatewayV2::Api"
_URL = "AWS::Lambda::Url"
# https://docs.aws.amazon.com/apigateway/latest/developerguide/configure-api-gateway-lambda-authorization.html
_REST_TTL = 300.0
# SAM's deployments name a stage that nobody uses: of an API's, the last one counts.
_STAGES = (
    "AWS::ApiGateway::Deployment",
    "AWS::ApiGatewayV2::Deployment",
    "AWS::ApiGateway::Stage",
    "AWS::ApiGatewayV2::Stage",
)


def read_apis(template: Template) -> tuple[ApiDeclaration, ...]:
    """Return the REST and HTTP APIs and the URLs of functions; a WebSocket API isn't one of them."""
    stages = dict(template.read(_stages, *_STAGES))
    return (*template.read(partial(_api, stages), _REST, _HTTP), *template.read(_url, _URL))


def read_routes(template: Template, declared: Iterable[ApiDeclaration]) -> tuple[RouteDeclaration, ...]:
    """Return the routes of the REST and HTTP APIs, and one for each URL of a function.

    Args:
        template: the template.
        declared: its APIs, as `read_apis` returns them.
    """
    apis = {api.logical_id.lower(): api.logical_id for api in declared}
    authorizers = dict(
        template.read(_authorizers, "AWS::ApiGateway::Authorizer", "AWS::ApiGatewayV2::Authorizer")
    )
    paths = dict(template.read(partial(_paths, _resources(template)), "AWS::ApiGateway::Resource"))
    routes = (
        *template.read(_of_a_document, _REST, _HTTP),
        *template.read(partial(_of_a_method, apis, authorizers, paths), "AWS::ApiGateway::Method"),
        *template.read(
            partial(_of_a_route, apis, authorizers, _integrations(template)), "AWS::ApiGatewayV2::Route"
        ),
        *template.read(_of_a_url, _URL),
    )
    variables = {api.logical_id: api.variables for api in declared}
    return tuple(replace(it, function=_named(it.function, variables.get(it.api) or {})) for it in routes)


def _named(function: str | None, variables: Mapping[str, str]) -> str | None:
    """Return the name of a route's function, in which API Gateway replaces variables of the stage.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/aws-api-gateway-stage-variables-reference.html
    """
    return function and _STAGE_VARIABLE.sub(lambda found: variables.get(found[1], found[0]), function)


def _stages(_template: Template, it: Resource) -> Iterator[tuple[str, tuple[str, Mapping[str, str]]]]:
    """Yield an API's stage, which its deployment may make as well."""
    if "StageName" not in it.properties:
        return
    api = it.properties.get("RestApiId", it.properties.get("ApiId"))
    of_a_deployment = (it.properties.get("StageDescription") or {}).get("Variables")
    variables = it.properties.get("Variables", it.properties.get("StageVariables")) or of_a_deployment or {}
    yield (
        str(api),
        (str(it.properties.get("StageName")), {name: str(value) for name, value in variables.items()}),
    )


def _api(
    stages: Mapping[str, tuple[str, Mapping[str, str]]], template: Template, it: Resource
) -> Iterator[ApiDeclaration]:
    if it.properties.get("ProtocolType") == "WEBSOCKET":
        return
    rest, document = it.kind == _REST, it.properties.get("Body") or {}
    stage, variables = stages.get(template.attribute(it.logical_id), ("Prod" if rest else "$default", {}))
    binary = it.properties.get("BinaryMediaTypes") or document.get(f"{_X}binary-media-types") or ()
    yield ApiDeclaration(
        logical_id=it.logical_id,
        rest=rest,
        stage=stage,
        variables=variables,
        binary=tuple(str(kind).replace("~1", "/") for kind in binary),
        cors=_cors(it.properties.get("CorsConfiguration") or document.get(f"{_X}cors")),
    )


def _url(_template: Template, it: Resource) -> Iterator[ApiDeclaration]:
    """Yield a function's URL, which takes requests as an HTTP API with one route does.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-lambda-url.html
    """
    cors = _cors(it.properties.get("Cors"))
    yield ApiDeclaration(logical_id=it.logical_id, rest=False, stage="$default", cors=cors, function_url=True)


def _of_a_url(_template: Template, it: Resource) -> Iterator[RouteDeclaration]:
    yield RouteDeclaration(
        api=it.logical_id,
        method="ANY",
        path="$default",
        function=arns.function(str(it.properties.get("TargetFunctionArn")))[0],
        version="2.0",
        function_url=True,
        iam=it.properties.get("AuthType") == "AWS_IAM",
    )


def _cors(written: Any) -> CorsDeclaration | None:
    """Read the configuration, whose names begin with a capital as a property, and with none in a document."""
    if not isinstance(written, dict):
        return None
    by_name = {name.lower(): value for name, value in written.items()}
    age = by_name.get("maxage")
    return CorsDeclaration(
        origins=_texts(by_name.get("alloworigins")),
        methods=_texts(by_name.get("allowmethods")),
        headers=_texts(by_name.get("allowheaders")),
        exposed=_texts(by_name.get("exposeheaders")),
        max_age=None if age is None else int(age),
        credentials=str(by_name.get("allowcredentials")).lower() == "true",
    )


def _texts(value: Any) -> tuple[str, ...]:
    """Return a list of texts, which may be written with commas between them."""
    if isinstance(value, str):
        value = value.split(",")
    return tuple(str(each).strip() for each in value or () if str(each).strip())


def _of_a_document(_template: Template, it: Resource) -> Iterator[RouteDeclaration]:
    document, rest = it.properties.get("Body") or {}, it.kind == _REST
    schemes = (
        document.get("securityDefinitions") or (document.get("components") or {}).get("securitySchemes") or {}
    )
    for path, methods in (document.get("paths") or {}).items():
        for method, operation in methods.items():
            if method == _ANY_METHOD or method in _METHODS:
                integration = operation.get(f"{_X}integration") or {}
                yield RouteDeclaration(
                    api=it.logical_id,
                    method="ANY" if method == _ANY_METHOD else method.upper(),
                    path=path,
                    function=_function(integration.get("uri")),
                    version=_version(integration.get("payloadFormatVersion"), rest=rest),
                    rest=rest,
                    **_secured(operation.get("security", document.get("security")), schemes, rest=rest),
                    mock=_mocked(integration, method),
                )


def _function(uri: Any) -> str | None:
    found = _INTEGRATED_FUNCTION.search(str(uri))
    return found[1] if found else None


def _version(written: Any, *, rest: bool) -> Literal["1.0", "2.0"]:
    return "1.0" if rest or str(written) in {"1.0", "1"} else "2.0"


def _mocked(integration: Mapping[str, Any], method: str) -> MockAnswer | None:
    """Return a mock's answer, as for CORS; None for any other integration.

    Templates aren't evaluated: of a preflight's answer the headers count, and any other mock with one isn't served.
    """
    if str(integration.get("type", integration.get("Type"))).lower() != "mock":
        return None
    responses = (integration.get("responses") or {}).values() or integration.get("IntegrationResponses") or ()
    answer: Mapping[str, Any] = next(iter(responses), {})
    headers = answer.get("responseParameters", answer.get("ResponseParameters")) or {}
    status = str(answer.get("statusCode", answer.get("StatusCode", 200)))
    templates = answer.get("responseTemplates", answer.get("ResponseTemplates")) or {}
    kind, body = next(iter(templates.items()), ("", ""))
    if re.search(r"[$#]", str(body)):
        if method.lower() != "options":
            return None
        body = ""
    named = {name.rpartition("method.response.header.")[2].lower(): value for name, value in headers.items()}
    return MockAnswer(
        status=int(status) if status.isdigit() else 200,
        headers={
            **({"content-type": kind} if body else {}),
            **{name: str(value).strip("'") for name, value in named.items()},
        },
        body=str(body),
    )


def _secured(security: Any, schemes: Mapping[str, Any], *, rest: bool) -> dict[str, Any]:
    """Return what a route demands: the last authorizer counts, as SAM puts the route's own behind those of the API."""
    found: dict[str, Any] = {}
    for name, scopes in (pair for each in security or () for pair in each.items()):
        scheme = schemes.get(name) or {}
        if scheme.get(f"{_X}authorizer"):
            found |= {"authorizer": _of_a_scheme(name, scheme, rest=rest), "scopes": _texts(scopes)}
        elif scheme.get(f"{_X}authtype") == "awsSigv4":
            found["iam"] = True
        elif str(scheme.get("name")).lower() == "x-api-key":
            found["api_key"] = True
    return found


def _of_a_scheme(name: str, scheme: Mapping[str, Any], *, rest: bool) -> AuthorizerDeclaration:
    it = scheme[f"{_X}authorizer"]
    kind = str(it.get("type")).lower()
    own = (
        f"method.request.header.{scheme.get('name', 'Authorization')}" if rest and kind != "request" else None
    )
    return _authorizer(name, kind, it.get, rest=rest, own=own)


def _authorizers(_template: Template, it: Resource) -> Iterator[tuple[str, AuthorizerDeclaration]]:
    def get(key: str, default: Any = None) -> Any:
        return written.get(key[0].upper() + key[1:], default)

    rest, written = it.kind == "AWS::ApiGateway::Authorizer", it.properties
    kind = str(written.get("Type", written.get("AuthorizerType"))).lower()
    yield it.logical_id, _authorizer(it.logical_id, kind, get, rest=rest)


def _authorizer(
    name: str, kind: str, get: Callable[..., Any], *, rest: bool, own: str | None = None
) -> AuthorizerDeclaration:
    """Make an authorizer of what `get` returns for keys as in a document; `own` is the identity source by default."""
    return AuthorizerDeclaration(
        name=name,
        kind=kind,
        function=_function(get("authorizerUri")),
        identity=_texts(get("identitySource") or own),
        pattern=get("identityValidationExpression"),
        ttl=float(get("authorizerResultTtlInSeconds", _REST_TTL if rest else 0)),
        version=_version(get("authorizerPayloadFormatVersion", "2.0"), rest=rest),
        simple=str(get("enableSimpleResponses")).lower() == "true",
    )


def _resources(template: Template) -> Mapping[str, Mapping[str, Any]]:
    return {it.logical_id: it.properties for it in template.resources("AWS::ApiGateway::Resource")}


def _paths(
    resources: Mapping[str, Mapping[str, Any]], _template: Template, it: Resource
) -> Iterator[tuple[str, str]]:
    parts, above = list[str](), it.logical_id
    while above in resources and len(parts) <= len(resources):
        parts.insert(0, str(resources[above].get("PathPart")))
        above = str(resources[above].get("ParentId"))
    yield it.logical_id, "/" + "/".join(parts)


def _of_a_method(
    apis: Mapping[str, str],
    authorizers: Mapping[str, AuthorizerDeclaration],
    paths: Mapping[str, str],
    _template: Template,
    it: Resource,
) -> Iterator[RouteDeclaration]:
    integration, api = it.properties.get("Integration") or {}, str(it.properties.get("RestApiId"))
    yield RouteDeclaration(
        api=apis.get(api, api),
        method=str(it.properties.get("HttpMethod")),
        path=paths.get(str(it.properties.get("ResourceId")), "/"),
        function=_function(integration.get("Uri")),
        version="1.0",
        rest=True,
        **_demanded(it.properties, authorizers),
        api_key=str(it.properties.get("ApiKeyRequired")).lower() == "true",
        mock=_mocked(integration, str(it.properties.get("HttpMethod"))),
    )


def _demanded(
    properties: Mapping[str, Any], authorizers: Mapping[str, AuthorizerDeclaration]
) -> dict[str, Any]:
    return {
        "authorizer": authorizers.get(str(properties.get("AuthorizerId"))),
        "scopes": _texts(properties.get("AuthorizationScopes")),
        "iam": properties.get("AuthorizationType") == "AWS_IAM",
    }


def _integrations(template: Template) -> Mapping[str, Mapping[str, Any]]:
    return {it.logical_id: it.properties for it in template.resources("AWS::ApiGatewayV2::Integration")}


def _of_a_route(
    apis: Mapping[str, str],
    authorizers: Mapping[str, AuthorizerDeclaration],
    integrations: Mapping[str, Mapping[str, Any]],
    _template: Template,
    it: Resource,
) -> Iterator[RouteDeclaration]:
    api = str(it.properties.get("ApiId"))
    if api not in apis:  # a WebSocket API's
        return
    method, _, path = str(it.properties.get("RouteKey")).partition(" ")
    integration = integrations.get(str(it.properties.get("Target")).rpartition("/")[2], {})
    yield RouteDeclaration(
        api=apis[api],
        method=method if path else "ANY",
        path=path or method,
        function=_function(integration.get("IntegrationUri")),
        version=_version(integration.get("PayloadFormatVersion", "2.0"), rest=False),
        **_demanded(it.properties, authorizers),
    )
