"""The subsegments of AWS calls: what they say, beside what the X-Ray SDK says of the same call."""

import json
import threading

import pytest
from aws_xray_sdk.core import xray_recorder
from aws_xray_sdk.ext.boto_utils import aws_meta_processor

from lambda_guard.testing import events

from .aws_clients import CALLS, Clients

CLIENTS = Clients()
HEADER = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
# What the SDK writes and we don't: keys of objects may be somebody's data. (Names of message attributes, which it writes as
# the text of a Python object, are in none of the calls.)
LEFT_OUT = {"key"}


def by_sdk(name):
    """Return the SDK's own document of a call, recorded as its patch of botocore does."""
    service, operation, parameters, _ = CALLS[name]
    client = CLIENTS[service]
    with xray_recorder.in_segment("s", sampling=1) as segment:
        xray_recorder.record_subsegment(
            lambda *_, **__: CLIENTS.call(name),
            client,
            (operation, parameters),
            {},
            name=client._service_model.metadata["endpointPrefix"],
            namespace="aws",
            meta_processor=aws_meta_processor,
        )
        (document,) = json.loads(segment.serialize())["subsegments"]
    return document


def calls_of(captured):
    """Return the documents of AWS calls."""
    return [each.document for each in captured.segments if each.document.get("namespace") == "aws"]


@pytest.mark.parametrize("name", CALLS)
def test_a_call_is_told_as_the_sdk_tells_it(invoke, name):
    """Each key that the SDK writes of a call has the same value, and nothing of the payload is in it."""
    theirs = by_sdk(name)
    (ours,) = calls_of(invoke(lambda event, context: CLIENTS.call(name), header=HEADER))
    aws = {key: value for key, value in theirs.pop("aws").items() if key not in LEFT_OUT}
    assert aws == {key: value for key, value in ours["aws"].items() if key in aws}
    assert aws["request_id"] == "r-1"
    for varying in ("id", "start_time", "end_time", "trace_id", "parent_id", "in_progress"):
        theirs.pop(varying)
    assert theirs == {key: value for key, value in ours.items() if key in theirs}
    assert ours["end_time"] >= ours["start_time"]
    assert "secret" not in json.dumps(ours)


@pytest.mark.parametrize(
    ("status", "flags"),
    [
        (400, {"error": True}),
        (403, {"error": True}),
        (429, {"error": True, "throttle": True}),
        (500, {"fault": True}),
        (503, {"fault": True}),
    ],
)
def test_a_call_that_fails(invoke, status, flags):
    """Its status, what that means, and the exception; what the service refused is known by its request id, too."""

    def handler(event, context):
        with pytest.raises(Exception, match="Refused"):
            CLIENTS.call("DynamoDB PutItem", status)

    (document,) = calls_of(invoke(handler, header=HEADER))
    assert document["http"] == {"response": {"status": status}}
    assert {key: document[key] for key in ("error", "fault", "throttle") if key in document} == flags
    assert document["cause"]["exceptions"][0]["type"] == "ClientError"
    assert (document["aws"]["table_name"], document["aws"]["request_id"]) == ("orders", "r-1")


def test_a_call_that_is_never_answered(invoke):
    """No status and no request id, and a fault with its cause."""

    def handler(event, context):
        with pytest.raises(Exception, match="no body"):
            CLIENTS["sqs"]._make_api_call("SendMessage", {"QueueUrl": "q", "MessageBody": Unreadable()})

    (document,) = calls_of(invoke(handler, header=HEADER))
    assert document["fault"] is True
    assert document["aws"] == {"operation": "SendMessage", "region": "eu-west-1", "queue_url": "q"}
    assert "http" not in document


class Unreadable(str):
    """A body that botocore can't send."""

    __slots__ = ()

    def __str__(self):
        raise RuntimeError("no body")

    encode = __str__
    __len__ = __str__


@pytest.mark.parametrize("adopted", [False, True])
def test_a_call_inside_a_call(invoke, adopted):
    """As for credentials, or to follow a redirect: the inner one hangs below the outer one, and that below the handler's."""
    event = events.sqs("a", trace_header=HEADER.replace("1-57", "1-58")) if adopted else {}
    client = Clients()

    def inner(**_):
        CLIENTS.call("DynamoDB GetItem")

    client["sqs"].meta.events.register("before-parameter-build", inner)
    captured = invoke(lambda event, context: client.call("SQS SendMessage"), event, header=HEADER)
    below, above = calls_of(captured)
    assert (below["name"], above["name"]) == ("dynamodb", "sqs")
    assert below["parent_id"] == above["id"]
    (handler,) = [
        child["id"]
        for each in captured.segments
        for child in (each.document, *each.document.get("subsegments", ()))
        if child["name"] == "## <lambda>".replace("<", "").replace(">", "")
        and child["id"] == above["parent_id"]
    ]
    assert above["trace_id"] == below["trace_id"] == captured.record["xray_trace_id"]
    assert handler


@pytest.mark.parametrize("opened", [False, True], ids=["by us alone", "below the user's"])
def test_what_the_user_opens_inside_a_call_hangs_below_it(invoke, opened):
    """A hook of the user's on botocore's events that traces: the call becomes the SDK's, with all that is said of it."""
    client = Clients()

    def hook(**_):
        with xray_recorder.in_subsegment("theirs"):
            pass

    client["sqs"].meta.events.register("before-parameter-build", hook)

    def handler(event, context):
        if opened:
            xray_recorder.begin_subsegment("around")
        client.call("SQS SendMessage")

    captured = invoke(handler, header=HEADER)
    documents = {}

    def add(document, parent_id):
        documents[document["name"]] = {"parent_id": parent_id, **document}
        for child in document.get("subsegments", ()):
            add(child, document["id"])

    for segment in captured.segments:
        add(segment.document, segment.parent_id)
    call = documents["sqs"]
    assert documents["theirs"]["parent_id"] == call["id"]
    assert call["parent_id"] == documents["around" if opened else "## handler"]["id"]
    assert call["aws"]["message_id"] == "m-1"
    assert call["http"] == {"response": {"status": 200}}
    assert call["end_time"] >= call["start_time"]
    assert captured.record["sent"][0]["span_id"] == call["id"]


def test_a_call_that_outlives_its_handler(invoke):
    """It is in progress when the invocation ends, and has ended when it has: both documents are one to X-Ray."""
    client, started, over = Clients(), threading.Event(), threading.Event()

    def wait(**_):
        started.set()
        over.wait(240)

    client["sqs"].meta.events.register("before-parameter-build", wait)
    thread = threading.Thread(target=client.call, args=("SQS SendMessage",))

    def handler(event, context):
        thread.start()
        started.wait(240)

    captured = invoke(handler, header=HEADER)
    (document,) = calls_of(captured)
    assert document["in_progress"] is True
    assert document["aws"]["queue_url"].endswith("/orders")
    assert "end_time" not in document
    over.set()
    thread.join(240)


@pytest.mark.parametrize("sampled", ["0", "?"])
def test_a_call_in_a_trace_that_is_not_sampled(invoke, sampled):
    """Nothing is sent."""
    header = HEADER.replace("Sampled=1", f"Sampled={sampled}")
    assert invoke(lambda event, context: CLIENTS.call("SNS Publish"), header=header).segments == []
