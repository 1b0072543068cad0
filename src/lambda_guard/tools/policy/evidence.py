"""What the records of a function tell of its AWS calls, and how much they are worth. Pure."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import Final

from lambda_guard import _names as names
from lambda_guard.iam.called import Called
from lambda_guard.iam.resources import REGION, Place
from lambda_guard.tools.logs.invocation import SERVER_ERROR, Invocation
from lambda_guard.tools.policy.entries import Denied, called_of, denied_of
from lambda_guard.tools.policy.soundness import cut, damage

_PLACED: Final = re.compile(
    r"arn:aws[a-z-]*:[a-z0-9-]+:([a-z0-9-]+):([0-9]{12}):|https://sqs\.([a-z0-9-]+)\.amazonaws\.[a-z.]+/([0-9]{12})/"
)


KEPT_MOST: Final = 10_000
"""Of different calls, versions, triggers: a policy has room for some hundred, and a forged log may have any number."""

_LISTED_MOST: Final = 20
_SHOWN_MOST: Final = 100
_PARTLY: Final = "partly"
_OUTCOMES_OF: Final = {
    names.RECORDS: (_PARTLY, "a batch that failed in part"),
    names.HTTP: (SERVER_ERROR, "an answer with a server error"),
    names.DURABLE: (names.SUSPENDED, "a durable execution that waits"),
}
"""What an invocation can have → the outcome that only those have."""


@dataclass(slots=True)
class Evidence:
    """What was seen of one function.

    Attributes:
        function: its name.
        invocations: how many there were.
        unrecorded: those among them without an invocation record: their calls are unknown.
        days: the days in UTC on which any ended, e.g. `2026-11-23`.
        versions: the versions of the function.
        outcomes: how many invocations ended how.
        calls: how often each was made.
        denied: those among them that AWS denied, with why, as far as the newest denial says so.
        denials: how often it denied them.
        unnamed: records that leave resources out, since a variable asks for it.
        more: distinct calls that records left out, since they had too many.
        triggers: (type, source) of what invoked it.
        traced: whether records have spans.
        damaged: what is wrong with records, each with how many have it, and the id of the first.
        kinds: how many invocations had what only some can have: a batch, a request, a durable execution.
        older: records with calls that don't tell where the function was.
        homeless: invocations that belong to no account and Region that is known, where there are several.
        crowded: what there was more of than is kept.
        stopped: whether the reading was stopped.
        places: (Region, account) in ARNs of the records; the function's own alone, where one has it.
    """

    function: str
    invocations: int = 0
    unrecorded: int = 0
    days: set[str] = field(default_factory=set)
    versions: set[str] = field(default_factory=set)
    outcomes: Counter[str] = field(default_factory=Counter)
    calls: Counter[Called] = field(default_factory=Counter)
    denied: dict[Called, Denied] = field(default_factory=dict)
    denials: Counter[Called] = field(default_factory=Counter)
    unnamed: int = 0
    more: int = 0
    triggers: set[tuple[str, str]] = field(default_factory=set)
    traced: bool = False
    damaged: dict[str, tuple[int, str]] = field(default_factory=dict)
    kinds: Counter[str] = field(default_factory=Counter)
    older: int = 0
    homeless: int = 0
    crowded: set[str] = field(default_factory=set)
    stopped: bool = False
    places: set[tuple[str, str]] = field(default_factory=set)
    _own: set[tuple[str, str]] = field(default_factory=set)

    def add(self, one: Invocation, times: int = 1) -> None:
        """Take one invocation of the function in, or as many as it stands for."""
        if not one.late:
            self.invocations += times
            # A batch that failed in part has made the calls of a success, too.
            self.outcomes[one.verdict if one.answered_with_an_error else one.outcome] += times
            self.kinds.update(_kinds(one))
            self.unrecorded += times * (one.record is None)
        if one.end_ms is not None:
            self.days.add(datetime.fromtimestamp(one.end_ms / 1000.0, UTC).date().isoformat())
        if one.version:
            self.versions.add(one.version)
        if one.record is not None:
            self._add_record(one, one.record, times)
            self._let_go()

    def _add_record(self, one: Invocation, record: Mapping[str, object], times: int) -> None:
        if why := damage(record):
            count, first = self.damaged.get(why, (0, one.invocation_id[:_SHOWN_MOST]))
            self.damaged[why] = count + times, first
        self.traced |= bool(one.text(names.SPAN_ID))
        self.more += max(0, int(one.number(names.CALLS_MORE) or 0))
        trigger = one.trigger
        if isinstance(kind := trigger.get("type"), str):
            self.triggers.add((kind, str(trigger.get(names.SOURCE) or "")))
        self.unnamed += record.get(names.CALLS_UNNAMED) is True
        self._own |= set(_places_in(one.execution))
        self.places |= set(_places_in(str(trigger.get(names.SOURCE) or "")))
        self._own |= set(_places_in(one.text(names.FUNCTION_ARN)))
        entries = one.entries(names.CALLS)
        self.older += bool(entries) and not record.get(names.FUNCTION_ARN)
        for entry in entries:
            self._count(cut(entry), times)

    def _let_go(self) -> None:
        """Keep no more than memory has room for, whatever the records hold."""
        for what, counted in (("calls", self.calls), ("outcomes", self.outcomes)):
            while len(counted) > KEPT_MOST:
                counted.popitem()
                self.crowded.add(what)
        for what, some in (("versions", self.versions), ("triggers", self.triggers), ("places", self.places)):
            while len(some) > KEPT_MOST:
                some.pop()
                self.crowded.add(what)

    def absorb(self, other: "Evidence") -> None:
        """Take in what was gathered apart from it."""
        for one in fields(self):
            mine, theirs = getattr(self, one.name), getattr(other, one.name)
            if isinstance(mine, Counter | set | dict):
                mine.update(theirs)
            elif isinstance(mine, bool):
                setattr(self, one.name, mine or theirs)
            elif isinstance(mine, int):
                setattr(self, one.name, mine + theirs)

    def _count(self, entry: Mapping[str, object], times: int) -> None:
        key = called_of(entry)
        self.calls[key] += times
        if isinstance(denied := entry.get(names.DENIED), Mapping):
            self.denied[key] = denied_of(denied)
            self.denials[key] += count if type(count := denied.get(names.CALL_COUNT)) is int else 1
        self.places |= set(_places_in(key.resource or ""))

    def place(self, region: str | None, account: str | None) -> Place:
        """Return where resources without an ARN are: as given, or where all ARNs of the records agree."""
        places = self._own or self.places
        regions = {one for one, _ in places if region is None or one == region}
        accounts = {one for _, one in places}
        return Place(
            region or (regions.pop() if len(regions) == 1 else None),
            account or (accounts.pop() if len(accounts) == 1 else None),
        )

    def doubts(self, least_invocations: int, least_days: int) -> list[str]:
        """Return why a policy from it is a draft; nothing where it is evidence enough."""
        found = []
        if self.invocations < least_invocations:
            found.append(f"it rests on {self.invocations:,} of at least {least_invocations:,} invocations")
        if len(self.days) < least_days:
            found.append(f"it rests on {len(self.days)} of at least {least_days} days")
        if self.unrecorded:
            found.append(f"{self.unrecorded:,} invocations have no record: their calls are unknown")
        if self.unnamed:
            leave = f"{counted(self.unnamed, 'record')} leave{'s' * (self.unnamed == 1)}"
            found.append(f"{leave} resources out: {names.ENV_CALL_RESOURCES}=off asks for it")
        if self.more:
            found.append(f"{self.more:,} calls were left out of records that had too many")
        for why, (count, first) in self.damaged.items():
            found.append(f"{counted(count, 'record')} can't be right: {why} (invocation {first})")
        if self.homeless:
            found.append(f"{counted(self.homeless, 'invocation')} of an account that isn't known: left out")
        if self.crowded:
            found.append(
                f"there are more than {KEPT_MOST:,} {' and '.join(sorted(self.crowded))}: some were left out"
            )
        if self.stopped:
            found.append("the reading was stopped before its end")
        return found

    def lines(self) -> Iterator[str]:
        """Yield what it is, for people."""
        span = f" ({' to '.join(dict.fromkeys((min(self.days), max(self.days))))})" if self.days else ""
        ended = listed(f"{name[:_SHOWN_MOST]} {count:,}" for name, count in self.outcomes.most_common())
        yield (
            f"evidence: {counted(self.invocations, 'invocation')} of {self.function} "
            f"on {counted(len(self.days), 'day')}{span}, "
            f"versions {listed(sorted(self.versions)) or 'unknown'}; {ended}"
        )
        if unseen := list(self._unseen()):
            yield f"never seen: {', '.join(unseen)}. What the function calls then, no record tells"
        if self.older:
            yield (
                f"{counted(self.older, 'record')} of an older version: a name without an ARN is taken to be in the "
                "function's own Region and account, which they don't tell"
            )
        for called, denied in self.denied.items():
            yield f"{called}: denied {self.denials[called]:,} time{'s' * (self.denials[called] != 1)}{denied}"

    def _unseen(self) -> Iterator[str]:
        yield from (one for one in (names.SUCCESS, names.FAILURE, names.TIMEOUT) if not self.outcomes[one])
        for kind, (outcome, what) in _OUTCOMES_OF.items():
            if self.kinds[kind] and not self.outcomes[outcome] and not self.kinds[outcome]:
                yield what


def counted(count: int, what: str) -> str:
    """Return `1 day`, `2 days`."""
    return f"{count:,} {what}{'s' * (count != 1)}"


def listed(names: Iterable[str]) -> str:
    """Return the first names with commas between them, and how many more there are; long ones are cut."""
    every = [name[:_SHOWN_MOST] for name in names]
    more = f" and {len(every) - _LISTED_MOST:,} more" if len(every) > _LISTED_MOST else ""
    return ", ".join(every[:_LISTED_MOST]) + more


def _kinds(one: Invocation) -> Iterator[str]:
    """Yield what an invocation had that only some can have, and how it ended by that."""
    if isinstance(one.facts.get(names.RECORDS), Mapping):
        yield names.RECORDS
        if one.failed_records:
            yield _PARTLY
    if one.http:
        yield names.HTTP
    if one.execution:
        yield names.DURABLE


def _places_in(text: str) -> Iterator[tuple[str, str]]:
    """Yield the Region and the account in an ARN or in a queue's URL, where there are both."""
    if (found := _PLACED.match(text)) is not None and REGION.fullmatch(region := found[1] or found[3]):
        yield region, found[2] or found[4]
