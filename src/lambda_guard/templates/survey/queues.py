"""Queues and log groups of a template.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-sqs-queue.html,
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-logs-loggroup.html
"""

import json
from collections.abc import Iterator
from typing import Any

from lambda_guard.templates.survey.model import LogGroup, Queue
from lambda_guard.templates.survey.nodes import Node, Template, Text, Unknown, intrinsic


def queues(template: Template) -> Iterator[Queue]:
    """Yield the queues."""
    for logical_id, it in _of_type(template, "AWS::SQS::Queue"):
        target, receives = _redrive(it.at("RedrivePolicy"))
        yield Queue(
            logical_id=logical_id,
            place=template.place(("Resources", logical_id)),
            places={key: node.place for key, node in it.entries()},
            name=it.at("QueueName").text,
            fifo=it.at("FifoQueue").flag,
            visibility=it.at("VisibilityTimeout").number,
            retention=it.at("MessageRetentionPeriod").number,
            dead_letters=target,
            receives=receives,
        )


def _redrive(it: Node) -> tuple[Text, Any]:
    """Return the target and `maxReceiveCount`; the policy may be written as JSON."""
    if it.raw is None:
        return None, None
    if intrinsic(it.raw) and not isinstance(it.value, dict | str):
        return Unknown(str(it.value)), Unknown(str(it.value))
    raw = it.raw
    if isinstance(raw, str):
        try:
            raw = json.loads(raw)
        except ValueError:
            raw = Unknown(raw)
    policy = Node(it.template, raw, it.steps)
    target = policy.at("deadLetterTargetArn").text
    return Unknown("RedrivePolicy") if target is None else target, policy.at("maxReceiveCount").number


def log_groups(template: Template) -> Iterator[LogGroup]:
    """Yield the log groups, and those whose retention a custom resource of the CDK sets."""
    for logical_id, it in _of_type(template, "AWS::Logs::LogGroup", "Custom::LogRetention"):
        yield LogGroup(
            logical_id=logical_id,
            place=template.place(("Resources", logical_id)),
            name=it.at("LogGroupName").text,
            retention=it.at("RetentionInDays").number,
            kind=it.at("LogGroupClass").text,
        )


def _of_type(template: Template, *wanted: str) -> Iterator[tuple[str, Node]]:
    for logical_id, kind, resource in template.resources():
        if kind in wanted:
            own = resource.get("Properties")
            raw = own if isinstance(own, dict) else {}
            yield logical_id, Node(template, raw, ("Resources", logical_id, "Properties"))
