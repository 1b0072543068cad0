"""Powertools' batch examples with its processor, and under `each_record=True`: the same calls, the same answers."""

import functools
import json

import pytest
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.idempotency import IdempotencyConfig, idempotent_function
from aws_lambda_powertools.utilities.idempotency.exceptions import (
    IdempotencyItemAlreadyExistsError,
    IdempotencyItemNotFoundError,
)
from aws_lambda_powertools.utilities.idempotency.persistence.base import BasePersistenceLayer, DataRecord
from aws_lambda_powertools.utilities.parser import event_parser
from aws_lambda_powertools.utilities.parser.models import SqsRecordModel
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Json

from lambda_guard import production
from lambda_guard.errors import ConfigurationError
from lambda_guard.testing import capture, events, make_context


class Order(BaseModel):
    """The body of a message."""

    id: str


class OrderRecord(SqsRecordModel):
    """A message with an order."""

    body: Json[Order]


class Memory(BasePersistenceLayer):
    """An idempotency store in memory."""

    def __init__(self):
        super().__init__()
        self.kept = {}

    def _get_record(self, idempotency_key):
        try:
            return self.kept[idempotency_key]
        except KeyError:
            raise IdempotencyItemNotFoundError from None

    def _put_record(self, data_record: DataRecord):
        if data_record.idempotency_key in self.kept:
            raise IdempotencyItemAlreadyExistsError(old_data_record=self.kept[data_record.idempotency_key])
        self.kept[data_record.idempotency_key] = data_record

    def _update_record(self, data_record: DataRecord):
        self.kept[data_record.idempotency_key] = data_record

    def _delete_record(self, data_record: DataRecord):
        self.kept.pop(data_record.idempotency_key, None)


def by_message_id():
    """Return the configuration of Powertools' example."""
    config = IdempotencyConfig(event_key_jmespath="messageId")
    config.register_lambda_context(make_context())
    return config


def in_both_ways(make, batch):
    """Return the answers and what was done: of Powertools' processor, and of ours; `make(done)` makes the handler."""
    done = [], []
    theirs = process_partial_response(
        event=batch,
        record_handler=make(done[0]),
        processor=BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False),
        context=make_context(),
    )
    handler = production(each_record=True, report_batch_item_failures=True)(make(done[1]))
    with capture():
        ours = handler(batch, make_context())
    return (theirs, done[0]), (ours, done[1])


def test_an_idempotent_function_handles_records():
    """https://docs.powertools.aws.dev/lambda/python/latest/utilities/idempotency/#idempotent_function-decorator."""

    def make(done):
        config = by_message_id()

        @idempotent_function(data_keyword_argument="record", config=config, persistence_store=Memory())
        def record_handler(record):
            done.append(record.body)
            return {"id": record.message_id}

        return record_handler

    batch = events.sqs("one", "two")
    batch["Records"].append(batch["Records"][0])  # delivered twice
    theirs, ours = in_both_ways(make, batch)
    assert ours == theirs == ({"batchItemFailures": []}, ["one", "two"])


@pytest.mark.parametrize("decorate", [functools.partial, lambda function: function])
def test_an_idempotent_function_with_the_context_and_of_any_name(decorate):
    """The record is passed under the name that its parameter has, and the context under its own."""
    done = []

    @production(each_record=True)
    @decorate
    @idempotent_function(
        data_keyword_argument="order",
        config=by_message_id(),
        persistence_store=Memory(),
    )
    def handler(order, lambda_context):
        done.append((order.body, lambda_context.function_name))

    with capture():
        handler(events.sqs("one"), make_context(function_name="orders"))
    assert done == [("one", "orders")]


def test_an_idempotent_method():
    """Methods, too."""
    done = []

    class Handlers:
        @production(each_record=True)
        @idempotent_function(
            data_keyword_argument="record",
            config=by_message_id(),
            persistence_store=Memory(),
        )
        def handle(self, record):
            done.append(record.body)

    with capture():
        Handlers().handle(events.sqs("one", "two"), make_context())
    assert done == ["one", "two"]


def test_an_event_parser_handles_records():
    """https://docs.powertools.aws.dev/lambda/python/latest/utilities/parser/: its wrapper takes two arguments by position."""
    done = []

    @production(each_record=True, report_batch_item_failures=True)
    @event_parser(model=OrderRecord)
    def handler(record: OrderRecord, context):
        done.append(record.body.id)

    batch = events.sqs({"id": "o-1"}, "not JSON", {"id": "o-2"})
    with capture() as captured:
        answer = handler(batch, make_context())
    assert done == ["o-1", "o-2"]
    assert answer == {"batchItemFailures": [{"itemIdentifier": batch["Records"][1]["messageId"]}]}
    (failure,) = captured.record["records"]["failures"]
    assert failure["error"]["type"] == "ValidationError"


def passing_on(function):
    """Decorate without a word about what is wrapped, as many do."""

    def inner(*args, **kwargs):
        return function(*args, **kwargs)

    return inner


def by_position(function):
    """Decorate in a way that takes one argument by position."""

    @functools.wraps(function)
    def inner(event, /):
        return function(event)

    return inner


def by_keyword(function):
    """Decorate in a way that takes keywords alone."""

    @functools.wraps(function)
    def inner(*, record):
        return function(record=record)

    return inner


@pytest.mark.parametrize("decorate", [passing_on, by_position, by_keyword, lambda function: function])
def test_each_way_to_decorate_works(decorate):
    """By name where all of them take that, by position where one doesn't."""
    done = []

    @decorate
    def handle(record):
        done.append(record.body)

    with capture():
        production(each_record=True)(handle)(events.sqs("one"), make_context())
    assert done == ["one"]


def test_only_keywords_are_enough():
    """`def handler(*, record)` and `def handler(**data)` get it by Powertools' name."""
    done = []
    with capture():
        production(each_record=True)(lambda *, record: done.append(record.body))(
            events.sqs("1"), make_context()
        )
        production(each_record=True)(lambda **data: done.append(data["record"].body))(
            events.sqs("2"), make_context()
        )
    assert done == ["1", "2"]
    with pytest.raises(ConfigurationError, match=r"def handler\(record\)"):
        production(each_record=True)(lambda *, message: None)


@given(failing=st.lists(st.booleans(), min_size=1, max_size=8))
def test_random_failures_are_answered_the_same(failing):
    """Powertools' example with `json_body`: whichever messages fail, both answer with the same ones."""

    def make(done):
        def record_handler(record):
            done.append(record.json_body["item"])

        return record_handler

    batch = events.sqs(
        *("broken" if fails else {"item": number} for number, fails in enumerate([*failing, False]))
    )
    theirs, ours = in_both_ways(make, batch)
    assert json.dumps(ours) == json.dumps(theirs)
