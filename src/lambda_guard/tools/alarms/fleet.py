"""From the table to a CloudFormation template: one alarm a row, each for every function of the Region.

An alarm on a Metrics Insights query with GROUP BY has a contributor for each function that the query returns, with a
state of its own; GROUP BY and ORDER BY are both required, and one such query is all that an alarm can have:
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Create_Metrics_Insights_Alarm.html.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from lambda_guard import _names
from lambda_guard.errors import LambdaGuardError
from lambda_guard.tools.alarms import catalogue
from lambda_guard.tools.alarms.catalogue import Row

_NAMESPACE: Final = re.compile(r"[\w.\-/#:]{1,255}", re.ASCII)
_QUEUE: Final = re.compile(r"[A-Za-z0-9_-]{1,80}(\.fifo)?")
_STATISTICS: Final = {"SUM": "Sum", "MAX": "Maximum", "AVG": "Average"}
_TOPICS: Final = {"page": "PagingTopic", "ticket": "TicketTopic"}
_BAND: Final = "LessThanLowerOrGreaterThanUpperThreshold"


class AlarmError(LambdaGuardError):
    """An alarm can't be made of what was given; the message says what to write instead."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Queue:
    """Queues that an alarm is for: one by its name, or all with a tag."""

    name: str = ""
    tag: str = ""
    value: str = ""

    @classmethod
    def read(cls, text: str) -> "Queue":
        """Read `NAME` or `tag:KEY=VALUE`.

        Raises:
            AlarmError: it is neither.
        """
        if text.startswith("tag:"):
            key, equals, value = text[4:].partition("=")
            if key and equals and not set("'\"\\\n") & set(key + value):
                return cls(tag=key, value=value)
            raise AlarmError(f"{text!r} isn't a tag: write tag:KEY=VALUE, without quotes or backslashes")
        name = text.rpartition("/")[2].rpartition(":")[2]  # an URL or an ARN ends with the name
        if _QUEUE.fullmatch(name):
            return cls(name=name)
        raise AlarmError(
            f"{text!r} isn't the name of a queue: write its name, its URL, its ARN or tag:KEY=VALUE"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """What the template is made for.

    Attributes:
        namespaces: of lambda_guard's metrics, each with alarms of its own: a query sees one, and a function with
            `LAMBDA_GUARD_NAMESPACE` writes into that.
        dead_letter_queues: those that are to be empty.
        queues: those that are to be emptied.
        tags: of the alarms; CloudWatch sends them along with each notification, so that it can be routed.
    """

    namespaces: Sequence[str] = (_names.DEFAULT_NAMESPACE,)
    dead_letter_queues: Sequence[Queue] = ()
    queues: Sequence[Queue] = ()
    tags: Mapping[str, str] = field(default_factory=dict)


def template(fleet: Fleet) -> dict[str, Any]:
    """Return the CloudFormation template.

    Raises:
        AlarmError: a namespace is none.
    """
    alarms: dict[str, Any] = {}
    thresholds: dict[str, Any] = {}
    for logical_id, row, properties in rows(fleet):
        thresholds.setdefault(f"{row.name}Threshold", _threshold(row))
        alarms[logical_id] = {
            "Type": "AWS::CloudWatch::Alarm",
            "Properties": {**properties, **_common(row, fleet.tags)},
        }
        alarms[logical_id]["Properties"]["AlarmName"] = {"Fn::Sub": f"${{AWS::StackName}}-{logical_id}"}
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "Alarms for every Lambda function of this Region, those included that are deployed later.",
        "Parameters": {**_topics(), **thresholds},
        "Conditions": {
            f"Has{topic}": {"Fn::Not": [{"Fn::Equals": [{"Ref": topic}, ""]}]} for topic in _TOPICS.values()
        },
        "Resources": alarms,
    }


def rows(fleet: Fleet) -> Iterator[tuple[str, Row, dict[str, Any]]]:
    """Yield each alarm's logical id, its row, and what is particular to it.

    Raises:
        AlarmError: a namespace is none.
    """
    for wrong in (
        name for name in fleet.namespaces if not _NAMESPACE.fullmatch(name) or name.startswith(":")
    ):
        raise AlarmError(f"{wrong!r} isn't a namespace: up to 255 letters, digits and . - _ / # :")
    taken: set[str] = set()
    for row in catalogue.FLEET:
        for namespace in fleet.namespaces if row.namespace == catalogue.OURS else (row.namespace,):
            several = row.namespace == catalogue.OURS and len(fleet.namespaces) > 1
            yield _free(row.name + (namespace if several else ""), taken), row, _watch(row, namespace)
    for row, queues in (
        (catalogue.DEAD_LETTERS, fleet.dead_letter_queues),
        (catalogue.QUEUE_AGE, fleet.queues),
    ):
        for queue in queues:
            yield (
                _free(row.name + (queue.name or queue.tag + queue.value), taken),
                row,
                _watch_queue(row, queue),
            )
    yield _free(catalogue.TRAFFIC.name, taken), catalogue.TRAFFIC, _watch_band(catalogue.TRAFFIC)


def _free(name: str, taken: set[str]) -> str:
    """Return a logical id that isn't taken: letters and digits alone."""
    base = re.sub("[^A-Za-z0-9]", "", name)[:240]
    free = next(it for it in (base, *(f"{base}{number}" for number in range(2, 10_000))) if it not in taken)
    taken.add(free)
    return free


def query(row: Row, namespace: str, where: str = "") -> str:
    """Return the Metrics Insights query of a row."""
    schema = ", ".join([f'"{namespace}"', *row.schema])
    clause = f" WHERE {where}" if where else ""
    select = f"SELECT {row.statistic}({row.metric})"
    return f"{select} FROM SCHEMA({schema}){clause} GROUP BY {row.group_by} ORDER BY {row.statistic}() DESC"


def _watch(row: Row, namespace: str) -> dict[str, Any]:
    if row.group_by is None:
        return _one_metric(row, namespace, [])
    return _query(row, query(row, namespace))


def _watch_queue(row: Row, queue: Queue) -> dict[str, Any]:
    """Watch one queue by its metric, which costs a tenth of a dollar; those with a tag by a query."""
    if queue.name:
        return _one_metric(row, row.namespace, [{"Name": row.group_by, "Value": queue.name}])
    return _query(row, query(row, row.namespace, f"tag.\"{queue.tag}\" = '{queue.value}'"))


def _query(row: Row, text: str) -> dict[str, Any]:
    metric = {"Id": "contributors", "Expression": text, "Period": row.period, "ReturnData": True}
    return {
        "Metrics": [metric],
        "ComparisonOperator": "GreaterThanThreshold",
        "Threshold": {"Ref": f"{row.name}Threshold"},
    }


def _one_metric(row: Row, namespace: str, dimensions: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "Namespace": namespace,
        "MetricName": row.metric,
        **({"Dimensions": dimensions} if dimensions else {}),
        "Statistic": _STATISTICS[row.statistic],
        "Period": row.period,
        "ComparisonOperator": "GreaterThanThreshold",
        "Threshold": {"Ref": f"{row.name}Threshold"},
    }


def _watch_band(row: Row) -> dict[str, Any]:
    """Watch a metric by anomaly detection.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Anomaly_Detection.html
    """
    metric = {"Namespace": row.namespace, "MetricName": row.metric}
    stat = {"Metric": metric, "Period": row.period, "Stat": _STATISTICS[row.statistic]}
    band = {"Fn::Sub": f"ANOMALY_DETECTION_BAND(traffic, ${{{row.name}Threshold}})"}
    return {
        "Metrics": [
            {"Id": "traffic", "MetricStat": stat, "ReturnData": True},
            {"Id": "band", "Expression": band, "ReturnData": True},
        ],
        "ComparisonOperator": _BAND,
        "ThresholdMetricId": "band",
    }


def _common(row: Row, tags: Mapping[str, str]) -> dict[str, Any]:
    topic = _TOPICS[row.severity]
    actions = {"Fn::If": [f"Has{topic}", [{"Ref": topic}], {"Ref": "AWS::NoValue"}]}
    found: dict[str, Any] = {
        "AlarmDescription": described(row),
        "EvaluationPeriods": row.periods,
        "DatapointsToAlarm": row.datapoints,
        "TreatMissingData": row.missing,
        "AlarmActions": actions,
        "OKActions": actions,
    }
    tagged = {"severity": row.severity, **tags}
    found["Tags"] = [{"Key": key, "Value": value} for key, value in tagged.items()]
    # Without this the tags stay with the alarm, and a notification has none to be routed by:
    # https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-tags-in-notifications.html
    found["ActionConfiguration"] = {"AlarmTagsPropagation": {"Enabled": True}}
    return found


def described(row: Row) -> str:
    """Return what an alarm says to whom it wakes."""
    which = f" Which {row.group_by}: see the alarm's contributors." if row.group_by else ""
    return f"{row.meaning[0].upper()}{row.meaning[1:]}.{which} First: {row.first}"


def _threshold(row: Row) -> dict[str, Any]:
    how = f"{row.datapoints} of {row.periods} periods of {row.period} s"
    what = "width of the band" if row is catalogue.TRAFFIC else f"{row.statistic} of {row.metric} above this"
    unit = f" ({row.unit})" if row.unit else ""
    return {
        "Type": "Number",
        "Default": f"{row.threshold:g}",
        "Description": f"{row.name}: {what}{unit}, in {how}",
    }


def _topics() -> dict[str, Any]:
    described_as = {
        "page": "ARN of the SNS topic that wakes somebody; empty for none",
        "ticket": "ARN of the SNS topic that is read in the morning; empty for none",
    }
    return {
        topic: {"Type": "String", "Default": "", "Description": described_as[severity]}
        for severity, topic in _TOPICS.items()
    }
