"""Powertools' examples for `@idempotent`, by itself and with `@production` on either side: the same answers and calls."""

import dataclasses
import json

import pytest
from aws_lambda_powertools.utilities.idempotency import IdempotencyConfig, idempotent, idempotent_function
from aws_lambda_powertools.utilities.idempotency.exceptions import (
    IdempotencyAlreadyInProgressError,
    IdempotencyItemAlreadyExistsError,
    IdempotencyKeyError,
    IdempotencyValidationError,
)
from aws_lambda_powertools.utilities.idempotency.serialization.dataclass import DataclassSerializer

from lambda_guard import logger, production
from lambda_guard.testing import capture, make_context

from . import test_batch


class Memory(test_batch.Memory):
    """A store that is asked again for what it has, as one is that doesn't return it at once."""

    def _put_record(self, data_record):
        if data_record.idempotency_key in self.kept:
            raise IdempotencyItemAlreadyExistsError
        super()._put_record(data_record)


ORDERS = ("alone", "production above", "production below")


def decorated(order, function, store, config):
    """Return the handler as the order has it, and a list of the invocation records."""
    make_idempotent = idempotent(persistence_store=store, config=config)
    if order == "alone":
        return make_idempotent(function)
    return (
        production(make_idempotent(function))
        if order == "production above"
        else make_idempotent(production(function))
    )


def run(order, function, events, **config):
    """Invoke a handler once for each event; return what it answered or raised, what it called, and the outcomes."""
    calls, endings = [], []

    def handler(event, context):
        calls.append(event)
        logger.info("called")
        return function(event)

    invoke = decorated(order, handler, Memory(), IdempotencyConfig(**config))
    with capture() as captured:
        for event in events:
            try:
                endings.append(json.loads(json.dumps(invoke(event, make_context()))))
            except Exception as error:
                endings.append((type(error), str(error)))
    return endings, calls, [record["outcome"] for record in captured.records]


def paid(event):
    """Answer with something new each time."""
    paid.count += 1
    return {"payment_id": paid.count, "message": "success", "statusCode": 200}


paid.count = 0


def failing_once(event):
    """Fail on the first call."""
    failing_once.count += 1
    if failing_once.count % 2:
        raise ValueError("refused")
    return "paid"


failing_once.count = 0

PAYMENT = {"user_id": "u-1", "product_id": "p-1"}
REQUEST = {
    "body": json.dumps(PAYMENT),
    "headers": {"X-Idempotency-Key": "k-1"},
    "requestContext": {"requestId": "r-1"},
}
EXAMPLES = {
    "getting started": (paid, [PAYMENT, PAYMENT, {**PAYMENT, "product_id": "p-2"}], {}),
    "a subset of the payload": (
        paid,
        [REQUEST, {**REQUEST, "requestContext": {"requestId": "r-2"}}, {**REQUEST, "body": "{}"}],
        {"event_key_jmespath": "powertools_json(body).[user_id, product_id]"},
    ),
    "a header as the key": (paid, [REQUEST, REQUEST], {"event_key_jmespath": 'headers."X-Idempotency-Key"'}),
    "the key is required": (
        paid,
        [{"order": 1}, REQUEST],
        {"event_key_jmespath": "headers.id", "raise_on_no_idempotency_key": True},
    ),
    "the payload is validated": (
        paid,
        [{"id": 1, "amount": 10}, {"id": 1, "amount": 10}, {"id": 1, "amount": 20}],
        {"event_key_jmespath": "id", "payload_validation_jmespath": "amount"},
    ),
    "an exception": (failing_once, [PAYMENT, PAYMENT, PAYMENT], {}),
    "a local cache": (paid, [PAYMENT, PAYMENT], {"use_local_cache": True}),
    "a response hook": (
        paid,
        [PAYMENT, PAYMENT],
        {"response_hook": lambda response, record: {**response, "again": True}},
    ),
}


@pytest.mark.parametrize("order", ORDERS[1:])
@pytest.mark.parametrize("name", EXAMPLES)
def test_the_answers_are_the_same(name, order):
    """Each answer, each error and each call of the handler, with both orders of the decorators."""
    function, events, config = EXAMPLES[name]
    paid.count = failing_once.count = 0
    alone = run("alone", function, events, **config)
    paid.count = failing_once.count = 0
    endings, calls, outcomes = run(order, function, events, **config)
    assert (endings, calls) == alone[:2]
    assert len(outcomes) == (len(events) if order == "production above" else len(calls))
    failed = sum(isinstance(ending, tuple) for ending in endings)
    seen = failed if order == "production above" else failed * (name == "an exception")
    assert outcomes.count("error") == seen


def test_the_errors_are_idempotencys_own():
    """The example tables above hold what they are named for."""
    for name, error in (
        ("the key is required", IdempotencyKeyError),
        ("the payload is validated", IdempotencyValidationError),
        ("an exception", ValueError),
    ):
        failing_once.count = 0
        endings, _, _ = run("production above", *EXAMPLES[name][:2], **EXAMPLES[name][2])
        assert error in [ending[0] for ending in endings if isinstance(ending, tuple)]


@pytest.mark.parametrize("order", ORDERS)
def test_an_event_that_is_at_work_already(order):
    """A second delivery meanwhile is refused, and the first one answers."""
    store, config, refused = Memory(), IdempotencyConfig(), []

    def handler(event, context):
        with pytest.raises(IdempotencyAlreadyInProgressError) as raised:
            invoke(event, make_context())
        refused.append(raised.value)
        return "paid"

    invoke = decorated(order, handler, store, config)
    with capture() as captured:
        assert invoke(PAYMENT, make_context()) == "paid"
    assert len(refused) == 1
    expected = {"alone": [], "production above": ["error", "success"], "production below": ["success"]}[order]
    assert [record["outcome"] for record in captured.records] == expected


@pytest.mark.parametrize("guarded", [False, True])
def test_an_idempotent_function_of_a_handler(guarded):
    """A function that the handler calls, with a dataclass as its result: it is called once, and gives the same."""

    @dataclasses.dataclass
    class Payment:
        id: str

    calls, config = [], IdempotencyConfig(event_key_jmespath="order_id")

    @idempotent_function(
        data_keyword_argument="order",
        persistence_store=Memory(),
        config=config,
        output_serializer=DataclassSerializer(model=Payment),
    )
    def pay(order):
        calls.append(order)
        return Payment(id=order["order_id"])

    def handler(event, context):
        config.register_lambda_context(context)
        return pay(order=event).id

    handler = production(handler) if guarded else handler
    with capture():
        assert [handler({"order_id": "o-1"}, make_context()) for _ in range(2)] == ["o-1", "o-1"]
    assert calls == [{"order_id": "o-1"}]
