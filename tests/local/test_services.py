"""What services send to functions: events of buses, notifications of buckets, lines of log groups."""

import gzip
import json
import time
from base64 import b64decode

import pytest
from botocore.exceptions import ClientError

from lambda_guard.local import Cloud
from lambda_guard.trigger.read import read_trigger

ROOT = "1-5e34a614-10bd0000000fb44f07bc535a"
TRACE = f"Root={ROOT};Parent=07f50000d1f6f8aa;Sampled=1"
OTHER = "1-6e34a614-20bd0000000fb44f07bc535b"
ORDERED = {"source": ["shop"], "detail-type": ["Ordered"]}
TRANSFORMED = {
    "InputPathsMap": {"id": "$.detail.id", "first": "$.detail.lines[0].sku", "lines": "$.detail.lines", "no": "$.detail.no"},
    "InputTemplate": '{"id": <id>, "text": "order <id>: <first><no>", "lines": <lines>, "rule": <aws.events.rule-name>, '
    '"at": <aws.events.event.ingestion-time>, "event": <aws.events.event.json>, "none": <no>}',
}  # fmt: skip


def rule(*events, bus=None, **properties):
    """Return a rule with targets: `{"Arn": …}` and what else they have."""
    targets = [{"Id": str(number), **event} for number, event in enumerate(events)]
    properties = {"EventPattern": ORDERED, "Targets": targets, **properties}
    if bus:
        properties["EventBusName"] = {"Ref": bus}
    return {"Type": "AWS::Events::Rule", "Properties": properties}


def arn(name):
    return {"Fn::GetAtt": [name, "Arn"]}


def notifying(events, keys=None):
    """Return SAM's event of a bucket."""
    rules = [{"Name": name, "Value": value} for name, value in (keys or {}).items()]
    extra = {"Filter": {"S3Key": {"Rules": rules}}} if rules else {}
    return {"Type": "S3", "Properties": {"Bucket": {"Ref": "Files"}, "Events": events, **extra}}


@pytest.fixture(scope="module")
def cloud(functions, build):
    """Return a cloud in which everything leads to a function that echoes its event."""
    on_the_bus = {
        "Type": "EventBridgeRule",
        "Properties": {"Pattern": ORDERED, "RetryPolicy": {"MaximumRetryAttempts": 3}},
    }
    echo = {
        "Whole": ("worker.echo", {"Bus": on_the_bus}),
        "Detail": ("worker.echo", {}),
        "Transformed": ("worker.echo", {}),
        "Constant": ("worker.echo", {}),
        "FromBus": ("worker.echo", {}),
        "FromQueue": ("worker.echo", {"Q": build.from_queue("Events")}),
        "FromTopic": ("worker.echo", {"T": build.from_topic("Topic")}),
        "Uploads": ("worker.echo", {"Up": notifying(["s3:ObjectCreated:*"], {"prefix": "in/", "suffix": ".csv"})}),
        "Removals": ("worker.echo", {"Down": notifying("s3:ObjectRemoved:*")}),
        "OnTheBus": ("worker.echo", {"B": {"Type": "CloudWatchEvent", "Properties": {"Pattern": {"source": ["aws.s3"]}}}}),
        "Lines": ("worker.echo", {"L": {"Type": "CloudWatchLogs", "Properties": {"LogGroupName": "/aws/lambda/Speaker", "FilterPattern": "?ERROR ?order"}}}),
        "Fields": ("worker.echo", {"L": {"Type": "CloudWatchLogs", "Properties": {"LogGroupName": {"Ref": "Group"}, "FilterPattern": '{ $.level = "ERR*" && ($.ms > 5 || $.ms NOT EXISTS) }'}}}),
        "Speaker": ("single.handler", {}),
    }  # fmt: skip
    functions_ = {
        name: build.function(handler, events=events or None) for name, (handler, events) in echo.items()
    }
    template = build.template(
        **functions_,
        Bus={"Type": "AWS::Events::EventBus", "Properties": {"Name": "orders"}},
        Group={"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": "shop"}},
        Events=build.queue(),
        Dead=build.queue(),
        Topic=build.topic(),
        FileTopic=build.topic(),
        FileQueue=build.queue(),
        ByTopic={"Type": "AWS::SNS::Subscription", "Properties": {"TopicArn": {"Ref": "FileTopic"}, "Protocol": "lambda", "Endpoint": arn("FromTopic")}},
        ToFunctions=rule(
            {"Arn": arn("Detail"), "InputPath": "$.detail"},
            {"Arn": arn("Transformed"), "InputTransformer": TRANSFORMED},
            {"Arn": arn("Constant"), "Input": '{"constant": [1]}'},
        ),
        ToOthers=rule(
            {"Arn": arn("Events")},
            {"Arn": {"Ref": "Topic"}},
            {"Arn": arn("Bus")},
            {"Arn": "arn:aws:lambda:eu-west-1:123456789012:function:nobody", "DeadLetterConfig": {"Arn": arn("Dead")}},
            {"Arn": arn("Constant"), "InputTransformer": {"InputTemplate": "no JSON"}, "DeadLetterConfig": {"Arn": arn("Dead")}},
        ),
        Nightly={
            "Type": "AWS::Events::Rule",
            "Properties": {
                "ScheduleExpression": "cron(0 1 * * ? *)",
                "Targets": [
                    {"Id": "q", "Arn": arn("Events")},
                    {"Id": "f", "Arn": arn("Constant"), "InputTransformer": {"InputPathsMap": {"at": "$.time"}, "InputTemplate": '{"at": <at>}'}},
                ],
            },
        },
        Disabled=rule({"Arn": arn("Constant")}, State="DISABLED"),
        OtherPattern=rule({"Arn": arn("Constant")}, EventPattern={"source": ["shop"], "detail": {"amount": [{"numeric": [">", 100]}]}}),
        OnBus=rule({"Arn": arn("FromBus")}, bus="Bus"),
        Files={
            "Type": "AWS::S3::Bucket",
            "Properties": {
                "BucketName": "files",
                "NotificationConfiguration": {
                    "EventBridgeConfiguration": {"EventBridgeEnabled": True},
                    "TopicConfigurations": [{"Topic": {"Ref": "FileTopic"}, "Event": "s3:ObjectCreated:Put"}],
                    "QueueConfigurations": [
                        {"Queue": arn("FileQueue"), "Event": "s3:ObjectCreated:*", "Filter": {"S3Key": {"Rules": [{"Name": "Prefix", "Value": "in/"}]}}}
                    ],
                },
            },
        },
    )  # fmt: skip
    with Cloud(template, root=functions, speed=1000) as cloud:
        cloud.said = cloud.warnings
        yield cloud


@pytest.fixture
def events(cloud):
    """Return a reader of the events that a function got during the test, each with its trace header."""
    before = {function.name: len(cloud.results(function.name)) for function in cloud.functions}

    def events(function):
        return [
            (result.payload["event"], result.payload["trace"])
            for result in cloud.results(function)[before[function] :]
        ]

    return events


def put(cloud, detail=None, **entry):
    """Put an event to a bus."""
    entry = {
        "Source": "shop",
        "DetailType": "Ordered",
        "Detail": json.dumps(detail or {"id": "o-1"}),
        **entry,
    }
    return cloud.client("events").put_events(Entries=[entry])


def test_nothing_of_it_is_warned_of(cloud):
    """All of these are honoured: no warning but of the target that doesn't exist."""
    assert [each for each in cloud.said if "interpreter" not in each] == []


def test_events_are_sent_as_on_aws(cloud, events):
    """A rule's target gets the event, in the trace of the entry, which counts before the request's."""
    put(cloud, {"id": "o-1"}, TraceHeader=TRACE, Resources=["arn:r"], Time=1_700_000_000)
    cloud.settle()

    [(event, trace)] = events("Whole")
    assert event.keys() == {
        "version",
        "id",
        "detail-type",
        "source",
        "account",
        "time",
        "region",
        "resources",
        "detail",
    }
    assert (event["detail"], event["time"], event["resources"]) == (
        {"id": "o-1"},
        "2023-11-14T22:13:20Z",
        ["arn:r"],
    )
    assert read_trigger(event).type == "eventbridge"
    assert trace.startswith(f"Root={ROOT};")


def test_the_header_of_the_request_is_passed_on(cloud, events, traced):
    """Without an entry's own, the trace is that of PutEvents; queues and topics pass it on."""
    with traced(cloud.client("events"), TRACE):
        put(cloud)
    cloud.settle()

    assert all(
        f"Root={ROOT};" in trace for name in ("Whole", "FromBus", "FromTopic") for _, trace in events(name)
    )
    [(queued, _)] = events("FromQueue")
    assert queued["Records"][0]["attributes"]["AWSTraceHeader"] == TRACE
    assert json.loads(queued["Records"][0]["body"])["detail"] == {"id": "o-1"}
    [(published, _)] = [each for each in events("FromTopic") if "Sns" in each[0]["Records"][0]]
    assert json.loads(published["Records"][0]["Sns"]["Message"])["source"] == "shop"


def test_a_target_gets_what_its_input_says(cloud, events):
    """A part of the event, a constant, or a template in which variables are JSON, or text within quotes."""
    lines = [{"sku": 'a"b'}, {"sku": "c"}]
    put(cloud, {"id": "o-2", "lines": lines})
    cloud.settle()

    assert [event for event, _ in events("Detail")] == [{"id": "o-2", "lines": lines}]
    assert [event for event, _ in events("Constant")] == [{"constant": [1]}]
    [(event, _)] = events("Transformed")
    assert event.pop("event")["detail"] == {"id": "o-2", "lines": lines}
    assert time.strptime(event.pop("at"), "%Y-%m-%dT%H:%M:%SZ")
    assert event == {
        "id": "o-2",
        "text": 'order o-2: a"b',
        "lines": lines,
        "rule": "ToFunctions",
        "none": None,
    }


def test_buses_rules_and_patterns_are_apart(cloud, events):
    """A bus has its own rules; what is put to it doesn't reach those of another one; several entries are several events."""
    put(cloud, EventBusName="orders")
    put(cloud, Source="elsewhere")
    entries = [
        {"Source": "shop", "DetailType": "Other", "Detail": json.dumps({"amount": each})}
        for each in (99, 101, 102)
    ]
    answer = cloud.client("events").put_events(Entries=entries)
    cloud.settle()

    assert answer["FailedEntryCount"] == 0
    assert len({entry["EventId"] for entry in answer["Entries"]}) == 3
    assert len(events("FromBus")) == 1
    assert events("Whole") == []
    assert sorted(event["detail"]["amount"] for event, _ in events("Constant")) == [101, 102]


def test_what_a_target_refuses_is_a_dead_letter(cloud, receive):
    """A function that isn't there, and an input that isn't JSON: the event as it was put, with rule, target and reason."""
    receive_and_forget(cloud, receive)
    put(cloud)
    cloud.settle()

    letters = [
        (json.loads(letter["Body"])["source"], {key: value["StringValue"] for key, value in letter["MessageAttributes"].items()})
        for letter in receive(cloud, "Dead")
    ]  # fmt: skip
    assert {source for source, _ in letters} == {"shop"}
    assert sorted(said["ERROR_CODE"] for _, said in letters) == ["INVALID_JSON", "NO_RESOURCE"]
    [missing] = [said for _, said in letters if said["ERROR_CODE"] == "NO_RESOURCE"]
    assert missing["RULE_ARN"] == "arn:aws:events:eu-west-1:123456789012:rule/ToOthers"
    assert missing["TARGET_ARN"].endswith(":function:nobody")
    assert "there is no function" in missing["ERROR_MESSAGE"]


def test_a_schedule_reaches_all_targets_of_its_rule(cloud, events):
    """Queues too, and with inputs: the event is EventBridge's own, which no pattern of another rule matches."""
    cloud.fire("Nightly")
    cloud.settle()

    [(queued, _)] = events("FromQueue")
    event = json.loads(queued["Records"][0]["body"])
    assert (event["source"], event["detail-type"], event["detail"]) == ("aws.events", "Scheduled Event", {})
    assert event["resources"] == ["arn:aws:events:eu-west-1:123456789012:rule/Nightly"]
    assert [event for event, _ in events("Constant")] == [{"at": event["time"]}]


def test_what_is_archived_is_replayed(cloud, events):
    """An archive of the default bus keeps what its pattern matches; a replay has the rules deliver it again."""
    client, bus = cloud.client("events"), "arn:aws:events:eu-west-1:123456789012:event-bus/default"
    pattern = json.dumps({"source": ["shop"], "detail": {"id": ["kept"]}})
    archive = client.create_archive(ArchiveName="kept", EventSourceArn=bus, EventPattern=pattern)[
        "ArchiveArn"
    ]
    put(cloud, {"id": "kept"})
    put(cloud, {"id": "other"})
    cloud.settle()
    client.start_replay(
        ReplayName="again",
        EventSourceArn=archive,
        EventStartTime=1,
        EventEndTime=4_000_000_000,
        Destination={"Arn": bus},
    )
    cloud.settle()

    assert [event["detail"]["id"] for event, _ in events("Whole")] == ["kept", "other", "kept"]
    assert events("Whole")[-1][0]["replay-name"] == "again"


def receive_and_forget(cloud, receive):
    """Empty the dead-letter queue."""
    for letter in receive(cloud, "Dead"):
        cloud.client("sqs").delete_message(
            QueueUrl=cloud.queue_url("Dead"), ReceiptHandle=letter["ReceiptHandle"]
        )


def test_a_bucket_notifies_functions(cloud, events, traced):
    """Of the keys that the filter names, in the upload's trace, with the key as S3 writes it."""
    with traced(cloud.client("s3"), TRACE):
        cloud.client("s3").put_object(Bucket="files", Key="in/a b+ü.csv", Body=b"12345")
    cloud.client("s3").put_object(Bucket="files", Key="in/other.txt", Body=b"")
    cloud.client("s3").put_object(Bucket="files", Key="out/a.csv", Body=b"")
    cloud.client("s3").delete_objects(
        Bucket="files", Delete={"Objects": [{"Key": "in/other.txt"}, {"Key": "out/a.csv"}]}
    )
    cloud.settle()

    [(event, trace)] = events("Uploads")
    [record] = event["Records"]
    assert trace.startswith(f"Root={ROOT};")
    assert (record["eventSource"], record["eventName"], record["awsRegion"]) == (
        "aws:s3",
        "ObjectCreated:Put",
        "eu-west-1",
    )
    assert record["s3"]["bucket"] == {
        "name": "files", "ownerIdentity": record["s3"]["bucket"]["ownerIdentity"], "arn": "arn:aws:s3:::files",
    }  # fmt: skip
    assert (record["s3"]["object"]["key"], record["s3"]["object"]["size"]) == ("in/a+b%2B%C3%BC.csv", 5)
    assert read_trigger(event).type == "s3"
    removed = [event["Records"][0] for event, _ in events("Removals")]
    assert sorted(each["s3"]["object"]["key"] for each in removed) == ["in/other.txt", "out/a.csv"]
    assert all(
        each["eventName"] == "ObjectRemoved:Delete" and "size" not in each["s3"]["object"] for each in removed
    )


def test_a_bucket_with_versions_notifies_of_delete_markers(build, receive):
    """A delete that names no version, as `aws s3 rm` sends it, makes a marker, and an event of its own."""
    removals = {
        "QueueConfigurations": [{"Event": "s3:ObjectRemoved:*", "Queue": {"Fn::GetAtt": ["Removed", "Arn"]}}]
    }
    properties = {
        "BucketName": "kept",
        "VersioningConfiguration": {"Status": "Enabled"},
        "NotificationConfiguration": removals,
    }
    bucket = {"Type": "AWS::S3::Bucket", "Properties": properties}
    with Cloud(build.template(Bucket=bucket, Removed=build.queue())) as cloud:
        cloud.client("s3").put_object(Bucket="kept", Key="a", Body=b"1")
        marker = cloud.client("s3").delete_object(Bucket="kept", Key="a")["VersionId"]
        events = [json.loads(each["Body"]) for each in receive(cloud, "Removed")]

    [record] = [event["Records"][0] for event in events if "Records" in event]
    assert record["eventName"] == "ObjectRemoved:DeleteMarkerCreated"
    assert record["s3"]["object"]["versionId"] == marker


def test_a_bucket_notifies_topics_queues_and_the_bus(cloud, events, receive):
    """Through SNS with AWS's subject; through a queue the same document; on the default bus an event of its own kind."""
    cloud.client("s3").put_object(Bucket="files", Key="in/ö.csv", Body=b"1")
    cloud.settle()

    [(published, _)] = events("FromTopic")
    assert published["Records"][0]["Sns"]["Subject"] == "Amazon S3 Notification"
    message = json.loads(published["Records"][0]["Sns"]["Message"])
    queued = [json.loads(each["Body"]) for each in receive(cloud, "FileQueue")]
    assert message["Records"][0]["s3"]["object"]["key"] in {
        each["Records"][0]["s3"]["object"]["key"] for each in queued if "Records" in each
    }
    [(event, _)] = events("OnTheBus")
    assert (event["source"], event["detail-type"], event["resources"]) == (
        "aws.s3",
        "Object Created",
        ["arn:aws:s3:::files"],
    )
    assert (event["detail"]["object"]["key"], event["detail"]["reason"]) == ("in/ö.csv", "PutObject")
    assert event["time"].endswith("Z")


def test_a_function_may_log_to_a_group_of_its_own(build, tmp_path):
    """By `LoggingConfig`, to a group that others may share, with lines from a level on; the platform's can't be chosen."""
    (tmp_path / "app.py").write_text(
        "import logging\n"
        "def handler(event, context):\n"
        "    logging.getLogger().info('quiet')\n"
        "    logging.getLogger().warning('loud')\n"
        "    return context.log_group_name\n"
    )
    group = {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": "shared"}}
    logging = {
        "LogFormat": "JSON",
        "ApplicationLogLevel": "WARN",
        "SystemLogLevel": "WARN",
        "LogGroup": {"Ref": "Group"},
    }
    template = build.template(Fn=build.function("app.handler", LoggingConfig=logging), Group=group)
    with Cloud(template, root=tmp_path) as cloud:
        assert cloud.invoke("Fn").payload == "shared"
        cloud.settle()
        logs = cloud.client("logs")
        lines = [json.loads(it["message"]) for it in logs.filter_log_events(logGroupName="shared")["events"]]

        assert [it["message"] for it in lines if "message" in it] == ["loud"]
        assert (
            cloud.client("lambda").get_function_configuration(FunctionName="Fn")["LoggingConfig"]["LogGroup"]
            == "shared"
        )
        assert [group["logGroupName"] for group in logs.describe_log_groups()["logGroups"]] == ["shared"]
        assert cloud.warnings == (
            "Fn (AWS::Lambda::Function): the property LoggingConfig.SystemLogLevel is not honoured",
        )


def test_lines_of_a_log_group_are_sent_as_on_aws(cloud, events):
    """What the pattern matches, gzipped and base64-encoded; a function's own group can't lead to it."""
    cloud.invoke("Speaker", {"print": "an order\nnothing\nERROR: no stock\n"})
    cloud.settle()

    got = [json.loads(gzip.decompress(b64decode(event["awslogs"]["data"]))) for event, _ in events("Lines")]
    assert [each["message"].strip() for data in got for each in data["logEvents"]] == [
        "an order",
        "ERROR: no stock",
    ]
    assert {data["logGroup"] for data in got} == {"/aws/lambda/Speaker"}
    assert all(len(each["id"]) == 56 for data in got for each in data["logEvents"])
    assert got[0].keys() == {
        "messageType",
        "owner",
        "logGroup",
        "logStream",
        "subscriptionFilters",
        "logEvents",
    }
    assert read_trigger(events("Lines")[0][0]).type == "logs"
    logs = cloud.client("logs")
    with pytest.raises(ClientError, match="is the function's own"):
        logs.put_subscription_filter(
            logGroupName="/aws/lambda/Lines", filterName="loop", filterPattern="",
            destinationArn="arn:aws:lambda:eu-west-1:123456789012:function:Lines",
        )  # fmt: skip


def test_conditions_on_fields_choose_lines(cloud, events):
    """A pattern in braces looks at JSON lines: wildcards, numbers, what isn't there, `&&` before `||`."""
    lines = [
        {"level": "ERROR", "ms": 6}, {"level": "ERROR", "ms": 5}, {"level": "INFO", "ms": 9}, {"level": "ERR"},
    ]  # fmt: skip
    logs, now = cloud.client("logs"), int(time.time() * 1000)
    logs.create_log_stream(logGroupName="shop", logStreamName="s")
    messages = [*map(json.dumps, lines), "ERROR, no JSON"]
    logs.put_log_events(
        logGroupName="shop",
        logStreamName="s",
        logEvents=[{"timestamp": now, "message": each} for each in messages],
    )
    cloud.settle()

    [(event, _)] = events("Fields")
    data = json.loads(gzip.decompress(b64decode(event["awslogs"]["data"])))
    assert [json.loads(each["message"]) for each in data["logEvents"]] == [lines[0], lines[3]]
