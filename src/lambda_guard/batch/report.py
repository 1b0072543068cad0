"""What is told of a batch: its items' keys, their spans, and what failed.

So that a batch of thousands costs no more than one of a hundred, only the first items and those that fail have spans,
and only the first ones are named by the environment; all of them have the keys and send their trace on.
"""

import logging
from collections.abc import Mapping, Sequence
from time import time
from typing import Any

from .. import _names, _scope, _stdout
from .._failsafe import attempt
from ..failure import exceptions
from ..propagation.extract import record_attempt, record_message_id
from ..sinks.log import final_attempt, lines
from .item import BatchItem


class BatchReport:
    """Tells the telemetry of a batch. Its callers stand in front of the failsafe.

    Args:
        scope: of the invocation.
        records: the batch.

    Attributes:
        alone: whether items have their turns one after the other; the environment is the whole process's.
    """

    def __init__(self, scope: _scope.Scope, records: Sequence[Any]) -> None:
        self.alone = True
        self._scope = scope
        self._records = records
        self._before = _scope.current_item()
        self._at_work: set[_scope.Work] = set()
        self._said: set[str] = set()
        self._spans_left = _names.RECORD_SPANS_MOST if scope.tracer is not None else 0
        self._failed_spans_left = self._spans_left
        self._counts = scope.batch = _scope.BatchCounts(len(records))
        scope.at_work = self._at_work

    def begin(self, raw: Any, started: float) -> BatchItem:
        """Make a record the item that is at work here."""
        item = BatchItem(self._scope, raw, started)
        _scope.set_item(item)
        if self.alone:
            self._at_work.clear()
        self._at_work.add(item)
        if self._spans_left:
            self._spans_left -= 1
            attempt("trace.item.enter", self._open, item)
        return item

    def _open(self, item: BatchItem) -> None:
        place = item.place
        if place is not None and place.adopted and self.alone:
            place.adopt()
        if self._scope.tracer is not None:
            self._scope.tracer.begin_item(item)

    def end(self, item: BatchItem, error: BaseException | None) -> None:
        """End an item's turn, with what came out of its handler."""
        place = item.place
        if place is not None and place.adopted:
            place.give_back()
        if not item.recorded:
            if error is None or not self._failed_spans_left:
                return
            self._failed_spans_left -= 1
        if self._scope.tracer is not None:
            self._scope.tracer.end_item(item, error, time())

    def leave(self) -> None:
        """Take back that an item is at work."""
        if (item := _scope.current_item()) is not None:
            self._at_work.discard(item)
        _scope.set_item(self._before)

    def failed(self, raw: Any, error: Exception) -> None:
        """Note a failure, and write what it was, unless the same has been written for another item."""
        known = attempt("batch.error", exceptions.in_short, error) or {_names.TYPE: type(error).__name__}
        self._count(raw, _names.FAILURE, known)
        kind = known.get(_names.FINGERPRINT, known[_names.TYPE])
        if kind not in self._said and len(self._said) < _names.FAILED_RECORDS_MOST:
            self._said.add(kind)
            _write(logging.ERROR, f"record failed: {known[_names.TYPE]}", error=error)

    def _count(self, raw: Any, outcome: str, error: dict[str, Any] | None) -> None:
        entry = {
            _names.MESSAGE_ID: record_message_id(raw),
            _names.ATTEMPT: record_attempt(raw),
            _names.OUTCOME: outcome,
            _names.ERROR: error,
        }
        self._counts.add({key: value for key, value in entry.items() if value is not None})

    def finish(
        self, failures: Mapping[int, Exception | None], everything: bool, out_of_time: str | None
    ) -> None:
        """Note what the batch came to.

        Args:
            failures: by position; `None` for those that weren't begun.
            everything: whether all records go back, not only those.
            out_of_time: why some weren't begun, where it is the time.
        """
        for index in sorted(failures):
            if failures[index] is None:
                self._count(self._records[index], _names.SKIPPED, None)
        if out_of_time is not None:
            _write(logging.WARNING, out_of_time)
        back = self._records if everything else [self._records[index] for index in failures]
        final_attempt.count(self._scope, back)

    def give_up(self) -> None:
        """Note that the batch was ended by something that isn't an `Exception`: all of it goes back."""
        final_attempt.count(self._scope, self._records)


def _write(level: int, said: str, *, error: Exception | None = None) -> None:
    """Write a line, from where it failed in the user's code."""
    if lines.line_logger().isEnabledFor(level):
        stack = exceptions.frames(exceptions.trace_of(error)) if error is not None else []
        location = f"{stack[-1][2]}:{stack[-1][1]}" if stack else "lambda_guard"
        _stdout.write(lines.make_line(level, location, said, time(), lines.LOGGER_NAME, None, error, None))
