"""Streams of Kinesis and of tables: batches in order, retries, splitting, what is given up, filters."""

import json
import random
import time
from base64 import b64decode

import pytest

from lambda_guard.local import Cloud
from lambda_guard.trigger.read import read_trigger

ARN = {
    "Kinesis": "arn:aws:kinesis:eu-west-1:123456789012:stream/{}",
    "DynamoDB": "arn:aws:dynamodb:eu-west-1:123456789012:table/{}/stream/latest",
}
IN_PARTS = {"FunctionResponseTypes": ["ReportBatchItemFailures"]}
TOLD = {"DestinationConfig": {"OnFailure": {"Destination": {"Fn::GetAtt": ["Lost", "Arn"]}}}}
NAMED = [{"dynamodb": {"NewImage": {"what": {"S": ["wanted"]}}}}, {"data": {"what": ["wanted"]}}]
FILTERS = {"FilterCriteria": {"Filters": [{"Pattern": json.dumps(each)} for each in NAMED]}}
# function → its handler, and what its mapping says
MAPPINGS = {
    "Echo": ("echo", {"BatchSize": 3}),
    "Whole": ("whole", {"MaximumRetryAttempts": 2, **TOLD}),
    "Split": ("whole", {"MaximumRetryAttempts": 1, "BisectBatchOnFunctionError": True, **TOLD}),
    "Parts": ("partial", {"MaximumRetryAttempts": 1, **IN_PARTS, **TOLD}),
    "PartsSplit": ("partial", {"MaximumRetryAttempts": 0, "BisectBatchOnFunctionError": True, **IN_PARTS, **TOLD}),
    "Ignored": ("partial", {}),
    "Unknown": ("unknown", {"MaximumRetryAttempts": 1, **IN_PARTS}),
    "Old": ("whole", {"MaximumRecordAgeInSeconds": 6_000, **TOLD}),  # 6 s, in which a busy machine reads it
    "Filtered": ("whole", FILTERS),
    "Lanes": ("whole", {"ParallelizationFactor": 4, "BatchSize": 5}),
    "Window": ("whole", {"MaximumBatchingWindowInSeconds": 300, "BatchSize": 50}),
}  # fmt: skip


@pytest.fixture(scope="module", params=list(ARN))
def cloud(request, functions, build):
    """Return a cloud with a stream for each mapping, of one kind; a second for each exists once it is put to."""
    kind = request.param
    resources = {"Lost": build.queue()}
    for name, (handler, options) in MAPPINGS.items():
        properties = {
            "Stream": ARN[kind].format(name),
            "StartingPosition": "LATEST",
            "BatchSize": 10,
            **options,
        }
        resources[name] = build.function(
            f"streamed.{handler}", events={"S": {"Type": kind, "Properties": properties}}
        )
    with Cloud(build.template(**resources), root=functions, speed=1000) as cloud:
        said = [it for it in cloud.warnings if "Python" not in it and "interpreter" not in it]
        assert all(it.endswith(" isn't in the template, and is polled once it exists here") for it in said)
        assert len(said) == len(MAPPINGS)
        cloud.kind = kind
        yield cloud


def create(cloud, name, shards=1):
    """Create a stream, of Kinesis or of a table."""
    if cloud.kind == "Kinesis":
        cloud.client("kinesis").create_stream(StreamName=name, ShardCount=shards)
        return
    cloud.client("dynamodb").create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    )


def put(cloud, name, *items):
    """Put items, one after another."""
    for item in items:
        if cloud.kind == "Kinesis":
            data, key = json.dumps(item).encode(), item.get("key", item["id"])
            cloud.client("kinesis").put_record(StreamName=name, Data=data, PartitionKey=key)
        else:
            cloud.client("dynamodb").put_item(
                TableName=name, Item={key: {"S": value} for key, value in item.items()}
            )


def printed(cloud, function, what):
    """Return what a function printed after a word, one text a line."""
    lines = [event.message for event in cloud.logs(function)]
    return [line.removeprefix(f"{what} ") for line in lines if line.startswith(f"{what} ")]


def told(cloud, receive, function):
    """Return what the destination was told of a function's records."""
    documents = [json.loads(message["Body"]) for message in receive(cloud, "Lost")]
    return [each for each in documents if each["requestContext"]["functionArn"].endswith(f":{function}")]


def test_records_arrive_as_on_aws(cloud):
    """The event is Lambda's, whole: told by the trigger's reader, in batches, in order, with a trace that starts here."""
    create(cloud, "Echo")
    put(cloud, "Echo", *({"id": str(number)} for number in range(7)))
    cloud.settle()

    answers = [result.payload for result in cloud.results("Echo")]
    records = [record for answer in answers for record in answer["event"]["Records"]]
    assert all(len(answer["event"]["Records"]) <= 3 for answer in answers)
    assert all(answer["trace"].startswith("Root=1-") for answer in answers)
    assert {read_trigger(answer["event"]).type for answer in answers} == {cloud.kind.lower()}
    first = records[0]
    assert first["awsRegion"] == "eu-west-1"
    if cloud.kind == "Kinesis":
        assert [b64decode(record["kinesis"]["data"]) for record in records] == [
            b'{"id": "%d"}' % it for it in range(7)
        ]
        assert first["kinesis"].keys() == {
            "kinesisSchemaVersion", "partitionKey", "sequenceNumber", "data", "approximateArrivalTimestamp",
        }  # fmt: skip
        assert first["eventID"] == f"shardId-000000000000:{first['kinesis']['sequenceNumber']}"
        assert first["eventSourceARN"] == ARN["Kinesis"].format("Echo")
        assert first["invokeIdentityArn"] == "arn:aws:iam::123456789012:role/lambda-role"
    else:
        assert [record["dynamodb"]["NewImage"]["id"]["S"] for record in records] == list("0123456")
        assert first["eventName"] == "INSERT"
        assert time.time() - first["dynamodb"]["ApproximateCreationDateTime"] < 600
        assert first["eventSourceARN"].startswith(ARN["DynamoDB"].format("Echo").removesuffix("latest"))


def test_a_batch_that_fails_is_retried_and_given_up(cloud, receive):
    """Twice more, whole, before anything that follows; then the destination is told which records it was."""
    create(cloud, "Whole")
    put(cloud, "Whole", {"id": "a"}, {"id": "b", "what": "bad"}, {"id": "c"})
    cloud.settle()
    put(cloud, "Whole", {"id": "d"})
    cloud.settle()

    got = [line.split() for line in printed(cloud, "Whole", "got")]
    bad = [batch for batch in got if "b" in batch]
    assert bad == [bad[0]] * 3
    assert got[-1] == ["d"]
    assert "b" not in printed(cloud, "Whole", "done")
    [document] = told(cloud, receive, "Whole")
    info = document.pop("KinesisBatchInfo" if cloud.kind == "Kinesis" else "DDBStreamBatchInfo")
    failed = [result for result in cloud.results("Whole") if result.function_error]
    assert document == {
        "requestContext": {
            "requestId": failed[-1].request_id,
            "functionArn": "arn:aws:lambda:eu-west-1:123456789012:function:Whole",
            "condition": "RetryAttemptsExhausted",
            "approximateInvokeCount": 3,
        },
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
        "version": "1.0",
        "timestamp": document["timestamp"],
    }
    assert info["batchSize"] == len(bad[0])
    assert int(info["endSequenceNumber"]) - int(info["startSequenceNumber"]) == len(bad[0]) - 1
    assert info["streamArn"].startswith(ARN[cloud.kind].format("Whole").removesuffix("latest"))
    assert info["approximateArrivalOfFirstRecord"].endswith("Z")
    assert info["shardId"].startswith("shardId-")


def test_a_batch_that_fails_is_split(cloud, receive):
    """Halves are tried on their own, in order, until the bad records stand alone: no good one is lost."""
    create(cloud, "Split")
    items = [{"id": f"{number:02}", "what": "bad" if number in {3, 7} else "good"} for number in range(12)]
    put(cloud, "Split", *items)
    cloud.settle()

    done = printed(cloud, "Split", "done")
    assert done == [item["id"] for item in items if item["what"] == "good"]
    lost = told(cloud, receive, "Split")
    assert [each["requestContext"]["approximateInvokeCount"] for each in lost] == [2, 2]
    infos = [each.get("KinesisBatchInfo") or each["DDBStreamBatchInfo"] for each in lost]
    assert [info["batchSize"] for info in infos] == [1, 1]


def test_with_a_partial_answer_only_what_follows_is_retried(cloud, receive):
    """Records before the one that is named are done once; from it on the batch is repeated, and given up."""
    create(cloud, "Parts")
    put(cloud, "Parts", {"id": "a"}, {"id": "b"}, {"id": "c", "what": "bad"})
    cloud.settle()
    put(cloud, "Parts", {"id": "d"})
    cloud.settle()

    assert printed(cloud, "Parts", "done") == ["a", "b", "d"]
    [document] = told(cloud, receive, "Parts")
    info = document.get("KinesisBatchInfo") or document["DDBStreamBatchInfo"]
    assert info["batchSize"] == 1
    assert document["responseContext"]["functionError"] is None


def test_a_partial_answer_splits_at_the_record_that_failed(cloud, receive):
    """With both, the batch is cut at the record that is named, then in halves: the good ones are done, also without retries."""
    create(cloud, "PartsSplit")
    items = [{"id": f"{number:02}", "what": "bad" if number in {2, 5} else "good"} for number in range(9)]
    put(cloud, "PartsSplit", *items)
    cloud.settle()

    assert printed(cloud, "PartsSplit", "done") == [item["id"] for item in items if item["what"] == "good"]
    assert len(told(cloud, receive, "PartsSplit")) == 2


def test_an_answer_is_read_only_where_the_mapping_says_so(cloud):
    """Without ReportBatchItemFailures all is done; with it, an answer that names no record of the batch fails it whole."""
    for name in ("Ignored", "Unknown"):
        create(cloud, name)
        put(cloud, name, {"id": "a", "what": "bad"})
    cloud.settle()

    assert len(cloud.results("Ignored")) == 1
    assert len(cloud.results("Unknown")) == 2


def test_a_record_that_is_too_old_is_given_up(cloud, receive):
    """A batch is repeated for as long as its records are young enough, in AWS's time."""
    create(cloud, "Old")
    put(cloud, "Old", {"id": "a", "what": "bad"})
    cloud.settle()

    assert printed(cloud, "Old", "got")
    [document] = told(cloud, receive, "Old")
    assert document["requestContext"]["condition"] == "RecordAgeExceeded"


def test_filters_see_what_is_in_the_record(cloud):
    """Data are decoded, images as they are; what no filter passes is skipped, JSON or not."""
    create(cloud, "Filtered")
    put(cloud, "Filtered", {"id": "a"}, {"id": "b", "what": "wanted"}, {"id": "c", "what": "other"})
    if cloud.kind == "Kinesis":
        cloud.client("kinesis").put_record(StreamName="Filtered", Data=b"\xff", PartitionKey="p")
    put(cloud, "Filtered", {"id": "d", "what": "wanted"})
    cloud.settle()

    assert printed(cloud, "Filtered", "done") == ["b", "d"]


def test_order_is_kept_within_a_key_where_batches_are_parallel(cloud):
    """Of several batches of a shard at once, each key's records are in one, in order; nothing is done twice."""
    create(cloud, "Lanes", shards=2)
    keys = [random.Random(3).choice("abcdefgh") for _ in range(40)]
    if cloud.kind == "Kinesis":
        put(cloud, "Lanes", *({"id": f"{key}{number:02}", "key": key} for number, key in enumerate(keys)))
    else:
        put(cloud, "Lanes", *({"id": key, "n": f"{number:02}"} for number, key in enumerate(keys)))
    cloud.settle()

    done = printed(cloud, "Lanes", "done")
    assert len(done) == 40
    for key in "abcdefgh":
        of_key = [name for name in done if name.startswith(key)]
        assert of_key == sorted(of_key)
        assert len(of_key) == keys.count(key)


def test_a_batch_waits_for_its_window(cloud):
    """Records that arrive within the window are one batch; a full batch doesn't wait."""
    create(cloud, "Window")
    put(cloud, "Window", *({"id": f"{number:02}"} for number in range(60)))
    cloud.settle()

    sizes = [len(line.split()) for line in printed(cloud, "Window", "got")]
    assert sum(sizes) == 60
    assert max(sizes) > 3


def test_the_mapping_is_listed_as_it_is(cloud):
    """ListEventSourceMappings tells what the tools ask for: retries, age, splitting, where failures go, filters."""
    mappings = cloud.client("lambda").list_event_source_mappings()["EventSourceMappings"]
    by_function = {mapping["FunctionArn"].rpartition(":")[2]: mapping for mapping in mappings}
    split, filtered = by_function["Split"], by_function["Filtered"]

    assert split["MaximumRetryAttempts"] == 1
    assert split["MaximumRecordAgeInSeconds"] == -1
    assert split["BisectBatchOnFunctionError"] is True
    assert split["StartingPosition"] == "LATEST"
    assert split["DestinationConfig"]["OnFailure"]["Destination"].endswith(":Lost")
    assert [json.loads(each["Pattern"]) for each in filtered["FilterCriteria"]["Filters"]] == NAMED
    assert by_function["Lanes"]["ParallelizationFactor"] == 4


def test_reading_begins_where_the_mapping_says(functions, build):
    """A stream of the template is read from the start of the cloud on, with LATEST; what was there before isn't."""

    def consumer(stream, **position):
        properties = {"Stream": {"Fn::GetAtt": [stream, "Arn"]}, **position}
        return build.function("streamed.whole", events={"S": {"Type": "Kinesis", "Properties": properties}})

    template = build.template(
        Stream={"Type": "AWS::Kinesis::Stream", "Properties": {"Name": "orders"}},
        Latest=consumer("Stream", StartingPosition="LATEST"),
        Trimmed=consumer("Stream", StartingPosition="TRIM_HORIZON"),
        Since=consumer("Stream", StartingPosition="AT_TIMESTAMP", StartingPositionTimestamp=1_700_000_000),
    )
    with Cloud(template, root=functions) as cloud:
        cloud.kind = "Kinesis"
        put(cloud, "orders", {"id": "a"}, {"id": "b"})
        cloud.settle()

        assert printed(cloud, "Latest", "done") == ["a", "b"]
        assert printed(cloud, "Trimmed", "done") == ["a", "b"]
        assert printed(cloud, "Since", "done") == ["a", "b"]


def test_a_role_that_may_not_read_a_stream_has_no_mapping(functions, build):
    """With policies enforced, SAM's own grant is enough; without it the mapping isn't made, as AWS refuses it."""
    role = {"AssumeRolePolicyDocument": {}, "Policies": []}
    event = {
        "Type": "Kinesis",
        "Properties": {"Stream": {"Fn::GetAtt": ["Stream", "Arn"]}, "StartingPosition": "TRIM_HORIZON"},
    }
    template = build.template(
        Stream={"Type": "AWS::Kinesis::Stream", "Properties": {"Name": "orders"}},
        Granted=build.function("streamed.whole", events={"S": event}),
        Bare={"Type": "AWS::IAM::Role", "Properties": role},
        Denied=build.function("streamed.whole", events={"S": event}, Role={"Fn::GetAtt": ["Bare", "Arn"]}),
    )
    with Cloud(template, root=functions, enforce_policies=True) as cloud:
        cloud.kind = "Kinesis"
        put(cloud, "orders", {"id": "a"})
        cloud.settle()

        assert printed(cloud, "Granted", "done") == ["a"]
        assert cloud.results("Denied") == []
        [said] = [warning for warning in cloud.warnings if "is not polled for Denied" in warning]
        assert "kinesis:GetRecords" in said
