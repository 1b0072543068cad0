"""The invocation's place in its trace, and what the handler's own X-Ray code makes of it."""

import asyncio
import contextlib
import json
import logging
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest
from aws_lambda_powertools import Tracer
from aws_xray_sdk.core import xray_recorder
from aws_xray_sdk.core.context import Context
from aws_xray_sdk.core.lambda_launcher import LambdaContext

from lambda_guard import logger, production
from lambda_guard.testing import capture, events, make_context

OWN, PARENT, LINEAGE = "1-5759e988-bd862e3fe1be46a994272793", "53995c3f42cd8ad8", "a87bd80c:1|5dd5f2f6:0"
UPSTREAM, SENDER = "1-6742a1b5-0123456789abcdef01234567", "4c721bf33e3caf8f"
VARIABLE = "_X_AMZN_TRACE_ID"


# The SDK's plain context, and the one that it takes inside Lambda.
pytestmark = [
    pytest.mark.usefixtures("recorder"),
    pytest.mark.parametrize(
        "recorder", [Context, LambdaContext], ids=["context", "in Lambda"], indirect=True
    ),
]


def upstream(root=UPSTREAM, parent=SENDER, sampled="1"):
    """Return a message's header."""
    return f"Root={root};Parent={parent};Sampled={sampled};Lineage=feedbeef:3"


def queue(*headers):
    """Return an SQS event with a record for each header, `None` for one without."""
    event = events.sqs(*range(len(headers)))
    for record, header in zip(event["Records"], headers, strict=True):
        record["attributes"].pop("AWSTraceHeader", None)
        if header is not None:
            record["attributes"]["AWSTraceHeader"] = header
    return event


def tree(captured):
    """Return every segment and subsegment that was sent, by id, each with its parent's id and its trace's."""
    found = {}

    def add(document, parent_id, trace_id):
        document = {**document}
        document.setdefault("parent_id", parent_id)
        document.setdefault("trace_id", trace_id)
        assert document["id"] not in found, "sent twice"
        found[document["id"]] = document
        for child in document.pop("subsegments", ()):
            add(child, document["id"], document["trace_id"])

    for segment in captured.segments:
        add(segment.document, None, None)
    return found


def path(captured, name):
    """Return the names from the root down to the one document of a name."""
    documents = tree(captured)
    (document,) = [document for document in documents.values() if document["name"] == name]
    names = [name]
    while (document := documents.get(document.get("parent_id"))) is not None:
        names.insert(0, document["name"])
    return names


def named(captured, name):
    """Return the one document of a name."""
    (document,) = [document for document in tree(captured).values() if document["name"] == name]
    return document


# --- Our own documents -------------------------------------------------------------------------------------------


def test_the_handlers_subsegment(invoke, header):
    """One document below the function's segment: name, times, annotations."""

    def handler(event, context):
        time.sleep(0.001)

    before = time.time()
    captured = invoke(handler, header=header, context=make_context(aws_request_id="r-1"))
    (segment,) = captured.segments
    document = segment.document
    assert before <= document.pop("start_time") < document.pop("end_time") <= time.time()
    assert document.pop("id") == captured.record["span_id"]
    assert document == {
        "name": "## handler",
        "trace_id": OWN,
        "parent_id": PARENT,
        "type": "subsegment",
        "namespace": "local",
        "annotations": {
            "invocation_id": "r-1",
            "service": "orders",
            "trigger": "lambda",
            "cold_start": False,
            "outcome": "success",
        },
    }


@pytest.mark.parametrize("message_id", ["m-1", 'é "\ud800\n', "x" * 2000], ids=["usual", "odd", "long"])
@pytest.mark.parametrize("attempt", ["3", "none"])
def test_a_records_subsegment(invoke, header, message_id, attempt):
    """One document below the invocation's: times, and in its annotations what its log lines have."""
    event = queue(None)
    (record,) = event["Records"]
    record["messageId"], record["attributes"]["ApproximateReceiveCount"] = message_id, attempt

    def handler(record):
        logger.info("at work")

    before = time.time()
    captured = invoke(
        handler,
        event,
        header=header,
        each_record=True,
        service="s" * 1010,
        context=make_context(timeout_ms=60_000),
    )
    document, around = named(captured, "record"), named(captured, "## handler")
    assert before <= document.pop("start_time") <= document.pop("end_time") <= time.time()
    assert len(document.pop("id")) == len(around["id"])
    known = {"message_id": message_id[:1000], **({"attempt": 3} if attempt == "3" else {})}
    assert document == {
        "name": "record",
        "trace_id": OWN,
        "parent_id": around["id"],
        "type": "subsegment",
        "namespace": "local",
        "annotations": {
            "invocation_id": around["annotations"]["invocation_id"],
            "service": "s" * 1000,
            "trigger": "sqs",
            "outcome": "success",
            **known,
        },
    }
    (line,) = [each for each in captured.lines if each.get("message") == "at work"]
    assert line["message_id"] == message_id
    assert line.get("attempt") == known.get("attempt")


def test_an_error_is_a_fault_with_its_cause(invoke, header):
    """The exception stands in the document with its chain and its frames, innermost first, the type in the annotation."""

    def charge():
        raise ValueError("refused") from KeyError("id")

    def handler(event, context):
        charge()

    document = named(invoke(handler, header=header), "## handler")
    assert document["fault"] is True
    assert document["annotations"]["outcome"] == "error"
    first, second = document["cause"]["exceptions"]
    assert (first["type"], first["message"], first["remote"]) == ("ValueError", "refused", False)
    assert [frame["label"] for frame in first["stack"]] == ["charge", "handler"]
    assert first["stack"][0]["path"] == "test_xray.py"
    assert first["cause"] == second["id"]
    assert second["type"] == "KeyError"


@dataclass(frozen=True)
class FrozenError(Exception):
    why: str


def test_an_exception_that_takes_no_attributes(invoke, header):
    """A frozen dataclass comes out as it is, and is told: nothing is set on it."""
    error = FrozenError("no")

    def handler(event, context):
        raise error

    captured = invoke(handler, header=header)
    assert captured.raised is error
    assert vars(error) == {"why": "no"}
    assert named(captured, "## handler")["cause"]["exceptions"][0]["type"] == "FrozenError"


UNRECORDED = {
    "not sampled": f"Root={OWN};Parent={PARENT};Sampled=0",
    "undecided": f"Root={OWN};Parent={PARENT};Sampled=?",
    "no decision": f"Root={OWN};Parent={PARENT}",
    "no parent": f"Root={OWN};Sampled=1",
    "empty": "",
    "garbage": "garbage",
    "malformed": "Root=1-x-y;Parent=z;Sampled=1",
    "half": "Root=;Parent=;Sampled=1",
}


@pytest.mark.parametrize("found", UNRECORDED.values(), ids=UNRECORDED)
def test_nothing_is_emitted_without_a_sampled_trace(invoke, found):
    """No document, no exception, also not into code that uses the SDK; the variable stays as it was."""
    xray_recorder.context = LambdaContext()  # outside of Lambda the SDK has no segment to stand in for

    @xray_recorder.capture("captured")
    def work():
        return 3

    def handler(event, context):
        with xray_recorder.in_subsegment("own") as own:
            own.put_annotation("a", 1)
            xray_recorder.put_annotation("a", 1)
            xray_recorder.put_metadata("a", 1)
        xray_recorder.begin_subsegment("left open")
        assert work() == 3
        assert os.environ[VARIABLE] == found

    captured = invoke(handler, header=found)
    assert captured.raised is None
    assert captured.segments == []


def test_no_variable_at_all(invoke, monkeypatch):
    """Outside of Lambda nothing is traced."""
    captured = invoke(lambda event, context: xray_recorder.begin_subsegment("x"))
    assert captured.raised is None
    assert captured.segments == []
    assert VARIABLE not in os.environ


# --- Adoption ----------------------------------------------------------------------------------------------------


def test_the_upstream_trace_is_adopted(invoke, header):
    """The work is a segment of this function in the sender's trace; both traces name each other."""
    seen = []

    def handler(event, context):
        seen.append(os.environ[VARIABLE])
        logger.info("in")
        print("printed")
        with xray_recorder.in_subsegment("work"):
            seen.append(xray_recorder.current_subsegment().trace_id)

    captured = invoke(handler, queue(upstream()), header=header, context=make_context(aws_request_id="r-1"))
    _, segment, own = captured.segments
    assert (segment.name, segment.trace_id, segment.parent_id) == ("orders", UPSTREAM, SENDER)
    assert not segment.is_subsegment
    assert segment.annotations == {
        "invocation_id": "r-1",
        "service": "orders",
        "trigger": "sqs",
        "cold_start": False,
        "outcome": "success",
        "lambda_trace_id": OWN,
    }
    assert segment.document["links"] == [{"trace_id": OWN, "id": own.id}]
    assert (own.name, own.trace_id, own.parent_id, own.is_subsegment) == ("## handler", OWN, PARENT, True)
    assert own.annotations["upstream_trace_id"] == UPSTREAM
    assert own.document["links"] == [{"trace_id": UPSTREAM, "id": segment.id}]
    assert captured.record["span_id"] == segment.id
    assert path(captured, "work") == ["orders", "## handler", "work"]
    assert seen == [f"Root={UPSTREAM};Parent={SENDER};Sampled=1;Lineage={LINEAGE}", UPSTREAM]
    assert {line["xray_trace_id"] for line in captured.lines} == {UPSTREAM}


@pytest.mark.parametrize(
    "error", [None, ValueError("no"), FrozenError("no"), SystemExit(1), KeyboardInterrupt()]
)
@pytest.mark.parametrize(
    "variable", [f"Root={OWN};Parent={PARENT};Sampled=1", f"Root={OWN};Sampled=0", "garbage", None]
)
def test_the_environment_is_what_it_was(recorder, error, variable, monkeypatch):
    """The variable, the recorder's entity and its context are as before, however the handler ended."""
    if variable is not None:
        monkeypatch.setenv(VARIABLE, variable)

    @production
    def handler(event, context):
        os.environ["OTHER"] = "kept"
        recorder.begin_subsegment("left open")
        if error is not None:
            raise error

    with capture():
        production(lambda event, context: None)(queue(upstream()), make_context())
        entity, inner = recorder.get_trace_entity(), recorder.context
        with pytest.raises(type(error)) if error is not None else contextlib.nullcontext() as raised:
            handler(queue(upstream()), make_context())
    assert raised is None or raised.value is error
    assert os.environ.get(VARIABLE) == variable
    assert recorder.context is inner
    after = recorder.get_trace_entity()
    assert (after and after.id) == (entity and entity.id)
    assert os.environ.pop("OTHER") == "kept"


def test_an_unsampled_upstream_is_adopted_without_documents(invoke, header):
    """The decision of the sender holds for its trace; our own document says whose work it was."""
    captured = invoke(lambda event, context: None, queue(upstream(sampled="0")), header=header)
    (own,) = captured.segments
    assert own.trace_id == OWN
    assert own.annotations["upstream_trace_id"] == UPSTREAM
    assert captured.record["xray_trace_id"] == UPSTREAM


def test_a_sampled_upstream_in_an_unsampled_invocation(invoke):
    """The sender's trace is recorded, though Lambda doesn't record its own."""
    captured = invoke(
        lambda event, context: None, queue(upstream()), header=f"Root={OWN};Parent={PARENT};Sampled=0"
    )
    (segment,) = captured.segments
    assert (segment.name, segment.trace_id) == ("orders", UPSTREAM)


def test_a_message_of_our_own_trace_is_not_adopted(invoke, header):
    """The Root can be the same: then there is nothing to join."""
    captured = invoke(lambda event, context: None, queue(upstream(root=OWN)), header=header)
    (segment,) = captured.segments
    assert (segment.name, segment.parent_id) == ("## lambda", PARENT)
    assert "upstream_trace_id" not in segment.annotations


def test_several_messages_of_one_trace_are_adopted_once(invoke, header):
    """Several parents in one trace: the first one's child, one segment."""
    event = queue(upstream(parent="1" * 16), upstream(parent="2" * 16))
    captured = invoke(lambda event, context: None, event, header=header)
    assert [(segment.trace_id, segment.parent_id) for segment in captured.segments] == [
        (UPSTREAM, "1" * 16),
        (OWN, PARENT),
    ]


@pytest.mark.parametrize("last", [upstream(), upstream(OWN), "garbage"], ids=["the same", "another", "none"])
def test_one_message_of_another_trace_among_very_many_is_not_adopted(invoke, header, last):
    """Beyond the hundred senders that are looked at each message's trace counts still."""
    event = queue(*[upstream(parent=f"{number:016x}") for number in range(1, 151)], last)
    captured = invoke(lambda event, context: None, event, header=header)
    assert captured.record["xray_trace_id"] == (UPSTREAM if last == upstream() else OWN)


@pytest.mark.parametrize("more", [None, upstream(root="1-6742a1b5-" + "f" * 24)], ids=["none", "another"])
def test_messages_of_several_traces_are_mirrored(invoke, header, more):
    """The work stays in its own trace; each upstream trace has a segment for the time of the invocation."""

    def handler(event, context):
        with xray_recorder.in_subsegment("work"):
            raise ValueError("no")

    captured = invoke(handler, queue(upstream(), more), header=header)
    assert path(captured, "work") == ["## handler", "work"]
    own = named(captured, "## handler")
    mirrors = [segment for segment in captured.segments if not segment.is_subsegment]
    assert {segment.trace_id for segment in mirrors} == {UPSTREAM} | ({more[5:40]} if more else set())
    for segment in mirrors:
        document = segment.document
        assert (segment.name, segment.parent_id) == ("orders", SENDER)
        assert (document["start_time"], document["end_time"]) == (own["start_time"], own["end_time"])
        assert document["fault"] is True
        assert document["cause"]["exceptions"][0]["type"] == "ValueError"
        assert segment.annotations["lambda_trace_id"] == OWN
        assert document["links"] == [{"trace_id": OWN, "id": own["id"]}]
    assert own["trace_id"] == OWN
    assert own["annotations"]["upstream_trace_id"] in {segment.trace_id for segment in mirrors}
    assert sorted((link["trace_id"], link["id"]) for link in own["links"]) == sorted(
        (segment.trace_id, segment.id) for segment in mirrors
    )
    assert captured.record["xray_trace_id"] == OWN


def test_mirrors_have_an_end(invoke, header):
    """Twenty upstream traces get a segment, sampled ones only, one each."""
    roots = [f"1-6742a1b5-{number:024x}" for number in range(30)]
    event = queue(
        *[upstream(root, sampled="0") for root in roots[:3]],
        *[upstream(root) for root in roots[3:]],
        upstream(roots[3]),
    )
    captured = invoke(lambda event, context: None, event, header=header)
    mirrors = [segment for segment in captured.segments if not segment.is_subsegment]
    assert [segment.trace_id for segment in mirrors] == roots[3:23]
    assert len({segment.id for segment in mirrors}) == 20


# --- The handler's own X-Ray code ---------------------------------------------------------------------------------


@pytest.fixture(params=["own", "adopted"])
def traced(request, invoke, header):
    """Run a handler in the function's own trace, and in an adopted one."""
    event = queue(upstream()) if request.param == "adopted" else {}

    def run(handler, **options):
        captured = invoke(handler, event, header=header, **options)
        captured.top = ["orders", "## handler"] if request.param == "adopted" else ["## handler"]
        captured.root = UPSTREAM if request.param == "adopted" else OWN
        return captured

    return run


def test_the_users_subsegments_nest_under_ours(traced):
    """Blocks, decorators, begin and end, nested: all hang where they were opened, in the one trace."""

    @xray_recorder.capture("captured")
    def work():
        with xray_recorder.in_subsegment("inner") as inner:
            inner.put_annotation("order", "o-1")
            xray_recorder.put_metadata("lines", {"a": 1}, "orders")

    def handler(event, context):
        with xray_recorder.in_subsegment("outer"):
            work()
        xray_recorder.begin_subsegment("begun")
        xray_recorder.end_subsegment()

    captured = traced(handler)
    assert path(captured, "inner") == [*captured.top, "outer", "captured", "inner"]
    assert path(captured, "begun") == [*captured.top, "begun"]
    assert {document["trace_id"] for document in tree(captured).values()} <= {captured.root, OWN}
    inner = named(captured, "inner")
    assert (inner["annotations"], inner["metadata"]) == ({"order": "o-1"}, {"orders": {"lines": {"a": 1}}})
    assert all(
        "in_progress" not in document and "end_time" in document for document in tree(captured).values()
    )


def test_what_the_user_puts_on_the_current_entity_is_on_ours(traced):
    """Annotations and metadata without an open subsegment are the handler's; ours can't be taken away."""

    def handler(event, context):
        xray_recorder.put_annotation("order", "o-1")
        xray_recorder.put_annotation("outcome", "mine")
        xray_recorder.put_metadata("key", "value")
        xray_recorder.current_subsegment().put_http_meta("status", 201)

    captured = traced(handler)
    documents = [document for document in tree(captured).values() if document["name"] == "## handler"]
    document = next(document for document in documents if document["trace_id"] == captured.root)
    assert document["annotations"]["order"] == "o-1"
    assert document["metadata"] == {"default": {"key": "value"}}
    assert document["http"] == {"response": {"status": 201}}
    assert all(
        document["annotations"].get("outcome") != "mine"
        for document in documents
        if document["trace_id"] == OWN
    )


def test_what_the_user_left_open_is_closed(traced):
    """Subsegments without an end are told with one, and those opened after them are their children."""

    def handler(event, context):
        xray_recorder.begin_subsegment("first")
        xray_recorder.begin_subsegment("second")

    captured = traced(handler)
    assert path(captured, "second") == [*captured.top, "first", "second"]
    assert all(document["end_time"] >= document["start_time"] for document in tree(captured).values())


def test_one_end_too_many_does_not_end_ours(traced):
    """The handler's subsegment can't be ended from inside: what follows still has its place."""

    def handler(event, context):
        xray_recorder.begin_subsegment("first")
        for _ in range(3):
            xray_recorder.end_subsegment()
        with xray_recorder.in_subsegment("second"):
            pass

    captured = traced(handler)
    assert path(captured, "first") == [*captured.top, "first"]
    assert path(captured, "second") == [*captured.top, "second"]


def test_powertools_tracer_nests_under_ours(traced, monkeypatch):
    """`capture_lambda_handler` and `capture_method` hang below the handler's subsegment."""
    monkeypatch.setenv("LAMBDA_TASK_ROOT", "/var/task")
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "orders")
    tracer = Tracer(service="orders", auto_patch=False, disabled=False)

    @tracer.capture_method
    def charge():
        tracer.put_annotation("amount", 3)

    @tracer.capture_lambda_handler
    def theirs(event, context):
        charge()
        return {"done": True}

    def handler(event, context):
        return theirs(event, context)

    captured = traced(handler)
    own = next(
        document
        for document in tree(captured).values()
        if document["name"].startswith("## ") and "charge" in document["name"]
    )
    assert own["annotations"] == {"amount": 3}
    assert path(captured, own["name"])[: len(captured.top) + 1] == [*captured.top, "## theirs"]


def test_threads_hang_below_what_was_open(traced):
    """Subsegments of the handler's threads are siblings below the handler, whatever the order."""

    def work(number):
        with xray_recorder.in_subsegment(f"work {number}"):
            time.sleep(0.002)
            with xray_recorder.in_subsegment(f"inner {number}"):
                pass

    def handler(event, context):
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(work, range(8)))

    captured = traced(handler)
    for number in range(8):
        assert path(captured, f"inner {number}") == [*captured.top, f"work {number}", f"inner {number}"]


def test_a_thread_that_is_given_its_parent(traced):
    """The SDK's own way: the entity is handed over with `set_trace_entity`."""

    def work(entity):
        xray_recorder.set_trace_entity(entity)
        with xray_recorder.in_subsegment("work"):
            pass
        xray_recorder.clear_trace_entities()

    def handler(event, context):
        with xray_recorder.in_subsegment("outer"):
            thread = threading.Thread(target=work, args=(xray_recorder.get_trace_entity(),))
            thread.start()
            thread.join(240)

    captured = traced(handler)
    assert path(captured, "work") == [*captured.top, "outer", "work"]


def test_tasks_hang_below_what_was_open_when_they_began(traced):
    """Siblings of `asyncio.gather` don't get each other's children."""

    async def work(number):
        async with xray_recorder.in_subsegment_async(f"work {number}"):
            await asyncio.sleep(0.001 * (5 - number))
            async with xray_recorder.in_subsegment_async(f"inner {number}"):
                await asyncio.sleep(0.001)

    async def handler(event, context):
        async with xray_recorder.in_subsegment_async("outer"):
            await asyncio.gather(*(work(number) for number in range(5)))

    captured = traced(handler)
    for number in range(5):
        assert path(captured, f"inner {number}") == [
            *captured.top,
            "outer",
            f"work {number}",
            f"inner {number}",
        ]


def test_an_invocation_inside_another_one(traced):
    """A handler that calls another decorated handler has its own subsegments again afterwards."""
    inner = production(service="inner")(lambda event, context: xray_recorder.begin_subsegment("inner work"))

    def handler(event, context):
        with xray_recorder.in_subsegment("outer work"):
            inner({}, make_context())
            with xray_recorder.in_subsegment("after"):
                pass

    captured = traced(handler)
    assert path(captured, "after") == [*captured.top, "outer work", "after"]


def test_a_retry_of_the_same_trace_in_a_warm_process(invoke):
    """Each invocation has its own parent, and its own decision, though the Root is the same."""

    def handler(event, context):
        with xray_recorder.in_subsegment("work"):
            pass

    first = invoke(handler, header=f"Root={OWN};Parent={'1' * 16};Sampled=1")
    second = invoke(handler, header=f"Root={OWN};Parent={'2' * 16};Sampled=1")
    third = invoke(handler, header=f"Root={OWN};Parent={'3' * 16};Sampled=0")
    fourth = invoke(handler, header=f"Root={OWN};Parent={'4' * 16};Sampled=1")
    assert [named(captured, "## handler")["parent_id"] for captured in (first, second, fourth)] == [
        "1" * 16,
        "2" * 16,
        "4" * 16,
    ]
    assert third.segments == []
    for captured in (first, second, fourth):
        assert path(captured, "work") == ["## handler", "work"]


# --- Size --------------------------------------------------------------------------------------------------------


def assert_all_fit(captured):
    """Hold every document to what a datagram carries."""
    for segment in captured.segments:
        assert len(json.dumps(segment.document, ensure_ascii=False).encode()) < 65_000


def test_metadata_goes_first(traced):
    """A document that is too large loses its metadata and says so; annotations, children and times stay."""

    def handler(event, context):
        with xray_recorder.in_subsegment("large") as large:
            large.put_annotation("order", "o-1")
            large.put_metadata("body", "x" * 100_000)
            with xray_recorder.in_subsegment("child"):
                pass
        with xray_recorder.in_subsegment("small"):
            xray_recorder.put_metadata("kept", 1)

    captured = traced(handler)
    assert_all_fit(captured)
    large = named(captured, "large")
    assert large["annotations"] == {"order": "o-1"}
    assert large["metadata"] == {"lambda_guard": {"left_out_for_size": "metadata"}}
    assert path(captured, "child") == [*captured.top, "large", "child"]
    assert named(captured, "small")["metadata"] == {"default": {"kept": 1}}


def test_what_the_user_put_on_the_handlers_own(traced):
    """The handler's subsegment is cut in the same way, and keeps our annotations."""

    def handler(event, context):
        xray_recorder.put_metadata("body", "é" * 100_000)
        xray_recorder.put_annotation("order", "o-1")

    captured = traced(handler)
    assert_all_fit(captured)
    documents = [document for document in tree(captured).values() if document["name"] == "## handler"]
    assert any(document.get("annotations", {}).get("order") == "o-1" for document in documents)
    assert all("end_time" in document for document in documents)


def test_ids_times_and_errors_go_last(traced):
    """Whatever is too large, what a document belongs to and how it ended stays."""

    def handler(event, context):
        with xray_recorder.in_subsegment("huge") as huge:
            for number in range(2000):
                huge.put_annotation(f"key{number}", "v" * 100)
            huge.put_http_meta("url", "u" * 100_000)
            raise ValueError("x" * 200_000)

    captured = traced(handler)
    assert_all_fit(captured)
    huge = named(captured, "huge")
    assert huge["fault"] is True
    assert huge["cause"]["exceptions"][0]["type"] == "ValueError"
    assert huge["end_time"] >= huge["start_time"]
    assert path(captured, "huge") == [*captured.top, "huge"]
    assert len(huge["annotations"]) == 50


def test_many_subsegments_all_arrive(traced):
    """More subsegments than the SDK keeps, more than a datagram holds: none is lost, none comes twice."""

    def handler(event, context):
        for number in range(300):
            with xray_recorder.in_subsegment(f"work {number}") as work:
                work.put_metadata("body", "x" * 2000)
                with xray_recorder.in_subsegment(f"inner {number}"):
                    pass
        with xray_recorder.in_subsegment("wide"):
            for number in range(40):
                with xray_recorder.in_subsegment(f"part {number}") as part:
                    part.put_metadata("body", "y" * 5000)

    captured = traced(handler)
    assert_all_fit(captured)
    names = [document["name"] for document in tree(captured).values()]
    for number in range(300):
        assert f"work {number}" in names
    assert path(captured, "inner 299") == [*captured.top, "work 299", "inner 299"]
    assert path(captured, "part 39") == [*captured.top, "wide", "part 39"]


def test_a_threshold_of_ones_own(traced):
    """With `streaming_threshold=0`, as Powertools sets it, each subsegment is sent when it ends."""
    xray_recorder.streaming_threshold = 0

    def handler(event, context):
        for number in range(3):
            with (
                xray_recorder.in_subsegment(f"work {number}"),
                xray_recorder.in_subsegment(f"inner {number}"),
            ):
                pass

    captured = traced(handler)
    for number in range(3):
        assert path(captured, f"inner {number}") == [*captured.top, f"work {number}", f"inner {number}"]


def test_values_that_json_has_no_word_for(traced, monkeypatch):
    """Metadata of any kind, odd names and odd numbers: the document arrives."""
    # The SDK complains of the first at the very end of the stack, where no line can be made.
    monkeypatch.setattr(logging.getLogger("aws_xray_sdk.core.utils.conversion"), "disabled", True)
    recursive = []
    recursive.append(recursive)

    def handler(event, context):
        with xray_recorder.in_subsegment("odd") as odd:
            odd.put_metadata("recursive", recursive)
            odd.put_metadata("set", {1})
            odd.put_metadata("nan", float("nan"))
            odd.put_metadata("bytes", b"\xff")
            odd.put_metadata("surrogate", "\ud800")
            odd.put_metadata("object", object())

    assert path(traced(handler), "odd")[-1] == "odd"
