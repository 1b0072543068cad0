"""One record of a batch while it is at work: its log keys, its place in a trace, what is said when it fails.

A record that a trace came with adopts that trace: its lines, what it sends on and its own segment belong
there, and a subsegment in the function's own trace stands for it; each names the other. So that a batch of
thousands costs no more than one of a hundred, only the first ones and those that fail have documents, and
only the first ones are named by the environment; all of them have the keys and send their trace on.
"""

import logging
import os
import time
from collections.abc import Iterator
from functools import cached_property
from threading import Lock
from typing import Any, Final

from .. import _names, _scope, _stdout
from .._failsafe import attempt
from .._invocation import adoptable
from ..failure import exceptions
from ..propagation.extract import Upstream, record_attempt, record_message_id, record_upstream
from ..propagation.header import TraceHeader
from ..sinks.log import final_attempt, lines
from ..sinks.xray import document, span

_SUBSEGMENT: Final = "record"
_making = Lock()


class BatchRecord:
    """A record at work. Most of it is found out only where somebody asks, for most records nobody does.

    Attributes:
        scope: of the invocation.
        raw: the record, as it came.
        started: epoch seconds.
        recorded: whether something has to be done when it ends.
        tail: its log keys as JSON, once they have been asked for.
        user_keys: what its handler appended to its logger.
    """

    recorded = False
    tail: str | None = None
    user_keys: dict[str, Any] | None = None
    _changed = False
    _variable: str | None = None

    def __init__(self, scope: _scope.Scope, raw: Any, started: float) -> None:
        self.scope = scope
        self.raw = raw
        self.started = started

    @cached_property
    def keys(self) -> dict[str, Any]:
        """Its log keys, which hold instead of the invocation's where they have the same name."""
        found = {_names.MESSAGE_ID: record_message_id(self.raw), _names.ATTEMPT: record_attempt(self.raw)}
        if self.adopted is not None:
            found[_names.XRAY_TRACE_ID] = self.adopted.root
        return {key: value for key, value in found.items() if value is not None}

    @cached_property
    def adopted(self) -> TraceHeader | None:
        """The upstream header whose trace its work belongs to; `None` where that is the invocation's own."""
        it = self.scope.invocation
        header = record_upstream(self.raw, it.trigger.type) if self.scope.settings.tracing else None
        return adoptable(it.trace, (Upstream(header),)) if header is not None else None

    @cached_property
    def span(self) -> "RecordSpan | None":
        """Its place in its trace; `None` where there is no trace."""
        header = self.adopted or self.scope.invocation.trace
        return RecordSpan(self, header) if header is not None else None

    def open(self, *, alone: bool) -> None:
        """Have its documents kept, and the environment name its trace.

        Args:
            alone: whether no other record is at work; the environment is the whole process's.
        """
        if self.span is None:
            return
        self.recorded = True
        self.span.record()
        if alone and self.adopted is not None:
            self._variable = os.environ.get(_names.ENV_TRACE_HEADER)
            self._changed = True
            os.environ[_names.ENV_TRACE_HEADER] = self.span.text(self.span.header.parent)

    def close(self, error: BaseException | None, ended: float) -> None:
        """Put the environment back and send its documents."""
        if self._changed:
            self._changed = False
            if self._variable is None:
                os.environ.pop(_names.ENV_TRACE_HEADER, None)
            else:
                os.environ[_names.ENV_TRACE_HEADER] = self._variable
        if self.span is not None:
            self.span.send(error, ended)


class RecordSpan:
    """The place of one record in the trace that its work belongs to: what the trace sink asks of a `Span`.

    Attributes:
        header: of that trace, as it came.
        id: names the record in it, in every header that it sends on.
        own_id: the id of the subsegment in the function's own trace.
        recorded: whether the work is sampled, so that the handler's own subsegments are kept.
        made: the segment and the subsegment that they hang below, once they have been asked for.
    """

    def __init__(self, record: BatchRecord, header: TraceHeader) -> None:
        self._record = record
        self.header = header
        self.id = document.new_id()
        self.own_id = self.id if record.adopted is None else document.new_id()
        self.recorded = False
        self.made: Any = None

    def text(self, parent: str | None) -> str:
        """Return the header that sends the trace on from `parent`, with the lineage of the function."""
        own = self._record.scope.invocation.trace
        return TraceHeader(
            self.header.root, parent, self.header.sampled, own.lineage if own is not None else None
        ).text()

    def record(self) -> None:
        """Have the work recorded, where its trace is sampled."""
        self.recorded = self.header.is_sampled and self.header.parent is not None and span.recorder().ready()

    @property
    def stack(self) -> Any:
        """The segment and the subsegment that its own ones hang below; without any, the invocation's."""
        if not self.recorded:
            trace = self._record.scope.trace
            return trace.stack if trace is not None else None
        if self.made is None:
            with _making:
                if self.made is None:
                    self.made = self._make()
        return self.made

    def _make(self) -> Any:
        record, header = self._record, self.header
        if record.adopted is None:
            return span.recorder().own_stack(_SUBSEGMENT, header.root, header.parent, self.id, record.started)
        function = record.scope.invocation.function
        return span.recorder().adopted_stack(
            _SUBSEGMENT, function, header.root, header.parent, self.id, record.started
        )

    def send(self, error: BaseException | None, ended: float) -> None:
        """Send the documents of a record that has ended."""
        cause = document.cause(error) if error is not None else None
        documents = list(
            self.documents(_names.FAILURE if error is not None else _names.SUCCESS, cause, ended)
        )
        if documents and self.made is not None:
            for child in span.recorder().children(self.made):
                span.recorder().send(child)
        for whole in documents:
            span.recorder().send(whole)

    def documents(self, outcome: str, cause: dict[str, Any] | None, ended: float) -> Iterator[dict[str, Any]]:
        """Yield its own documents: the upstream trace's, and the function's own."""
        if not self.recorded:
            self.record()  # one that failed beyond the cap
        it = self._record.scope.invocation
        own_sampled = it.trace is not None and it.trace.is_sampled and it.trace.parent is not None
        if not (self.recorded or own_sampled) or not span.recorder().ready():
            return
        if self.recorded and self._record.adopted is not None:
            yield self._segment(outcome, cause, ended)
        if own_sampled:
            yield self._own_subsegment(outcome, cause, ended)

    def _segment(self, outcome: str, cause: dict[str, Any] | None, ended: float) -> dict[str, Any]:
        it = self._record.scope.invocation
        found = self._document(it.function, self.id, self.header, ended, outcome)
        if self.made is not None:
            found["subsegments"] = [span.adopted_handler(self.made[1], ended, cause)]
        if it.trace is not None:
            found["annotations"]["lambda_trace_id"] = it.trace.root
            found["links"] = [span.link(it.trace.root, self.own_id)]
        return span.with_error(found, cause)

    def _own_subsegment(self, outcome: str, cause: dict[str, Any] | None, ended: float) -> dict[str, Any]:
        record = self._record
        own, above = record.scope.invocation.trace, record.scope.trace
        assert own is not None
        place = own.with_parent(above.own_id) if above is not None else own
        found = self._document(_SUBSEGMENT, self.own_id, place, ended, outcome)
        found.update(type="subsegment", namespace="local")
        if record.adopted is not None:
            found["annotations"]["upstream_trace_id"] = record.adopted.root
            found["links"] = [
                span.link(record.adopted.root, self.id if self.recorded else record.adopted.parent)
            ]
        elif self.made is not None:
            span.add_users(found, self.made[1])
        return span.with_error(found, cause)

    def _document(
        self, name: str, span_id: str, place: TraceHeader, ended: float, outcome: str
    ) -> dict[str, Any]:
        record = self._record
        it, keys = record.scope.invocation, record.keys
        annotations: dict[str, Any] = {
            "invocation_id": it.invocation_id,
            "service": record.scope.settings.service,
            "trigger": it.trigger.type,
            "outcome": outcome,
            **{key: keys[key] for key in (_names.MESSAGE_ID, _names.ATTEMPT) if key in keys},
        }
        return {
            "name": name,
            "id": span_id,
            "trace_id": place.root,
            "parent_id": place.parent,
            "start_time": record.started,
            "end_time": ended,
            "annotations": annotations,
        }


class BatchReport:
    """Tells the telemetry of a batch, each part through the seam; does nothing where there is no scope.

    Args:
        scope: of the invocation, or `None`.
        records: the batch.

    Attributes:
        alone: whether records have their turns one after the other.
    """

    def __init__(self, scope: _scope.Scope | None, records: Any) -> None:
        self.alone = True
        self._scope = scope
        self._records = records
        self._before = _scope.record_at_work.get()
        self._at_work: set[BatchRecord] = set()
        self._said: set[str] = set()
        self._spans_left = _names.RECORD_SPANS_MOST if scope is not None and scope.settings.tracing else 0
        self._failed_spans_left = self._spans_left
        if scope is not None:
            scope.records = {"total": len(records), "failed": 0, "failures": []}
            scope.at_work = self._at_work

    def begin(self, raw: Any, started: float) -> BatchRecord | None:
        """Make a record the one that is at work here."""
        if self._scope is None:
            return None
        record = BatchRecord(self._scope, raw, started)
        _scope.record_at_work.set(record)
        if self.alone:
            self._at_work.clear()
        self._at_work.add(record)
        if self._spans_left:
            self._spans_left -= 1
            attempt("trace.record.enter", self._open, record)
        return record

    def _open(self, record: BatchRecord) -> None:
        record.open(alone=self.alone)

    def end(self, record: BatchRecord | None, error: BaseException | None) -> None:
        """End a record's turn, with what came out of its handler."""
        if record is None or not (record.recorded or error is not None):
            return
        if not record.recorded:
            if not self._failed_spans_left:
                return
            self._failed_spans_left -= 1
        attempt("trace.record.leave", record.close, error, time.time())

    def leave(self) -> None:
        """Take back that a record is at work."""
        if self._scope is not None:
            self._at_work.discard(_scope.record_at_work.get())
            _scope.record_at_work.set(self._before)

    def failed(self, raw: Any, error: Exception) -> None:
        """Note a failure, and write what it was, unless the same has been written for another record."""
        if self._scope is not None:
            attempt("batch.failure", self._failed, raw, error)

    def _failed(self, raw: Any, error: Exception) -> None:
        fingerprint = exceptions.fingerprint(error)
        known = {
            "type": exceptions.type_name(error),
            "message": exceptions.message(error),
            "fingerprint": fingerprint,
        }
        self._count(raw, _names.FAILURE, known)
        if fingerprint not in self._said and len(self._said) < _names.FAILED_RECORDS_MOST:
            self._said.add(fingerprint)
            _write(logging.ERROR, f"record failed: {known['type']}", error=error)

    def _count(self, raw: Any, outcome: str, error: dict[str, Any] | None) -> None:
        assert self._scope is not None
        assert self._scope.records is not None
        records = self._scope.records
        records["failed"] += 1
        if len(records["failures"]) < _names.FAILED_RECORDS_MOST:
            entry = {
                "message_id": record_message_id(raw),
                "attempt": record_attempt(raw),
                "outcome": outcome,
                "error": error,
            }
            records["failures"].append({key: value for key, value in entry.items() if value is not None})

    def finish(
        self, failures: dict[int, Exception | None], *, everything: bool, out_of_time: str | None
    ) -> None:
        """Note what the batch came to.

        Args:
            failures: by position; `None` for those that weren't begun.
            everything: whether all records go back, not only those.
            out_of_time: why some weren't begun, where it is the time.
        """
        if self._scope is not None:
            attempt("batch.finish", self._finish, failures, everything, out_of_time)

    def _finish(
        self, failures: dict[int, Exception | None], everything: bool, out_of_time: str | None
    ) -> None:
        assert self._scope is not None
        for index in sorted(failures):
            if failures[index] is None:
                self._count(self._records[index], _names.SKIPPED, None)
        if out_of_time is not None:
            _write(logging.WARNING, out_of_time)
        back = self._records if everything else [self._records[index] for index in failures]
        final_attempt.count(self._scope, back)

    def give_up(self) -> None:
        """Note that the batch was ended by something that isn't an `Exception`: all of it goes back."""
        if self._scope is not None:
            attempt("batch.finish", final_attempt.count, self._scope, self._records)


def _write(level: int, said: str, *, error: Exception | None = None) -> None:
    """Write a line, from where it failed in the user's code."""
    if lines.line_logger().isEnabledFor(level):
        stack = exceptions.frames(exceptions.trace_of(error)) if error is not None else []
        location = f"{stack[-1][2]}:{stack[-1][1]}" if stack else "lambda_guard"
        _stdout.write(
            lines.make_line(level, location, said, time.time(), lines.LOGGER_NAME, None, error, None)
        )
