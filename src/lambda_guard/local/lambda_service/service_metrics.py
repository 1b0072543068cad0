"""Metrics that AWS's services write and no log has: as EMF documents, in a log group that `alarms rehearse` reads.

Only what really happened here is written. Metrics that the local cloud can't know, such as IteratorAge, never are.

https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html,
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html,
https://docs.aws.amazon.com/sns/latest/dg/sns-monitoring-using-cloudwatch.html
"""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from lambda_guard import _names as names
from lambda_guard.local.runtime.log_group import LogEvent, LogGroup
from lambda_guard.shapes import arns

GROUP: Final = "/lambda-guard/local-cloud"
STREAM: Final = "metrics"
_OLDEST: Final = "OldestMessageSince"
"""No attribute of AWS's, which tells the age as a metric alone."""

_OF_A_QUEUE: Final = {
    "ApproximateNumberOfMessages": "ApproximateNumberOfMessagesVisible",
    "ApproximateNumberOfMessagesNotVisible": "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed": "ApproximateNumberOfMessagesDelayed",
}
"""The attributes of a queue, and what CloudWatch calls them."""


class ServiceMetrics:
    """Writes metrics when something happens; `log` has them."""

    def __init__(self, directory: Path | None) -> None:
        self.log = LogGroup(GROUP, directory)

    def of_function(self, name: str, metric: str) -> None:
        """Count one event of `AWS/Lambda`."""
        self._write(_now_ms(), "AWS/Lambda", {"FunctionName": name}, {metric: 1})

    def notification_failed(self, topic_arn: str) -> None:
        """Count a message that a topic couldn't deliver to a subscriber."""
        dimensions = {"TopicName": arns.name(topic_arn)}
        self._write(_now_ms(), "AWS/SNS", dimensions, {"NumberOfNotificationsFailed": 1})

    def of_queue(self, url: str, sqs: Any) -> None:
        """Write how many messages are in a queue, and for how many seconds the oldest has been there."""
        told = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        oldest = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[_OLDEST]).get("Attributes") or {}
        values = {metric: float(told[attribute]) for attribute, metric in _OF_A_QUEUE.items()}
        now = _now_ms()
        age_ms = max(0, now - int(oldest.get(_OLDEST, now)))
        values["ApproximateAgeOfOldestMessage"] = age_ms / 1000
        self._write(now, "AWS/SQS", {"QueueName": arns.name(url)}, values)

    def _write(
        self, now: int, namespace: str, dimensions: Mapping[str, str], values: Mapping[str, float]
    ) -> None:
        directive: dict[str, Any] = {
            names.EMF_NAMESPACE: namespace,
            names.EMF_DIMENSIONS: [list(dimensions)],
            names.EMF_METRICS: [{names.EMF_NAME: metric} for metric in values],
        }
        head = {names.EMF_TIMESTAMP: now, names.EMF_DIRECTIVES: [directive]}
        message = json.dumps({names.EMF: head, **dimensions, **values})
        self.log.write(LogEvent(now, STREAM, message))


def _now_ms() -> int:
    return int(time.time() * 1000)
