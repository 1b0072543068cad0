"""Deployments in the real runtime client: the alarms that `lambda-guard harden` writes end those that `Errors` lets pass."""

import json

import pytest

from lambda_guard.local import Function
from lambda_guard.local.runtime.log_group import LogGroup
from lambda_guard.tools.alarms.declared import Alarm, read_alarms
from lambda_guard.tools.alarms.rehearsal import rehearse
from lambda_guard.tools.alarms.series import Sample, Series
from lambda_guard.tools.group import run

TEMPLATE = """\
Transform: AWS::Serverless-2016-10-31
Resources:
  Parcels:
    Type: AWS::SQS::Queue
  Shipping:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.13
      CodeUri: .
      Handler: shipping.handler
      Timeout: 10
      MemorySize: 256
      Events:
        Parcels: {Type: SQS, Properties: {Queue: !GetAtt Parcels.Arn}}
  ErrorsOfAllVersions:
    Type: AWS::CloudWatch::Alarm
    Properties:
      Namespace: AWS/Lambda
      MetricName: Errors
      Dimensions: [{Name: FunctionName, Value: !Ref Shipping}]
      Statistic: Sum
      Period: 60
      EvaluationPeriods: 1
      Threshold: 0
      ComparisonOperator: GreaterThanThreshold
      TreatMissingData: notBreaching
"""
SHIPPING = """\
from lambda_guard import production

@production(each_record=True, report_batch_item_failures=True, dimensions=("function_version",))
def handler(record):
    if int(record["body"]) % 4 == {heavy}:
        raise ValueError("too heavy")
"""
NONE_IS_TOO_HEAVY, ONE_IN_FOUR = -1, 3
PHYSICAL = "shop-Shipping-Ab12Cd34Ef56"
BATCHES = 12
"""Of which one in four goes to the new version: a real canary has one in ten, and more of them."""


def batch(number):
    """Return an event with four messages."""
    attributes = {"ApproximateReceiveCount": "1", "SentTimestamp": "1700000000000"}
    records = [
        {
            "messageId": f"m-{number}-{body}",
            "body": str(body),
            "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:eu-west-1:123456789012:parcels",
            "attributes": attributes,
        }
        for body in range(4)
    ]
    return {"Records": records}


@pytest.fixture
def template(tmp_path):
    """Return the path of a hardened template."""
    path = tmp_path / "template.yaml"
    path.write_text(TEMPLATE)
    (tmp_path / "shipping.py").write_text(SHIPPING.format(heavy=NONE_IS_TOO_HEAVY))
    assert run(["harden", str(path)]) == 0
    return path


@pytest.fixture
def deployed(template, capsys):
    """Shift a part of the traffic from version 7 to version 8, and return the rehearsed alarms and the answers."""

    def go(source, *, to_new=range(0, BATCHES, 4)):
        old, new = (template.parent / name for name in ("old", "new"))
        for folder, text in ((old, SHIPPING.format(heavy=NONE_IS_TOO_HEAVY)), (new, source)):
            folder.mkdir()
            (folder / "shipping.py").write_text(text)
        log = LogGroup(f"/aws/lambda/{PHYSICAL}", template.parent / "logs")
        given = {"name": PHYSICAL, "handler": "shipping.handler", "timeout": 30.0, "log": log}
        given["log_format"] = "JSON"  # as hardened; Lambda's lines as text have no time in a file
        with (
            Function(code=old, version="7", **given) as seven,
            Function(code=new, version="8", **given) as eight,
        ):
            answers = [
                (eight if number in to_new else seven).invoke(batch(number)) for number in range(BATCHES)
            ]
        log.close()
        files = [str(path) for path in sorted((template.parent / "logs").rglob("*.log"))]
        capsys.readouterr()
        code = run(["alarms", "rehearse", str(template), *files, "--json"])
        out, err = capsys.readouterr()
        assert code == 0, err
        return {it["alarm"]: it for it in json.loads(out)["alarms"]}, answers

    return go


def test_a_version_that_fails_for_some_messages_is_rolled_back(deployed):
    """`Errors` stays 0 for it, of all versions and of the new one alone, and says so with values: they aren't missing."""
    alarms, answers = deployed(SHIPPING.format(heavy=ONE_IN_FOUR))
    assert [it.status for it in answers] == ["success"] * BATCHES
    (ring,) = alarms["ShippingNewVersionFailsInPart"]["rings"]
    assert set(ring["invocations"]) <= {answers[number].request_id for number in range(0, BATCHES, 4)}
    for name in ("ErrorsOfAllVersions", "ShippingNewVersionFails"):
        assert (alarms[name]["rings"], alarms[name]["unfed"]) == ([], []), name


def test_a_version_that_fails_altogether_is_rolled_back(deployed):
    """A module that can't be imported writes no record: Lambda's own count rings."""
    alarms, answers = deployed("import none_of_that_name\n")
    assert {number for number, it in enumerate(answers) if it.function_error} == set(range(0, BATCHES, 4))
    assert len(alarms["ShippingNewVersionFails"]["rings"]) == 1
    assert alarms["ShippingNewVersionFailsInPart"]["rings"] == []


def test_a_version_that_works_stays(deployed):
    """No alarm is red for what goes well."""
    alarms, _ = deployed(SHIPPING.format(heavy=NONE_IS_TOO_HEAVY))
    assert not any(it["rings"] for it in alarms.values())
    assert alarms["ShippingNewVersionFails"]["unfed"] == []


def test_a_version_without_traffic_stays_whatever_it_does(deployed):
    """The blind spot of every canary: nothing failed, since nothing was tried."""
    alarms, _ = deployed("import none_of_that_name\n", to_new=())
    assert not any(it["rings"] for it in alarms.values())


@pytest.mark.parametrize(("minutes", "rings"), [(0, 1), (1, 1), (2, 1), (3, 1), (9, 0)])
def test_a_failure_counts_though_its_invocation_began_minutes_before(template, minutes, rings):
    """Lambda counts an invocation where it began, a record is written where it ended; beyond its range an alarm sees none."""
    found = Series()
    by_version = {"FunctionName": "Shipping", "ExecutedVersion": "8"}
    found.add("AWS/Lambda", "Invocations", by_version, Sample(50.0, 1.0, "i-1"))
    ours = {"service": "Shipping", "function_name": "Shipping", "function_version": "8"}
    found.add("LambdaGuard", "RecordFailures", ours, Sample(50.0 + 60 * minutes, 1.0, "i-1"))
    alarms = {it.name: it for it in read_alarms(template, {}, {"Shipping"}) if isinstance(it, Alarm)}
    assert len(rehearse(alarms["ShippingNewVersionFailsInPart"], found).rings) == rings
