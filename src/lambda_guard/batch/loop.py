"""`each_record=True`: splits a batch, calls the handler for each batch item, and returns one response for all of them.

`docs/batches.md` describes what becomes of the messages: an item counts as processed only if the handler has returned.
That also holds without telemetry, when there is no scope: under the kill switch, and after a failure of ours.
"""

from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from math import inf
from time import time
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import Any, Final, TypeVar

from .. import _scope
from .._failsafe import attempt
from .._invocation import _remaining
from ..errors import ConfigurationError, OutOfTimeError, UnidentifiedRecordError
from ..failure import exceptions
from ..propagation.extract import record_message_id
from ..timeout.watchdog import margin
from ..trigger.read import raw_event
from . import calling
from .item import BatchItem
from .report import BatchReport
from .source import Source, identifiers, read_batch

T = TypeVar("T")

# Items that `async def` handlers process at once: as many as the connections that HTTP clients keep.
_CONCURRENT_MOST: Final = 100
_SOONER: Final = 1.25  # than the watchdog's margin: the larger of 100 ms and a tenth of the time, at most 1 s
_OUR_FILES: Final = (__file__, calling.__file__)
_NOTES_MOST: Final = 100  # per exception object, since a module may raise the same one repeatedly


class RecordHandler:
    """The state of a handler of one record that lasts as long as the process.

    Args:
        handler: the handler, as it was decorated.
        report: return a partial batch response if some items fail, instead of raising.

    Raises:
        ConfigurationError: the handler can't be called with a record, or with a record and the context.
    """

    __slots__ = ("_calling", "report")

    def __init__(self, handler: Any, *, report: bool) -> None:
        self.report = report
        self._calling = calling.Calling(handler)

    def run(self, handler: Callable[..., Any], event: Any = None, context: Any = None) -> Any:
        """Call the handler for each batch item, and return or raise the result of the batch.

        Args:
            handler: the handler of one record, bound if it is a method.
            event: the batch.
            context: Lambda's context.

        Returns:
            With `report`, a partial batch response; otherwise `None`.

        Raises:
            ExceptionGroup: the items' own exceptions: some failed and `report` is off, or all did.
            NotABatchError: the event isn't a batch.
            BaseException: a handler's exception that isn't an `Exception` is raised at once, unchanged.
        """
        batch = self._batch(event, context)
        try:
            batch.work(self._calling.of(handler, context))
        except BaseException:
            batch.give_up()
            raise
        return batch.answer()

    async def run_async(self, handler: Callable[..., Any], event: Any = None, context: Any = None) -> Any:
        """Do the same for an `async def` handler."""
        batch = self._batch(event, context)
        try:
            await batch.work_async(self._calling.of(handler, context))
        except BaseException:
            batch.give_up()
            raise
        return batch.answer()

    def _batch(self, event: Any, context: Any) -> "Batch":
        source, records = read_batch(raw_event(event))
        return Batch(source, records, self.report, _scope.current(), context)


class Batch:
    """The batch items of one invocation while they are processed.

    Attributes:
        source: the rules of the event source.
        records: the items, as they came.
        identifiers: each item's identifier in a partial batch response; `None` for an item without one.
        failures: by position, the exception of each item that failed; `None` for one that wasn't started.
        report: notifies the telemetry; `None` if there is none.
    """

    def __init__(
        self, source: Source, records: Sequence[Any], partial: bool, scope: _scope.Scope | None, context: Any
    ) -> None:
        self.source = source
        self.records = records
        self.identifiers = identifiers(source, records)
        self.failures: dict[int, Exception | None] = {}
        self.report = attempt("batch.enter", BatchReport, scope, records) if scope is not None else None
        self._partial = partial
        self._until, self._margin_s = _last_begin(scope, context)
        self._broken_lanes: set[object] = set()
        self._out_of_time = 0
        # Items are checked before their turn only if they are ordered, or if one has no identifier.
        self._looked_at = source.lane is not None or None in self.identifiers

    def tell(self, part: str, step: Callable[..., T], *args: Any) -> T | None:
        """Notify the telemetry, if there is any, and swallow its exceptions."""
        return attempt(part, step, self.report, *args) if self.report is not None else None

    # --- Turns ----------------------------------------------------------------------------------------------

    def work(self, call: Callable[[Any], Any]) -> None:
        """Process the items in their order."""
        data_class, until, report = self.source.data_class, self._until, self.report
        try:
            for index, record in enumerate(self.records):
                started = time()
                if started >= until:
                    self._stop(range(index, len(self.records)))
                    return
                if self._looked_at and not self._may_begin(index, record):
                    continue
                item = attempt("batch.begin", report.begin, record, started) if report is not None else None
                try:
                    result = call(data_class(record))
                    if result is not None:
                        _refuse_unfinished(result)
                except BaseException as error:
                    if not self._failed(index, item, error):
                        raise
                else:
                    if item is not None and item.recorded and report is not None:
                        attempt("batch.end", report.end, item, None)
        finally:
            self.tell("batch.leave", BatchReport.leave)

    async def work_async(self, call: Callable[[Any], Any]) -> None:
        """Process the items: lanes concurrently, the items of a lane one after the other.

        Raises:
            BaseException: a handler's exception that isn't an `Exception`; the other items are cancelled.
        """
        lanes = deque(self._lanes())
        if len(lanes) <= 1:
            for lane in lanes:
                await self._walk(lane, call)
            return
        if self.report is not None:
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
        item = self.tell("batch.begin", BatchReport.begin, record, started)
        try:
            _refuse_unfinished(await call(self.source.data_class(record)))
        except BaseException as error:
            if not self._failed(index, item, error):
                raise
        else:
            if item is not None and item.recorded:
                self.tell("batch.end", BatchReport.end, item, None)
        finally:
            self.tell("batch.leave", BatchReport.leave)

    def _failed(self, index: int, item: BatchItem | None, error: BaseException) -> bool:
        """Note a handler's exception; return false if it isn't limited to the item and has to be raised."""
        its_own = issubclass(type(error), Exception)
        if its_own:
            self._fail(index, error)
        if item is not None:
            self.tell("batch.end", BatchReport.end, item, error)
        return its_own

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
        except Exception:  # its lane is unknown: all such items share one
            return None
        return lane

    def _may_begin(self, index: int, record: Any) -> bool:
        lane = self._lane(record) if self.source.lane is not None else None
        if self.source.lane is not None and lane in self._broken_lanes:
            self.failures[index] = None
            return False
        if self.identifiers[index] is None:
            self.tell("batch.leave", BatchReport.leave)
            said = f"record {index + 1} of the batch has no id: it can't be answered for"
            self._fail(index, UnidentifiedRecordError(said))
            return False
        return True

    def _fail(self, index: int, error: Any) -> None:
        record = self.records[index]
        _leave_out_our_frames(error)
        self.failures[index] = error
        if self.source.lane is not None:
            self._broken_lanes.add(self._lane(record))
        self.tell("batch.failure", BatchReport.failed, record, error)

    def _stop(self, left: Iterable[int]) -> None:
        """Give back the items that the timeout would interrupt if they were started now."""
        unbegun = [index for index in left if index not in self.failures]
        self.failures.update(dict.fromkeys(unbegun))
        self._out_of_time += len(unbegun)

    def give_up(self) -> None:
        """Report that the whole batch is given back."""
        self.tell("batch.finish", BatchReport.give_up)

    # --- The answer -----------------------------------------------------------------------------------------

    def answer(self) -> dict[str, Any] | None:
        """Return the response for Lambda, or raise if the whole batch has failed."""
        given_back = sorted(self.failures)
        in_part = self._partial and len(given_back) < len(self.records)
        raises = bool(given_back) and not (in_part and all(map(self._is_identified, given_back)))
        late = self._late() if self._out_of_time else None
        self.tell("batch.finish", BatchReport.finish, self.failures, raises, late)
        if raises:
            raise ExceptionGroup(self._summary(), self._errors(given_back))
        return {"batchItemFailures": self._items(given_back)} if self._partial else None

    def _is_identified(self, index: int) -> bool:
        return self.identifiers[index] is not None

    def _items(self, given_back: list[int]) -> list[dict[str, Any]]:
        named = [self.identifiers[index] for index in given_back]
        if named and self.source.from_lowest and all(str(each).isdecimal() for each in named):
            named = [min(named, key=int)]
        return [{"itemIdentifier": each} for each in named]

    def _summary(self) -> str:
        begun = sum(error is not None for error in self.failures.values())
        rest = len(self.failures) - begun
        return f"{begun} of {len(self.records)} records failed" + (f", {rest} were not begun" if rest else "")

    def _errors(self, given_back: list[int]) -> list[Exception]:
        errors = [error for index in given_back if (error := self._noted(index)) is not None]
        return [*errors, OutOfTimeError(self._late())] if self._out_of_time else errors

    def _late(self) -> str:
        left, total = self._out_of_time, len(self.records)
        return f"{left} of {total} records were not begun: less than {self._margin_s * 1000:.0f} ms were left"

    def _noted(self, index: int) -> Exception | None:
        error = self.failures[index]
        if error is not None:
            message_id = record_message_id(self.records[index])
            _add_note(
                error,
                f"message_id: {message_id}" if message_id is not None else f"record {index + 1} of the batch",
            )
        return error


def _last_begin(scope: _scope.Scope | None, context: object) -> tuple[float, float]:
    """Return the time from which no item is started, in epoch seconds, and how many seconds before the deadline it is.

    It is a little before the watchdog wakes: a batch that gives items back in time isn't stuck.
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
        except BaseException as error:  # from a task, `SystemExit` would end the loop at once
            return error
        return None

    tasks = {asyncio.ensure_future(work()) for _ in range(min(len(lanes), _CONCURRENT_MOST))}
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
    """Add a note if the exception accepts it: a frozen one doesn't; one that is raised again already has it."""
    with suppress(BaseException):  # an exception from a property, even `SystemExit`, isn't the item's error
        notes = getattr(error, "__notes__", ())
        if note not in notes and len(notes) < _NOTES_MOST:
            error.add_note(note)


_UNFINISHED: Final = (CoroutineType, GeneratorType, AsyncGeneratorType)


def _refuse_unfinished(result: Any) -> None:
    """Raise if a handler has returned work that nothing will run: its item isn't processed.

    Raises:
        ConfigurationError: names the way to write the handler instead.
    """
    kind = type(result)  # a user's object may have any `__class__`, or raise when it is read
    if issubclass(kind, _UNFINISHED) or hasattr(kind, "__await__"):
        if issubclass(kind, CoroutineType | GeneratorType):
            result.close()  # avoids the warning that it was never awaited: this error reports it
        raise ConfigurationError(
            f"the handler of a record returned a {kind.__name__}, which nobody runs: "
            "write it as `async def` where it awaits, and without `yield`"
        )


def _leave_out_our_frames(error: Exception) -> None:
    """Make the traceback start in the user's code; if none of it was reached, it stays."""
    trace = exceptions.trace_of(error)
    while trace is not None and trace.tb_frame.f_code.co_filename in _OUR_FILES:
        trace = trace.tb_next
    if trace is not None:
        BaseException.with_traceback(error, trace)
