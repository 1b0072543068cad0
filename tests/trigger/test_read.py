"""Triggers: every event is told from the others, whatever else is in it, and whatever it is."""

import copy
import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_guard.testing import events
from lambda_guard.trigger.rare import RARE
from lambda_guard.trigger.read import Request, Trigger, messages_of, read_trigger, record_attempt
from lambda_guard.trigger.table import TABLE

SENT_MS = 1_764_083_045_135
SENT_SECOND_MS = 1_764_083_045_000
QUEUE = "arn:aws:sqs:eu-west-1:123456789012:orders"
TOPIC = "arn:aws:sns:eu-west-1:123456789012:orders"
STATES = "arn:aws:states:eu-west-1:123456789012"
BROKER = "arn:aws:mq:eu-west-1:123456789012:broker:orders:b-00000000-0000-4000-8000-000000000001"

FACTORIES = {
    "sqs": (events.sqs("a", "b", attempt=[1, 4]), Trigger("sqs", QUEUE, 2, 4, SENT_MS)),
    "sqs-fifo": (events.sqs("a", fifo=True), Trigger("sqs", f"{QUEUE}.fifo", 1, 1, SENT_MS)),
    "sns": (events.sns("a"), Trigger("sns", TOPIC, 1, None, SENT_MS)),
    "sns-sqs": (events.sns_in_sqs("a", "b"), Trigger("sns-sqs", QUEUE, 2, 1, SENT_MS)),
    "sns-sqs-raw": (events.sns_in_sqs("a", raw=True), Trigger("sqs", QUEUE, 1, 1, SENT_MS)),
    "sns-sqs-s3": (events.s3_in_sqs("k", topic_arn=TOPIC), Trigger("sns-sqs", QUEUE, 1, 1, SENT_MS)),
    "eventbridge": (
        events.eventbridge({"a": 1}),
        Trigger("eventbridge", "com.example.orders", 1, None, SENT_SECOND_MS),
    ),
    "eventbridge-sqs": (
        events.eventbridge_in_sqs({"a": 1}),
        Trigger("eventbridge-sqs", QUEUE, 1, 1, SENT_MS),
    ),
    "schedule": (
        events.schedule(),
        Trigger("schedule", "arn:aws:events:eu-west-1:123456789012:rule/nightly", 1, None, SENT_SECOND_MS),
    ),
    "kinesis": (
        events.kinesis("a", "b", "c"),
        Trigger("kinesis", "arn:aws:kinesis:eu-west-1:123456789012:stream/orders", 3, None, SENT_MS),
    ),
    "dynamodb": (
        events.dynamodb(),
        Trigger(
            "dynamodb",
            "arn:aws:dynamodb:eu-west-1:123456789012:table/orders/stream/2025-11-25T00:00:00.000",
            1,
            None,
            SENT_SECOND_MS,
        ),
    ),
    "s3": (events.s3("a", "b"), Trigger("s3", "arn:aws:s3:::example-orders", 2, None, SENT_MS)),
    "s3-sqs": (events.s3_in_sqs("a"), Trigger("s3-sqs", QUEUE, 1, 1, SENT_MS)),
    "apigateway": (
        events.api_gateway(),
        Trigger("apigateway", "a1b2c3d4e5", http=Request("GET", "/orders", None)),
    ),
    "apigateway-v2": (
        events.http_api(),
        Trigger("apigateway-v2", "a1b2c3d4e5", http=Request("GET", "/orders", "2.0")),
    ),
    "websocket": (events.websocket("hello"), Trigger("websocket", "a1b2c3d4e5")),
    "websocket-connect": (events.websocket(event_type="CONNECT"), Trigger("websocket", "a1b2c3d4e5")),
    "function-url": (
        events.function_url(),
        Trigger(
            "function-url",
            "abcdefghijklmnopqrstuvwxyz012345.lambda-url.eu-west-1.on.aws",
            http=Request("GET", None, "2.0"),
        ),
    ),
    "alb": (
        events.alb(),
        Trigger(
            "alb",
            "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/orders/0123456789abcdef",
            http=Request("GET", None, None),
        ),
    ),
    "lambda": ({"order_id": "o-1"}, Trigger("lambda")),
    "stepfunctions": (
        events.step_functions({"a": 1}),
        Trigger("stepfunctions", f"{STATES}:stateMachine:orders"),
    ),
    "kafka": (
        events.kafka("a", "b"),
        Trigger(
            "kafka",
            "arn:aws:kafka:eu-west-1:123456789012:cluster/orders/00000000-0000-4000-8000-000000000001-1",
            2,
            None,
            SENT_MS,
        ),
    ),
    "kafka-self-managed": (
        events.kafka(self_managed=True),
        Trigger("kafka", "b-1.orders.example.com:9094,b-2.orders.example.com:9094", 1, None, SENT_MS),
    ),
    "mq": (events.mq("a", "b"), Trigger("mq", BROKER, 2, None, SENT_MS)),
    "mq-rabbit": (events.mq("a", "b", rabbit=True), Trigger("mq", BROKER, 2)),
    "firehose": (
        events.firehose("a", "b"),
        Trigger(
            "firehose", "arn:aws:firehose:eu-west-1:123456789012:deliverystream/orders", 2, None, SENT_MS
        ),
    ),
    "logs": (events.logs("a", "b"), Trigger("logs", "/aws/lambda/orders")),
    "cognito": (events.cognito(), Trigger("cognito", "eu-west-1_Example01")),
    "appsync": (events.appsync(), Trigger("appsync", "getOrder")),
    "iot": (events.iot(), Trigger("iot", "thermometer-1")),
    "cloudformation": (
        events.cloudformation(),
        Trigger(
            "cloudformation",
            "arn:aws:cloudformation:eu-west-1:123456789012:stack/orders/00000000-0000-4000-8000-000000000001",
        ),
    ),
    "codepipeline": (events.codepipeline(), Trigger("codepipeline")),
    "ses": (events.ses(), Trigger("ses", None, 1, None, SENT_MS)),
    "unknown": (object(), Trigger("unknown")),
}


@pytest.mark.parametrize("name", FACTORIES)
def test_tells_each_sample_event(name):
    """Every sample event of `lambda_guard.testing` is told as what it is, with source, count, attempt and age."""
    event, trigger = FACTORIES[name]
    assert read_trigger(event) == trigger


def test_the_samples_above_have_every_type():
    """No type of the list is without an event that is told as it."""
    assert {trigger.type for _, trigger in FACTORIES.values()} - {"iot", "codepipeline"} == set(TABLE.types)


OTHER_SHAPES = [
    (events.schedule() | {"resources": []}, Trigger("schedule", None, 1, None, SENT_SECOND_MS)),
    (  # EventBridge Scheduler, where the schedule has no input of its own
        events.schedule() | {"source": "aws.scheduler", "resources": ["arn:aws:scheduler:x"], "detail": "{}"},
        Trigger("schedule", "arn:aws:scheduler:x", 1, None, SENT_SECOND_MS),
    ),
    ({"requestContext": {"elb": {"targetGroupArn": 7}}}, Trigger("alb", http=Request(None, None, None))),
    ({"requestContext": {"elb": {"targetGroupArn": ""}}}, Trigger("alb", http=Request(None, None, None))),
    (
        {
            "type": "TOKEN",
            "methodArn": "arn:aws:execute-api:eu-west-1:1:abcdef/prod/GET/people/ann:secret/x",
            "authorizationToken": "t",
        },
        Trigger("apigateway", "abcdef"),
    ),
    ({"type": "TOKEN", "methodArn": "abcdef/prod/GET/people"}, Trigger("apigateway")),
    ({"type": "TOKEN", "methodArn": "arn:aws:execute-api:eu-west-1:1:/GET"}, Trigger("apigateway")),
    ({"type": "TOKEN", "methodArn": 7}, Trigger("apigateway")),
    (
        {"authorizationToken": "t", "requestContext": {"apiId": "gql", "queryString": "query"}},
        Trigger("appsync", "gql"),
    ),
    (
        {"info": {"channel": {"path": "/a"}, "channelNamespace": {"name": "orders"}}, "events": []},
        Trigger("appsync", "orders"),
    ),
    ([events.appsync("a"), events.appsync("b")], Trigger("appsync", "a", 2)),
    ({"identityPoolId": "p", "datasetName": "d", "datasetRecords": {}}, Trigger("cognito", "p")),
    (
        {"transformId": "123::T", "fragment": {}, "templateParameterValues": {}},
        Trigger("cloudformation", "123::T"),
    ),
    (
        {"getObjectContext": {}, "configuration": {"accessPointArn": "arn:aws:s3:x"}},
        Trigger("s3", "arn:aws:s3:x"),
    ),
    (
        {"invocationSchemaVersion": "1.0", "tasks": [{"taskId": "t", "s3BucketArn": "arn:aws:s3:::b"}]},
        Trigger("s3", "arn:aws:s3:::b"),
    ),
    ({"certificateId": "c", "templateArn": "arn:aws:iot:x"}, Trigger("iot", "arn:aws:iot:x")),
    ({"protocolData": {}, "connectionMetadata": {}}, Trigger("iot")),
    ({"clientId": "c", "eventType": "connected", "principalIdentifier": "p"}, Trigger("iot", "c")),
    ({"clickType": "SINGLE", "serialNumber": "s"}, Trigger("iot", "s")),
    (
        {"Execution": {"Id": f"{STATES}:execution:m:e"}, "a": 1},
        Trigger("stepfunctions", f"{STATES}:execution:m:*"),
    ),
    (
        {"executionArn": f"{STATES}:execution:m:e", "a": 1},
        Trigger("stepfunctions", f"{STATES}:execution:m:*"),
    ),
    (events.sqs("a", "b")["Records"], Trigger("sqs", QUEUE, 2, 1, SENT_MS)),
    (events.dynamodb()["Records"], FACTORIES["dynamodb"][1]),
    (
        [
            {
                "eventSource": "aws:kinesis",
                "eventSourceARN": "arn:s",
                "approximateArrivalTimestamp": 1764083045.135,
            }
        ],
        Trigger("kinesis", "arn:s", 1, None, SENT_MS),
    ),
    (
        [{"eventSource": "aws:kafka", "eventSourceArn": "arn:k", "timestamp": SENT_MS}],
        Trigger("kafka", "arn:k", 1, None, SENT_MS),
    ),
    (
        {"Records": [{"eventSource": "aws:new", "eventSourceARN": "arn:n"}]},
        Trigger("unknown", "arn:n", 1),
    ),
    ({"Records": [{"eventSource": "aws:new"}] * 3}, Trigger("unknown", "aws:new", 3)),
]


FORMAT_1 = events.api_gateway("PUT", "/orders/7", resource="/orders/{id}") | {"version": "1.0"}
V2 = events.http_api("POST", "/orders/7", route_key="POST /orders/{id}")
REQUESTS = [
    (events.api_gateway("GET", "/orders/7", resource="/orders/{id}"), ("GET", "/orders/{id}", None)),
    (events.api_gateway("GET", "/a/b", resource="/{proxy+}"), ("GET", "/{proxy+}", None)),
    (events.api_gateway("GET", "/", resource="/"), ("GET", "/", None)),
    (FORMAT_1, ("PUT", "/orders/{id}", "1.0")),
    (FORMAT_1 | {"resource": "$default"}, ("PUT", None, "1.0")),
    (FORMAT_1 | {"resource": "/$default"}, ("PUT", None, "1.0")),
    (V2, ("POST", "/orders/{id}", "2.0")),
    (events.http_api("GET", "/orders/7", route_key="ANY /orders/{id}"), ("GET", "/orders/{id}", "2.0")),
    (events.http_api("GET", "/orders/7", route_key="$default"), ("GET", None, "2.0")),
    (events.function_url("DELETE", "/orders/7"), ("DELETE", None, "2.0")),
    (events.alb("PATCH", "/orders/7"), ("PATCH", None, None)),
    (events.alb("HEAD", "/orders/7", multi_value=True), ("HEAD", None, None)),
    (events.alb("get", "/orders/7"), (None, None, None)),
    (events.alb("\x1b[31mGET", "/orders/7"), (None, None, None)),
    (events.alb() | {"httpMethod": ["GET"]}, (None, None, None)),
    (events.api_gateway() | {"resource": {"a": 1}}, ("GET", None, None)),
    (events.http_api() | {"routeKey": None, "version": 2}, ("GET", None, None)),
]


@pytest.mark.parametrize(("event", "request_"), REQUESTS)
def test_a_request_is_its_method_and_the_template_of_its_route(event, request_):
    """No path, no parameter, no method that a client made up; nothing where it isn't known."""
    assert read_trigger(event).http == Request(*request_)


@pytest.mark.parametrize(
    "event",
    [
        events.api_gateway() | {"type": "REQUEST", "methodArn": "arn:aws:execute-api:x"},
        V2 | {"type": "REQUEST", "routeArn": "arn:aws:execute-api:x"},
        events.websocket("hello"),
        events.sqs("a"),
        {"a": 1},
    ],
    ids=["REST authorizer", "HTTP authorizer", "websocket", "sqs", "lambda"],
)
def test_what_isnt_answered_with_a_response_is_no_request(event):
    """An authorizer answers with a policy, a WebSocket's route with whatever it likes."""
    assert read_trigger(event).http is None


@pytest.mark.parametrize(("event", "trigger"), OTHER_SHAPES)
def test_tells_the_other_shapes_of_a_service(event, trigger):
    """Authorizers, AppSync's and S3's other calls, IoT's own, records of pipes: each is told by its row."""
    assert read_trigger(event) == trigger


@pytest.mark.parametrize(
    "event",
    [
        None,
        True,
        0,
        1.5,
        "text",
        {},
        [],
        [1, 2],
        [{"a": 1}],
        {"Records": []},
        {"Records": None},
        {"Records": {"a": 1}},
        {"Records": "text"},
        {"info": ["x"]},
        {"requestContext": ["x"]},
        {"invocationSchemaVersion": "1.0", "tasks": []},
        {"Records": [None]},
        {"Records": [{"no": "source"}]},
        {"Records": [{"eventSource": {"a": 1}}]},
        {"source": "mine", "detail": {}},
        {"detail-type": 7, "source": "x"},
        {"requestContext": None},
        {"requestContext": {"http": {}}},
        {"records": {"t-0": []}},
        {"awslogs": {}},
        {"info": {"fieldName": "x"}},
        {"context": {"Execution": {"Id": "not an arn"}}},
        {1: 2, None: 3},
    ],
)
def test_any_other_json_is_a_direct_invocation(event):
    """A value that no service gives a shape is a direct invocation with one record."""
    assert read_trigger(event) == Trigger("lambda")


@pytest.mark.parametrize("event", [b"bytes", (1, 2), {1, 2}, Decimal(1), object, lambda: None])
def test_what_is_no_json_is_unknown(event):
    """An object that no JSON text gives was never sent by Lambda."""
    assert read_trigger(event) == Trigger("unknown")


def test_a_batch_is_as_old_as_its_oldest_message_and_as_often_tried_as_its_most_tried():
    """Attempt is the highest receive count, age the lowest time, over every record that has one."""
    event = {
        "Records": [
            *events.sqs("a", attempt=2, sent_ms=SENT_MS + 5)["Records"],
            None,
            {"attributes": None},
            {"attributes": {"ApproximateReceiveCount": "many", "SentTimestamp": "soon"}},
            *events.sqs("b", attempt=7, sent_ms=SENT_MS - 5)["Records"],
        ],
    }
    assert read_trigger(event) == Trigger("sqs", QUEUE, 5, 7, SENT_MS - 5)


@pytest.mark.parametrize(
    ("time", "oldest_ms"),
    [
        (1764083045, SENT_SECOND_MS),
        (1764083045.135, SENT_MS),
        (SENT_MS, SENT_MS),
        (str(SENT_MS), SENT_MS),
        ("2025-11-25T15:04:05.135Z", SENT_MS),
        ("2025-11-25T16:04:05.135+01:00", SENT_MS),
        ("2025-11-25T15:04:05", SENT_SECOND_MS),
        ("yesterday", None),
        (float("nan"), None),
        (float("inf"), None),
        (10**400, None),
        (-1, None),
        (0, None),
        (1_764_083_045_135_000, None),
        (None, None),
        ({}, None),
        ("9" * 5000, None),
    ],
)
def test_reads_times_in_every_form(time, oldest_ms):
    """Seconds, milliseconds and ISO 8601 are understood; what is no time of a message is left out."""
    event = {"Records": [{"eventSource": "aws:dynamodb", "dynamodb": {"ApproximateCreationDateTime": time}}]}
    assert read_trigger(event) == Trigger("dynamodb", None, 1, None, oldest_ms)


def _sns_body(**fields):
    return json.dumps({"Type": "Notification", "MessageId": "m", "TopicArn": TOPIC, "Message": "a"} | fields)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (_sns_body(), "sns-sqs"),
        (
            json.dumps({"TopicArn": TOPIC, "Message": "a", "MessageId": "m", "Type": "Notification"}),
            "sns-sqs",
        ),
        (_sns_body(Message="x" * 300_000), "sns-sqs"),
        ('{"Type":"Notification","MessageId":"m","SequenceNumber":"1","TopicArn":"t","Mess', "sns-sqs"),
        (_sns_body(Type="SubscriptionConfirmation"), "sqs"),
        (json.dumps({"TopicArn": TOPIC, "pad": "x" * 300_000, "Type": "Notification"}), "sqs"),
        ('{"TopicArn": broken', "sqs"),
        ('{"TopicArn": ' + "[" * 100_000, "sqs"),
        ("  " + _sns_body(), "sqs"),
        (json.dumps({"detail-type": "mine"}), "sqs"),
        (json.dumps({"source": "s", "detail": {}, "detail-type": "d"}), "eventbridge-sqs"),
        (json.dumps({"note": "aws:s3", "Records": []}), "sqs"),
        ('{"about": "aws:s3"}', "sqs"),
        (json.dumps({"Records": [{"awsRegion": "x", "eventSource": "aws:s3"}]}), "s3-sqs"),
        ('["TopicArn"]', "sqs"),
        ({"Type": "Notification", "TopicArn": TOPIC}, "sns-sqs"),
        (None, "sqs"),
        (17, "sqs"),
    ],
)
def test_tells_envelopes_from_other_bodies(body, kind):
    """An envelope is told by its first characters in AWS's order, or by its fields in another; nothing else is one."""
    event = events.sqs()
    event["Records"][0]["body"] = body
    assert read_trigger(event).type == kind


def test_log_data_that_cant_be_unpacked_has_no_source():
    """Data of CloudWatch Logs that is damaged is still told as such."""
    assert read_trigger({"awslogs": {"data": "!!!!"}}) == Trigger("logs")
    assert read_trigger({"awslogs": {"data": "aGVsbG8="}}) == Trigger("logs")


def test_big_log_data_is_unpacked_only_at_its_beginning():
    """The log group is found in megabytes of log data, too."""
    event = events.logs(*(f"line {number} {number * 7919 % 10007}" for number in range(50_000)))
    assert len(event["awslogs"]["data"]) > 100_000
    assert read_trigger(event) == Trigger("logs", "/aws/lambda/orders")


def test_messages_of_every_batch_are_one_sequence():
    """Batches in lists, and in dicts of lists, come as one sequence; what is no batch has none."""
    batches = [
        events.sqs("a", "b"),
        events.kafka("a", "b"),
        events.mq("a", "b", rabbit=True),
        events.firehose("a", "b"),
    ]
    assert [len(messages_of(event)) for event in batches] == [2, 2, 2, 2]
    assert messages_of([1, 2]) == [1, 2]
    assert [messages_of(event) for event in ({"a": 1}, events.alb(), "x", None)] == [None, None, None, None]


@pytest.mark.parametrize(
    ("record", "attempt"),
    [
        (events.sqs("a", attempt=3)["Records"][0], 3),
        ({"attributes": {"ApproximateReceiveCount": "0"}}, None),
        ({"attributes": {"ApproximateReceiveCount": "x"}}, None),
        (events.kinesis()["Records"][0], None),
        (None, None),
        (object(), None),
    ],
)
def test_attempt_of_a_record(record, attempt):
    """The receive count is the attempt, where somebody counts."""
    assert record_attempt(record) == attempt


def _raise(*_args, **_kwargs):
    raise RuntimeError("hostile")


_OVERRIDDEN = (
    "get",
    "keys",
    "values",
    "items",
    "startswith",
    "find",
    "__getitem__",
    "__contains__",
    "__iter__",
)
HOSTILE = dict.fromkeys((*_OVERRIDDEN, "__len__", "__eq__", "__bool__", "__str__"), _raise)
HostileDict = type("HostileDict", (dict,), HOSTILE | {"__hash__": None})
HostileList = type("HostileList", (list,), HOSTILE | {"__hash__": None})
HostileText = type("HostileText", (str,), HOSTILE | {"__hash__": str.__hash__})


class _NoClass:
    @property
    def __class__(self):
        raise RuntimeError("hostile")

    def __getattr__(self, name):
        raise RuntimeError("hostile")


KEYS = st.sampled_from(
    sorted(
        {
            step
            for _, shape in (*TABLE.shapes, *RARE.shapes)
            for paths in (shape.source, shape.time, *([path] for path, _ in shape.tests))
            for path in paths
            if not callable(path)
            for step in path
            if isinstance(step, str)
        }
        | {
            "Records",
            "eventSource",
            "EventSource",
            "attributes",
            "body",
            "records",
            "ApproximateReceiveCount",
            "SentTimestamp",
        },
    ),
) | st.text(max_size=3)
VALUES = st.sampled_from(
    [
        *TABLE.event_sources,
        *RARE.event_sources,
        "ContactFlowEvent",
        "Scheduled Event",
        "aws.events",
        "MESSAGE",
        "x:states:y",
        "2.0",
        '{"TopicArn":',
    ]
)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | VALUES
ODD = st.builds(_NoClass) | st.builds(object) | st.builds(HostileText, VALUES) | st.binary(max_size=3)


def _dicts(inner):
    return st.dictionaries(KEYS, inner, max_size=6)


def _lists(inner):
    return st.lists(inner, max_size=3)


JSON_EVENTS = st.recursive(LEAVES, lambda inner: _lists(inner) | _dicts(inner), max_leaves=15)
ODD_EVENTS = st.recursive(
    LEAVES | ODD,
    lambda inner: (
        _lists(inner)
        | _dicts(inner)
        | st.builds(HostileDict, _dicts(inner))
        | st.builds(HostileList, _lists(inner))
    ),
    max_leaves=15,
)


@given(JSON_EVENTS)
def test_any_json_has_a_trigger_and_stays_as_it_was(event):
    """For any JSON value a trigger of the list is told, with sound numbers, and the value isn't changed."""
    before = copy.deepcopy(event)
    trigger = read_trigger(event)
    assert trigger.type in (*TABLE.types, *RARE.types)
    assert trigger.records >= 0
    assert trigger.attempt is None or isinstance(trigger.attempt, int)
    assert repr(event) == repr(before)


@given(ODD_EVENTS)
def test_never_raises(event):
    """For any object, also one whose methods all raise, there is a trigger."""
    assert read_trigger(event).type in (*TABLE.types, *RARE.types)


@pytest.mark.parametrize("name", FACTORIES)
def test_changes_nothing(name):
    """A sample event is the same after it was looked at."""
    event, _ = FACTORIES[name]
    before = repr(event)
    read_trigger(event)
    messages_of(event)
    assert repr(event) == before


def test_a_recursive_event_is_no_trap():
    """An event that holds itself is told like any other."""
    event = events.sqs("a")
    event["Records"][0]["body"] = event
    event["Records"].append(event)
    assert read_trigger(event) == Trigger("sqs", QUEUE, 2, 1, SENT_MS)


def test_is_immutable():
    """A trigger can't be changed."""
    trigger = Trigger("lambda")
    with pytest.raises(AttributeError):
        trigger.type = "sqs"
