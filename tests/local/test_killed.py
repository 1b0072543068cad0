"""A thousand records of each kind, through `each_record`, while the function's processes are killed at random."""

import json
import queue
import random
import textwrap
import threading

import pytest

from lambda_guard.local import Cloud

pytestmark = pytest.mark.slow

HANDLER = """
    import json
    import time
    from base64 import b64decode
    from lambda_guard import production

    @production(each_record=True, report_batch_item_failures=True)
    def handler(record):
        raw = record.raw_event
        if "kinesis" in raw:
            sent = json.loads(b64decode(raw["kinesis"]["data"]))
        elif "dynamodb" in raw:
            sent = {name: value["S"] for name, value in raw["dynamodb"]["NewImage"].items()}
        else:
            body = json.loads(raw["body"])
            sent = json.loads(body["Message"])
        time.sleep(0.002)  # or no kill would ever hit a batch of ten
        print("done", sent["id"], sent["n"])
"""
KEYS, ROUNDS, MOST = 25, 40, 5
SENT = [{"id": f"k{key:02}", "n": f"{number:02}"} for number in range(ROUNDS) for key in range(KEYS)]
IN_PARTS = {"FunctionResponseTypes": ["ReportBatchItemFailures"]}


class Killer:
    """Kills a random process of a function once in so many lines, about, as its seed says, five times at most."""

    def __init__(self, cloud, function, every=120, seed=20):
        self.kills, self._choose = 0, random.Random(seed)
        self._cloud, self._function, self._every = cloud, function, every
        self._lines = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run)
        cloud.log_group(function).listen(lambda event: self._lines.put(event.message))

    def _run(self):
        while (line := self._lines.get()) is not None:
            if self.kills < MOST and '"done k' in line and self._choose.randrange(self._every) == 0:
                self.kills += self._cloud.kill(self._function)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._lines.put(None)
        self._thread.join()


@pytest.fixture
def start(tmp_path, build):
    """Return a starter of clouds with the function, an event for it, and further resources."""
    (tmp_path / "killed.py").write_text(textwrap.dedent(HANDLER))

    def start(event, **resources):
        consumer = build.function("killed.handler", events={"Source": event}, Timeout=30)
        return Cloud(build.template(Consumer=consumer, **resources), root=tmp_path, speed=1000)

    return start


def done(cloud):
    """Return what was done, in order, as often as it was."""
    messages = [
        json.loads(event.message).get("message", "")
        for event in cloud.logs("Consumer")
        if event.message.startswith("{")
    ]
    return [tuple(message.split()[1:]) for message in messages if message.startswith("done k")]


def check(cloud, killer, *, ordered=True):
    """Nothing is lost, what is done twice is what a kill cut off, and no key's records overtake each other."""
    finished = done(cloud)
    assert killer.kills >= MOST - 2  # one that finds nobody alive doesn't count
    assert any(result.function_error for result in cloud.results("Consumer"))
    assert set(finished) == {(each["id"], each["n"]) for each in SENT}
    assert len(finished) - len(SENT) <= killer.kills * 100
    firsts = list(dict.fromkeys(finished))
    for key in {each["id"] for each in SENT} if ordered else ():
        of_key = [number for name, number in firsts if name == key]
        assert of_key == sorted(of_key)


def stream(kind, **properties):
    """Return SAM's event of a stream."""
    properties = {"StartingPosition": "TRIM_HORIZON", "BatchSize": 100, **IN_PARTS, **properties}
    return {"Type": kind, "Properties": properties}


def test_nothing_is_lost_from_a_kinesis_stream(start):
    """Two shards, two batches of each at once: all records are done, those of a partition key in order."""
    event = stream("Kinesis", Stream={"Fn::GetAtt": ["Stream", "Arn"]}, ParallelizationFactor=2)
    resource = {"Type": "AWS::Kinesis::Stream", "Properties": {"Name": "orders", "ShardCount": 2}}
    with start(event, Stream=resource) as cloud, Killer(cloud, "Consumer") as killer:
        entries = [{"Data": json.dumps(each).encode(), "PartitionKey": each["id"]} for each in SENT]
        for first in range(0, len(entries), 500):
            cloud.client("kinesis").put_records(StreamName="orders", Records=entries[first : first + 500])
        cloud.settle(timeout=240)
        check(cloud, killer)


def test_nothing_is_lost_from_a_table(start):
    """Each change of each item is done, in order."""
    event = stream("DynamoDB", Stream={"Fn::GetAtt": ["Table", "StreamArn"]})
    resource = {
        "Type": "AWS::DynamoDB::Table",
        "Properties": {
            "TableName": "orders",
            "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
            "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
            "StreamSpecification": {"StreamViewType": "NEW_IMAGE"},
        },
    }
    with start(event, Table=resource) as cloud, Killer(cloud, "Consumer") as killer:
        puts = [
            {"PutRequest": {"Item": {name: {"S": value} for name, value in each.items()}}} for each in SENT
        ]
        for first in range(0, len(puts), KEYS):
            cloud.client("dynamodb").batch_write_item(RequestItems={"orders": puts[first : first + KEYS]})
        cloud.settle(timeout=240)
        check(cloud, killer)


@pytest.mark.parametrize("fifo", [False, True], ids=["standard", "fifo"])
def test_nothing_is_lost_between_a_topic_and_a_queue(start, build, fifo):
    """What was published is done; with FIFO topics and queues, in the order of its group."""
    suffix = {"FifoQueue": True, "QueueName": "orders.fifo"} if fifo else {}
    topic = {"FifoTopic": True, "TopicName": "placed.fifo", "ContentBasedDeduplication": True} if fifo else {}
    window = {} if fifo else {"MaximumBatchingWindowInSeconds": 300}
    event = build.from_queue("Orders", BatchSize=10 if fifo else 100, **window, **IN_PARTS)
    subscription = {
        "Type": "AWS::SNS::Subscription",
        "Properties": {
            "TopicArn": {"Ref": "Placed"},
            "Protocol": "sqs",
            "Endpoint": {"Fn::GetAtt": ["Orders", "Arn"]},
        },
    }
    resources = {
        "Orders": build.queue(**suffix),
        "Placed": build.topic(**topic),
        "Subscription": subscription,
    }
    with start(event, **resources) as cloud, Killer(cloud, "Consumer") as killer:
        for first in range(0, len(SENT), 10):
            entries = [
                {
                    "Id": str(index),
                    "Message": json.dumps(each),
                    **({"MessageGroupId": each["id"]} if fifo else {}),
                }
                for index, each in enumerate(SENT[first : first + 10])
            ]
            cloud.client("sns").publish_batch(
                TopicArn=cloud.topic_arn("Placed"), PublishBatchRequestEntries=entries
            )
        cloud.settle(timeout=240)
        check(cloud, killer, ordered=fifo)
