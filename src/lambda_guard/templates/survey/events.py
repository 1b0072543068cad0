"""What invokes a SAM function: its `Events`, and the URL that it has.

https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/sam-property-function-eventsource.html
"""

from collections.abc import Iterator
from typing import Any, Final

from lambda_guard.templates.survey.functions import SAM, properties
from lambda_guard.templates.survey.model import Kind, Source
from lambda_guard.templates.survey.nodes import Node, Template

KINDS: Final[dict[str, tuple[Kind, str]]] = {
    "SQS": ("queue", "sqs"),
    "SNS": ("asynchronous", "sns"),
    "S3": ("asynchronous", "s3"),
    "Schedule": ("asynchronous", "schedule"),
    "ScheduleV2": ("asynchronous", "schedule"),
    "EventBridgeRule": ("asynchronous", "events"),
    "CloudWatchEvent": ("asynchronous", "events"),
    "CloudWatchLogs": ("asynchronous", "logs"),
    "IoTRule": ("asynchronous", "iot"),
    "Kinesis": ("stream", "kinesis"),
    "DynamoDB": ("stream", "dynamodb"),
    "MSK": ("stream", "kafka"),
    "SelfManagedKafka": ("stream", "kafka"),
    "MQ": ("poll", "mq"),
    "DocumentDB": ("poll", "documentdb"),
    "Api": ("synchronous", "api"),
    "HttpApi": ("synchronous", "http-api"),
    "AlexaSkill": ("synchronous", "alexa"),
    "Cognito": ("synchronous", "cognito"),
}
"""The type of an event → how Lambda is invoked, and by which service."""


def events(template: Template) -> Iterator[Source]:
    """Yield the sources that SAM functions declare."""
    for logical_id, kind, resource in template.resources():
        if kind != SAM:
            continue
        it = properties(template, logical_id, kind, resource)
        for _, event in it.at("Events").entries():
            if (known := KINDS.get(str(event.at("Type").value))) is not None:
                yield _source(logical_id, event, *known)
        if it.at("FunctionUrlConfig").raw is not None:
            yield Source(
                kind="synchronous", service="url", function=logical_id, place=it.at("FunctionUrlConfig").place
            )


def _source(function: str, event: Node, kind: Kind, service: str) -> Source:
    it = event.at("Properties")
    if service == "sns" and (subscription := it.at("SqsSubscription")).raw not in (None, False):
        return _queued(function, event, subscription)
    if kind in {"queue", "stream", "poll"}:
        return mapping(it, function, kind, service, event)
    return Source(
        kind=kind,
        service=service,
        function=function,
        place=event.place,
        source=it.at("Topic").text or it.at("Bucket").text,
        enabled=it.at("Enabled").flag,
        seconds=it.at("TimeoutInMillis").number,
    )


def _queued(function: str, event: Node, subscription: Node) -> Source:
    """Return the queue between a topic and a function, which SAM makes unless one is named."""
    hidden = subscription.flag is True
    return Source(
        kind="queue",
        service="sqs",
        function=function,
        place=event.place,
        source=None if hidden else subscription.at("QueueArn").text,
        hidden=hidden,
        batch_size=None if hidden else subscription.at("BatchSize").number,
        enabled=True if hidden else subscription.at("Enabled").flag,
    )


def mapping(it: Node, function: str | None, kind: Kind, service: str, place: Node) -> Source:
    """Return an event source mapping, whose properties SAM's events share with the resource."""
    source = next(
        (it.at(key) for key in ("Queue", "Stream", "Broker", "EventSourceArn") if _there(it, key)), it
    )
    return Source(
        kind=kind,
        service=service,
        function=function,
        place=place.place,
        source=source.text if source is not it else None,
        batch_size=it.at("BatchSize").number,
        window=it.at("MaximumBatchingWindowInSeconds").number,
        partial=listed(it.at("FunctionResponseTypes"), "ReportBatchItemFailures"),
        on_failure=it.at("DestinationConfig", "OnFailure", "Destination").text,
        retries=it.at("MaximumRetryAttempts").number,
        age=it.at("MaximumRecordAgeInSeconds").number,
        concurrency=it.at("ScalingConfig", "MaximumConcurrency").number,
        metrics=listed(it.at("MetricsConfig", "Metrics"), "EventCount"),
        enabled=it.at("Enabled").flag,
    )


def _there(it: Node, key: str) -> bool:
    return it.at(key).raw is not None


def listed(it: Node, name: str) -> Any:
    """Return whether a list holds a value; unknown where an intrinsic stands in it."""
    value = it.value
    entries = value if isinstance(value, list) else [] if value is None else [value]
    if name in entries:
        return True
    return next((entry for entry in entries if not isinstance(entry, str)), False)
