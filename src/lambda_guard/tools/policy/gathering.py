"""The records of a source → the evidence of one function; accounts and Regions are kept apart, never mixed."""

import math
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import click

from lambda_guard.errors import LambdaGuardError
from lambda_guard.iam.resources import REGION
from lambda_guard.tools.logs.commands.invocations import selected
from lambda_guard.tools.logs.commands.options import say_tally
from lambda_guard.tools.logs.invocation import Invocation, invocations_of
from lambda_guard.tools.logs.readers import FileReader, Reader
from lambda_guard.tools.logs.selection import Selection
from lambda_guard.tools.policy import insights
from lambda_guard.tools.policy.evidence import Evidence, counted, listed
from lambda_guard.tools.stopping import Stop
from lambda_guard.tools.terminal import progress

_ARN: Final = re.compile(r"arn:aws[a-z-]*:lambda:([a-z0-9-]+):([0-9]{12}):function:")
_FUNCTION_ARN: Final = "function_arn"
_NAMED: Final = 10
_HOMES_MOST: Final = 50
_EVERY_SECONDS: Final = 0.2

_NOTHING: Final = "do --since and --until include any?"
_UNGUARDED: Final = "its AWS calls are counted by @production alone"

Home = tuple[str, str]
"""A function's own Region and account."""


@dataclass(slots=True)
class Gathering:
    """What was read.

    Attributes:
        function: whose evidence is wanted.
        others: a few of the other functions in the source.
        by_home: its evidence, by where it ran; None for records that don't tell.
        crowded: invocations that weren't taken, since there are too many accounts.
    """

    function: str
    others: set[str] = field(default_factory=set)
    by_home: dict[Home | None, Evidence] = field(default_factory=dict)
    crowded: int = 0

    def add_many(self, one: Invocation | None, times: int) -> None:
        """Take in as many as one stands for; None for those without a record."""
        if one is not None:
            self.add(one, times)
            return
        evidence = self.by_home.setdefault(None, Evidence(self.function))
        evidence.invocations += times
        evidence.unrecorded += times
        evidence.outcomes["no record"] += times

    def add(self, one: Invocation, times: int = 1) -> None:
        """Take an invocation in, or as many as it stands for, if it is the function's."""
        if one.function != self.function:
            if len(self.others) < _NAMED:
                self.others.add(one.function)
            return
        home = _home(one)
        if home not in self.by_home and len(self.by_home) >= _HOMES_MOST:
            self.crowded += times
            return
        self.by_home.setdefault(home, Evidence(self.function)).add(one, times)

    def chosen(self, account: str | None, region: str | None) -> Evidence:
        """Return the evidence of the one account and Region that the records have, or that was chosen.

        Raises:
            LambdaGuardError: there is none, or there are several.
        """
        known = {home: evidence for home, evidence in self.by_home.items() if home is not None}
        fitting = [home for home in known if region in (None, home[0]) and account in (None, home[1])]
        if len(fitting) > 1:
            raise LambdaGuardError(
                f"{self.function} is in several accounts or Regions, which aren't mixed: {_listed(known)}. Choose with "
                f"--account {fitting[0][1]} --region {fitting[0][0]}"
            )
        if known and not fitting:
            where = " ".join(filter(None, (account, region)))
            raise LambdaGuardError(
                f"no record of {self.function} is from {where}: there are {_listed(known)}"
            )
        if not fitting:
            return self.by_home.get(None) or Evidence(self.function)
        evidence, rest = known[fitting[0]], self.by_home.get(None)
        if rest is not None and len(known) == 1:
            evidence.absorb(rest)
        elif rest is not None:
            evidence.homeless += rest.invocations
        return evidence

    def refusal(self) -> str:
        """Return why there is no policy; empty where there is evidence."""
        invocations = sum(evidence.invocations for evidence in self.by_home.values())
        if not invocations:
            there = f"there are {listed(sorted(self.others))}" if self.others else _NOTHING
            return f"no invocation of {self.function} in these logs: {there}"
        if invocations == sum(evidence.unrecorded for evidence in self.by_home.values()):
            return f"no invocation record of {self.function} in these logs: {_UNGUARDED}"
        return ""


def gathered(
    reader: Reader,
    selection: Selection,
    function: str,
    home: tuple[str | None, str | None],
    dollars: float | None = None,
) -> Evidence:
    """Read the evidence of a function.

    Ctrl-C ends the reading, and what was read makes a draft.

    Args:
        reader: of the source.
        selection: what of it counts.
        function: its name.
        home: the account and the Region that are meant, if there are several.
        dollars: ask Logs Insights, if that costs this much at most; None reads everything.

    Raises:
        LambdaGuardError: the function, or a record of it, isn't there; or it is in several accounts.
    """
    gathering = Gathering(function)
    stopped = False
    if isinstance(reader, FileReader):
        if dollars is not None:
            raise click.UsageError("--insights asks CloudWatch Logs: it doesn't go with files")
        stopped = _read(gathering, reader, selection)
    elif dollars is None:
        insights.say_alternative(reader)
        stopped = _read(gathering, reader, selection)
    else:
        insights.check_cost(reader, dollars)
        for one, times in insights.counted_by_insights(reader, function):
            gathering.add_many(one, times)
            reader.tally.invocations += times * (one is None or not one.late)
            reader.tally.failed += times * (one is not None and one.failed and not one.late)
    if refusal := gathering.refusal():
        say_tally(reader.tally, 0, filtered=True)
        raise LambdaGuardError(refusal)
    evidence = gathering.chosen(*home)
    evidence.stopped = stopped
    evidence.homeless += gathering.crowded
    return evidence


def _read(gathering: Gathering, reader: Reader, selection: Selection) -> bool:
    """Read everything; return whether that was stopped."""
    every = invocations_of(selected(reader.read(), selection, reader))
    with Stop("stopping: what was read so far makes a draft") as stop:
        for one in _shown(every, gathering) if isinstance(reader, FileReader) else every:
            gathering.add(one)
            if stop.requested:
                break
    return stop.requested


def _shown(every: Iterator[Invocation], gathering: Gathering) -> Iterator[Invocation]:
    """Show on a terminal how far it is."""
    shown = -math.inf
    for count, one in enumerate(every, 1):
        if time.monotonic() - shown > _EVERY_SECONDS:
            shown = time.monotonic()
            calls = max((len(evidence.calls) for evidence in gathering.by_home.values()), default=0)
            progress(
                f"{counted(count, 'invocation')} read, {calls:,} different AWS calls of {gathering.function}"
            )
        yield one
    progress("")


def _home(one: Invocation) -> Home | None:
    """Return where a function ran, if its record tells its own ARN, or that of a durable execution of it."""
    for text in (one.text(_FUNCTION_ARN), one.execution) if one.record is not None else ():
        if (found := _ARN.match(text)) is not None and REGION.fullmatch(found[1]):
            return found[1], found[2]
    return None


def _listed(known: dict[Home, Evidence]) -> str:
    every = sorted(known.items(), key=lambda it: (-it[1].invocations, it[0]))
    shown = ", ".join(
        f"{account} {region} ({counted(it.invocations, 'invocation')})"
        for (region, account), it in every[:_NAMED]
    )
    return f"{shown} and {len(every) - _NAMED:,} more" if len(every) > _NAMED else shown
