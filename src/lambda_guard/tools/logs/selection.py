"""Which invocations to show: the filters of the command line as one value. Pure."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Final

from lambda_guard import _names as names
from lambda_guard.errors import LambdaGuardError
from lambda_guard.tools.logs.invocation import Invocation
from lambda_guard.tools.logs.model import Line
from lambda_guard.tools.logs.reading.line_owner import load
from lambda_guard.tools.logs.reading.lines import HIDDEN_KEYS

_MISSING: Final = object()
_PLAIN: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")


class ConditionFormatError(LambdaGuardError, ValueError):
    """A `--where` was typed in a way that can't be read."""

    exit_code = 2


@dataclass(frozen=True)
class Condition:
    """One `--where`: a key of the record, or of a line, and what it must be or contain.

    Attributes:
        key: dots lead into objects: `trigger.type`.
        contains: compare by "contains" (`~`), not "equals" (`=`).
    """

    key: str
    value: str
    contains: bool = False

    @classmethod
    def parse(cls, text: str) -> "Condition":
        """Read `key=value` or `key~part`.

        Raises:
            ConditionFormatError: it is neither.
        """
        places = [at for at in (text.find("="), text.find("~")) if at > 0]
        if not places:
            raise ConditionFormatError(f"{text!r} is no condition: write key=value, or key~part for contains")
        at = min(places)
        return cls(text[:at].strip(), text[at + 1 :].strip(), text[at] == "~")

    def holds(self, invocation: Invocation) -> bool:
        """Ask the record first, then each line."""
        if self._agrees(_at_path(invocation.facts, self.key)):
            return True
        if self._is_plain and not self._stands_in(invocation.raw):
            return False
        told: Iterable[Mapping[str, object]] = map(_told, invocation.lines)
        if self.key.partition(".")[0] in HIDDEN_KEYS:
            told = chain(told, filter(None, (load(raw) for raw in invocation.raw if raw[:1] == b"{")))
        return any(self._agrees(_at_path(document, self.key)) for document in told)

    @property
    def _is_plain(self) -> bool:
        """Whether the log holds the value as it was typed: nobody escapes it, and it is not put together from parts."""
        return self.key != names.LEVEL and _PLAIN.fullmatch(self.value) is not None

    def _stands_in(self, raw: Sequence[bytes]) -> bool:
        """Look for the value before any line is parsed: hardly one in a thousand invocations has it."""
        text = b"\n".join(raw)
        return self._sought in (text.lower() if self.contains else text)

    @cached_property
    def _sought(self) -> bytes:
        return (self.value.lower() if self.contains else self.value).encode()

    def _agrees(self, found: object) -> bool:
        if found is _MISSING:
            return False
        if isinstance(found, list):
            return any(self._agrees(entry) for entry in found)
        text = _as_typed(found)
        return (
            self.value.lower() in text.lower()
            if self.contains
            else self.value == text or _same_number(self.value, found)
        )


@dataclass(slots=True, frozen=True)
class Selection:
    """The filters together: an invocation is shown if all of them let it pass.

    Attributes:
        since_ms: show what ended at or after this time, ms since 1970.
        until_ms: show what began before this time, ms since 1970.
        slower_than_ms: show what ran longer, ms.
        ids: show these: invocation ids, trace ids, or ids of messages that were received or sent.
    """

    failed: bool = False
    cold: bool = False
    slower_than_ms: float | None = None
    since_ms: float | None = None
    until_ms: float | None = None
    conditions: Sequence[Condition] = ()
    ids: frozenset[str] = frozenset()

    @property
    def is_everything(self) -> bool:
        """Whether no filter is set."""
        return self == Selection()

    def matches(self, invocation: Invocation) -> bool:
        """Tell whether to show it: cheap questions first."""
        return (
            (not self.failed or invocation.failed)
            and (not self.cold or invocation.cold)
            and (self.slower_than_ms is None or (invocation.duration_ms or 0.0) > self.slower_than_ms)
            and (not self.ids or bool(self.ids & identities(invocation)))
            and self._in_time(invocation)
            and all(condition.holds(invocation) for condition in self.conditions)
        )

    def _in_time(self, invocation: Invocation) -> bool:
        if self.since_ms is not None and invocation.end_ms is not None and invocation.end_ms < self.since_ms:
            return False
        return self.until_ms is None or invocation.start_ms is None or invocation.start_ms < self.until_ms


def identities(invocation: Invocation) -> set[str]:
    """All ids under which an invocation can be asked for: its own, its traces', its messages'."""
    found = {
        invocation.invocation_id,
        *trace_ids(invocation),
        *sent_ids(invocation),
        *received_ids(invocation),
    }
    found.discard("")
    return found


def trace_ids(invocation: Invocation) -> set[str]:
    """The trace that the work belongs to, the one that Lambda had started, and those of its upstreams."""
    upstream = {str(entry.get("trace_id") or "") for entry in invocation.entries(names.UPSTREAMS)}
    return (own_trace_ids(invocation) | upstream) - {""}


def own_trace_ids(invocation: Invocation) -> set[str]:
    """The trace that the work belongs to, and the one that Lambda had started."""
    own = {
        invocation.text(names.XRAY_TRACE_ID),
        invocation.text(names.TRACE_ID),
        invocation.text(names.LAMBDA_TRACE_ID),
        invocation.report.trace_id,
    }
    return own - {""}


def sent_ids(invocation: Invocation) -> set[str]:
    """The messages that it sent."""
    return {
        str(entry[names.MESSAGE_ID])
        for entry in invocation.entries(names.SENT)
        if entry.get(names.MESSAGE_ID)
    }


def received_ids(invocation: Invocation) -> set[str]:
    """The messages that it was invoked with, as far as its record tells them."""
    found = set[str]()
    for entry in invocation.entries(names.UPSTREAMS):
        ids = entry.get("message_ids")
        found.update(str(one) for one in (ids if isinstance(ids, list) else []))
    found.update(str(failure.get(names.MESSAGE_ID)) for failure in failures(invocation))
    if invocation.record is None:
        found.update(str(line.fields.get(names.MESSAGE_ID)) for line in invocation.lines)
    return found - {"", "None"}


def failures(invocation: Invocation) -> list[Mapping[str, object]]:
    """The records of the batch that failed: `{message_id, attempt, outcome, error}`."""
    records = invocation.facts.get(names.RECORDS)
    listed = records.get("failures") if isinstance(records, Mapping) else None
    return [entry for entry in listed if isinstance(entry, Mapping)] if isinstance(listed, list) else []


def _told(line: Line) -> Mapping[str, object]:
    """Give all keys of a line, the common ones by the names that they have in the log."""
    return {
        names.LEVEL: line.level,
        names.MESSAGE: line.message,
        names.LOCATION: line.location,
        names.LOGGER_NAME: line.logger,
        names.EXCEPTION: line.exception,
        **line.fields,
    }


def _at_path(document: object, path: str) -> object:
    """Follow dots into objects, and into each object of a list.

    A key that has dots itself is tried whole first.
    """
    if isinstance(document, Mapping):
        if path in document:
            return document[path]
        head, dot, tail = path.partition(".")
        return _at_path(document[head], tail) if dot and head in document else _MISSING
    if isinstance(document, list):
        found = [value for entry in document if (value := _at_path(entry, path)) is not _MISSING]
        return found or _MISSING
    return _MISSING


def _as_typed(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    try:
        return "null" if value is None else str(value)
    except RecursionError:  # nested more deeply than anybody would type
        return ""


def _same_number(typed: str, found: object) -> bool:
    try:
        return not isinstance(found, bool) and isinstance(found, int | float) and float(typed) == found
    except ValueError:
        return False
