"""From a template to the stack that it declares."""

from lambda_guard.templates import functions, messaging, openapi, schedules
from lambda_guard.templates.stack import Stack
from lambda_guard.templates.template import Template


def read_stack(template: Template) -> Stack:
    """Return everything that a template declares.

    Raises:
        TemplateError: a resource is declared in a way that AWS would refuse.
    """
    rules = template.resources("AWS::Events::Rule")
    outputs, unresolved = template.outputs()
    return Stack(
        functions=functions.read_functions(template),
        queues=template.read("AWS::SQS::Queue", messaging.read_queue),
        topics=template.read("AWS::SNS::Topic", messaging.read_topic),
        subscriptions=(
            *template.read("AWS::SNS::Subscription", messaging.read_subscription),
            *template.read("AWS::SNS::Topic", messaging.read_inline_subscriptions),
        ),
        mappings=template.read("AWS::Lambda::EventSourceMapping", functions.read_mapping),
        schedules=(
            *template.read("AWS::Events::Rule", schedules.read_schedules),
            *template.read("AWS::Scheduler::Schedule", schedules.read_schedules),
        ),
        routes=(
            *template.read("AWS::ApiGateway::RestApi", openapi.read_api),
            *template.read("AWS::ApiGatewayV2::Api", openapi.read_api),
        ),
        rules_without_schedule=tuple(
            rule.logical_id for rule in rules if rule.properties.get("ScheduleExpression") is None
        ),
        outputs=outputs,
        unresolved_outputs=unresolved,
    )
