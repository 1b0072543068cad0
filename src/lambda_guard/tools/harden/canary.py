"""Alarms that roll a deployment back: they look at the new version alone, and only while traffic is being shifted.

Lambda writes values of `ExecutedVersion` for an alias that shares its traffic between two versions:
https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html. So the alarms aren't red when a deployment
begins, and the fix of a version that fails gets through.
"""

from typing import Any, Final

from lambda_guard import _names
from lambda_guard.templates.survey.model import Function
from lambda_guard.tools.audit.handler_code import Code
from lambda_guard.tools.harden.settings import Settings

_RULES: Final = {
    "EvaluationPeriods": 2,
    "DatapointsToAlarm": 1,
    "Threshold": 0,
    "ComparisonOperator": "GreaterThanThreshold",
    "TreatMissingData": "notBreaching",
}
_PERIOD: Final = 60
_IN_PART: Final = (_names.RECORD_FAILURES, _names.TIMEOUTS, _names.SERVER_ERRORS)
"""Failures that `Errors` of AWS/Lambda doesn't count, or counts later."""


def errors(it: Function, settings: Settings) -> dict[str, Any]:
    """Return the alarm on invocations that fail."""
    return {
        "Type": "AWS::CloudWatch::Alarm",
        "Properties": {
            "AlarmDescription": _said(it, "raises errors"),
            **_metric(it, settings, "Errors"),
            "Statistic": "Sum",
            "Period": _PERIOD,
            **_RULES,
        },
    }


def tells_versions_apart(it: Function, code: Code) -> bool:
    """Return whether the handler is decorated, and asks for metrics by version: `dimensions=("function_version",)`."""
    if not code.guarded:
        return False
    try:
        text = it.inline if code.file is None else code.file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False
    return _names.FUNCTION_VERSION in (text or "")


def in_part(it: Function, settings: Settings) -> dict[str, Any]:
    """Return the alarm on records that fail, timeouts and server errors, while the new version has invocations.

    Without that condition a message that keeps failing would have it red when the next deployment begins. Lambda counts
    an invocation where it began, and the record where it ended: the condition holds for the minutes in between, too.
    """
    failures = {f"failures{number}": _ours(it, name) for number, name in enumerate(_IN_PART)}
    every = " + ".join(f"FILL({name}, 0)" for name in failures)
    stats = {**failures, "invocations": _metric(it, settings, "Invocations")}
    metrics: list[dict[str, Any]] = [
        {"Id": "shifting", "Expression": f"IF(FILL(invocations, REPEAT) > 0, {every}, 0)", "ReturnData": True}
    ]
    for name, metric in stats.items():
        stat = {"Metric": metric, "Period": _PERIOD, "Stat": "Sum"}
        metrics.append({"Id": name, "MetricStat": stat, "ReturnData": False})
    said = _said(it, "fails on records, runs into its timeout, or answers with server errors")
    return {
        "Type": "AWS::CloudWatch::Alarm",
        "Properties": {"AlarmDescription": said, "Metrics": metrics, **_RULES},
    }


def _said(it: Function, what: str) -> str:
    name = it.logical_id
    first = f"lambda-guard invocations --function {name} --failed --since 15m"
    return (
        f"The version of {name} that is being deployed {what}; CodeDeploy puts the alias back. First: {first}"
    )


def _metric(it: Function, settings: Settings, name: str) -> dict[str, Any]:
    dimensions = {
        "FunctionName": {"Ref": it.logical_id},
        "Resource": {"Fn::Sub": f"${{{it.logical_id}}}:{settings.alias}"},
        "ExecutedVersion": {"Fn::GetAtt": [it.logical_id, "Version.Version"]},
    }
    return {"Namespace": "AWS/Lambda", "MetricName": name, "Dimensions": _listed(dimensions)}


def _ours(it: Function, name: str) -> dict[str, Any]:
    given = it.variable(_names.ENV_SERVICE) or it.variable("POWERTOOLS_SERVICE_NAME")
    namespace = it.variable(_names.ENV_NAMESPACE)
    dimensions = {
        _names.SERVICE: given if isinstance(given, str) else {"Ref": it.logical_id},
        _names.FUNCTION_NAME: {"Ref": it.logical_id},
        _names.FUNCTION_VERSION: {"Fn::GetAtt": [it.logical_id, "Version.Version"]},
    }
    known = namespace if isinstance(namespace, str) else _names.DEFAULT_NAMESPACE
    return {"Namespace": known, "MetricName": name, "Dimensions": _listed(dimensions)}


def _listed(dimensions: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"Name": name, "Value": value} for name, value in dimensions.items()]
