"""Schedules as a template declares them: EventBridge rules, and schedules of EventBridge Scheduler.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-events-rule.html
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-scheduler-schedule.html
"""

import json
from collections.abc import Iterator

from lambda_guard.shapes import arns
from lambda_guard.templates.stack import ScheduleDeclaration
from lambda_guard.templates.template import Resource, Template


def read_schedules(template: Template, it: Resource) -> Iterator[ScheduleDeclaration]:
    """Yield a schedule for each target of a rule or schedule; none for a rule that fires by events."""
    rule = it.kind == "AWS::Events::Rule"
    expression = it.properties.get("ScheduleExpression")
    if rule and expression is None:
        return
    for target in (it.properties.get("Targets") or []) if rule else [it.properties.get("Target") or {}]:
        try:
            payload = json.loads(target["Input"]) if target.get("Input") else None
        except ValueError:
            raise template.error(it.logical_id, "the target's Input must be JSON") from None
        yield ScheduleDeclaration(
            logical_id=it.logical_id,
            name=template.name(it.logical_id),
            arn=template.attribute(it.logical_id, "Arn"),
            source="aws.events" if rule else "aws.scheduler",
            expression="" if expression is None else str(expression),
            function=arns.function(str(target.get("Arn")))[0],
            payload=payload,
            enabled=it.properties.get("State", "ENABLED") == "ENABLED",
        )
