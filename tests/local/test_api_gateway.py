"""Authorizers, CORS, stages and binary bodies, as API Gateway has them."""

import base64
import json

import pytest

from lambda_guard.local import Cloud

ARN = "arn:aws:execute-api:eu-west-1:123456789012"


def auth(name):
    return {"Fn::GetAtt": [name, "Arn"]}


@pytest.fixture(scope="module")
def cloud(functions, build):
    """Return a cloud with a REST and an HTTP API, each with authorizers by functions and by tokens."""

    def event(kind, api, path, authorizer=None, **more):
        properties = {
            "ApiId" if kind == "HttpApi" else "RestApiId": {"Ref": api},
            "Path": path,
            "Method": "get",
            **more,
        }
        return {
            "Type": kind,
            "Properties": properties | ({"Auth": {"Authorizer": authorizer}} if authorizer else {}),
        }

    token = {
        "FunctionArn": auth("Policy"),
        "Identity": {"Header": "X-Token", "ValidationExpression": "[a-z ]+"},
    }
    request = {"FunctionArn": auth("Policy"), "FunctionPayloadType": "REQUEST"}
    simple = {
        "FunctionArn": auth("Simple"),
        "AuthorizerPayloadFormatVersion": "2.0",
        "EnableSimpleResponses": True,
    }
    resources = {
        "Rest": {
            "Type": "AWS::Serverless::Api",
            "Properties": {
                "StageName": "dev",
                "Variables": {"COLOUR": "blue"},
                "BinaryMediaTypes": ["image~1png"],
                "Cors": {"AllowOrigin": "'*'", "AllowMethods": "'GET,PUT'", "AllowHeaders": "'X-Token'"},
                "Auth": {
                    "AddDefaultAuthorizerToCorsPreflight": False,
                    "DefaultAuthorizer": "Token",
                    "Authorizers": {
                        "Token": token,
                        "Request": {
                            **request,
                            "Identity": {"QueryStrings": ["token"], "ReauthorizeEvery": 0},
                        },
                        "Pool": {
                            "UserPoolArn": "arn:aws:cognito-idp:eu-west-1:123456789012:userpool/eu-west-1_a"
                        },
                    },
                },
            },
        },
        "Http": {
            "Type": "AWS::Serverless::HttpApi",
            "Properties": {
                "StageName": "prod",
                "StageVariables": {"COLOUR": "red"},
                "CorsConfiguration": {
                    "AllowOrigins": ["https://shop.example", "http://localhost:3000"],
                    "AllowMethods": ["GET", "POST"],
                    "AllowHeaders": ["X-Mine"],
                    "ExposeHeaders": ["X-Mine"],
                    "AllowCredentials": True,
                    "MaxAge": 60,
                },
                "Auth": {
                    "Authorizers": {
                        "Jwt": {
                            "IdentitySource": "$request.header.Authorization",
                            "JwtConfiguration": {"issuer": "https://issuer.example", "audience": ["shop"]},
                            "AuthorizationScopes": ["read"],
                        },
                        "Simple": {**simple, "Identity": {"Headers": ["X-Token"]}},
                        "Policy": {
                            "FunctionArn": auth("Policy"),
                            "AuthorizerPayloadFormatVersion": "1.0",
                            "Identity": {"Headers": ["X-Token"]},
                        },
                    }
                },
            },
        },
        "Policy": build.function("guarded.policy"),
        "Simple": build.function("guarded.simple"),
        "Fn": build.function(
            "guarded.handler",
            events={
                "Token": event("Api", "Rest", "/token"),
                "Request": event("Api", "Rest", "/request", "Request"),
                "Pool": event("Api", "Rest", "/pool", "Pool"),
                "Open": event("Api", "Rest", "/open", "NONE"),
                "Put": event("Api", "Rest", "/open", "NONE", Method="put"),
                "Picture": event("Api", "Rest", "/picture", "NONE"),
                "Jwt": event("HttpApi", "Http", "/jwt", "Jwt"),
                "Simple": event("HttpApi", "Http", "/simple/{id}", "Simple"),
                "Policy": event("HttpApi", "Http", "/policy", "Policy"),
                "Http": event("HttpApi", "Http", "/http"),
                "HttpPicture": event("HttpApi", "Http", "/http/picture"),
                "Post": event("HttpApi", "Http", "/http", Method="post"),
                "One": event("HttpApi", "Http", "/one", PayloadFormatVersion="1.0"),
            },
        ),
    }
    with Cloud(build.template(**resources), root=functions) as cloud:
        yield cloud


def get(cloud, path, api="Rest", method="GET", **headers):
    return cloud.request(
        method, path, api=api, headers={key.replace("_", "-"): it for key, it in headers.items()}
    )


def authorizer(answer):
    assert answer.status == 200, answer.body
    return answer.json()["requestContext"]["authorizer"]


def test_a_token_authorizer_decides_by_a_policy(cloud):
    """Its context is text, and counts for five minutes; another token is asked for anew."""
    context = authorizer(get(cloud, "/token", X_Token="allow"))
    assert context == {
        "principalId": "me",
        "calls": context["calls"],
        "admin": "true",
        "type": "TOKEN",
        "integrationLatency": 0,
    }
    assert authorizer(get(cloud, "/token", X_Token="allow")) == context
    assert authorizer(get(cloud, "/token", X_Token="allow me"))["calls"] != context["calls"]


@pytest.mark.parametrize(
    ("token", "status", "body"),
    [
        (None, 401, {"message": "Unauthorized"}),
        ("NOT THE PATTERN", 401, {"message": "Unauthorized"}),
        ("unknown", 401, {"message": "Unauthorized"}),
        ("deny", 403, {"Message": "User is not authorized to access this resource with an explicit deny"}),
        ("allow other", 403, {"Message": "User is not authorized to access this resource"}),
        ("broken", 500, {"message": None}),
    ],
)
def test_a_rest_api_refuses_as_on_aws(cloud, token, status, body):
    """With API Gateway's own answers, and without the function behind."""
    before = len(cloud.results("Fn"))
    answer = get(cloud, "/token", **({"X_Token": token} if token else {}))
    assert (answer.status, answer.json()) == (status, body)
    assert len(cloud.results("Fn")) == before


def test_a_request_authorizer_gets_the_request(cloud):
    """Without its identity source it isn't asked; it may deny by the query; with no time to keep it, it's asked each time."""
    assert get(cloud, "/request").status == 401
    assert get(cloud, "/request?token=deny").status == 403
    first, second = (authorizer(get(cloud, "/request?token=allow")) for _ in range(2))
    assert first["type"] == "REQUEST"
    assert second["calls"] != first["calls"]


def test_a_simple_response_passes_its_context_on(cloud):
    """As it is, below `lambda`; the authorizer has the request without its body, and the path with the stage."""
    context = authorizer(get(cloud, "/simple/7", "Http", X_Token="yes"))
    assert context == {
        "lambda": {"arn": f"{ARN}:http/prod/GET/simple/7", "has_body": False, "type": "REQUEST"}
    }
    denied, unknown = get(cloud, "/simple/7", "Http", X_Token="no"), get(cloud, "/simple/7", "Http")
    assert (denied.status, denied.json()) == (403, {"message": "Forbidden"})
    assert (unknown.status, unknown.json()) == (401, {"message": "Unauthorized"})


def test_an_http_api_takes_policies_too(cloud):
    """In payload format 1.0, in which the identity is a token as well."""
    context = authorizer(get(cloud, "/policy", "Http", X_Token="allow"))["lambda"]
    assert (context["admin"], context["type"]) == (True, "REQUEST")
    assert get(cloud, "/policy", "Http", X_Token="deny").json() == {"message": "Forbidden"}
    assert get(cloud, "/policy", "Http", X_Token="broken").json() == {"message": "Internal Server Error"}


def jwt(**claims):
    encoded = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"Bearer e30.{encoded}.signature"


def test_claims_are_those_of_the_token_or_of_the_header(cloud):
    """As text, as API Gateway passes them on; the header isn't."""
    claims = {"sub": "me", "groups": ["a", "b"], "admin": True, "n": 1, "scope": "read write"}
    expected = {"sub": "me", "groups": "[a b]", "admin": "true", "n": "1", "scope": "read write"}
    for headers in ({"Authorization": jwt(**claims)}, {"X_Lambda_Guard_Claims": json.dumps(claims)}):
        answer = get(cloud, "/jwt", "Http", **headers)
        assert authorizer(answer) == {"jwt": {"claims": expected, "scopes": ["read"]}}
        assert "x-lambda-guard-claims" not in answer.json()["headers"]
        assert authorizer(get(cloud, "/pool", **headers)) == {"claims": expected}
    assert any("Http: tokens are not verified here" in warning for warning in cloud.warnings)


@pytest.mark.parametrize(
    ("authorization", "status", "challenge"),
    [
        (None, 401, "Bearer"),
        ("Bearer nonsense", 401, "Bearer"),
        ("Bearer e30.e30.x", 403, None),
        (jwt(scope="write", exp=4_102_444_800), 403, None),
        (
            jwt(scope="read", exp=1),
            401,
            'Bearer scope="" error="invalid_token" error_description="the token has expired"',
        ),
    ],
)
def test_a_token_without_what_the_route_demands_is_refused(cloud, authorization, status, challenge):
    """It must be there, be in time, and have one of the scopes."""
    answer = get(cloud, "/jwt", "Http", **({"Authorization": authorization} if authorization else {}))
    assert (answer.status, answer.headers.get("www-authenticate")) == (status, challenge)
    assert answer.json() == {"message": {401: "Unauthorized", 403: "Forbidden"}[status]}


def test_an_http_api_answers_preflights_itself(cloud):
    """Whatever its routes; an origin that isn't allowed gets no headers."""
    asked = {"Origin": "http://localhost:3000", "Access_Control_Request_Method": "DELETE"}
    for path in ("/http", "/nowhere"):
        answer = get(cloud, path, "Http", "OPTIONS", **asked)
        assert (answer.status, dict(answer.header_lines)) == (
            204,
            {
                "access-control-allow-origin": "http://localhost:3000",
                "access-control-allow-credentials": "true",
                "access-control-allow-methods": "GET,POST",
                "access-control-allow-headers": "X-Mine",
                "access-control-max-age": "60",
            },
        )
    answer = get(cloud, "/http", "Http", "OPTIONS", **{**asked, "Origin": "https://other.example"})
    assert (answer.status, answer.header_lines) == (204, ())


def test_an_http_apis_cors_replaces_the_functions(cloud):
    """Its headers are ignored, whether or not the origin is allowed."""
    answer = get(cloud, "/http", "Http", Origin="https://shop.example")
    assert answer.headers["access-control-allow-origin"] == "https://shop.example"
    assert answer.headers["access-control-expose-headers"] == "X-Mine"
    assert answer.headers["x-mine"] == "1"
    assert "access-control-allow-origin" not in get(cloud, "/http", "Http").headers


def test_a_rest_apis_preflights_are_mocks(cloud):
    """Which SAM writes, with the configuration's headers; the function's own are sent with its answers."""
    answer = get(cloud, "/open", "Rest", "OPTIONS")
    assert (answer.status, dict(answer.header_lines)) == (
        200,
        {
            "access-control-allow-origin": "*",
            "access-control-allow-methods": "GET,PUT",
            "access-control-allow-headers": "X-Token",
            "content-type": "application/json",
        },
    )
    assert get(cloud, "/open").headers["access-control-allow-origin"] == "https://its-own.example"


def test_a_stage_is_in_the_event_and_may_be_in_the_path(cloud):
    """An HTTP API's path begins with a named stage, a REST API's doesn't; both have the stage's variables."""
    for path in ("/open", "/dev/open"):
        event = get(cloud, path).json()
        context = event["requestContext"]
        assert (event["path"], context["path"], context["stage"]) == ("/open", "/dev/open", "dev")
        assert event["stageVariables"] == {"COLOUR": "blue"}
    for path in ("/http", "/prod/http"):
        event = get(cloud, path, "Http").json()
        assert (event["rawPath"], event["requestContext"]["stage"]) == ("/prod/http", "prod")
        assert event["stageVariables"] == {"COLOUR": "red"}
    assert get(cloud, "/other/http", "Http").status == 404


@pytest.mark.parametrize(
    "definition",
    [
        {"DefinitionUri": "api.yaml"},
        {
            "DefinitionBody": {
                "Fn::Transform": {"Name": "AWS::Include", "Parameters": {"Location": "api.yaml"}}
            }
        },
    ],
)
def test_an_api_may_be_defined_in_a_file(build, tmp_path, definition):
    """By its path, or included: the file's functions are the template's."""
    (tmp_path / "app.py").write_text("def handler(event, context): return {'statusCode': 202}")
    (tmp_path / "api.yaml").write_text("""
        openapi: 3.0.1
        paths:
          /orders:
            post:
              x-amazon-apigateway-integration: {type: aws_proxy, httpMethod: POST, uri: !Sub "${Fn.Arn}/invocations"}
    """)
    api = {"Type": "AWS::Serverless::Api", "Properties": {"StageName": "Prod", **definition}}
    with Cloud(build.template(Fn=build.function("app.handler"), Api=api), root=tmp_path) as cloud:
        assert cloud.request("POST", "/orders").status == 202
        assert cloud.warnings == ()


def test_mocks_and_variables_of_the_stage(build, tmp_path):
    """A mock's text is its answer, but not a template; a variable names a function, and one that isn't there is a 502."""
    (tmp_path / "app.py").write_text("def handler(event, context): return {'statusCode': 202}")

    def mock(template):
        answer = {"statusCode": "201", "responseTemplates": {"text/plain": template}}
        return {
            "get": {"x-amazon-apigateway-integration": {"type": "mock", "responses": {"default": answer}}}
        }

    def named(name):
        uri = f"arn:aws:lambda:eu-west-1:123456789012:function:{name}/invocations"
        return {"get": {"x-amazon-apigateway-integration": {"type": "aws_proxy", "uri": uri}}}

    paths = {
        "/mock": mock("as it is"),
        "/template": mock("$context.requestId"),
        "/fn": named("${stageVariables.fn}"),
        "/theirs": named("theirs"),
    }
    body = {"openapi": "3.0.1", "paths": paths}
    api = {"StageName": "Prod", "Variables": {"fn": "Fn"}, "DefinitionBody": body}
    template = build.template(
        Fn=build.function("app.handler"), Api={"Type": "AWS::Serverless::Api", "Properties": api}
    )
    with Cloud(template, root=tmp_path) as cloud:
        answer = get(cloud, "/mock", "Api")
        assert (answer.status, answer.body, answer.headers["content-type"]) == (
            201,
            b"as it is",
            "text/plain",
        )
        assert [get(cloud, path, "Api").status for path in ("/template", "/fn", "/theirs")] == [403, 202, 502]
        assert cloud.warnings == (
            "Api: GET /template isn't integrated with a function, and is not served",
            "Api: GET /theirs fails: there is no function 'theirs' here",
        )


def test_an_http_api_may_send_format_1(cloud):
    """With its version, as REST APIs don't."""
    event = get(cloud, "/one", "Http").json()
    assert (event["version"], event["httpMethod"], event["resource"]) == ("1.0", "GET", "/one")
    assert "version" not in get(cloud, "/open").json()


@pytest.mark.parametrize(
    ("api", "path", "kind", "encoded"),
    [
        ("Rest", "/open", "image/png", True),
        ("Rest", "/open", "application/x-www-form-urlencoded", False),
        ("Http", "/http", "application/x-www-form-urlencoded", True),
        ("Http", "/http", "application/vnd.api+json; charset=utf-8", False),
    ],
)
def test_a_binary_body_is_base64(cloud, api, path, kind, encoded):
    """By the binary media types of a REST API; all that isn't text for an HTTP API."""
    method = "PUT" if api == "Rest" else "POST"
    event = cloud.request(method, path, b"a=1", headers={"Content-Type": kind}, api=api).json()
    assert (event["isBase64Encoded"], event["body"]) == (encoded, "YT0x" if encoded else "a=1")


def test_a_binary_answer_is_decoded(cloud):
    """By what is accepted or returned, among the binary media types of a REST API."""
    assert get(cloud, "/picture", Accept="image/png, */*").body == b"\x89PNG"
    assert get(cloud, "/http/picture", "Http").body == b"\x89PNG"
