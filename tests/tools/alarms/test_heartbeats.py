"""`lambda-guard alarms heartbeats`: a scheduled function that falls silent rings, one that is on time doesn't."""

import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from lambda_guard.templates.document import Location
from lambda_guard.templates.template import Template
from lambda_guard.tools.alarms.heartbeats import Scheduled, made_for
from lambda_guard.tools.alarms.schedules import longest_silence
from lambda_guard.tools.group import run

HOUR, DAY = 3600, 86_400
SHOP = """
Transform: AWS::Serverless-2016-10-31
Parameters: {Stage: {Type: String}}
Globals: {Function: {Runtime: python3.12, Handler: app.handler, CodeUri: .}}
Resources:
  Nightly:
    Type: AWS::Serverless::Function
    Properties:
      FunctionName: !Sub nightly-${Stage}
      Events:
        Night: {Type: Schedule, Properties: {Schedule: 'cron(0 3 * * ? *)'}}
        Often: {Type: ScheduleV2, Properties: {ScheduleExpression: rate(5 minutes)}}
  Monthly:
    Type: AWS::Serverless::Function
    Properties: {Events: {First: {Type: Schedule, Properties: {Schedule: 'cron(0 8 1 * ? *)'}}}}
  Off:
    Type: AWS::Serverless::Function
    Properties: {Events: {Never: {Type: Schedule, Properties: {Schedule: rate(1 hour), Enabled: false}}}}
  Asked:
    Type: AWS::Serverless::Function
    Properties: {MemorySize: 128}
"""


@pytest.mark.parametrize(
    ("expression", "silence"),
    [
        ("rate(1 minute)", 60),
        ("rate(5 minutes)", 300),
        ("rate(2 hours)", 2 * HOUR),
        ("rate(7 days)", 7 * DAY),
        ("cron(0/15 * * * ? *)", 900),
        ("cron(5,50 * * * ? *)", 45 * 60),
        ("cron(0 3 * * ? *)", DAY),
        ("cron(0 8-17 ? * MON-FRI *)", 63 * HOUR),  # from Friday at 17 to Monday at 8
        ("cron(0 9 ? * 2#1 *)", 35 * DAY),
        ("cron(0 9 ? * 6L *)", 35 * DAY),
        ("cron(0 9 L * ? *)", 31 * DAY),
        ("cron(0 0 1 JAN ? *)", 366 * DAY),
        ("cron(30 6 ? * SUN,WED *)", 4 * DAY),
        ("at(2026-11-29T08:00:00)", None),
        ("cron(0 9 1W * ? *)", None),
        ("cron(0 9 31 2 ? *)", None),
        ("cron(0 9 * * ? 2026)", None),
        ("cron(0 99 * * ? *)", None),
        ("cron(* * * *)", None),
        ("rate(0 minutes)", None),
        ("", None),
    ],
)
def test_the_longest_silence_of_a_schedule(expression, silence):
    """As AWS's pages on schedules have it; what isn't read is None, never a guess."""
    assert longest_silence(expression) == silence


@pytest.mark.slow
@given(
    minutes=st.sets(st.integers(0, 59), min_size=1, max_size=4),
    hours=st.sets(st.integers(0, 23), min_size=1, max_size=4),
    days=st.sets(st.integers(1, 7), min_size=1, max_size=7),
)
def test_the_silence_is_that_of_a_schedule_that_was_played(minutes, hours, days):
    """Four weeks, minute by minute, have the same longest gap."""
    text = [",".join(map(str, sorted(them))) for them in (minutes, hours, days)]
    start = datetime(2026, 11, 1, tzinfo=UTC)  # a Sunday
    fired = [
        start + timedelta(days=day, hours=hour, minutes=minute)
        for day in range(28)
        for hour in sorted(hours)
        for minute in sorted(minutes)
        if day % 7 + 1 in days
    ]
    gaps = [(later - earlier).total_seconds() for earlier, later in pairwise(fired)]
    assert longest_silence(f"cron({text[0]} {text[1]} ? * {text[2]} *)") == max(gaps)


def test_an_alarm_looks_back_for_longer_than_the_schedule_is_silent():
    """A window of so many periods always has an invocation in it, if all is well; a week is the most."""
    for seconds in (60, 300, HOUR, 2 * HOUR, DAY, 3 * DAY, 6 * DAY):
        (alarm,) = made_for([Scheduled("a", "a", f"rate({seconds // 60} minutes)")], None).resources.values()
        properties = alarm["Properties"]
        period = properties["Metrics"][0]["MetricStat"]["Period"]
        window = period * properties["EvaluationPeriods"]
        assert seconds < window <= (7 * DAY if period >= HOUR else DAY)
        assert properties["DatapointsToAlarm"] == properties["EvaluationPeriods"]
        assert properties["TreatMissingData"] == "breaching"
        assert properties["Metrics"][1]["Expression"] == "FILL(calls, 0)"
    left_out = made_for([Scheduled("a", "a", "rate(7 days)")], None)
    assert not left_out.resources
    assert "longer than the seven days" in left_out.left_out[0][2]


def test_from_a_template(tmp_path, capsys):
    """Alarms refer to the functions of the template; what can't have one is said; the others need none."""
    path = tmp_path / "template.yaml"
    path.write_text(SHOP)
    assert run(["alarms", "heartbeats", str(path)]) == 0
    out, err = capsys.readouterr()
    (name, alarm), *more = yaml.safe_load(out)["Resources"].items()
    assert (name, more) == ("HeartbeatNightly", [])
    stat = alarm["Properties"]["Metrics"][0]["MetricStat"]
    assert stat["Metric"]["Dimensions"] == [{"Name": "FunctionName", "Value": {"Ref": "Nightly"}}]
    assert (
        stat["Period"] * alarm["Properties"]["EvaluationPeriods"] == 600
    )  # of its two schedules the one that fires most
    assert "no heartbeat for Monthly: its schedule cron(0 8 1 * ? *) may be silent for longer" in err
    document = yaml.safe_load(SHOP.replace("!Sub ", ""))
    document["Resources"][name] = alarm
    found = Template(document, Location("eu-west-1", "1", ""), parameters={"Stage": "x"})
    assert [it.logical_id for it in found.resources("AWS::CloudWatch::Alarm")] == [name]


def test_from_an_account(services, monkeypatch, capsys, tmp_path):
    """Rules and schedules that are enabled and call a function; the template can be deployed by itself."""
    arn = "arn:aws:lambda:eu-west-1:123456789012:function:{}".format
    events, scheduler = services.client("events"), services.client("scheduler")
    rules = {"night": ("ENABLED", "nightly:live"), "off": ("DISABLED", "off"), "topic": ("ENABLED", None)}
    for rule, (state, function) in rules.items():
        events.put_rule(Name=rule, ScheduleExpression="rate(1 day)", State=state)
        target = arn(function) if function else "arn:aws:sns:eu-west-1:123456789012:topic"
        events.put_targets(Rule=rule, Targets=[{"Id": "1", "Arn": target}])
    events.put_rule(Name="pattern", EventPattern=json.dumps({"source": ["shop"]}))
    scheduler.create_schedule(
        Name="often",
        ScheduleExpression="rate(10 minutes)",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={"Arn": arn("often"), "RoleArn": "arn:aws:iam::123456789012:role/r"},
    )
    aws = {
        "ENDPOINT_URL": services.endpoint,
        "REGION": "eu-west-1",
        "ACCESS_KEY_ID": "x",
        "SECRET_ACCESS_KEY": "x",
    }
    for name, value in aws.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    path = tmp_path / "heartbeats.yaml"
    assert run(["alarms", "heartbeats", "--account", "-o", str(path)]) == 0
    document = yaml.safe_load(path.read_text())
    names = {
        it["Properties"]["Metrics"][0]["MetricStat"]["Metric"]["Dimensions"][0]["Value"]
        for it in document["Resources"].values()
    }
    assert names == {"nightly", "often"}
    assert document["Parameters"].keys() == {"PagingTopic"}
    assert "2 heartbeats" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["--account", "template.yaml"]])
def test_either_a_template_or_the_account(arguments, tmp_path, monkeypatch, capsys):
    """Neither or both is answered with what to write."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "template.yaml").write_text(SHOP)
    assert run(["alarms", "heartbeats", *arguments]) == 2
    assert "name a template, or say --account" in capsys.readouterr().err
