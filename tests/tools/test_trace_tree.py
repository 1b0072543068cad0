"""Joining: who caused whom, from records alone."""

from hypothesis import given, settings
from hypothesis import strategies as st

from lambda_guard.tools.invocation import Invocation
from lambda_guard.tools.render_trace import TraceView
from lambda_guard.tools.terminal import Palette
from lambda_guard.tools.trace_tree import build_traces

from .conftest import BEGAN, stamp


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


@settings(deadline=None, max_examples=200)
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
