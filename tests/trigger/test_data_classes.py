"""Events of which an outer decorator has made one of Powertools' data classes."""

import pytest
from aws_lambda_powertools.utilities.data_classes import (
    APIGatewayProxyEvent,
    EventBridgeEvent,
    SQSEvent,
    event_source,
)

from lambda_guard import production
from lambda_guard.testing import capture, events, make_context

HEADER = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
OWN = "Root=1-6759e988-bd862e3fe1be46a994272793;Parent=63995c3f42cd8ad8;Sampled=1"


def read(event, handler=lambda event, context: None, **options):
    """Return what is recorded of an event."""
    with capture(OWN) as captured:
        answer = production(**options)(handler)(event, make_context())
    return captured.record, answer


@pytest.mark.parametrize(
    ("data_class", "event"),
    [
        (SQSEvent, events.sqs("one", "two", trace_header=HEADER)),
        (APIGatewayProxyEvent, events.api_gateway()),
        (EventBridgeEvent, events.eventbridge({"id": 1})),
    ],
)
def test_they_are_read_through_raw_event(data_class, event):
    """Trigger, source, records, attempt and the upstream trace are those of the event; the handler gets the object."""
    plain, _ = read(event)
    given = []

    @event_source(data_class=data_class)
    def outer(event, context):
        given.append(event)
        return production(lambda event, context: event)(event, context)

    with capture(OWN) as captured:
        answer = outer(event, make_context())
    assert answer is given[0]
    for key in ("trigger", "upstreams", "traceId", "parent_id", "attempt"):
        assert captured.record.get(key) == plain.get(key), key


def test_a_batch_is_taken_apart():
    """`each_record` finds the records in it, and the queue's messages are known to a plain handler's answer."""
    done = []
    batch = SQSEvent(events.sqs("one", "two"))
    read(batch, lambda record: done.append(record.body), each_record=True)
    assert done == ["one", "two"]
    failed = {"batchItemFailures": [{"itemIdentifier": batch.raw_event["Records"][0]["messageId"]}]}
    record, answer = read(batch, lambda event, context: failed)
    assert answer is failed
    assert record["records"]["failed"] == 1


class Raising:
    """Has such a property, which raises."""

    @property
    def raw_event(self):
        raise RuntimeError("no")


class Odd:
    """Has such an attribute, which is no event."""

    raw_event = "odd"


@pytest.mark.parametrize("event", [Raising(), Odd()])
def test_other_objects_are_unknown(event):
    """What has the attribute and is none of those is read as any other object."""
    record, _ = read(event)
    assert record["trigger"]["type"] == "unknown"
    assert "GuardErrors" not in record
