"""URLs of functions: requests as AWS hands them over, CORS, and answers where the function has none."""

import json
import urllib.request

import pytest

from lambda_guard.local import Cloud
from lambda_guard.trigger.read import read_trigger


@pytest.fixture(scope="module")
def cloud(functions, build):
    """Return a cloud with a function behind a URL, one whose callers must sign, and one that never runs."""
    cors = {"AllowOrigins": ["https://shop.example"], "AllowMethods": ["GET", "PUT"], "MaxAge": 60}
    template = build.template(
        Shop=build.function("api.handler", FunctionUrlConfig={"AuthType": "NONE", "Cors": cors}),
        Signed=build.function("api.handler", FunctionUrlConfig={"AuthType": "AWS_IAM", "InvokeMode": "RESPONSE_STREAM"}),
        Throttled=build.function(
            "api.handler", FunctionUrlConfig={"AuthType": "NONE"}, ReservedConcurrentExecutions=0
        ),
    )  # fmt: skip
    template["Outputs"] = {"Shop": {"Value": {"Fn::GetAtt": ["ShopUrl", "FunctionUrl"]}}}
    with Cloud(template, root=functions) as cloud:
        yield cloud


def test_a_request_arrives_as_on_aws(cloud):
    """Any method and path, payload format 2.0, under the domain of a function URL; the answer is the function's."""
    answer = cloud.request(
        "PATCH", "/a/echo", {"id": 1}, api="ShopUrl", query={"q": "1"}, headers={"Cookie": "c=1; d=2"}
    )

    event = json.loads(answer.body)
    assert answer.status == 201
    assert ("x-own", "1") in answer.header_lines
    assert (event["version"], event["routeKey"], event["rawPath"]) == ("2.0", "$default", "/a/echo")
    assert (event["rawQueryString"], event["cookies"]) == ("q=1", ["c=1", "d=2"])
    assert json.loads(event["body"]) == {"id": 1}
    context = event["requestContext"]
    assert context["domainName"] == "shopurl.lambda-url.eu-west-1.on.aws"
    assert (context["accountId"], context["stage"], context["http"]["method"]) == (
        "anonymous",
        "$default",
        "PATCH",
    )
    assert read_trigger(event).type == "function-url"


def test_an_output_has_the_url_on_this_machine(cloud):
    """The URL of the template's output answers."""
    url = cloud.outputs["Shop"]
    assert url.startswith(cloud.api_url("ShopUrl"))
    with urllib.request.urlopen(f"{url}other", timeout=60) as answer:
        assert json.load(answer) == {"inferred": True}


def test_cors_is_the_configuration_s(cloud):
    """Preflights don't reach the function; an origin that isn't allowed gets no headers."""
    asked = {"Origin": "https://shop.example", "Access-Control-Request-Method": "PUT"}
    preflight = dict(cloud.request("OPTIONS", "/", api="ShopUrl", headers=asked).header_lines)
    other = dict(cloud.request("GET", "/", api="ShopUrl", headers={"Origin": "https://other"}).header_lines)

    assert preflight["access-control-allow-origin"] == "https://shop.example"
    assert preflight["access-control-allow-methods"] == "GET,PUT"
    assert preflight["access-control-max-age"] == "60"
    assert "access-control-allow-origin" not in other


def test_a_function_that_fails_is_502_and_one_that_is_throttled_429(cloud):
    """An HTTP API answers 500 and 503 instead."""
    assert cloud.request("GET", "/raise", api="ShopUrl").status == 502
    assert cloud.request("GET", "/malformed", api="ShopUrl").status == 502
    assert cloud.request("GET", "/", api="ThrottledUrl").status == 429


def test_what_differs_from_aws_is_said(cloud):
    """Signatures aren't checked, and nothing is streamed: a warning names the URL of each."""
    assert cloud.request("GET", "/", api="SignedUrl").status == 200
    said = "\n".join(cloud.warnings)
    assert "SignedUrl: signatures (AWS_IAM) are not checked here" in said
    assert "SignedUrl (AWS::Lambda::Url): the property InvokeMode is not honoured" in said
    assert "ShopUrl" not in said
