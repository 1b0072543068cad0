"""Batches, record by record: what becomes of each record, and what is said of it."""

import asyncio
import contextlib
import copy
import functools
import json
import os
import re
import threading
import time
import types
from collections import Counter

import pytest
from aws_lambda_powertools.utilities.batch import (
    AsyncBatchProcessor,
    BatchProcessor,
    EventType,
    SqsFifoPartialProcessor,
    async_process_partial_response,
    process_partial_response,
)
from aws_lambda_powertools.utilities.batch.exceptions import BatchProcessingError
from aws_lambda_powertools.utilities.data_classes.dynamo_db_stream_event import DynamoDBRecord
from aws_lambda_powertools.utilities.data_classes.kafka_event import KafkaEventRecord
from aws_lambda_powertools.utilities.data_classes.kinesis_stream_event import KinesisStreamRecord
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from hypothesis import given, settings
from hypothesis import strategies as st

from lambda_guard import _scope, current_invocation, logger, production
from lambda_guard.errors import (
    ConfigurationError,
    NotABatchError,
    OutOfTimeError,
    RunningEventLoopError,
    UnidentifiedRecordError,
)
from lambda_guard.testing import TRACE_HEADER, capture, events, make_context

OWN = TRACE_HEADER.split(";")[0].removeprefix("Root=")
VARIABLE = "_X_AMZN_TRACE_ID"
IN_PARTS = {"each_record": True, "report_batch_item_failures": True}


def header(number, sampled=1):
    """Return the trace header of the sender with that number."""
    return f"Root=1-6742a1b5-{number:024x};Parent={number + 1:016x};Sampled={sampled}"


def root(number):
    return f"1-6742a1b5-{number:024x}"


def refuse(record):
    """Fail for a body that is "bad"."""
    if record.body == "bad":
        raise ValueError(f"{record.message_id} is bad")


async def refuse_async(record):
    await asyncio.sleep(0)
    refuse(record)


def ids(answer):
    return [item["itemIdentifier"] for item in answer["batchItemFailures"]]


def kafka(*partitions):
    """Return a batch of Kafka records, a list of values for each partition."""
    event = events.kafka("x")
    event["records"] = {
        f"orders-{number}": [
            {
                **copy.deepcopy(events.kafka("x")["records"]["orders-0"][0]),
                "partition": number,
                "offset": 100 + index,
                "value": value,
            }
            for index, value in enumerate(values)
        ]
        for number, values in enumerate(partitions)
    }
    return event


class TestTheRecordHandler:
    """What a handler of one record is called with."""

    @pytest.mark.parametrize(
        ("event", "data_class"),
        [
            (events.sqs("a"), SQSRecord),
            (events.sqs("a", fifo=True), SQSRecord),
            (events.sns_in_sqs({"id": 1}), SQSRecord),
            (events.kinesis(b"a"), KinesisStreamRecord),
            (events.dynamodb({"id": "a"}), DynamoDBRecord),
            (events.kafka("a"), KafkaEventRecord),
            (events.sqs("a")["Records"], SQSRecord),
        ],
        ids=["sqs", "fifo", "sns-sqs", "kinesis", "dynamodb", "kafka", "pipe"],
    )
    def test_gets_powertools_data_class(self, event, data_class):
        """The record comes as Powertools' data class of its source."""
        got = []
        handler = production(each_record=True)(lambda record: got.append(type(record)))
        with capture():
            assert handler(event, make_context()) is None
        assert got == [data_class]

    @pytest.mark.parametrize(
        "handler",
        [
            lambda record, context: (record, context),
            lambda record, anything: (record, anything),
            lambda record, /, context: (record, context),
            lambda record, context, /, client=None: (record, context),
            lambda record, context=None: (record, context),
            lambda record, lambda_context=None: (record, lambda_context),
            lambda record, *, context: (record, context),
            lambda record, *, lambda_context=None: (record, lambda_context),
            lambda record, client=7, context=None: (record, context if client == 7 else None),
        ],
    )
    def test_gets_the_context_where_it_asks_for_it(self, handler):
        """A second parameter without a default, or one that is called like it, gets Lambda's context."""
        got, context = [], make_context()
        with capture():
            production(each_record=True)(_recorded(handler, got))(events.sqs("a"), context)
        assert [found[1] for found in got] == [context]

    @pytest.mark.parametrize(
        "handler",
        [
            lambda record: (record, 7),
            lambda record, client=7: (record, client),
            lambda *records: (records[0], 7),
            lambda record, **more: (record, 7 + len(more)),
            lambda event, *, table=7: (event, table),
        ],
    )
    def test_gets_nothing_that_it_does_not_ask_for(self, handler):
        """A parameter of the user's own with a default keeps it."""
        got = []
        with capture():
            production(each_record=True)(_recorded(handler, got))(events.sqs("a"), make_context())
        assert [found[1] for found in got] == [7]

    def test_may_be_a_method(self):
        """A method of an instance is called on that instance."""

        class Orders:
            def __init__(self):
                self.seen = []

            @production(each_record=True)
            def handle(self, record, context):
                self.seen.append((record.body, context))

        orders, context = Orders(), make_context()
        with capture():
            orders.handle(events.sqs("a", "b"), context)
        assert orders.seen == [("a", context), ("b", context)]

    def test_may_be_a_class_method(self):
        """A method of a class is called on that class."""
        seen, context = [], make_context()

        class Orders:
            @classmethod
            @production(each_record=True)
            def handle(cls, record, context):
                seen.append((cls, record.body, context))

        with capture():
            Orders.handle(events.sqs("a", "b"), context)
        assert seen == [(Orders, "a", context), (Orders, "b", context)]

    @pytest.mark.parametrize("named", [(), ("context",), ("event", "context")])
    @pytest.mark.parametrize("is_async", [False, True])
    def test_of_a_class_takes_its_arguments_by_name_too(self, is_async, named):
        """Since Python 3.13 the class comes as an argument more, however the others are passed."""
        seen, given = [], {"event": events.sqs("a"), "context": make_context()}

        class Orders:
            @classmethod
            @production(each_record=True)
            def handle(cls, record):
                seen.append((cls, record.body))

            @classmethod
            @production(each_record=True)
            async def handle_async(cls, record):
                seen.append((cls, record.body))

        call = Orders.handle_async if is_async else Orders.handle
        by_place = [given.pop(name) for name in ("event", "context") if name not in named]
        with capture():
            call(*by_place, **given)
        assert seen == [(Orders, "a")]

    def test_stays_reachable_for_its_own_tests(self):
        """`__wrapped__` is the handler of one record."""
        assert production(each_record=True)(refuse).__wrapped__ is refuse

    @pytest.mark.parametrize(
        "handler", [lambda: None, lambda record, context, more: None, lambda *, message: None]
    )
    def test_that_cannot_take_a_record_is_refused_at_decoration(self, handler):
        """A handler without a parameter for the record, or with one too many, is a mistake that is told at once."""
        with pytest.raises(ConfigurationError, match=r"def handler\(record\)"):
            production(each_record=True)(handler)

    def test_that_is_decorated_for_whole_events_is_refused_at_decoration(self):
        """It would be called once, with a batch in the place of a record, and nothing would come back."""
        whole = production(lambda record, context: None)
        with pytest.raises(ConfigurationError, match="decorated already"):
            production(each_record=True)(whole)

        class Orders:
            @production
            def whole(self, record, context):
                """Take a batch."""

            @production(each_record=True)
            def each(self, record):
                """Take a record."""

        with pytest.raises(ConfigurationError, match="decorated already"):
            production(each_record=True)(Orders().whole)
        method = Orders().each
        assert production(each_record=True)(method) is method
        each = production(each_record=True)(refuse)
        assert production(each_record=True)(each) is each
        assert production(each) is each

    def test_runs_without_a_guard_too(self, monkeypatch, capsys):
        """The kill switch takes the telemetry away, not the batch: its answer is the same."""
        monkeypatch.setenv("LAMBDA_GUARD_DISABLED", "1")
        event = events.sqs("a", "bad", "c")
        for handler in (refuse, refuse_async):
            answer = production(**IN_PARTS)(handler)(event, make_context())
            assert ids(answer) == [event["Records"][1]["messageId"]]
        assert capsys.readouterr().out == ""

    def test_that_is_async_refuses_a_running_loop(self):
        """Inside a running loop the answer can't be waited for: the error comes before any record has its turn."""
        handler = production(each_record=True)(refuse_async)

        async def call():
            handler(events.sqs("bad"), make_context())

        with pytest.raises(RunningEventLoopError), capture() as captured:
            asyncio.run(call())
        assert captured.output == ""


def _recorded(handler, got):
    """Give a handler its own signature and have what it returns kept."""

    @functools.wraps(handler)
    def wrapper(*args, **kwargs):
        got.append(handler(*args, **kwargs))

    return wrapper


batches = st.lists(st.booleans(), min_size=1, max_size=12)
groups = st.lists(st.tuples(st.booleans(), st.sampled_from("abc")), min_size=1, max_size=12)
_PROCESSORS = {
    "sync": (refuse, BatchProcessor(event_type=EventType.SQS), process_partial_response),
    "async": (refuse_async, AsyncBatchProcessor(event_type=EventType.SQS), async_process_partial_response),
}


@functools.cache
def _in_parts(handler):
    return production(**IN_PARTS)(handler)


def _both(event, handler, powertools, processor, processing):
    """Return our answer and Powertools' to the same batch, "raised" where all of it failed."""
    try:
        ours = _in_parts(handler)(event, make_context())
    except ExceptionGroup:
        ours = "raised"
    try:
        theirs = processing(event=event, record_handler=powertools, processor=processor, context=None)
    except BatchProcessingError:
        theirs = "raised"
    return ours, theirs


@pytest.mark.slow
class TestBesidePowertools:
    """The same batches through Powertools' own processors."""

    @settings(max_examples=10 * settings.default.max_examples)
    @given(batches)
    def test_a_queue_is_answered_alike(self, failing):
        """For 1,000 batches of successes and failures the same messages are given back, in the same order."""
        handler, processor, processing = _PROCESSORS["sync"]
        with capture():
            ours, theirs = _both(_batch(failing), handler, handler, processor, processing)
        assert ours == theirs

    @settings(max_examples=2 * settings.default.max_examples)
    @given(batches)
    def test_a_queue_is_answered_alike_by_async_handlers(self, failing):
        """Records that are at work side by side give the same answer as Powertools' asynchronous processor."""
        handler, processor, processing = _PROCESSORS["async"]
        with capture():
            ours, theirs = _both(_batch(failing), handler, handler, processor, processing)
        assert ours == theirs

    @settings(max_examples=10 * settings.default.max_examples)
    @given(groups, st.booleans())
    def test_a_fifo_queue_is_answered_alike(self, records, is_async):
        """A failed message goes back with the rest of its group; Powertools calls that `skip_group_on_error`."""
        event = _batch(
            [failing for failing, _ in records], fifo=True, message_group_id=[group for _, group in records]
        )
        processor = SqsFifoPartialProcessor(skip_group_on_error=True)
        with capture():
            ours, theirs = _both(
                event, refuse_async if is_async else refuse, refuse, processor, process_partial_response
            )
        assert ours == theirs

    @settings(max_examples=3 * settings.default.max_examples)
    @given(batches, st.sampled_from(["kinesis", "dynamodb"]))
    def test_a_stream_goes_on_from_the_same_record(self, failing, source):
        """We stop at the first failure, Powertools doesn't; the lowest number, which alone counts, is the same."""
        event, handler, kind = _stream(source, failing)
        with capture():
            ours, theirs = _both(
                event, handler, handler, BatchProcessor(event_type=kind), process_partial_response
            )
        if ours == "raised":
            assert failing[0]  # nothing was processed
        elif ids(theirs):
            assert ids(ours) == [min(ids(theirs), key=int)]
        else:
            assert ours == theirs == {"batchItemFailures": []}

    @pytest.mark.skipif(
        not hasattr(EventType, "Kafka"),
        reason="this version of Powertools has no batches of Kafka to compare with",
    )
    @settings(max_examples=3 * settings.default.max_examples)
    @given(st.lists(batches, min_size=1, max_size=3))
    def test_kafka_goes_on_from_the_same_offsets(self, partitions):
        """Of each partition the same offset is the lowest one given back, and everything after it goes back, too."""
        event = kafka(*[["bad" if failing else "good" for failing in partition] for partition in partitions])
        processor = BatchProcessor(event_type=EventType.Kafka)
        with capture():
            ours, theirs = _both(event, refuse_kafka, refuse_kafka, processor, process_partial_response)
        if ours == "raised":
            assert all(partition[0] for partition in partitions)
        elif theirs != "raised":
            assert _lowest(ours) == _lowest(theirs)
            assert len(ids(ours)) == sum(len(p) - p.index(True) for p in partitions if True in p)


def _batch(failing, **options):
    return events.sqs(*["bad" if bad else "good" for bad in failing], **options)


def refuse_kinesis(record):
    if record.kinesis.data_as_text() == "bad":
        raise ValueError


def refuse_dynamodb(record):
    if record.dynamodb.new_image["id"] == "bad":
        raise ValueError


def refuse_kafka(record):
    if record.value == "bad":
        raise ValueError


def _stream(source, failing):
    bodies = ["bad" if bad else "good" for bad in failing]
    if source == "kinesis":
        return events.kinesis(*bodies), refuse_kinesis, EventType.KinesisDataStreams
    return events.dynamodb(*[{"id": body} for body in bodies]), refuse_dynamodb, EventType.DynamoDBStreams


def _lowest(answer):
    lowest = {}
    for identifier in ids(answer):
        known = lowest.setdefault(identifier["partition"], identifier["offset"])
        lowest[identifier["partition"]] = min(known, identifier["offset"])
    return lowest


class TestRaising:
    """Without `report_batch_item_failures`, and where nothing was processed."""

    @pytest.mark.parametrize("is_async", [False, True])
    def test_the_records_own_exceptions_come_in_a_group(self, is_async):
        """After all records have had their turn, the group holds the very exceptions, each with its message id."""
        turns, errors = [], {"b": KeyError("b"), "d": OSError("d")}

        def handle(record):
            turns.append(record.body)
            if record.body in errors:
                raise errors[record.body]

        async def handle_async(record):
            handle(record)

        event = events.sqs("a", "b", "c", "d")
        with capture(), pytest.raises(ExceptionGroup) as raised:
            production(each_record=True)(handle_async if is_async else handle)(event, make_context())
        assert turns == ["a", "b", "c", "d"]
        assert raised.value.message == "2 of 4 records failed"
        assert all(
            ours is theirs for ours, theirs in zip(raised.value.exceptions, errors.values(), strict=True)
        )
        assert [error.__notes__ for error in errors.values()] == [
            [f"message_id: {event['Records'][1]['messageId']}"],
            [f"message_id: {event['Records'][3]['messageId']}"],
        ]
        assert raised.value.__context__ is None
        assert raised.value.__cause__ is None

    @pytest.mark.parametrize("bodies", [("bad",), ("bad", "bad")])
    def test_a_batch_of_which_nothing_was_processed_is_an_error_of_the_function(self, bodies):
        """Then a partial answer would say no more, and hide it from the metric `Errors`."""
        with capture() as captured, pytest.raises(ExceptionGroup) as raised:
            production(**IN_PARTS)(refuse)(events.sqs(*bodies), make_context())
        assert len(raised.value.exceptions) == len(bodies)
        assert captured.record["outcome"] == "error"
        assert captured.record["records"]["failed"] == len(bodies)

    def test_tracebacks_begin_in_the_handler(self):
        """No frame of the loop stands in a record's own traceback."""
        with capture(), pytest.raises(ExceptionGroup) as raised:
            production(each_record=True)(refuse)(events.sqs("bad"), make_context())
        assert raised.value.exceptions[0].__traceback__.tb_frame.f_code.co_name == "refuse"

    def test_a_handler_that_cannot_be_called_says_why(self):
        """Where no frame of the user's was reached, the traceback keeps what there is."""
        with capture(), pytest.raises(ExceptionGroup) as raised:
            production(each_record=True)(int)(events.sqs("a"), make_context())
        assert type(raised.value.exceptions[0]) is TypeError
        assert raised.value.exceptions[0].__traceback__ is not None

    @pytest.mark.parametrize("kind", ["coroutine", "generator", "async generator", "awaitable"])
    @pytest.mark.parametrize("is_async", [False, True])
    def test_work_that_nobody_does_is_no_success(self, kind, is_async):
        """A handler that returns a coroutine or a generator has processed nothing, and its record isn't acknowledged."""

        async def coroutine():
            raise AssertionError

        def generator():
            yield

        async def async_generator():
            yield

        class Awaitable:
            def __await__(self):
                raise AssertionError

        make = {
            "coroutine": coroutine,
            "generator": generator,
            "async generator": async_generator,
            "awaitable": Awaitable,
        }[kind]

        async def handle(record):
            return make()

        with capture(), pytest.raises(ExceptionGroup) as raised:
            production(each_record=True)(handle if is_async else lambda record: make())(
                events.sqs("a"), make_context()
            )
        assert type(raised.value.exceptions[0]) is ConfigurationError
        assert "async def" in str(raised.value.exceptions[0])

    def test_one_exception_object_that_is_raised_for_ever_does_not_grow(self):
        """A module's own exception instance gets each message id once, and a hundred at most."""
        error = ValueError("always the same")

        def handle(record):
            raise error

        handler = production(each_record=True)(handle)
        for number in range(150):
            with capture(), pytest.raises(ExceptionGroup):
                handler(events.sqs("a", message_ids=[f"m-{number // 2}"]), make_context())
        assert error.__notes__ == [f"message_id: m-{number}" for number in range(75)]

    def test_whatever_ends_a_record_ends_no_other(self, body):
        """A record's handler may return or raise anything: the next record has its turn, and the answer is given."""
        turns = []

        def handle(record):
            turns.append(record.body)
            return body() if record.body == "b" else None

        event = events.sqs("a", "b", "c")
        error = getattr(body, "error", None)
        recurses = type(body).__name__ == "Recurses"  # its error comes to be while it runs
        with capture():
            if hasattr(body, "value") and type(body.value) is types.GeneratorType:
                assert len(ids(production(**IN_PARTS)(handle)(event, make_context()))) == 1
            elif hasattr(body, "value"):
                assert production(**IN_PARTS)(handle)(event, make_context()) == {"batchItemFailures": []}
            elif recurses or isinstance(error, Exception):
                assert ids(production(**IN_PARTS)(handle)(event, make_context())) == [
                    event["Records"][1]["messageId"]
                ]
                with pytest.raises(ExceptionGroup) as raised:
                    production(each_record=True)(handle)(event, make_context())
                error = getattr(body, "error", None)
                assert raised.value.exceptions[0] is error
            else:
                with pytest.raises(type(error)) as raised:
                    production(**IN_PARTS)(handle)(event, make_context())
                assert raised.value is error
                assert turns == ["a", "b"]
                return
        assert turns[:3] == ["a", "b", "c"]


class TestOrder:
    """Sources that keep an order."""

    @pytest.mark.parametrize("is_async", [False, True])
    def test_a_group_stops_at_its_first_failure_and_the_others_go_on(self, is_async):
        """Of a FIFO queue, the rest of the failed group isn't begun; other groups have all their turns, in order."""
        turns = []

        async def handle(record):
            turns.append((record.attributes.message_group_id, record.body))
            await asyncio.sleep(0)
            refuse(record)

        def handle_sync(record):
            turns.append((record.attributes.message_group_id, record.body))
            refuse(record)

        event = events.sqs("1", "1", "bad", "2", "3", "2", fifo=True, message_group_id=list("abaaab"))
        handler = production(**IN_PARTS)(handle if is_async else handle_sync)
        with capture() as captured:
            answer = handler(event, make_context())
        records = event["Records"]
        assert ids(answer) == [records[index]["messageId"] for index in (2, 3, 4)]
        assert [body for group, body in turns if group == "a"] == ["1", "bad"]
        assert [body for group, body in turns if group == "b"] == ["1", "2"]
        assert [
            (entry["message_id"], entry["outcome"]) for entry in captured.record["records"]["failures"]
        ] == [
            (records[2]["messageId"], "error"),
            (records[3]["messageId"], "skipped"),
            (records[4]["messageId"], "skipped"),
        ]

    def test_without_a_partial_answer_a_group_stops_as_well(self):
        """What follows a failure in its group isn't begun, though the whole batch comes back anyway."""
        event = events.sqs("a", "bad", "c", fifo=True)
        with capture(), pytest.raises(ExceptionGroup, match="1 of 3 records failed, 1 were not begun"):
            production(each_record=True)(refuse)(event, make_context())

    def test_groups_that_are_no_text_are_one(self):
        """Where an event that somebody made has an id of a group that can't be a key, each record has its turn all the same."""
        event, turns = events.sqs("a", "b", fifo=True), []
        for record in event["Records"]:
            record["attributes"]["MessageGroupId"] = ["g"]
        with capture() as captured:
            production(**IN_PARTS)(lambda record: turns.append(record.body))(event, make_context())
        assert turns == ["a", "b"]
        assert "GuardErrors" not in captured.record

    def test_a_standard_queue_with_groups_keeps_no_order(self):
        """Fair queues give messages of standard queues a group: it says nothing of order."""
        event = events.sqs("bad", "b", fifo=True, queue_arn="arn:aws:sqs:eu-west-1:123456789012:orders")
        with capture():
            assert ids(production(**IN_PARTS)(refuse)(event, make_context())) == [
                event["Records"][0]["messageId"]
            ]

    @pytest.mark.parametrize("source", ["kinesis", "dynamodb"])
    def test_a_stream_stops_at_its_first_failure(self, source):
        """The records after it would overtake it."""
        turns = []
        event, handler, _ = _stream(source, [False, True, False, True])
        with capture():
            answer = production(**IN_PARTS)(_counted(handler, turns))(event, make_context())
        assert len(turns) == 2
        assert ids(answer) == [_sequence_number(event["Records"][1])]

    def test_records_of_a_stream_that_come_out_of_order_are_all_covered(self):
        """The answer names the lowest number of what wasn't processed, though another record failed first."""
        event = events.kinesis("good", "bad", "good", "good")
        event["Records"][3]["kinesis"]["sequenceNumber"] = "7"
        handler = _stream("kinesis", [False])[1]
        with capture():
            assert ids(production(**IN_PARTS)(handler)(event, make_context())) == ["7"]

    def test_two_of_a_group_are_never_at_work_at_once(self):
        """Async handlers work at several groups side by side, and at one message of each."""
        at_work, most = Counter(), Counter()

        async def handle(record):
            group = record.attributes.message_group_id
            at_work[group] += 1
            at_work["all"] += 1
            most[group], most["all"] = max(most[group], at_work[group]), max(most["all"], at_work["all"])
            await asyncio.sleep(0.001)
            at_work[group] -= 1
            at_work["all"] -= 1

        event = events.sqs(*range(30), fifo=True, message_group_id=[f"g{number % 5}" for number in range(30)])
        with capture():
            production(each_record=True)(handle)(event, make_context())
        assert most == {"all": 5, **{f"g{number}": 1 for number in range(5)}}

    def test_async_records_are_at_work_a_hundred_at_a_time(self):
        """A queue's records don't wait for each other, but a large batch doesn't open a thousand connections."""
        at_work, most, done = 0, 0, 0

        async def handle(record):
            nonlocal at_work, most, done
            at_work += 1
            most = max(most, at_work)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            at_work -= 1
            done += 1

        with capture():
            production(each_record=True)(handle)(events.sqs(*range(1000)), make_context(timeout_ms=120_000))
        assert (most, done) == (100, 1000)


def _counted(handler, turns):
    def wrapper(record):
        turns.append(record)
        handler(record)

    return wrapper


def _sequence_number(record):
    return (
        record["kinesis"]["sequenceNumber"] if "kinesis" in record else record["dynamodb"]["SequenceNumber"]
    )


class TestNoAnswerIsMadeUp:
    """What isn't an `Exception` comes out, and what isn't finished is retried."""

    @pytest.mark.parametrize(
        "error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit(), asyncio.CancelledError("stop")]
    )
    @pytest.mark.parametrize("is_async", [False, True])
    def test_what_ends_the_process_comes_out_at_once(self, error, is_async, monkeypatch):
        """It is the same object; no further record is begun, and everything is as before."""
        turns = []

        def handle(record):
            turns.append(record.body)
            if record.body == "b":
                raise error

        async def handle_async(record):
            handle(record)
            await asyncio.sleep(30)

        event = events.sqs("a", "b", "c", trace_header=[header(1), header(2), header(3)])
        handler = production(**IN_PARTS)(handle_async if is_async else handle)
        monkeypatch.setenv("LAMBDA_GUARD_MAX_RECEIVE_COUNT", "1")
        with capture(TRACE_HEADER) as captured, pytest.raises(type(error)) as raised:
            handler(event, make_context())
        assert raised.value is error
        assert turns in (["a", "b"], ["a", "b", "c"] if is_async else None)
        assert captured.record["outcome"] == "error"
        assert current_invocation() is None
        assert os.environ.get(VARIABLE) is None

    def test_a_next_batch_has_nothing_of_one_that_was_cut_off(self):
        """Async records that were at work when another one exited don't go on in the next invocation."""
        finished = []

        async def handle(record):
            if record.body == "exit":
                raise SystemExit
            await asyncio.sleep(0.01)
            finished.append(record.body)

        handler = production(each_record=True)(handle)
        with capture(), pytest.raises(SystemExit):
            handler(events.sqs("slow", "exit", "slow"), make_context())
        with capture():
            handler(events.sqs("next"), make_context())
        assert finished == ["next"]


# An eighth of two seconds; a context tells whole milliseconds, and some have gone by when it is asked.
LATE = re.compile(r"2 of 3 records were not begun: less than 2[0-5]\d ms were left")


class TestTime:
    """A deadline that comes before the batch's end: two seconds are given, and the first record takes nearly all of it."""

    @pytest.mark.parametrize("is_async", [False, True])
    def test_what_cannot_be_finished_is_given_back(self, is_async):
        """With little more than a tenth of the time left, the records that aren't begun are given back."""

        async def handle(record):
            _long(record)

        event = events.sqs("a", "b", "c", fifo=True)
        with capture() as captured:
            answer = production(**IN_PARTS)(handle if is_async else _long)(
                event, make_context(timeout_ms=2000)
            )
        given_back = [record["messageId"] for record in event["Records"][1:]]
        assert ids(answer) == given_back
        (line,) = captured.logs
        assert line["level"] == "WARNING"
        assert LATE.fullmatch(line["message"])
        assert "message_id" not in captured.logs[0]
        assert captured.records[-1]["records"] == {
            "total": 3,
            "failed": 2,
            "failures": [{"message_id": each, "attempt": 1, "outcome": "skipped"} for each in given_back],
        }

    def test_without_a_partial_answer_it_raises(self):
        """Then the whole batch comes back, which an error says sooner than the timeout would."""

        def handle(record):
            _long(record)
            refuse(record)

        with (
            capture(),
            pytest.raises(ExceptionGroup, match="1 of 3 records failed, 2 were not begun") as raised,
        ):
            production(each_record=True)(handle)(events.sqs("bad", "b", "c"), make_context(timeout_ms=2000))
        failed, late = raised.value.exceptions
        assert type(failed) is ValueError
        assert type(late) is OutOfTimeError
        assert LATE.fullmatch(str(late))

    def test_no_time_for_any_is_an_error(self):
        """Where none was begun, nothing was processed."""
        with capture(), pytest.raises(ExceptionGroup, match="0 of 1 records failed, 1 were not begun"):
            production(**IN_PARTS)(refuse)(events.sqs("a"), make_context(timeout_ms=0))

    @pytest.mark.parametrize("context", [None, object(), {}])
    def test_no_deadline_is_no_limit(self, context):
        """Where nobody says how long there is, every record has its turn."""
        with capture():
            assert production(**IN_PARTS)(refuse)(events.sqs("a", "b"), context) == {"batchItemFailures": []}

    def test_it_is_watched_under_the_kill_switch_too(self, monkeypatch):
        """Giving back in time isn't telemetry."""
        monkeypatch.setenv("LAMBDA_GUARD_DISABLED", "1")
        event = events.sqs("a", "b")
        answer = production(**IN_PARTS)(_long)(event, make_context(timeout_ms=2000))
        assert ids(answer) == [event["Records"][1]["messageId"]]


def _long(record):
    time.sleep(1.9)


def _without_id(event, index, path=("messageId",)):
    """Take the id off a record."""
    found = event["Records"][index]
    for key in path[:-1]:
        found = found[key]
    del found[path[-1]]
    return event


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(max_size=5), values, max_size=3),
    max_leaves=5,
)
BROKEN = st.builds(
    lambda sound, changes: {**sound, **changes},
    st.sampled_from(events.sqs("good", "bad")["Records"]),
    st.dictionaries(
        st.sampled_from(
            ["messageId", "attributes", "eventSourceARN", "body", "eventSource", "messageAttributes"]
        ),
        ANYTHING,
        max_size=3,
    ),
)


class TestEventsThatCannotBeAnswered:
    """Broken records, broken envelopes, and what is no batch at all: nothing is acknowledged by mistake."""

    @pytest.mark.parametrize(
        "event",
        [
            _without_id(events.sqs("a", "b", "c"), 1),
            events.sqs("a", "b", "c", message_ids=["m-1", "", "m-3"]) | {},
            {
                "Records": [
                    events.sqs("a")["Records"][0],
                    None,
                    events.sqs("c", message_ids=["m-3"])["Records"][0],
                ]
            },
            {
                "Records": [
                    events.sqs("a")["Records"][0],
                    "text",
                    events.sqs("c", message_ids=["m-3"])["Records"][0],
                ]
            },
            {
                "Records": [
                    None,
                    events.sqs("a")["Records"][0],
                    events.sqs("c", message_ids=["m-3"])["Records"][0],
                ]
            },
        ],
        ids=["no id", "empty id", "null", "text", "null first"],
    )
    @pytest.mark.parametrize("is_async", [False, True])
    def test_a_record_without_an_id_fails_for_itself(self, event, is_async):
        """The others have their turn; then the whole batch goes back, since no answer could name that record."""
        if (
            event["Records"][1]
            and isinstance(event["Records"][1], dict)
            and event["Records"][1].get("messageId", "").endswith("2")
        ):
            event["Records"][1]["messageId"] = ""
        turns = []

        def handle(record):
            turns.append(record.body)

        async def handle_async(record):
            handle(record)

        with capture() as captured, pytest.raises(ExceptionGroup) as raised:
            production(**IN_PARTS)(handle_async if is_async else handle)(event, make_context())
        assert turns == ["a", "c"]
        number = 1 if event["Records"][0] is None else 2
        assert f"record {number} of the batch has no id: it can't be answered for" in captured.output
        assert [type(error) for error in raised.value.exceptions] == [UnidentifiedRecordError]
        failures = captured.record["records"]
        assert (failures["total"], failures["failed"]) == (3, 1)
        assert failures["failures"][0]["error"]["type"] == "UnidentifiedRecordError"

    @pytest.mark.parametrize(
        "event",
        [
            _without_id(events.kinesis(b"a", b"b"), 1, ("kinesis", "sequenceNumber")),
            _without_id(events.dynamodb({"id": "a"}, {"id": "b"}), 1, ("dynamodb", "SequenceNumber")),
        ],
        ids=["kinesis", "dynamodb"],
    )
    def test_neither_is_a_stream_past_a_record_without_a_number(self, event):
        """Without its number there is nothing to go on from: all of it is retried."""
        with capture(), pytest.raises(ExceptionGroup, match="1 of 2 records failed"):
            production(**IN_PARTS)(lambda record: None)(event, make_context())

    def test_poisonous_contents_are_the_handlers_business(self):
        """A record that has an id is handed over, whatever else it holds; what that comes to is its failure."""
        event = events.sqs("a", "b", "c")
        event["Records"][1] = {"messageId": "m-2", "eventSource": "aws:sqs", "attributes": 7, "body": None}
        with capture() as captured:
            answer = production(**IN_PARTS)(lambda record: record.body.upper())(event, make_context())
        assert ids(answer) == ["m-2"]
        assert captured.record["records"]["failures"][0]["message_id"] == "m-2"

    @pytest.mark.parametrize(
        "event",
        [
            {},
            {"id": 1},
            None,
            "text",
            [],
            [{"id": 1}],
            {"Records": "text"},
            {"Records": [{"id": 1}]},
            {"Records": [None]},
            events.sns("x"),
            events.s3("key"),
            events.eventbridge({"id": 1}),
            events.mq("x"),
            events.dynamodb({"id": "a"})["Records"],
        ],
        ids=str,
    )
    def test_no_batch_is_told_by_name(self, event):
        """The handler of one record can't be called with it; the error says what is taken, and quotes nothing of the event."""
        handler = production(**IN_PARTS)(lambda record: pytest.fail("called"))
        if event == []:
            with capture():
                assert handler(event, make_context()) == {"batchItemFailures": []}
            return
        with (
            capture(),
            pytest.raises(NotABatchError, match="SQS, Kinesis, DynamoDB streams and Kafka") as raised,
        ):
            handler(event, make_context())
        assert "text" not in str(raised.value)

    def test_an_empty_batch_is_nothing_to_do(self):
        """So ends a window over a Kinesis stream: there is nothing to lose."""
        handler = production(**IN_PARTS)(lambda record: pytest.fail("called"))
        with capture():
            assert handler({"Records": [], "isFinalInvokeForWindow": True}, make_context()) == {
                "batchItemFailures": []
            }

    @settings(max_examples=2 * settings.default.max_examples)
    @given(st.lists(ANYTHING | BROKEN, min_size=1, max_size=6))
    def test_any_batch_of_any_records_is_answered_for(self, records):
        """Of records of any JSON, what the answer doesn't name as failed is what the handler has returned from."""
        returned = []

        def handle(record):
            refuse(record)
            returned.append(record.raw_event)

        with capture():
            try:
                answer = production(**IN_PARTS)(handle)({"Records": records}, make_context())
            except (ExceptionGroup, NotABatchError):
                return  # all of it is retried
        named = ids(answer)
        acknowledged = [record for record in records if record["messageId"] not in named]
        assert all(any(record is done for done in returned) for record in acknowledged)


def no_key_twice(line):
    """Parse a line, and hold it to having no key twice."""

    def check(pairs):
        keys = [key for key, _ in pairs]
        assert len(keys) == len(set(keys)), keys
        return dict(pairs)

    return json.loads(line, object_pairs_hook=check)


class TestWhatIsSaid:
    """Lines, the invocation record and metrics."""

    @pytest.mark.parametrize("is_async", [False, True])
    def test_every_line_says_whose_it_is(self, is_async, unheard):
        """Lines of any kind carry the record's id, attempt and trace while it is at work, and no key twice."""

        def handle(record):
            logger.info("mine", attempt="mine", order=record.body)
            print("printed")

        async def handle_async(record):
            await asyncio.sleep(0)
            handle(record)

        event = events.sqs(
            "a", "b", "c", trace_header=[header(1), header(2, sampled=0), None], attempt=[1, 2, 3]
        )
        with capture(TRACE_HEADER) as captured:
            production(each_record=True)(handle_async if is_async else handle)(event, make_context())
        lines = [no_key_twice(line) for line in captured.output.splitlines()]
        assert sorted(
            (
                line["message_id"][-1],
                line["attempt"],
                line["xray_trace_id"],
                line["message"],
                line.get("order"),
                line.get("attempt_"),
            )
            for line in lines[:-1]
        ) == [
            ("1", 1, root(1), "mine", "a", "mine"),
            ("1", 1, root(1), "printed", None, None),
            ("2", 2, root(2), "mine", "b", "mine"),
            ("2", 2, root(2), "printed", None, None),
            ("3", 3, OWN, "mine", "c", "mine"),
            ("3", 3, OWN, "printed", None, None),
        ]
        assert "message_id" not in lines[-1]
        assert lines[-1]["xray_trace_id"] == OWN

    def test_another_logger_and_its_handlers_have_the_records_keys(self, unheard):
        """A record attribute set for a formatter of the user's comes back as the same key, not as a second one."""
        import io
        import logging

        ours, theirs = io.StringIO(), logging.getLogger("theirs.batch")
        handler = logging.StreamHandler(ours)
        handler.setFormatter(logging.Formatter("%(message_id)s %(xray_trace_id)s %(attempt)s %(message)s"))
        theirs.addHandler(handler)
        try:
            with capture(TRACE_HEADER):
                production(each_record=True)(lambda record: theirs.warning("low"))(
                    events.sqs("a", trace_header=header(1), attempt=4), make_context()
                )
        finally:
            theirs.removeHandler(handler)
        assert ours.getvalue() == f"{events.sqs('a')['Records'][0]['messageId']} {root(1)} 4 low\n"

    def test_keys_that_a_records_handler_appends_end_with_the_record(self, unheard):
        """`append_keys` reaches the lines of this record alone, also where async records take turns."""

        async def handle(record):
            logger.append_keys(order=record.body)
            if record.body == "b":
                logger.remove_keys(["order"])
            await asyncio.sleep(0)
            logger.info("after", given=logger.get_current_keys())

        with capture() as captured:
            production(each_record=True)(handle)(events.sqs("a", "b", "c"), make_context())
            logger.info("outside")
        assert sorted(
            (line["message_id"][-1], line.get("order"), line["given"]) for line in captured.logs[:-1]
        ) == [
            ("1", "a", {"order": "a"}),
            ("2", None, {}),
            ("3", "c", {"order": "c"}),
        ]
        assert "order" not in captured.logs[-1]

    def test_an_invocation_inside_a_record_is_none_of_the_records_business(self, unheard):
        """A handler that is called by a record's handler writes lines of its own invocation."""
        inner = production(lambda event, context: logger.info("inner"))

        def handle(record):
            inner({}, make_context())
            logger.info("outer")

        with capture() as captured:
            production(each_record=True)(handle)(events.sqs("a"), make_context())
        said = {line["message"]: line.get("message_id") for line in captured.logs}
        assert said == {"inner": None, "outer": events.sqs("a")["Records"][0]["messageId"]}

    def test_a_thread_that_outlives_its_batch_speaks_for_no_record_of_the_next(self, unheard):
        """A context that was copied while a record was at work belongs to nobody once its invocation has ended."""
        import contextvars

        contexts = []

        def handle(record):
            if not contexts:
                contexts.append(contextvars.copy_context())
                return
            thread = threading.Thread(target=contexts[0].run, args=(logger.info, "late"))
            thread.start()
            thread.join()

        handler = production(each_record=True)(handle)
        with capture() as captured:
            handler(events.sqs("a", message_ids=["m-1"]), make_context())
            handler(events.sqs("b", message_ids=["m-2"]), make_context())
        (late,) = captured.logs
        assert not {"invocation_id", "message_id"} & late.keys()

    def test_threads_of_a_record_speak_and_send_for_it(self, unheard):
        """A thread that a record's handler starts has the record's keys and trace, also where two are at work at once."""
        sent, begun, done = {}, asyncio.Barrier(2), threading.Barrier(2)

        def work(body):
            logger.info("in a thread", body=body)
            sent[body] = _scope.work().header()

        def handle(record):
            thread = threading.Thread(target=work, args=(record.body,))
            thread.start()
            thread.join()

        async def handle_async(record):
            await begun.wait()
            await asyncio.get_running_loop().run_in_executor(
                None, lambda: (work(record.body), done.wait(240))
            )

        event = events.sqs("a", "b", trace_header=[header(1), header(2)])
        roots = [root(1), root(2)]
        for function in (handle, handle_async):
            with capture(TRACE_HEADER) as captured:
                production(each_record=True)(function)(event, make_context())
            lines = sorted(captured.logs, key=lambda line: line["body"])
            assert [line["xray_trace_id"] for line in lines] == roots
            assert [line["message_id"] for line in lines] == [each["messageId"] for each in event["Records"]]
            assert [sent[body].split(";")[0] for body in "ab"] == [f"Root={each}" for each in roots]

    def test_a_message_id_of_the_users_own_stays_outside_of_records(self, unheard):
        """A handler that goes through its batch by itself may say `message_id` and `attempt` like any other field."""
        with capture() as captured:
            production(lambda event, context: logger.info("mine", message_id="m-1", attempt=2))(
                {}, make_context()
            )
        assert (captured.logs[0]["message_id"], captured.logs[0]["attempt"]) == ("m-1", 2)

    def test_the_record_lists_the_failures_and_counts_the_rest(self, monkeypatch):
        """Ids, attempts and fingerprints stand in the invocation record, with the metrics that alarms look at."""
        monkeypatch.setenv("LAMBDA_GUARD_MAX_RECEIVE_COUNT", "3")
        event = events.sqs("bad", "b", "bad", attempt=[3, 3, 1])
        with capture() as captured:
            production(**IN_PARTS)(refuse)(event, make_context())
        record = captured.record
        fingerprints = {entry["error"].pop("fingerprint") for entry in record["records"]["failures"]}
        first, _, third = (each["messageId"] for each in event["Records"])
        assert record["records"] == {
            "total": 3,
            "failed": 2,
            "failures": [
                {
                    "message_id": message_id,
                    "attempt": attempt,
                    "outcome": "error",
                    "error": {"type": "ValueError", "message": f"{message_id} is bad"},
                }
                for message_id, attempt in ((first, 3), (third, 1))
            ],
        }
        assert len(fingerprints) == 1
        assert (record["outcome"], record["level"]) == ("success", "WARNING")
        assert record["message"].endswith(", but for 2 of 3 records")
        values = {metric.name: metric.value for metric in captured.metrics}
        assert (values["Records"], values["RecordFailures"], values["FinalAttempts"]) == (3, 2, 1)
        assert values["MessageAge"] > 0
        assert "Errors" not in values

    def test_all_goes_back_for_the_last_time_where_it_raises(self, monkeypatch):
        """Without a partial answer, the messages that were processed are retried, too, or given up."""
        monkeypatch.setenv("LAMBDA_GUARD_MAX_RECEIVE_COUNT", "3")
        with capture() as captured, pytest.raises(ExceptionGroup):
            production(each_record=True)(refuse)(
                events.sqs("bad", "b", "c", attempt=[1, 3, 3]), make_context()
            )
        values = {metric.name: metric.value for metric in captured.metrics}
        assert (values["Errors"], values["RecordFailures"], values["FinalAttempts"]) == (1, 1, 2)
        (said,) = [line for line in captured.logs if line["level"] == "WARNING"]
        assert said["message"] == (
            "the last of 3 attempts failed: 2 messages go to the dead-letter queue of arn:aws:sqs:eu-west-1:123456789012:orders"
        )
        assert [each[-1] for each in said["message_ids"]] == ["2", "3"]

    def test_a_success_counts_its_records(self):
        """Nothing is written to say that none failed but the count itself."""
        with capture() as captured:
            production(each_record=True)(refuse)(events.sqs("a", "b"), make_context())
        assert captured.record["records"] == {"total": 2, "failed": 0, "failures": []}
        assert captured.record["level"] == "INFO"
        assert "RecordFailures" not in {metric.name for metric in captured.metrics}

    def test_a_failure_is_written_once_per_cause_with_its_stack(self, unheard):
        """Ten records that fail of the same write one line; another cause writes another."""

        def handle(record):
            return {"a": 1}[record.body] if record.body != "x" else int("x")

        with capture() as captured:
            production(**IN_PARTS)(handle)(events.sqs("a", *"bbbbbbbbb", "x"), make_context())
        said = [
            (line["level"], line["message"], line["exception_name"], line["message_id"][-2:])
            for line in captured.logs
        ]
        assert said == [
            ("ERROR", "record failed: KeyError", "KeyError", "02"),
            ("ERROR", "record failed: ValueError", "ValueError", "0b"),
        ]
        assert captured.logs[0]["location"].startswith("handle:")
        assert captured.logs[0]["stack_trace"]["frames"][0]["function"] == "handle"

    def test_a_thousand_failures_are_listed_to_a_hundred(self):
        """The record keeps within its size; the count goes on."""
        with capture() as captured, pytest.raises(ExceptionGroup):
            production(each_record=True)(refuse)(
                events.sqs(*["bad"] * 1000), make_context(timeout_ms=120_000)
            )
        assert captured.record["records"]["failed"] == 1000
        assert len(captured.record["records"]["failures"]) == 100

    @pytest.mark.parametrize(
        ("event", "name"),
        [
            (events.kinesis(b"a"), events.kinesis(b"a")["Records"][0]["kinesis"]["sequenceNumber"]),
            (events.dynamodb({"id": "a"}), events.dynamodb({"id": "a"})["Records"][0]["eventID"]),
            (kafka(["a"]), "orders-0@100"),
        ],
        ids=["kinesis", "dynamodb", "kafka"],
    )
    def test_streams_name_their_records_too(self, event, name, unheard):
        """What a sender was told is what the lines and the record say."""

        def handle(record):
            logger.info("at work")
            raise ValueError

        with capture() as captured, pytest.raises(ExceptionGroup) as raised:
            production(each_record=True)(handle)(event, make_context())
        assert captured.logs[0]["message_id"] == name
        assert captured.record["records"]["failures"][0]["message_id"] == name
        assert raised.value.exceptions[0].__notes__ == [f"message_id: {name}"]

    @pytest.mark.parametrize("bodies", [("a", "bad", "c"), ("a",)])
    def test_powertools_in_the_users_code_is_only_observed(self, bodies):
        """A plain handler that answers with failures by itself: its answer is the same object, and is counted."""
        processor = BatchProcessor(event_type=EventType.SQS)
        answers = []

        @production
        def handler(event, context):
            answers.append(
                process_partial_response(
                    event=event, record_handler=refuse, processor=processor, context=context
                )
            )
            return answers[-1]

        event = events.sqs(*bodies)
        with capture() as captured:
            assert handler(event, make_context()) is answers[0]
        failed = [record["messageId"] for record in event["Records"] if record["body"] == "bad"]
        assert captured.record.get("records") == (
            {"total": 3, "failed": 1, "failures": [{"message_id": failed[0], "outcome": "error"}]}
            if failed
            else None
        )
        assert [metric.value for metric in captured.metrics if metric.name == "RecordFailures"] == [1] * len(
            failed
        )

    def test_kafkas_answers_are_named_like_its_records(self):
        """Kafka names a record by partition and offset, which is listed as the same id that `upstreams` has."""
        event = events.kafka("a", "b")
        (record, _) = next(iter(event["records"].values()))
        name = f"{record['topic']}-{record['partition']}"
        answer = {"batchItemFailures": [{"itemIdentifier": {"partition": name, "offset": record["offset"]}}]}
        with capture() as captured:
            assert production(lambda event, context: answer)(event, make_context()) is answer
        failed = [{"message_id": f"{name}@{record['offset']}", "outcome": "error"}]
        assert captured.record["records"] == {"total": 2, "failed": 1, "failures": failed}


def _segments(captured):
    """Return the segments of their own, the subsegments for records, and the invocation's subsegment."""
    upstream = [segment for segment in captured.segments if not segment.is_subsegment]
    records = [segment for segment in captured.segments if segment.name == "record" and segment.is_subsegment]
    (own,) = (segment for segment in captured.segments if segment.name.startswith("## "))
    return upstream, records, own


class TestTraces:
    """Each record's place in the trace that it came with, and in the function's own."""

    @pytest.mark.parametrize("is_async", [False, True])
    def test_ten_records_of_ten_traces(self, is_async):
        """Each has a segment below its sender's and a subsegment in the function's own trace; each names the other."""
        seen = {}

        def handle(record):
            seen[record.message_id] = os.environ[VARIABLE]
            refuse(record)

        async def handle_async(record):
            await asyncio.sleep(0)
            handle(record)

        event = events.sqs(*["a"] * 9, "bad", trace_header=[header(number) for number in range(10)])
        names = [record["messageId"] for record in event["Records"]]
        with capture(TRACE_HEADER) as captured:
            production(**IN_PARTS)(handle_async if is_async else handle)(event, make_context())
            assert os.environ[VARIABLE] == TRACE_HEADER
        upstream, inside, own = _segments(captured)
        by_message = {segment.annotations["message_id"]: segment for segment in inside}
        assert [segment.annotations["message_id"] for segment in upstream] == names
        assert sorted(by_message) == names
        for number, segment in enumerate(upstream):
            twin = by_message[names[number]]
            outcome = "error" if number == 9 else "success"
            assert (segment.trace_id, segment.parent_id) == (root(number), f"{number + 1:016x}")
            assert (twin.trace_id, twin.parent_id) == (OWN, own.id)
            common = {
                "invocation_id": captured.record["invocation_id"],
                "service": "orders",
                "trigger": "sqs",
                "outcome": outcome,
                "message_id": names[number],
                "attempt": 1,
            }
            assert segment.annotations == {**common, "lambda_trace_id": OWN}
            assert twin.annotations == {**common, "upstream_trace_id": root(number)}
            assert segment.document["links"] == [{"trace_id": OWN, "id": twin.id}]
            assert twin.document["links"] == [{"trace_id": root(number), "id": segment.id}]
            assert [each.document.get("fault", False) for each in (segment, twin)] == [number == 9] * 2
            assert segment.document["start_time"] <= segment.document["end_time"]
        assert upstream[9].document["cause"]["exceptions"][0]["type"] == "ValueError"
        lineage = TRACE_HEADER.split(";")[-1]
        assert [seen[name] for name in names] == (
            [TRACE_HEADER] * 10 if is_async else [f"{header(number)};{lineage}" for number in range(10)]
        )

    def test_records_without_a_trace_work_in_the_functions_own(self):
        """A subsegment below the handler's stands for each; nothing is sent anywhere else."""
        with capture(TRACE_HEADER) as captured:
            production(each_record=True)(refuse)(events.sqs("a", "b"), make_context())
        upstream, inside, own = _segments(captured)
        assert upstream == []
        assert [(each.trace_id, each.parent_id) for each in inside] == [(OWN, own.id)] * 2

    @pytest.mark.parametrize("is_async", [False, True])
    def test_what_a_handler_records_hangs_below_its_record(self, is_async):
        """Subsegments, annotations and exceptions of the user's belong to the record that was at work."""
        from aws_xray_sdk.core import xray_recorder

        async def handle(record):
            with xray_recorder.in_subsegment(f"work {record.body}"):
                await asyncio.sleep(0)
            xray_recorder.put_annotation("order", record.body)

        def handle_sync(record):
            with xray_recorder.in_subsegment(f"work {record.body}"):
                pass
            xray_recorder.put_annotation("order", record.body)

        event = events.sqs("a", "b", "c", trace_header=[header(1), header(2), None])
        with capture(TRACE_HEADER) as captured:
            production(each_record=True)(handle if is_async else handle_sync)(event, make_context())
        upstream, inside, _ = _segments(captured)
        parts = {segment.document["subsegments"][0]["id"]: segment for segment in upstream}
        mine = {segment.name: segment for segment in captured.segments if segment.name.startswith("work ")}
        assert parts[mine["work a"].parent_id].trace_id == mine["work a"].trace_id == root(1)
        assert parts[mine["work b"].parent_id].trace_id == mine["work b"].trace_id == root(2)
        third = (
            inside[2]
            if not is_async
            else next(each for each in inside if each.id == mine["work c"].parent_id)
        )
        assert (mine["work c"].trace_id, mine["work c"].parent_id) == (OWN, third.id)
        assert [each.document["subsegments"][0]["annotations"]["order"] for each in upstream] == ["a", "b"]
        assert third.annotations["order"] == "c"

    @pytest.mark.parametrize("is_async", [False, True])
    def test_what_a_record_sends_on_belongs_to_its_trace(self, is_async):
        """A message that is sent while a record is at work names that record's trace, also side by side with others."""
        sent = {}

        async def handle(record):
            await asyncio.sleep(0)
            sent[record.body] = _scope.work().header()

        def handle_sync(record):
            sent[record.body] = _scope.work().header()

        event = events.sqs("a", "b", "c", trace_header=[header(1), header(2, sampled=0), None])
        with capture(TRACE_HEADER) as captured:
            production(each_record=True)(handle if is_async else handle_sync)(event, make_context())
        upstream, inside, _ = _segments(captured)
        lineage = TRACE_HEADER.split(";")[-1]
        part = upstream[0].document["subsegments"][0]["id"]
        assert sent["a"] == f"Root={root(1)};Parent={part};Sampled=1;{lineage}"
        assert sent["b"].startswith(f"Root={root(2)};Parent=")
        assert sent["b"].endswith(f";Sampled=0;{lineage}")
        third = next(each for each in inside if each.annotations["message_id"].endswith("3"))
        assert sent["c"] == f"Root={OWN};Parent={third.id};Sampled=1;{lineage}"

    def test_ten_thousand_traces_are_capped_and_counted(self, unheard):
        """A hundred records have documents of their own, and a hundred that fail beyond; every line names its trace."""

        def handle(record):
            if record.body.endswith("00"):
                logger.info("at work")
            if record.body in ("42", "9042"):
                raise ValueError

        event = events.sqs(*[str(n) for n in range(10_000)], trace_header=[header(n) for n in range(10_000)])
        with capture(TRACE_HEADER) as captured:
            answer = production(**IN_PARTS)(handle)(event, make_context(timeout_ms=60_000))
        assert ids(answer) == [event["Records"][index]["messageId"] for index in (42, 9042)]
        upstream, inside, own = _segments(captured)
        assert [segment.trace_id for segment in upstream] == [root(number) for number in (*range(100), 9042)]
        assert {(each.parent_id, each.trace_id) for each in inside} == {(own.id, OWN)}
        assert [line["xray_trace_id"] for line in captured.logs if line["message"] == "at work"] == [
            root(number) for number in range(100, 10_000, 100)
        ]
        record = captured.record
        assert len(record["upstreams"]) + record["upstreams_more"] == 10_000
        assert record["records"]["total"] == 10_000

    def test_without_a_trace_of_its_own_a_function_still_joins_its_senders(self):
        """Where Lambda gave no header, records adopt theirs, and the variable is gone again afterwards."""
        seen = []
        with capture() as captured:
            production(each_record=True)(lambda record: seen.append(os.environ[VARIABLE]))(
                events.sqs("a", trace_header=header(1)), make_context()
            )
        assert seen == [header(1)]
        assert VARIABLE not in os.environ
        (segment,) = captured.segments
        assert (segment.trace_id, segment.parent_id) == (root(1), f"{2:016x}")
        assert "links" not in segment.document

    @pytest.mark.parametrize(
        "variable", ["garbage", "", f"Parent=53995c3f42cd8ad8;Root={OWN};Sampled=1", TRACE_HEADER, None]
    )
    @pytest.mark.parametrize("error", [None, ValueError("no"), SystemExit(1)])
    def test_the_variable_is_what_it_was_to_the_letter(self, variable, error, monkeypatch):
        """However the records end, the variable is put back as it stood, be it malformed or in another order."""
        if variable is not None:
            monkeypatch.setenv(VARIABLE, variable)
        between = []

        def handle(record):
            between.append(os.environ.get(VARIABLE))
            if error is not None and record.body == "c":
                raise error

        event = events.sqs("a", "b", "c", trace_header=[header(1), None, header(2)])
        with capture(), contextlib.suppress(SystemExit, ExceptionGroup):
            production(each_record=True)(handle)(event, make_context())
        assert len(between) == 3
        assert between[1] == variable
        assert os.environ.get(VARIABLE) == variable

    def test_tracing_off_is_off(self, monkeypatch, unheard):
        """Neither keys nor variable nor documents, whatever came with the records."""
        monkeypatch.setenv("LAMBDA_GUARD_TRACING", "off")
        seen = []

        def handle(record):
            seen.append(os.environ[VARIABLE])
            logger.info("at work")

        with capture(TRACE_HEADER) as captured:
            production(each_record=True)(handle)(events.sqs("a", trace_header=header(1)), make_context())
        assert seen == [TRACE_HEADER]
        assert captured.segments == []
        assert "xray_trace_id" not in captured.logs[0]
        assert captured.logs[0]["message_id"] == events.sqs("a")["Records"][0]["messageId"]


class TestWhatIsImported:
    def test_batches_cost_nothing_where_there_are_none(self, fresh):
        """Powertools' data classes, and asyncio, are only imported for handlers of records, and async ones."""
        said = fresh("""
            import sys
            from lambda_guard import production
            production(lambda event, context: None)
            print("aws_lambda_powertools.utilities.data_classes" in sys.modules, "lambda_guard.batch.loop" in sys.modules)
            production(each_record=True)(lambda record: None)({"Records": []}, None)
            print("lambda_guard.batch.loop" in sys.modules, "asyncio" in sys.modules, "aws_xray_sdk" in sys.modules)
        """)
        assert said.splitlines()[0] == "False False"
        assert said.splitlines()[-1] == "True False False" or said.splitlines()[1] == "True False False"
