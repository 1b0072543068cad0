"""Sample events: shaped as AWS documents them, as Powertools' data classes read them."""

import inspect
import json

import pytest
from aws_lambda_powertools.utilities import data_classes
from aws_lambda_powertools.utilities.data_classes.active_mq_event import ActiveMQEvent
from aws_lambda_powertools.utilities.data_classes.api_gateway_websocket_event import APIGatewayWebSocketEvent
from aws_lambda_powertools.utilities.data_classes.code_pipeline_job_event import CodePipelineJobEvent
from aws_lambda_powertools.utilities.data_classes.dynamo_db_stream_event import DynamoDBStreamEvent
from aws_lambda_powertools.utilities.data_classes.iot_registry_event import IoTCoreThingEvent
from aws_lambda_powertools.utilities.data_classes.rabbit_mq_event import RabbitMQEvent
from hypothesis import given
from hypothesis import strategies as st

from lambda_guard.testing import events
from lambda_guard.trigger.read import read_trigger
from lambda_guard.trigger.table import TABLE

FACTORIES = {name: getattr(events, name) for name in events.__all__}
HEADER = "Root=1-6742a1b5-0123456789abcdef01234567;Parent=53995c3f42cd8ad8;Sampled=1"


def test_every_type_of_trigger_that_has_a_shape_has_a_factory():
    """What no factory gives is a direct invocation, which any value is, and what nobody knows."""
    told = {read_trigger(factory()).type for factory in FACTORIES.values()}
    assert set(TABLE.types) - told == {"lambda", "unknown"}


@pytest.mark.parametrize("name", FACTORIES)
def test_is_plain_json_the_same_in_every_run_and_new_in_each_call(name):
    """An event goes through JSON unchanged, is the same each time, and shares no part with the next."""
    first, second = FACTORIES[name](), FACTORIES[name]()
    assert json.loads(json.dumps(first)) == first == second
    parts = _mutable_parts(first)
    assert len(parts) == len(set(parts))
    assert not set(parts) & set(_mutable_parts(second))


def _mutable_parts(value):
    if not isinstance(value, dict | list):
        return []
    inner = value.values() if isinstance(value, dict) else value
    return [id(value), *(part for each in inner for part in _mutable_parts(each))]


@pytest.mark.parametrize("name", FACTORIES)
def test_is_documented(name):
    """Each factory says what it is and names each of its parameters."""
    documentation = inspect.getdoc(FACTORIES[name])
    for parameter in inspect.signature(FACTORIES[name]).parameters:
        assert f"    {parameter}: " in documentation


def test_sqs():
    """A batch from SQS reads as such, message by message."""
    event = events.sqs(
        {"id": 1}, "text", trace_header=[HEADER, None], attempt=[1, 3], message_attributes={"a": "b"}
    )
    first, second = data_classes.SQSEvent(event).records
    assert (first.json_body, second.body) == ({"id": 1}, "text")
    assert (first.attributes.aws_trace_header, second.attributes.aws_trace_header) == (HEADER, None)
    assert (first.attributes.approximate_receive_count, second.attributes.approximate_receive_count) == (
        "1",
        "3",
    )
    assert (first.message_attributes["a"].string_value, first.queue_url) == (
        "b",
        "https://sqs.eu-west-1.amazonaws.com/123456789012/orders",
    )
    assert first.message_id != second.message_id
    assert second.md5_of_body == "1cb251ec0d568de6a929b520c4aed8d1"


def test_sqs_fifo():
    """Messages of a FIFO queue have group, deduplication id and a growing sequence number."""
    event = events.sqs("a", "b", fifo=True, message_group_id=["g", "h"])
    first, second = data_classes.SQSEvent(event).records
    assert (first.attributes.message_group_id, second.attributes.message_group_id) == ("g", "h")
    assert int(first.attributes.sequence_number) < int(second.attributes.sequence_number)
    assert first.event_source_arn.endswith(".fifo")


@pytest.mark.parametrize("column", ["trace_header", "attempt", "message_ids", "message_group_id"])
def test_sqs_wants_one_value_for_each_message(column):
    """A sequence of another length than the messages is refused by name."""
    with pytest.raises(ValueError, match=f"{column} has 1 values for 2 messages"):
        events.sqs("a", "b", **{column: [HEADER]})


def test_sns():
    """A notification reads as such."""
    event = events.sns({"id": 1}, subject="s", message_attributes={"a": "b"}, message_id="m")
    record = data_classes.SNSEvent(event).record.sns
    assert (record.message, record.subject, record.message_id) == ('{"id":1}', "s", "m")
    assert record.message_attributes["a"].value == "b"
    assert (record.timestamp, record.signing_cert_url[:5], record.unsubscribe_url[:5]) == (
        "2025-11-25T15:04:05.135Z",
        "https",
        "https",
    )


def test_sns_in_sqs():
    """A queue's message holds the notification, or with raw delivery only the message."""
    enveloped, raw = (
        events.sns_in_sqs({"id": 1}, raw=raw, message_attributes={"a": "b"}) for raw in (False, True)
    )
    first = next(data_classes.SQSEvent(enveloped).records)
    assert first.decoded_nested_sns_event.message == '{"id":1}'
    assert enveloped["Records"][0]["messageAttributes"] == {}
    assert first.decoded_nested_sns_event.message_attributes["a"].value == "b"
    second = next(data_classes.SQSEvent(raw).records)
    assert (second.body, second.message_attributes["a"].string_value) == ('{"id":1}', "b")


def test_eventbridge_and_schedule():
    """Events of a bus read as such, straight and through a queue."""
    event = data_classes.EventBridgeEvent(
        events.eventbridge({"id": 1}, detail_type="T", source="s", event_id="e")
    )
    assert (event.detail, event.detail_type, event.source, event.get_id) == ({"id": 1}, "T", "s", "e")
    assert (event.time, event.resources) == ("2025-11-25T15:04:05Z", [])
    queued = next(data_classes.SQSEvent(events.eventbridge_in_sqs({"id": 1})).records)
    assert queued.json_body["detail"] == {"id": 1}
    assert data_classes.EventBridgeEvent(events.schedule(rule_arn="arn:r")).resources == ["arn:r"]


def test_s3():
    """A bucket's notification reads as such, straight, through a queue, and through topic and queue."""
    event = data_classes.S3Event(events.s3("a+b", bucket="b"))
    assert (event.object_key, event.bucket_name) == ("a b", "b")
    queued = next(data_classes.SQSEvent(events.s3_in_sqs("k")).records)
    assert queued.decoded_nested_s3_event.object_key == "k"
    fanned = next(data_classes.SQSEvent(events.s3_in_sqs("k", topic_arn="arn:t")).records)
    notification = fanned.decoded_nested_sns_event
    assert json.loads(notification.message)["Records"][0]["s3"]["object"]["key"] == "k"


def test_kinesis():
    """A stream's records read as such."""
    first, second = data_classes.KinesisStreamEvent(events.kinesis({"id": 1}, b"raw")).records
    assert (first.kinesis.data_as_json(), second.kinesis.data_as_bytes()) == ({"id": 1}, b"raw")
    assert first.event_id == f"shardId-000000000000:{first.kinesis.sequence_number}"


def test_dynamodb():
    """A table's changes read as the values that were given."""
    item = {"id": "o-1", "n": 2, "on": True, "none": None, "list": ["a", {"b": 1.5}], "raw": b"x"}
    record = next(DynamoDBStreamEvent(events.dynamodb(item, event_name="MODIFY")).records)
    assert record.event_name.name == "MODIFY"
    assert record.dynamodb.keys == {"id": "o-1"}
    image = record.dynamodb.new_image
    assert (image["id"], image["n"], image["on"], image["none"]) == ("o-1", 2, True, None)
    assert (image["list"][0], float(image["list"][1]["b"])) == ("a", 1.5)
    removed = next(DynamoDBStreamEvent(events.dynamodb({"id": "o-1"}, event_name="REMOVE")).records)
    assert (removed.dynamodb.old_image, removed.dynamodb.new_image) == ({"id": "o-1"}, {})


def test_dynamodb_refuses_what_it_has_no_form_for():
    """A value without a form in DynamoDB is named."""
    with pytest.raises(TypeError, match="no form for object: give JSON values or bytes"):
        events.dynamodb({"id": object()})


def test_kafka():
    """A topic's records read as such, from MSK and from a cluster of one's own."""
    event = data_classes.KafkaEvent(events.kafka({"id": 1}, topic="t", headers={"a": "b"}))
    record = next(event.records)
    assert (record.json_value, record.topic, record.offset, record.decoded_headers["a"]) == (
        {"id": 1},
        "t",
        0,
        b"b",
    )
    own = data_classes.KafkaEvent(events.kafka(self_managed=True))
    assert (event.event_source, own.event_source, own.event_source_arn) == (
        "aws:kafka",
        "SelfManagedKafka",
        None,
    )


def test_mq():
    """A broker's messages read as such, from ActiveMQ and RabbitMQ."""
    message = ActiveMQEvent(events.mq({"id": 1}, queue="q", headers={"a": "b"})).message
    assert (message.json_data, message.destination_physicalname, message.properties) == (
        {"id": 1},
        "q",
        {"a": "b"},
    )
    rabbit = RabbitMQEvent(events.mq({"id": 1}, rabbit=True, queue="q", headers={"a": "b"}))
    message = rabbit.rmq_messages_by_queue["q::/"][0]
    assert (message.json_data, message.basic_properties.headers) == ({"id": 1}, {"a": {"bytes": [98]}})


def test_firehose():
    """A delivery stream's records read as such."""
    record = next(data_classes.KinesisFirehoseEvent(events.firehose({"id": 1})).records)
    assert (record.data_as_json, record.approximate_arrival_timestamp) == ({"id": 1}, 1_764_083_045_135)


def test_logs():
    """A log group's lines read as such."""
    data = data_classes.CloudWatchLogsEvent(events.logs("a", "b", log_group="g")).parse_logs_data()
    assert (data.log_group, [each.message for each in data.log_events]) == ("g", ["a", "b"])


def test_http_events():
    """Requests read as such, each in its own format."""
    given = {"body": {"id": 1}, "headers": {"X-A": "b"}, "query": {"q": "1"}, "trace_header": HEADER}
    rest = data_classes.APIGatewayProxyEvent(events.api_gateway("POST", "/a", **given))
    http = data_classes.APIGatewayProxyEventV2(events.http_api("POST", "/a", **given))
    url = data_classes.LambdaFunctionUrlEvent(events.function_url("POST", "/a", **given))
    balanced = data_classes.ALBEvent(events.alb("POST", "/a", **given))
    for event in (rest, http, url, balanced):
        assert (event.http_method, event.path, event.json_body) == ("POST", "/a", {"id": 1})
        assert event.query_string_parameters == {"q": "1"}
        assert (event.headers["x-a"], event.headers["x-amzn-trace-id"]) == ("b", HEADER)
    assert http.raw_query_string == "q=1"
    assert url.request_context.domain_name.endswith(".lambda-url.eu-west-1.on.aws")
    assert (http.request_context.domain_name, url.headers["host"]) == (
        "a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com",
        url.request_context.domain_name,
    )


def test_routes_of_an_api():
    """A route's variables stand beside the route."""
    rest = events.api_gateway(path="/a/7", resource="/a/{id}", path_parameters={"id": "7"})
    http = events.http_api(path="/a/7", route_key="GET /a/{id}", path_parameters={"id": "7"})
    assert (rest["resource"], rest["pathParameters"]) == ("/a/{id}", {"id": "7"})
    assert (http["routeKey"], http["pathParameters"]) == ("GET /a/{id}", {"id": "7"})


def test_alb_with_several_values():
    """With multi-value headers on there are lists, and nothing else."""
    event = events.alb(multi_value=True, query={"q": "1"}, trace_header=HEADER)
    assert event["multiValueHeaders"]["x-amzn-trace-id"] == [HEADER]
    assert event["multiValueQueryStringParameters"] == {"q": ["1"]}
    assert {"headers", "queryStringParameters"}.isdisjoint(event)


def test_websocket():
    """A connection has headers, a message a body, and headers anywhere else are refused."""
    connect = APIGatewayWebSocketEvent(events.websocket(event_type="CONNECT", trace_header=HEADER))
    assert (connect.request_context.route_key, connect.headers["X-Amzn-Trace-Id"]) == ("$connect", HEADER)
    message = APIGatewayWebSocketEvent(events.websocket({"id": 1}))
    assert (message.request_context.route_key, message.json_body) == ("$default", {"id": 1})
    end = events.websocket(event_type="DISCONNECT")
    assert (end["requestContext"]["routeKey"], "body" in end) == ("$disconnect", False)
    with pytest.raises(ValueError, match='only event_type="CONNECT" has'):
        events.websocket("a", trace_header=HEADER)


def test_appsync_and_cognito():
    """A resolver's call and a user pool's trigger read as such."""
    call = data_classes.AppSyncResolverEvent(events.appsync("f", parent_type="Mutation", arguments={"a": 1}))
    assert (call.info.field_name, call.info.parent_type_name, call.arguments) == ("f", "Mutation", {"a": 1})
    asked = events.cognito(
        "PostConfirmation_ConfirmSignUp", user_name="u", request={"userAttributes": {"a": "b"}}
    )
    assert (asked["triggerSource"], asked["userName"], asked["request"]) == (
        "PostConfirmation_ConfirmSignUp",
        "u",
        {"userAttributes": {"a": "b"}},
    )


def test_services():
    """Calls of CloudFormation, CodePipeline, SES and IoT read as such."""
    created = data_classes.CloudFormationCustomResourceEvent(events.cloudformation(properties={"a": "b"}))
    assert (created.request_type, created.resource_properties, created.physical_resource_id) == (
        "Create",
        {"a": "b"},
        "",
    )
    updated = data_classes.CloudFormationCustomResourceEvent(events.cloudformation("Update", physical_id="p"))
    assert (updated.physical_resource_id, updated.old_resource_properties) == ("p", {})
    assert CodePipelineJobEvent(events.codepipeline("x", job_id="j")).user_parameters == "x"
    mail = data_classes.SESEvent(events.ses("a@example.com", subject="s")).mail
    assert (mail.destination, mail.common_headers.subject) == (["a@example.com"], "s")
    assert IoTCoreThingEvent(events.iot("t", operation="DELETED")).thing_name == "t"


def test_step_functions():
    """A state's input holds the context object, and in it what the sender put into the execution's input."""
    event = events.step_functions({"a": 1}, trace_header=HEADER, attempt=2)
    assert event["Payload"] == {"a": 1}
    assert event["Context"]["Execution"]["Input"] == {"traceHeader": HEADER, "input": {"a": 1}}
    assert event["Context"]["State"]["RetryCount"] == 1


@given(st.lists(st.text() | st.dictionaries(st.text(), st.integers()), min_size=1, max_size=5))
def test_bodies_stay_what_they_are(bodies):
    """A string is the body as it is, anything else is read from JSON as the same value."""
    records = events.sqs(*bodies)["Records"]
    assert [
        r["body"] if isinstance(b, str) else json.loads(r["body"])
        for r, b in zip(records, bodies, strict=True)
    ] == bodies
