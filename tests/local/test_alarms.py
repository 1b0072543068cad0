"""Alarms of a template exist in the local cloud: CloudWatch tells what they watch, when they ring, and whom they wake."""

import sys

from lambda_guard.local import Cloud

RUNTIME = f"python3.{sys.version_info.minor}"
TOPIC = "arn:aws:sns:eu-west-1:123456789012:on-call"
TEMPLATE = {
    "Transform": "AWS::Serverless-2016-10-31",
    "Parameters": {"Most": {"Type": "Number", "Default": "3"}},
    "Resources": {
        "Orders": {
            "Type": "AWS::Serverless::Function",
            "Properties": {"InlineCode": "def handler(event, context): pass", "Handler": "index.handler", "Runtime": RUNTIME},
        },
        "OnCall": {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": "on-call"}},
        "Errors": {
            "Type": "AWS::CloudWatch::Alarm",
            "Properties": {
                "AlarmName": "orders-errors",
                "Namespace": "AWS/Lambda",
                "MetricName": "Errors",
                "Dimensions": [{"Name": "FunctionName", "Value": {"Ref": "Orders"}}],
                "Statistic": "Sum",
                "Period": "60",
                "EvaluationPeriods": 5,
                "DatapointsToAlarm": "3",
                "Threshold": {"Ref": "Most"},
                "ComparisonOperator": "GreaterThanThreshold",
                "TreatMissingData": "notBreaching",
                "AlarmActions": [{"Ref": "OnCall"}],
                "ActionConfiguration": {"AlarmTagsPropagation": {"Enabled": True}},
            },
        },
        "Rate": {
            "Type": "AWS::CloudWatch::Alarm",
            "Properties": {
                "Metrics": [
                    {
                        "Id": "errors",
                        "ReturnData": "false",
                        "MetricStat": {
                            "Metric": {"Namespace": "AWS/Lambda", "MetricName": "Errors"}, "Period": 300, "Stat": "Sum"
                        },
                    },
                    {"Id": "rate", "Expression": "errors * 2", "ReturnData": True},
                ],
                "EvaluationPeriods": 1,
                "Threshold": 0.5,
                "ComparisonOperator": "GreaterThanThreshold",
            },
        },
        "Any": {
            "Type": "AWS::CloudWatch::CompositeAlarm",
            "Properties": {"AlarmRule": {"Fn::Sub": "ALARM(${Errors}) OR ALARM(${Rate})"}, "AlarmActions": [{"Ref": "OnCall"}]},
        },
        "Band": {
            "Type": "AWS::CloudWatch::AnomalyDetector",
            "Properties": {"Namespace": "AWS/Lambda", "MetricName": "Invocations", "Stat": "Sum"},
        },
    },
    "Outputs": {"Alarm": {"Value": {"Fn::GetAtt": "Errors.Arn"}}},
}  # fmt: skip


def test_alarms_are_read_back_as_the_template_has_them():
    """What moto's own CloudFormation would have dropped in silence."""
    with Cloud(TEMPLATE) as cloud:
        cloudwatch = cloud.client("cloudwatch")
        found = cloudwatch.describe_alarms()
        detectors = cloudwatch.describe_anomaly_detectors()["AnomalyDetectors"]
        output = cloud.outputs["Alarm"]
        warnings = cloud.warnings
    alarms = {it["AlarmName"]: it for it in found["MetricAlarms"]}
    assert alarms.keys() == {"orders-errors", "Rate"}
    errors, rate = alarms["orders-errors"], alarms["Rate"]
    assert rate["Threshold"] == 0.5
    assert [(it["Id"], it["ReturnData"]) for it in rate["Metrics"]] == [("errors", False), ("rate", True)]
    assert rate["Metrics"][0]["MetricStat"]["Period"] == 300
    expected = {
        "Namespace": "AWS/Lambda", "MetricName": "Errors", "Statistic": "Sum", "Period": 60, "EvaluationPeriods": 5,
        "DatapointsToAlarm": 3, "Threshold": 3.0, "ComparisonOperator": "GreaterThanThreshold",
        "TreatMissingData": "notBreaching", "AlarmActions": [TOPIC],
        "Dimensions": [{"Name": "FunctionName", "Value": "Orders"}],
    }  # fmt: skip
    assert {key: errors[key] for key in expected} == expected
    (composite,) = found["CompositeAlarms"]
    assert (composite["AlarmName"], composite["AlarmRule"]) == ("Any", "ALARM(orders-errors) OR ALARM(Rate)")
    assert composite["AlarmActions"] == [TOPIC]
    assert [(it["Namespace"], it["MetricName"], it["Stat"]) for it in detectors] == [
        ("AWS/Lambda", "Invocations", "Sum")
    ]
    assert output == "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:orders-errors"
    assert warnings == ()


def test_a_number_that_is_none_is_said():
    """A warning names the resource and the property."""
    document = {
        **TEMPLATE,
        "Resources": {"A": {"Type": "AWS::CloudWatch::Alarm", "Properties": {"Threshold": "high"}}},
    }
    document["Outputs"] = {}
    with Cloud(document) as cloud:
        (warning,) = cloud.warnings
    assert warning.startswith(
        "A (AWS::CloudWatch::Alarm) isn't created: Invalid type for parameter Threshold, value: high"
    )
