"""Sending the trace on: real clients of botocore against a server on loopback that keeps what it was sent."""

import copy
import http.server
import io
import json
import os
import re
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from unittest.mock import ANY
from urllib.parse import parse_qs

import boto3
import botocore.config
import botocore.exceptions
import botocore.session
import botocore.stub
import pytest
from botocore.awsrequest import AWSResponse

from lambda_guard import production
from lambda_guard.otlp.span import CLIENT
from lambda_guard.propagation.header import parse
from lambda_guard.testing import TRACE_HEADER, capture, events, make_context

try:
    from aws_xray_sdk.core import xray_recorder
except ImportError:  # as `make test-without-xray-sdk` has it
    xray_recorder = None

with_the_sdk = pytest.mark.skipif(xray_recorder is None, reason="the X-Ray SDK isn't there")
ROOT = "1-5759e988-bd862e3fe1be46a994272793"
LINEAGE = "a87bd80c:1|5dd5f2f6:0"
UPSTREAM = "Root=1-6742a1b5-0123456789abcdef01234567;Parent=4c721bf33e3caf8f;Sampled=1;Lineage=feedbeef:9"
QUEUE = "https://sqs.eu-west-1.amazonaws.com/123456789012/orders"
TOPIC = "arn:aws:sns:eu-west-1:123456789012:orders"
MACHINE = "arn:aws:states:eu-west-1:123456789012:stateMachine:orders"
SNS = "<{0}Response><{0}Result>{1}</{0}Result><ResponseMetadata><RequestId>r-1</RequestId></ResponseMetadata></{0}Response>"

ANSWERS = {
    "AmazonSQS.SendMessage": {"MessageId": "m-1"},
    "AmazonSQS.SendMessageBatch": {
        "Successful": [{"Id": "1", "MessageId": "m-1"}, {"Id": "2", "MessageId": "m-2"}],
        "Failed": [{"Id": "3", "Code": "no", "SenderFault": True}],
    },
    "AmazonSQS.ReceiveMessage": {},
    "AWSEvents.PutEvents": {
        "FailedEntryCount": 1,
        "Entries": [{"EventId": "e-1"}, {"ErrorCode": "no"}, {"EventId": "e-3"}],
    },
    "AWSStepFunctions.StartExecution": {"executionArn": "x-1", "startDate": 1},
    "AWSStepFunctions.StartSyncExecution": {
        "executionArn": "x-2",
        "startDate": 1,
        "stopDate": 1,
        "status": "SUCCEEDED",
    },
    "DynamoDB_20120810.PutItem": {},
    "DynamoDB_20120810.TransactWriteItems": {},
    "Publish": SNS.format("Publish", "<MessageId>m-1</MessageId>"),
    "PublishBatch": SNS.format(
        "PublishBatch",
        "<Successful><member><Id>1</Id><MessageId>m-1</MessageId></member></Successful><Failed></Failed>",
    ),
}


class Request(SimpleNamespace):
    """One request that the server got: `operation`, `headers`, `body`."""


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests = []
        self.fail = 0
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        target = self.headers.get("X-Amz-Target")
        form = None if target or "/functions/" in self.path else parse_qs(raw.decode())
        operation = target or (form["Action"][0] if form else "Invoke")
        body = form or json.loads(raw or b"{}")
        self.server.requests.append(Request(operation=operation, headers=self.headers, body=body))
        status, answer = 200, ANSWERS.get(operation, {"done": True})
        if self.server.fail:
            self.server.fail -= 1
            status, answer = 500, {"__type": "InternalFailure", "message": "later"}
        said = (answer if isinstance(answer, str) else json.dumps(answer)).encode()
        self.send_response(status)
        self.send_header(
            "Content-Type", "text/xml" if isinstance(answer, str) else "application/x-amz-json-1.0"
        )
        self.send_header("Content-Length", str(len(said)))
        self.send_header("x-amzn-RequestId", "r-1")
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def running():
    """A server for all tests of the module."""
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join(240)


@pytest.fixture
def server(running):
    """The server, with nothing sent to it."""
    running.requests.clear()
    running.fail = 0
    return running


_SESSION = botocore.session.Session()
_CONFIG = botocore.config.Config(
    retries={"mode": "standard", "max_attempts": 2},
    connect_timeout=240,
    read_timeout=240,
    inject_host_prefix=False,
)
_KEYS = {"region_name": "eu-west-1", "aws_access_key_id": "a", "aws_secret_access_key": "b"}


def make_client(server, service):
    """Make a client of plain botocore."""
    return _SESSION.create_client(service, endpoint_url=server.url, config=_CONFIG, **_KEYS)


def run(handler, event=None, header=TRACE_HEADER, **options):
    """Run a handler in a trace and return what it emitted."""
    with capture(header) as captured:
        production(service="orders", **options)(handler)(event or {}, make_context(timeout_ms=60_000))
    assert "could not do its part" not in captured.output, captured.output
    return captured


def call(client, operation, **parameters):
    """Make a handler that makes one call."""
    return lambda event, context: getattr(client, operation)(**parameters)


def call_segment(captured, name):
    """Return the one subsegment of an AWS call."""
    (found,) = [segment for segment in captured.segments if segment.document.get("namespace") == "aws"]
    assert found.name == name
    return found


@pytest.fixture(params=["on", "otlp"])
def tracer(request, monkeypatch):
    """Each of the tracers: X-Ray's and OpenTelemetry's."""
    monkeypatch.setenv("LAMBDA_GUARD_TRACING", request.param)
    return request.param


def calls_in(captured):
    """Return (id, parent's id) of each AWS call in the trace, whichever tracer has written it."""
    documents = [found for found in captured.segments if found.document.get("namespace") == "aws"]
    assert not (captured.spans and captured.segments)
    spans = [found for found in captured.spans if found.kind == CLIENT]
    return {found.id: found.parent_id for found in documents} | {
        found.span_id: found.parent_id for found in spans
    }


def call_id(captured):
    """Return the id of the one AWS call in the trace."""
    (found,) = calls_in(captured)
    return found


def sent_header(request):
    """Return the header that went with a request."""
    header = parse(request.headers["X-Amzn-Trace-Id"])
    assert header is not None
    return header


def sqs_header(message):
    """Return the header that a message carries."""
    attribute = message["MessageSystemAttributes"]["AWSTraceHeader"]
    assert attribute["DataType"] == "String"
    return parse(attribute["StringValue"])


ENTRIES = [{"Id": "1", "MessageBody": "a"}, {"Id": "2", "MessageBody": "b"}, {"Id": "3", "MessageBody": "c"}]
PUBLISHES = [{"Id": "1", "Message": "a"}]
PUTS = [
    {"Source": "s", "DetailType": "t", "Detail": "{}"},
    {"Source": "s", "DetailType": "t", "Detail": "{}"},
    {"Source": "s", "DetailType": "t", "Detail": "{}", "EventBusName": "other"},
]
CALLS = {
    "SendMessage": ("sqs", "send_message", {"QueueUrl": QUEUE, "MessageBody": "a"}),
    "SendMessageBatch": ("sqs", "send_message_batch", {"QueueUrl": QUEUE, "Entries": ENTRIES}),
    "Publish": ("sns", "publish", {"TopicArn": TOPIC, "Message": "a"}),
    "PublishBatch": ("sns", "publish_batch", {"TopicArn": TOPIC, "PublishBatchRequestEntries": PUBLISHES}),
    "PutEvents": ("events", "put_events", {"Entries": PUTS}),
    "StartExecution": ("stepfunctions", "start_execution", {"stateMachineArn": MACHINE, "input": "{}"}),
    "StartSyncExecution": (
        "stepfunctions",
        "start_sync_execution",
        {"stateMachineArn": MACHINE, "input": "{}"},
    ),
    "Invoke": ("lambda", "invoke", {"FunctionName": "billing", "Payload": b"{}"}),
}
PARAMETER_HEADERS = {
    "SendMessage": lambda body: [sqs_header(body)],
    "SendMessageBatch": lambda body: [sqs_header(entry) for entry in body["Entries"]],
    "PutEvents": lambda body: [parse(entry["TraceHeader"]) for entry in body["Entries"]],
    "StartExecution": lambda body: [parse(body["traceHeader"])],
    "StartSyncExecution": lambda body: [parse(body["traceHeader"])],
}
TRACE_NAMES = {"sqs": "sqs", "sns": "sns", "events": "events", "stepfunctions": "states", "lambda": "lambda"}
SENT = {
    "SendMessage": [("sqs", QUEUE, "m-1")],
    "SendMessageBatch": [("sqs", QUEUE, "m-1"), ("sqs", QUEUE, "m-2")],
    "Publish": [("sns", TOPIC, "m-1")],
    "PublishBatch": [("sns", TOPIC, "m-1")],
    "PutEvents": [("eventbridge", "default", "e-1"), ("eventbridge", "other", "e-3")],
    "StartExecution": [("sfn", MACHINE, "x-1")],
    "StartSyncExecution": [("sfn", MACHINE, "x-2")],
    "Invoke": [("lambda", "billing", "r-1")],
}


@pytest.mark.parametrize("name", CALLS)
def test_every_operation_carries_the_header_of_its_own_subsegment(server, tracer, name):
    """In HTTP, and per message in the parameter that the service has for it; the record and the trace say the same."""
    service, operation, parameters = CALLS[name]
    before = copy.deepcopy(parameters)
    captured = run(call(make_client(server, service), operation, **parameters))
    assert parameters == before
    ((call_id, above),) = calls_in(captured).items()
    (request,) = server.requests
    http_header = sent_header(request)
    assert (http_header.root, http_header.parent, http_header.sampled) == (ROOT, call_id, "1")
    assert http_header.lineage == LINEAGE
    for header in PARAMETER_HEADERS.get(name, lambda _: [])(request.body):
        assert header == http_header
    assert [
        (entry["service"], entry["operation"], entry["target"], entry["message_id"], entry["span_id"])
        for entry in captured.record["sent"]
    ] == [(service_id, name, target, message_id, call_id) for service_id, target, message_id in SENT[name]]
    assert all(entry["errors"] == 0 and entry["count"] == 1 for entry in captured.record["calls"])
    assert above == captured.record["span_id"]
    if tracer == "otlp":
        assert request.headers["traceparent"] == f"00-{ROOT[2:].replace('-', '')}-{call_id}-01"
        return
    segment = call_segment(captured, TRACE_NAMES[service])
    handler = next(found for found in captured.segments if found.name.startswith("##"))
    assert segment.parent_id == handler.id
    assert segment.document["aws"]["operation"] == name
    assert segment.document["http"]["response"]["status"] == 200


@pytest.mark.parametrize("name", CALLS)
def test_a_client_of_boto3_and_one_made_outside_of_any_invocation(server, name):
    """Clients that module-level code made before anything was decorated, in another thread, send the header, too."""
    service, operation, parameters = CALLS[name]
    made = []
    thread = threading.Thread(
        target=lambda: made.append(
            boto3.session.Session(**_KEYS_OF_SESSION).client(service, endpoint_url=server.url, config=_CONFIG)
        )
    )
    thread.start()
    thread.join(240)
    handler = call(made[0], operation, **parameters)
    handler(None, None)
    captured = run(handler)
    outside, inside = server.requests
    assert "X-Amzn-Trace-Id" not in outside.headers
    assert sent_header(inside).parent == call_id(captured)


_KEYS_OF_SESSION = {"region_name": "eu-west-1", "aws_access_key_id": "a", "aws_secret_access_key": "b"}


def test_resources_of_boto3(server):
    """`boto3.resource` calls through a client of its own."""
    session = boto3.session.Session(**_KEYS_OF_SESSION)
    queue = session.resource("sqs", endpoint_url=server.url, config=_CONFIG).Queue(QUEUE)
    topic = session.resource("sns", endpoint_url=server.url, config=_CONFIG).Topic(TOPIC)

    def handler(event, context):
        queue.send_message(MessageBody="a")
        topic.publish(Message="a")

    captured = run(handler)
    ids = list(calls_in(captured))
    assert [sent_header(request).parent for request in server.requests] == ids
    assert sqs_header(server.requests[0].body).parent == ids[0]
    assert [entry["target"] for entry in captured.record["sent"]] == [QUEUE, TOPIC]


def test_nothing_of_the_callers_is_changed(server):
    """Nested parameters are used again and again: each call's header is its own, and the caller's objects stay as they are."""
    client = make_client(server, "sqs")
    attributes = {"AWSTraceHeader2": {"DataType": "String", "StringValue": "x"}}
    entries = tuple(
        {"Id": str(number), "MessageBody": "a", "MessageAttributes": attributes} for number in range(3)
    )
    parameters = {"QueueUrl": QUEUE, "Entries": entries}
    before = copy.deepcopy(parameters)

    def handler(event, context):
        client.send_message_batch(**parameters)
        client.send_message_batch(**parameters)

    captured = run(handler)
    assert parameters == before
    ids = list(calls_in(captured))
    assert len(set(ids)) == 2
    for request, span_id in zip(server.requests, ids, strict=True):
        assert {sqs_header(entry).parent for entry in request.body["Entries"]} == {span_id}


def test_parameters_that_a_hook_of_the_callers_provides_stay_as_they_are(server):
    """The one dict that a hook returns for every call, or that goes in by name: neither keeps the header of a call."""
    client, shared = make_client(server, "stepfunctions"), {"stateMachineArn": MACHINE}
    client.meta.events.register("provide-client-params.sfn.StartExecution", lambda **_: shared)
    plain = make_client(server, "stepfunctions")

    def handler(event, context):
        client.start_execution(stateMachineArn="theirs")
        client.start_execution(stateMachineArn="theirs")
        plain._make_api_call(operation_name="StartExecution", api_params=shared)

    captured = run(handler)
    assert shared == {"stateMachineArn": MACHINE}
    ids = list(calls_in(captured))
    assert len(set(ids)) == 3
    assert [parse(request.body["traceHeader"]).parent for request in server.requests] == ids


@pytest.mark.parametrize("wrong", [None, [], "", [1], 5])
def test_what_botocore_refuses_it_refuses_still(server, wrong):
    """A parameter of the wrong type is the caller's mistake, which the header neither mends nor makes ours."""
    client = make_client(server, "sqs")
    captured = run(refused(client, MessageBody="a", MessageSystemAttributes=wrong))
    assert captured.record["calls"][0]["errors"] == 1
    assert server.requests == []


def refused(client, **parameters):
    """Make a handler whose call botocore doesn't even send."""

    def handler(event, context):
        with pytest.raises(botocore.exceptions.ParamValidationError):
            client.send_message(QueueUrl=QUEUE, **parameters)

    return handler


def test_what_the_caller_set_stays(server):
    """A header in the parameters, per message or for all, is the caller's decision; messages without one get ours."""
    theirs = {"AWSTraceHeader": {"DataType": "String", "StringValue": UPSTREAM}}
    sqs, bus, states = (make_client(server, name) for name in ("sqs", "events", "stepfunctions"))

    def handler(event, context):
        sqs.send_message(QueueUrl=QUEUE, MessageBody="a", MessageSystemAttributes=theirs)
        sqs.send_message_batch(
            QueueUrl=QUEUE,
            Entries=[
                {"Id": "1", "MessageBody": "a", "MessageSystemAttributes": theirs},
                {"Id": "2", "MessageBody": "b"},
            ],
        )
        bus.put_events(Entries=[{**PUTS[0], "TraceHeader": UPSTREAM}, PUTS[1]])
        states.start_execution(stateMachineArn=MACHINE, traceHeader=UPSTREAM)

    run(handler)
    one, batch, put, started = (request.body for request in server.requests)
    assert one["MessageSystemAttributes"] == theirs
    assert batch["Entries"][0]["MessageSystemAttributes"] == theirs
    assert sqs_header(batch["Entries"][1]).root == ROOT
    assert put["Entries"][0]["TraceHeader"] == UPSTREAM
    assert parse(put["Entries"][1]["TraceHeader"]).root == ROOT
    assert started["traceHeader"] == UPSTREAM


@pytest.mark.parametrize("name", ["X-Amzn-Trace-Id", "x-amzn-trace-id"])
def test_an_http_header_that_the_callers_own_hook_set_stays(server, name):
    """A hook of the user's on the client's events has the last word."""
    client = make_client(server, "sns")
    client.meta.events.register("before-call", lambda params, **_: params["headers"].update({name: UPSTREAM}))
    run(call(client, "publish", TopicArn=TOPIC, Message="a"))
    assert server.requests[0].headers.get_all("X-Amzn-Trace-Id") == [UPSTREAM]


def test_botocores_own_header_is_replaced(server, monkeypatch):
    """Inside Lambda botocore sends the function's segment as the parent: the call's subsegment is more exact."""
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "orders")
    captured = run(call(make_client(server, "sns"), "publish", TopicArn=TOPIC, Message="a"))
    assert sent_header(server.requests[0]).parent == call_id(captured)


def test_botocores_own_header_is_known_when_the_environment_has_changed_since(server, monkeypatch):
    """Another invocation that adopts its trace during a call doesn't make botocore's header look like the caller's."""
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "orders")
    client = make_client(server, "sns")
    client.meta.events.register("before-call", lambda **_: monkeypatch.setenv("_X_AMZN_TRACE_ID", UPSTREAM))
    run(lambda event, context: client.publish(TopicArn=TOPIC, Message="a"))
    assert sent_header(server.requests[0]).root == ROOT
    assert sent_header(server.requests[0]).parent != parse(TRACE_HEADER).parent


def test_presigned_urls_are_left_alone(server):
    """A URL that somebody else will use doesn't carry this invocation's header."""
    client = make_client(server, "sqs")
    urls = []

    def handler(event, context):
        client.send_message(QueueUrl=QUEUE, MessageBody="a")
        s3 = make_client(server, "s3")
        urls.append(client.generate_presigned_url("send_message", {"QueueUrl": QUEUE, "MessageBody": "a"}))
        urls.append(s3.generate_presigned_url("get_object", {"Bucket": "b", "Key": "k"}))

    run(handler)
    assert not any("race" in url for url in urls)


@pytest.mark.parametrize(
    ("header", "sampled"),
    [
        (f"Root={ROOT};Parent=53995c3f42cd8ad8;Sampled=0;Lineage={LINEAGE}", "0"),
        (f"Root={ROOT};Parent=53995c3f42cd8ad8;Sampled=?", "?"),
        (f"Root={ROOT};Parent=53995c3f42cd8ad8", None),
        (f"Root={ROOT};Sampled=0", "0"),
    ],
)
def test_the_decision_is_kept_where_nothing_is_recorded(server, header, sampled):
    """Unsampled, undecided: no document, and the header goes on with the decision as it came."""
    captured = run(
        call(make_client(server, "sqs"), "send_message", QueueUrl=QUEUE, MessageBody="a"), header=header
    )
    assert captured.segments == []
    (request,) = server.requests
    sent = sent_header(request)
    assert sqs_header(request.body) == sent
    assert (sent.root, sent.sampled, sent.lineage) == (
        ROOT,
        sampled,
        LINEAGE if "Lineage" in header else None,
    )
    assert sent.parent == captured.record["span_id"] == captured.record["sent"][0]["span_id"]


@pytest.mark.parametrize(
    "header", ["", "garbage", "Root=1-x-y;Parent=z;Sampled=1", f"Root={ROOT};Parent=no;Sampled=1"]
)
def test_a_malformed_header_is_never_sent_on(server, header):
    """SQS refuses a call with a malformed system attribute: no header is better than a lost message."""
    captured = run(
        call(make_client(server, "sqs"), "send_message", QueueUrl=QUEUE, MessageBody="a"), header=header
    )
    (request,) = server.requests
    assert "MessageSystemAttributes" not in request.body
    assert "X-Amzn-Trace-Id" not in request.headers
    assert captured.record["sent"] == [
        {"service": "sqs", "operation": "SendMessage", "target": QUEUE, "message_id": "m-1"}
    ]


def test_with_tracing_off_nothing_is_sent_on(server, monkeypatch):
    """The calls are still counted."""
    monkeypatch.setenv("LAMBDA_GUARD_TRACING", "off")
    captured = run(call(make_client(server, "sqs"), "send_message", QueueUrl=QUEUE, MessageBody="a"))
    assert "MessageSystemAttributes" not in server.requests[0].body
    assert captured.record["calls"] == [
        {
            "service": "sqs",
            "operation": "SendMessage",
            "resource": QUEUE,
            "count": 1,
            "errors": 0,
            "duration_ms": ANY,
        }
    ]


def test_an_adopted_trace_is_sent_on_with_our_own_lineage(server):
    """The upstream's trace goes on; what Lambda counts loops by is never taken from a message."""
    event = events.sqs("a")
    event["Records"][0]["attributes"]["AWSTraceHeader"] = UPSTREAM
    captured = run(call(make_client(server, "sqs"), "send_message", QueueUrl=QUEUE, MessageBody="a"), event)
    sent = sent_header(server.requests[0])
    assert sent == sqs_header(server.requests[0].body)
    assert (sent.root, sent.parent, sent.lineage) == (
        "1-6742a1b5-0123456789abcdef01234567",
        call_id(captured),
        LINEAGE,
    )
    traces = {found.trace_id for found in captured.segments if found.id == sent.parent}
    traces |= {
        f"1-{found.trace_id[:8]}-{found.trace_id[8:]}"
        for found in captured.spans
        if found.span_id == sent.parent
    }
    assert traces == {sent.root}


@pytest.mark.parametrize("name", ["PutEvents", "StartExecution", "StartSyncExecution"])
def test_a_header_never_pushes_a_parameter_over_its_limit(server, name):
    """A lineage that has grown goes by HTTP alone where the service's own model takes no more characters."""
    service, operation, parameters = CALLS[name]
    client = make_client(server, service)
    shape = client.meta.service_model.shape_for("TraceHeader")
    header = TRACE_HEADER.partition(";Lineage=")[0] + f";Lineage={'a' * 600}"
    captured = run(call(client, operation, **parameters), header=header)
    (request,) = server.requests
    assert sent_header(request).lineage == "a" * 600
    body = request.body["Entries"][0]["TraceHeader"] if name == "PutEvents" else request.body["traceHeader"]
    assert len(body) <= shape.metadata["max"]
    assert parse(body).parent == call_id(captured)


def test_a_retried_call_is_one_call(server):
    """Attempts of one call carry one header and are one subsegment, which says how many there were."""
    server.fail = 1
    captured = run(call(make_client(server, "sqs"), "send_message", QueueUrl=QUEUE, MessageBody="a"))
    first, second = server.requests
    assert sent_header(first) == sent_header(second)
    assert call_id(captured) == sent_header(first).parent
    assert captured.record["calls"][0]["count"] == 1
    if captured.segments:
        assert call_segment(captured, "sqs").document["aws"]["retries"] == 1


def test_errors_come_out_as_they_are(server):
    """A `ClientError` is the one that botocore made; the call counts as failed, in the trace as well."""
    server.fail = 9
    client = make_client(server, "sqs")
    raised = []

    def handler(event, context):
        try:
            client.send_message(QueueUrl=QUEUE, MessageBody="a")
        except botocore.exceptions.ClientError as error:
            raised.append(error)
        with pytest.raises(botocore.exceptions.ParamValidationError):
            client.send_message(QueueUrl=QUEUE)

    captured = run(handler)
    (error,) = raised
    assert type(error) is botocore.exceptions.ClientError
    assert error.response["Error"]["Code"] == "InternalFailure"
    assert error.__context__ is None
    assert error.__cause__ is None
    assert captured.record["calls"] == [
        {
            "service": "sqs",
            "operation": "SendMessage",
            "resource": QUEUE,
            "count": 2,
            "errors": 2,
            "duration_ms": ANY,
        }
    ]
    assert "sent" not in captured.record
    if captured.spans:
        assert [found.attributes["error.type"] for found in captured.spans if found.kind == CLIENT] == [
            "InternalFailure",
            "botocore.exceptions.ParamValidationError",
        ]
        return
    failed, invalid = [found for found in captured.segments if found.document.get("namespace") == "aws"]
    assert failed.document["fault"] is True
    assert failed.document["http"]["response"]["status"] == 500
    assert failed.document["cause"]["exceptions"][0]["type"] == "ClientError"
    assert invalid.document["cause"]["exceptions"][0]["type"] == "ParamValidationError"


def test_stubber_still_works(server):
    """`botocore.stub.Stubber` compares the parameters that the test expects: ours come after it."""
    client = make_client(server, "sqs")
    with botocore.stub.Stubber(client) as stubber:
        stubber.add_response(
            "send_message",
            {"MessageId": "stubbed", "MD5OfMessageBody": "x"},
            {"QueueUrl": QUEUE, "MessageBody": "a"},
        )
        captured = run(call(client, "send_message", QueueUrl=QUEUE, MessageBody="a"))
        stubber.assert_no_pending_responses()
    assert server.requests == []
    assert captured.record["sent"][0]["message_id"] == "stubbed"


def test_calls_are_counted_by_what_they_are_about(server):
    """Service, operation and resource, with how many and how many failed."""
    table = make_client(server, "dynamodb")
    item = {"id": {"S": "1"}}

    def handler(event, context):
        table.put_item(TableName="orders", Item=item)
        table.put_item(TableName="orders", Item=item)
        table.put_item(TableName="stock", Item=item)
        table.transact_write_items(
            TransactItems=[
                {"Put": {"TableName": "orders", "Item": item}},
                {"Put": {"TableName": "stock", "Item": item}},
            ]
        )

    assert run(handler).record["calls"] == [
        {
            "service": "dynamodb",
            "operation": "PutItem",
            "resource": "orders",
            "count": 2,
            "errors": 0,
            "duration_ms": ANY,
        },
        {
            "service": "dynamodb",
            "operation": "PutItem",
            "resource": "stock",
            "count": 1,
            "errors": 0,
            "duration_ms": ANY,
        },
        {
            "service": "dynamodb",
            "operation": "TransactWriteItems",
            "resource": "orders",
            "kind": "Put",
            "count": 1,
            "errors": 0,
            "duration_ms": ANY,
        },
        {
            "service": "dynamodb",
            "operation": "TransactWriteItems",
            "resource": "stock",
            "kind": "Put",
            "count": 1,
            "errors": 0,
        },
    ]


def test_what_is_sent_and_called_has_an_end(server):
    """Fifty messages and a hundred distinct calls are named, the others counted."""
    client = make_client(server, "sqs")

    def handler(event, context):
        for number in range(105):
            client.send_message(QueueUrl=f"{QUEUE}-{number}", MessageBody="a")

    record = run(handler).record
    assert (len(record["sent"]), record["sent_more"]) == (50, 55)
    assert (len(record["calls"]), record["calls_more"]) == (100, 5)


def test_calls_in_threads_hang_below_the_handler(server, tracer):
    """Each thread's call has a subsegment of its own below the handler's."""
    client = make_client(server, "sqs")

    def handler(event, context):
        threads = [
            threading.Thread(target=client.send_message, kwargs={"QueueUrl": QUEUE, "MessageBody": "a"})
            for _ in range(5)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(240)

    captured = run(handler)
    found = calls_in(captured)
    assert {sent_header(request).parent for request in server.requests} == found.keys()
    assert set(found.values()) == {captured.record["span_id"]}
    assert captured.record["calls"][0]["count"] == 5


def test_first_calls_of_a_client_in_threads_all_carry_the_header(server, monkeypatch):
    """Threads that share a client which nobody has used before: none of them is too early for the header."""
    client = make_client(server, "sqs")
    register = client.meta.events.register_last

    def register_slowly(*args, **kwargs):
        time.sleep(0.05)
        register(*args, **kwargs)

    monkeypatch.setattr(client.meta.events, "register_last", register_slowly)

    def handler(event, context):
        with ThreadPoolExecutor(4) as pool:
            for _ in range(4):
                pool.submit(client.send_message, QueueUrl=QUEUE, MessageBody="a")

    run(handler)
    assert [sqs_header(request.body).root for request in server.requests] == [ROOT] * 4


@pytest.mark.documents
@with_the_sdk
@pytest.mark.parametrize("broken", ["registering", "opening", "closing"])
def test_no_call_is_waited_for_that_is_over(server, monkeypatch, broken):
    """Whatever of ours raises, the call is made, and a handler that gets stuck after it doesn't wait for it."""
    client = make_client(server, "sqs")
    parts = {
        "registering": (client.meta.events, "register_last"),
        "opening": (xray_recorder.context, "put_subsegment"),
        "closing": (xray_recorder, "end_subsegment"),
    }

    def refuse(*_, **__):
        raise RuntimeError(broken)

    @production
    def handler(event, context):
        xray_recorder.begin_subsegment("theirs")  # below which the call's is the X-Ray SDK's, too
        with monkeypatch.context() as patched:
            patched.setattr(*parts[broken], refuse)
            client.send_message(QueueUrl=QUEUE, MessageBody="a")
        end = time.monotonic() + 240
        while '"outcome":"timeout"' not in captured.output and time.monotonic() < end:
            time.sleep(0.005)

    with capture(TRACE_HEADER) as captured:
        handler({}, make_context(timeout_ms=3000))
    warned, _ = captured.records
    assert "calls" not in warned["stuck"]
    assert warned["GuardErrors"] == 1
    assert len(server.requests) == 1


def test_a_call_without_our_events_is_noted(server, monkeypatch):
    """A client that our events can't be registered for goes without the header; the next call tries again."""
    client = make_client(server, "sqs")

    def refuse(*_, **__):
        raise RuntimeError

    @production
    def handler(event, context):
        with monkeypatch.context() as patched:
            patched.setattr(client.meta.events, "register_last", refuse)
            client.send_message(QueueUrl=QUEUE, MessageBody="a")
        client.send_message(QueueUrl=QUEUE, MessageBody="b")

    with capture(TRACE_HEADER) as captured:
        handler({}, make_context())
    assert captured.record["calls"][0]["count"] == 2
    assert ["MessageSystemAttributes" in request.body for request in server.requests] == [False, True]


@pytest.mark.documents
@with_the_sdk
def test_a_call_inside_the_users_own_subsegment(server):
    """The call hangs below what the user opened."""
    client = make_client(server, "sqs")

    def handler(event, context):
        with xray_recorder.in_subsegment("pay"):
            client.send_message(QueueUrl=QUEUE, MessageBody="a")

    captured = run(handler)
    (pay,) = [found for found in captured.segments if found.name == "pay"]
    (sent,) = pay.document["subsegments"]
    assert sent_header(server.requests[0]).parent == sent["id"]


SCRIPT = """
import json, sys
{first}
{second}
from lambda_guard.otlp.span import CLIENT
from lambda_guard.testing import TRACE_HEADER, capture, make_context
import botocore.session
client = botocore.session.Session().create_client(
    "sqs", endpoint_url=sys.argv[1], region_name="eu-west-1", aws_access_key_id="a", aws_secret_access_key="b")
@production
def handler(event, context):
    client.send_message(QueueUrl="https://q/1/orders", MessageBody="a")
with capture(TRACE_HEADER) as captured:
    handler({{}}, make_context())
print(json.dumps([[s.name, s.id, s.parent_id, s.document] for s in captured.segments]))
"""
OURS = "from lambda_guard import production"
PATCH = "from aws_xray_sdk.core import patch; patch(['botocore'])"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("import botocore.client", OURS),
        (OURS, "import botocore.client"),
        (f"{OURS}; production(lambda event, context: None)", "import botocore.client"),
        (PATCH, OURS),
        (f"{OURS}; production(lambda event, context: None)", PATCH),
        (f"import botocore.client; {OURS}; production(lambda event, context: None)", PATCH),
    ],
    ids=[
        "botocore first",
        "ours first",
        "decorated first",
        "patched first",
        "decorated, patched",
        "all, patched",
    ],
)
def test_in_any_order_a_call_is_one_subsegment(server, first, second):
    """Botocore imported before or after us, patched by the user's own X-Ray SDK or not: one subsegment, the right parents."""
    environment = {key: value for key, value in os.environ.items() if key in ("PATH", "PYTHONPATH", "HOME")}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(first=first, second=second), server.url],
        capture_output=True, text=True, timeout=240, check=False, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    documents = json.loads(done.stdout.splitlines()[-1])
    calls = [document for document in documents if document[3].get("namespace") == "aws"]
    assert [(name, parent) for name, _, parent, _ in calls] == [
        ("sqs", next(d[1] for d in documents if d[0] == "## handler"))
    ]
    (request,) = server.requests
    assert sent_header(request) == sqs_header(request.body)
    assert sent_header(request).parent == calls[0][1]
    assert sent_header(request).lineage == LINEAGE


UNRECORDED = """
import json, sys
from aws_xray_sdk.core import patch; patch(["botocore"])
from lambda_guard import production
from lambda_guard.otlp.span import CLIENT
from lambda_guard.testing import TRACE_HEADER, capture, events, make_context
import botocore.session
client = botocore.session.Session().create_client(
    "sns", endpoint_url=sys.argv[1], region_name="eu-west-1", aws_access_key_id="a", aws_secret_access_key="b")
def publish(*_):
    client.publish(TopicArn="arn:aws:sns:eu-west-1:123456789012:orders", Message="a")
unsampled = "Root=1-6742a1b5-0123456789abcdef01234567;Parent=4c721bf33e3caf8f;Sampled=0"
with capture(unsampled) as first:
    production(publish)({}, make_context())
with capture(TRACE_HEADER) as second:
    production(each_record=True)(publish)(events.sqs("a", trace_header=unsampled), make_context())
print(json.dumps([each.record["sent"][0]["span_id"] for each in (first, second)]))
"""


def test_where_the_sdk_has_patched_botocore_the_decision_is_kept_too(server):
    """Work that isn't recorded goes on in its own trace and names itself, also beside work that is."""
    environment = {key: value for key, value in os.environ.items() if key in ("PATH", "PYTHONPATH", "HOME")}
    done = subprocess.run(
        [sys.executable, "-c", UNRECORDED, server.url],
        capture_output=True, text=True, timeout=240, check=False, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    sent = [sent_header(request) for request in server.requests]
    assert [(each.root, each.sampled) for each in sent] == [("1-6742a1b5-0123456789abcdef01234567", "0")] * 2
    assert [each.parent for each in sent] == json.loads(done.stdout.splitlines()[-1])


def test_headers_look_like_headers(server):
    """What goes out is of the documented form, to the letter."""
    run(call(make_client(server, "sns"), "publish", TopicArn=TOPIC, Message="a"))
    assert re.fullmatch(
        f"Root={ROOT};Parent=[0-9a-f]{{16}};Sampled=1;Lineage={re.escape(LINEAGE)}",
        server.requests[0].headers["X-Amzn-Trace-Id"],
    )


def test_the_second_generation_of_eventbridge_is_left_alone():
    """Its entries have no `TraceHeader`, and a parameter that it doesn't know would fail the call."""
    client = _SESSION.create_client("eventbridgev2", config=_CONFIG, **_KEYS)
    requests = []

    def answer(request, **_):
        requests.append(request)
        raw = type("Raw", (io.BytesIO,), {"stream": lambda self, **_: [self.read()]})(b"\xa0")  # CBOR's {}
        return AWSResponse(request.url, 200, {"smithy-protocol": "rpc-v2-cbor"}, raw)

    client.meta.events.register("before-send.eventbridgev2", answer)
    bus = "arn:aws:events:eu-west-1:123456789012:event-bus/b"
    captured = run(call(client, "put_events", EventBusArn=bus, Entries=[{"Source": "s", "DetailType": "t"}]))
    (request,) = requests
    assert b"TraceHeader" not in request.body
    assert parse(request.headers["X-Amzn-Trace-Id"].decode()).root == ROOT
    assert captured.record["calls"] == [
        {
            "service": "eventbridgev2",
            "operation": "PutEvents",
            "resource": bus,
            "count": 1,
            "errors": 0,
            "duration_ms": ANY,
        }
    ]
