"""Exceptions whose class answers anything to the question whether they are true."""

import sys

import pytest

from lambda_guard import logger, metrics
from lambda_guard.testing import events


class EmptyError(Exception):
    """Is false, as a container with nothing in it is."""

    def __len__(self):
        return 0


class FalseError(Exception):
    """Says that it is false."""

    def __bool__(self):
        return False


class UndecidedError(Exception):
    """Raises when it is asked."""

    def __bool__(self):
        raise ValueError("neither")


class UnmeasuredError(Exception):
    """Raises when its length is asked for."""

    def __len__(self):
        raise RuntimeError("no length")


class LeavingError(Exception):
    """Ends the process when it is asked."""

    def __bool__(self):
        raise SystemExit(3)


each_kind = pytest.mark.parametrize(
    "kind", [EmptyError, FalseError, UndecidedError, UnmeasuredError, LeavingError]
)


def refuse(kind):
    """Raise one, from another error."""
    try:
        {}["the cause"]
    except LookupError as cause:
        raise kind("the text") from cause


def second(batch):
    """Return the answer that gives back the second message."""
    return {"batchItemFailures": [{"itemIdentifier": batch["Records"][1]["messageId"]}]}


@each_kind
@pytest.mark.parametrize("is_async", [False, True])
def test_it_ends_only_its_own_record(invoke, kind, is_async):
    """The other records are processed; its line has its stack, and its cause."""
    done, answers = [], []

    def handle(record):
        if record.body == "2":
            refuse(kind)
        done.append(record.body)

    async def handle_async(record):
        handle(record)

    batch = events.sqs("1", "2", "3")
    captured = invoke(
        handle_async if is_async else handle,
        batch,
        answers=answers,
        each_record=True,
        report_batch_item_failures=True,
    )
    assert answers == [second(batch)]
    assert done == ["1", "3"]
    check(*[line for line in captured.logs if line["level"] == "ERROR"], kind=kind)
    (failure,) = captured.record["records"]["failures"]
    assert failure["error"]["type"] == kind.__name__


@each_kind
def test_the_group_holds_it(invoke, kind):
    """Where the whole batch is given back, its exception is raised with the others, in a group."""

    def handle(record):
        if record.body == "2":
            refuse(kind)

    captured = invoke(handle, events.sqs("1", "2", "3"), each_record=True)
    assert [type(each) for each in captured.raised.exceptions] == [kind]
    assert captured.record["error"]["type"] == "ExceptionGroup"


@each_kind
def test_it_comes_out_of_a_plain_handler(invoke, kind):
    """The very object is raised, and the record has its type and its stack."""
    raised = kind("the text")

    def fail(event, context):
        raise raised

    captured = invoke(fail)
    assert captured.raised is raised
    assert captured.record["error"]["type"] == kind.__name__
    assert captured.record["error"]["stack"][-1].endswith("in fail")


@each_kind
@pytest.mark.parametrize(
    "log",
    [
        lambda error: logger.exception("failed"),
        lambda error: logger.error("failed", exc_info=error),
        lambda error: logger.warning("failed", exc_info=True),
        lambda error: logger.info("failed", exc_info=sys.exc_info()),
        lambda error: logger.info("failed", exc_info=error, stack_info=True),
    ],
)
def test_a_logged_one_keeps_its_stack(invoke, kind, log):
    """However it is given to the logger."""

    def handler(event, context):
        try:
            refuse(kind)
        except kind as error:
            log(error)

    check(*invoke(handler).logs, kind=kind)


def check(line, kind):
    """Hold a line to the exception that was raised in `refuse`."""
    assert line["exception_name"] == kind.__name__
    assert line["stack_trace"]["frames"][-1]["function"] == "refuse"
    assert "KeyError: 'the cause'\n" in line["exception"]
    assert 'in refuse\n    raise kind("the text") from cause\n' in line["exception"]
    assert line["exception"].endswith(f"{kind.__name__}: the text")


@each_kind
def test_metrics_and_log_fields_take_one(invoke, kind):
    """As a value, a name, metadata, a field or `extra`: what can't be recorded is a warning, and nothing is raised."""

    def handler(event, context):
        odd = kind("odd")
        metrics.add_metric(odd, "Count", odd)
        metrics.add_metric("Orders", odd, 1)
        metrics.add_metric("Orders", "Count", 1, resolution=odd)
        metrics.add_dimension(odd, odd)
        metrics.add_metadata(odd, odd)
        metrics.set_timestamp(odd)
        with metrics.single_metric("Orders", "Count", 1, default_dimensions=odd) as metric:
            metric.add_dimension(odd, odd)
        logger.info(odd)
        logger.info("field", odd=odd)
        logger.info("extra", extra=odd)
        logger.append_keys(odd=odd)
        metrics.add_metric("Orders", "Count", 1)

    captured = invoke(handler)
    assert captured.raised is None
    lines = [line for line in captured.logs if line["level"] == "INFO"]
    assert [line["message"] for line in lines] == ["odd", "field", "extra"]
    assert (lines[1]["odd"], lines[2]["extra"]) == ("odd", "odd")
    assert sum(line["level"] == "WARNING" for line in captured.logs) == 7
