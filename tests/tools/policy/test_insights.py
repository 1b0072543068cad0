"""`lambda-guard policy --insights`: the same evidence by two queries, whose cost is said first and bounded."""

import json
from dataclasses import fields

import boto3
import pytest
from botocore.stub import ANY, Stubber

from lambda_guard.errors import LambdaGuardError
from lambda_guard.tools.aws import CloudError
from lambda_guard.tools.group import run
from lambda_guard.tools.logs.cloudwatch.groups import LogGroup
from lambda_guard.tools.logs.cloudwatch.reader import CloudWatchReader
from lambda_guard.tools.logs.cloudwatch.volume import ingested
from lambda_guard.tools.logs.selection import Selection, Target
from lambda_guard.tools.policy.gathering import gathered
from lambda_guard.tools.policy.insights import calls_query, invocations_query

from ..conftest import BEGAN, Logs, invocation_id
from .insights_engine import answer

LOGS = Logs()
GROUP = "/aws/lambda/orders"
WINDOW = (BEGAN - 3_600_000, BEGAN + 20 * 86_400_000)
QUERY = {"service": "dynamodb", "operation": "Query", "resource": "stock", "count": 2, "errors": 0}
ARN = "arn:aws:lambda:eu-west-1:123456789012:function:orders"


class Cloud:
    """Stubbed clients, which check each request and answer against the service's model; queries are really run."""

    def __init__(self, lines=()):
        self._events = [(BEGAN + at, text) for at, text in lines]
        self._clients, self._stubbers = {}, {}
        for service in ("logs", "cloudwatch"):
            client = boto3.client(
                service, region_name="eu-west-1", aws_access_key_id="x", aws_secret_access_key="x"
            )
            self._clients[service], self._stubbers[service] = client, Stubber(client)
            self._stubbers[service].activate()

    def __call__(self, service):
        return self._clients[service]

    def holds(self, *sums):
        """Announce a question for the size, and its answer, in bytes an hour."""
        points = [{"Timestamp": "2026-11-23T15:00:00Z", "Sum": float(one), "Unit": "Bytes"} for one in sums]
        asked = {
            "Namespace": "AWS/Logs",
            "MetricName": "IncomingBytes",
            "Dimensions": [{"Name": "LogGroupName", "Value": GROUP}],
            "Period": 3_600,
            "Statistics": ["Sum"],
            "StartTime": ANY,
            "EndTime": ANY,
        }
        answered = {"Label": "IncomingBytes", "Datapoints": points}
        self._stubbers["cloudwatch"].add_response("get_metric_statistics", answered, asked)

    def refuses_the_size(self):
        self._stubbers["cloudwatch"].add_client_error("get_metric_statistics", "AccessDenied", "no")

    def asked(self, query, *, rows=None):
        """Announce a query."""
        times = {"startTime": int(WINDOW[0] // 1_000), "endTime": int(WINDOW[1] // 1_000) + 1}
        told = {"logGroupNames": [GROUP], **times, "queryString": query}
        self._stubbers["logs"].add_response("start_query", {"queryId": "q"}, told)
        results = answer(query, self._events) if rows is None else rows
        statistics = {"recordsMatched": 3.0, "recordsScanned": 50.0, "bytesScanned": 2.0e9}
        complete = {"status": "Complete", "results": results, "statistics": statistics}
        self._stubbers["logs"].add_response("get_query_results", complete, {"queryId": "q"})

    def pages(self):
        """Announce that everything is read."""
        events = [
            {"logStreamName": "a", "timestamp": int(at), "message": text, "eventId": str(number)}
            for number, (at, text) in enumerate(self._events)
        ]
        self._stubbers["logs"].add_response("filter_log_events", {"events": events}, None)

    def reader(self):
        return CloudWatchReader(
            Target(groups=(GROUP,)), Selection(since_ms=WINDOW[0], until_ms=WINDOW[1]), self
        )

    def done(self):
        for stubber in self._stubbers.values():
            stubber.assert_no_pending_responses()


def by_insights(cloud, dollars=1.0):
    cloud.holds(2.0e9)
    cloud.asked(invocations_query())
    cloud.asked(calls_query("orders"))
    with cloud.reader() as reader:
        evidence = gathered(reader, reader._selection, "orders", (None, None), dollars)
    cloud.done()
    return evidence, reader.tally


def by_pages(cloud):
    cloud.holds(10.0)
    cloud.pages()
    with cloud.reader() as reader:
        return gathered(reader, reader._selection, "orders", (None, None))


DAY = 86_400_000
RECORDS = [
    (0, {"calls": [QUERY, {**QUERY, "operation": "GetItem", "region": "us-east-1"}], "function_arn": ARN}),
    (5, {"calls": [QUERY], "function_arn": ARN, "outcome": "error", "calls_more": 2, "span_id": "ab"}),
    (DAY, {"trigger": {"type": "sqs", "source": "arn:aws:sqs:eu-west-1:123456789012:orders", "records": 2}}),
    (DAY + 5, {"records": {"succeeded": 1, "failed": 1}, "function_version": "7"}),
    (2 * DAY, {"http": {"method": "GET", "status": 503}}),
    (2 * DAY + 9, {"durable": {"execution": f"{ARN}:1/durable-execution/a/b"}, "outcome": "suspended"}),
    (
        3 * DAY,
        {
            "calls": [{**QUERY, "resource": None, "service": "kms", "operation": "Decrypt"}],
            "function_arn": f"{ARN}:live",
        },
    ),
]


DENIAL = {
    "count": 2,
    "action": "kms:Decrypt",
    "deny": "implicit",
    "policy_type": "identity-based",
    "authorization_id": "a-1",
}
RECORDS += [
    (
        3 * DAY + 1,
        {"calls": [{**QUERY, "errors": 2, "denied": DENIAL, "presigned": True}], "function_arn": ARN},
    ),
    (
        3 * DAY + 2,
        {"calls": [{**QUERY, "errors": 1, "presigned": True, "index": "by-date"}], "function_arn": ARN},
    ),
    (3 * DAY + 3, {"calls": [{**QUERY, "resource": None}], "calls_unnamed": True, "function_arn": ARN}),
]


def lines():
    """Write a log: records, lines that only look like some, those of another function, and platform lines."""
    found = []
    for number, (at, more) in enumerate(RECORDS):
        found += [
            (at, LOGS.start(number)),
            (at, LOGS.line(number, at, 'says "record":"invocation"', said={"record": "invocation"})),
            (at, LOGS.record(number, at, 1, **more)),
            (at, LOGS.report(number)),
        ]
    other = LOGS.record(90, 1, 1, function="billing", calls=[{**QUERY, "resource": "bills"}])
    return [*found, (1, other), (1, LOGS.report(90))]


def test_both_ways_find_the_same():
    """Whatever is read page by page, two queries count; only how often something is named may be told apart."""
    paged, (counted, tally) = by_pages(Cloud(lines())), by_insights(Cloud(lines()))
    different = {one.name for one in fields(paged) if getattr(paged, one.name) != getattr(counted, one.name)}
    assert different == set()
    assert paged.invocations == 10
    assert [str(one) for one in counted.denied.values()] == [str(one) for one in paged.denied.values()]
    assert sum(counted.denials.values()) == 2
    assert tally.notes == ["6 of 100 events matched, 4.000 GB scanned, about $0.0200"]
    assert tally.invocations == 11


def test_invocations_without_a_record_are_counted():
    """The platform's report alone tells of them, as text and as JSON."""
    killed = [(7, LOGS.start(50)), (7, LOGS.report(50)), (8, LOGS.platform("report", 51, 8, status="error"))]
    evidence, _ = by_insights(Cloud([*lines(), *killed]))
    assert (evidence.invocations, evidence.unrecorded, evidence.outcomes["no record"]) == (12, 2, 2)


def test_the_cost_is_said_first_and_nothing_dearer_is_asked(capsys):
    """With what to write to allow it, and how long the free way takes."""
    cloud = Cloud()
    cloud.holds(30.0e9, 15.2e9)
    with cloud.reader() as reader, pytest.raises(LambdaGuardError) as error:
        gathered(reader, reader._selection, "orders", (None, None), 0.4)
    cloud.done()
    assert str(error.value) == (
        "that is more than --insights 0.4: nothing was asked. Write --insights 0.46 to allow it; without it, logs are "
        "read page by page, which is free and takes 2h 30m or more"
    )
    assert capsys.readouterr().err == "Logs Insights scans 45.20 GB 2 times, for about $0.45\n"


def test_a_cost_that_is_not_known_is_not_paid():
    """Without the permission to ask for the size, nothing is asked; reading page by page asks on."""
    cloud = Cloud(lines())
    cloud.refuses_the_size()
    with (
        cloud.reader() as reader,
        pytest.raises(LambdaGuardError, match="what Logs Insights would cost isn't known: AWS refused"),
    ):
        gathered(reader, reader._selection, "orders", (None, None), 5)
    cloud.refuses_the_size()
    cloud.pages()
    with cloud.reader() as reader:
        assert gathered(reader, reader._selection, "orders", (None, None)).invocations == 10


def test_much_to_read_is_said_with_what_the_other_way_costs(capsys):
    """From a GB on; less isn't worth a word."""
    cloud = Cloud(lines())
    cloud.holds(45.2e9)
    cloud.pages()
    with cloud.reader() as reader:
        gathered(reader, reader._selection, "orders", (None, None))
    assert capsys.readouterr().err == (
        "45.2 GB of logs are read page by page, which is free and takes 2h 30m or more; --insights 0.46 counts in minutes, "
        "for about $0.45\n"
    )
    by_pages(Cloud(lines()))
    assert not capsys.readouterr().err


def test_an_answer_that_is_cut_is_no_evidence():
    """Logs Insights gives ten thousand rows: which are missing isn't known."""
    cloud = Cloud()
    cloud.holds(1.0)
    cloud.asked(invocations_query(), rows=[[{"field": "js.function_name", "value": "orders"}]] * 10_000)
    with (
        cloud.reader() as reader,
        pytest.raises(LambdaGuardError, match="take less time with --since and --until"),
    ):
        gathered(reader, reader._selection, "orders", (None, None), 5)


@pytest.mark.parametrize("number", ["", "many", "1e999", "5.0"])
def test_an_answer_that_cannot_be_right_stops_nothing(number):
    """A count that is no number is none."""
    cloud = Cloud()
    cloud.holds(1.0)
    row = {
        "js.function_name": "orders",
        "js.outcome": "success",
        "invocations": number,
        "js.http.status": number,
    }
    cloud.asked(invocations_query(), rows=[[{"field": key, "value": value} for key, value in row.items()]])
    cloud.asked(calls_query("orders"), rows=[])
    with cloud.reader() as reader:
        if number == "5.0":
            assert gathered(reader, reader._selection, "orders", (None, None), 5).invocations == 5
        else:
            with pytest.raises(LambdaGuardError, match="no invocation of orders"):
                gathered(reader, reader._selection, "orders", (None, None), 5)


def test_the_size_of_a_group_in_another_account_is_not_known():
    """Its metrics are there."""
    with pytest.raises(CloudError, match="it is in another account"):
        ingested(None, [LogGroup(GROUP, f"arn:aws:logs:eu-west-1:210987654321:log-group:{GROUP}")], WINDOW)


def test_files_are_not_asked(tmp_path, capsys):
    """The option is for log groups."""
    log = tmp_path / "app.log"
    log.write_text(json.dumps({}))
    assert run(["policy", str(log), "--function", "orders", "--insights", "1"]) == 2
    assert "--insights asks CloudWatch Logs: it doesn't go with files" in capsys.readouterr().err
    assert invocation_id(1) not in calls_query("orders")


def test_log_groups_are_read_against_a_server(services, monkeypatch, capsys):
    """Days of a log group; its size comes of its metric."""
    keys = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_REGION": "eu-west-1"}
    for key, value in {**keys, "AWS_ENDPOINT_URL": services.endpoint}.items():
        monkeypatch.setenv(key, value)
    logs, cloudwatch = services.client("logs"), services.client("cloudwatch")
    logs.create_log_group(logGroupName=GROUP)
    logs.create_log_stream(logGroupName=GROUP, logStreamName="a")
    events = [{"timestamp": int(BEGAN + at), "message": text} for at, text in sorted(lines())]
    logs.put_log_events(logGroupName=GROUP, logStreamName="a", logEvents=events)
    size = {
        "MetricName": "IncomingBytes",
        "Dimensions": [{"Name": "LogGroupName", "Value": GROUP}],
        "Value": 4e9,
    }
    cloudwatch.put_metric_data(Namespace="AWS/Logs", MetricData=[{**size, "Timestamp": BEGAN / 1_000}])
    times = ("--log-group", GROUP, "--since", "2026-11-23T15:00:00Z", "--until", "2026-12-01T00:00:00Z")
    assert (
        run(["policy", "--function", "orders", *times, "--least-invocations", "1", "--least-days", "1"]) == 1
    )
    said = capsys.readouterr()
    assert "arn:aws:dynamodb:us-east-1:123456789012:table/stock" in said.out
    assert (
        "4.0 GB of logs are read page by page, which is free and takes 13m 20s or more; --insights 0.04"
        in said.err
    )
    assert (
        "evidence: 10 invocations of orders on 4 days (2026-11-23 to 2026-11-26), versions $LATEST, 7;"
        in said.err
    )
    assert run(["policy", "--function", "orders", *times, "--insights", "0.03"]) == 1
    assert "that is more than --insights 0.03: nothing was asked" in capsys.readouterr().err
