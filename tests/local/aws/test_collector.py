"""The collector of the local cloud."""

import gzip
import json
import urllib.error
import urllib.request

import pytest

from lambda_guard.local.aws.collector import Collector
from lambda_guard.otlp import json_form, protobuf
from lambda_guard.otlp.span import Span

SPAN = Span("1" * 32, "2" * 16, "3" * 16, 1.5)
JSON = json.dumps(json_form.request({"service.name": "orders"}, {}, [SPAN])).encode()
PROTOBUF = protobuf.request(
    protobuf.resource({"service.name": "orders"}), protobuf.scope("s", "1"), [protobuf.span(SPAN)]
)


def post(collector, body, path="/v1/traces", **headers):
    """Send a request, and return the answer's body."""
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    with urllib.request.urlopen(urllib.request.Request(collector.url + path, body, headers)) as answer:
        return answer.read()


@pytest.mark.parametrize(
    ("body", "headers", "answer"),
    [
        (JSON, {"Content_Type": "application/json"}, b"{}"),
        (PROTOBUF, {"Content_Type": "application/x-protobuf"}, b""),
        (gzip.compress(JSON), {"Content_Type": "application/json", "Content_Encoding": "gzip"}, b"{}"),
    ],
)
def test_both_forms_are_kept(body, headers, answer):
    """JSON and protobuf, compressed or not, are the same spans."""
    with Collector() as collector:
        assert post(collector, body, **headers) == answer
        ((span, resource),) = collector.spans()
        assert (json_form.span(span), resource) == (json_form.span(SPAN), {"service.name": "orders"})


@pytest.mark.parametrize(
    ("path", "body", "headers", "status"),
    [
        ("/v1/metrics", b"{}", {}, 404),
        ("/v1/traces", b"x", {}, 400),
        ("/v1/traces", b"[]", {}, 400),
        ("/v1/traces", b"\xff", {"Content_Type": "application/x-protobuf"}, 400),
        ("/v1/traces", b"x", {"Content_Encoding": "gzip"}, 400),
    ],
)
def test_what_is_no_request_is_refused(path, body, headers, status):
    """It answers as a collector does, and goes on."""
    with Collector() as collector:
        with pytest.raises(urllib.error.HTTPError) as error:
            post(collector, body, path, **headers)
        error.value.close()
        assert (error.value.code, collector.spans(), collector.requests) == (status, [], 1)
