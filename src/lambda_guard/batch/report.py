"""Reports on a batch to the telemetry: its items' log keys, their spans, and their failures.

So that a batch of thousands costs no more than one of a hundred, only the first items and some that fail have spans,
and only the first ones set the environment variable; all of them have log keys and pass their trace on.
"""

import logging
from collections.abc import Mapping, Sequence
from time import time
from typing import Any

from .. import _json, _names, _scope, _stdout
from .._failsafe import attempt
from ..failure import exceptions
from ..propagation.extract import record_attempt, record_message_id
from ..sinks.log import final_attempt, lines
from .item import BatchItem


class BatchReport:
    """Notifies the telemetry of a batch. Its callers run it through the failsafe.

    Args:
        scope: the invocation's scope.
        records: the batch.

    Attributes:
        alone: whether items are processed one at a time, so that one may set the process's environment variable.
    """

    def __init__(self, scope: _scope.Scope, records: Sequence[Any]) -> None:
        self.alone = True
        self._scope = scope
        self._records = records
        self._before = _scope.current_item()
        self._at_work: set[_scope.Work] = set()
        self._said: set[str] = set()
        traced = any(each.header is not None for each in scope.invocation.upstreams)
        self._may_adopt = traced and bool(scope.settings.tracing)
        self._spans_left = _names.RECORD_SPANS_MOST if scope.tracer is not None else 0
        self._failed_spans_left = self._spans_left
        self._counts = scope.batch = _scope.BatchCounts(len(records))
        scope.at_work = self._at_work

    def begin(self, raw: Any, started: float) -> BatchItem:
        """Make `raw` the batch item that is being processed here."""
        item = BatchItem(self._scope, raw, started, self._may_adopt)
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
            place.adopt(in_python_alone=True)
        if self._scope.tracer is not None:
            self._scope.tracer.begin_item(item)

    def end(self, item: BatchItem, error: BaseException | None) -> None:
        """End an item, with its handler's exception, if any."""
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
        """Note that the item is no longer being processed."""
        if (item := _scope.current_item()) is not None:
            self._at_work.discard(item)
        _scope.set_item(self._before)

    def failed(self, raw: Any, error: Exception) -> None:
        """Count a failure, and log it unless the same failure has been logged for another item."""
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
        """Note the result of the batch.

        Args:
            failures: by position; `None` for items that weren't started.
            everything: whether all items are given back, not only those that failed.
            out_of_time: the reason why some weren't started, if time ran out.
        """
        for index in sorted(failures):
            if failures[index] is None:
                self._count(self._records[index], _names.SKIPPED, None)
        if out_of_time is not None:
            _write(logging.WARNING, out_of_time)
        back = self._records if everything else [self._records[index] for index in failures]
        final_attempt.count(self._scope, back)

    def give_up(self) -> None:
        """Note that an exception that isn't an `Exception` ended the batch: all of it is given back."""
        final_attempt.count(self._scope, self._records)


def _write(level: int, said: str, *, error: Exception | None = None) -> None:
    """Write a log line whose location is where the user's code failed."""
    if lines.line_logger().isEnabledFor(level):
        stack = exceptions.frames(exceptions.trace_of(error)) if error is not None else []
        location = f"{stack[-1][2]}:{stack[-1][1]}" if stack else "lambda_guard"
        _stdout.write(
            lines.make_line(
                level, _json.quote_text(location), said, time(), lines.LOGGER_NAME, None, error, None
            )
        )
