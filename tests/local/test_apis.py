"""API Gateway in front of functions."""

import base64
import http.client
import json
import threading
import urllib.error
import urllib.request

import pytest

from lambda_guard.local import Cloud, LocalCloudError
from lambda_guard.local.api import match
from lambda_guard.templates.stack import RouteDeclaration

TRACE = "Root=1-5e34a614-10bd0000000fb44f07bc535a;Parent=07f50000d1f6f8aa;Sampled=1"


@pytest.fixture(scope="module")
def cloud(functions, build):
    """Return a cloud with an HTTP API and a REST API in front of one function."""

    def event(kind, path, method):
        return {"Type": kind, "Properties": {"Path": path, "Method": method}}

    template = build.template(
        Api=build.function(
            "api.handler",
            events={
                "Http": event("HttpApi", "/http/{proxy+}", "ANY"),
                "HttpOne": event("HttpApi", "/orders/{id}/echo", "POST"),
                "Rest": event("Api", "/rest/{what}", "post"),
            },
        ),
        Ticking=build.function(
            "api.tick", events={"Often": {"Type": "Schedule", "Properties": {"Schedule": "rate(1 minute)"}}}
        ),
    )
    template["Outputs"] = {
        "Url": {
            "Value": {
                "Fn::Sub": "https://${ServerlessHttpApi}.execute-api.${AWS::Region}.amazonaws.com/http/x"
            }
        }
    }
    with Cloud(template, root=functions, speed=600) as cloud:
        yield cloud


def test_an_http_api_gives_payload_format_2(cloud):
    """Route, path parameters, query, lower-case headers, cookies and body are where format 2.0 has them."""
    response = cloud.request(
        "post",
        "/orders/7/echo",
        {"n": 1},
        headers={"X-Tenant": "t", "Cookie": "s=1; t=2"},
        query={"q": "a b"},
    )
    event = response.json()
    context = event.pop("requestContext")
    headers = event.pop("headers")
    times = context.pop("time"), context.pop("timeEpoch")

    assert event == {
        "version": "2.0",
        "routeKey": "POST /orders/{id}/echo",
        "rawPath": "/orders/7/echo",
        "rawQueryString": "q=a+b",
        "cookies": ["s=1", "t=2"],
        "queryStringParameters": {"q": "a b"},
        "pathParameters": {"id": "7"},
        "body": '{"n": 1}',
        "isBase64Encoded": False,
    }
    assert headers.pop("x-amzn-trace-id").startswith("Root=1-")
    assert headers == {
        "host": "serverlesshttpapi.execute-api.eu-west-1.amazonaws.com",
        "content-type": "application/json",
        "x-tenant": "t",
    }
    assert all(times)
    assert context.pop("requestId")
    assert context["http"] == {
        "method": "POST",
        "path": "/orders/7/echo",
        "protocol": "HTTP/1.1",
        "sourceIp": "127.0.0.1",
        "userAgent": "",
    }
    assert (response.status, response.headers["x-own"], response.cookies) == (201, "1", ("a=1", "b=2"))


def test_a_query_may_stand_in_the_path(cloud):
    """A path with a query is what a browser would send: the route is found, and the query is one."""
    event = cloud.request("POST", "/rest/echo?q=1&q=2", "text", query={"r": "3"}).json()

    assert (event["path"], event["multiValueQueryStringParameters"]) == (
        "/rest/echo",
        {"q": ["1", "2"], "r": ["3"]},
    )


def test_a_rest_api_gives_payload_format_1(cloud):
    """A REST API's event has resource, method and the multi-value forms."""
    event = cloud.request("POST", "/rest/echo", "text", query={"q": "1"}).json()

    assert (event["resource"], event["path"], event["httpMethod"]) == ("/rest/{what}", "/rest/echo", "POST")
    assert event["pathParameters"] == {"what": "echo"}
    assert event["queryStringParameters"] == {"q": "1"}
    assert event["multiValueQueryStringParameters"] == {"q": ["1"]}
    assert event["multiValueHeaders"]["Content-Type"] == ["text/plain"]
    assert (event["body"], event["isBase64Encoded"]) == ("text", False)
    assert event["requestContext"]["resourcePath"] == "/rest/{what}"


def test_a_body_that_is_no_text_travels_as_base64(cloud):
    """Binary bodies are encoded on the way in and decoded on the way out."""
    event = cloud.request("POST", "/orders/7/echo", b"\x00\xff").json()
    answer = cloud.request("GET", "/http/binary")

    assert (base64.b64decode(event["body"]), event["isBase64Encoded"]) == (b"\x00\xff", True)
    assert answer.body == b"\x00\xff"


@pytest.mark.parametrize(
    ("method", "path", "status", "message"),
    [
        ("GET", "/http/raise", 500, "Internal Server Error"),
        ("GET", "/http/malformed", 500, "Internal Server Error"),
        ("POST", "/rest/raise", 502, "Internal server error"),
        ("POST", "/rest/malformed", 502, "Internal server error"),
        ("GET", "/http/no-list", 500, "Internal Server Error"),
        ("POST", "/rest/no-list", 502, "Internal server error"),
        ("GET", "/http/no-headers", 500, "Internal Server Error"),
        ("POST", "/rest/no-headers", 502, "Internal server error"),
        ("POST", "/rest/inferred", 502, "Internal server error"),
        ("POST", "/rest/unknown", 502, "Internal server error"),
        ("GET", "/nowhere", 404, "Not Found"),
    ],
)
def test_failures_answer_as_api_gateway_does(cloud, method, path, status, message):
    """A failed or malformed invocation is 502 (REST) or 500 (HTTP API), an unknown route 404."""
    response = cloud.request(method, path)

    assert (response.status, response.json()) == (status, {"message": message})


def test_a_rest_apis_answer_needs_no_status(cloud):
    """Each key may be left out: without a status it's 200."""
    response = cloud.request("POST", "/rest/bare")

    assert (response.status, response.body) == (200, b"bare")


def sent(url, method, path, headers):
    """Send a request whose headers may come several times; return status, header lines and body."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=240)
    connection.putrequest(method, path)
    for name, value in headers:
        connection.putheader(name, value)
    connection.putheader("Content-Length", "0")
    connection.endheaders()
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, answer.getheaders(), body


TWICE = [("X-Tenant", "a"), ("x-tenant", "b"), ("Cookie", "s=1"), ("Cookie", "t=2")]


def test_a_rest_api_lists_what_comes_several_times(cloud):
    """The multi-value forms hold each value in its order, the single ones the last."""
    url = cloud.api_url("ServerlessRestApi")
    _, _, body = sent(url, "POST", "/rest/echo?q=1&r=2&q=3&empty=", TWICE)
    event = json.loads(body)

    assert event["multiValueHeaders"]["X-Tenant"] == ["a", "b"]
    assert event["headers"]["X-Tenant"] == "b"
    assert "x-tenant" not in event["multiValueHeaders"]
    assert event["multiValueQueryStringParameters"] == {"q": ["1", "3"], "r": ["2"], "empty": [""]}
    assert event["queryStringParameters"] == {"q": "3", "r": "2", "empty": ""}


def test_a_rest_api_without_a_query_says_null(cloud):
    """Neither form is an empty object."""
    event = cloud.request("POST", "/rest/echo").json()

    assert (event["queryStringParameters"], event["multiValueQueryStringParameters"]) == (None, None)


def test_an_http_api_joins_what_comes_several_times(cloud):
    """Format 2.0 has one text for each header and parameter, and a list of the cookies."""
    _, _, body = sent(cloud.api_url("ServerlessHttpApi"), "POST", "/orders/7/echo?q=1&q=3", TWICE)
    event = json.loads(body)

    assert event["headers"]["x-tenant"] == "a,b"
    assert event["cookies"] == ["s=1", "t=2"]
    assert (event["queryStringParameters"], event["rawQueryString"]) == ({"q": "1,3"}, "q=1&q=3")


def test_a_rest_api_sends_each_value_of_a_header(cloud):
    """What stands in `headers` and `multiValueHeaders` alike is sent once; `cookies` mean nothing here."""
    _, lines, _ = sent(cloud.api_url("ServerlessRestApi"), "POST", "/rest/several", [])
    response = cloud.request("POST", "/rest/several")

    assert [line for line in lines if line[0] in {"set-cookie", "x-own", "x-other"}] == [
        ("x-other", "3"),
        ("set-cookie", "a=1"),
        ("set-cookie", "b=2"),
        ("x-own", "1"),
        ("x-own", "2"),
    ]
    assert (response.headers["x-own"], response.cookies) == ("1,2", ("a=1", "b=2"))


def test_an_http_api_takes_cookies_from_a_list(cloud):
    """Format 2.0 knows no `multiValueHeaders`."""
    response = cloud.request("GET", "/http/several")

    assert (response.headers, response.cookies) == ({"x-own": "1", "x-other": "3"}, ("c=3",))


def test_a_content_type_of_the_callers_own_is_the_only_one(cloud):
    """However it is written."""
    event = cloud.request("POST", "/rest/echo", "a;b", headers={"content-type": "text/csv"}).json()

    assert {
        name: values for name, values in event["multiValueHeaders"].items() if name.lower() == "content-type"
    } == {"content-type": ["text/csv"]}


def test_an_http_api_infers_a_response(cloud):
    """An answer without statusCode is the body of a 200."""
    response = cloud.request("GET", "/http/inferred")

    assert (response.status, response.json()) == (200, {"inferred": True})
    assert response.result.status == "success"


def test_a_rest_api_without_a_route_refuses(cloud):
    """REST APIs say 403 to what they don't know."""
    response = cloud.request("GET", "/nowhere", api="ServerlessRestApi")

    assert (response.status, response.json()) == (403, {"message": "Missing Authentication Token"})
    with pytest.raises(LocalCloudError, match="there is no API 'Nobody'"):
        cloud.request("GET", "/", api="Nobody")


def test_the_clients_trace_goes_on(cloud):
    """A request with a trace header invokes the function in that trace."""
    result = cloud.request("GET", "/http/x", headers={"x-amzn-trace-id": TRACE}).result

    assert result.trace_header.startswith("Root=1-5e34a614-10bd0000000fb44f07bc535a;Parent=")


def test_each_api_is_served_on_a_port(cloud):
    """Browsers and curl reach the API; outputs name its address here."""
    assert cloud.outputs == {"Url": f"{cloud.api_url('ServerlessHttpApi')}/http/x"}
    url, json_body = (
        f"{cloud.api_url('ServerlessHttpApi')}/orders/7/echo",
        {"Content-Type": "application/json"},
    )
    request = urllib.request.Request(url, data=b"{}", headers=json_body)
    with urllib.request.urlopen(request) as answer:
        event = json.load(answer)
        cookies = answer.headers.get_all("Set-Cookie")
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(f"{cloud.api_url('ServerlessHttpApi')}/nowhere")

    assert (event["rawPath"], event["body"]) == ("/orders/7/echo", "{}")
    assert cookies == ["a=1", "b=2"]
    with pytest.raises(LocalCloudError, match="name one of the APIs: ServerlessRestApi, ServerlessHttpApi"):
        cloud.api_url()


def test_a_rate_fires_by_itself(cloud):
    """`rate(1 minute)` at a speed of 600 comes ten times a second."""
    enough = threading.Event()
    cloud.log_group("Ticking").listen(
        lambda event: enough.set() if event.message.startswith("REPORT") else None
    )

    assert enough.wait(240)


ROUTES = [
    RouteDeclaration(api="A", method=method, path=path, function="f", version="2.0")
    for method, path in [
        ("ANY", "$default"),
        ("ANY", "/orders/{proxy+}"),
        ("GET", "/orders/{id}"),
        ("ANY", "/orders/{id}"),
        ("GET", "/orders/all"),
        ("PUT", "/orders/{order-id}/items/{item.id}"),
    ]
]


@pytest.mark.parametrize(
    ("method", "path", "found", "parameters"),
    [
        ("GET", "/orders/all", "GET /orders/all", {}),
        ("GET", "/orders/7", "GET /orders/{id}", {"id": "7"}),
        ("PUT", "/orders/7", "ANY /orders/{id}", {"id": "7"}),
        ("PUT", "/orders/7/", "ANY /orders/{id}", {"id": "7"}),
        (
            "PUT",
            "/orders/7/items/8.b",
            "PUT /orders/{order-id}/items/{item.id}",
            {"order-id": "7", "item.id": "8.b"},
        ),
        ("GET", "/orders/7/items", "ANY /orders/{proxy+}", {"proxy": "7/items"}),
        ("GET", "/", "ANY $default", {}),
    ],
)
def test_the_most_specific_route_wins(method, path, found, parameters):
    """A full match comes before a greedy one, a method before ANY, `$default` last."""
    matched = match(ROUTES, method, path)

    assert f"{matched.route.method} {matched.route.path}" == found
    assert matched.parameters == parameters
