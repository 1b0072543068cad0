"""OpenTelemetry's spans of invocations, batch items and AWS calls, and their way to Lambda's daemon."""

import base64
import gc
import socket
import threading

import pytest
from botocore.exceptions import ClientError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from lambda_guard import production
from lambda_guard.otlp.span import CLIENT, CONSUMER, SERVER, Link, hex_id
from lambda_guard.propagation.header import parse
from lambda_guard.testing import TRACE_HEADER, capture, events, make_context

OWN = parse(TRACE_HEADER)
UPSTREAM = parse("Root=1-6742a1b5-0123456789abcdef01234567;Parent=4c721bf33e3caf8f;Sampled=1")
OTHER = parse("Root=1-6742a1b5-aaaaaaaaaaaaaaaaaaaaaaaa;Parent=4c721bf33e3caf90;Sampled=1")
UNSAMPLED = TRACE_HEADER.replace("Sampled=1", "Sampled=0")
HEADER = b'{"format":"json","version":1}\n'


@pytest.fixture(autouse=True)
def otlp(monkeypatch):
    """Have the tracer of OpenTelemetry."""
    monkeypatch.setenv("LAMBDA_GUARD_TRACING", "otlp")


@pytest.fixture
def daemon(monkeypatch):
    """Lambda's daemon: a socket."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as found:
        found.bind(("127.0.0.1", 0))
        found.settimeout(240)
        monkeypatch.setenv("AWS_XRAY_DAEMON_ADDRESS", f"127.0.0.1:{found.getsockname()[1]}")
        monkeypatch.setenv("_X_AMZN_TRACE_ID", TRACE_HEADER)
        yield found
    gc.collect()  # the tracer's socket is closed with it


def send(client):
    """Send a message to a queue."""
    client.send_message(QueueUrl="https://sqs.eu-west-1.amazonaws.com/1/q", MessageBody="a")


def spans_of(handler, event=None, header=TRACE_HEADER, context=None):
    """Return the spans of one invocation."""
    with capture(header) as captured:
        handler({} if event is None else event, context or make_context())
    assert "GuardErrors" not in captured.output
    assert captured.segments == []
    return captured.spans


def received(daemon):
    """Return the mark and the request of the next datagram."""
    data = daemon.recv(65_536)
    assert data.startswith(HEADER)
    data = data.removeprefix(HEADER)
    return data[:3], ExportTraceServiceRequest.FromString(base64.b64decode(data[3:], validate=True))


def test_an_invocation_in_its_own_trace():
    """It is a SERVER span below Lambda's segment, named after the function, with what the conventions want."""
    handler = production(lambda event, context: "done")
    with capture(TRACE_HEADER) as captured:
        handler({}, make_context(function_name="orders"))
    (span,) = captured.spans
    assert (span.trace_id, span.parent_id, span.span_id) == (
        hex_id(OWN.root),
        OWN.parent,
        captured.record["span_id"],
    )
    assert (span.name, span.kind, span.failed, span.links, span.events) == ("orders", SERVER, False, [], [])
    assert span.end >= span.start > 0
    arn = "arn:aws:lambda:eu-west-1:123456789012:function:orders"
    assert span.attributes == {
        "faas.trigger": "other",
        "lambda_guard.trigger": "lambda",
        "lambda_guard.outcome": "success",
        "faas.invocation_id": captured.record["invocation_id"],
        "faas.coldstart": False,
        "aws.lambda.invoked_arn": arn,
        "cloud.resource_id": arn,
        "cloud.account.id": "123456789012",
    }


def test_an_error_is_an_event():
    """The exception that comes out is the very one, and its type, message and stack are an event of the span."""
    error = ClientError({"Error": {"Code": "Throttled", "Message": "slow down"}}, "GetItem")

    @production
    def handler(event, context):
        raise error

    with capture(TRACE_HEADER) as captured, pytest.raises(ClientError) as raised:
        handler({}, make_context())
    assert raised.value is error
    (span,) = captured.spans
    kind = "botocore.exceptions.ClientError"
    assert (span.failed, span.attributes["error.type"], span.description) == (True, kind, str(error))
    (event,) = span.events
    assert (event.name, event.attributes["exception.type"]) == ("exception", kind)
    assert event.attributes["exception.stacktrace"].endswith(f"ClientError: {error}")


@pytest.mark.parametrize(("status", "failed"), [(200, False), (404, False), (503, True)])
def test_a_request(status, failed):
    """An HTTP request has its method, route and status; a server error is a failure though nothing was raised."""
    handler = production(lambda event, context: {"statusCode": status})
    (span,) = spans_of(handler, events.api_gateway("GET", "/orders/7", resource="/orders/{id}"))
    assert (span.name, span.kind, span.failed) == ("/orders/{id}", SERVER, failed)
    said = {
        key: value for key, value in span.attributes.items() if key.startswith(("http", "faas.tr", "error"))
    }
    assert said == {
        "faas.trigger": "http",
        "http.request.method": "GET",
        "http.route": "/orders/{id}",
        "http.response.status_code": status,
        **({"error.type": "503"} if failed else {}),
    }


def test_traceparent_is_read():
    """A request that came with W3C's header belongs to that trace, and links Lambda's segment."""
    traceparent = f"00-{hex_id(UPSTREAM.root)}-{UPSTREAM.parent}-01"
    event = events.api_gateway("GET", "/", headers={"traceparent": traceparent})
    (span,) = spans_of(production(lambda event, context: None), event)
    assert (span.trace_id, span.parent_id) == (hex_id(UPSTREAM.root), UPSTREAM.parent)
    assert span.links == [Link(hex_id(OWN.root), OWN.parent, {})]


def test_messages_of_one_trace():
    """They are processed in the sender's trace, and Lambda's own segment is linked."""
    (span,) = spans_of(production(lambda event, context: None), events.sqs("a", trace_header=UPSTREAM.text()))
    assert (span.trace_id, span.parent_id) == (hex_id(UPSTREAM.root), UPSTREAM.parent)
    assert (span.name, span.kind) == ("orders process", CONSUMER)
    assert span.links == [Link(hex_id(OWN.root), OWN.parent, {})]
    said = {key: value for key, value in span.attributes.items() if key.startswith(("mess", "faas.tr"))}
    assert said == {
        "faas.trigger": "pubsub",
        "messaging.system": "aws_sqs",
        "messaging.operation.type": "process",
        "messaging.operation.name": "process",
        "messaging.destination.name": "orders",
        "messaging.batch.message_count": 1,
    }


def test_messages_of_many_traces_are_linked():
    """Work for several senders stays in the function's trace, and links each of them, with its message."""
    event = events.sqs("a", "b", message_ids=["m-1", "m-2"], trace_header=[UPSTREAM.text(), OTHER.text()])
    (span,) = spans_of(production(lambda event, context: None), event)
    assert span.trace_id == hex_id(OWN.root)
    assert span.links == [
        Link(hex_id(UPSTREAM.root), UPSTREAM.parent, {"messaging.message.id": "m-1"}),
        Link(hex_id(OTHER.root), OTHER.parent, {"messaging.message.id": "m-2"}),
    ]


def test_an_upstream_trace_that_is_not_recorded():
    """Then the work is recorded in the function's own trace, if that is, and links the sender."""
    header = UPSTREAM._replace(sampled="0")
    (span,) = spans_of(production(lambda event, context: None), events.sqs("a", trace_header=header.text()))
    assert (span.trace_id, span.parent_id) == (hex_id(OWN.root), OWN.parent)
    assert [link[:2] for link in span.links] == [(hex_id(UPSTREAM.root), UPSTREAM.parent)]


def test_each_message_has_a_span():
    """With `each_record`, each message is processed in the trace that it came with, and links the batch's span."""

    @production(each_record=True, report_batch_item_failures=True)
    def handler(record):
        if record.body == "b":
            raise ValueError("refused")

    event = events.sqs("a", "b", message_ids=["m-1", "m-2"], trace_header=[UPSTREAM.text(), None])
    first, second, batch = spans_of(handler, event, context=make_context(timeout_ms=60_000))
    assert (batch.trace_id, batch.parent_id, batch.attributes["error.type"]) == (
        hex_id(OWN.root),
        OWN.parent,
        "batch_item_failures",
    )
    assert [link[:2] for link in batch.links] == [(hex_id(UPSTREAM.root), UPSTREAM.parent)]
    assert (first.trace_id, first.parent_id, first.remote) == (hex_id(UPSTREAM.root), UPSTREAM.parent, True)
    assert first.links == [Link(batch.trace_id, batch.span_id, {})]
    assert (second.trace_id, second.parent_id, second.remote) == (batch.trace_id, batch.span_id, False)
    assert [(each.name, each.kind, each.failed) for each in (first, second)] == [
        ("orders process", CONSUMER, False),
        ("orders process", CONSUMER, True),
    ]
    assert [each.attributes["messaging.message.id"] for each in (first, second)] == ["m-1", "m-2"]


def test_an_aws_call(sqs):
    """It is a CLIENT span below the handler's, and the header that goes out names it: X-Ray's in the message."""
    call, span = spans_of(production(lambda event, context: send(sqs)))
    assert (call.name, call.kind, call.trace_id, call.parent_id) == (
        "SQS.SendMessage",
        CLIENT,
        span.trace_id,
        span.span_id,
    )
    assert call.attributes == {
        "rpc.system": "aws-api",
        "rpc.service": "SQS",
        "rpc.method": "SendMessage",
        "cloud.region": "eu-west-1",
        "aws.sqs.queue.url": "https://sqs.eu-west-1.amazonaws.com/1/q",
        "messaging.system": "aws_sqs",
        "messaging.operation.name": "SendMessage",
        "messaging.operation.type": "send",
        "messaging.destination.name": "q",
        "aws.request_id": "r-1",
        "http.response.status_code": 200,
    }
    (request,) = sqs.sent
    assert parse(request.headers["X-Amzn-Trace-Id"].decode()).parent == call.span_id
    assert call.span_id.encode() in request.body
    assert request.headers["traceparent"] == f"00-{call.trace_id}-{call.span_id}-01"
    assert "traceparent" not in request.headers["Authorization"].decode()


def test_a_traceparent_of_the_users_own_stays(sqs):
    """What the caller's hooks have set is sent as it is."""

    def theirs(params, **_):
        params["headers"]["traceparent"] = "theirs"

    sqs.meta.events.register("before-call", theirs)
    spans_of(production(lambda event, context: send(sqs)))
    assert sqs.sent[0].headers["traceparent"] in ("theirs", b"theirs")


def test_xrays_documents_go_without_traceparent(sqs, monkeypatch):
    """It goes with OpenTelemetry's spans alone."""
    monkeypatch.setenv("LAMBDA_GUARD_TRACING", "on")
    with capture(TRACE_HEADER):
        production(lambda event, context: send(sqs))({}, make_context())
    assert "traceparent" not in sqs.sent[0].headers


def test_an_aws_call_that_is_refused(sqs):
    """Its span has the service's code as its error, and the exception as an event."""
    sqs.answer = 400, b'{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"no such queue"}'

    @production
    def handler(event, context):
        with pytest.raises(ClientError):
            send(sqs)

    call, span = spans_of(handler)
    assert (call.failed, call.attributes["error.type"]) == (True, "QueueDoesNotExist")
    assert call.attributes["http.response.status_code"] == 400
    assert [event.name for event in call.events] == ["exception"]
    assert not span.failed


def test_calls_of_threads_name_themselves(sqs):
    """Each of two calls at the same time sends its own id."""
    both = threading.Barrier(2)

    def wait(**_):
        both.wait(240)

    sqs.meta.events.register_first("before-send.sqs", wait)

    @production
    def handler(event, context):
        threads = [threading.Thread(target=send, args=(sqs,)) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    *calls, span = spans_of(handler)
    sent = {parse(request.headers["X-Amzn-Trace-Id"].decode()).parent for request in sqs.sent}
    assert sent == {call.span_id for call in calls}
    assert {call.parent_id for call in calls} == {span.span_id}


def test_time_running_out(sqs):
    """What is open is sent while the handler is stuck, as failed, and once more, whole, when it makes it after all."""
    warned = threading.Event()

    @production
    def handler(event, context):
        sqs.meta.events.register_first("before-send.sqs", lambda **_: warned.wait(240) and None)
        send(sqs)

    with capture(TRACE_HEADER) as captured:
        stop = threading.Event()

        def look():
            while len(captured.spans) < 2 and not stop.wait(0.005):
                pass
            warned.set()

        looking = threading.Thread(target=look)
        looking.start()
        handler({}, make_context(timeout_ms=1000))
        stop.set()
        looking.join()
    stuck, stuck_call, call, whole = captured.spans
    assert [(each.failed, each.attributes["error.type"]) for each in (stuck, stuck_call)] == [
        (True, "Timeout")
    ] * 2
    assert stuck.attributes["lambda_guard.outcome"] == "timeout"
    assert "still at work" in stuck.description
    assert (whole.span_id, whole.failed, call.span_id, call.failed) == (
        stuck.span_id,
        False,
        stuck_call.span_id,
        False,
    )


def test_the_daemon_gets_one_request(daemon, monkeypatch):
    """Lambda's daemon gets the spans of an invocation as AWS's own exporter writes them, and who sent them."""
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
    monkeypatch.setenv("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/orders")
    monkeypatch.setenv("AWS_LAMBDA_LOG_STREAM_NAME", "2026/11/29/[$LATEST]aa")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "team=a%20b, deployment.environment.name=prod")
    handler = production(service="shop")(lambda event, context: "done")
    assert handler({}, make_context(function_name="orders", function_version="7")) == "done"
    mark, request = received(daemon)
    assert mark == b"T1S"
    (group,) = request.resource_spans
    said = {each.key: each.value for each in group.resource.attributes}
    assert said["service.name"].string_value == "shop"
    assert said["faas.max_memory"].int_value == 256 * 1024 * 1024
    assert said["aws.log.group.names"].array_value.values[0].string_value == "/aws/lambda/orders"
    texts = {key: value.string_value for key, value in said.items()}
    assert (
        texts
        | {
            "cloud.provider": "aws",
            "cloud.platform": "aws_lambda",
            "cloud.region": "eu-west-1",
            "faas.name": "orders",
            "faas.version": "7",
            "faas.instance": "2026/11/29/[$LATEST]aa",
            "team": "a b",
            "deployment.environment.name": "prod",
        }
        == texts
    )
    (scope,) = group.scope_spans
    (span,) = scope.spans
    assert (scope.scope.name, span.name, span.trace_id.hex()) == ("lambda_guard", "orders", hex_id(OWN.root))


def test_otel_names_the_service(daemon, monkeypatch):
    """`OTEL_SERVICE_NAME` goes before the service of the logs."""
    monkeypatch.setenv("OTEL_SERVICE_NAME", "checkout")
    production(service="shop")(lambda event, context: None)({}, make_context())
    (group,) = received(daemon)[1].resource_spans
    assert {each.key: each.value.string_value for each in group.resource.attributes}[
        "service.name"
    ] == "checkout"


@pytest.mark.parametrize(
    ("sampler", "header", "marks"),
    [
        ("", TRACE_HEADER, [b"T1S"]),
        ("", UNSAMPLED, []),
        ("always_on", UNSAMPLED, [b"T1U"]),
        ("always_off", TRACE_HEADER, []),
        ("parentbased_always_on", TRACE_HEADER, [b"T1S"]),
    ],
)
def test_what_is_sampled(daemon, monkeypatch, sampler, header, marks):
    """The trace's own decision holds, unless `OTEL_TRACES_SAMPLER` is `always_on` or `always_off`."""
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", sampler)
    monkeypatch.setenv("_X_AMZN_TRACE_ID", header)
    production(lambda event, context: None)({}, make_context())
    found = [received(daemon) for _ in marks]
    assert [mark for mark, _ in found] == marks
    if marks == [b"T1U"]:  # Lambda records no segment that it could hang below
        assert found[0][1].resource_spans[0].scope_spans[0].spans[0].parent_span_id == b""
    daemon.setblocking(False)
    with pytest.raises(BlockingIOError):
        daemon.recv(1)


def test_many_spans_are_many_datagrams(daemon, sqs):
    """An invocation with a thousand calls loses none of them, whatever a datagram holds."""
    daemon.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * 1024 * 1024)

    @production
    def handler(event, context):
        for _ in range(1000):
            send(sqs)

    found = []

    def receive():
        while len(found) < 1001:
            for group in received(daemon)[1].resource_spans:
                found.extend(span.span_id for scope in group.scope_spans for span in scope.spans)

    receiving = threading.Thread(target=receive)
    receiving.start()
    handler({}, make_context(timeout_ms=600_000))
    receiving.join()
    assert len(set(found)) == len(found) == 1001


def test_a_span_too_large_for_a_datagram_is_trimmed(daemon):
    """It keeps its ids, its times and its error."""

    @production
    def handler(event, context):
        raise ValueError("\N{PILE OF POO}" * 100_000)

    with pytest.raises(ValueError, match="\N{PILE OF POO}\N{PILE OF POO}"):
        handler({}, make_context(invoked_function_arn="arn:aws:lambda:r:a:function:" + "x" * 60_000))
    (span,) = received(daemon)[1].resource_spans[0].scope_spans[0].spans
    said = {each.key: each.value.string_value for each in span.attributes}
    assert said["error.type"] == "ValueError"
    assert span.status.code == 2
    assert "+59" in said["cloud.resource_id"]


def test_a_daemon_that_is_not_there_costs_nothing(monkeypatch):
    """Without one the outcome is the same, and nothing is said to have failed."""
    monkeypatch.setenv("AWS_XRAY_DAEMON_ADDRESS", "127.0.0.1:9")
    monkeypatch.setenv("_X_AMZN_TRACE_ID", TRACE_HEADER)
    handler = production(lambda event, context: "done")
    assert [handler({}, make_context()) for _ in range(3)] == ["done"] * 3
    gc.collect()


@pytest.mark.parametrize("address", ["nonsense", "127.0.0.1:x", "127.0.0.1:99999999"])
def test_an_address_that_is_none_is_said_once(monkeypatch, address, capsys):
    """The handler runs without a trace, and one line says what is missing."""
    monkeypatch.setenv("AWS_XRAY_DAEMON_ADDRESS", address)
    handler = production(lambda event, context: "done")
    assert [handler({}, make_context()) for _ in range(2)] == ["done"] * 2
    assert capsys.readouterr().out.count("trace.install") == 2  # its location and its message


def test_addresses_by_protocol(daemon, monkeypatch):
    """The form that names TCP and UDP separately is read, too."""
    port = daemon.getsockname()[1]
    monkeypatch.setenv("AWS_XRAY_DAEMON_ADDRESS", f"tcp:127.0.0.1:1 udp:127.0.0.1:{port}")
    production(lambda event, context: None)({}, make_context())
    assert received(daemon)[0] == b"T1S"


def test_after_a_restore_it_sends_again(daemon):
    """A copy of a snapshot opens its own socket."""
    from lambda_guard.sinks.tracer import make

    tracer = make("otlp", "handler")
    tracer._sender._daemon.close()
    tracer.restored()
    tracer._sender.send({}, [], 0)


def test_nothing_of_xray_or_opentelemetry_is_imported(fresh):
    """Neither the X-Ray SDK nor a package of OpenTelemetry's is needed."""
    code = (
        "import sys\nfrom lambda_guard import production\n"
        "production(lambda event, context: None)({}, None)\n"
        "print(sorted(name for name in sys.modules if 'xray' in name or 'opentelemetry' in name))"
    )
    environ = {
        "LAMBDA_GUARD_TRACING": "otlp",
        "_X_AMZN_TRACE_ID": TRACE_HEADER,
        "AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1:9",
    }
    assert fresh(code, **environ).splitlines()[-1] == "[]"
