"""Would these alarms have rung? Each alarm is evaluated over the series of past logs, as CloudWatch does it.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-evaluation.html
"""

import math
import operator
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from lambda_guard import _names as names
from lambda_guard.tools.alarms.catalogue import LAMBDA
from lambda_guard.tools.alarms.declared import Alarm, Metric
from lambda_guard.tools.alarms.insights_query import Query
from lambda_guard.tools.alarms.metric_math import MetricMath, UnreadError, Value, Values
from lambda_guard.tools.alarms.series import OF_LAMBDA, Sample, Series

_COMPARISONS: Final[dict[str, Callable[[float, float], bool]]] = {
    "GreaterThanThreshold": operator.gt,
    "GreaterThanOrEqualToThreshold": operator.ge,
    "LessThanThreshold": operator.lt,
    "LessThanOrEqualToThreshold": operator.le,
}
_LOOKED_BACK: Final = 2
"""CloudWatch looks at a few periods more than an alarm has, to find values in place of missing ones: the page's example
takes five for three."""
_VERSIONS: Final = {"ExecutedVersion": "FunctionName", names.FUNCTION_VERSION: names.FUNCTION_NAME}
_UNPUBLISHED: Final = "$LATEST"
"""What a version of the template's resolves to here: the number that it gets isn't known before it is deployed."""
_SELECT: Final = re.compile(r"\s*SELECT\s", re.IGNORECASE)
_LINES_MOST: Final = 5
_PERIODS_MOST: Final = 2_000_000


@dataclass(frozen=True, slots=True)
class Ring:
    """One time in ALARM.

    Attributes:
        contributor: the function, queue or topic; empty for an alarm on one metric.
        began: when the last period that it took was over, seconds since 1970.
        ended: when it was OK again; None where the logs end before.
        value: of that last period; None where it was missing.
        invocations: the ids of up to five whose values made it ring, the newest first.
    """

    contributor: str
    began: int
    ended: int | None
    value: float | None
    invocations: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """What became of one alarm.

    Attributes:
        rings: in order of time.
        unfed: the metrics that no series feeds, each with why; the alarm can't ring by them.
        unread: why it can't be rehearsed at all; empty if it was.
    """

    alarm: Alarm
    rings: tuple[Ring, ...] = ()
    unfed: tuple[str, ...] = ()
    unread: str = ""


def rehearse(alarm: Alarm, series: Series) -> Rehearsed:
    """Evaluate an alarm over all of the series."""
    if alarm.threshold is None:
        return Rehearsed(alarm, unread="a band of anomaly detection is learnt from two weeks of metrics")
    if alarm.comparison not in _COMPARISONS:
        return Rehearsed(alarm, unread=f"the comparison {alarm.comparison} isn't evaluated here")
    try:
        watched, unfed = _watched(alarm, series)
    except UnreadError as error:
        return Rehearsed(alarm, unread=str(error))
    rings = [ring for contributor in watched for ring in _rings(alarm, contributor, alarm.threshold)]
    return Rehearsed(alarm, tuple(sorted(rings, key=lambda it: (it.began, it.contributor))), tuple(unfed))


@dataclass(frozen=True, slots=True)
class _Watched:
    """One contributor: its values, the samples behind them, and the periods that are looked at."""

    name: str
    values: Values
    samples: Sequence[Sample]
    grid: Sequence[int]


def _watched(alarm: Alarm, series: Series) -> tuple[list[_Watched], list[str]]:
    """Return the contributors of an alarm, and which of its metrics there are no values of."""
    grid = _grid(series, alarm)
    text = alarm.expressions.get(alarm.watched, "")
    if not _SELECT.match(text):
        return _one_watched(alarm, series, grid)
    query = Query.read(text)
    found = [
        _Watched(name, bucketed(samples, alarm.period, query.statistic), samples, grid)
        for name, samples in sorted(query.contributors(series).items())
    ]
    return found, [] if found else [_why_unfed(query.namespace, query.metric, series, query.schema)]


def _one_watched(alarm: Alarm, series: Series, grid: Sequence[int]) -> tuple[list[_Watched], list[str]]:
    """Do the same for an alarm on a metric, or on an expression of several."""
    samples = {name: _samples_of(metric, series) for name, metric in alarm.metrics.items()}
    unfed = [
        _why_unfed(metric.namespace, metric.name, series, frozenset(metric.dimensions))
        for name, metric in alarm.metrics.items()
        if not samples[name]
    ]
    known: dict[str, Value] = {
        name: bucketed(samples[name], alarm.period, metric.statistic)
        for name, metric in alarm.metrics.items()
    }
    reach = alarm.period * (alarm.periods + _LOOKED_BACK - 1)
    for name, expression in _in_order(alarm.expressions):
        known[name] = MetricMath(known, grid, reach=reach).evaluate(expression)
    values = known[alarm.watched]
    assert isinstance(values, dict)
    every = sorted((it for each in samples.values() for it in each), key=lambda it: it.at)
    return [_Watched("", values, every, grid)], unfed


def _in_order(expressions: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield each expression after those that it names, wherever the template has them."""
    left = dict(expressions)
    while left:
        free = (it for it, text in left.items() if left.keys().isdisjoint(re.findall(r"\w+", text)))
        name = next(free, next(iter(left)))  # in a circle none is free: what the first names isn't known then
        yield name, left.pop(name)


def _grid(series: Series, alarm: Alarm) -> Sequence[int]:
    """Return the starts of all periods: from the first sample to the last, and on until an alarm can have ended."""
    if series.first > series.last:
        return []
    first, last = (int(at // alarm.period) * alarm.period for at in (series.first, series.last))
    grid = range(first, last + alarm.period * (alarm.periods + _LOOKED_BACK + 1), alarm.period)
    if len(grid) > _PERIODS_MOST:
        raise UnreadError(
            f"the logs span {len(grid):,} periods of {alarm.period} s: choose a time with --since"
        )
    return grid


def _samples_of(metric: Metric, series: Series) -> list[Sample]:
    wanted = dict(metric.dimensions)
    if metric.namespace == LAMBDA and ":" in wanted.get("Resource", ""):
        del wanted[
            "Resource"
        ]  # an alias, which logs don't tell: the version's invocations are taken, whoever asked
    for version, function in _VERSIONS.items():
        if wanted.get(version) == _UNPUBLISHED:
            wanted[version] = series.newest_version(wanted.get(function, ""))
    return series.samples.get((metric.namespace, metric.name), {}).get(frozenset(wanted.items()), [])


def _why_unfed(namespace: str, metric: str, series: Series, wanted: frozenset[str] | None) -> str:
    """Return what there is in place of a metric without a series."""
    title = f"{namespace} {metric}"
    others = sorted({name for name, known in series.samples if known == metric and name != namespace})
    if namespace.startswith("AWS/") and not (namespace == LAMBDA and metric in OF_LAMBDA):
        return f"{title}: logs don't tell it"
    if (namespace, metric) in series.samples:
        has = sorted({", ".join(sorted(dict(it))) or "none" for it in series.samples[namespace, metric]})
        asked = ", ".join(sorted(wanted or ())) or "none"
        return (
            f"{title}: no series of the dimensions ({asked}), or their values; there are ({') ('.join(has)})"
        )
    if others:
        return f"{title}: the metric is written into {', '.join(others)}, which this alarm doesn't see"
    return f"{title}: never written in these logs"


def bucketed(samples: Iterable[Sample], period: int, statistic: str) -> Values:
    """Return a statistic for each period that has samples.

    Raises:
        UnreadError: the statistic isn't known here.
    """
    told: dict[int, list[float]] = defaultdict(list)
    for sample in samples:
        told[int(sample.at // period) * period].append(sample.value)
    return {at: _statistic(values, statistic) for at, values in sorted(told.items())}


def _statistic(values: list[float], name: str) -> float:
    match name:
        case "Sum":
            return math.fsum(values)
        case "Average":
            return math.fsum(values) / len(values)
        case "Maximum":
            return max(values)
        case "Minimum":
            return min(values)
        case "SampleCount":
            return float(len(values))
    if found := re.fullmatch(r"p(\d{1,2}(?:\.\d+)?|100)", name):
        place = float(found[1]) / 100 * (len(values) - 1)
        ordered, below = sorted(values), int(place)
        above = min(below + 1, len(values) - 1)
        return ordered[below] + (ordered[above] - ordered[below]) * (place - below)
    raise UnreadError(f"the statistic {name} isn't evaluated here")


def _rings(alarm: Alarm, it: _Watched, threshold: float) -> Iterator[Ring]:
    """Yield the times in ALARM of one contributor."""
    made: Ring | None = None
    for number in _turns(alarm, it):
        start = it.grid[number]
        rings = _is_in_alarm(alarm, it, number, threshold, was=made is not None)
        now = start + alarm.period
        if rings and made is None:
            made = Ring(it.name, now, None, it.values.get(start), _behind(alarm, it, number))
        elif not rings and made is not None:
            yield replace(made, ended=now)
            made = None
    if made is not None:
        yield made


def _turns(alarm: Alarm, it: _Watched) -> Iterator[int]:
    """Yield the numbers of the periods that can change the state: those that look at a value, the next ones, the first.

    A function that is seldom called has values in few of a month's periods.
    """
    unseen = 0
    for start in (it.grid[0], *sorted(it.values)) if it.grid else ():
        first = (start - it.grid[0]) // alarm.period
        after = min(first + alarm.periods + _LOOKED_BACK + 1, len(it.grid))
        yield from range(max(first, unseen), after)
        unseen = max(unseen, after)


def _is_in_alarm(alarm: Alarm, it: _Watched, number: int, threshold: float, *, was: bool) -> bool:
    """Return the state after a period: M of N, missing values filled in as the alarm says.

    With as many values as the alarm has periods within what is looked at, the newest of them count, and no missing one
    does; with fewer all of them do, and missing ones fill up. A contributor without any is OK. Where all values breach,
    too few of them ring as soon as the oldest is M periods old, if missing ones are `missing`:
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html
    """
    looked = it.grid[max(0, number - alarm.periods - _LOOKED_BACK + 1) : number + 1]
    ages = [age for age, at in zip(range(len(looked), 0, -1), looked, strict=True) if at in it.values]
    values = [it.values[looked[-age]] for age in ages]
    compare = _COMPARISONS[alarm.comparison]
    breaching = sum(compare(value, threshold) for value in values[-alarm.periods :])
    lacking = alarm.periods - len(values)
    if breaching >= alarm.datapoints or lacking <= 0 or (it.name and not values):
        return breaching >= alarm.datapoints
    if alarm.missing == "breaching":
        return breaching + lacking >= alarm.datapoints
    if alarm.missing == "notBreaching" or breaching < len(values):
        return False
    if alarm.missing == "ignore":
        return was
    return bool(ages) and ages[0] >= alarm.datapoints  # none at all: INSUFFICIENT_DATA, which rings no bell


def _behind(alarm: Alarm, it: _Watched, number: int) -> tuple[str, ...]:
    """Return the invocations whose values made it ring: those of the periods that are over the threshold."""
    assert alarm.threshold is not None
    compare = _COMPARISONS[alarm.comparison]
    looked = it.grid[max(0, number - alarm.periods - _LOOKED_BACK + 1) : number + 1]
    over = {at for at in looked if at in it.values and compare(it.values[at], alarm.threshold)}
    zero = alarm.comparison.startswith("Greater") and alarm.threshold >= 0
    ids = [
        sample.invocation
        for sample in reversed(it.samples)
        if int(sample.at // alarm.period) * alarm.period in over and (sample.value > 0 or not zero)
    ]
    return tuple(dict.fromkeys(filter(None, ids)))[:_LINES_MOST]


def tuned(alarm: Alarm, series: Series, rings_most: int) -> float | None:
    """Return the threshold nearest to the alarm's at which it would have rung no more often than that.

    Returns:
        None where the alarm can't be rehearsed, or rings by missing values whatever the threshold is.
    """
    if alarm.threshold is None or alarm.comparison not in _COMPARISONS:
        return None
    watched, _ = _watched(alarm, series)

    def rings(threshold: float) -> int:
        return sum(1 for it in watched for _ in _rings(alarm, it, threshold))

    upwards = alarm.comparison.startswith("Greater")
    values = sorted({value for it in watched for value in it.values.values()}, reverse=not upwards)
    beyond = [it for it in values if (it >= alarm.threshold if upwards else it <= alarm.threshold)]
    candidates = [alarm.threshold, *beyond]
    low, high = 0, len(candidates) - 1
    if rings(candidates[high]) > rings_most:
        return None
    while low < high:  # the further away the threshold is, the fewer values are beyond it
        middle = (low + high) // 2
        low, high = (low, middle) if rings(candidates[middle]) <= rings_most else (middle + 1, high)
    return candidates[low]
