"""Every document is one to X-Ray: over random invocations, batches, AWS calls, failures and timeouts."""

import contextlib
import threading

from aws_xray_sdk.core import xray_recorder
from hypothesis import given, settings
from hypothesis import strategies as st

from lambda_guard import _scope, production
from lambda_guard.testing import capture, events, make_context
from lambda_guard.timeout import watchdog

from .aws_clients import CALLS, Clients
from .conftest import check_segments

CLIENTS = Clients()
roots = st.sampled_from([f"1-6742a1b{number}-0123456789abcdef01234567" for number in range(4)])
headers = st.builds(
    "Root={};Parent=53995c3f42cd8ad{};Sampled={}".format,
    roots,
    st.integers(0, 9),
    st.sampled_from(["1", "1", "1", "0", "?"]),
)
names = st.text(max_size=300)
values = st.one_of(names, st.integers(), st.booleans(), st.floats(allow_nan=False, allow_infinity=False))
steps = st.lists(
    st.one_of(
        st.tuples(st.just("call"), st.sampled_from([*CALLS]), st.sampled_from([200, 200, 400, 429, 500])),
        st.tuples(st.just("annotate"), st.sampled_from(["order", "amount"]), values),
        st.tuples(st.just("describe"), names, values),
        st.tuples(st.just("open"), st.sampled_from(["charge", "refund"])),
        st.just(("close",)),
        st.just(("time runs out",)),
    ),
    max_size=6,
)


class OwnError(Exception):
    pass


def failure(text, depth):
    """Return an exception with this many causes."""
    error = OwnError(text)
    if depth:
        error.__cause__ = failure(text, depth - 1)
    return error


def take(step):
    """Do what a handler may do."""
    kind, *rest = step
    if kind == "call":
        with contextlib.suppress(Exception):
            CLIENTS.call(*rest)
    elif kind == "annotate":
        xray_recorder.put_annotation(rest[0], str(rest[1])[:1000])
    elif kind == "describe":
        xray_recorder.put_metadata(*rest)
    elif kind == "open":
        xray_recorder.begin_subsegment(*rest)
    elif kind == "close":
        xray_recorder.end_subsegment()
    else:
        warn()


def warn():
    """Have the watchdog find that time runs out, now."""
    scope = _scope.current()
    cell = watchdog._armed.pop(scope, None)
    if cell is not None:
        thread = threading.Thread(target=cell.alarm, args=(scope,))
        thread.start()
        thread.join(240)


@settings(max_examples=40)
@given(
    own=st.one_of(st.none(), headers),
    upstreams=st.lists(st.one_of(st.none(), headers), max_size=4),
    each_record=st.booleans(),
    steps=steps,
    error=st.one_of(st.none(), st.builds(failure, st.text(max_size=3000), st.integers(0, 5))),
    service=st.text(min_size=1, max_size=1200).filter(str.strip),
    function=st.text(min_size=1, max_size=250),
)
def test_every_document_is_one_to_x_ray(*, own, upstreams, each_record, steps, error, service, function):
    """Whatever an invocation is and does, its documents are valid, fit into a datagram, and hang together."""
    event = queue(upstreams)

    def handle(*_):
        for step in steps:
            take(step)
        if error is not None:
            raise error

    with capture(own) as captured, contextlib.suppress(OwnError, ExceptionGroup):
        decorated = production(service=service, each_record=each_record)(handle)
        decorated(event, make_context(timeout_ms=60_000, function_name=function))
    assert "could not do its part" not in captured.output
    check_segments(captured)
    hangs_together(captured, {own or "", *(each or "" for each in upstreams)})


def queue(upstreams):
    """Return a queue's event with a message for each header; an empty one is a direct call's."""
    event = events.sqs(*range(len(upstreams))) if upstreams else {"Records": []}
    for record, header in zip(event["Records"], upstreams, strict=True):
        record["attributes"].pop("AWSTraceHeader", None)
        if header is not None:
            record["attributes"]["AWSTraceHeader"] = header
    return event


def hangs_together(captured, received):
    """Hold each parent to be a document of ours in the same trace, or a sender's."""
    parts = {}

    def add(document, trace_id):
        parts.setdefault(document["id"], trace_id)
        for child in document.get("subsegments", ()):
            add(child, trace_id)

    for segment in captured.segments:
        add(segment.document, segment.trace_id)
    senders = {tuple(part.split("=")[1] for part in header.split(";")[:2]) for header in received if header}
    for segment in captured.segments:
        at = segment.trace_id, segment.parent_id
        assert parts.get(segment.parent_id) == segment.trace_id or at in senders
