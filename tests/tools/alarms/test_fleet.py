"""`lambda-guard alarms fleet`: the template's alarms exist as they are meant, and look at metrics that are written."""

import json

import pytest
import yaml

from lambda_guard import _names as names
from lambda_guard import production
from lambda_guard.templates.document import Location
from lambda_guard.templates.template import Template
from lambda_guard.testing import capture, events, make_context
from lambda_guard.tools.alarms import catalogue
from lambda_guard.tools.alarms.fleet import AlarmError, Fleet, Queue, query, template
from lambda_guard.tools.group import run

OURS = [row for row in catalogue.FLEET if row.namespace == catalogue.OURS]
TOPIC = "arn:aws:sns:eu-west-1:123456789012:on-call"
HERE = Location("eu-west-1", "123456789012", "")


def alarms_of(document, **parameters):
    """Return the alarms as CloudFormation would ask CloudWatch for them, by logical id."""
    found = Template(document, HERE, parameters=parameters).resources("AWS::CloudWatch::Alarm")
    return {it.logical_id: json.loads(json.dumps({**it.properties})) for it in found}


def test_each_alarm_is_taken_by_cloudwatch_and_read_back_as_it_was_meant(services):
    """Every property reaches CloudWatch: what it looks at, when it rings, whom it wakes."""
    cloudwatch = services.client("cloudwatch")
    fleet = Fleet(
        namespaces=("LambdaGuard", "Shop"),
        dead_letter_queues=(Queue.read("unshipped"),),
        queues=(Queue.read("tag:team=shop"),),
        tags={"owner": "shop"},
    )
    asked = alarms_of(template(fleet), PagingTopic=TOPIC, MemoryThreshold="90")
    for alarm in asked.values():
        alarm.pop("ActionConfiguration")  # newer than the botocore that the lowest versions bring
        alarm["Threshold"] = float(alarm["Threshold"]) if "Threshold" in alarm else None
        cloudwatch.put_metric_alarm(**{key: value for key, value in alarm.items() if value is not None})
    pages = cloudwatch.get_paginator("describe_alarms").paginate()
    found = {alarm["AlarmName"]: alarm for page in pages for alarm in page["MetricAlarms"]}
    assert found.keys() == {alarm["AlarmName"] for alarm in asked.values()}
    assert len(found) == len(catalogue.FLEET) + len(OURS) + 3  # ours once more; two queues; the traffic
    for alarm in asked.values():
        known = found[alarm["AlarmName"]]
        same = (
            "AlarmDescription",
            "EvaluationPeriods",
            "DatapointsToAlarm",
            "ComparisonOperator",
            "TreatMissingData",
        )
        assert {key: known[key] for key in same} == {key: alarm[key] for key in same}
        assert known["AlarmActions"] == alarm.get("AlarmActions", [])
        for metric in known.get("Metrics", []):
            if "MetricStat" in metric:
                assert metric["MetricStat"]["Metric"].pop("Dimensions") == []
        assert known.get("Metrics", []) == alarm.get("Metrics", [])
    memory = found["local-MemoryShop"]
    assert (memory["Threshold"], memory["Metrics"][0]["Period"]) == (90.0, 300)
    assert memory["AlarmActions"] == []  # the topic for tickets wasn't given
    assert found["local-TimeoutsLambdaGuard"]["AlarmActions"] == [TOPIC]


def test_what_an_alarm_on_ours_looks_at_is_what_a_record_has():
    """The query's schema is the record's first set of dimensions, exactly: any other finds nothing, for ever."""

    @production
    def handler(event, context):
        raise ValueError("no")

    with capture() as captured, pytest.raises(ValueError, match="no"):
        handler(events.sqs(1), make_context())
    (directive,) = captured.record[names.EMF][names.EMF_DIRECTIVES]
    assert directive[names.EMF_NAMESPACE] == names.DEFAULT_NAMESPACE
    for row in OURS:
        assert sorted(directive[names.EMF_DIMENSIONS][0]) == sorted(row.schema)
        assert row.metric in names.UNITS
    assert query(OURS[0], "Shop") == (
        'SELECT SUM(Timeouts) FROM SCHEMA("Shop", function_name, service) GROUP BY function_name ORDER BY SUM() DESC'
    )


def test_each_alarm_says_what_it_means_and_what_to_run_first():
    """At three in the morning the notification is the documentation; CloudWatch takes 1,024 characters."""
    for alarm in alarms_of(template(Fleet())).values():
        said = alarm["AlarmDescription"]
        assert "First: " in said
        assert len(said) <= 1024
        assert alarm["Tags"][0]["Key"] == "severity"
        assert alarm["ActionConfiguration"] == {"AlarmTagsPropagation": {"Enabled": True}}


def test_the_file_is_plain_yaml_and_replaces_what_was_there(tmp_path, capsys):
    """CloudFormation reads no aliases; a file that was there is replaced in one step, with its permissions."""
    path = tmp_path / "alarms.yaml"
    path.write_text("old")
    path.chmod(0o640)
    assert run(["alarms", "fleet", "-o", str(path), "--dead-letter-queue", "unshipped"]) == 0
    text = path.read_text()
    kinds = {type(token).__name__ for token in yaml.scan(text)}
    assert not kinds & {"AliasToken", "AnchorToken", "TagToken"}
    assert path.stat().st_mode & 0o777 == 0o640
    assert [it.name for it in tmp_path.iterdir()] == ["alarms.yaml"]
    assert len(alarms_of(yaml.safe_load(text))) == len(catalogue.FLEET) + 2
    said = capsys.readouterr().err
    assert "21 alarms; for 100 functions $40.50 a month if all goes well, $180.50 at most" in said
    assert "no alarm looks at a dead-letter queue" not in said


def test_costs_follow_the_functions(capsys):
    """A query costs by the metrics it matches: ten times the functions, ten times the price, but for the Region's own."""
    costs = []
    for functions in ("10", "100"):
        assert run(["alarms", "fleet", "--functions", functions]) == 0
        costs.append(capsys.readouterr().err)
    assert "for 10 functions $4.40 a month if all goes well, $18.40 at most" in costs[0]
    assert "for 100 functions $40.40 a month if all goes well, $180.40 at most" in costs[1]


@pytest.mark.parametrize(
    ("text", "queue"),
    [
        ("unshipped", Queue("unshipped")),
        ("orders.fifo", Queue("orders.fifo")),
        ("arn:aws:sqs:eu-west-1:123456789012:unshipped", Queue("unshipped")),
        ("https://sqs.eu-west-1.amazonaws.com/123456789012/unshipped", Queue("unshipped")),
        ("tag:aws:cloudformation:stack-name=shop", Queue(tag="aws:cloudformation:stack-name", value="shop")),
    ],
)
def test_queues_are_named_in_every_way_that_people_have_them(text, queue):
    """By name, ARN, URL, or tag."""
    assert Queue.read(text) == queue


def test_queues_whose_names_differ_in_a_dash_have_an_alarm_each():
    """Logical ids have no dashes: what would be one name is numbered."""
    fleet = Fleet(dead_letter_queues=(Queue("a-b"), Queue("ab"), Queue("a_b")))
    made = [it for it in template(fleet)["Resources"] if it.startswith("DeadLetters")]
    assert made == ["DeadLettersab", "DeadLettersab2", "DeadLettersab3"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            ["--queue", "what is this"],
            "'what is this' isn't the name of a queue: write its name, its URL, its ARN or",
        ),
        (["--queue", "tag:team"], "'tag:team' isn't a tag: write tag:KEY=VALUE"),
        (["--queue", "tag:team=x' OR '1'='1"], "isn't a tag: write tag:KEY=VALUE, without quotes"),
        (["--namespace", 'a"b'], "isn't a namespace"),
        (["--tag", "owner"], "'owner' isn't a tag: write KEY=VALUE"),
    ],
)
def test_bad_input_is_said_and_nothing_is_written(options, said, capsys):
    """A sentence, exit code 2, and an empty standard output."""
    assert run(["alarms", "fleet", *options]) == 2
    out, err = capsys.readouterr()
    assert (out, said in err) == ("", True), err


def test_a_namespace_that_is_wrong_makes_no_template():
    """The same by the library."""
    with pytest.raises(AlarmError, match="isn't a namespace"):
        template(Fleet(namespaces=("",)))
