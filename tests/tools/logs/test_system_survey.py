"""The map's facts, from records: places, what went between them, what failed, and how long it was under way."""

import json
import random

import pytest

from lambda_guard.tools.logs.invocation import Invocation
from lambda_guard.tools.logs.reading.line_owner import load
from lambda_guard.tools.logs.system.survey import PLACES_MOST, survey
from lambda_guard.tools.logs.traces.membership import Focus
from lambda_guard.tools.logs.traces.tree import build_traces
from lambda_guard.tools.replays import LetterSteps, Replay, Replays

from ..conftest import ACCOUNT, Logs
from . import systems
from .storefront import storefront
from .systems import LOGS_TRACE, TOPIC, Story

OTHER_TRACE = "1-6742a1b5-0123456789abcdef0123aaaa"


def invocations(lines):
    """Read the records among lines."""
    records = [json.loads(line) for line in lines if line.startswith("{") and '"record"' in line]
    return [Invocation(one["invocation_id"], record=one) for one in records]


def surveyed(lines, **options):
    return survey(build_traces(invocations(lines), **options))


def name(key):
    return f"{key.what} {key.name}".strip()


def places(system):
    return {name(place.key): place for place in system.places}


def edges(system):
    """Give each edge as text: from, to, how many, how many failed, how often again, and the waits."""
    return {
        f"{name(edge.source)} → {name(edge.target)}": (edge.count, edge.failed, edge.again, edge.waits)
        for edge in system.edges
    }


def test_an_order_that_ends_in_a_dead_letter_queue():
    """Sender, queue, attempts with the first one's wait, the dead-letter queue by its name, and its rescue."""
    system = surveyed([line for lines in Logs().shop().values() for line in lines])
    assert edges(system) == {
        "REST API shop → function orders": (1, 0, 0, []),
        "function orders → SNS topic audit": (1, 0, 0, []),
        "function orders → SQS queue orders": (1, 0, 0, []),
        "SQS queue orders → function billing": (2, 2, 1, [90.0]),
        "function billing → dead-letter queue orders-dead": (1, 1, 0, []),
        "dead-letter queue orders-dead → function rescue": (1, 0, 0, [280.0]),
    }
    billing = places(system)["function billing"]
    assert (billing.invocations, billing.failed, billing.cold, billing.durations) == (2, 2, 0, [20.0, 20.0])
    assert places(system)["function orders"].cold == 1
    assert [sorted(one) for one in system.edges_of] == [[2, 3, 5], [4], [1, 4], [0, 1]]


def test_the_same_records_in_any_order_are_the_same_system():
    """Logs are read in the order of files; the picture doesn't depend on it."""
    lines = storefront()
    expected = surveyed(lines)
    for seed in range(5):
        system = surveyed(random.Random(seed).sample(lines, len(lines)))
        assert [place.key for place in system.places] == [place.key for place in expected.places]
        assert edges(system) == edges(expected)


def test_between_a_topic_and_a_queue_the_message_shows_the_way():
    """Nobody writes a record there: sent to the topic and received from the queue is what tells."""
    story = Story()
    (event,) = story.runs("orders", sends=[f"{TOPIC}:placed"])
    for queue, function in (("a", "packing"), ("b", "audit")):
        ids = [f"{queue}-1", event["message_id"]]
        upstream = {"trace_id": LOGS_TRACE, "parent_id": event["span_id"], "message_ids": ids}
        came = {"kind": "sns-sqs", "source": f"{ACCOUNT}:{queue}", "upstreams": [upstream]}
        story.runs(function, **came, failed=queue == "a")
        story.runs(function, **came, attempt=2)
    assert edges(surveyed(story.lines)) == {
        "HTTP API shop → function orders": (1, 0, 0, []),
        "function orders → SNS topic placed": (1, 0, 0, []),
        "SNS topic placed → SQS queue a": (1, 0, 0, []),
        "SNS topic placed → SQS queue b": (1, 0, 0, []),
        "SQS queue a → function packing": (2, 1, 1, [30.0]),
        "SQS queue b → function audit": (2, 0, 1, [130.0]),
    }


def test_of_events_it_is_the_bus_that_is_drawn():
    """An event names its source, and its sender's record the bus; where no sender is known, the source is all there is."""
    story = Story()
    (event,) = story.runs("orders", sends=["arn:aws:events:eu-west-1:123456789012:event-bus/shop"])
    story.runs("audit", after=[event], kind="eventbridge", source="shop.orders")
    story.runs("audit", kind="eventbridge", source="aws.s3")
    assert edges(surveyed(story.lines)) == {
        "HTTP API shop → function orders": (1, 0, 0, []),
        "function orders → event bus shop": (1, 0, 0, []),
        "event bus shop → function audit": (1, 0, 0, [30.0]),
        "events of aws.s3 → function audit": (1, 0, 0, []),
    }


def test_who_invoked_a_function_directly():
    """The caller, by its span; a function that isn't in these logs, too; and nobody, where no record tells."""
    story = Story()
    known, _ = story.runs("orders", sends=["arn:aws:lambda:eu-west-1:1:function:pricing:live", "elsewhere"])
    story.runs("pricing", kind="lambda", parent_id=known["span_id"], failed=True)
    story.lines[-1] = story.lines[-1].replace('"source":"shop"', '"source":null')
    story.runs("alone", kind="lambda")
    system = surveyed(story.lines)
    assert edges(system) == {
        "HTTP API shop → function orders": (1, 0, 0, []),
        "function orders → function pricing": (1, 1, 0, [30.0]),
        "function orders → function elsewhere": (1, 0, 0, []),
        "invoked directly → function alone": (1, 0, 0, []),
    }
    assert places(system)["function elsewhere"].invocations == 0


def test_a_batch_that_fails_in_part():
    """Messages are counted, not invocations; a batch of several senders has them all."""
    story = Story()
    sent = [story.runs(one, sends=[f"{ACCOUNT}:orders"])[0] for one in ("web", "app", "web")]
    records = {"total": 3, "failed": 1, "failures": [{"message_id": sent[1]["message_id"], "attempt": 1}]}
    story.runs("billing", after=sent, records=records, MessageAge=70.0)
    system = surveyed(story.lines)
    assert edges(system) == {
        "HTTP API shop → function app": (1, 0, 0, []),
        "HTTP API shop → function web": (2, 0, 0, []),
        "function app → SQS queue orders": (1, 0, 0, []),
        "function web → SQS queue orders": (2, 0, 0, []),
        "SQS queue orders → function billing": (3, 1, 0, [70.0]),
    }
    assert places(system)["function billing"].failed == 1


def test_in_a_trace_the_other_traces_messages_dont_count():
    """The batch is one, and of it only what belongs here is drawn."""
    story = Story()
    mine, theirs = (story.runs(one, sends=[f"{ACCOUNT}:orders"])[0] for one in ("mine", "theirs"))
    theirs["trace"] = OTHER_TRACE
    story.lines[1] = story.lines[1].replace(LOGS_TRACE, OTHER_TRACE)
    records = {"total": 2, "failed": 1, "failures": [{"message_id": theirs["message_id"], "attempt": 1}]}
    own_trace = "1-6742a1b5-0123456789abcdef0123bbbb"
    story.runs("billing", after=[mine, theirs], records=records)
    story.lines[2] = story.lines[2].replace(
        f'"xray_trace_id":"{LOGS_TRACE}"', f'"xray_trace_id":"{own_trace}"'
    )
    story.lines[2] = story.lines[2].replace(f'"traceId":"{LOGS_TRACE}"', f'"traceId":"{own_trace}"')
    focus = Focus(mine["message_id"], invocations(story.lines))
    system = survey(build_traces(focus.members, focus))
    assert edges(system) == {
        "HTTP API shop → function mine": (1, 0, 0, []),
        "function mine → SQS queue orders": (1, 0, 0, []),
        "SQS queue orders → function billing": (1, 0, 0, [80.0]),
    }
    assert places(system)["function billing"].failed == 0


def test_messages_whose_sender_isnt_here_come_from_nobody():
    """They are counted once, however often they are tried; and "or more", where records list a part of a batch only."""
    story = Story()
    foreign = {"trace_id": OTHER_TRACE, "parent_id": "gone", "message_ids": ["x-1", "x-2"]}
    for attempt in (1, 2):
        story.runs("billing", kind="sqs", source=f"{ACCOUNT}:orders", upstreams=[foreign], attempt=attempt)
        story.lines[-1] = story.lines[-1].replace('"records":1', '"records":2')
    system = surveyed(story.lines)
    assert edges(system)["sender not in these logs → SQS queue orders"] == (2, 0, 0, [])
    assert [edge.more for edge in system.edges] == [False, False]
    line = story.lines[0].replace('"records":2', '"records":500')
    assert [edge.more for edge in surveyed([line]).edges] == [False, True]


def test_what_a_replay_sent_is_said_to_be_a_replay():
    """A replay gives a message a new id, which no function has sent; its journal knows it."""
    story = Story()
    story.runs("billing", kind="sqs", source=f"{ACCOUNT}:orders", upstreams=[{"message_ids": ["n-1"]}])
    letter = LetterSteps("m-1", replays=[Replay("m-1", "n-1", "orders", 0.0)])
    system = surveyed(story.lines, replays=Replays({"m-1": letter}))
    assert edges(system)["dlq replay → SQS queue orders"] == (1, 0, 0, [])


def test_a_dead_letter_queue_that_nobody_reads_has_no_name():
    """The last attempt failed: that it goes there is known, what the queue is called isn't."""
    story = Story()
    (message,) = story.runs("orders", sends=[f"{ACCOUNT}:orders"])
    story.runs("billing", after=[message], failed=True, final_attempt=True, attempt=3, MessageAge=9_000.0)
    system = surveyed(story.lines)
    assert edges(system)["function billing → dead-letter queue"] == (1, 1, 0, [])
    assert edges(system)["SQS queue orders → function billing"] == (1, 1, 1, [])


def test_a_message_that_came_back_to_its_own_queue_makes_it_no_dead_letter_queue():
    """AWS's redrive puts it where it was; only another queue than its first one is where it died."""
    story = Story()
    (message,) = story.runs("orders", sends=[f"{ACCOUNT}:orders"])
    story.runs("billing", after=[message], failed=True)
    story.runs("rescue", after=[message], source=f"{ACCOUNT}:dead", failed=True)
    story.runs("billing", after=[message])
    assert {place.key.name for place in surveyed(story.lines).places if place.key.kind == "dead"} == {"dead"}


def test_the_copies_of_an_event_in_two_queues_are_no_dead_letters():
    """Both have the envelope's id, which the topic gave; each queue gives its own besides."""
    story = Story()
    (event,) = story.runs("orders", sends=[f"{TOPIC}:placed"])
    for queue in ("a", "b"):
        ids = [f"{queue}-1", event["message_id"]]
        upstream = {"trace_id": LOGS_TRACE, "parent_id": event["span_id"], "message_ids": ids}
        story.runs(
            queue, kind="sns-sqs", source=f"{ACCOUNT}:{queue}", upstreams=[upstream], failed=queue == "a"
        )
    assert not [place for place in surveyed(story.lines).places if place.key.kind in {"dead", "unknown"}]


def test_copies_that_have_only_the_envelopes_id_are_no_dead_letters():
    """What the topic was given by a function that these logs have was published, and died nowhere."""
    story = Story()
    (event,) = story.runs("orders", sends=[f"{TOPIC}:placed"])
    for queue in ("a", "b"):
        story.runs(queue, after=[event], kind="sns-sqs", source=f"{ACCOUNT}:{queue}", failed=queue == "a")
    assert not [place for place in surveyed(story.lines).places if place.key.kind == "dead"]


def test_the_wait_before_another_attempt_is_no_time_in_a_queue():
    """Also where no record numbers attempts: the same message again is one."""
    story = Story()
    (message,) = story.runs("orders", sends=[f"{ACCOUNT}:orders"])
    for wait in (30.0, 9_000.0):
        story.runs("billing", after=[message], failed=True, MessageAge=wait)
    assert edges(surveyed(story.lines))["SQS queue orders → function billing"] == (2, 2, 1, [30.0])


@pytest.mark.parametrize(
    "target", [f"{ACCOUNT}:orders", "https://sqs.eu-west-1.amazonaws.com/123456789012/orders", "orders"]
)
def test_a_queue_is_one_place_under_all_its_names(target):
    """A sender names a URL, a receiver an ARN."""
    story = Story()
    (message,) = story.runs("orders", sends=[f"{ACCOUNT}:orders"])
    story.lines[0] = story.lines[0].replace(f"{ACCOUNT}:orders", target)
    story.runs("billing", after=[message])
    assert [place.key.name for place in surveyed(story.lines).places if place.key.kind == "queue"] == [
        "orders"
    ]


def test_a_name_that_was_left_out_is_the_receivers():
    """Where records name no resources, the message still tells the queue; without a receiver it is a queue of no name."""
    story = Story()
    message, _ = story.runs("orders", sends=[f"{ACCOUNT}:orders", f"{ACCOUNT}:other"])
    story.lines[0] = story.lines[0].replace(f'"target":"{ACCOUNT}:orders"', '"target":null')
    story.lines[0] = story.lines[0].replace(f'"target":"{ACCOUNT}:other"', '"target":null')
    story.runs("billing", after=[message])
    assert edges(surveyed(story.lines)) == {
        "HTTP API shop → function orders": (1, 0, 0, []),
        "function orders → SQS queue": (1, 0, 0, []),
        "function orders → SQS queue orders": (1, 0, 0, []),
        "SQS queue orders → function billing": (1, 0, 0, [30.0]),
    }


def test_a_function_without_records_is_a_place_of_its_own():
    """What invoked it isn't known, and so isn't drawn."""
    (place,) = survey(build_traces([Invocation("x", source="/aws/lambda/plain")])).places
    assert (place.key.name, place.invocations, place.failed) == ("plain", 1, 0)


def test_a_function_that_feeds_itself():
    """Through its queue: two edges. Directly: one, from it to it."""
    found = edges(surveyed(systems.circle()))
    assert found["function crawler → SQS queue pages"][0] == 6
    assert found["SQS queue pages → function crawler"][0] == 5
    assert found["function indexer → function indexer"] == (1, 0, 0, [30.0])


def test_of_very_many_places_those_that_failed_are_kept():
    """A map has a bound, and says how much is missing."""
    story = Story()
    for number in range(PLACES_MOST + 20):
        story.runs(f"function-{number:03}", kind="schedule", source=f"rule-{number:03}", failed=number > 160)
    system = surveyed(story.lines)
    assert (len(system.places), system.left_out) == (PLACES_MOST, PLACES_MOST + 40)
    kept = {place.key.name for place in system.places}
    assert {f"function-{number}" for number in range(161, PLACES_MOST + 20)} <= kept
    assert all(edge.source.name in kept and edge.target.name in kept for edge in system.edges)
    assert len(system.edges_of) == PLACES_MOST + 20


def test_what_isnt_listed_is_counted():
    """A record lists fifty messages; how many more there were, it tells."""
    story = Story()
    story.runs("orders", sends=[f"{ACCOUNT}:orders"], sent_more=12)
    assert places(surveyed(story.lines))["function orders"].unlisted == 12


def test_records_of_odd_shapes_are_surveyed():
    """Anybody may write a record: whatever stands in it, there is a map."""
    odd = [
        None,
        5,
        "x",
        [],
        {},
        [None],
        [{"message_ids": 5}],
        {"type": 5, "source": ["x"], "records": "many"},
    ]
    for key in (
        "trigger",
        "upstreams",
        "sent",
        "records",
        "span_id",
        "function_name",
        "MessageAge",
        "attempt",
    ):
        for value in odd:
            line = Logs().record(1, 5, 5.0, **{"trigger": {"type": "sqs", "source": "q"}, key: value})
            found = load(line.encode())
            assert survey(build_traces([Invocation("x", record=found)])).places
