"""Each example is short, has its event beside it, and does what it says in the real runtime client."""

import json
from pathlib import Path
from unittest.mock import ANY

EXAMPLES = Path(__file__).parents[2] / "examples" / "handlers"
HEADER = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"


def invoke(start, name, event=None, **settings):
    """Run an example with the event beside it, or with another one."""
    event = event or json.loads((EXAMPLES / f"{name}.json").read_text())
    return start(f"{name}.handler", code=EXAMPLES, **settings).invoke(event, trace_header=HEADER)


def logs(lines):
    """Return the messages that a function logged."""
    return [line["message"] for line in lines if "message" in line and "record" not in line]


def test_every_example_is_short_and_has_its_event():
    """At most 40 lines, one event for each, and no event without its example."""
    modules = {path.stem: path.read_text().splitlines() for path in EXAMPLES.glob("*.py")}
    assert set(modules) == {path.stem for path in EXAMPLES.glob("*.json")}
    assert set(modules) == {
        "api", "class_based", "coroutine", "downstream", "each_record", "eventbridge", "powertools", "sns",
        "sqs",
    }  # fmt: skip
    assert {name: len(lines) for name, lines in modules.items() if len(lines) > 40} == {}


def test_sqs(start, own_lines):
    """Of two messages the one that can't be shipped comes back; the other one's line has its message id."""
    result = invoke(start, "sqs")
    lines = own_lines(result)
    first, second = (
        record["messageId"] for record in json.loads((EXAMPLES / "sqs.json").read_text())["Records"]
    )
    assert result.payload == {"batchItemFailures": [{"itemIdentifier": second}]}
    [packed] = [line for line in lines if line.get("message") == "parcel packed"]
    assert (packed["order_id"], packed["grams"], packed["message_id"]) == ("o-1", 500, first)
    assert lines[-1]["outcome"] == "success"
    assert (lines[-1]["RecordFailures"], lines[-1]["records"]["total"]) == (1, 2)
    assert lines[-1]["records"]["failures"][0]["error"]["type"] == "ValueError"


def test_each_record(start, own_lines):
    """What can't be booked goes back with what follows of its customer; the other one is booked in order."""
    result = invoke(start, "each_record")
    lines = own_lines(result)
    ids = [
        record["messageId"] for record in json.loads((EXAMPLES / "each_record.json").read_text())["Records"]
    ]
    assert result.payload == {"batchItemFailures": [{"itemIdentifier": ids[1]}, {"itemIdentifier": ids[3]}]}
    booked = [
        (line["customer"], line["balance"], line["message_id"])
        for line in lines
        if line.get("message") == "booked"
    ]
    assert booked == [("ada", 600, ids[0]), ("ada", 800, ids[2])]
    assert [failure["outcome"] for failure in lines[-1]["records"]["failures"]] == ["error", "skipped"]


def test_sns(start, own_lines):
    """A card that is good is charged."""
    result = invoke(start, "sns")
    lines = own_lines(result)
    assert (result.status, logs(lines)) == ("success", ["card charged"])
    assert (lines[-1]["trigger"]["type"], lines[-2]["Charged"]) == ("sns", 1)


def test_sns_refused(start, own_lines):
    """A card that is refused is an error, for Lambda and in the record."""
    event = json.loads((EXAMPLES / "sns.json").read_text())
    event["Records"][0]["Sns"]["Message"] = '{"id": "o-2", "card": "stolen"}'
    result = invoke(start, "sns", event)
    assert result.error_type == "CardRefusedError"
    assert own_lines(result)[-1]["error"]["type"] == "CardRefusedError"


def test_api(start, own_lines):
    """An order is accepted, with the invocation's id for reference."""
    result = invoke(start, "api")
    lines = own_lines(result)
    assert result.payload["statusCode"] == 202
    assert json.loads(result.payload["body"]) == {"id": result.request_id}
    assert logs(lines) == ["order placed"]
    assert lines[-1]["trigger"]["type"] == "apigateway-v2"
    assert lines[-1]["_aws"]["CloudWatchMetrics"][0]["Dimensions"][1] == [
        "service",
        "function_name",
        "function_version",
    ]


def test_api_refuses(start, own_lines):
    """What is no order is answered with 400, and is no error of the function."""
    result = invoke(start, "api", {**json.loads((EXAMPLES / "api.json").read_text()), "body": "no JSON"})
    assert result.payload["statusCode"] == 400
    assert own_lines(result)[-1]["outcome"] == "success"


def test_eventbridge(start, own_lines):
    """The metric has a dimension of its own."""
    result = invoke(start, "eventbridge")
    lines = own_lines(result)
    [metric] = [line for line in lines if "Restocked" in line]
    assert (metric["Restocked"], metric["warehouse"], metric["invocation_id"]) == (
        40,
        "north",
        result.request_id,
    )
    assert lines[-1]["trigger"]["type"] == "eventbridge"


def test_coroutine(start, own_lines):
    """The lines of its tasks belong to the invocation."""
    result = invoke(start, "coroutine")
    lines = own_lines(result)
    assert result.payload == {"cents": 1350}
    found = {(line["sku"], line["cents"], line["invocation_id"]) for line in lines if "sku" in line}
    assert found == {("tea", 450, result.request_id), ("mug", 900, result.request_id)}


def test_class_based(start, own_lines):
    """What the instance holds lasts from one invocation to the next."""
    assert [invoke(start, "class_based").payload for _ in range(2)] == [{"left": 6}, {"left": 5}]


def test_powertools(start, own_lines, services):
    """The line of the function's own Logger has its own service and field, and the invocation's keys."""
    services.client("ssm").put_parameter(Name="/greetings/word", Value="Hello", Type="String")
    result = invoke(start, "powertools", endpoint_url=services.endpoint, timeout=30)
    assert result.payload == {"statusCode": 200, "body": "Hello, Ada!"}
    lines = own_lines(result)
    [line] = [line for line in lines if line.get("message") == "greeting"]
    assert (line["service"], line["guest"], line["invocation_id"]) == ("greetings", "Ada", result.request_id)
    assert lines[-1]["calls"] == [
        {
            "service": "ssm",
            "operation": "GetParameter",
            "resource": "/greetings/word",
            "count": 1,
            "errors": 0,
            "duration_ms": ANY,
        }
    ]


def test_downstream(start, own_lines, services):
    """The record names the calls, and the message that was sent on, which carries the trace."""
    queue = services.client("sqs").create_queue(QueueName="orders")["QueueUrl"]
    services.client("dynamodb").create_table(
        TableName="orders",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    environment = {"TABLE_NAME": "orders", "QUEUE_URL": queue}
    result = invoke(start, "downstream", environment=environment, endpoint_url=services.endpoint, timeout=30)
    assert result.payload == {"id": "o-1", "state": "placed"}
    record = own_lines(result)[-1]
    [message] = services.client("sqs").receive_message(QueueUrl=queue, MessageSystemAttributeNames=["All"])[
        "Messages"
    ]
    [sent] = record["sent"]
    assert record["calls"] == [
        {
            "service": "dynamodb",
            "operation": "PutItem",
            "resource": "orders",
            "count": 1,
            "errors": 0,
            "duration_ms": ANY,
        },
        {
            "service": "sqs",
            "operation": "SendMessage",
            "resource": queue,
            "count": 1,
            "errors": 0,
            "duration_ms": ANY,
        },
    ]
    assert (sent["service"], sent["target"], sent["message_id"]) == ("sqs", queue, message["MessageId"])
    root = "Root=1-5759e988-bd862e3fe1be46a994272793"
    assert message["Attributes"]["AWSTraceHeader"] == f"{root};Parent={sent['span_id']};Sampled=1"
