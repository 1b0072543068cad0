"""What AWS's services would count, and no function's log tells, as EMF documents of the local cloud."""

import json
import threading
import time

import pytest

from lambda_guard.local import Cloud
from lambda_guard.local.lambda_service.service_metrics import ServiceMetrics


@pytest.fixture(scope="module")
def cloud(functions, build, tmp_path_factory):
    """Return a cloud with functions whose dead letters and destinations go wrong, and a topic."""
    to = {"OnFailure": {"Type": "SQS", "Destination": {"Fn::GetAtt": ["Gone", "Arn"]}}}
    once = {"MaximumRetryAttempts": 0}
    template = build.template(
        Dropping=build.function("worker.failing", EventInvokeConfig=once),
        Sending=build.function("worker.failing", EventInvokeConfig={**once, "DestinationConfig": to}),
        Burying=build.function(
            "worker.failing",
            EventInvokeConfig=once,
            DeadLetterQueue={"Type": "SQS", "TargetArn": {"Fn::GetAtt": ["Gone", "Arn"]}},
        ),
        Alone=build.function("worker.once", ReservedConcurrentExecutions=1),
        Gone=build.queue(),
        Waiting=build.queue(),
        Dead=build.queue(),
        Feeding=build.queue("Dead", receives=1, VisibilityTimeout=0),
        News=build.topic(),
    )
    logs = tmp_path_factory.mktemp("logs")
    with Cloud(template, root=functions, speed=1000, logs=logs) as cloud:
        cloud.logs_directory = logs
        cloud.client("sqs").delete_queue(QueueUrl=cloud.queue_url("Gone"))
        yield cloud


def counted(cloud, name):
    """Return namespace, dimension and values of what was counted for a function, queue or topic."""
    found = []
    for event in cloud.service_metrics.events():
        document = json.loads(event.message)
        (directive,) = document["_aws"]["CloudWatchMetrics"]
        ((dimension,),) = directive["Dimensions"]
        if document[dimension] == name:
            values = {metric["Name"]: document[metric["Name"]] for metric in directive["Metrics"]}
            found.append((directive["Namespace"], dimension, values))
    return found


@pytest.mark.parametrize(
    ("function", "metrics"),
    [
        ("Dropping", ["AsyncEventsDropped"]),
        ("Sending", ["AsyncEventsDropped", "DestinationDeliveryFailures"]),
        ("Burying", ["AsyncEventsDropped", "DeadLetterErrors"]),
    ],
)
def test_a_dropped_event_and_what_refused_it_are_counted(cloud, function, metrics):
    """After the last attempt; with the queue gone, a metric is all that is left of the event."""
    cloud.client("lambda").invoke(FunctionName=function, InvocationType="Event", Payload="{}")
    cloud.settle(240)
    assert counted(cloud, function) == [("AWS/Lambda", "FunctionName", {it: 1}) for it in metrics]


def test_a_call_that_finds_no_environment_free_counts_as_throttled(cloud):
    """It waits here; AWS refuses it."""
    function = cloud.function("Alone")
    taken = function._acquire()  # as an invocation under way has it
    call = threading.Thread(target=cloud.invoke, args=("Alone", {}))
    call.start()
    end = time.monotonic() + 240
    while not counted(cloud, "Alone") and time.monotonic() < end:
        time.sleep(0.01)
    function._release(taken)
    call.join(240)
    cloud.invoke("Alone", {})
    assert counted(cloud, "Alone") == [("AWS/Lambda", "FunctionName", {"Throttles": 1})]


def test_a_subscriber_that_is_gone_is_counted_for_its_topic(cloud):
    """The publisher isn't told."""
    gone = "arn:aws:lambda:eu-west-1:123456789012:function:gone"
    sns, topic = cloud.client("sns"), cloud.topic_arn("News")
    sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=gone)
    sns.publish(TopicArn=topic, Message="a")
    assert counted(cloud, "News") == [("AWS/SNS", "TopicName", {"NumberOfNotificationsFailed": 1})]


def test_queues_are_measured_when_asked(cloud):
    """How many messages are visible, in flight, delayed, and the age of the oldest; of a dead letter since it is one."""
    sqs = cloud.client("sqs")
    for queue, delay in (("Waiting", 0), ("Waiting", 0), ("Waiting", 900), ("Feeding", 0)):
        sqs.send_message(QueueUrl=cloud.queue_url(queue), MessageBody="a", DelaySeconds=delay)
    sqs.receive_message(QueueUrl=cloud.queue_url("Waiting"), VisibilityTimeout=900)
    for _ in range(2):
        sqs.receive_message(QueueUrl=cloud.queue_url("Feeding"))
    cloud.measure("Dead", "Waiting")  # so that the age of what is older is told later
    ((namespace, dimension, waiting),) = counted(cloud, "Waiting")
    assert (namespace, dimension) == ("AWS/SQS", "QueueName")
    oldest = waiting.pop("ApproximateAgeOfOldestMessage")
    assert waiting == {
        "ApproximateNumberOfMessagesVisible": 1,
        "ApproximateNumberOfMessagesNotVisible": 1,
        "ApproximateNumberOfMessagesDelayed": 1,
    }
    *_, (_, _, dead) = counted(cloud, "Dead")
    assert dead["ApproximateNumberOfMessagesVisible"] == 1
    assert 0 < dead["ApproximateAgeOfOldestMessage"] < oldest


def test_an_age_is_that_of_its_metric_time(cloud):
    """However long the queue took to answer: the time less the age is when the oldest message was sent."""
    sqs, metrics = cloud.client("sqs"), ServiceMetrics(None)
    url = sqs.create_queue(QueueName="aged")["QueueUrl"]
    metrics.of_queue(url, sqs)
    sqs.send_message(QueueUrl=url, MessageBody="a")
    metrics.of_queue(url, sqs)
    (message,) = sqs.receive_message(QueueUrl=url, AttributeNames=["SentTimestamp"])["Messages"]
    empty, aged = (json.loads(event.message) for event in metrics.log.events())
    assert empty["ApproximateAgeOfOldestMessage"] == 0
    since = aged["_aws"]["Timestamp"] - aged["ApproximateAgeOfOldestMessage"] * 1000
    assert round(since) == int(message["Attributes"]["SentTimestamp"])


def test_they_are_in_a_file_beside_the_logs(cloud):
    """`lambda-guard alarms rehearse` reads it with the functions' own."""
    cloud.measure("Dead")
    file = cloud.logs_directory / "lambda-guard" / "local-cloud" / "metrics.log"
    assert json.loads(file.read_text().splitlines()[-1])["QueueName"] == "Dead"
