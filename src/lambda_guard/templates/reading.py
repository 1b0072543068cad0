"""From the resources of a template to the stack that they declare.

Functions: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-lambda-function.html,
queues and topics: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/AWS_SQS.html, AWS_SNS.html,
rules and schedules: …/aws-resource-events-rule.html, …/aws-resource-scheduler-schedule.html.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from lambda_guard.shapes import arns
from lambda_guard.templates.apis import read_apis, read_routes
from lambda_guard.templates.stack import (
    FunctionDeclaration,
    LayerDeclaration,
    MappingDeclaration,
    QueueDeclaration,
    ScheduleDeclaration,
    Stack,
    TopicDeclaration,
)
from lambda_guard.templates.template import Resource, Template, text

LAYERS_MOST = 5  # https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
_WHOLE = frozenset(
    {
        "DatapointsToAlarm",
        "EvaluationPeriods",
        "Period",
        "ActionsSuppressorExtensionPeriod",
        "ActionsSuppressorWaitPeriod",
    }
)
_YES_OR_NO = frozenset({"ActionsEnabled", "Enabled", "ReturnData"})


def read_stack(template: Template) -> Stack:
    """Return everything that a template declares.

    Raises:
        TemplateError: a resource is declared in a way that AWS would refuse.
    """
    outputs, unresolved = template.outputs()
    return Stack(
        functions=_functions(template),
        layers=template.read(_layer, "AWS::Lambda::LayerVersion"),
        unresolved_layers=dict(template.read(_unresolved_layers, "AWS::Lambda::Function")),
        unresolved_variables=dict(template.read(_unresolved_variables, "AWS::Lambda::Function")),
        queues=template.read(_queue, "AWS::SQS::Queue"),
        topics=template.read(_topic, "AWS::SNS::Topic"),
        mappings=template.read(_mapping, "AWS::Lambda::EventSourceMapping"),
        schedules=template.read(_schedules, "AWS::Events::Rule", "AWS::Scheduler::Schedule"),
        apis=(apis := read_apis(template)),
        routes=read_routes(template, apis),
        outputs=outputs,
        unresolved_outputs=unresolved,
    )


def _functions(template: Template) -> tuple[FunctionDeclaration, ...]:
    """Return the functions, each with what its `EventInvokeConfig` says."""
    found = {function.name: function for function in template.read(_function, "AWS::Lambda::Function")}
    for logical_id, name, settings in template.read(_asynchronous, "AWS::Lambda::EventInvokeConfig"):
        if name not in found:
            raise template.error(logical_id, f"there is no function {name!r}")
        found[name] = replace(found[name], **settings)
    return tuple(found.values())


def _asynchronous(template: Template, it: Resource) -> Iterator[tuple[str, str, dict[str, Any]]]:
    destinations = it.properties.get("DestinationConfig") or {}
    settings = {
        "on_failure": _destination(destinations, "OnFailure"),
        "on_success": _destination(destinations, "OnSuccess"),
        "retry_attempts": int(template.number(it, "MaximumRetryAttempts", 2, 0, 2)),
        "event_age": template.number(it, "MaximumEventAgeInSeconds", 21_600, 60, 21_600),
    }
    yield it.logical_id, arns.function(str(it.properties.get("FunctionName")))[0], settings


def _function(template: Template, it: Resource) -> Iterator[FunctionDeclaration]:
    properties = it.properties
    image = properties.get("PackageType") == "Image"
    handler, code = properties.get("Handler"), properties.get("Code")
    logging = properties.get("LoggingConfig") or {}
    reserved = "ReservedConcurrentExecutions"
    yield FunctionDeclaration(
        logical_id=it.logical_id,
        name=template.name(it.logical_id),
        runtime=None if image else str(properties.get("Runtime", "python")),
        handler=handler if isinstance(handler, str) else None,
        code=template.path(it, "Code"),
        inline_code=code.get("ZipFile") if isinstance(code, dict) else None,
        timeout=template.number(it, "Timeout", 3, 0.01),
        memory=int(template.number(it, "MemorySize", 128, 128)),
        environment={name: value for name, value, _ in template.variables(it)},
        log_format="JSON" if logging.get("LogFormat") == "JSON" else "Text",
        log_level=str(logging.get("ApplicationLogLevel", "INFO")),
        log_group=logging.get("LogGroup"),
        tracing=(properties.get("TracingConfig") or {}).get("Mode") == "Active",
        reserved_concurrency=int(template.number(it, reserved, 0, 0, 1000))
        if reserved in properties
        else None,
        dead_letter_arn=(properties.get("DeadLetterConfig") or {}).get("TargetArn"),
        layers=_layers(template, it),
    )


def _layers(template: Template, it: Resource) -> tuple[str, ...]:
    layers = tuple(arn for arn, _ in template.entries(it, "Layers"))
    if len(layers) > LAYERS_MOST:
        message = f"a function may have {LAYERS_MOST} layers, and Layers names {len(layers)}"
        raise template.error(it.logical_id, message)
    return layers


def _unresolved_layers(template: Template, it: Resource) -> Iterator[tuple[str, str]]:
    yield from ((arn, reason) for arn, reason in template.entries(it, "Layers") if reason is not None)


def _unresolved_variables(template: Template, it: Resource) -> Iterator[tuple[str, str]]:
    for name, _, reason in template.variables(it):
        if reason is not None:
            yield f"{name} of {it.logical_id}", reason


def _layer(template: Template, it: Resource) -> Iterator[LayerDeclaration]:
    logical_id, written = template.written(it.logical_id)
    yield LayerDeclaration(
        logical_id=logical_id,
        name=template.name(it.logical_id),
        arn=template.attribute(it.logical_id),
        content=template.path(it, "Content"),
        build_method=(written.get("Metadata") or {}).get("BuildMethod"),
    )


def _destination(destinations: dict[str, Any], key: str) -> str | None:
    arn = (destinations.get(key) or {}).get("Destination")
    return None if arn is None else str(arn)


def _mapping(template: Template, it: Resource) -> Iterator[MappingDeclaration]:
    properties = it.properties
    arn = str(properties.get("EventSourceArn", ""))
    queue = arn.startswith("arn:aws:sqs:")
    concurrency = (properties.get("ScalingConfig") or {}).get("MaximumConcurrency")
    most = 10 if arn.endswith(".fifo") else 10_000
    yield MappingDeclaration(
        logical_id=it.logical_id,
        function=arns.function(str(properties.get("FunctionName")))[0],
        source_arn=arn,
        batch_size=int(template.number(it, "BatchSize", 10 if queue else 100, 1, most)),
        batching_window=template.number(it, "MaximumBatchingWindowInSeconds", 0, 0, 300),
        report_batch_item_failures="ReportBatchItemFailures"
        in (properties.get("FunctionResponseTypes") or []),
        maximum_concurrency=None if concurrency is None else int(concurrency),
        enabled=_is_true(properties.get("Enabled", True)),
        filters=tuple(
            text(each.get("Pattern", "{}"))
            for each in (properties.get("FilterCriteria") or {}).get("Filters") or []
        ),
        **({} if queue else _of_a_stream(template, it)),
    )


def _of_a_stream(template: Template, it: Resource) -> dict[str, Any]:
    """Read what streams alone have; -1 stands for no bound.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-lambda-eventsourcemapping.html
    """
    properties = it.properties
    retries = int(template.number(it, "MaximumRetryAttempts", -1, -1, 10_000))
    age = template.number(it, "MaximumRecordAgeInSeconds", -1, -1, 604_800)
    timestamp = properties.get("StartingPositionTimestamp")
    return {
        "starting_position": str(properties.get("StartingPosition", "TRIM_HORIZON")),
        "starting_timestamp": None if timestamp is None else float(timestamp),
        "parallelization": int(template.number(it, "ParallelizationFactor", 1, 1, 10)),
        "bisect": _is_true(properties.get("BisectBatchOnFunctionError", False)),
        "retry_attempts": None if retries < 0 else retries,
        "record_age": None if age < 0 else age,
        "on_failure": _destination(properties.get("DestinationConfig") or {}, "OnFailure"),
    }


def _is_true(value: Any) -> bool:
    return str(value).lower() == "true"


def _queue(template: Template, it: Resource) -> Iterator[QueueDeclaration]:
    policy = it.properties.get("RedrivePolicy") or {}
    policy = json.loads(policy) if isinstance(policy, str) else policy
    yield QueueDeclaration(
        logical_id=it.logical_id,
        name=template.name(it.logical_id),
        dead_letter_arn=policy.get("deadLetterTargetArn"),
    )


def _topic(template: Template, it: Resource) -> Iterator[TopicDeclaration]:
    yield TopicDeclaration(logical_id=it.logical_id, name=template.name(it.logical_id))


def _schedules(template: Template, it: Resource) -> Iterator[ScheduleDeclaration]:
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
        to, arn = str(target.get("Arn")), arns.parse(str(target.get("Arn")))
        yield ScheduleDeclaration(
            logical_id=it.logical_id,
            name=template.name(it.logical_id),
            arn=template.attribute(it.logical_id, "Arn"),
            source="aws.events" if rule else "aws.scheduler",
            expression="" if expression is None else str(expression),
            target=arns.function(to)[0] if arn is None or arn.service == "lambda" else to,
            payload=payload,
            enabled=it.properties.get("State", "ENABLED") == "ENABLED",
        )


def alarm(template: Template, it: Resource) -> dict[str, Any]:
    """Return what CloudWatch is asked for to make an alarm: CloudFormation takes the same, and text for numbers.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-cloudwatch-alarm.html
    """
    return {key: _typed(template, it, key, value) for key, value in it.properties.items()}


def _typed(template: Template, it: Resource, key: str, value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _typed(template, it, name, each) for name, each in value.items()}
    if isinstance(value, list):
        return [_typed(template, it, key, each) for each in value]
    if key in _YES_OR_NO:
        return _is_true(value)
    if key not in _WHOLE and key != "Threshold":
        return value
    try:
        return int(value) if key in _WHOLE else float(value)
    except (TypeError, ValueError):
        raise template.error(it.logical_id, f"{key} must be a number, not {value!r}") from None
