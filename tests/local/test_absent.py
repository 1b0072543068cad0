"""Functions that can't run here, or may not: who invokes them is told so, and nothing is lost in silence."""

import json
import threading

import pytest
from botocore.exceptions import ClientError

from lambda_guard.local import Cloud, LocalCloudError

REASON = "its runtime is nodejs22.x, and Python functions do"


@pytest.fixture(scope="module")
def cloud(functions, build):
    """Return a cloud with one function in JavaScript, one that is throttled and one that runs, fed alike."""

    def events(path):
        return {
            "Http": {"Type": "HttpApi", "Properties": {"Path": path, "Method": "get"}},
            "Rest": {"Type": "Api", "Properties": {"Path": path, "Method": "get"}},
        }

    template = build.template(
        Queue=build.queue(),
        Topic=build.topic(),
        Node=build.function(
            "index.handler",
            Runtime="nodejs22.x",
            events={
                **events("/node"),
                "Queue": build.from_queue("Queue"),
                "Topic": build.from_topic("Topic"),
                "Yearly": {"Type": "Schedule", "Properties": {"Schedule": "rate(365 days)"}},
            },
        ),
        Stopped=build.function(
            "api.handler",
            events=events("/stopped"),
            ReservedConcurrentExecutions=0,
            EventInvokeConfig={
                "MaximumEventAgeInSeconds": 60,
                "DestinationConfig": {"OnFailure": {"Type": "SQS"}},
            },
        ),
        Running=build.function("api.handler", events=events("/running")),
    )
    with Cloud(template, root=functions, speed=600) as cloud:
        yield cloud


def lines(cloud, function="Node"):
    return [event.message for event in cloud.log_group(function).events()]


def test_the_rest_starts(cloud):
    """A function that can't run is named once; the others answer."""
    assert [it for it in cloud.warnings if "Node" in it] == [f"Node doesn't run here: {REASON}"]
    assert cloud.request("GET", "/running", api="ServerlessHttpApi").status == 200
    assert [function.name for function in cloud.functions] == ["Stopped", "Running"]


def test_who_invokes_it_is_told(cloud):
    """By Cloud, by Lambda's API in either way, and by a schedule; its log has each."""
    said = f"function Node doesn't run here: {REASON}"
    for call in (
        lambda: cloud.invoke("Node"),
        lambda: cloud.function("Node"),
        lambda: cloud.fire("NodeYearly"),
    ):
        with pytest.raises(LocalCloudError) as refused:
            call()
        assert str(refused.value) == said
    for kind in ("RequestResponse", "Event"):
        with pytest.raises(ClientError, match=said) as error:
            cloud.client("lambda").invoke(FunctionName="Node", InvocationType=kind)
        assert error.value.response["Error"]["Code"] == "InvalidRuntimeException"
    assert lines(cloud).count(f"local cloud: invoked, but it doesn't run here: {REASON}") >= 5


@pytest.mark.parametrize(("api", "status"), [("ServerlessHttpApi", 500), ("ServerlessRestApi", 502)])
def test_an_api_answers_with_the_reason(cloud, api, status):
    """In the body of the status that API Gateway has for a function that fails."""
    answer = cloud.request("GET", "/node", api=api)
    assert (answer.status, answer.json()) == (
        status,
        {"message": f"function Node doesn't run here: {REASON}"},
    )


def test_messages_that_wait_for_it_are_said_once(cloud):
    """They stay in their queue, unreceived."""
    heard = threading.Event()
    said = f"local cloud: messages wait in Queue, which nobody polls: it doesn't run here: {REASON}"
    cloud.log_group("Node").listen(lambda event: event.message == said and heard.set())
    for body in ("1", "2"):
        cloud.client("sqs").send_message(QueueUrl=cloud.queue_url("Queue"), MessageBody=body)
    assert heard.wait(60)
    cloud.settle()
    assert cloud.messages("Queue") == {"visible": 2, "in_flight": 0, "delayed": 0}
    assert lines(cloud).count(said) == 1


def test_a_notification_for_it_is_said_in_its_log(cloud):
    """The publisher isn't told, as on AWS; the delivery counts as failed."""
    before = len(lines(cloud))
    cloud.client("sns").publish(TopicArn=cloud.topic_arn("Topic"), Message="x")
    assert lines(cloud)[before:] == [f"local cloud: invoked, but it doesn't run here: {REASON}"]
    assert any("NumberOfNotificationsFailed" in event.message for event in cloud.service_metrics.events())


@pytest.mark.parametrize(
    ("api", "status", "message"),
    [
        ("ServerlessHttpApi", 503, "Service Unavailable"),
        ("ServerlessRestApi", 500, "Internal server error"),
    ],
)
def test_no_reserved_concurrency_throttles_an_api(cloud, api, status, message):
    """API Gateway doesn't pass the 429 on."""
    answer = cloud.request("GET", "/stopped", api=api)
    assert (answer.status, answer.json()) == (status, {"message": message})


def test_no_reserved_concurrency_throttles_an_invocation(cloud):
    """With Lambda's error; the function is there, and a warning says why it doesn't run."""
    with pytest.raises(ClientError, match="Rate Exceeded") as error:
        cloud.client("lambda").invoke(FunctionName="Stopped")
    assert error.value.response["Error"]["Code"] == "TooManyRequestsException"
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 429
    assert "Stopped is throttled: it reserves no concurrency" in cloud.warnings
    assert cloud.function("Stopped").cold_starts == 0


def test_a_throttled_event_waits_until_it_is_too_old(cloud, receive):
    """It is accepted, and repeated by Lambda until its age ends, when its destination gets it."""
    answer = cloud.client("lambda").invoke(
        FunctionName="Stopped", InvocationType="Event", Payload=b'{"n": 1}'
    )
    assert answer["StatusCode"] == 202
    cloud.settle(60)
    [queue] = [it.name for it in cloud.stack.queues if it.name != "Queue"]
    [record] = [json.loads(message["Body"]) for message in receive(cloud, queue)]

    assert record["requestPayload"] == {"n": 1}
    assert record["requestContext"]["condition"] == "EventAgeExceeded"
    assert record["requestContext"]["requestId"] == answer["ResponseMetadata"]["RequestId"]
