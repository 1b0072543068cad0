"""What invokes a function in plain CloudFormation, and what calls it from within other resources.

https://docs.aws.amazon.com/lambda/latest/dg/lambda-services.html
"""

from collections.abc import Callable, Iterator
from typing import Any, Final

from lambda_guard.templates.survey.events import mapping
from lambda_guard.templates.survey.model import Kind, Source, Survey
from lambda_guard.templates.survey.nodes import Node, Template, Text, references

_BY_ARN: Final[tuple[tuple[str, Kind, str], ...]] = (
    (":sqs:", "queue", "sqs"),
    (":kinesis:", "stream", "kinesis"),
    (":dynamodb:", "stream", "dynamodb"),
    (":kafka:", "stream", "kafka"),
    (":mq:", "poll", "mq"),
    (":rds:", "poll", "documentdb"),
)
_BY_TYPE: Final[dict[str, tuple[Kind, str]]] = {
    "AWS::SQS::Queue": ("queue", "sqs"),
    "AWS::Kinesis::Stream": ("stream", "kinesis"),
    "AWS::Kinesis::StreamConsumer": ("stream", "kinesis"),
    "AWS::DynamoDB::Table": ("stream", "dynamodb"),
    "AWS::DynamoDB::GlobalTable": ("stream", "dynamodb"),
    "AWS::MSK::Cluster": ("stream", "kafka"),
    "AWS::MSK::ServerlessCluster": ("stream", "kafka"),
    "AWS::AmazonMQ::Broker": ("poll", "mq"),
    "AWS::DocDB::DBCluster": ("poll", "documentdb"),
}
_CALLERS: Final[dict[str, tuple[Kind, str]]] = {
    "AWS::StepFunctions::StateMachine": ("synchronous", "state-machine"),
    "AWS::Serverless::StateMachine": ("synchronous", "state-machine"),
    "AWS::ApiGateway::Method": ("synchronous", "api"),
    "AWS::ApiGateway::RestApi": ("synchronous", "api"),
    "AWS::ApiGateway::Authorizer": ("synchronous", "authorizer"),
    "AWS::Serverless::Api": ("synchronous", "api"),
    "AWS::ApiGatewayV2::Integration": ("synchronous", "http-api"),
    "AWS::ApiGatewayV2::Authorizer": ("synchronous", "authorizer"),
    "AWS::Serverless::HttpApi": ("synchronous", "http-api"),
    "AWS::Lambda::Url": ("synchronous", "url"),
    "AWS::ElasticLoadBalancingV2::TargetGroup": ("synchronous", "alb"),
    "AWS::Cognito::UserPool": ("synchronous", "cognito"),
    "AWS::AppSync::DataSource": ("synchronous", "appsync"),
    "AWS::Logs::SubscriptionFilter": ("asynchronous", "logs"),
    "AWS::IoT::TopicRule": ("asynchronous", "iot"),
    "AWS::SES::ReceiptRule": ("asynchronous", "ses"),
    "AWS::KinesisFirehose::DeliveryStream": ("synchronous", "firehose"),
    "AWS::Bedrock::Agent": ("synchronous", "bedrock"),
    "AWS::CloudFront::Distribution": ("synchronous", "edge"),
    "AWS::SecretsManager::RotationSchedule": ("synchronous", "rotation"),
    "AWS::Pipes::Pipe": ("synchronous", "pipe"),
    "AWS::Config::ConfigRule": ("asynchronous", "config"),
}
"""Types whose properties name the functions that they call, wherever in them that is."""
SERVICES: Final = ("s3", "sns", "events", "logs", "iot", "ses", "config", "codecommit")
"""Who may invoke a function asynchronously, by its permission."""
_CUSTOM: Final = ("AWS::CloudFormation::CustomResource", "Custom::")


def sources(template: Template, survey: Survey) -> Iterator[Source]:
    """Yield the sources; `survey` has the functions already."""
    for logical_id, kind, resource in template.resources():
        own = resource.get("Properties")
        it = Node(template, own if isinstance(own, dict) else {}, ("Resources", logical_id, "Properties"))
        if (reader := _READERS.get(kind)) is not None:
            yield from reader(it, survey)
        elif (caller := _CALLERS.get(kind)) is not None:
            wait = it.at("Integration", "TimeoutInMillis").number or it.at("TimeoutInMillis").number
            for function in dict.fromkeys(one.logical_id for one in survey.concerns(_called(it.raw))):
                yield Source(
                    kind=caller[0], service=caller[1], function=function, place=it.place, seconds=wait
                )


def custom_resources(template: Template, survey: Survey) -> frozenset[str]:
    """Return the functions that CloudFormation calls for resources of the template."""
    return frozenset(
        function.logical_id
        for _, kind, resource in template.resources()
        if kind.startswith(_CUSTOM) and isinstance(resource.get("Properties"), dict)
        for function in survey.concerns(resource["Properties"].get("ServiceToken"))
    )


def _called(raw: Any) -> Any:
    """Leave out what names a function without calling it: its role, permissions, dependencies."""
    return {key: value for key, value in raw.items() if key not in {"Policies", "Role", "Connectors"}}


def _mapping(it: Node, survey: Survey) -> Iterator[Source]:
    arn = it.at("EventSourceArn").text
    kind, service = _source_kind(it, arn, survey)
    function = survey.function(it.at("FunctionName").text)
    yield mapping(it, function.logical_id if function else None, kind, service, it)


def _source_kind(it: Node, arn: Text, survey: Survey) -> tuple[Kind, str]:
    if it.at("SelfManagedEventSource").raw is not None:
        return "stream", "kafka"
    if (known := kind_of_arn(str(arn))) is not None:
        return known
    types = [survey.kinds.get(name) for name in references(it.at("EventSourceArn").raw)]
    found = next((_BY_TYPE[kind] for kind in types if kind in _BY_TYPE), None)
    stream = it.at("StartingPosition").raw is not None
    return found or (("stream", "unknown") if stream else ("poll", "unknown"))


def kind_of_arn(arn: str) -> tuple[Kind, str] | None:
    """Return how the source of a mapping is read, and its service; None for an ARN of no such service."""
    return next(((kind, service) for part, kind, service in _BY_ARN if part in arn), None)


def _subscription(it: Node, survey: Survey) -> Iterator[Source]:
    yield from _subscribed(it, it.at("TopicArn").text, survey)


def _topic(it: Node, survey: Survey) -> Iterator[Source]:
    """A subscription may stand in the topic itself."""
    for subscription in it.at("Subscription").items():
        yield from _subscribed(subscription, None, survey)


def _subscribed(it: Node, topic: Text, survey: Survey) -> Iterator[Source]:
    if it.at("Protocol").text == "lambda":
        yield from _asynchronous(it, it.at("Endpoint"), "sns", survey, topic)


def _rule(it: Node, survey: Survey) -> Iterator[Source]:
    service = "events" if it.at("ScheduleExpression").raw is None else "schedule"
    for target in it.at("Targets").items():
        yield from _asynchronous(target, target.at("Arn"), service, survey)


def _schedule(it: Node, survey: Survey) -> Iterator[Source]:
    yield from _asynchronous(it, it.at("Target", "Arn"), "schedule", survey)


def _bucket(it: Node, survey: Survey) -> Iterator[Source]:
    for notice in it.at("NotificationConfiguration", "LambdaConfigurations").items():
        yield from _asynchronous(notice, notice.at("Function"), "s3", survey)


def _permission(it: Node, survey: Survey) -> Iterator[Source]:
    service = str(it.at("Principal").text).removesuffix(".amazonaws.com")
    if service in SERVICES:
        yield from _asynchronous(it, it.at("FunctionName"), service, survey)


def _asynchronous(
    it: Node, function: Node, service: str, survey: Survey, source: Text = None
) -> Iterator[Source]:
    if (found := survey.function(function.text)) is not None:
        yield Source(
            kind="asynchronous", service=service, function=found.logical_id, place=it.place, source=source
        )


_READERS: Final[dict[str, Callable[[Node, Survey], Iterator[Source]]]] = {
    "AWS::Lambda::EventSourceMapping": _mapping,
    "AWS::SNS::Subscription": _subscription,
    "AWS::SNS::Topic": _topic,
    "AWS::Events::Rule": _rule,
    "AWS::Scheduler::Schedule": _schedule,
    "AWS::S3::Bucket": _bucket,
    "AWS::Lambda::Permission": _permission,
}
