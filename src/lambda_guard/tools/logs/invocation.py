"""One invocation, as its lines describe it: what views draw, and filters ask for.

Filters pass most invocations over by their record alone, so the other lines are parsed when they are first
asked for.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, Final

from msgspec import Struct, field
from msgspec.structs import astuple, replace

from lambda_guard import _names as names
from lambda_guard.tools.logs.model import (
    TRUE_TIMES_MS,
    Line,
    Report,
    Stray,
    as_mapping,
    as_number,
    time_of,
    true_time,
)
from lambda_guard.tools.logs.reading.line_owner import load
from lambda_guard.tools.logs.reading.runtime_errors import (
    tells_of_an_error,
    told_by_lambda,
    told_by_the_runtime,
)
from lambda_guard.tools.logs.reading.shown_lines import shown_lines

KILLED: Final = "killed"
"""The environment ended the invocation: out of memory, a crash, or the end of the time without a record."""

UNFINISHED: Final = "unfinished"
"""No end of it stands in these logs: still running, cut off, or killed where no platform line says so."""

SERVER_ERROR: Final = "server error"
"""The handler answered a request with a status from 500 on: a success to Lambda alone."""

PARTIAL_FAILURE: Final = "partial failure"
"""Some records of the batch failed, and the answer gave them back: a success to Lambda alone."""

CLOCK_TOLERANCE_MS: Final = 1_000.0
"""How far outside its invocation a line's time may lie before the clock is said to have jumped."""

EXPLAINED: Final = {
    KILLED: "killed: the environment ended before the invocation could write its record "
    "(out of memory, a crash, or no time left)",
    UNFINISHED: "no end of it in these logs: still running, cut off, or killed",
}
"""The outcomes that no process can report about itself."""

CLOCK_JUMPED: Final = "the clock jumped: times that can't be true are shown as written, and count for nothing"

_FIRST_INIT: Final = re.compile(
    rb'INIT_REPORT .*Phase: init\b|\{.*"type": ?"platform\.initReport".*"phase": ?"init"'
)
_PROCESS_GONE: Final = (
    "Error: Runtime exited", "Process exited before completing request", "Unknown application error occurred",
)  # fmt: skip
"""Lambda's words for a process that ended while it had an invocation."""

_NOT_FAILED: Final = (*names.NO_FAILURE, UNFINISHED)
_HINT_KEYS: Final = (
    names.FUNCTION_NAME,
    names.FUNCTION_VERSION,
    names.SERVICE,
    names.XRAY_TRACE_ID,
    names.COLD_START,
)
_LAMBDA_GROUP: Final = "/aws/lambda/"


class Invocation(Struct, dict=True):
    """One invocation.

    Until Python 3.12 a cached property takes a lock, and a microsecond: only what is expensive and asked for
    several times is one.

    Attributes:
        invocation_id: Lambda's request id. A retried asynchronous invocation keeps its id: `attempt_seen`
            tells them apart.
        source: the file or log group that the lines come from.
        raw: all its lines as they were read, in the order of the log.
        record: the invocation record, where lambda_guard wrote one.
        report: what Lambda itself said.
        guarded: whether the lines were written by lambda_guard.
        attempt_seen: 1 for the first invocation under this id that was read, 2 for the next: its number is
            `attempt`, where that is known.
        late: these lines came after the block of this id had been given out.
        record_line: the line of `raw` that holds the record.
        repeats: whether one of its lines may stand there twice.
        attempt_counted: its place by time among all attempts under this id; None where that isn't known.
        left_out: how many of its lines aren't held any more, so that a page doesn't grow without bounds.
    """

    invocation_id: str
    source: str = ""
    raw: Sequence[bytes] = ()
    record: Mapping[str, object] | None = None
    report: Report = field(default_factory=Report)
    guarded: bool = False
    attempt_seen: int = 1
    late: bool = False
    record_line: bytes | None = None
    repeats: bool = True
    attempt_counted: int | None = None
    left_out: int = 0

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle it as it was read: what a line tells is read again in less time than it takes to be carried over."""
        return _read_again, astuple(replace(self, record=None))

    @cached_property
    def lines(self) -> Sequence[Line]:
        """Its lines in order of time, without what its record and its report say in full."""
        return shown_lines(self.raw, self.record, self.record_line, self.report, repeats=self.repeats)

    @cached_property
    def hints(self) -> Mapping[str, object]:
        """Function name and the like, from the first line that tells them, for invocations without a record."""
        found: dict[str, object] = {}
        for document in filter(None, (load(raw) for raw in self.raw if raw[:1] == b"{")):
            found = {key: document[key] for key in _HINT_KEYS if key in document} | found
        return {names.FUNCTION_NAME: _name_of_source(self.source)} | found

    @cached_property
    def symptom(self) -> str:
        """How it ended by its lines, for invocations without a record: `timeout`, `killed`, `error`, or nothing."""
        said = [line.message for line in self.lines if line.kind == "platform"]
        for message in said:
            if message.startswith("Task timed out after "):
                return names.TIMEOUT
            if message.startswith(_PROCESS_GONE):
                return KILLED
        failed = any(message.startswith("Error: ") for message in said)
        told = [tells_of_an_error(self.raw, place) for place in range(len(self.raw))]
        if any(told) and not failed:
            # An initialization that failed is tried again within the invocation: its errors aren't the invocation's.
            begin = max((place for place, raw in enumerate(self.raw) if _FIRST_INIT.match(raw)), default=0)
            failed = any(told[begin:])
        return names.FAILURE if failed else ""

    @property
    def facts(self) -> Mapping[str, object]:
        """The record, or, where there is none, what can be said in its place under the same keys."""
        return self.record if self.record is not None else self._inferred

    @cached_property
    def _inferred(self) -> dict[str, object]:
        report = self.report
        found: dict[str, object] = {
            names.OUTCOME: self.outcome,
            names.INVOCATION_ID: self.invocation_id,
            names.FUNCTION_NAME: self.hints.get(names.FUNCTION_NAME),
            names.FUNCTION_VERSION: self.hints.get(names.FUNCTION_VERSION) or report.version,
            names.SERVICE: self.hints.get(names.SERVICE),
            names.XRAY_TRACE_ID: self.hints.get(names.XRAY_TRACE_ID) or report.trace_id,
            names.COLD_START: self.hints.get(names.COLD_START, report.is_cold() or None),
            names.DURATION_MS: report.duration_ms,
            names.INIT_MS: report.init_ms,
            names.MEMORY_USED_MB: report.memory_used_mb,
            names.MEMORY_LIMIT_MB: report.memory_limit_mb,
        }
        return {key: value for key, value in found.items() if value not in (None, "")}

    @property
    def outcome(self) -> str:
        """One of the outcomes of a record, `killed` or `unfinished`; the platform's word goes before a record's."""
        said = str(self.record.get(names.OUTCOME) or "") if self.record is not None else ""
        if self.report.status in {"timeout", "error", "failure"}:
            seen = names.TIMEOUT if self.report.status == "timeout" else names.FAILURE
            return said if said not in ("", *names.NO_FAILURE) else self._worse(seen)
        if said in names.NO_FAILURE and self._is_unanswered():
            return names.FAILURE
        return said or self._without_a_record()

    def _is_unanswered(self) -> bool:
        """Whether the runtime client couldn't send what the handler returned: it says so after the record."""
        for raw in reversed(self.raw):
            if raw == self.record_line:
                break
            if tells_of_an_error([raw]):
                told = told_by_the_runtime([raw])
                return told is not None and told[0] == "Runtime.MarshalError"
        return False

    def _worse(self, seen: str) -> str:
        """A process that could not write its record did not merely fail: it was ended from outside."""
        if seen == names.FAILURE and self.record is None and (self.guarded or self._was_ended):
            return KILLED
        return seen

    @property
    def _was_ended(self) -> bool:
        """Whether the platform says that the process is gone: it exited, or was ended for its memory."""
        return self.symptom == KILLED or any(end in self.report.error_type for end in ("Exit", "OutOfMemory"))

    def _without_a_record(self) -> str:
        if self.symptom:
            return self.symptom
        if not self.report.ended:
            return UNFINISHED
        return KILLED if self.guarded else names.SUCCESS

    @property
    def failed(self) -> bool:
        """Whether the outcome is known and is a failure, or a part of the batch failed, or the answer says so."""
        return self.outcome not in _NOT_FAILED or self.failed_records > 0 or self.answered_with_an_error

    @property
    def http(self) -> Mapping[str, object]:
        """`{method, route, status}` of a request; empty where there was none."""
        return as_mapping(self.facts.get(names.HTTP))

    @property
    def answered_with_an_error(self) -> bool:
        """Whether it answered a request with a status from 500 on."""
        return (as_number(self.http.get(names.STATUS)) or 0) >= names.SERVER_ERROR_LEAST

    @property
    def verdict(self) -> str:
        """The outcome; where that is a success to Lambda alone, `server error` or `partial failure`."""
        outcome = self.outcome
        if outcome != names.SUCCESS:
            return outcome
        if self.answered_with_an_error:
            return SERVER_ERROR
        return PARTIAL_FAILURE if self.failed_records else outcome

    @property
    def failed_records(self) -> int:
        """How many records of the batch failed."""
        if self.record is None:
            return 0
        return int(as_number(as_mapping(self.record.get(names.RECORDS)).get(names.FAILED)) or 0)

    @property
    def function(self) -> str:
        """The function's name, or what stands for it where no line tells it."""
        return self.text(names.FUNCTION_NAME) or self.text(names.SERVICE) or "?"

    @property
    def version(self) -> str:
        """The function's version; empty where unknown."""
        return self.text(names.FUNCTION_VERSION)

    @property
    def trace_id(self) -> str:
        """The trace that the work belongs to."""
        return self.text(names.XRAY_TRACE_ID) or self.text(names.TRACE_ID)

    @property
    def trigger(self) -> Mapping[str, object]:
        """`{type, source, records}`; empty where unknown."""
        return as_mapping(self.facts.get(names.TRIGGER))

    @property
    def execution(self) -> str:
        """The ARN of the durable execution that it is a part of; empty where there is none."""
        return str(as_mapping(self.facts.get(names.DURABLE)).get(names.EXECUTION) or "")

    @property
    def error(self) -> Mapping[str, object]:
        """`{type, message, fingerprint, stack}`; empty where there is none."""
        return as_mapping(self.facts.get(names.ERROR))

    @property
    def cause(self) -> Mapping[str, object]:
        """Its error; without one, what the runtime or Lambda reports; empty where it didn't fail, or nothing tells."""
        if self.error or not self.failed:
            return self.error
        told = None if self.record is not None else told_by_the_runtime(self.raw)
        if told is None:
            kind, _ = told = told_by_lambda(self.raw) or ("", "")
            if self.report.error_type not in ("", kind):
                told = self.report.error_type, ""
        return {key: value for key, value in zip((names.TYPE, names.MESSAGE), told, strict=True) if value}

    @property
    def cold(self) -> bool:
        """Whether it started its environment."""
        return self.facts.get(names.COLD_START) in (True, "true", "True")

    @property
    def attempt(self) -> int | None:
        """The number of the attempt: its record's, or what was counted here; None where neither is known."""
        said = as_number(self.facts.get(names.ATTEMPT))
        return int(said) if said else self.attempt_counted

    @property
    def duration_ms(self) -> float | None:
        """How long it ran, in milliseconds, by its record, by the platform, or by its first and last line."""
        said = as_number(self.facts.get(names.DURATION_MS))
        if said is not None or self.report.duration_ms is not None:
            return said if said is not None else self.report.duration_ms
        times = self._times
        return max(times) - min(times) if len(times) > 1 else None

    @cached_property
    def _times(self) -> list[float]:
        told = [line.time_ms for line in self.lines] + [self.report.started_at_ms, self.report.ended_at_ms]
        return [at for at in map(true_time, told) if at is not None]

    @property
    def start_ms(self) -> float | None:
        """When it began, in milliseconds since 1970."""
        return self._span[0]

    @property
    def end_ms(self) -> float | None:
        """When it ended, or when the last sign of it was written, in milliseconds since 1970."""
        return self._span[1]

    @cached_property
    def _span(self) -> tuple[float | None, float | None]:
        ended = true_time(self._recorded_ms)
        if ended is not None:
            return ended - (as_number(self.facts.get(names.DURATION_MS)) or 0.0), ended
        began, took = true_time(self.report.started_at_ms), self.duration_ms
        if began is None:
            began = min(self._times, default=None)
        return began, max(self._times, default=None) if began is None or took is None else began + took

    @property
    def _recorded_ms(self) -> float | None:
        return time_of(self.record.get(names.TIMESTAMP)) if self.record is not None else None

    @cached_property
    def clock_jumped(self) -> bool:
        """Whether it carries times that can't be true.

        When no function can have run; lines also before the start or after the end, by more than a second.
        """
        earliest, latest = TRUE_TIMES_MS
        start, end = self._span
        if self.record is not None and start is not None and end is not None:
            earliest, latest = start - CLOCK_TOLERANCE_MS, end + CLOCK_TOLERANCE_MS
        recorded = self._recorded_ms
        if recorded is not None and not earliest <= recorded <= latest:
            return True
        for line in self.lines:
            at = line.time_ms
            if at is not None and not earliest <= at <= latest and line.kind == "log":
                return True
        return False

    def text(self, key: str) -> str:
        """Return a fact as text; empty where it is missing."""
        value = self.facts.get(key)
        return "" if value is None else str(value)

    def number(self, key: str) -> float | None:
        """Return a fact as a number; None if it is missing or isn't a number."""
        return as_number(self.facts.get(key))

    def entries(self, key: str) -> list[Mapping[str, object]]:
        """Return a fact that is a list of objects, such as `sent`; anything else in it is left out."""
        value = self.facts.get(key)
        return [entry for entry in value if isinstance(entry, Mapping)] if isinstance(value, list) else []


Block = Invocation | Stray


def invocations_of(blocks: Iterable[Block]) -> Iterator[Invocation]:
    """Leave the stray lines out."""
    return (block for block in blocks if isinstance(block, Invocation))


def _read_again(*told: Any) -> Invocation:
    invocation = Invocation(*told)
    if invocation.record_line is not None:
        invocation.record = load(invocation.record_line)
    return invocation


def _name_of_source(source: str) -> str:
    """Guess the function from where the lines come from: its log group, or a file named after it."""
    if _LAMBDA_GROUP in source:
        return source.rpartition(_LAMBDA_GROUP)[2].partition("/")[0]
    name, dot, _ = source.replace("\\", "/").rpartition("/")[2].partition(".")
    return name if dot and not name.isdigit() else ""  # an export's files are numbered
