"""A second tracer, of fewer than 80 lines, takes all that a tracer is told, without a module of X-Ray's."""

import json
import textwrap
import time
from pathlib import Path

import pytest

from lambda_guard import production
from lambda_guard.propagation.header import parse
from lambda_guard.sinks import tracer
from lambda_guard.testing import TRACE_HEADER, capture, events, make_context

from . import second_tracer

OWN = parse(TRACE_HEADER)
UPSTREAM = parse("Root=1-6742a1b5-0123456789abcdef01234567;Parent=4c721bf33e3caf8f;Sampled=1")
OTHER = parse("Root=1-6742a1b5-aaaaaaaaaaaaaaaaaaaaaaaa;Parent=4c721bf33e3caf90;Sampled=1")


@pytest.fixture
def spans(monkeypatch):
    """Have the second tracer in the first one's place, and return what it sends."""
    monkeypatch.setitem(tracer.HOMES, "xray", second_tracer.__name__)
    found = []
    stop = second_tracer.collect(found.append)
    yield found
    stop()


def send(client):
    """Send a message, and return the trace header that went with it."""
    client.send_message(QueueUrl="https://sqs.eu-west-1.amazonaws.com/1/q", MessageBody="a")
    return parse(json.loads(client.sent[-1].body)["MessageSystemAttributes"]["AWSTraceHeader"]["StringValue"])


def test_it_is_small_and_knows_nothing_of_xray(fresh):
    """What a tracer needs of the core fits on a page."""
    text = Path(second_tracer.__file__).read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 80
    assert "xray" not in text.lower().replace("x-ray's", "")
    code = f"""
        import sys
        sys.path.insert(0, {str(Path(second_tracer.__file__).parent)!r})
        from lambda_guard.sinks import tracer
        tracer.HOMES["xray"] = "second_tracer"
        from lambda_guard import production
        production(lambda event, context: None)({{}}, None)
        print(sorted(name for name in sys.modules if "xray" in name))
    """
    assert fresh(textwrap.dedent(code), _X_AMZN_TRACE_ID=TRACE_HEADER).splitlines()[-1] == "[]"


def test_an_invocation_in_its_own_trace(spans):
    """It has one span, whose id the invocation record names."""
    handler = production(lambda event, context: "done")
    with capture(TRACE_HEADER) as captured:
        handler({}, make_context())
    (span,) = spans
    assert (span["trace"], span["parent"], span["outcome"]) == (OWN.root, OWN.parent, "success")
    assert span["id"] == captured.record["span_id"]
    assert span["ended"] >= span["started"]


def test_an_error(spans):
    """The span has its type, and the very exception comes out."""
    error = ValueError("refused")

    @production
    def handler(event, context):
        raise error

    with capture(TRACE_HEADER), pytest.raises(ValueError, match="refused") as raised:
        handler({}, make_context())
    assert raised.value is error
    assert (spans[0]["outcome"], spans[0]["error"]) == ("error", error)


def test_an_adopted_trace(spans, sqs):
    """Work for one upstream belongs to its trace, and so does what it sends on."""
    sent = []
    handler = production(lambda event, context: sent.append(send(sqs)))
    with capture(TRACE_HEADER):
        handler(events.sqs("a", trace_header=UPSTREAM.text()), make_context())
    call, span = spans
    assert (span["trace"], span["parent"], span["links"]) == (UPSTREAM.root, UPSTREAM.parent, [OWN.root])
    assert (call["name"], call["trace"], call["parent"]) == ("sqs SendMessage", UPSTREAM.root, span["id"])
    assert (sent[0].root, sent[0].parent, sent[0].lineage) == (UPSTREAM.root, call["id"], OWN.lineage)


def test_several_upstream_traces(spans):
    """Work for several stays in the function's own trace, which is linked with theirs."""
    handler = production(lambda event, context: None)
    with capture(TRACE_HEADER):
        handler(events.sqs("a", "b", trace_header=[UPSTREAM.text(), OTHER.text()]), make_context())
    assert spans[0]["trace"] == OWN.root
    assert spans[0]["links"] == [UPSTREAM.root, OTHER.root]


@pytest.mark.parametrize("is_async", [False, True])
def test_a_batch(spans, sqs, is_async):
    """Each item has a span in the trace that it came with, and sends that on; one that fails says so."""
    sent = {}

    def work(record):
        sent[record.body] = send(sqs)
        if record.body == "b":
            raise ValueError("refused")

    async def work_async(record):
        work(record)

    handler = production(each_record=True, report_batch_item_failures=True)(work_async if is_async else work)
    batch = events.sqs("a", "b", message_ids=["m-1", "m-2"], trace_header=[UPSTREAM.text(), None])
    with capture(TRACE_HEADER) as captured:
        assert handler(batch, make_context(timeout_ms=60_000)) == {
            "batchItemFailures": [{"itemIdentifier": "m-2"}]
        }
    items = {span["message_id"]: span for span in spans if span["name"] == "item"}
    assert [(items[key]["trace"], items[key]["outcome"]) for key in ("m-1", "m-2")] == [
        (UPSTREAM.root, "success"),
        (OWN.root, "error"),
    ]
    assert {body: header.root for body, header in sent.items()} == {"a": UPSTREAM.root, "b": OWN.root}
    assert captured.record["records"]["failed"] == 1
    assert spans[-1]["name"] == "work_async" if is_async else "work"


def test_time_running_out(spans):
    """What is open is sent while the handler is stuck, and once more, whole, when it makes it after all."""

    @production
    def handler(event, context):
        end = time.monotonic() + 240
        while not spans and time.monotonic() < end:
            time.sleep(0.005)

    with capture(TRACE_HEADER) as captured:
        handler({}, make_context(timeout_ms=1000))
    stuck, whole = spans
    assert (stuck["outcome"], stuck["open"], stuck["error"]["type"]) == ("timeout", True, "Timeout")
    assert (whole["outcome"], whole["id"]) == ("success", stuck["id"])
    assert [record["outcome"] for record in captured.records] == ["timeout", "success"]


def test_what_is_captured_in_tests_is_what_it_sends(spans):
    """`lambda_guard.testing` takes the documents of whichever tracer there is."""
    with capture(TRACE_HEADER) as captured:
        production(lambda event, context: None)({}, make_context())
    assert [document["trace"] for document in captured._documents] == [OWN.root]


def test_one_that_breaks_takes_nothing_with_it(spans, monkeypatch):
    """Whatever a tracer raises, the outcome, the record and the header that is sent on are there."""
    for name in ("enter", "leave", "begin_call", "end_call", "current_id", "begin_item", "end_item", "warn"):
        monkeypatch.setattr(second_tracer.Plain, name, lambda *_: 1 / 0)
    with capture(TRACE_HEADER) as captured:
        assert production(lambda event, context: "done")({}, make_context()) == "done"
    assert captured.record["outcome"] == "success"
    assert captured.record["GuardErrors"] == 2
