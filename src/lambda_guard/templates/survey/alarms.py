"""Alarms of a template: metric alarms, metric math, Metrics Insights queries, composite alarms.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-cloudwatch-alarm.html
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from lambda_guard.templates.survey.model import Alarm, Metric
from lambda_guard.templates.survey.nodes import Node, Template, Unknown

_KINDS: Final = {
    "AWS::CloudWatch::Alarm",
    "AWS::CloudWatch::CompositeAlarm",
    "AWS::CloudWatch::LogAlarm",
}


def alarms(template: Template) -> Iterator[Alarm]:
    """Yield the alarms."""
    for logical_id, kind, resource in template.resources():
        if kind not in _KINDS:
            continue
        own = resource.get("Properties")
        it = Node(template, own if isinstance(own, dict) else {}, ("Resources", logical_id, "Properties"))
        metrics, queries = _looked_at(it)
        periods = it.at("EvaluationPeriods").number
        points = it.at("DatapointsToAlarm").number
        yield Alarm(
            logical_id=logical_id,
            place=template.place(("Resources", logical_id)),
            name=it.at("AlarmName").text,
            metrics=tuple(metrics),
            queries=tuple(queries),
            rule=it.at("AlarmRule").text,
            periods=periods,
            datapoints=periods if points is None else points,
        )


def _looked_at(it: Node) -> tuple[list[Metric], list[Any]]:
    """Return the metrics of an alarm, of its metric math too, and its queries."""
    metrics, queries = [], []
    if it.at("MetricName").raw is not None:
        metrics.append(_metric(it, it.at("Period").number))
    for query in it.at("Metrics").items():
        stat = query.at("MetricStat")
        if stat.raw is not None:
            metrics.append(_metric(stat.at("Metric"), stat.at("Period").number))
        expression = query.at("Expression").text
        if expression is not None and "SELECT" in str(expression).upper():
            queries.append(expression)
    return metrics, queries


def _metric(it: Node, period: Any) -> Metric:
    return Metric(
        namespace=it.at("Namespace").text,
        name=it.at("MetricName").text,
        dimensions=_dimensions(it.at("Dimensions")),
        period=period,
    )


def _dimensions(it: Node) -> Mapping[str, Any] | Unknown:
    if isinstance(it.value, Unknown):
        return it.value
    return {str(one.at("Name").text): one.at("Value").text for one in it.items()}
