"""Joining: who caused whom, from records alone."""

import json
import sys

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambda_guard.tools.logs.invocation import Invocation
from lambda_guard.tools.logs.traces.membership import Focus
from lambda_guard.tools.logs.traces.tree import build_traces
from lambda_guard.tools.logs.views.documents import trace_line
from lambda_guard.tools.logs.views.html.page_data import page_data
from lambda_guard.tools.logs.views.waterfall import TraceView, others_text, waited_text
from lambda_guard.tools.terminal import Palette

from ..conftest import BEGAN, stamp


def invocation(
    name,
    at,
    *,
    trace="1-00000001-000000000000000000000001",
    outcome="success",
    source="",
    received=(),
    **record,
):
    """Make an invocation that ran for 10 ms."""
    upstreams = [{"trace_id": trace, "message_ids": list(received)}] if received else []
    return Invocation(
        name,
        record={
            "record": "invocation",
            "outcome": outcome,
            "invocation_id": name,
            "function_name": name,
            "timestamp": stamp(BEGAN + at + 10),
            "duration_ms": 10.0,
            "xray_trace_id": trace,
            "trigger": {"type": "sqs", "source": source},
            "upstreams": upstreams,
            **record,
        },
    )


def shape(*invocations):
    """Give the trees as nested lists of names with their links."""

    def told(node):
        return (node.invocation.invocation_id, node.link, [told(child) for child in node.children])

    return [[told(root) for root in trace.roots] for trace in build_traces(invocations)]


def rows_of(traces):
    """Give the rows of the page, as its script gets them."""
    return json.loads(msgspec.json.encode(page_data(traces, title="")[1]))


def sent(*message_ids, span=""):
    return [
        {"service": "sqs", "operation": "SendMessage", "target": "q", "message_id": one, "span_id": span}
        for one in message_ids
    ]


def test_a_message_leads_from_sender_to_receiver():
    """Also where they are in different traces, and where the receiver stands first in the logs."""
    receiver = invocation("b", 50, trace="1-00000002-000000000000000000000002", received=["m"])
    sender = invocation("a", 0, sent=sent("m"))
    assert shape(receiver, sender) == [[("a", "root", [("b", "message", [])])]]


def test_a_span_leads_from_caller_to_called():
    """Synchronous calls and SNS leave no message id: the parent's span names the call, or the caller."""
    caller = invocation("a", 0, span_id="s-0", sent=sent("", span="s-1"))
    assert shape(caller, invocation("b", 5, parent_id="s-1"), invocation("c", 6, parent_id="s-0")) == [
        [("a", "root", [("b", "span", []), ("c", "span", [])])]
    ]


def test_retries_stand_beside_the_first_attempt():
    """The same message again is another attempt, under the same sender."""
    tries = [invocation(f"try-{number}", 100 * number, received=["m"], outcome="error") for number in (1, 2)]
    assert shape(invocation("a", 0, sent=sent("m")), *tries) == [
        [("a", "root", [("try-1", "message", []), ("try-2", "retry", [])])]
    ]


def test_retries_without_a_sender_are_one_trace():
    """Lambda starts a new trace for each receive; the message joins them."""
    first = invocation("x", 0, received=["m"], trace="1-00000001-00000000000000000000000a")
    second = invocation("y", 100, received=["m"], trace="1-00000001-00000000000000000000000b")
    assert shape(first, second) == [[("x", "root", []), ("y", "retry", [])]]


def test_the_same_message_from_another_queue_is_a_dead_letter():
    """A redrive keeps the message's id: who receives it elsewhere cleans up after the attempt that failed."""
    failing = invocation("billing", 0, received=["m"], source="arn:aws:sqs:r:1:orders", outcome="error")
    rescue = invocation("rescue", 500, received=["m"], source="arn:aws:sqs:r:1:orders-dead")
    assert shape(failing, rescue) == [[("billing", "root", [("rescue", "dead-letter", [])])]]


@pytest.mark.parametrize("outcome", ["success", "error"])
def test_a_dead_letter_is_what_somebody_failed_on(outcome):
    """A message that was handled dies nowhere: whoever has it from another queue has a copy, or was sent it."""
    first = invocation("a", 0, received=["m"], source="arn:aws:sqs:r:1:q", outcome=outcome)
    other = invocation("b", 50, received=["m"], source="arn:aws:sqs:r:1:other")
    link = {
        "success": [("a", "root", []), ("b", "root", [])],
        "error": [("a", "root", [("b", "dead-letter", [])])],
    }
    assert shape(first, other) == [link[outcome]]
    published = [{"service": "sns", "operation": "Publish", "target": "t", "message_id": "m"}]
    ((root,),) = shape(invocation("x", -50, sent=published), first, other)
    assert root == ("x", "root", [("a", "message", []), ("b", "message", [])])


def test_the_copies_of_an_event_in_two_queues_are_neither_retries_nor_dead_letters():
    """All have the id of the envelope in common, which the topic gave; what comes again has that of its queue."""

    def copy(name, at, queue, outcome="success", **more):
        ids = [f"{queue}-1", "event"]
        source = {"trigger": {"type": "sns-sqs", "source": f"arn:aws:sqs:r:1:{queue}", "records": 1}}
        return invocation(name, at, outcome=outcome, received=ids, **source, **more)

    published = [{"service": "sns", "operation": "Publish", "target": "t", "message_id": "event"}]
    last = copy("a-again", 200, "a", "error", attempt=2, final_attempt=True)
    found = [invocation("x", 0, sent=published), copy("a", 50, "a", "error"), copy("b", 100, "b"), last]
    assert shape(*found) == [
        [("x", "root", [("a", "message", []), ("b", "message", []), ("a-again", "retry", [])])]
    ]
    ((trace,),) = [build_traces(found)]
    assert [node.dead_letters for _, node in trace.walk()] == [[], [], [], ["a-1"]]


def test_a_batch_of_several_senders_hangs_below_the_first():
    """A tree has one parent each; the others are counted."""
    traces = build_traces(
        [
            invocation("a", 0, sent=sent("m-1")),
            invocation("b", 1, sent=sent("m-2")),
            invocation("c", 50, received=["m-1", "m-2"]),
        ]
    )
    ((root, other),) = [trace.roots for trace in traces]
    assert (root.children[0].invocation.invocation_id, root.children[0].other_senders, other.children) == (
        "c",
        1,
        [],
    )


def test_strangers_are_traces_of_their_own():
    """What names nothing in common is not joined."""
    assert shape(invocation("a", 0, trace="1-a"), invocation("b", 1, trace="1-b")) == [
        [("a", "root", [])],
        [("b", "root", [])],
    ]


def test_parents_in_a_circle_do_not_hang_it():
    """Records may say anything, also that each is the other's parent."""
    assert shape(
        invocation("a", 0, span_id="1", parent_id="2"), invocation("b", 5, span_id="2", parent_id="1")
    ) == [[("b", "root", [("a", "span", [])])]]


def test_a_very_deep_trace_is_drawn():
    """A function that sends to its own queue may go on for thousands of steps."""
    chain = [
        invocation(f"step-{number}", 20 * number, received=[f"m-{number}"], sent=sent(f"m-{number + 1}"))
        for number in range(3000)
    ]
    (trace,) = build_traces(chain)
    assert max(depth for depth, _ in trace.walk()) == 2999
    rows = [
        line for line in TraceView(Palette(on=False), 100).trace(trace).splitlines() if line.startswith("✓")
    ]
    assert ("step-2999" in rows[-1], len(rows)) == (True, 3000)
    text = trace_line(trace)
    assert text.count('"children":[{"invocation_id"') == 2999
    assert text.endswith('"children":[' + "]}" * 3001 + "\n")


def test_the_tree_in_json_has_the_shape_of_the_tree():
    """Branches, and several roots."""
    traces = build_traces(
        [
            invocation("a", 0, span_id="1"),
            invocation("b", 5, span_id="2", parent_id="1"),
            invocation("c", 6, span_id="3", parent_id="2"),
            invocation("d", 7, span_id="4", parent_id="1"),
            invocation("e", 900, span_id="5"),
        ]
    )

    def shape(documents):
        return {one["invocation_id"]: shape(one["children"]) for one in documents}

    told = [json.loads(trace_line(trace)) for trace in traces]
    assert [shape(one["roots"]) for one in told] == [{"a": {"b": {"c": {}}, "d": {}}, "e": {}}]


def seen_from(wanted, *invocations):
    """Give the tree of an id, as (id, link, failed, what else was in the batch)."""
    focus = Focus(wanted, invocations)
    traces = build_traces(focus.members, focus)
    told = [
        (node.invocation.invocation_id, node.link, node.failed, others_text(node))
        for trace in traces
        for _, node in trace.walk()
    ]
    return [trace.trace_id for trace in traces], told


ONE, TWO, BATCH = (f"1-0000000{number}-00000000000000000000000{number}" for number in (1, 2, 3))


def shared():
    """Two orders in one batch, the second of which fails, is tried again alone, and ends as a dead letter."""
    upstreams = [{"trace_id": ONE, "message_ids": ["m-1"]}, {"trace_id": TWO, "message_ids": ["m-2"]}]
    failed = {"total": 2, "failed": 1, "failures": [{"message_id": "m-2", "attempt": 1}]}
    alone = {"upstreams": upstreams[1:], "source": "arn:aws:sqs:r:1:parcels"}
    return [
        invocation("order-1", 0, trace=ONE, sent=sent("m-1")),
        invocation("order-2", 5, trace=TWO, sent=sent("m-2")),
        invocation(
            "batch",
            50,
            trace=BATCH,
            upstreams=upstreams,
            records=failed,
            trigger={"type": "sqs", "source": "arn:aws:sqs:r:1:parcels", "records": 2},
            sent=sent("m-3", "m-4", "m-5"),
        ),
        invocation("again", 500, trace="1-4-4", outcome="error", final_attempt=True, **alone),
        invocation("next", 60, trace=BATCH, received=["m-3"]),
        invocation("next-1", 61, trace=ONE, received=["m-4"]),
        invocation("next-2", 62, trace=TWO, received=["m-5"]),
        invocation("stranger", 0, trace="1-5-5", sent=sent("m-9")),
    ]


@pytest.mark.parametrize("wanted", [ONE, "m-1", "order-1", "next-1"])
def test_a_shared_batch_appears_once_without_the_others(wanted):
    """Of a batch that joins traces, one sees what became of one's own message, and what the batch did as a whole."""
    assert seen_from(wanted, *shared()) == (
        [ONE],
        [
            ("order-1", "root", False, ""),
            ("batch", "message", False, "with 1 message of 1 other trace"),
            ("next", "message", False, ""),
            ("next-1", "message", False, ""),
        ],
    )


@pytest.mark.parametrize("wanted", [TWO, "m-2", "order-2", "again", "1-4-4"])
def test_a_failed_message_is_followed_through_its_retries(wanted):
    """The failure in the batch, the later attempts and the dead letter belong to the trace of the message."""
    names, told = seen_from(wanted, *shared())
    assert names == ["1-4-4" if wanted in {"again", "1-4-4"} else TWO]
    assert told == [
        ("order-2", "root", False, ""),
        ("batch", "message", True, "with 1 message of 1 other trace"),
        ("next", "message", False, ""),
        ("next-2", "message", False, ""),
        ("again", "retry", True, ""),
    ]


@pytest.mark.parametrize("wanted", ["batch", BATCH])
def test_the_batch_itself_shows_all_that_led_to_it(wanted):
    """Who asks for the batch, by its id or its own trace, sees all of its upstream traces."""
    names, told = seen_from(wanted, *shared())
    assert names == [BATCH]
    assert sorted(told) == sorted(
        [
            ("order-1", "root", False, ""),
            ("order-2", "root", False, ""),
            ("batch", "message", True, ""),
            ("next", "message", False, ""),
            ("next-1", "message", False, ""),
            ("next-2", "message", False, ""),
            ("again", "retry", True, ""),
        ]
    )


def test_what_a_batch_sent_for_other_traces_is_not_called_lost():
    """A message that was received outside of the trace that is shown has been received."""
    focus = Focus(ONE, shared())
    (trace,) = build_traces(focus.members, focus)
    assert [sent["message_id"] for _, node in trace.walk() for sent in node.unreceived] == []


def test_failures_of_other_traces_are_drawn_dim():
    """They are told, for they say why a batch is marked, and do not stand out."""
    focus = Focus(ONE, shared())
    (trace,) = build_traces(focus.members, focus)
    assert "\x1b[2mof another trace: message m-2: error\x1b[0m" in TraceView(Palette(on=True)).trace(trace)


def test_a_server_error_is_a_failure_in_the_trace_the_page_and_json():
    """Marked, counted and named by request and status, wherever it's looked at."""
    http = {"method": "GET", "route": "/orders/{id}", "status": 502}
    (trace,) = build_traces([invocation("api", 0, http=http)])
    drawn = TraceView(Palette(on=False)).trace(trace)
    assert "1 failed" in drawn
    assert "\n✗ api " in drawn
    assert "GET /orders/{id} 502" in drawn
    (node,) = rows_of([trace])
    assert (node["outcome"], node["mark"], node["failed"]) == ("server error", "✗", True)
    assert ["request", "GET /orders/{id} 502"] in node["facts"]
    assert node["from"] == "sqs · GET /orders/{id} 502"
    (told,) = json.loads(trace_line(trace))["roots"]
    assert (told["outcome"], told["failed"], told["record"]["http"]) == ("success", True, http)


def test_the_page_and_json_see_a_shared_batch_the_same_way():
    """Not failed, the others' failure soft, and what else was in the batch among the facts."""
    focus = Focus(ONE, shared())
    traces = build_traces(focus.members, focus)
    batch = rows_of(traces)[1]
    assert (batch["ids"][0][1], "failed" in batch, batch["facts"][-1]) == (
        "batch",
        False,
        ["", "with 1 message of 1 other trace"],
    )
    assert batch["notes"][0] == {
        "kind": "soft",
        "text": "\N{BALLOT X} of another trace: message m-2, attempt 1: error",
    }
    told = json.loads(trace_line(traces[0]))["roots"][0]["children"][0]
    assert (told["failed"], told["shared_with"]) == (False, {"messages": 1, "traces": 1})


def test_messages_without_a_trace_are_followed_by_their_ids():
    """With tracing off, the ids alone tell which part of a batch is whose."""
    batch = invocation("c", 50, trace="", upstreams=[{"trace_id": None, "message_ids": ["m-1", "m-2"]}])
    senders = [invocation("a", 0, trace="", sent=sent("m-1")), invocation("b", 1, trace="", sent=sent("m-2"))]
    retry = invocation("d", 90, trace="", upstreams=[{"trace_id": None, "message_ids": ["m-2"]}])
    assert seen_from("a", *senders, batch, retry)[1] == [
        ("a", "root", False, ""),
        ("c", "message", False, "with other messages"),
    ]


@pytest.mark.parametrize("width", [80, 120])
def test_no_line_is_wider_than_the_terminal(width):
    """What stands under a row is wrapped below its stem, an id never broken."""
    long = invocation("next-3", 70, trace=TWO, function_name="a-function-with-a-name-" * 3, parent_id="m-5")
    focus = Focus(TWO, [*shared(), long])
    (trace,) = build_traces(focus.members, focus)
    lines = TraceView(Palette(on=False), width).trace(trace).splitlines()
    assert [line for line in lines if len(line) > width] == []
    assert lines[0].startswith(f"trace {TWO}")
    assert sum("again" in line.split() for line in lines) >= 1


IDS = st.sampled_from(["m-1", "m-2", "m-3", "s-1", "s-2", ""])
ANYTHING = st.recursive(
    st.none() | IDS | st.floats() | st.booleans(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(IDS, inner, max_size=2),
    max_leaves=5,
)
ENTRY = st.dictionaries(
    st.sampled_from(["message_id", "span_id", "message_ids", "trace_id", "parent_id", "target"]),
    IDS | st.lists(IDS, max_size=3) | ANYTHING,
)
RECORD = st.fixed_dictionaries(
    {"record": st.just("invocation"), "outcome": st.sampled_from(["success", "error", "timeout"])},
    optional={
        "span_id": IDS,
        "parent_id": IDS,
        "xray_trace_id": IDS,
        "timestamp": st.integers(0, 10**13) | ANYTHING,
        "duration_ms": st.floats(0, 1e6) | ANYTHING,
        "sent": st.lists(ENTRY, max_size=3) | ANYTHING,
        "upstreams": st.lists(ENTRY, max_size=3) | ANYTHING,
        "records": ANYTHING | st.fixed_dictionaries({"failures": st.lists(ENTRY, max_size=2)}),
        "trigger": ANYTHING | st.fixed_dictionaries({"source": IDS, "records": ANYTHING}),
        "error": ANYTHING,
        "calls": st.lists(ENTRY, max_size=2),
        "final_attempt": st.booleans(),
    },
)


@pytest.mark.slow
@settings(max_examples=200)
@given(st.lists(st.tuples(st.sampled_from("abcd"), RECORD), max_size=12))
def test_joining_and_drawing_never_raise_and_lose_nobody(told):
    """Whatever the records say, each invocation stands in exactly one place of one tree, and can be drawn."""
    invocations = [
        Invocation(name, record=record, attempt_seen=place) for place, (name, record) in enumerate(told, 1)
    ]
    traces = build_traces(invocations)
    placed = [node.invocation for trace in traces for _, node in trace.walk()]
    assert sorted(map(id, placed)) == sorted(map(id, invocations))
    for trace in traces:
        assert TraceView(Palette(on=False), 80).trace(trace)
    focus = Focus("m-1", invocations)
    for trace in build_traces(focus.members, focus):
        assert TraceView(Palette(on=False), 80).trace(trace)
        assert json.loads(trace_line(trace))


def test_an_execution_that_goes_on_is_no_retry():
    """The invocations of a durable execution hang below the same sender, also where only the execution joins them."""
    durable = {"execution": "arn:…/durable-execution/o-7/1", "name": "o-7"}
    sender = invocation("orders", 0, sent=sent("m-1"))
    waits = invocation("first", 20, received=["m-1"], source="q", outcome="suspended", durable=durable)
    resumed = invocation("second", 60, received=["m-1"], source="q", durable=durable)
    assert shape(sender, waits, resumed) == [
        [("orders", "root", [("first", "message", []), ("second", "resumed", [])])]
    ]
    alone = [
        invocation("first", 0, trace="t-1", outcome="suspended", durable=durable),
        invocation("second", 60, trace="t-2", durable=durable),
    ]
    assert shape(*alone) == [[("first", "root", []), ("second", "resumed", [])]]
    (trace,) = build_traces(alone)
    assert waited_text(trace.roots[1]) == "resumed after 50 ms"
    assert trace.failed == 0


def chain(count):
    """Give a message that is sent on and on, one invocation after the other."""
    return [
        invocation(f"i-{at}", at * 20, received=[f"m-{at - 1}"], sent=sent(f"m-{at}")) for at in range(count)
    ]


def fan_out(count):
    """Give an invocation that sends many messages, each to one of its own."""
    root = invocation("i-0", 0, sent=sent(*(f"m-{at}" for at in range(1, count))))
    return [root, *(invocation(f"i-{at}", at + 20, received=[f"m-{at}"]) for at in range(1, count))]


def retries(count):
    """Give a message that fails again and again."""
    return [invocation(f"i-{at}", at * 20, outcome="error", received=["m"]) for at in range(count)]


def calls_for(invocations):
    """Count the calls that it takes to find what belongs to the trace, join it, and draw it."""
    seen = [0]

    def count(_frame, event, _argument):
        seen[0] += event in {"call", "c_call"}

    sys.setprofile(count)
    try:
        focus = Focus("1-00000001-000000000000000000000001", invocations)
        (trace,) = build_traces(focus.members, focus)
        TraceView(Palette(on=False), 120).trace(trace)
    finally:
        sys.setprofile(None)
    assert len(trace.invocations) == len(invocations)
    return seen[0]


@pytest.mark.parametrize("made", [chain, fan_out, retries])
def test_twice_the_invocations_take_twice_the_work(made):
    """Ten thousand are a matter of seconds, whatever their shape: work is counted in calls, which no busy machine changes."""
    assert calls_for(made(800)) < 2.1 * calls_for(made(400))
