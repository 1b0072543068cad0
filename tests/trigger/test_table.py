"""A trigger is one row: the types that there are, and what adding one takes."""

import re
from pathlib import Path

import pytest

from lambda_guard import production
from lambda_guard.batch.source import _SOURCES
from lambda_guard.propagation.extract import Upstream, extract, record_message_id, record_upstream
from lambda_guard.propagation.header import parse
from lambda_guard.testing import capture
from lambda_guard.trigger.rare import RARE
from lambda_guard.trigger.read import Trigger, messages_of, read_trigger
from lambda_guard.trigger.table import ROWS, TABLE, Row, Shape

UPSTREAM = "Root=1-6742a1b5-0123456789abcdef01234567;Parent=4c721bf33e3caf8f;Sampled=1"
HEADER = parse(UPSTREAM)
PIGEON = Row(
    "pigeon",
    Shape("aws:loft", source="loft", time="flown"),
    Shape({"beak": lambda value: value == "short"}, source="loft"),
    asynchronous=True,
    batch=True,
    ids="leg/ring",
    carriers=("capsule", "traceHeader"),
)


@pytest.fixture
def pigeons():
    """A table with one row more."""
    TABLE.__init__((*ROWS, PIGEON))
    yield
    TABLE.__init__(ROWS)


def test_the_types_are_those_that_are_published():
    """No type of an invocation record comes or goes unnoticed."""
    assert {*TABLE.types, *RARE.types} == {
        "sqs", "sns", "sns-sqs", "eventbridge", "eventbridge-sqs", "schedule", "kinesis", "dynamodb", "s3", "s3-sqs",
        "apigateway", "apigateway-v2", "websocket", "function-url", "alb", "lambda", "stepfunctions", "kafka", "mq",
        "firehose", "logs", "cognito", "appsync", "iot", "cloudformation", "codepipeline", "ses", "unknown",
        "alexa", "bedrock-agent", "cloudfront", "cloudwatch-alarm", "codecommit", "codedeploy", "config", "connect",
        "lex", "secretsmanager", "vpc-lattice",
    }  # fmt: skip
    assert TABLE.queues == {"sqs", "sns-sqs", "eventbridge-sqs", "s3-sqs"}
    assert TABLE.batches == TABLE.queues | {"kinesis", "dynamodb", "kafka", "mq"}
    assert len(TABLE.types) == sum(1 + len(row.envelopes) for row in ROWS)


def test_every_type_is_documented():
    """The page of records has a table of triggers, in which each type stands once."""
    page = (Path(__file__).parents[2] / "docs" / "records.md").read_text(encoding="utf-8")
    table = page.partition("### Triggers")[2].partition("\n#")[0]
    rows = [line.split("|")[2] for line in table.splitlines() if line.startswith("|")]
    assert sorted(re.findall(r"`([a-z0-9-]+)`", "".join(rows))) == sorted({*TABLE.types, *RARE.types})


def test_what_each_record_can_answer_for_is_a_batch():
    """The sources that `each_record` takes apart are rows of the table, and batches."""
    assert set(_SOURCES) <= TABLE.batches


def test_a_row_adds_a_trigger_of_records(pigeons):
    """One row more, and records are told, counted and dated, with their ids and the senders' trace headers."""
    records = [
        {"eventSource": "aws:loft", "loft": "home", "flown": 1_764_083_045, "leg": {"ring": f"r-{number}"}, "capsule": value}
        for number, value in enumerate((UPSTREAM, {"x-amzn-trace-id": UPSTREAM}, None), 1)
    ]  # fmt: skip
    event = {"Records": records}
    trigger = read_trigger(event)
    assert trigger == Trigger("pigeon", "home", 3, None, 1_764_083_045_000)
    assert messages_of(event) == records
    assert extract(event, trigger) == (Upstream(HEADER, ("r-1", "r-2")), Upstream(None, ("r-3",)))
    assert record_message_id(records[0]) == "r-1"
    assert record_upstream(records[1], "pigeon") == HEADER


def test_a_row_adds_a_trigger_of_one_event(pigeons):
    """One row more, and an event of a shape is told and traced; another one isn't."""
    event = {"beak": "short", "loft": "home", "leg": {"ring": "r-1"}, "traceHeader": UPSTREAM}
    trigger = read_trigger(event)
    assert trigger == Trigger("pigeon", "home")
    assert record_message_id(event) == "r-1"
    assert read_trigger({**event, "beak": "long"}) == Trigger("lambda")


def test_an_invocation_by_an_added_trigger_has_its_record(pigeons):
    """What the row says stands in the record and its metrics."""
    handler = production(lambda event, context: None)
    with capture() as captured:
        handler({"Records": [{"eventSource": "aws:loft", "loft": "home", "capsule": UPSTREAM}]}, None)
    assert captured.record["trigger"] == {"type": "pigeon", "source": "home", "records": 1}
    assert captured.record["Records"] == 1
    assert captured.record["xray_trace_id"] == HEADER.root
