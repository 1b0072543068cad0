"""Alarms on functions that a schedule calls: silent for longer than the schedule ever is, since their deploy as well.

A metric that was never written has no series, so that no alarm of the fleet misses it: a heartbeat names its function,
and takes missing data for silence.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from lambda_guard.tools.alarms.schedules import longest_silence

_SHORT: Final = 300
_HOUR: Final = 3600
_LONGEST: Final = 604_800
"""An alarm looks at seven days at most, and at one only where its period is shorter than an hour.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html
"""
_SAID: Final = (
    "A function that {} calls wasn't invoked for {:,} minutes. First: aws events list-rules, or aws scheduler "
    "list-schedules: is its schedule there, and enabled?"
)


@dataclass(frozen=True, slots=True)
class Scheduled:
    """A function that a schedule calls.

    Attributes:
        key: what tells it from others: its name or its logical id.
        value: the dimension's value: the name, or `{"Ref": logical_id}` in the function's own template.
        expression: `rate(…)` or `cron(…)`.
    """

    key: str
    value: Any
    expression: str


@dataclass(frozen=True, slots=True)
class Heartbeats:
    """Alarms as resources of CloudFormation, and why there is none for the others: (function, expression, reason)."""

    resources: dict[str, Any]
    left_out: tuple[tuple[str, str, str], ...]


def made_for(functions: Iterable[Scheduled], topic: Any) -> Heartbeats:
    """Make an alarm for each function; of several schedules the one that fires most often counts.

    Args:
        functions: a function may come several times.
        topic: the alarm action, as CloudFormation takes it; None for none.
    """
    silences: dict[str, tuple[int, Scheduled]] = {}
    left_out: dict[str, tuple[str, str, str]] = {}
    for each in functions:
        silence = longest_silence(each.expression)
        why = _unfit(silence)
        if why or silence is None:
            left_out[each.key] = (each.key, each.expression, why)
        elif each.key not in silences or silence < silences[each.key][0]:
            silences[each.key] = silence, each
    resources: dict[str, Any] = {}
    for key, (silence, each) in sorted(silences.items()):
        base = f"Heartbeat{re.sub('[^A-Za-z0-9]', '', key)}"
        free = next(it for it in _numbered(base) if it not in resources)
        resources[free] = {"Type": "AWS::CloudWatch::Alarm", "Properties": _alarm(each, silence, topic)}
    return Heartbeats(resources, tuple(why for key, why in sorted(left_out.items()) if key not in silences))


def _numbered(base: str) -> Iterator[str]:
    yield base
    number = 2
    while True:
        yield f"{base}{number}"
        number += 1


def _unfit(silence: int | None) -> str:
    if silence is None:
        return "fires once or never, or is written in a way that isn't read here"
    if silence + _HOUR > _LONGEST:
        return "may be silent for longer than the seven days that an alarm looks at"
    return ""


def _alarm(each: Scheduled, silence: int, topic: Any) -> dict[str, Any]:
    period = _SHORT if silence <= _HOUR else _HOUR
    periods = -(-silence // period) + 1  # one more: an invocation that is a little late is no silence
    metric = {
        "Namespace": "AWS/Lambda",
        "MetricName": "Invocations",
        "Dimensions": [{"Name": "FunctionName", "Value": each.value}],
    }
    stat = {"Metric": metric, "Period": period, "Stat": "Sum"}
    actions = {"AlarmActions": [topic], "OKActions": [topic]} if topic is not None else {}
    return {
        "AlarmDescription": _SAID.format(each.expression, periods * period // 60),
        "Metrics": [
            {"Id": "calls", "MetricStat": stat, "ReturnData": False},
            {"Id": "beats", "Expression": "FILL(calls, 0)", "ReturnData": True},
        ],
        "ComparisonOperator": "LessThanThreshold",
        "Threshold": 1,
        "EvaluationPeriods": periods,
        "DatapointsToAlarm": periods,
        "TreatMissingData": "breaching",
        **actions,
    }
