"""Spans as they travel: the bytes are those that OpenTelemetry's own encoder writes, and both forms can be read again."""

import base64
import contextlib
import json

import pytest
from google.protobuf.json_format import ParseDict
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event as SdkEvent
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace.status import Status, StatusCode

from lambda_guard.otlp import json_form, protobuf, reading
from lambda_guard.otlp.span import Event, Link, Span, hex_id, nanoseconds

TIMES = st.integers(1, 2**63 - 1)
TEXT = st.text(max_size=200)
VALUES = st.one_of(
    TEXT,
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.lists(TEXT, max_size=3),
)
ATTRIBUTES = st.dictionaries(st.text(min_size=1, max_size=30), VALUES, max_size=5)
TRACE_IDS = st.integers(1, 2**128 - 1).map("{:032x}".format)
SPAN_IDS = st.integers(1, 2**64 - 1).map("{:016x}".format)
LINKS = st.builds(Link, TRACE_IDS, SPAN_IDS, ATTRIBUTES)
EVENTS = st.builds(Event, TIMES, TEXT, ATTRIBUTES)


@st.composite
def spans(draw):
    """Draw a span of which everything that can vary does."""
    parent = draw(st.none() | SPAN_IDS)
    found = Span(draw(TRACE_IDS), draw(SPAN_IDS), parent, 0)
    found.name, found.kind = draw(TEXT), draw(st.integers(1, 5))
    found.start, found.end = draw(TIMES), draw(TIMES)
    found.attributes, found.events, found.links = (
        draw(ATTRIBUTES),
        draw(st.lists(EVENTS)),
        draw(st.lists(LINKS)),
    )
    found.failed, found.sampled, found.remote = draw(st.booleans()), draw(st.booleans()), draw(st.booleans())
    found.description = draw(TEXT) if found.failed else ""
    return found


def whole(*given):
    """Return spans as one request in protobuf's form."""
    encoded = [protobuf.span(each) for each in given]
    return protobuf.request(
        protobuf.resource({"service.name": "orders"}), protobuf.scope("ours", "1.0"), encoded
    )


def sdks(span):
    """Return a span of ours as one of OpenTelemetry's SDK."""
    flags = trace.TraceFlags(1 if span.sampled else 0)

    def context(trace_id, span_id, remote=False):
        return trace.SpanContext(int(trace_id, 16), int(span_id, 16), remote, flags)

    scope = InstrumentationScope("ours", "1.0")
    return ReadableSpan(
        span.name,
        context(span.trace_id, span.span_id),
        context(span.trace_id, span.parent_id, span.remote) if span.parent_id else None,
        Resource({"service.name": "orders"}),
        span.attributes,
        [SdkEvent(name, attributes, time) for time, name, attributes in span.events],
        [trace.Link(context(*ids), attributes) for *ids, attributes in span.links],
        trace.SpanKind(span.kind - 1),
        scope,
        Status(StatusCode.ERROR, span.description or None) if span.failed else Status(),
        span.start,
        span.end,
        scope,
    )


def parsed(request):
    """Return what `opentelemetry-proto` makes of bytes, without what each side may say in its own way."""
    found = ExportTraceServiceRequest.FromString(request)
    for span in found.resource_spans[0].scope_spans[0].spans:
        for link in span.links:
            link.flags = 0  # of whether it's remote, which isn't known of links
        span.flags &= 0x300 if span.parent_span_id else 0x100  # the SDK leaves out whether it's sampled
    return found


@given(spans())
def test_bytes_are_those_of_the_sdk(span):
    """What OpenTelemetry's encoder writes of the same span is the same message, and about as large."""
    ours, theirs = whole(span), encode_spans([sdks(span)]).SerializeToString()
    assert parsed(ours) == parsed(theirs)
    assert len(ours) <= len(theirs) + 16


@pytest.mark.slow
@given(st.lists(spans(), max_size=3))
def test_json_is_that_of_the_same_message(several):
    """JSON and protobuf say the same, apart from ids, which OTLP's JSON has in hex digits."""
    text = json.dumps(
        json_form.request({"service.name": "orders"}, {"name": "ours", "version": "1.0"}, several)
    )
    request = json.loads(text)
    for span in request["resourceSpans"][0]["scopeSpans"][0]["spans"]:
        for each in (span, *span.get("links", ())):
            for key in ("traceId", "spanId", "parentSpanId"):
                if key in each:
                    each[key] = trace_base64(each[key])
    assert ParseDict(request, ExportTraceServiceRequest()) == ExportTraceServiceRequest.FromString(
        whole(*several)
    )


def trace_base64(digits):
    """Return hex digits as protobuf's own JSON has bytes."""
    return base64.b64encode(bytes.fromhex(digits)).decode()


@pytest.mark.slow
@given(st.lists(spans(), max_size=3))
def test_both_are_read_again(several):
    """What was written is read, in both forms."""
    request = json_form.request({"service.name": "orders"}, {}, several)
    for found in (reading.from_protobuf(whole(*several)), reading.from_json(json.loads(json.dumps(request)))):
        assert [json_form.span(each) for each, _ in found] == [json_form.span(each) for each in several]
        assert all(resource == {"service.name": "orders"} for _, resource in found)


@given(st.binary(max_size=100))
def test_what_is_no_request_is_refused(data):
    """Any bytes are a request, or a `ValueError`."""
    with contextlib.suppress(ValueError):
        reading.from_protobuf(data)


@pytest.mark.parametrize(
    "data", [None, [], {"resourceSpans": [1]}, {"resourceSpans": [{"scopeSpans": [{"spans": [{}]}]}]}]
)
def test_json_that_is_no_request_is_refused(data):
    """Anything else in JSON is a `ValueError`."""
    with pytest.raises(ValueError, match="not an OTLP request"):
        reading.from_json(data)


def test_a_lone_surrogate_costs_no_span():
    """Text that UTF-8 can't hold is sent with a replacement."""
    span = Span("1" * 32, "2" * 16, None, 0)
    span.name = "a\ud800"
    assert reading.from_protobuf(whole(span))[0].span.name == "a?"


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), -1.0])
def test_no_time_is_no_failure(seconds):
    """A clock that returns nonsense costs the time, not the span."""
    assert nanoseconds(seconds) == 0


def test_ids():
    """X-Ray's trace ids are OpenTelemetry's, with a version and hyphens."""
    assert hex_id("1-5759e988-bd862e3fe1be46a994272793") == "5759e988bd862e3fe1be46a994272793"
