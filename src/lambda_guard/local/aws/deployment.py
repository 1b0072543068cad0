"""Creates the queues, topics and subscriptions of a stack in moto."""

from collections.abc import Iterable
from typing import Any

from lambda_guard.local._errors import LocalCloudError
from lambda_guard.templates.stack import QueueDeclaration, Stack


def create(stack: Stack, sqs: Any, sns: Any) -> None:
    """Create everything.

    Args:
        stack: the stack.
        sqs: a boto3 client of SQS.
        sns: a boto3 client of SNS.

    Raises:
        LocalCloudError: a service refuses; the message names the resource.
    """
    _create_queues(stack.queues, sqs)
    for topic in stack.topics:
        _asked(topic.logical_id, sns.create_topic, Name=topic.name, Attributes=dict(topic.attributes))
    for subscription in stack.subscriptions:
        _asked(
            subscription.logical_id,
            sns.subscribe,
            TopicArn=subscription.topic_arn,
            Protocol=subscription.protocol,
            Endpoint=subscription.endpoint,
            Attributes=dict(subscription.attributes),
        )


def _create_queues(queues: Iterable[QueueDeclaration], sqs: Any) -> None:
    """Create queues; redrive policies come last, since they name queues that must exist."""
    urls = {}
    for queue in queues:
        attributes = {key: value for key, value in queue.attributes.items() if key != "RedrivePolicy"}
        answer = _asked(queue.logical_id, sqs.create_queue, QueueName=queue.name, Attributes=attributes)
        urls[queue.logical_id] = answer["QueueUrl"]
    for queue in queues:
        if "RedrivePolicy" in queue.attributes:
            policy = {"RedrivePolicy": queue.attributes["RedrivePolicy"]}
            _asked(
                queue.logical_id, sqs.set_queue_attributes, QueueUrl=urls[queue.logical_id], Attributes=policy
            )


def _asked(logical_id: str, operation: Any, **parameters: Any) -> Any:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        return operation(**parameters)
    except (BotoCoreError, ClientError) as error:
        raise LocalCloudError(f"resource {logical_id}: {error}") from error
