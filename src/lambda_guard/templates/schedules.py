"""Schedules as a template declares them: EventBridge rules, and schedules of EventBridge Scheduler.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-events-rule.html
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-scheduler-schedule.html
"""

import json
from collections.abc import Iterator
from typing import Any, Literal

from lambda_guard.shapes import arns
from lambda_guard.templates.stack import ScheduleDeclaration
from lambda_guard.templates.template import Resource, Template


def read_rule(template: Template, it: Resource) -> Iterator[ScheduleDeclaration]:
    """Yield a schedule for each target of a rule; none for a rule that fires by events."""
    expression = it.properties.get("ScheduleExpression")
    for target in (it.properties.get("Targets") or []) if expression is not None else []:
        yield _schedule(template, it, target, "aws.events")


def read_schedule(template: Template, it: Resource) -> Iterator[ScheduleDeclaration]:
    """Yield a schedule of EventBridge Scheduler."""
    yield _schedule(template, it, it.properties.get("Target") or {}, "aws.scheduler")


def _schedule(
    template: Template,
    it: Resource,
    target: dict[str, Any],
    source: Literal["aws.events", "aws.scheduler"],
) -> ScheduleDeclaration:
    try:
        payload = json.loads(target["Input"]) if target.get("Input") else None
    except ValueError:
        raise template.error(it.logical_id, "the target's Input must be JSON") from None
    return ScheduleDeclaration(
        logical_id=it.logical_id,
        name=template.name(it.logical_id),
        arn=template.attribute(it.logical_id, "Arn"),
        source=source,
        expression=str(it.properties.get("ScheduleExpression", "")),
        function=arns.function(str(target.get("Arn")))[0],
        payload=payload,
        enabled=it.properties.get("State", "ENABLED") == "ENABLED",
    )
