"""What is asked of CloudWatch Logs, and what is made of its answers, against the documented shapes of both.

The stubber checks each request against the service's model, and each answer, too: a parameter that does not exist fails.
"""

import boto3
import pytest
from botocore.stub import ANY, Stubber

from lambda_guard.tools.aws import CloudError, NoSuchResourceError, NotPermittedError
from lambda_guard.tools.logs.cloudwatch.extents import places_of
from lambda_guard.tools.logs.cloudwatch.groups import LogGroup, log_groups
from lambda_guard.tools.logs.cloudwatch.insights import failed_query, naming_query, run_query, totals
from lambda_guard.tools.logs.cloudwatch.paging import event_pages
from lambda_guard.tools.logs.cloudwatch.reader import CloudWatchReader
from lambda_guard.tools.logs.selection import Selection, Target
from lambda_guard.tools.logs.traces.tree import build_traces

from ..conftest import BEGAN, TRACE, Logs, invocation_id

LOGS = Logs()
GROUP = "/aws/lambda/billing"
ARN = f"arn:aws:logs:eu-west-1:210987654321:log-group:{GROUP}"
WINDOW = (BEGAN - 60_000, BEGAN + 3_600_000)
STATISTICS = {"recordsMatched": 2.0, "recordsScanned": 5000.0, "bytesScanned": 3.0e9}


class Cloud:
    """Stubbed clients, a service each: what is not announced must not be asked."""

    def __init__(self):
        self._clients = {}
        self._stubbers = {}

    def __call__(self, service):
        return self._clients[service]

    def expect(self, service, operation, answer, asked=None):
        """Announce a call, with what must be asked and what is answered."""
        self._stubber(service).add_response(operation, answer, asked)

    def refuse(self, service, operation, code):
        """Announce a call that is refused."""
        self._stubber(service).add_client_error(operation, code, f"{code} it is")

    def done(self):
        for stubber in self._stubbers.values():
            stubber.assert_no_pending_responses()

    def _stubber(self, service):
        if service not in self._stubbers:
            client = boto3.client(
                service, region_name="eu-west-1", aws_access_key_id="x", aws_secret_access_key="x"
            )
            self._clients[service] = client
            self._stubbers[service] = Stubber(client)
            self._stubbers[service].activate()
        return self._stubbers[service]


@pytest.fixture
def cloud():
    cloud = Cloud()
    yield cloud
    cloud.done()


def row(line, *, at, stream="2026/11/23/[$LATEST]aa", group=GROUP):
    """Write a row of a query's answer: `@ptr` comes unasked, `@log` has the account before the group."""
    told = {
        "@timestamp": at,
        "@log": f"123456789012:{group}",
        "@logStream": stream,
        "@message": line,
        "@ptr": "x",
    }
    return [{"field": key, "value": value} for key, value in told.items()]


def event(line, at, *, stream="2026/11/23/[$LATEST]aa"):
    return {
        "logStreamName": stream,
        "timestamp": int(BEGAN + at),
        "message": line + "\n",
        "ingestionTime": int(BEGAN + at),
        "eventId": f"{at}",
    }


def test_failures_are_asked_of_insights_and_read_where_they_stand(cloud):
    """One query tells where; the stream around each is then read whole, and only what was found is given out."""
    error = LOGS.record(2, 400, 20.0, function="billing", outcome="error")
    cloud.expect(
        "logs",
        "start_query",
        {"queryId": "q-1"},
        {
            "logGroupNames": [GROUP],
            "startTime": int(WINDOW[0] // 1000),
            "endTime": int(WINDOW[1] // 1000) + 1,
            "queryString": failed_query(),
        },
    )
    cloud.expect("logs", "get_query_results", {"status": "Running", "results": []}, {"queryId": "q-1"})
    cloud.expect(
        "logs",
        "get_query_results",
        {
            "status": "Complete",
            "results": [row(error, at="2026-11-23 15:04:05.400")],
            "statistics": STATISTICS,
        },
        {"queryId": "q-1"},
    )
    cloud.expect(
        "logs",
        "filter_log_events",
        {
            "events": [
                event(LOGS.record(1, 300, 20.0), 300),
                event(LOGS.line(2, 381, "charging"), 381),
                event("a print", 390),
                event(error, 400),
            ]
        },
        {
            "logGroupName": GROUP,
            "startTime": int(BEGAN + 400 - 20 - 2_000),
            "endTime": int(BEGAN + 400 + 15_000),
            "logStreamNames": ["2026/11/23/[$LATEST]aa"],
        },
    )
    selection = Selection(failed=True, since_ms=WINDOW[0], until_ms=WINDOW[1])
    with CloudWatchReader(Target(groups=(GROUP,)), selection, cloud) as reader:
        found = list(reader.read())
    assert [(one.invocation_id, [line.message for line in one.lines]) for one in found] == [
        (invocation_id(2), ["charging", "a print"])
    ]
    assert reader.tally.notes == ["2 of 5,000 events matched, 3.000 GB scanned, about $0.0150"]


def test_without_the_permission_to_query_it_pages(cloud):
    """A role that may read but not query gets the same, and is told what it lacks."""
    cloud.refuse("logs", "start_query", "AccessDeniedException")
    cloud.expect(
        "logs", "filter_log_events", {"events": [event(LOGS.record(2, 400, 20.0, outcome="error"), 400)]}
    )
    selection = Selection(failed=True, since_ms=WINDOW[0], until_ms=WINDOW[1])
    with CloudWatchReader(Target(groups=(GROUP,)), selection, cloud) as reader:
        assert [one.invocation_id for one in reader.read()] == [invocation_id(2)]
    assert reader.tally.notes == [
        (
            f"AWS refused to query the log group {GROUP} with Logs Insights: the permission StartQuery is missing "
            "(AccessDeniedException it is); reading page by page instead, which takes longer"
        )
    ]


def test_results_are_read_to_their_last_page(cloud):
    """An answer of more than one page goes on with its token."""
    first, second = (row(LOGS.start(number), at="2026-11-23 15:04:05.000") for number in (1, 2))
    cloud.expect("logs", "start_query", {"queryId": "q"})
    cloud.expect("logs", "get_query_results", {"status": "Complete", "results": [first], "nextToken": "more"})
    cloud.expect(
        "logs",
        "get_query_results",
        {"status": "Complete", "results": [second]},
        {"queryId": "q", "nextToken": "more"},
    )
    rows = list(run_query(cloud("logs"), [LogGroup(GROUP)], "fields @message", WINDOW, lambda *_scan: None))
    assert [(one.group, one.message) for one in rows] == [(GROUP, LOGS.start(1)), (GROUP, LOGS.start(2))]


def test_many_groups_take_several_queries(cloud):
    """A query names fifty groups at most; those of other accounts go by their ARN."""
    groups = [LogGroup(f"/g/{number}") for number in range(50)] + [LogGroup(GROUP, ARN)]
    for asked in ({"logGroupNames": [group.name for group in groups[:50]]}, {"logGroupIdentifiers": [ARN]}):
        cloud.expect(
            "logs",
            "start_query",
            {"queryId": "q"},
            {**asked, "startTime": ANY, "endTime": ANY, "queryString": "x"},
        )
        cloud.expect(
            "logs", "get_query_results", {"status": "Complete", "results": [], "statistics": STATISTICS}
        )
    told = []
    assert list(run_query(cloud("logs"), groups, "x", WINDOW, lambda *scan: told.append(scan))) == []
    assert told == [(STATISTICS, True)] * 2
    assert totals([scan for scan, _ in told]) == ("4 of 10,000 events matched", 6.0)


def test_a_query_that_fails_is_stopped_and_said(cloud):
    """A query that nobody waits for would go on, and cost."""
    cloud.expect("logs", "start_query", {"queryId": "q"})
    cloud.expect("logs", "get_query_results", {"status": "Timeout"})
    cloud.expect("logs", "stop_query", {"success": True}, {"queryId": "q"})
    with pytest.raises(CloudError, match=r"ended as Timeout: narrow it with --since and --until"):
        list(run_query(cloud("logs"), [LogGroup(GROUP)], "x", WINDOW, lambda *_scan: None))


def test_ids_are_looked_for_wherever_they_may_stand():
    """By the keys of the lines, and by what a message contains: upstreams and the XRAY line are no fields of their own."""
    assert naming_query([TRACE, 'm"1']) == (
        "fields @timestamp, @log, @logStream, @message | "
        f'filter traceId in ["{TRACE}"] or xray_trace_id in ["{TRACE}"] '
        f'or @message like "{TRACE}" or @message like "m\\"1" '
        "| sort @timestamp asc | limit 10000"
    )


def test_an_empty_page_with_a_token_is_no_end(cloud):
    """The service looks through a part, finds nothing, and goes on."""
    cloud.expect(
        "logs",
        "filter_log_events",
        {"events": [], "nextToken": "a"},
        {"logGroupIdentifier": ARN, "startTime": 5, "filterPattern": '"m\\"1"'},
    )
    cloud.expect(
        "logs",
        "filter_log_events",
        {"events": [event("x", 1)], "nextToken": "b"},
        {"logGroupIdentifier": ARN, "startTime": 5, "filterPattern": '"m\\"1"', "nextToken": "a"},
    )
    cloud.expect(
        "logs",
        "filter_log_events",
        {"events": []},
        {"logGroupIdentifier": ARN, "startTime": 5, "filterPattern": '"m\\"1"', "nextToken": "b"},
    )
    pages = event_pages(cloud("logs"), LogGroup(GROUP, ARN), 5.0, term='m"1')
    assert [[one["message"] for one in page] for page in pages] == [[], ["x\n"], []]


def test_one_unreadable_group_of_several_does_not_stop_the_rest(cloud):
    """It is said, the others are shown; with one group alone it is an error."""
    cloud.refuse("logs", "filter_log_events", "AccessDeniedException")
    cloud.expect("logs", "filter_log_events", {"events": [event(LOGS.record(1, 5, 5.0), 5)]})
    selection = Selection(since_ms=WINDOW[0], until_ms=WINDOW[1])
    with CloudWatchReader(Target(groups=("/secret", GROUP)), selection, cloud) as reader:
        assert [one.invocation_id for one in reader.read()] == [invocation_id(1)]
    assert reader.tally.warnings == [
        "AWS refused to read the log group /secret: the permission FilterLogEvents is missing (AccessDeniedException it is)"
    ]
    cloud.refuse("logs", "filter_log_events", "ResourceNotFoundException")
    with (
        CloudWatchReader(Target(groups=(GROUP,)), selection, cloud) as reader,
        pytest.raises(NoSuchResourceError),
    ):
        list(reader.read())


def test_groups_come_from_globs_arns_functions_and_stacks(cloud):
    """Each way of naming them, stacks nested in stacks included; a function logs where its configuration says."""
    cloud.expect(
        "logs",
        "describe_log_groups",
        {
            "logGroups": [
                {"logGroupName": "/aws/lambda/shop-orders"},
                {"logGroupName": "/aws/lambda/shop-old"},
            ],
            "nextToken": "n",
        },
        {"logGroupNamePrefix": "/aws/lambda/shop-o"},
    )
    cloud.expect(
        "logs",
        "describe_log_groups",
        {"logGroups": [{"logGroupName": "/aws/lambda/shop-offers"}]},
        {"logGroupNamePrefix": "/aws/lambda/shop-o", "nextToken": "n"},
    )

    def resource(kind, physical_id):
        return {
            "LogicalResourceId": "x",
            "PhysicalResourceId": physical_id,
            "ResourceType": kind,
            "LastUpdatedTimestamp": "2026-11-23T15:04:05Z",
            "ResourceStatus": "CREATE_COMPLETE",
        }

    cloud.expect(
        "cloudformation",
        "list_stack_resources",
        {
            "StackResourceSummaries": [
                resource("AWS::SQS::Queue", "q"),
                resource("AWS::CloudFormation::Stack", "inner"),
            ]
        },
        {"StackName": "shop"},
    )
    cloud.expect(
        "cloudformation",
        "list_stack_resources",
        {"StackResourceSummaries": [resource("AWS::Lambda::Function", "mailer")]},
        {"StackName": "inner"},
    )
    cloud.expect(
        "lambda",
        "get_function_configuration",
        {"LoggingConfig": {"LogGroup": "/shared"}},
        {"FunctionName": "billing"},
    )
    cloud.refuse("lambda", "get_function_configuration", "AccessDeniedException")
    target = Target(groups=("/aws/lambda/shop-o*ers", f"{ARN}:*"), functions=("billing",), stacks=("shop",))
    assert log_groups(target, cloud, pytest.fail) == [
        LogGroup("/aws/lambda/shop-orders"),
        LogGroup("/aws/lambda/shop-offers"),
        LogGroup(GROUP, ARN),
        LogGroup("/shared"),
        LogGroup("/aws/lambda/mailer"),
    ]


def test_a_trace_takes_as_many_queries_as_it_has_links(cloud):
    """The records that name the trace tell of messages; those are asked for next, until nothing new is named."""
    orders, billing = LOGS.shop()["orders.log"][2], LOGS.shop()["billing.log"][1]
    rows = [
        row(orders, at="2026-11-23 15:04:05.040", group="/o"),
        row(billing, at="2026-11-23 15:04:05.120", group="/b", stream="bb"),
    ]
    for _ in range(2):
        cloud.expect("logs", "start_query", {"queryId": "q"})
        cloud.expect(
            "logs", "get_query_results", {"status": "Complete", "results": rows, "statistics": STATISTICS}
        )
        cloud.expect(
            "logs",
            "filter_log_events",
            {"events": [event(billing, 120, stream="bb")]},
            {"logGroupName": "/b", "logStreamNames": ["bb"], "startTime": ANY, "endTime": ANY},
        )
        cloud.expect(
            "logs",
            "filter_log_events",
            {"events": [event(orders, 40)]},
            {"logGroupName": "/o", "logStreamNames": ANY, "startTime": ANY, "endTime": ANY},
        )
    from lambda_guard.tools.logs.traces.collecting import collect

    selection = Selection(since_ms=WINDOW[0], until_ms=WINDOW[1])
    with CloudWatchReader(Target(groups=("/o", "/b")), selection, cloud) as reader:
        (trace,) = build_traces(collect(TRACE, reader.read_naming).members)
    assert [(depth, node.invocation.function, node.link) for depth, node in trace.walk()] == [
        (0, "orders", "root"),
        (1, "billing", "message"),
    ]


def test_places_close_together_are_read_as_one():
    """Invocations of one stream within a minute take one read; a report tells how far to go back, a plain line does not."""
    rows = [
        ("/g", "s", "2026-11-23 15:04:10.000", LOGS.report(1, 5_000.0)),
        ("/g", "s", "2026-11-23 15:04:30.000", LOGS.record(2, 25_000, 1_000.0)),
        ("/g", "t", "2026-11-23 15:04:10.000", LOGS.line(3, 5_000, "x")),
        ("/g", "s", "2026-11-23 15:04:10.000", "nobody's"),
    ]
    from lambda_guard.tools.logs.cloudwatch.insights import Row

    assert [
        (one.stream, one.begin_ms - BEGAN, one.end_ms - BEGAN, len(one.ids))
        for one in places_of(Row(*told) for told in rows)
    ] == [
        ("s", -2_000.0, 40_000.0, 2),
        ("t", 5_000.0 - 5_402_000.0, 5_000.0 + 5_415_000.0, 1),
    ]


@pytest.mark.parametrize(
    ("code", "error", "said"),
    [
        ("ExpiredTokenException", CloudError, "log in again"),
        ("AccessDeniedException", NotPermittedError, "the permission FilterLogEvents is missing"),
        ("ResourceNotFoundException", NoSuchResourceError, "are account and region the right ones?"),
        ("LimitExceededException", CloudError, "LimitExceededException"),
    ],
)
def test_refusals_say_what_to_do(cloud, code, error, said):
    """Each error of the service becomes a sentence for the one who typed."""
    cloud.refuse("logs", "filter_log_events", code)
    with pytest.raises(error, match=said.replace("?", r"\?")):
        list(event_pages(cloud("logs"), LogGroup(GROUP), 0.0))


def test_a_suspension_is_no_failure_to_insights():
    """Neither success nor a durable function that waits is asked for, but for what failed in part or by its answer."""
    assert (
        '(outcome != "success" and outcome != "suspended" or records.failed > 0 or http.status >= 500)'
        in failed_query()
    )
