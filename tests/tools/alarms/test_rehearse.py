"""`lambda-guard alarms rehearse`: which alarms would have rung over past logs, when, and by which invocations."""

import json

import pytest
import yaml

from lambda_guard import production
from lambda_guard.testing import capture, make_context
from lambda_guard.tools.alarms.declared import Alarm, Metric
from lambda_guard.tools.alarms.fleet import Fleet, template
from lambda_guard.tools.alarms.insights_query import Query
from lambda_guard.tools.alarms.metric_math import MetricMath, UnreadError
from lambda_guard.tools.alarms.rehearsal import bucketed, rehearse, tuned
from lambda_guard.tools.alarms.series import Sample, Series
from lambda_guard.tools.group import run

from ..conftest import BEGAN, Logs, invocation_id

MINUTE = 60_000
LOGS = Logs()


def emf(values, namespace="LambdaGuard", **dimensions):
    """Return the keys of a record that is an EMF document with these metrics."""
    metrics = [{"Name": name, "Unit": "Count"} for name in values]
    directive = {
        "Namespace": namespace,
        "Dimensions": [list(dimensions or ["service", "function_name"])],
        "Metrics": metrics,
    }
    return {"CloudWatchMetrics": [directive]}


def invocation(
    number, at, *, function="orders", outcome="success", namespace="LambdaGuard", took=20.0, **metrics
):
    """Return an invocation's lines, at so many milliseconds after the beginning, with these metrics."""
    record = json.loads(LOGS.record(number, at + took, took, function=function, outcome=outcome))
    record["_aws"] = {"Timestamp": int(BEGAN + at), **emf(metrics, namespace)}
    return [
        LOGS.start(number),
        json.dumps({**record, **metrics}),
        LOGS.end(number),
        LOGS.report(number, took),
    ]


@pytest.fixture
def rehearsed(tmp_path, capsys, write):
    """Rehearse a template over lines, and return the report by alarm."""

    def go(lines, document=None, *options):
        path = tmp_path / "alarms.yaml"
        path.write_text(yaml.safe_dump(document or template(Fleet())))
        code = run(["alarms", "rehearse", str(path), write(lines), "--json", *options])
        out, err = capsys.readouterr()
        assert code == 0, err
        return {it["alarm"]: it for it in json.loads(out)["alarms"]}

    return go


def test_each_alarm_rings_for_what_it_is_meant_for_and_for_nothing_else(rehearsed):
    """A timeout, a message that failed for the last time, memory that creeps up; the other function is quiet."""
    lines = invocation(1, 0, outcome="timeout", Timeouts=1)
    lines += invocation(2, 5 * MINUTE, function="billing", outcome="error", Errors=1, FinalAttempts=1)
    for number in range(60):
        lines += invocation(100 + number, number * MINUTE, function="creeping", MemoryUtilization=40 + number)
        lines += invocation(
            200 + number, number * MINUTE, function="fine", MemoryUtilization=40, CpuUtilization=12
        )
    found = rehearsed(lines)
    rang = {name: it["rings"] for name, it in found.items() if it["rings"]}
    assert rang.keys() == {"Timeouts", "FinalAttempts", "Memory"}
    who = {name: [ring["contributor"] for ring in rings] for name, rings in rang.items()}
    assert who == {"Timeouts": ["orders"], "FinalAttempts": ["billing"], "Memory": ["creeping"]}
    assert rang["Timeouts"] == [
        {
            "contributor": "orders",
            "from": "2026-11-23T15:05:00Z",  # 15:04:05 lies in the minute that is over then
            "to": "2026-11-23T15:08:00Z",
            "value": 1.0,
            "invocations": [invocation_id(1)],
        }
    ]
    (memory,) = rang["Memory"]
    assert memory["value"] > 85
    assert set(memory["invocations"]) <= {invocation_id(100 + number) for number in range(46, 60)}
    assert found["Errors"]["rings"] == []  # one in five minutes: three are asked for
    assert found["Throttles"]["unfed"] == ["AWS/Lambda Throttles: logs don't tell it"]
    assert found["ServerErrors"]["unfed"] == ["LambdaGuard ServerErrors: never written in these logs"]
    assert not found["Traffic"]["rehearsed"]


def test_errors_of_functions_without_lambda_guard_ring_too(rehearsed):
    """Lambda's own words are enough: older functions have no record."""
    lines = []
    for number in range(1, 5):
        lines += [
            LOGS.platform("start", number, number * MINUTE, version="7"),
            LOGS.platform(
                "runtimeDone", number, number * MINUTE + 9, status="error", metrics={"durationMs": 9.0}
            ),
            LOGS.platform(
                "report",
                number,
                number * MINUTE + 9,
                status="error",
                metrics={"durationMs": 9.0, "billedDurationMs": 9},
            ),
        ]
    (ring,) = rehearsed(lines)["Errors"]["rings"]
    assert (ring["value"], len(ring["invocations"])) == (1.0, 3)


def test_invocations_without_a_time_are_said_to_be_left_out(tmp_path, capsys, write):
    """START and REPORT as text have none in a file: an alarm that is quiet without them would look like good news."""
    path = tmp_path / "alarms.yaml"
    path.write_text(yaml.safe_dump(template(Fleet())))
    lines = [LOGS.start(1), LOGS.end(1), LOGS.report(1, status="error")]
    assert run(["alarms", "rehearse", str(path), write(lines)]) == 0
    assert "no line of them has a time: 1" in capsys.readouterr().err


def test_a_namespace_of_ones_own_is_a_blind_spot_that_is_named(rehearsed):
    """The most expensive mistake: an alarm that looks where nothing is written never rings, and says nothing."""
    lines = invocation(1, 0, outcome="timeout", namespace="Shop", Timeouts=1)
    found = rehearsed(lines)
    assert found["Timeouts"]["rings"] == []
    assert found["Timeouts"]["unfed"] == [
        "LambdaGuard Timeouts: the metric is written into Shop, which this alarm doesn't see"
    ]
    both = rehearsed(lines, template(Fleet(namespaces=("LambdaGuard", "Shop"))))
    assert len(both["TimeoutsShop"]["rings"]) == 1


def test_dimensions_that_differ_are_named(rehearsed):
    """A schema matches exactly: the metric is there, and no alarm sees it."""
    line = {
        "_aws": {"Timestamp": int(BEGAN), **emf({"Timeouts": 1}, function_name="x")},
        "Timeouts": 1,
        "function_name": "x",
    }
    lines = [LOGS.start(1), json.dumps({**line, "invocation_id": invocation_id(1)}), LOGS.end(1)]
    assert rehearsed(lines)["Timeouts"]["unfed"] == [
        "LambdaGuard Timeouts: no series of the dimensions (function_name, service), or their values; there are (function_name)"
    ]


def test_the_metrics_of_a_real_function_are_read(rehearsed):
    """What the decorator writes today feeds the alarms, not only what a test writes by hand."""

    @production
    def handler(event, context):
        if event:
            raise ValueError("no")

    with capture() as captured:
        for number in range(3):
            handler(0, make_context(aws_request_id=invocation_id(number)))
    lines = [json.dumps(record) for record in captured.records]
    found = rehearsed(lines, None, "--parameter", "MemoryThreshold=0", "--parameter", "CpuThreshold=101")
    assert found["Memory"]["unfed"] == []


def alarm(**changes):
    """Return an alarm on one metric; three of three minutes above 0."""
    metric = Metric(namespace="Shop", name="Errors", dimensions={}, statistic="Sum")
    given = {
        "name": "A", "severity": "", "description": "", "metrics": {"m": metric}, "expressions": {}, "watched": "m",
        "threshold": 0.0, "comparison": "GreaterThanThreshold", "period": 60, "datapoints": 3, "periods": 3,
        "missing": "missing",
    }  # fmt: skip
    return Alarm(**{**given, **changes})


def series(text, *, name="Errors"):
    """Return a series of one value a minute: a digit, or `-` for a missing one."""
    found = Series()
    for minute, digit in enumerate(text):
        if digit != "-":
            found.add("Shop", name, {}, Sample(minute * 60.0, float(digit), f"i-{minute}"))
    return found


# The treatments that ring at the last minute shown. The first ten are the page's own tables, for three of three and for two of three;
# what retains its state was OK: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html
@pytest.mark.parametrize(
    ("datapoints", "values", "ringing"),
    [
        (3, "0-1-1", ""),
        (3, "0----", ""),
        (3, "-----", "breaching"),
        (3, "011-1", "missing ignore breaching notBreaching"),
        (3, "--1--", "missing breaching"),
        (2, "0-1-1", "missing ignore breaching notBreaching"),
        (2, "00101", "missing ignore breaching notBreaching"),
        (2, "0-1--", "breaching"),
        (2, "----0", "breaching"),
        (2, "---1-", "missing breaching"),
        (3, "----1", "breaching"),  # too early: the next value may be a good one
        (3, "---1-", "breaching"),
        (3, "--1-1", "missing breaching"),
        (3, "-0--1", ""),
        (3, "11111", "missing ignore breaching notBreaching"),
    ],
)
def test_missing_values_count_as_the_alarm_says(datapoints, values, ringing):
    """Real values within what is looked at go first; only what lacks is filled in."""
    found, end = series(values), len(values) * 60
    found.first, found.last = 0.0, end - 60.0
    for treatment in ("missing", "ignore", "breaching", "notBreaching"):
        rings = rehearse(alarm(datapoints=datapoints, missing=treatment), found).rings
        red = any(it.began <= end and (it.ended is None or it.ended > end) for it in rings)
        assert red is (treatment in ringing.split()), treatment


def test_ignored_values_keep_a_state_only_while_no_good_one_is_seen():
    """What is ignored keeps ALARM; a good value among too few to decide ends it, as the page's tables have it."""
    lost, good = (
        rehearse(alarm(datapoints=2, missing="ignore"), series(it)).rings
        for it in ("0011--------0", "00110---------0")
    )
    assert [it.ended for it in lost] == [13 * 60]
    assert [it.ended for it in good] == [8 * 60]


def test_an_expression_may_name_one_that_comes_later():
    """CloudWatch takes them in any order; a circle is said."""
    asked = {"watched": "most", "datapoints": 1, "periods": 1, "missing": "notBreaching"}
    rings = rehearse(alarm(expressions={"most": "twice - 3", "twice": "m * 2"}, **asked), series("012")).rings
    assert [it.value for it in rings] == [1.0]
    assert (
        "twice isn't evaluated"
        in rehearse(alarm(expressions={"most": "twice", "twice": "most"}, **asked), series("012")).unread
    )


def test_a_contributor_without_values_is_fine():
    """Missing data of a query's contributor: one that isn't found any more is OK, whatever the alarm says of it."""
    query = 'SELECT SUM(Errors) FROM SCHEMA("Shop", Fn) GROUP BY Fn'
    found = Series()
    for minute in (0, 1, 2, 20):
        found.add("Shop", "Errors", {"Fn": "a"}, Sample(minute * 60.0, 1.0, ""))
    asked = alarm(metrics={}, expressions={"m": query}, missing="breaching")
    assert [(it.began, it.ended) for it in rehearse(asked, found).rings] == [(60, 480), (1260, 1560)]


@pytest.mark.parametrize(
    ("datapoints", "periods", "values", "began"),
    [
        (1, 1, "0010", [180]),
        (2, 3, "01010", [240]),
        (3, 5, "110100", [240]),
        (3, 3, "110110", []),
        (2, 2, "0110110", [180, 360]),
    ],
)
def test_m_of_n(datapoints, periods, values, began):
    """It rings when enough of the last periods are over, and anew after it was OK."""
    rings = rehearse(
        alarm(datapoints=datapoints, periods=periods, missing="notBreaching"), series(values)
    ).rings
    assert [it.began for it in rings] == began


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("a + b * 2", {0: 5, 60: 8}),
        ("100 * a / (a + b)", {0: 100 / 3, 60: 40}),
        ("a / 0", {}),
        ("IF(a >= 2, a, 0)", {0: 0, 60: 2, 120: 3}),
        ("IF(a > 1 AND b > 2, 1, 0)", {0: 0, 60: 1}),
        ("IF(a > 1 || b > 5, 1, 0)", {0: 0, 60: 1}),
        ("FILL(b, 0)", {0: 2, 60: 3, 120: 0, 180: 0}),
        ("FILL(b, REPEAT)", {0: 2, 60: 3, 120: 3, 180: 3}),
        ("a * FILL(b, 1)", {0: 2, 60: 6, 120: 3}),
        ("RATE(a)", {60: 1 / 60, 120: 1 / 60}),
        ("DIFF(a)", {60: 1, 120: 1}),
        ("SUM([a, b])", {0: 3, 60: 5, 120: 3}),
        ("MAX(METRICS())", {0: 2, 60: 3, 120: 3}),
        ("a - AVG(a)", {0: -1, 60: 0, 120: 1}),
        ("ABS(-a)", {0: 1, 60: 2, 120: 3}),
        ("2 ^ a", {0: 2, 60: 4, 120: 8}),
        ("7", {0: 7, 60: 7, 120: 7, 180: 7}),
    ],
)
def test_metric_math(expression, expected):
    """Arithmetic where both have a value; comparisons are 1 or 0; what is missing stays missing unless it is filled."""
    known = {"a": {0: 1.0, 60: 2.0, 120: 3.0}, "b": {0: 2.0, 60: 3.0}}
    assert MetricMath(known, [0, 60, 120, 180]).evaluate(expression) == pytest.approx(expected)


@pytest.mark.parametrize(
    "expression",
    [
        "ANOMALY_DETECTION_BAND(a, 2)",
        "SEARCH('x', 'Sum')",
        "[a, a]",
        "a +",
        "__import__('os')",
        "a.b",
        "unknown",
        "[a] + 1",
    ],
)
def test_what_is_not_evaluated_is_said(expression):
    """Nothing is guessed, and nothing runs."""
    with pytest.raises(UnreadError):
        MetricMath({"a": {0: 1.0}}, [0]).evaluate(expression)


def test_the_queries_of_metrics_insights():
    """Contributors by the keys; conditions; with and without a schema; names with and without quotes."""
    found = Series()
    for function, service, value in (("a", "shop", 1), ("a", "pay", 2), ("b", "shop", 4)):
        found.add("Shop", "Errors", {"function_name": function, "service": service}, Sample(0, value, "i"))
    found.add("Shop", "Errors", {"service": "shop"}, Sample(0, 16, "i"))

    def sums(text):
        query = Query.read(text)
        told = query.contributors(found)
        return {name: bucketed(samples, 60, query.statistic) for name, samples in told.items()}

    schema = 'FROM SCHEMA("Shop", function_name, service)'
    assert sums(f"SELECT SUM(Errors) {schema} GROUP BY function_name ORDER BY SUM() DESC") == {
        "a": {0: 3},
        "b": {0: 4},
    }
    assert sums(
        f"select max(Errors) {schema} where service = 'shop' and function_name != 'b' group by function_name"
    ) == {"a": {0: 1}}
    assert sums('SELECT SUM(Errors) FROM "Shop"') == {"": {0: 23}}
    assert sums("SELECT COUNT(Errors) FROM Shop GROUP BY service, function_name LIMIT 5") == {
        "shop, a": {0: 1}, "pay, a": {0: 1}, "shop, b": {0: 1}
    }  # fmt: skip
    for text in (
        "SELECT Errors FROM Shop",
        "SELECT SUM(Errors) FROM Shop WHERE tag.team = 'a'",
        "SELECT SUM(a) FROM b WHERE c",
    ):
        with pytest.raises(UnreadError):
            Query.read(text)


@pytest.mark.parametrize(
    ("statistic", "value"),
    [
        ("Sum", 10),
        ("Average", 2.5),
        ("Maximum", 4),
        ("Minimum", 1),
        ("SampleCount", 4),
        ("p50", 2.5),
        ("p100", 4),
        ("p0", 1),
    ],
)
def test_statistics(statistic, value):
    """Each of a period's values."""
    assert bucketed([Sample(at, at + 1.0, "i") for at in range(4)], 60, statistic) == {0: value}


def test_an_unknown_statistic_is_said():
    """Trimmed means are not evaluated here."""
    metric = Metric(namespace="Shop", name="Errors", dimensions={}, statistic="tm90")
    assert "tm90 isn't evaluated" in rehearse(alarm(metrics={"m": metric}), series("1")).unread


def test_a_proposal_is_the_nearest_threshold_that_would_have_kept_quiet():
    """With it the alarm rings as often as is allowed; with any lower one more often."""
    values = series("1203105060")
    watching = alarm(datapoints=1, periods=1)
    assert len(rehearse(watching, values).rings) == 4
    for most, expected in ((0, 6.0), (1, 5.0), (2, 3.0), (4, 0.0)):
        assert tuned(watching, values, most) == expected
    lower = alarm(datapoints=1, periods=1, comparison="LessThanThreshold", threshold=2.0)
    assert tuned(lower, values, 0) == 0.0


def test_a_canary_alarm_sees_the_new_version_alone(rehearsed):
    """`Resource` is an alias, which logs don't tell: the version's invocations are taken."""
    lines = []
    for number in range(6):
        kind = "error" if number % 2 else "success"
        record = json.loads(
            LOGS.record(number, number * MINUTE, 5.0, function="shop-Orders-1A2B3C4D5E", outcome=kind)
        )
        record["function_version"] = str(7 + number % 2)
        lines += [LOGS.start(number), json.dumps(record), LOGS.end(number)]

    def document(version):
        dimensions = {
            "FunctionName": {"Ref": "Orders"},
            "Resource": {"Fn::Sub": "${Orders}:live"},
            "ExecutedVersion": version,
        }
        properties = {
            "Namespace": "AWS/Lambda",
            "MetricName": "Errors",
            "Dimensions": [{"Name": name, "Value": value} for name, value in dimensions.items()],
            "Statistic": "Sum", "Period": 60, "EvaluationPeriods": 1, "Threshold": 0,
            "ComparisonOperator": "GreaterThanThreshold", "TreatMissingData": "notBreaching",
        }  # fmt: skip
        code = {"ZipFile": "def handler(event, context): pass"}
        function = {
            "Handler": "index.handler",
            "Runtime": "python3.13",
            "Code": code,
            "Role": "arn:aws:iam::1:role/r",
        }
        return {
            "Resources": {
                "Orders": {"Type": "AWS::Lambda::Function", "Properties": function},
                "Canary": {"Type": "AWS::CloudWatch::Alarm", "Properties": properties},
            }
        }

    assert rehearsed(lines, document("7"))["Canary"]["rings"] == []
    assert len(rehearsed(lines, document("8"))["Canary"]["rings"]) == 1


def test_for_people(tmp_path, capsys, write):
    """What rang comes first, with when, who, and the ids to ask for; then what couldn't ring."""
    path = tmp_path / "alarms.yaml"
    path.write_text(yaml.safe_dump(template(Fleet())))
    lines = invocation(1, 0, outcome="timeout", Timeouts=1) + invocation(
        2, 90 * MINUTE, outcome="timeout", Timeouts=1
    )
    assert run(["alarms", "rehearse", str(path), write(lines), "--tune", "0"]) == 0
    out, err = capsys.readouterr()
    told = out.splitlines()
    assert told[0] == "20 alarms from 2026-11-23 15:04 to 2026-11-23 16:34"
    assert told[2].split() == ["RANG", "Timeouts", "2", "times", "page"]
    assert told[3].split() == ["2026-11-23", "15:05", "3", "min", "orders", "1", invocation_id(1)]
    assert "the threshold is 0: with 1 it wouldn't have" in told[5]
    assert told[6].startswith("?     Traffic")
    assert told[-1] == "1 of 20 alarms would have rung: 2 page"
    assert "2 invocations, 2 failed" in err


def test_without_any_metric_it_says_so(tmp_path, capsys, write):
    """An empty source is no silence of the alarms."""
    path = tmp_path / "alarms.yaml"
    path.write_text(yaml.safe_dump(template(Fleet())))
    assert run(["alarms", "rehearse", str(path), write([])]) == 0
    assert capsys.readouterr().out.startswith("no metric in these logs: nothing to rehearse by")


def test_an_alarm_that_is_not_to_be_understood_does_not_stop_the_others(tmp_path, capsys, write):
    """It is named with the reason."""
    document = template(Fleet())
    kind = {"Type": "AWS::CloudWatch::Alarm"}
    known = {"EvaluationPeriods": 1, "Threshold": 1}
    document["Resources"] |= {
        "Often": {**kind, "Properties": {"Namespace": "N", "MetricName": "X", "Period": "often", **known}},
        "Half": {**kind, "Properties": {"Metrics": [{"Id": "m", "MetricStat": {"Period": 60}}], **known}},
    }
    path = tmp_path / "alarms.yaml"
    path.write_text(yaml.safe_dump(document))
    assert run(["alarms", "rehearse", str(path), write(invocation(1, 0, outcome="timeout", Timeouts=1))]) == 0
    out, err = capsys.readouterr()
    assert "1 of 20 alarms would have rung" in out
    assert "resource Often: Period must be a number, not 'often'" in err
    assert "resource Half: CloudFormation would refuse it" in err


@pytest.mark.parametrize(
    ("properties", "why"),
    [
        ({"Period": 0}, "a Period is 10, 20, 30 or a multiple of 60, not 0"),
        ({"Period": 45}, "a Period is 10, 20, 30 or a multiple of 60, not 45"),
        ({"DatapointsToAlarm": 3}, "DatapointsToAlarm is from 1 to EvaluationPeriods, 2, not 3"),
        ({"EvaluationPeriods": 0}, "DatapointsToAlarm is from 1 to EvaluationPeriods, 0, not 0"),
        ({"Metrics": []}, "no entry of Metrics returns data"),
    ],
)
def test_an_alarm_that_cloudwatch_would_refuse_is_not_called_quiet(properties, why, tmp_path, capsys, write):
    """It can't be deployed, so that it would never ring; a composite alarm isn't passed over in silence, either."""
    given = {"Namespace": "N", "MetricName": "X", "Statistic": "Sum", "Period": 60, "EvaluationPeriods": 2}
    known = {"Threshold": 1, "ComparisonOperator": "GreaterThanThreshold"}
    alone = {"Type": "AWS::CloudWatch::Alarm", "Properties": {**given, **known, **properties}}
    both = {"Type": "AWS::CloudWatch::CompositeAlarm", "Properties": {"AlarmRule": "ALARM(A)"}}
    path = tmp_path / "alarms.yaml"
    path.write_text(yaml.safe_dump({"Resources": {"A": alone, "Both": both}}))
    assert run(["alarms", "rehearse", str(path), write(invocation(1, 0, outcome="timeout", Timeouts=1))]) == 0
    out, err = capsys.readouterr()
    assert "quiet" not in out
    assert why in err
    assert "resource Both: a composite alarm isn't evaluated" in err


def test_a_time_that_is_no_date_is_passed_over(rehearsed):
    """Milliseconds that were multiplied once too often are in no year; the other documents count."""
    directive = {"Namespace": "N", "Dimensions": [[]], "Metrics": [{"Name": "X"}]}
    lines = [
        json.dumps({"_aws": {"Timestamp": at, "CloudWatchMetrics": [directive]}, "X": 2})
        for at in (BEGAN, BEGAN * 1e6, 1e300, -1)
    ]
    watching = {
        "Namespace": "N", "MetricName": "X", "Statistic": "Sum", "Period": 60, "EvaluationPeriods": 1,
        "Threshold": 1, "ComparisonOperator": "GreaterThanThreshold",
    }  # fmt: skip
    resource = {"Type": "AWS::CloudWatch::Alarm", "Properties": watching}
    (ring,) = rehearsed(lines, {"Resources": {"A": resource}})["A"]["rings"]
    assert ring["value"] == 2


def test_documents_of_no_invocation_are_metrics_too(rehearsed):
    """CloudWatch takes EMF from any line of any log group: what the local cloud counts, an agent, a container."""
    directive = {"Namespace": "AWS/SQS", "Dimensions": [["QueueName"]], "Metrics": [{"Name": "Age"}]}
    lines = [
        json.dumps(
            {
                "_aws": {"Timestamp": int(BEGAN + at * MINUTE), "CloudWatchMetrics": [directive]},
                "QueueName": "orders",
                "Age": at,
            }
        )
        for at in range(3)
    ]
    watching = {
        "Namespace": "AWS/SQS", "MetricName": "Age", "Dimensions": [{"Name": "QueueName", "Value": "orders"}],
        "Statistic": "Maximum", "Period": 60, "EvaluationPeriods": 1, "Threshold": 1,
        "ComparisonOperator": "GreaterThanThreshold", "TreatMissingData": "notBreaching",
    }  # fmt: skip
    resource = {"Type": "AWS::CloudWatch::Alarm", "Properties": watching}
    (ring,) = rehearsed(lines, {"Resources": {"Old": resource}})["Old"]["rings"]
    assert (ring["value"], ring["invocations"]) == (2.0, [])
