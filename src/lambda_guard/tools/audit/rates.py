"""Does a canary see enough? From past invocations, how many a new version would get before it gets all.

A failure is seen if it happens at least once. Invocations that come by themselves, each with the same chance to reach
the new version and to fail there, are a Poisson process: https://en.wikipedia.org/wiki/Poisson_point_process#Thinning.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Final

from lambda_guard.tools.audit.checks.shifting import steps
from lambda_guard.tools.logs.invocation import Invocation

PREFERENCES: Final = (
    "Canary10Percent5Minutes",
    "Canary10Percent10Minutes",
    "Canary10Percent15Minutes",
    "Canary10Percent30Minutes",
    "Linear10PercentEvery1Minute",
    "Linear10PercentEvery2Minutes",
    "Linear10PercentEvery3Minutes",
    "Linear10PercentEvery10Minutes",
)
"""CodeDeploy's own, but for AllAtOnce, under which no invocation is a trial.

https://docs.aws.amazon.com/codedeploy/latest/userguide/deployment-configurations.html
"""
PERCENTS: Final = (100, 10, 1)
"""Of a new version's invocations, how many fail."""
SURE: Final = 0.95
"""A preference is enough if it shows a version that always fails in so many of its deployments, at any hour."""
HOURS: Final = 24
_HOUR_MS: Final = 3_600_000
_KNOWN_MINUTES: Final = 30.0
"""An hour of the day of which the logs have less isn't known."""


@dataclass(slots=True)
class History:
    """How often each function was invoked, by the hour of the day, UTC.

    Attributes:
        first_ms: of what the logs span, ms since 1970.
        by_hour: function → 24 counts.
        untimed: invocations without a time; they are in no count.
    """

    first_ms: float = math.inf
    last_ms: float = -math.inf
    by_hour: dict[str, list[int]] = field(default_factory=dict)
    untimed: int = 0

    def add(self, invocation: Invocation) -> None:
        """Count an invocation."""
        began = invocation.start_ms
        if began is None:
            self.untimed += 1
            return
        self.first_ms, self.last_ms = min(self.first_ms, began), max(self.last_ms, began)
        counts = self.by_hour.setdefault(invocation.function or "?", [0] * HOURS)
        counts[int(began // _HOUR_MS) % HOURS] += 1

    def minutes(self) -> dict[int, float]:
        """Return for each hour of the day that is known how many minutes of it the logs span."""
        if self.first_ms > self.last_ms:
            return {}
        told = dict.fromkeys(range(HOURS), 0.0)
        at = self.first_ms
        while at < self.last_ms:
            until = min(self.last_ms, (at // _HOUR_MS + 1) * _HOUR_MS)
            told[int(at // _HOUR_MS) % HOURS] += (until - at) / 60_000
            at = until
        return {hour: minutes for hour, minutes in told.items() if minutes >= _KNOWN_MINUTES}


@dataclass(frozen=True, slots=True)
class Rates:
    """Of one function.

    Attributes:
        invocations: all that were counted.
        a_minute: by the hour of the day, UTC; hours that aren't known are missing.
    """

    function: str
    invocations: int
    a_minute: Mapping[int, float]

    @property
    def median(self) -> float:
        """Invocations a minute, in the median hour."""
        return median(self.a_minute.values())

    @property
    def quietest_hour(self) -> int:
        """The hour of the day with the fewest."""
        return min(self.a_minute, key=lambda it: (self.a_minute[it], it))

    @property
    def quietest(self) -> float:
        """Invocations a minute, in the quietest hour."""
        return self.a_minute[self.quietest_hour]

    def enough(self) -> str | None:
        """Return the quickest preference that shows a version which always fails, at any hour; None where none does."""
        every = [it for it in PREFERENCES if seen(trials(it, self.quietest), 100) >= SURE]
        return min(every, key=window, default=None)


def rates_of(history: History) -> list[Rates]:
    """Return the functions, the quietest first; none where no hour of the day is known."""
    minutes = history.minutes()
    if not minutes:
        return []
    found = [
        Rates(name, sum(counts), {hour: counts[hour] / spent for hour, spent in minutes.items()})
        for name, counts in history.by_hour.items()
    ]
    return sorted(found, key=lambda it: (it.quietest, it.median, it.function))


def window(preference: str) -> float:
    """Return for how many minutes a preference has both versions at work."""
    return sum(minutes for _, minutes in steps(preference))


def trials(preference: str, a_minute: float) -> float:
    """Return how many invocations the new version can expect while the old one is there, too."""
    return a_minute * sum(share * minutes for share, minutes in steps(preference))


def seen(expected: float, percent: float) -> float:
    """Return the probability that at least one of so many expected invocations fails."""
    return -math.expm1(-expected * percent / 100)


def document(history: History, rates: Iterable[Rates]) -> dict[str, Any]:
    """Return all of it for programs; times in ms since 1970."""
    spans = history.first_ms <= history.last_ms
    return {
        "first_ms": history.first_ms if spans else None,
        "last_ms": history.last_ms if spans else None,
        "hours_known": sorted(history.minutes()),
        "untimed": history.untimed,
        "functions": [_function(it) for it in rates],
    }


def _function(it: Rates) -> dict[str, Any]:
    return {
        "function": it.function,
        "invocations": it.invocations,
        "per_minute": {
            "median": _short(it.median),
            "quietest": _short(it.quietest),
            "quietest_hour": it.quietest_hour,
            "by_hour": {f"{hour:02}": _short(rate) for hour, rate in sorted(it.a_minute.items())},
        },
        "enough": it.enough(),
        "preferences": {name: _preference(name, it) for name in PREFERENCES},
    }


def _preference(name: str, it: Rates) -> dict[str, Any]:
    told: dict[str, Any] = {"window_minutes": window(name)}
    for when, rate in (("median", it.median), ("quietest", it.quietest)):
        expected = trials(name, rate)
        probabilities = {str(percent): _short(seen(expected, percent)) for percent in PERCENTS}
        told[when] = {"expected": _short(expected), "seen_by_percent_failing": probabilities}
    return told


def lines(it: Rates, preference: str) -> Iterator[str]:
    """Yield what to know of a function: how busy it is, what a preference sees, and which would do."""
    yield (
        f"{it.function}: {_number(it.median)} invocations a minute in the median hour, {_number(it.quietest)} in the "
        f"quietest, {it.quietest_hour:02}:00 UTC"
    )
    expected = trials(preference, it.quietest)
    often = [f"one that fails for {percent} % {_often(seen(expected, percent))}" for percent in PERCENTS[1:]]
    yield (
        f"  {preference} sees {_number(expected)} invocations in the quietest hour: a version that always fails would "
        f"be seen {_often(seen(expected, 100))}, {', '.join(often)}"
    )
    yield f"  {_advice(it, preference)}"


def _advice(it: Rates, preference: str) -> str:
    enough = it.enough()
    if enough is None:
        return "no preference sees enough at that hour: invoke the new version with sample events in a PreTraffic hook"
    if seen(trials(preference, it.quietest), 100) >= SURE:
        return f"that is enough for a version that always fails; {enough} is the quickest that is"
    return f"{enough} is the quickest that shows a version which always fails, at any hour"


def table(it: Rates) -> Iterator[str]:
    """Yield a table of all preferences, in the median and in the quietest hour."""
    heads = "".join(f"{f'{percent} %':>8}" for percent in PERCENTS)
    yield f"    {'':31}{'median hour':>12}{heads}{'quietest':>12}{heads}"
    for name in PREFERENCES:
        cells = ""
        for rate in (it.median, it.quietest):
            expected = trials(name, rate)
            cells += f"{_number(expected):>12}" + "".join(
                f"{_share(seen(expected, percent)):>8}" for percent in PERCENTS
            )
        yield f"    {name:31}{cells}"


def _often(probability: float) -> str:
    if probability >= SURE:
        return "in nearly every deployment"
    tenths = round(10 * probability)
    return f"in {min(tenths, 9)} of 10 deployments" if tenths else "in hardly any"


def _share(probability: float) -> str:
    percent = round(100 * probability)
    if percent in {0, 100} and probability not in {0.0, 1.0}:
        return "<1 %" if percent == 0 else ">99 %"
    return f"{percent} %"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"  # noqa: PLR2004 - two digits say enough


def _short(value: float) -> float:
    return float(f"{value:.4g}")
