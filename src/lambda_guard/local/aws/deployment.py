"""Creates the queues, topics and subscriptions of a stack in moto."""

from collections.abc import Iterator
from typing import Any

from lambda_guard.local._errors import LocalCloudError
from lambda_guard.templates.stack import Stack

_REDRIVE = "RedrivePolicy"


def create(stack: Stack, sqs: Any, sns: Any) -> None:
    """Create everything, with boto3 clients of SQS and SNS.

    Raises:
        LocalCloudError: a service refuses; the message names the resource.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    for logical_id, operation, parameters in _calls(stack, sqs, sns):
        try:
            operation(**parameters)
        except (BotoCoreError, ClientError) as error:
            raise LocalCloudError(f"resource {logical_id}: {error}") from error


def _calls(stack: Stack, sqs: Any, sns: Any) -> Iterator[tuple[str, Any, dict[str, Any]]]:
    for it in stack.queues:
        attributes = {key: value for key, value in it.attributes.items() if key != _REDRIVE}
        yield it.logical_id, sqs.create_queue, {"QueueName": it.name, "Attributes": attributes}
    for it in stack.queues:  # once the queues exist that the policies name
        if _REDRIVE in it.attributes:
            url = sqs.get_queue_url(QueueName=it.name)["QueueUrl"]
            policy = {_REDRIVE: it.attributes[_REDRIVE]}
            yield it.logical_id, sqs.set_queue_attributes, {"QueueUrl": url, "Attributes": policy}
    for topic in stack.topics:
        yield topic.logical_id, sns.create_topic, {"Name": topic.name, "Attributes": dict(topic.attributes)}
    for subscription in stack.subscriptions:
        parameters = {
            "TopicArn": subscription.topic_arn,
            "Protocol": subscription.protocol,
            "Endpoint": subscription.endpoint,
            "Attributes": dict(subscription.attributes),
        }
        yield subscription.logical_id, sns.subscribe, parameters
