"""What was typed: where to read from, and which invocations to show. Pure."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import Final

from lambda_guard import _names as names
from lambda_guard.tools.logs.invocation import Invocation
from lambda_guard.tools.logs.model import Line, as_number
from lambda_guard.tools.logs.reading.line_owner import load
from lambda_guard.tools.logs.reading.lines import HIDDEN_KEYS
from lambda_guard.tools.where import ORDERS, Condition, at_path

_PLAIN: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")


@dataclass(slots=True, frozen=True)
class Target:
    """Where to read from, as typed.

    Attributes:
        paths: files, `-` being standard input.
        groups: log groups, globs, ARNs.
        functions: names of functions, whose log groups are looked up.
        stacks: CloudFormation stacks, whose functions' log groups are looked up.
    """

    paths: Sequence[str] = ()
    groups: Sequence[str] = ()
    functions: Sequence[str] = ()
    stacks: Sequence[str] = ()

    @property
    def in_the_cloud(self) -> bool:
        """Whether CloudWatch Logs is asked."""
        return bool(self.groups or self.functions or self.stacks)


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
        """Return whether to show it: cheap questions first."""
        return (
            (not self.failed or invocation.failed)
            and (not self.cold or invocation.cold)
            and (self.slower_than_ms is None or (invocation.duration_ms or 0.0) > self.slower_than_ms)
            and (not self.ids or bool(self.ids & identities(invocation)))
            and self._in_time(invocation)
            and all(one.holds(_values(one, invocation)) for one in self.conditions)
        )

    def _in_time(self, invocation: Invocation) -> bool:
        if self.since_ms is not None and invocation.end_ms is not None and invocation.end_ms < self.since_ms:
            return False
        return self.until_ms is None or invocation.start_ms is None or invocation.start_ms < self.until_ms


@dataclass(slots=True, frozen=True)
class Delivery:
    """Messages of a batch that came with one trace header; with none where `trace_id` is empty."""

    trace_id: str
    message_ids: frozenset[str]


def identities(invocation: Invocation) -> set[str]:
    """All ids under which an invocation can be asked for: its own, its execution's, its traces', its messages'."""
    found = {
        invocation.invocation_id,
        invocation.execution,
        *trace_ids(invocation),
        *sent_ids(invocation),
        *received_ids(invocation),
    }
    found.discard("")
    return found


def trace_ids(invocation: Invocation) -> set[str]:
    """The trace that the work belongs to, the one that Lambda had started, and those of its upstreams."""
    return own_trace_ids(invocation).union(one.trace_id for one in deliveries(invocation)) - {""}


def own_trace_ids(invocation: Invocation) -> set[str]:
    """The trace that the work belongs to, and the one that Lambda had started."""
    own = {
        invocation.text(names.XRAY_TRACE_ID),
        invocation.text(names.TRACE_ID),
        invocation.text(names.LAMBDA_TRACE_ID),
        invocation.report.trace_id,
    }
    return own - {""}


def deliveries(invocation: Invocation) -> list[Delivery]:
    """Read the upstreams of a record."""
    found = []
    for entry in invocation.entries(names.UPSTREAMS):
        ids = entry.get(names.MESSAGE_IDS)
        listed = frozenset(str(one) for one in ids if one) if isinstance(ids, list) else frozenset[str]()
        found.append(Delivery(str(entry.get(names.UPSTREAM_TRACE_ID) or ""), listed))
    return found


def sent_ids(invocation: Invocation) -> set[str]:
    """The messages that it sent."""
    return {
        str(entry[names.MESSAGE_ID])
        for entry in invocation.entries(names.SENT)
        if entry.get(names.MESSAGE_ID)
    }


def received_ids(invocation: Invocation) -> set[str]:
    """The messages that it was invoked with, as far as its record tells them."""
    found = set[str]().union(*(one.message_ids for one in deliveries(invocation)))
    found.update(str(failure.get(names.MESSAGE_ID)) for failure in failures(invocation))
    if invocation.record is None:
        found.update(str(line.fields.get(names.MESSAGE_ID)) for line in invocation.lines)
    return found - {"", "None"}


def queue_ids(invocation: Invocation) -> list[str]:
    """The messages that it was invoked with, one id for each: the queue's own.

    A message in an envelope has the envelope's id besides, right behind it, as each copy of an event has.
    """
    if invocation.record is None:
        return sorted(received_ids(invocation))
    listed = [entry.get(names.MESSAGE_IDS) for entry in invocation.entries(names.UPSTREAMS)]
    ids = [[str(one) for one in some if one] for some in listed if isinstance(some, list)]
    records = as_number(invocation.trigger.get(names.RECORDS))
    doubled = records is not None and sum(map(len, ids)) == 2 * records
    if doubled or str(invocation.trigger.get(names.TYPE)).endswith("-sqs"):
        ids = [some[::2] if len(some) % 2 == 0 else some for some in ids]
    failed = (
        str(failure[names.MESSAGE_ID]) for failure in failures(invocation) if failure.get(names.MESSAGE_ID)
    )
    return list(dict.fromkeys([*chain.from_iterable(ids), *failed]))


def failures(invocation: Invocation) -> list[Mapping[str, object]]:
    """The records of the batch that failed: `{message_id, attempt, outcome, error}`."""
    records = invocation.facts.get(names.RECORDS)
    listed = records.get(names.FAILURES) if isinstance(records, Mapping) else None
    return [entry for entry in listed if isinstance(entry, Mapping)] if isinstance(listed, list) else []


def lines_matching(invocation: Invocation, conditions: Iterable[Condition]) -> list[Line]:
    """Return the lines that by themselves meet all conditions."""
    wanted = list(conditions)
    return [
        line
        for line in invocation.lines
        if all(one.holds([at_path(_all_keys(line), one.key)]) for one in wanted)
    ]


def _values(condition: Condition, invocation: Invocation) -> Iterator[object]:
    """Find what a condition asks for: in the record first, then in each line."""
    yield at_path(invocation.facts, condition.key)
    sought = _sought(condition)
    if sought is not None:
        # Before any line is parsed: hardly one in a thousand invocations has it.
        raw = b"\n".join(invocation.raw)
        if sought not in (raw.lower() if condition.operator == "~" else raw):
            return
    documents: Iterable[Mapping[str, object]] = map(_all_keys, invocation.lines)
    if condition.key.partition(".")[0] in HIDDEN_KEYS:
        documents = chain(documents, filter(None, (load(raw) for raw in invocation.raw if raw[:1] == b"{")))
    yield from (at_path(document, condition.key) for document in documents)


@lru_cache
def _sought(condition: Condition) -> bytes | None:
    """Return what stands in the log wherever the condition can agree; None where nothing is certain to.

    Nobody escapes plain letters and digits in JSON: a value stands there as it was typed, and so does the key of
    a number. But levels go by several names, and a number can be written in several ways.
    """
    text = condition.key.partition(".")[0] if condition.operator in ORDERS else condition.value
    if condition.key == names.LEVEL or _PLAIN.fullmatch(text) is None:
        return None
    return (text.lower() if condition.operator == "~" else text).encode()


def _all_keys(line: Line) -> Mapping[str, object]:
    """Return all keys of a line, the common ones by the names that they have in the log."""
    return {
        names.LEVEL: line.level,
        names.MESSAGE: line.message,
        names.LOCATION: line.location,
        names.LOGGER_NAME: line.logger,
        names.EXCEPTION: line.exception,
        **line.fields,
    }
