"""Upstream traces: found in every place where a sender puts one, and nowhere else."""

import base64
import copy
import json
from types import SimpleNamespace
from unittest.mock import MagicMock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_guard.propagation import _envelope
from lambda_guard.propagation.extract import (
    Upstream,
    extract,
    record_attempt,
    record_message_id,
    record_upstream,
)
from lambda_guard.propagation.header import TraceHeader
from lambda_guard.testing import events
from lambda_guard.testing.context import ClientContext, make_context
from lambda_guard.trigger.rare import RARE
from lambda_guard.trigger.read import Trigger, read_trigger
from lambda_guard.trigger.table import TABLE

TOPIC = "arn:aws:sns:eu-west-1:123456789012:orders"


def _header(number, parent=None):
    return TraceHeader(f"1-6742a1b5-{number:024x}", f"{parent or number:016x}", "1")


ONE, TWO, THREE = _header(1), _header(2), _header(3)
TEXT = ONE.text()
W3C = "00-6742a1b5000000000000000000000002-0000000000000002-01"  # TWO, as W3C has it
ROOT_ONLY = TraceHeader(ONE.root)


def _upstreams(event, context=None):
    return tuple(extract(event, read_trigger(event), context))


def _in(event, path, value):
    """The event with a value put at a path."""
    at = event
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value
    return event


def _sqs(body="{}", **record):
    event = events.sqs(body)
    event["Records"][0].update(record)
    return event


def _string(value):
    return {"stringValue": value, "dataType": "String"}


def _notification(message="a", **attributes):
    fields = {"Type": "Notification", "MessageId": "sns-1", "TopicArn": TOPIC, "Message": message}
    if attributes:
        fields["MessageAttributes"] = {
            name: {"Type": "String", "Value": value} for name, value in attributes.items()
        }
    return json.dumps(fields)


SQS_ID = "00000000-0000-4000-8000-000000000001"
SNS_ID = "00000001-0000-4000-8000-000000000001"
BUS_ID = "00000003-0000-4000-8000-000000000001"
KINESIS_ID = "49590338271490256608559692538361571095921575989136588801"
EXECUTION = "arn:aws:states:eu-west-1:123456789012:execution:orders:o-1"
PIPED_KINESIS = {"eventSource": "aws:kinesis", "eventID": "shard:7", "sequenceNumber": "7", "data": "e30="}

PLACES = {
    # SQS
    "sqs": (events.sqs("a", trace_header=TEXT), ONE, (SQS_ID,)),
    "sqs, attribute": (_sqs(messageAttributes={"AWSTraceHeader": _string(TEXT)}), ONE, (SQS_ID,)),
    "sqs, attribute in another case": (
        _sqs(messageAttributes={"x-amzn-trace-id": _string(TEXT)}),
        ONE,
        (SQS_ID,),
    ),
    "sqs, traceparent": (_sqs(messageAttributes={"traceparent": _string(W3C)}), TWO, (SQS_ID,)),
    "sqs, malformed, then traceparent": (
        _sqs(attributes={"AWSTraceHeader": "Root=1"}, messageAttributes={"TraceParent": _string(W3C)}),
        TWO,
        (SQS_ID,),
    ),
    # SNS
    "sns, attribute": (events.sns("a", message_attributes={"AWSTraceHeader": TEXT}), ONE, (SNS_ID,)),
    "sns, traceparent": (events.sns("a", message_attributes={"traceparent": W3C}), TWO, (SNS_ID,)),
    "sns, event of a bus inside": (events.sns(events.eventbridge({"traceHeader": TEXT})), ONE, (SNS_ID,)),
    "sns-sqs": (events.sns_in_sqs("a", trace_header=TEXT), ONE, (SQS_ID, SNS_ID)),
    "sns-sqs, raw": (events.sns_in_sqs("a", raw=True, trace_header=TEXT), ONE, (SQS_ID,)),
    "sns-sqs, raw with traceparent": (
        events.sns_in_sqs("a", raw=True, message_attributes={"traceparent": W3C}),
        TWO,
        (SQS_ID,),
    ),
    "sns-sqs, attribute": (_sqs(_notification(AWSTraceHeader=TEXT)), ONE, (SQS_ID, "sns-1")),
    "sns-sqs, traceparent": (_sqs(_notification(traceparent=W3C)), TWO, (SQS_ID, "sns-1")),
    "sns-sqs, parsed by a pipe": (
        _in(_sqs(), ("Records", 0, "body"), json.loads(_notification(AWSTraceHeader=TEXT))),
        ONE,
        (SQS_ID, "sns-1"),
    ),
    "sns-sqs, event of a bus inside": (
        _sqs(_notification(json.dumps(events.eventbridge({"traceparent": W3C})))),
        TWO,
        (SQS_ID, "sns-1"),
    ),
    "sns-sqs, fields in another order": (
        _sqs(json.dumps({"TopicArn": TOPIC, "Type": "Notification", "MessageId": "sns-2", "Message": ""})),
        None,
        (SQS_ID, "sns-2"),
    ),
    # EventBridge
    "eventbridge": (events.eventbridge({"a": 1}), None, (BUS_ID,)),
    "eventbridge, trace-header": (events.eventbridge() | {"trace-header": TEXT}, ONE, (BUS_ID,)),
    "eventbridge, detail": (events.eventbridge({"X-Amzn-Trace-Id": TEXT}), ONE, (BUS_ID,)),
    "eventbridge, detail with traceparent": (events.eventbridge({"traceparent": W3C}), TWO, (BUS_ID,)),
    "eventbridge, a pipe's record as detail": (
        events.eventbridge(events.sqs("a", trace_header=TEXT)["Records"][0]),
        ONE,
        (BUS_ID,),
    ),
    "eventbridge-sqs": (events.eventbridge_in_sqs({}, trace_header=TEXT), ONE, (SQS_ID, BUS_ID)),
    "eventbridge-sqs, detail": (events.eventbridge_in_sqs({"traceHeader": TEXT}), ONE, (SQS_ID, BUS_ID)),
    "eventbridge, no id": ({"detail-type": "t", "source": "s", "detail": {"traceHeader": TEXT}}, ONE, ()),
    "schedule": (events.schedule(), None, (BUS_ID,)),
    # S3
    "s3": (events.s3("a", request_id="r-1"), None, ("r-1",)),
    "s3-sqs": (events.s3_in_sqs("a", trace_header=TEXT), ONE, (SQS_ID,)),
    "s3-sqs, no header": (events.s3_in_sqs("a"), None, (SQS_ID,)),
    "s3-sns-sqs": (events.s3_in_sqs("a", topic_arn=TOPIC, trace_header=TEXT), ONE, (SQS_ID, SNS_ID)),
    "s3-sns-sqs, attribute": (
        _sqs(_notification(json.dumps(events.s3("a")), AWSTraceHeader=TEXT)),
        ONE,
        (SQS_ID, "sns-1"),
    ),
    # Streams and brokers
    "kinesis": (events.kinesis("a"), None, (KINESIS_ID,)),
    "pipe, sqs": (events.sqs("a", trace_header=TEXT)["Records"], ONE, (SQS_ID,)),
    "pipe, kinesis": ([PIPED_KINESIS], None, ("7",)),
    "pipe, kinesis, beside the data": ([PIPED_KINESIS | {"traceHeader": TEXT}], ONE, ("7",)),
    "pipe, kinesis, parsed data": ([PIPED_KINESIS | {"data": {"traceparent": W3C}}], TWO, ("7",)),
    "dynamodb, item": (
        events.dynamodb({"id": "o-1", "AWSTraceHeader": TEXT}),
        ONE,
        ("00000000000000000000000000000001",),
    ),
    "pipe, dynamodb, item": (
        events.dynamodb({"id": "o-1", "traceparent": W3C})["Records"],
        TWO,
        ("00000000000000000000000000000001",),
    ),
    "kafka": (events.kafka("a"), None, ("orders-0@0",)),
    "kafka, header": (events.kafka("a", headers={"x": "y", "X-Amzn-Trace-Id": TEXT}), ONE, ("orders-0@0",)),
    "kafka, traceparent": (events.kafka("a", headers={"traceparent": W3C}), TWO, ("orders-0@0",)),
    "pipe, kafka, parsed value": (
        [
            events.kafka("a")["records"]["orders-0"][0]
            | {"eventSource": "aws:kafka", "value": {"traceHeader": TEXT}}
        ],
        ONE,
        ("orders-0@0",),
    ),
    "pipe, a record inside a record": (
        [PIPED_KINESIS | {"data": {"attributes": {"awstraceheader": TEXT}}}],
        ONE,
        ("7",),
    ),
    "kafka, X-Ray before W3C": (
        events.kafka("a", headers={"traceparent": W3C, "AWSTraceHeader": TEXT}),
        ONE,
        ("orders-0@0",),
    ),
    "mq": (
        events.mq("a", headers={"X-Amzn-Trace-Id": TEXT}),
        ONE,
        (f"ID:b-{SQS_ID}.mq.eu-west-1.amazonaws.com-1-1:1:1:1:1",),
    ),
    "mq, rabbit": (
        events.mq("a", rabbit=True, headers={"traceparent": W3C}),
        TWO,
        ("00000004-0000-4000-8000-000000000001",),
    ),
    "firehose": (events.firehose("a"), None, (KINESIS_ID + "000000",)),
    "ses": (events.ses(message_id="mail-1"), None, ("mail-1",)),
    # HTTP
    "apigateway": (events.api_gateway(trace_header=TEXT), ONE, ()),
    "apigateway, any case": (events.api_gateway(headers={"x-AMZN-trace-ID": TEXT}), ONE, ()),
    "apigateway, root only": (events.api_gateway(trace_header=ROOT_ONLY.text()), ROOT_ONLY, ()),
    "apigateway, several values": (
        events.api_gateway()
        | {"headers": None, "multiValueHeaders": {"X-Amzn-Trace-Id": [TEXT, THREE.text()]}},
        ONE,
        (),
    ),
    "apigateway, traceparent": (events.api_gateway(headers={"Traceparent": W3C}), TWO, ()),
    "apigateway, X-Ray before W3C": (
        events.api_gateway(headers={"traceparent": W3C}, trace_header=TEXT),
        ONE,
        (),
    ),
    "apigateway-v2": (events.http_api(trace_header=TEXT), ONE, ()),
    "apigateway-v2, joined": (events.http_api(trace_header=f"{TEXT},{THREE.text()}"), ONE, ()),
    "function-url": (events.function_url(trace_header=TEXT), ONE, ()),
    "alb": (events.alb(trace_header=TEXT), ONE, ()),
    "alb, several values": (events.alb(trace_header=TEXT, multi_value=True), ONE, ()),
    "alb, Self": (
        events.alb(trace_header=f"Self=1-67891234-12456789abcdef012345678;{ROOT_ONLY.text()}"),
        TraceHeader(ONE.root, extra=(("Self", "1-67891234-12456789abcdef012345678"),)),
        (),
    ),
    "websocket": (events.websocket(event_type="CONNECT", trace_header=TEXT), ONE, ()),
    "appsync": (events.appsync(trace_header=TEXT), ONE, ()),
    "appsync, authorizer": (
        {
            "authorizationToken": "t",
            "requestContext": {"apiId": "a", "queryString": "q"},
            "requestHeaders": {"X-Amzn-Trace-Id": TEXT},
        },
        ONE,
        (),
    ),
    "appsync, batch": ([events.appsync(trace_header=TEXT)], ONE, ()),
    # Direct
    "lambda": ({"traceHeader": TEXT}, ONE, ()),
    "lambda, traceparent": ({"traceparent": W3C}, TWO, ()),
    "lambda, TraceHeader": ({"TraceHeader": TEXT}, ONE, ()),
    "lambda, x-amzn-trace-id": ({"x-amzn-trace-id": TEXT}, ONE, ()),
    "lambda, W3C beside no object": ({"traceparent": W3C, "Payload": 7, "headers": "x"}, TWO, ()),
    "lambda, headers": ({"headers": {"x-amzn-trace-id": TEXT}}, ONE, ()),
    "lambda, a request's headers, passed on": (
        {"Input": {"multiValueHeaders": {"X-Amzn-Trace-Id": [TEXT]}}},
        ONE,
        (),
    ),
    **{
        f"lambda, {key}": ({key: {"traceHeader": TEXT}}, ONE, ()) for key in ("Execution", "Input", "Payload")
    },
    **{
        f"lambda, {key}": ({key: {"Execution": {"Input": {"traceHeader": TEXT}}}}, ONE, ())
        for key in ("Context", "context", "$$")
    },
    "stepfunctions": (events.step_functions({"a": 1}), None, (EXECUTION,)),
    "stepfunctions, the execution's input": (
        events.step_functions({"a": 1}, trace_header=TEXT),
        ONE,
        (EXECUTION,),
    ),
    "stepfunctions, the state's input": (events.step_functions({"traceparent": W3C}), TWO, (EXECUTION,)),
    "cloudformation": (events.cloudformation(), None, ("00000009-0000-4000-8000-000000000001",)),
    "cloudformation, macro": (
        {"transformId": "t", "templateParameterValues": {}, "requestId": "r"},
        None,
        ("r",),
    ),
    "codepipeline": (events.codepipeline(job_id="job-1"), None, ("job-1",)),
}


@pytest.mark.parametrize("place", PLACES)
def test_finds_the_header_in_every_place(place):
    """Each place where a service or a sender puts a header is read, with the ids of the message."""
    event, header, ids = PLACES[place]
    before = copy.deepcopy(event)
    assert _upstreams(event) == (Upstream(header, ids),)
    assert event == before


@pytest.mark.parametrize(
    "event",
    [
        None,
        "text",
        [],
        {},
        {"order_id": "o-1"},
        [{"messageId": "mine", "traceHeader": TEXT}],
        {"body": {"traceHeader": TEXT}},
        {"traceHeader": "garbage", "traceparent": "garbage"},
        events.api_gateway(),
        events.cognito(),
        events.logs(),
        {"Records": [{"eventSource": "aws:sqs"}]},
        {"Records": [{"eventSource": "aws:sqs", "messageId": 7, "attributes": []}]},
    ],
)
def test_finds_nothing_where_nothing_is(event):
    """A payload of one's own, a request without the header, a record without an id have no upstream."""
    assert _upstreams(event) == ()


@pytest.mark.parametrize(
    "payload",
    [{"traceHeader": TEXT}, {"headers": {"X-Amzn-Trace-Id": TEXT}}, {"detail": {"traceHeader": TEXT}}],
)
def test_a_body_that_is_no_envelope_is_nobodys_business(payload):
    """A header in the payload of a plain message isn't looked for, also where an envelope would have it."""
    event = _sqs(json.dumps(payload))
    assert _upstreams(event) == (Upstream(None, (SQS_ID,)),)
    event["Records"][0]["messageAttributes"] = {"colour": _string("red")}
    assert _upstreams(event) == (Upstream(None, (SQS_ID,)),)


@pytest.mark.parametrize("message_id", [7, ["sns-1"], {"id": 1}, "", None])
def test_an_id_that_is_no_text_is_none(message_id):
    """A notification whose id is of another kind is known by the queue's id alone."""
    body = {**json.loads(_notification("a", traceparent=W3C)), "MessageId": message_id}
    reordered = json.dumps(dict(sorted(body.items(), reverse=True)))
    assert _upstreams(_sqs(reordered)) == (Upstream(TWO, (SQS_ID,)),)


def test_envelopes_are_opened_to_a_depth_of_three():
    """A header three envelopes deep is found, one that is deeper isn't."""
    bus = json.dumps(events.eventbridge({"traceHeader": TEXT}))
    assert _upstreams(_sqs(bus))[0].header == ONE
    assert _upstreams(_sqs(_notification(bus)))[0].header == ONE
    assert _upstreams(_sqs(_notification(_notification(bus))))[0].header is None


def test_objects_are_looked_into_to_a_depth_of_three():
    """A header in an object three deep is found, one that is deeper isn't."""
    three = {"Input": {"Payload": {"Input": {"traceHeader": TEXT}}}}
    assert _upstreams(three) == (Upstream(ONE),)
    assert _upstreams({"Payload": three}) == ()


def test_envelopes_are_opened_up_to_a_size():
    """A header inside an envelope of more than 256 K characters isn't looked for, the ids are had nevertheless."""
    small, big = _notification("x" * 200_000, traceparent=W3C), _notification("x" * 300_000, traceparent=W3C)
    assert _upstreams(_sqs(small)) == (Upstream(TWO, (SQS_ID, "sns-1")),)
    assert _upstreams(_sqs(big)) == (Upstream(None, (SQS_ID, "sns-1")),)


def test_envelopes_of_one_event_are_opened_up_to_a_size_together():
    """After a million characters no further envelope of the same event is parsed."""
    bodies = [_notification("x" * 200_000, traceparent=W3C) for _ in range(6)]
    ids = [f"m-{number}" for number in range(6)]
    found = _upstreams(events.sqs(*bodies, message_ids=ids))
    assert [(each.header, each.message_ids[::2]) for each in found] == [
        (TWO, tuple(ids[:5])),
        (None, ("m-5",)),
    ]


def test_distinct_upstreams_come_in_order_of_appearance():
    """Messages are together by root and parent, those without a header at the end; the sampling of the first counts."""
    unsampled_one, other_parent = ONE._replace(sampled="0"), _header(1, parent=9)
    headers = [TWO, None, ONE, other_parent, unsampled_one, None, TWO]
    event = events.sqs(
        *"abcdefg",
        trace_header=[each and each.text() for each in headers],
        message_ids=list("ABCDEFG"),
    )
    assert _upstreams(event) == (
        Upstream(TWO, ("A", "G")),
        Upstream(ONE, ("C", "E")),
        Upstream(other_parent, ("D",)),
        Upstream(None, ("B", "F")),
    )


def test_each_record_of_a_mixed_queue_is_read_for_itself():
    """A queue with notifications, raw messages and events of a bus gives for each what it has."""
    bodies = [
        "plain",
        _notification("a", traceparent=W3C),
        json.dumps(events.eventbridge({"traceHeader": THREE.text()})),
    ]
    event = events.sqs(*bodies, trace_header=[TEXT, None, None], message_ids=list("ABC"))
    assert _upstreams(event) == (
        Upstream(ONE, ("A",)),
        Upstream(TWO, ("B", "sns-1")),
        Upstream(THREE, ("C", BUS_ID)),
    )


def test_a_malformed_header_is_no_group_of_its_own():
    """Records that share a malformed header are told apart by the headers that they have elsewhere."""
    event = events.sqs("a", "b", trace_header="Root=garbage", message_ids=["A", "B"])
    event["Records"][1]["messageAttributes"] = {"traceparent": _string(W3C)}
    assert _upstreams(event) == (Upstream(TWO, ("B",)), Upstream(None, ("A",)))


def test_a_record_that_cant_be_read_costs_only_itself():
    """Records that are no records are passed over."""
    event = events.sqs("a", "b", trace_header=TEXT, message_ids=["A", "B"])
    event["Records"][1:1] = [
        None,
        7,
        [],
        {"attributes": {"AWSTraceHeader": {}}},
        {"body": 1, "messageId": "C"},
    ]
    assert _upstreams(event) == (Upstream(ONE, ("A", "B")), Upstream(None, ("C",)))


def test_ids_in_envelopes_are_had_for_a_thousand_records():
    """Of a giant batch in envelopes the first thousand records have both ids, the others the queue's."""
    event = events.sns_in_sqs(*range(1002), trace_header=TEXT)
    (found,) = _upstreams(event)
    assert len(found.message_ids) == 1000 * 2 + 2


def test_very_many_upstreams_are_counted_only():
    """A hundred upstreams are told with their messages, the distinct further ones by number."""
    headers = [_header(number).text() for number in range(1, 301)]
    event = events.sqs(*range(601), trace_header=[*headers, *headers, None])
    found = extract(event, read_trigger(event))
    assert [each.header for each in found] == [*(_header(number) for number in range(1, 101)), None]
    assert {len(each.message_ids) for each in found[:-1]} == {2}
    assert found.more == 200


def test_few_upstreams_have_no_more():
    """What is told in full has nothing that is only counted."""
    assert [extract(event, read_trigger(event)).more for event in (events.sqs("a"), {}, events.alb())] == [
        0,
        0,
        0,
    ]


CONTEXTS = {
    "custom": (make_context(client_context=ClientContext(custom={"traceHeader": TEXT})), ONE),
    "custom, any case": (make_context(client_context=ClientContext(custom={"x-amzn-TRACE-id": TEXT})), ONE),
    "env": (make_context(client_context=ClientContext(env={"_X_AMZN_TRACE_ID": TEXT})), ONE),
    "traceparent": (make_context(client_context=ClientContext(custom={"traceparent": W3C})), TWO),
    "w3c()": (make_context(w3c={"traceparent": W3C}), TWO),
    "client context before w3c()": (
        make_context(client_context=ClientContext(custom={"traceHeader": TEXT}), w3c={"traceparent": W3C}),
        ONE,
    ),
    "dict of custom": ({"client_context": {"custom": {"AWSTraceHeader": TEXT}}}, ONE),
    "flat dict": ({"client_context": {"AWSTraceHeader": TEXT}}, ONE),
}


@pytest.mark.parametrize("name", CONTEXTS)
def test_reads_the_context_of_a_direct_invocation(name):
    """What the caller sent as client context, or Lambda gives as W3C context, counts where the event has nothing."""
    context, header = CONTEXTS[name]
    assert _upstreams({"a": 1}, context) == (Upstream(header),)
    assert _upstreams({"traceHeader": THREE.text()}, context) == (Upstream(THREE),)
    assert _upstreams(events.sqs("a"), context) == (Upstream(None, (SQS_ID,)),)


class _Raising:
    """Raises for any attribute, but for those by which pytest names a parameter."""

    def __getattr__(self, name):
        raise AttributeError(name) if name.startswith("__") else RuntimeError(name)


@pytest.mark.parametrize(
    "context",
    [
        None,
        {},
        "text",
        7,
        object(),
        _Raising(),
        MagicMock(),
        SimpleNamespace(client_context=object(), w3c=7),
        SimpleNamespace(client_context={"custom": 7, "env": []}),
        SimpleNamespace(w3c=lambda: 1 / 0),
        SimpleNamespace(w3c=lambda: {"traceparent": "garbage"}),
        make_context(),
        make_context(client_context=ClientContext()),
    ],
)
def test_any_context_will_do(context):
    """A context without a header, or of any other kind, gives no upstream and raises nothing."""
    assert _upstreams({"a": 1}, context) == ()


def test_a_hostile_context_doesnt_cost_the_event_its_id():
    """Where the context can't be read, what the event says still counts."""
    assert _upstreams(events.eventbridge(), _Raising()) == (Upstream(None, (BUS_ID,)),)


RECORDS = {
    "sqs": (events.sqs("a", trace_header=TEXT, attempt=2)["Records"][0], ONE, SQS_ID, 2),
    "sns-sqs": (_sqs(_notification(traceparent=W3C))["Records"][0], TWO, SQS_ID, 1),
    "sns": (events.sns("a", message_attributes={"traceparent": W3C})["Records"][0], TWO, SNS_ID, None),
    "kinesis": (events.kinesis("a")["Records"][0], None, KINESIS_ID, None),
    "dynamodb": (
        events.dynamodb({"id": "o-1", "traceHeader": TEXT})["Records"][0],
        ONE,
        "00000000000000000000000000000001",
        None,
    ),
    "kafka": (
        events.kafka("a", headers={"traceparent": W3C})["records"]["orders-0"][0],
        TWO,
        "orders-0@0",
        None,
    ),
}


@pytest.mark.parametrize("trigger_type", RECORDS)
def test_reads_one_record(trigger_type):
    """A record of a batch has its own header, id and attempt, as a dict and as a data class that wraps one."""
    record, header, message_id, attempt = RECORDS[trigger_type]
    wrapped = SimpleNamespace(raw_event=record)
    assert [record_upstream(each, trigger_type) for each in (record, wrapped)] == [header, header]
    assert [record_message_id(each) for each in (record, wrapped)] == [message_id, message_id]
    assert record_attempt(record) == attempt


@pytest.mark.parametrize(
    "record", [None, 7, "x", [], {}, object(), MagicMock(), _Raising(), {"attributes": 7}]
)
def test_any_object_will_do_as_a_record(record):
    """What is no record has no header and no id."""
    assert record_upstream(record, "sqs") is None
    assert record_upstream(record, "kinesis") is None
    assert record_message_id(record) is None


KEYS = st.sampled_from(
    sorted(
        {
            *(
                "Records",
                "records",
                "messages",
                "attributes",
                "messageAttributes",
                "MessageAttributes",
                "headers",
            ),
            *(
                "multiValueHeaders",
                "request",
                "requestContext",
                "body",
                "Message",
                "Sns",
                "detail",
                "data",
                "value",
            ),
            *(
                "AWSTraceHeader",
                "traceHeader",
                "traceparent",
                "X-Amzn-Trace-Id",
                "stringValue",
                "Value",
                "S",
                "bytes",
            ),
            *(
                "dynamodb",
                "NewImage",
                "properties",
                "basicProperties",
                "Execution",
                "Input",
                "Context",
                "Payload",
            ),
            *(
                "eventSource",
                "messageId",
                "topic",
                "partition",
                "offset",
                "eventID",
                "kinesis",
                "sequenceNumber",
            ),
        },
    ),
) | st.text(max_size=3)
LEAVES = st.sampled_from(
    [TEXT, W3C, "aws:sqs", "aws:kinesis", "aws:sns", "aws:kafka", _notification(traceparent=W3C)]
)
SCALARS = LEAVES | st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
EVENTS = st.recursive(
    SCALARS | st.builds(_Raising) | st.builds(object),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=6),
    max_leaves=20,
)
BATCHES = st.builds(
    lambda source, records: {"Records": [{"eventSource": source} | record for record in records]},
    st.sampled_from(["aws:sqs", "aws:sns", "aws:kinesis", "aws:dynamodb", "aws:s3"]),
    st.lists(st.dictionaries(KEYS, EVENTS, max_size=6), min_size=1, max_size=4),
)


@given(EVENTS | BATCHES, st.sampled_from([*TABLE.types, *RARE.types]), EVENTS)
def test_never_raises_and_changes_nothing(event, trigger_type, context):
    """For any objects, even where the trigger isn't the event's, there are sound upstreams and nothing is changed."""
    before = repr(event)
    for trigger in (read_trigger(event), Trigger(trigger_type)):
        for upstream in extract(event, trigger, context):
            assert upstream.header is None or isinstance(upstream.header, TraceHeader)
            assert upstream.header is not None or upstream.message_ids
            assert all(isinstance(each, str) for each in upstream.message_ids)
    record_upstream(event, trigger_type)
    assert record_message_id(event) is None or isinstance(record_message_id(event), str)
    assert repr(event) == before


HEADERS = st.none() | st.integers(1, 5).map(_header)


@given(st.lists(HEADERS, min_size=1, max_size=12))
def test_no_message_is_lost_or_told_twice(headers):
    """Every message of a batch stands in the upstream of its own header, and in no other."""
    ids = [f"m-{number}" for number in range(len(headers))]
    event = events.sqs(*ids, trace_header=[each and each.text() for each in headers], message_ids=ids)
    found = {message_id: each.header for each in _upstreams(event) for message_id in each.message_ids}
    assert found == dict(zip(ids, headers, strict=True))
    assert sum(len(each.message_ids) for each in _upstreams(event)) == len(ids)


def test_a_recursive_event_is_no_trap():
    """An event that holds itself in every place is searched to an end."""
    event = events.eventbridge()
    for key in ("detail", "data", "value", "Sns", "Payload", "Input", "request", "body", "Message"):
        event[key] = event
    event["Records"] = [event]
    assert _upstreams(event) == (Upstream(None, (BUS_ID,)),)


def test_bytes_of_kafka_are_read_in_moderation():
    """Kafka header values that are no bytes, or no text, are passed over."""
    for value in ([300], [-1], ["x"], [255, 254], [], "text", base64.b64encode(b"x").decode(), None):
        event = _in(events.kafka("a"), ("records", "orders-0", 0, "headers"), [{"traceparent": value}])
        assert _upstreams(event) == (Upstream(None, ("orders-0@0",)),)


def test_is_immutable():
    """An upstream can't be changed."""
    with pytest.raises(AttributeError):
        Upstream(None).header = ONE


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (json.dumps(events.s3("a")), ("s3", None)),
        (_notification("a"), ("sns", "sns-1")),
    ],
    ids=["s3", "sns"],
)
def test_an_envelope_is_known_by_its_beginning(body, found):
    """As AWS writes it, the rest of a body needn't be read, whatever it is."""
    assert _envelope.look(body[:-2]) == found
