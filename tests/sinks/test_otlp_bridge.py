"""OpenTelemetry's own API and SDK beside our spans: the user's spans nest below ours, and nothing is sent twice."""

import asyncio
import textwrap

import pytest
from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from lambda_guard import production
from lambda_guard.otlp.span import hex_id
from lambda_guard.propagation.header import parse
from lambda_guard.testing import TRACE_HEADER, capture, events, make_context

OWN = parse(TRACE_HEADER)
UPSTREAM = parse("Root=1-6742a1b5-0123456789abcdef01234567;Parent=4c721bf33e3caf8f;Sampled=1")
OTHER = parse("Root=1-6742a1b5-aaaaaaaaaaaaaaaaaaaaaaaa;Parent=4c721bf33e3caf90;Sampled=1")


@pytest.fixture(autouse=True)
def otlp(monkeypatch):
    """Have the tracer of OpenTelemetry; no span is the current one before, and none is afterwards."""
    monkeypatch.setenv("LAMBDA_GUARD_TRACING", "otlp")
    before = otel_context.attach(otel_context.Context())  # a bug planted elsewhere may have left one
    yield
    assert trace.get_current_span() is trace.INVALID_SPAN
    otel_context.detach(before)


@pytest.fixture
def sdk(monkeypatch):
    """The user's provider, and what it exports."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)
    yield exporter
    provider.shutdown()


def send(client):
    """Send a message to a queue."""
    client.send_message(QueueUrl="https://sqs.eu-west-1.amazonaws.com/1/q", MessageBody="a")


def sent(client):
    """Return the header of the only request."""
    (request,) = client.sent
    header = request.headers["X-Amzn-Trace-Id"]
    return parse(header if isinstance(header, str) else header.decode())


def here():
    """Return the ids of OpenTelemetry's current span."""
    found = trace.get_current_span().get_span_context()
    return f"{found.trace_id:032x}", f"{found.span_id:016x}"


def run(handler, event=None, header=TRACE_HEADER):
    """Invoke a handler, and return what was captured."""
    with capture(header) as captured:
        handler({} if event is None else event, make_context(timeout_ms=600_000))
    assert "GuardErrors" not in captured.output, captured.output
    return captured


def ids(span):
    """Return the ids of a span of the SDK's: its trace, itself, its parent."""
    parent = f"{span.parent.span_id:016x}" if span.parent else None
    return f"{span.context.trace_id:032x}", f"{span.context.span_id:016x}", parent


def test_with_the_api_alone_ours_is_the_current_span(sqs):
    """What asks for the current span gets ours, also during an AWS call; ours is sent by us."""
    seen = {}

    @production
    def handler(event, context):
        seen["handler"] = here()
        sqs.meta.events.register_first("before-send.sqs", lambda **_: seen.update(call=here()))
        send(sqs)
        seen["after"] = here()

    call, span = run(handler).spans
    assert seen == {
        "handler": (span.trace_id, span.span_id),
        "call": (call.trace_id, call.span_id),
        "after": (span.trace_id, span.span_id),
    }
    assert (call.parent_id, sent(sqs).parent) == (span.span_id, call.span_id)


def test_the_sdk_makes_and_sends_ours(sdk, sqs):
    """With a provider, ours is a span of its: below the header's, with all that ours says, and we send nothing."""
    tracer = trace.get_tracer("theirs")

    @production
    def handler(event, context):
        with tracer.start_as_current_span("packing"):
            send(sqs)

    captured = run(handler, events.sqs("a", trace_header=UPSTREAM.text()))
    assert captured.spans == []
    call, packing, ours = sdk.get_finished_spans()
    assert [each.name for each in (call, packing, ours)] == ["SQS.SendMessage", "packing", "orders process"]
    assert ids(ours)[::2] == (hex_id(UPSTREAM.root), UPSTREAM.parent)
    assert (ids(packing)[2], ids(call)[2]) == (ids(ours)[1], ids(packing)[1])
    assert captured.record["span_id"] == ids(ours)[1]
    assert (sent(sqs).root, sent(sqs).parent) == (UPSTREAM.root, ids(call)[1])
    assert sent(sqs).lineage == OWN.lineage
    assert (ours.kind, call.kind) == (trace.SpanKind.CONSUMER, trace.SpanKind.CLIENT)
    assert ours.attributes["messaging.destination.name"] == "orders"
    assert ours.attributes["lambda_guard.outcome"] == "success"
    assert call.attributes["http.response.status_code"] == 200
    (link,) = ours.links
    assert (f"{link.context.trace_id:032x}", f"{link.context.span_id:016x}") == (hex_id(OWN.root), OWN.parent)
    assert ours.end_time >= packing.end_time
    assert ours.instrumentation_scope.name == "lambda_guard"


def test_an_error_is_the_sdks_too(sdk):
    """The very exception comes out; the SDK's span has it as an event, once, and the status."""
    error = ValueError("refused")

    @production
    def handler(event, context):
        raise error

    with capture(TRACE_HEADER) as captured, pytest.raises(ValueError, match="refused") as raised:
        handler({}, make_context())
    assert raised.value is error
    (ours,) = sdk.get_finished_spans()
    assert (ours.status.status_code, ours.status.description) == (trace.StatusCode.ERROR, "refused")
    (event,) = ours.events
    assert event.attributes["exception.type"] == ours.attributes["error.type"] == "ValueError"
    assert captured.spans == []


def test_below_a_span_of_the_users_around_the_handler(sdk):
    """Where the user's instrumentation has a span of the same trace around the handler, ours is below that."""
    tracer = trace.get_tracer("theirs")
    remote = trace.SpanContext(int(hex_id(OWN.root), 16), int(OWN.parent, 16), True, trace.TraceFlags(1))
    above = trace.set_span_in_context(trace.NonRecordingSpan(remote))
    with tracer.start_as_current_span("theirs", above):
        run(production(lambda event, context: None))
    ours, theirs = sdk.get_finished_spans()
    assert (ids(ours)[0], ids(ours)[2]) == (hex_id(OWN.root), ids(theirs)[1])


def test_what_their_sampler_leaves_out(sdk):
    """A trace that isn't sampled is the SDK's sampler's to decide on, and we send nothing either."""
    captured = run(
        production(lambda event, context: None), header=TRACE_HEADER.replace("Sampled=1", "Sampled=0")
    )
    assert (sdk.get_finished_spans(), captured.spans) == ((), [])


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("theirs", [False, True])
def test_each_message_has_its_own_context(request, is_async, theirs):
    """Each batch item's spans nest below the item's own, whether items are processed in turn or at once."""
    if theirs:
        request.getfixturevalue("sdk")
    seen = {}

    def work(record):
        seen[record.body] = here()

    async def work_async(record):
        await asyncio.sleep(0)
        work(record)

    handler = production(each_record=True)(work_async if is_async else work)
    captured = run(handler, events.sqs("a", "b", trace_header=[UPSTREAM.text(), OTHER.text()]))
    assert {body: found[0] for body, found in seen.items()} == {
        "a": hex_id(UPSTREAM.root),
        "b": hex_id(OTHER.root),
    }
    if theirs:
        finished = {ids(each)[:2] for each in request.getfixturevalue("sdk").get_finished_spans()}
    else:
        finished = {(each.trace_id, each.span_id) for each in captured.spans}
    assert set(seen.values()) < finished


@pytest.mark.parametrize("is_async", [False, True])
def test_imported_by_the_handler(fresh, is_async):
    """An API that the handler imports has ours as its current span from then on, and no longer than the invocation."""
    word = "async def" if is_async else "def"
    code = f"""
        from lambda_guard import production
        from lambda_guard.testing import capture, make_context
        found = []

        @production
        {word} handler(event, context):
            from opentelemetry import trace
            found.append(trace.get_current_span().get_span_context())

        with capture("{TRACE_HEADER}") as captured:
            handler({{}}, make_context())
            handler({{}}, make_context())
        from opentelemetry import trace
        assert trace.get_current_span() is trace.INVALID_SPAN, trace.get_current_span()
        assert [f"{{each.span_id:016x}}" for each in found] == [span.span_id for span in captured.spans]
        assert "GuardErrors" not in captured.output
        print("held")
    """
    assert fresh(textwrap.dedent(code), LAMBDA_GUARD_TRACING="otlp").splitlines()[-1] == "held"


def test_instrumented_botocore(sdk, sqs, monkeypatch):
    """Where AWS calls are spans of the user's instrumentation, we add none, and the header names theirs, with `Lineage`."""
    import sys
    import types

    tracer = trace.get_tracer("theirs")
    module = types.ModuleType("opentelemetry.instrumentation.botocore")
    module.BotocoreInstrumentor = lambda: types.SimpleNamespace(is_instrumented_by_opentelemetry=True)
    monkeypatch.setitem(sys.modules, module.__name__, module)

    def overwrite(request, **_):  # as the instrumentation does: X-Ray's header without `Lineage`
        request.headers["X-Amzn-Trace-Id"] = "Root=theirs"

    sqs.meta.events.register_first("request-created.sqs", overwrite)

    @production
    def handler(event, context):
        with tracer.start_as_current_span("SQS.SendMessage"):
            send(sqs)

    assert run(handler).spans == []
    theirs, ours = sdk.get_finished_spans()
    assert ids(theirs)[2] == ids(ours)[1]
    assert (sent(sqs).parent, sent(sqs).lineage) == (ids(theirs)[1], OWN.lineage)


def test_a_provider_that_breaks(monkeypatch):
    """A provider that raises costs the trace; the outcome is the same, and it is counted."""

    class Broken:
        def get_tracer(self, *_):
            raise RuntimeError("no tracer")

    monkeypatch.setattr(trace, "_TRACER_PROVIDER", Broken())
    with capture(TRACE_HEADER) as captured:
        assert production(lambda event, context: "done")({}, make_context()) == "done"
    assert captured.record["GuardErrors"] >= 1
    assert otel_context.get_current() == {}
