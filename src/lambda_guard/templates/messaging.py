"""Queues, topics and subscriptions as a template declares them.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/AWS_SQS.html
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/AWS_SNS.html
"""

import json
from collections.abc import Iterator
from typing import Any

from lambda_guard.templates.stack import QueueDeclaration, SubscriptionDeclaration, TopicDeclaration
from lambda_guard.templates.template import Resource, Template, text

_QUEUE_ATTRIBUTES = (
    "VisibilityTimeout",
    "DelaySeconds",
    "FifoQueue",
    "ContentBasedDeduplication",
    "DeduplicationScope",
    "FifoThroughputLimit",
    "MaximumMessageSize",
    "MessageRetentionPeriod",
    "ReceiveMessageWaitTimeSeconds",
    "RedrivePolicy",
)
_TOPIC_ATTRIBUTES = ("DisplayName", "FifoTopic", "ContentBasedDeduplication")


def read_queue(template: Template, it: Resource) -> Iterator[QueueDeclaration]:
    """Yield a queue."""
    attributes = {key: text(it.properties[key]) for key in _QUEUE_ATTRIBUTES if key in it.properties}
    if "RedrivePolicy" in attributes:
        attributes["RedrivePolicy"] = json.dumps(_redrive_policy(template, it))
    yield QueueDeclaration(logical_id=it.logical_id, name=template.name(it.logical_id), attributes=attributes)


def _redrive_policy(template: Template, it: Resource) -> dict[str, Any]:
    policy = it.properties["RedrivePolicy"]
    policy = json.loads(policy) if isinstance(policy, str) else policy
    try:
        return {
            "deadLetterTargetArn": policy["deadLetterTargetArn"],
            "maxReceiveCount": int(policy["maxReceiveCount"]),
        }
    except (KeyError, TypeError, ValueError):
        message = "RedrivePolicy needs `deadLetterTargetArn` and a whole number `maxReceiveCount`"
        raise template.error(it.logical_id, message) from None


def read_topic(template: Template, it: Resource) -> Iterator[TopicDeclaration]:
    """Yield a topic."""
    attributes = {key: text(it.properties[key]) for key in _TOPIC_ATTRIBUTES if key in it.properties}
    yield TopicDeclaration(logical_id=it.logical_id, name=template.name(it.logical_id), attributes=attributes)


def read_subscription(template: Template, it: Resource) -> Iterator[SubscriptionDeclaration]:
    """Yield a subscription."""
    properties = it.properties
    missing = [key for key in ("TopicArn", "Protocol", "Endpoint") if key not in properties]
    if missing:
        raise template.error(it.logical_id, f"{', '.join(missing)} is missing")
    attributes = {
        key: text(properties[key]) for key in ("FilterPolicy", "FilterPolicyScope") if key in properties
    }
    if str(properties.get("RawMessageDelivery")).lower() == "true":
        attributes["RawMessageDelivery"] = "true"
    yield SubscriptionDeclaration(
        logical_id=it.logical_id,
        topic_arn=properties["TopicArn"],
        protocol=properties["Protocol"],
        endpoint=properties["Endpoint"],
        attributes=attributes,
    )


def read_inline_subscriptions(template: Template, it: Resource) -> Iterator[SubscriptionDeclaration]:
    """Yield the subscriptions that are written in a topic."""
    for subscription in it.properties.get("Subscription") or []:
        properties = {**subscription, "TopicArn": template.attribute(it.logical_id)}
        yield from read_subscription(template, Resource(it.logical_id, it.kind, properties))
