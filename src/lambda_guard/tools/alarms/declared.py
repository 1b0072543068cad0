"""The alarms of a template, as they are to be rehearsed."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from lambda_guard import _names as names
from lambda_guard.templates import reading
from lambda_guard.templates.document import ANYWHERE, TemplateError, load, without_default
from lambda_guard.templates.template import Resource, Template

ALARM: Final = "AWS::CloudWatch::Alarm"
_COMPOSITE: Final = "AWS::CloudWatch::CompositeAlarm"
_MINUTE: Final = 60
_SECONDS: Final = (10, 20, 30)
"""The other periods of an alarm: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html"""
_PHYSICAL: Final = re.compile(r".+-(?P<logical_id>[A-Za-z0-9]+)-[A-Za-z0-9]{8,}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A metric with its statistic, as one alarm watches it."""

    namespace: str
    name: str
    dimensions: Mapping[str, str]
    statistic: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """An alarm of a template.

    Attributes:
        name: its logical id.
        severity: its tag `severity`; empty without one.
        description: what it says to whom it wakes.
        metrics: by id; of an alarm on one metric under the id `m`.
        expressions: by id, in their order.
        watched: the id of what is held against the threshold.
        threshold: None for a band of anomaly detection.
        comparison: `GreaterThanThreshold` and its like.
        period: seconds.
        missing: `notBreaching`, `breaching`, `ignore` or `missing`.
    """

    name: str
    severity: str
    description: str
    metrics: Mapping[str, Metric]
    expressions: Mapping[str, str]
    watched: str
    threshold: float | None
    comparison: str
    period: int
    datapoints: int
    periods: int
    missing: str


def read_alarms(
    path: Path, parameters: Mapping[str, str], functions: set[str]
) -> Iterator[Alarm | TemplateError]:
    """Yield the alarms of a template, or why one can't be read.

    Args:
        path: of the template.
        parameters: values that win over the defaults; those without either are empty, as topics may be.
        functions: the names that the logs have: a function without a name of its own is found by its logical id.

    Raises:
        TemplateError: the template can't be read.
    """
    _, document = load(path)
    given = {**dict.fromkeys(without_default(document), ""), **parameters}
    template = Template(path, ANYWHERE, parameters=given)
    for resource in template.resources(ALARM):
        try:
            yield _alarm(template, resource, functions)
        except TemplateError as error:
            yield error
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            yield template.error(
                resource.logical_id, f"CloudFormation would refuse it: {type(error).__name__} {error}"
            )
    for resource in template.resources(_COMPOSITE):
        yield template.error(
            resource.logical_id, "a composite alarm isn't evaluated; those it is made of are"
        )


def _alarm(template: Template, it: Resource, functions: set[str]) -> Alarm:
    given = reading.alarm(template, it)
    metrics, expressions, watched, period = _watched(given, functions)
    periods = int(given.get("EvaluationPeriods", 1))
    datapoints = int(given.get("DatapointsToAlarm", periods))
    if period not in _SECONDS and (period < _MINUTE or period % _MINUTE):
        raise template.error(it.logical_id, f"a Period is 10, 20, 30 or a multiple of 60, not {period}")
    if not 1 <= datapoints <= periods:
        raise template.error(
            it.logical_id, f"DatapointsToAlarm is from 1 to EvaluationPeriods, {periods}, not {datapoints}"
        )
    return Alarm(
        name=it.logical_id,
        severity=_severity(given.get("Tags")),
        description=str(given.get("AlarmDescription") or ""),
        metrics=metrics,
        expressions=expressions,
        watched=watched,
        threshold=None if "ThresholdMetricId" in given else float(given.get("Threshold", 0.0)),
        comparison=str(given.get("ComparisonOperator")),
        period=period,
        datapoints=datapoints,
        periods=periods,
        missing=str(given.get("TreatMissingData") or "missing"),
    )


def _watched(
    given: Mapping[str, Any], functions: set[str]
) -> tuple[dict[str, Metric], dict[str, str], str, int]:
    """Return the metrics and the expressions by id, the id of what is held against the threshold, and the period."""
    if "Metrics" not in given:
        statistic = str(given.get("Statistic") or given.get("ExtendedStatistic"))
        return {"m": _metric(given, statistic, functions)}, {}, "m", int(given.get("Period", _MINUTE))
    metrics, expressions, watched, period = dict[str, Metric](), dict[str, str](), "", _MINUTE
    for query in given["Metrics"]:
        if stat := query.get("MetricStat"):
            metrics[query["Id"]] = _metric(stat["Metric"], stat["Stat"], functions)
        else:
            expressions[query["Id"]] = str(query["Expression"])
        period = int((stat or query).get("Period", period))
        if query.get("ReturnData", True):
            watched = query["Id"]
    if not watched:
        raise ValueError("no entry of Metrics returns data")
    return metrics, expressions, watched, period


def _metric(given: Mapping[str, Any], statistic: str, functions: set[str]) -> Metric:
    dimensions = {each["Name"]: str(each["Value"]) for each in given.get("Dimensions") or ()}
    by_default = dimensions.get(names.FUNCTION_NAME) == dimensions.get(names.SERVICE)
    for name in ("FunctionName", names.FUNCTION_NAME, *[names.SERVICE] * by_default):
        if name in dimensions:
            dimensions[name] = _named(dimensions[name], functions)
    return Metric(
        namespace=str(given.get("Namespace")),
        name=str(given.get("MetricName")),
        dimensions=dimensions,
        statistic=statistic,
    )


def _named(name: str, functions: set[str]) -> str:
    """Return the name in the logs: CloudFormation makes `STACK-LOGICALID-RANDOM` of a logical id."""
    if name in functions:
        return name
    found = [it for it in functions if (made := _PHYSICAL.fullmatch(it)) and made["logical_id"] == name]
    return found[0] if len(found) == 1 else name


def _severity(tags: object) -> str:
    told = tags if isinstance(tags, list) else ()
    return next((str(tag.get("Value")) for tag in told if tag.get("Key") == "severity"), "")
