"""Letters that name their target by themselves are believed where the configuration of who failed names the queue."""

import json
from dataclasses import replace

import pytest

from lambda_guard.tools.dlq.queue import Queue
from lambda_guard.tools.dlq.recognition import recognise
from lambda_guard.tools.dlq.targets import NoTargetError, Target, TargetFinder

from ..logs.test_cloudwatch_shapes import Cloud
from .test_recognition import (
    ASYNC,
    DESTINATION,
    EVENT,
    FUNCTION,
    NOTIFICATION,
    RULE,
    SNS_EVENT,
    STREAM,
    message,
)

ACCOUNT = "eu-west-1:123456789012"
QUEUE = Queue("https://sqs.eu-west-1.amazonaws.com/123456789012/dead", f"arn:aws:sqs:{ACCOUNT}:dead")
TOPIC = NOTIFICATION["TopicArn"]
UNQUALIFIED = FUNCTION.removesuffix(":7")
STREAM_ARN = STREAM["KinesisBatchInfo"]["streamArn"]
RULE_ARN = f"arn:aws:events:{ACCOUNT}:rule/shop/late"
SCHEDULE = {"SCHEDULE_ARN": f"arn:aws:scheduler:{ACCOUNT}:schedule/nightly/tidy"}
TODO = "https://sqs.eu-west-1.amazonaws.com/123456789012/todo"


def failing_to(arn):
    return {"DestinationConfig": {"OnFailure": {"Destination": arn}}}


def invoke_config(arn):
    return {"FunctionEventInvokeConfigs": [{"FunctionArn": f"{UNQUALIFIED}:live", **failing_to(arn)}]}


def mapping(arn, function=UNQUALIFIED):
    return {
        "EventSourceMappings": [{"FunctionArn": function, "EventSourceArn": STREAM_ARN, **failing_to(arn)}]
    }


def rule(arn, target=FUNCTION):
    return {"Targets": [{"Id": "1", "Arn": target, "DeadLetterConfig": {"Arn": arn}}]}


def schedule(arn, target=f"arn:aws:sqs:{ACCOUNT}:todo", **more):
    return {
        "Target": {
            "Arn": target,
            "RoleArn": "arn:aws:iam::123456789012:role/r",
            "DeadLetterConfig": {"Arn": arn},
            **more,
        }
    }


def subscription(arn):
    policy = json.dumps({"deadLetterTargetArn": arn})
    return {
        "Attributes": {
            "RedrivePolicy": policy,
            "Protocol": "lambda",
            "Endpoint": FUNCTION,
            "SubscriptionArn": "s",
        }
    }


RULE_LETTER = recognise(message(EVENT, **{**RULE, "RULE_ARN": RULE_ARN}))
FUNCTION_LETTER = recognise(message(EVENT, **ASYNC))
LETTERS = {
    "destination": (recognise(message(DESTINATION)), "lambda", "list_function_event_invoke_configs", invoke_config),
    "stream": (recognise(message(STREAM)), "lambda", "list_event_source_mappings", mapping),
    "rule": (RULE_LETTER, "events", "list_targets_by_rule", rule),
    "schedule": (
        recognise(message({"QueueUrl": TODO, "MessageBody": "x"}, **SCHEDULE)), "scheduler", "get_schedule", schedule,
    ),
    "function, by the logs": (
        replace(FUNCTION_LETTER, failure=replace(FUNCTION_LETTER.failure, function="mailer")),
        "lambda", "get_function_configuration", lambda arn: {"DeadLetterConfig": {"TargetArn": arn}},
    ),
    "subscription": (recognise(message(SNS_EVENT)), "sns", "get_subscription_attributes", subscription),
}  # fmt: skip
ASKED = {
    "destination": {"FunctionName": UNQUALIFIED},
    "stream": {"EventSourceArn": STREAM_ARN},
    "rule": {"Rule": "late", "EventBusName": "shop"},
    "schedule": {"GroupName": "nightly", "Name": "tidy"},
    "function, by the logs": {"FunctionName": "mailer"},
    "subscription": {"SubscriptionArn": SNS_EVENT["Records"][0]["EventSubscriptionArn"]},
}
GOES_TO = {"stream": "stream", "schedule": "queue"}


@pytest.fixture
def cloud():
    cloud = Cloud()
    yield cloud
    cloud.done()


@pytest.mark.parametrize("kind", LETTERS)
def test_a_letter_is_believed_where_the_configuration_names_the_queue(cloud, kind):
    """It is asked once, however many letters say the same."""
    letter, service, operation, answer = LETTERS[kind]
    cloud.expect(service, operation, answer(QUEUE.arn), ASKED[kind])
    finder = TargetFinder(QUEUE, cloud)
    assert [finder.target_of(letter).kind for _ in range(3)] == [GOES_TO.get(kind, "function")] * 3


@pytest.mark.parametrize("kind", LETTERS)
def test_a_letter_that_says_so_alone_is_not_believed(cloud, kind):
    """The reason names who it pretends to be from, and the word that is needed."""
    letter, service, operation, answer = LETTERS[kind]
    cloud.expect(service, operation, answer(QUEUE.arn + "-other"), ASKED[kind])
    with pytest.raises(NoTargetError, match=r"--to") as caught:
        TargetFinder(QUEUE, cloud).target_of(letter)
    if kind != "subscription":
        assert "anyone who may send messages to this queue can write that" in str(caught.value)
        assert f"--to {'queue' if kind == 'schedule' else 'function'}:" in str(caught.value)


@pytest.mark.parametrize("kind", LETTERS)
def test_without_the_permission_to_ask_it_is_refused(cloud, kind):
    """Nothing is invoked by default; what to grant, or to say, is in the reason."""
    letter, service, operation, _ = LETTERS[kind]
    cloud.refuse(service, operation, "AccessDeniedException")
    with pytest.raises(
        NoTargetError, match=r"the permission \w+ is missing.*--to|--to.*the permission \w+ is missing"
    ):
        TargetFinder(QUEUE, cloud).target_of(letter)


@pytest.mark.parametrize("kind", ["destination", "stream", "rule", "function, by the logs"])
def test_a_word_by_name_asks_nothing(cloud, kind):
    """`--to function:NAME` is the operator's own choice."""
    cloud.expect("lambda", "get_function_configuration", {}, {"FunctionName": "mailer"})
    target = TargetFinder(QUEUE, cloud, "function:mailer").target_of(LETTERS[kind][0])
    assert target == Target("stream" if kind == "stream" else "function", "mailer")


@pytest.mark.parametrize(
    ("kind", "answer"),
    [
        ("stream", mapping(QUEUE.arn, function=UNQUALIFIED + "-other")),
        ("rule", rule(QUEUE.arn, target=UNQUALIFIED)),
        ("schedule", schedule(QUEUE.arn, target=f"arn:aws:sqs:{ACCOUNT}:other")),
        ("schedule", schedule(QUEUE.arn, target="arn:aws:sqs:eu-west-1:210987654321:todo")),
        ("destination", {"FunctionEventInvokeConfigs": []}),
    ],
    ids=["another function's mapping", "another target", "another queue", "another account", "none"],
)
def test_the_configuration_must_name_the_target_too(cloud, kind, answer):
    """Who sends failures of something else here vouches for nothing."""
    letter, service, operation, _ = LETTERS[kind]
    cloud.expect(service, operation, answer, ASKED[kind])
    with pytest.raises(NoTargetError, match="sends no failures here"):
        TargetFinder(QUEUE, cloud).target_of(letter)


def test_a_schedule_that_calls_an_api_has_its_target_in_the_parameters(cloud):
    """A universal target: `{FunctionName, Payload}` of Lambda's Invoke."""
    parameters = {"FunctionName": "mailer", "Payload": "{}"}
    called = schedule(
        QUEUE.arn, target="arn:aws:scheduler:::aws-sdk:lambda:invoke", Input=json.dumps(parameters)
    )
    cloud.expect("scheduler", "get_schedule", called, ASKED["schedule"])
    letter = recognise(message(parameters, **SCHEDULE))
    assert TargetFinder(QUEUE, cloud).target_of(letter) == Target("function", "mailer")


@pytest.mark.parametrize("endpoint", [QUEUE.arn, QUEUE.arn + "-other"], ids=["subscribed", "not subscribed"])
def test_a_letter_through_a_topic_needs_the_topic_in_between(cloud, endpoint):
    """The configuration names the topic, and the topic has this queue as a subscriber: a letter may invent both."""
    letter = recognise(message({**NOTIFICATION, "Message": json.dumps(DESTINATION)}))
    cloud.expect("lambda", "list_function_event_invoke_configs", invoke_config(TOPIC), ASKED["destination"])
    subscribed = {"Subscriptions": [{"SubscriptionArn": "s", "Protocol": "sqs", "Endpoint": endpoint}]}
    cloud.expect("sns", "list_subscriptions_by_topic", subscribed, {"TopicArn": TOPIC})
    if endpoint == QUEUE.arn:
        assert TargetFinder(QUEUE, cloud).target_of(letter) == Target("function", FUNCTION)
    else:
        with pytest.raises(NoTargetError, match="sends no failures here"):
            TargetFinder(QUEUE, cloud).target_of(letter)
