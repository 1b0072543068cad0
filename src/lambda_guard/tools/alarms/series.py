"""Metrics as CloudWatch would have them, made from logs: of EMF documents, and of what Lambda counts itself."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from lambda_guard import _names as names
from lambda_guard.tools.alarms.catalogue import LAMBDA
from lambda_guard.tools.logs.invocation import KILLED, UNFINISHED, Block, Invocation
from lambda_guard.tools.logs.model import as_mapping, as_number
from lambda_guard.tools.logs.reading.line_owner import load

Dimensions = frozenset[tuple[str, str]]
_SETS_MOST: Final = 30
_NO_TIME_MS: Final = 253_402_300_800_000
"""The year 10000: CloudWatch takes no value two hours ahead, and a clock that is that wrong stretches the whole."""
_FAILED: Final = {names.FAILURE, names.TIMEOUT, KILLED}
"""What AWS/Lambda counts in Errors: neither a server error that was answered, nor a batch that failed in part."""
OF_LAMBDA: Final = ("Invocations", "Errors", "Duration")
"""The metrics of AWS/Lambda that logs tell; throttles, ages and dropped events happen outside of invocations."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One value.

    Attributes:
        at: seconds since 1970.
        invocation: the id of the one that it comes from; empty where it comes from none.
    """

    at: float
    value: float
    invocation: str


@dataclass(slots=True)
class Series:
    """All samples, by namespace and metric, then by dimensions.

    Attributes:
        first: the time of the first sample, seconds since 1970; infinite without any.
        last: of the last one.
        untimed: how many invocations AWS/Lambda's metrics lack, since no line of them has a time.
    """

    samples: dict[tuple[str, str], dict[Dimensions, list[Sample]]] = field(default_factory=dict)
    first: float = float("inf")
    last: float = float("-inf")
    untimed: int = 0

    def add(self, namespace: str, metric: str, dimensions: Mapping[str, str], sample: Sample) -> None:
        """Add a sample to one series."""
        of_metric = self.samples.setdefault((namespace, metric), defaultdict(list))
        of_metric[frozenset(dimensions.items())].append(sample)
        self.first, self.last = min(self.first, sample.at), max(self.last, sample.at)

    def values_of(self, dimension: str) -> set[str]:
        """Return the values that a dimension has anywhere."""
        sets = (each for of_metric in self.samples.values() for each in of_metric)
        return {value for each in sets for name, value in each if name == dimension}

    def newest_version(self, function: str) -> str:
        """Return the highest number of a function's versions; `$LATEST` where no other was invoked."""
        sets = map(dict, self.samples.get((LAMBDA, "Invocations"), ()))
        told = (it.get("ExecutedVersion", "") for it in sets if it.get("FunctionName") == function)
        return max((it for it in told if it.isdecimal()), key=int, default="$LATEST")


def gather(blocks: Iterable[Block]) -> Series:
    """Make the series of invocations, and of EMF documents of no invocation; what isn't EMF is passed over."""
    found = Series()
    for block in blocks:
        owner = block.invocation_id if isinstance(block, Invocation) else ""
        for document in _documents(block):
            _add_emf(found, document, owner)
        if isinstance(block, Invocation):
            _add_lambdas_own(found, block)
    return found


def _documents(block: Block) -> Iterator[Mapping[str, Any]]:
    for raw in block.raw:
        if raw[:1] == b"{" and b'"_aws"' in raw and (document := load(raw)) is not None:
            yield document


def _add_emf(found: Series, document: Mapping[str, Any], invocation: str) -> None:
    """Add the metrics of a document.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
    """
    head = as_mapping(document.get(names.EMF))
    at = as_number(head.get(names.EMF_TIMESTAMP))
    directives = head.get(names.EMF_DIRECTIVES)
    if at is None or not 0 <= at < _NO_TIME_MS or not isinstance(directives, list):
        return
    for directive in map(as_mapping, directives):
        sets = directive.get(names.EMF_DIMENSIONS)
        metrics = directive.get(names.EMF_METRICS)
        for keys in sets[:_SETS_MOST] if isinstance(sets, list) else ():
            dimensions = {key: str(document.get(key, "")) for key in keys if isinstance(key, str)}
            for metric in map(as_mapping, metrics if isinstance(metrics, list) else ()):
                name = str(metric.get(names.EMF_NAME))
                for value in _values(document.get(name)):
                    sample = Sample(at / 1000, value, invocation)
                    found.add(str(directive.get(names.EMF_NAMESPACE)), name, dimensions, sample)


def _values(value: object) -> list[float]:
    several = value if isinstance(value, list) else [value]
    return [number for each in several if (number := as_number(each)) is not None]


def _add_lambdas_own(found: Series, invocation: Invocation) -> None:
    """Add what Lambda counts at the time when an invocation began, by function, by version, and for the Region.

    https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
    """
    began = invocation.start_ms
    if invocation.outcome == UNFINISHED:
        return
    if began is None:
        found.untimed += 1
        return
    by_function = {"FunctionName": invocation.function}
    sets: list[dict[str, str]] = [{}, by_function]
    if invocation.version:
        sets.append(by_function | {"ExecutedVersion": invocation.version})
    told: dict[str, float | None] = {
        "Invocations": 1.0,
        "Errors": float(invocation.outcome in _FAILED),
        "Duration": invocation.duration_ms,
    }
    for name, value in told.items():
        for dimensions in sets if value is not None else ():
            found.add(LAMBDA, name, dimensions, Sample(began / 1000, value or 0.0, invocation.invocation_id))
