"""`each_record=True`: a batch is taken apart, each record has its turn, and one answer is given for all of them.

What becomes of the messages in each case is a table in `docs/batches.md`. The rule behind it: a record counts as processed only
where its handler has returned. All of this holds without telemetry, too: `scope` is `None` under the kill switch, and where
ours has failed. The records are handed over as Powertools' data classes.
"""

import inspect
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from math import inf
from operator import itemgetter
from time import time
from typing import Any, Final, NamedTuple

from aws_lambda_powertools.utilities.data_classes.dynamo_db_stream_event import DynamoDBRecord
from aws_lambda_powertools.utilities.data_classes.kafka_event import KafkaEventRecord
from aws_lambda_powertools.utilities.data_classes.kinesis_stream_event import KinesisStreamRecord
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from . import _error, _scope
from ._batch_record import BatchReport
from ._invocation import _remaining
from ._trigger import messages_of, read_trigger
from ._watchdog import margin
from .errors import ConfigurationError, NotABatchError, OutOfTimeError, UnidentifiedRecordError
from .propagation.extract import record_message_id

CONCURRENT_MOST: Final = (
    100  # records of `async def` handlers at a time; as many as HTTP clients keep connections
)
_SOONER: Final = 1.25  # than the watchdog's margin: the larger of 100 ms and a tenth of the time, at most 1 s
_NOTES_MOST: Final = 100  # on one exception object, which a module may raise again and again


class Source(NamedTuple):
    """How the records of one event source are handed over, kept in order, and named in a partial batch response.

    Attributes:
        data_class: Powertools' class of the record.
        identifier: what `batchItemFailures` names a record by.
        lane: which records are to be processed in order, each after the one before it: those of one lane. `None`: there is
            no order.
        from_lowest: whether Lambda takes everything from the lowest identifier on for failed.
    """

    data_class: Callable[[Any], Any]
    identifier: Callable[[Any], Any]
    lane: Callable[[Any], object] | None = None
    from_lowest: bool = False


def _kafka_identifier(record: Any) -> dict[str, Any]:
    return {"partition": f"{record['topic']}-{record['partition']}", "offset": record["offset"]}


def _group(record: Any) -> object:
    try:
        return record["attributes"]["MessageGroupId"]
    except Exception:  # SQS gives every message of a FIFO queue one: those without stay together
        return None


# https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html: messageId; the rest of a FIFO group goes back.
# https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-batchfailurereporting.html: "the lowest sequence number".
# https://docs.aws.amazon.com/lambda/latest/dg/kafka-retry-configurations.html: topic-partition and offset.
_STANDARD: Final = Source(SQSRecord, itemgetter("messageId"))
_FIFO: Final = _STANDARD._replace(lane=_group)
_SOURCES: Final = {
    "sqs": _STANDARD,
    "kinesis": Source(
        KinesisStreamRecord, lambda record: record["kinesis"]["sequenceNumber"], lambda _: 0, True
    ),
    "dynamodb": Source(
        DynamoDBRecord, lambda record: record["dynamodb"]["SequenceNumber"], lambda _: 0, True
    ),
    "kafka": Source(
        KafkaEventRecord, _kafka_identifier, lambda record: (record["topic"], record["partition"])
    ),
}


def read_batch(event: Any) -> tuple[Source, Sequence[Any]]:
    """Return the records of a batch and how they are to be treated.

    Raises:
        NotABatchError: the event isn't a batch, or of a source whose batches can't be answered record by record.
    """
    records = messages_of(event)
    if records is not None and len(records) == 0:
        return (
            _STANDARD,
            (),
        )  # the last call of a Kinesis window: there is nothing to process, nothing to lose
    kind = read_trigger(event).type
    if records is not None and kind in (
        "lambda",
        "unknown",
    ):  # the first record may be the one that is broken
        kinds = (read_trigger({"Records": [record]}).type for record in records)
        kind = next((found for found in kinds if found not in ("lambda", "unknown")), kind)
    source = _SOURCES.get(kind.rpartition("-")[2])  # `sns-sqs` is a message in a queue, too
    if records is None or source is None or (source is not _STANDARD and isinstance(event, list)):
        raise NotABatchError(
            f"each_record=True takes batches from SQS, Kinesis, DynamoDB streams and Kafka; this event is {_described(kind, event)}. "
            "Decorate with @production alone for a function that handles whole events; in a test, make a batch with "
            "lambda_guard.testing.events.sqs(…)"
        )
    return (_FIFO if source is _STANDARD and _is_fifo(records) else source), records


def _described(kind: str, event: Any) -> str:
    return (
        f"of type {kind!r}"
        if kind not in ("lambda", "unknown")
        else f"a {type(event).__name__} that no such source sends"
    )


def _is_fifo(records: Sequence[Any]) -> bool:
    arns = (record.get("eventSourceARN") for record in records if isinstance(record, dict))
    return str(next((arn for arn in arns if arn), "")).endswith(".fifo")


class RecordHandler:
    """What a handler of one record has for as long as the process lives.

    Args:
        handler: as it was decorated.
        is_async: whether it is `async def`.
        report: answer with a partial batch response where some records fail, instead of raising.

    Raises:
        ConfigurationError: the handler can't be called with a record, or with a record and the context.
    """

    __slots__ = ("is_async", "report", "takes_context")

    def __init__(self, handler: Any, *, is_async: bool, report: bool) -> None:
        self.is_async = is_async
        self.report = report
        self.takes_context = _takes_context(handler)

    def run(self, handler: Callable[..., Any], event: Any = None, context: Any = None) -> Any:
        """Give each record its turn, and answer for all of them.

        Args:
            handler: the record handler, bound where it is a method.
            event: the batch.
            context: Lambda's.

        Returns:
            With `report`, a partial batch response; else `None`.

        Raises:
            ExceptionGroup: of the records' own exceptions: some failed and `report` is off, or none was processed.
            NotABatchError: the event isn't a batch.
            BaseException: what isn't an `Exception` comes out at once, untouched.
        """
        source, records = read_batch(event)
        batch = Batch(source, records, self.report, _scope.current(), context)
        call = self._call(handler, context)
        try:
            self._work_async(batch, call) if self.is_async else batch.work(call)
        except BaseException:
            batch.report.give_up()
            raise
        return batch.answer()

    def _call(self, handler: Callable[..., Any], context: Any) -> Callable[[Any], Any]:
        if not self.takes_context:
            return handler
        if self.takes_context is True:
            return lambda record: handler(record, context)
        keyword = {self.takes_context: context}
        return lambda record: handler(record, **keyword)

    def _work_async(self, batch: "Batch", call: Callable[[Any], Any]) -> None:
        from . import _event_loop

        ended = _event_loop.run(batch.work_async, (call,), {})
        if ended.error is not None:
            try:
                raise ended.error
            finally:
                ended.restore_context()


def _takes_context(handler: Any) -> bool | str:
    """Return whether the handler asks for a second argument; its name, where it takes it by keyword only."""
    function = handler.__func__ if isinstance(handler, staticmethod | classmethod) else handler
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # a builtin, which doesn't say
        return False
    if parameters and parameters[0].name in ("self", "cls"):
        parameters = parameters[1:]
    positional = [
        each for each in parameters if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)
    ]
    needed = [
        each
        for each in parameters
        if each.default is each.empty and each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)
    ]
    by_keyword = [
        each.name
        for each in parameters
        if each.kind is each.KEYWORD_ONLY and (each in needed or each.name in _CONTEXT)
    ]
    asks = len(positional) > 1 and (positional[1] in needed or positional[1].name in _CONTEXT)
    if not (positional or any(each.kind is each.VAR_POSITIONAL for each in parameters)) or len(needed) > 2:  # noqa: PLR2004 - the record and the context
        raise ConfigurationError(
            "each_record=True needs a handler of one record: write `def handler(record):`, "
            "or `def handler(record, context):` where it needs Lambda's context"
        )
    return asks or (by_keyword[0] if by_keyword else False)


_CONTEXT: Final = ("context", "lambda_context")


class Batch:
    """The records of one invocation while they have their turns.

    Attributes:
        source: how the records are treated.
        records: as they came.
        identifiers: what a partial batch response names each by; `None` where a record has nothing to be named by.
        failures: by position, each record that isn't processed: its exception, or `None` where it wasn't begun.
        report: tells the telemetry.
    """

    def __init__(
        self, source: Source, records: Sequence[Any], partial: bool, scope: Any, context: Any
    ) -> None:
        self.source = source
        self.records = records
        self.identifiers = _identifiers(source, records)
        self.failures: dict[int, Exception | None] = {}
        self.report = BatchReport(scope, records)
        self._partial = partial
        self._until, self._margin_s = _last_begin(scope, context)
        self._broken_lanes: set[object] = set()
        self._out_of_time = 0
        # A record needs a look before its turn only where there is an order, or one without an identifier.
        self._looked_at = source.lane is not None or None in self.identifiers

    # --- Turns ------------------------------------------------------------------------------------------------------

    def work(self, call: Callable[[Any], Any]) -> None:
        """Give each record its turn, in their order."""
        begin, report, data_class, until = self.report.begin, self.report, self.source.data_class, self._until
        try:
            for index, record in enumerate(self.records):
                started = time()
                if started >= until:
                    self._stop(range(index, len(self.records)))
                    return
                if self._looked_at and not self._may_begin(index, record):
                    continue
                current = begin(record, started)
                try:
                    call(data_class(record))
                except Exception as error:
                    self._fail(index, record, error)
                    report.end(current, error)
                except BaseException as error:
                    report.end(current, error)
                    raise
                else:
                    if current is not None and current.recorded:
                        report.end(current, None)
        finally:
            report.leave()

    async def work_async(self, call: Callable[[Any], Any]) -> None:
        """Give each record its turn: lanes side by side, the records of a lane one after the other.

        Raises:
            BaseException: what isn't an `Exception`; the turns of the others end with it.
        """
        lanes = deque(self._lanes())
        if len(lanes) <= 1:
            for lane in lanes:
                await self._walk(lane, call)
            return
        self.report.alone = False
        await _side_by_side(lanes, lambda lane: self._walk(lane, call))

    async def _walk(self, lane: Sequence[int], call: Callable[[Any], Any]) -> None:
        for index in lane:
            record, started = self.records[index], time()
            if started >= self._until:
                self._stop((index,))
            elif not self._looked_at or self._may_begin(index, record):
                await self._turn(index, record, started, call)

    async def _turn(self, index: int, record: Any, started: float, call: Callable[[Any], Any]) -> None:
        current = self.report.begin(record, started)
        try:
            await call(self.source.data_class(record))
        except Exception as error:
            self._fail(index, record, error)
            self.report.end(current, error)
        except BaseException as error:
            self.report.end(current, error)
            raise
        else:
            self.report.end(current, None)
        finally:
            self.report.leave()

    def _lanes(self) -> list[Sequence[int]]:
        if self.source.lane is None:
            return [(index,) for index in range(len(self.records))]
        lanes: dict[object, list[int]] = {}
        for index, record in enumerate(self.records):
            lanes.setdefault(self._lane(record), []).append(index)
        return list(lanes.values())

    def _lane(self, record: Any) -> object:
        try:
            lane = self.source.lane(record) if self.source.lane is not None else None
            hash(lane)
        except Exception:  # it has no place of its own in the order: together with its like
            return None
        return lane

    def _may_begin(self, index: int, record: Any) -> bool:
        lane = self._lane(record) if self.source.lane is not None else None
        if self.source.lane is not None and lane in self._broken_lanes:
            self.failures[index] = None
            return False
        if self.identifiers[index] is None:
            self.report.leave()
            self._fail(
                index,
                record,
                UnidentifiedRecordError(
                    f"record {index + 1} of the batch has no id: it can't be answered for"
                ),
            )
            return False
        return True

    def _fail(self, index: int, record: Any, error: Exception) -> None:
        _leave_out_our_frames(error)
        self.failures[index] = error
        if self.source.lane is not None:
            self._broken_lanes.add(self._lane(record))
        self.report.failed(record, error)

    def _stop(self, left: Iterable[int]) -> None:
        """Give back what would be cut down by the timeout if it were begun now."""
        unbegun = [index for index in left if index not in self.failures]
        self.failures.update(dict.fromkeys(unbegun))
        self._out_of_time += len(unbegun)

    # --- The answer -------------------------------------------------------------------------------------------------

    def answer(self) -> dict[str, Any] | None:
        """Return what Lambda is told, or raise where it's told that the whole batch failed."""
        given_back = sorted(self.failures)
        as_part = (
            self._partial
            and len(given_back) < len(self.records)
            and all(map(self._is_identified, given_back))
        )
        raises = bool(given_back) and not as_part
        self.report.finish(
            self.failures, everything=raises, out_of_time=self._late() if self._out_of_time else None
        )
        if raises:
            raise ExceptionGroup(self._summary(), self._errors(given_back))
        return {"batchItemFailures": self._items(given_back)} if self._partial else None

    def _is_identified(self, index: int) -> bool:
        return self.identifiers[index] is not None

    def _items(self, given_back: list[int]) -> list[dict[str, Any]]:
        identifiers = [self.identifiers[index] for index in given_back]
        if self.source.from_lowest and all(str(each).isdecimal() for each in identifiers):
            identifiers = [min(identifiers, key=int)] if identifiers else []
        return [{"itemIdentifier": each} for each in identifiers]

    def _summary(self) -> str:
        begun = sum(error is not None for error in self.failures.values())
        rest = len(self.failures) - begun
        return f"{begun} of {len(self.records)} records failed" + (f", {rest} were not begun" if rest else "")

    def _errors(self, given_back: list[int]) -> list[Exception]:
        errors = [error for index in given_back if (error := self._noted(index)) is not None]
        return [*errors, OutOfTimeError(self._late())] if self._out_of_time else errors

    def _late(self) -> str:
        return f"{self._out_of_time} of {len(self.records)} records were not begun: less than {self._margin_s * 1000:.0f} ms were left"

    def _noted(self, index: int) -> Exception | None:
        error = self.failures[index]
        if error is not None:
            message_id = record_message_id(self.records[index])
            _add_note(
                error,
                f"message_id: {message_id}" if message_id is not None else f"record {index + 1} of the batch",
            )
        return error


def _identifiers(source: Source, records: Sequence[Any]) -> list[Any]:
    try:
        found = list(map(source.identifier, records))
        if all(map(_names_a_record, found)):
            return found
    except Exception:  # a record without one: each is looked at for itself
        found = []
    return [_identifier(source, record) for record in records]


def _identifier(source: Source, record: Any) -> Any:
    try:
        found = source.identifier(record)
    except Exception:
        return None
    return found if _names_a_record(found) else None


def _names_a_record(identifier: Any) -> bool:
    return bool(identifier) and isinstance(identifier, str | dict)


def _last_begin(scope: _scope.Scope | None, context: object) -> tuple[float, float]:
    """Return the time after which nothing is begun, in epoch seconds, and how long before the deadline that is.

    A little sooner than the watchdog wakes, so that a batch that gives records back in time isn't taken for one that is stuck.
    """
    now = time()
    if scope is not None:
        started, deadline = scope.invocation.started, scope.invocation.deadline
    else:
        left = _remaining(context)
        started, deadline = now, now + left / 1000 if left is not None else None
    if deadline is None:
        return inf, 0.0
    margin_s = margin(deadline - started) * _SOONER
    return deadline - margin_s, margin_s


async def _side_by_side(
    lanes: deque[Sequence[int]], walk: Callable[[Sequence[int]], Awaitable[None]]
) -> None:
    import asyncio

    async def work() -> BaseException | None:
        try:
            while lanes:
                await walk(lanes.popleft())
        except (
            BaseException
        ) as error:  # out of a task, `SystemExit` would end the loop with the other turns half-way
            return error
        return None

    tasks = {asyncio.ensure_future(work()) for _ in range(min(len(lanes), CONCURRENT_MOST))}
    try:
        while tasks:
            done, tasks = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            errors = [error for task in done if (error := task.result()) is not None]
            if errors:
                raise errors[0]
    finally:
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)


def _add_note(error: Exception, note: str) -> None:
    """Add a note, where the exception takes one: a frozen one doesn't, and one that is raised again and again has it."""
    with suppress(Exception):
        notes = getattr(error, "__notes__", ())
        if note not in notes and len(notes) < _NOTES_MOST:
            error.add_note(note)


def _leave_out_our_frames(error: Exception) -> None:
    """Let the traceback begin in the user's code; where none of it was reached, it stays."""
    trace = _error.trace_of(error)
    while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    if trace is not None:
        BaseException.with_traceback(error, trace)
