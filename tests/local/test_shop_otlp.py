"""The example shop with OpenTelemetry's spans: one order is one trace, by Lambda's daemon and by a collector."""

import json
from pathlib import Path

import pytest

from lambda_guard.local.cloud import Cloud
from lambda_guard.otlp.span import CLIENT, hex_id

TEMPLATE = Path(__file__).parents[2] / "examples" / "app" / "template.yaml"
SECOND_TRACE = "1-6742a1b5-00000000000000000000aaaa"
SENDERS = "00000000000000aa"
MODES = {
    "daemon": {},
    "collector": {
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318"
    },  # the local cloud's own stands for it
}


def order(order_id, grams=100):
    """Return an order; it can't be packed where its weight is no number."""
    return {"id": order_id, "items": [{"sku": "lamp", "price": 10.0, "count": 1, "grams": grams}]}


@pytest.fixture(scope="module", params=MODES)
def shop(request):
    """One order, a message from another trace beside it, and an order that can't be packed."""
    environment = {"LAMBDA_GUARD_TRACING": "otlp", **MODES[request.param]}
    with Cloud(TEMPLATE, speed=40, environment=environment) as cloud:
        header = f"Root={SECOND_TRACE};Parent={SENDERS};Sampled=1"
        cloud.client("sqs").send_message(
            QueueUrl=cloud.queue_url("Parcels"),
            MessageBody=json.dumps({"Type": "Notification", "Message": json.dumps(order("other"))}),
            MessageSystemAttributes={"AWSTraceHeader": {"DataType": "String", "StringValue": header}},
        )
        for each in (order("good"), order("poison", grams="heavy")):
            assert cloud.request("POST", "/orders", json.dumps(each)).status == 202
        cloud.settle(timeout=240)
        assert (cloud.collector.requests > 0) is (request.param == "collector")
        yield cloud


@pytest.fixture(scope="module")
def spans(shop):
    """All spans, each with the function that sent it."""
    return [(resource["faas.name"], span) for span, resource in shop.spans()]


def trace_of(cloud, order_id):
    """Return the trace of an order, as the log lines of the first function have it."""
    lines = [json.loads(event.message) for event in cloud.logs("orders") if event.message.startswith("{")]
    return hex_id(next(line["xray_trace_id"] for line in lines if line.get("order_id") == order_id))


def test_one_order_is_one_trace(shop, spans):
    """Both consumers' spans hang below the Publish call, and that below the span of the function that called."""
    trace_id = trace_of(shop, "good")
    found = [(name, span) for name, span in spans if span.trace_id == trace_id]
    (publish,) = [span for _, span in found if span.name == "SNS.Publish"]
    ids = {span.span_id: name for name, span in found}
    assert (publish.kind, ids[publish.parent_id]) == (CLIENT, "orders")
    below = {name for name, span in found if span.parent_id == publish.span_id}
    # SNS calls billing through Lambda's own segments, which X-Ray's documents have.
    segments = {document["id"]: document.get("parent_id") for document in shop.documents()}
    (billing,) = [span for name, span in found if name == "billing" and span.name != "SQS.SendMessage"]
    assert segments[segments[billing.parent_id]] == publish.span_id
    assert "shipping" in below


def test_messages_of_other_traces_keep_their_own(spans):
    """A message from elsewhere is processed below its sender, and linked with the batch that it came in."""
    (span,) = [
        span for _, span in spans if span.trace_id == hex_id(SECOND_TRACE) and span.parent_id == SENDERS
    ]
    (batch,) = [each for _, each in spans if (each.trace_id, each.span_id) == span.links[0][:2]]
    assert (hex_id(SECOND_TRACE), SENDERS) in [link[:2] for link in batch.links]


def test_each_attempt_is_a_span_of_the_same_trace(shop, spans):
    """The order that fails three times has three failed spans in its trace."""
    found = [span for name, span in spans if name == "shipping" and span.trace_id == trace_of(shop, "poison")]
    assert [span.attributes["error.type"] for span in found if span.failed] == ["ValueError"] * 3


def test_nothing_is_said_to_have_failed(shop):
    """No function counts a failure of ours, and no document of ours is X-Ray's."""
    for function in ("orders", "billing", "shipping"):
        assert not [event for event in shop.logs(function) if "GuardErrors" in event.message]
    assert not [document for document in shop.documents() if document.get("type") == "subsegment"]
    assert shop.daemon.malformed() == []
