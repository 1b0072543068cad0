"""What an account and Region say of their functions, in the same words as a template."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, Final

from lambda_guard.templates.survey.model import Alarm, Function, LogGroup, Metric, Queue, Source, Survey
from lambda_guard.templates.survey.nodes import Place, Unknown
from lambda_guard.templates.survey.sources import SERVICES, kind_of_arn
from lambda_guard.tools.audit.asking import Asking
from lambda_guard.tools.audit.roles import statements
from lambda_guard.tools.aws import NotPermittedError

_PARTS: Final = {
    "lambda.list_event_source_mappings": ("mappings", "which queues and streams functions read"),
    "lambda.get_policy": ("callers", "what invokes functions asynchronously"),
    "scheduler.list_schedules": ("schedules", "which functions EventBridge Scheduler invokes"),
    "lambda.get_function_event_invoke_config": ("destinations", "where failed asynchronous events go"),
    "lambda.get_function_concurrency": ("concurrency", "which concurrency is reserved"),
    "sqs.get_queue_attributes": ("queues", "redrive and visibility of queues"),
    "sqs.get_queue_url": ("queues", "redrive and visibility of queues"),
    "cloudwatch.describe_alarms": ("alarms", "which alarms there are"),
    "logs.describe_log_groups": ("log groups", "how long log lines are kept"),
    "iam.list_role_policies": ("roles", "what roles allow"),
    "iam.get_role_policy": ("roles", "what roles allow"),
    "iam.list_attached_role_policies": ("roles", "what roles allow"),
    "iam.get_policy": ("roles", "what roles allow"),
    "iam.get_policy_version": ("roles", "what roles allow"),
}
"""Operation → the part of the survey that it fills, and what isn't known without it."""


def account(asking: Asking, progress: Callable[[int], object]) -> Survey:
    """Return the survey of an account; what isn't permitted is among its notes, and the rest is there.

    Args:
        asking: asks AWS.
        progress: called with 1 for each function that is done.

    Raises:
        CloudError: AWS can't be reached, or the functions can't be listed at all.
    """
    configurations = listed(asking)
    functions, sources = list[Function](), [*_mappings(asking), *_schedules(asking)]
    for configuration in configurations:
        functions.append(_function(asking, configuration))
        sources += _callers(asking, functions[-1])
        progress(1)
    found = Survey(
        file=f"account {asking.account}, {asking.region}",
        deployed=True,
        functions=tuple(functions),
        sources=tuple(sources),
        queues=tuple(_queues(asking, functions, sources)),
        statements=tuple(statements(asking, configurations)),
        alarms=tuple(alarms(asking)),
        log_groups=tuple(_log_groups(asking, functions)),
    )
    return replace(found, **refusals(asking))


def listed(asking: Asking) -> list[dict[str, Any]]:
    """Return the configurations of all functions.

    Raises:
        CloudError: they may not be listed, or AWS can't be reached.
    """
    found = asking.pages("lambda", "list_functions", "Functions")
    if (refused := asking.refused.get("lambda.list_functions")) is not None:
        raise NotPermittedError(refused)
    return found


def refusals(asking: Asking) -> dict[str, Any]:
    """Return what isn't permitted: the notes of a survey, a sentence for each operation, and the parts it lacks."""
    refused = {it: _PARTS[it] for it in asking.refused if it in _PARTS}
    return {
        "notes": tuple(f"not known: {what}: {asking.refused[it]}" for it, (_, what) in refused.items()),
        "unread": {part: f"{what} isn't permitted to be read" for part, what in refused.values()},
    }


# long: a line for each setting
def _function(asking: Asking, it: dict[str, Any]) -> Function:
    name, logging = it["FunctionName"], it.get("LoggingConfig") or {}
    concurrency = asking.one("lambda", "get_function_concurrency", FunctionName=name) or {}
    reserved = concurrency.get("ReservedConcurrentExecutions")
    durable = (it.get("DurableConfig") or {}).get("ExecutionTimeout")
    return Function(
        logical_id=name,
        name=name,
        place=Place(it["FunctionArn"]),
        runtime=it.get("Runtime"),
        image=it.get("PackageType") == "Image",
        handler=it.get("Handler"),
        timeout=float(it.get("Timeout", 3)),
        memory=float(it.get("MemorySize", 128)),
        environment=(it.get("Environment") or {}).get("Variables") or {},
        tracing=(it.get("TracingConfig") or {}).get("Mode"),
        log_format=logging.get("LogFormat"),
        log_group=logging.get("LogGroup"),
        application_log_level=logging.get("ApplicationLogLevel"),
        reserved=None if reserved is None else float(reserved),
        dead_letter=(it.get("DeadLetterConfig") or {}).get("TargetArn") or None,
        on_failure=_on_failure(asking, name),
        layers=tuple(layer["Arn"] for layer in it.get("Layers") or []),
        durable_seconds=None if durable is None else float(durable),
    )


def _on_failure(asking: Asking, name: str) -> str | Unknown | None:
    operation = "get_function_event_invoke_config"
    answer = asking.one("lambda", operation, FunctionName=name)
    if f"lambda.{operation}" in asking.refused:
        return Unknown(operation)
    destinations = (answer or {}).get("DestinationConfig") or {}
    return (destinations.get("OnFailure") or {}).get("Destination")


def _mappings(asking: Asking) -> Iterator[Source]:
    for it in asking.pages("lambda", "list_event_source_mappings", "EventSourceMappings"):
        arn = it.get("EventSourceArn")
        kind, service = kind_of_arn(str(arn)) or ("stream", "kafka")
        failed = ((it.get("DestinationConfig") or {}).get("OnFailure") or {}).get("Destination")
        yield Source(
            kind=kind,
            service=service,
            function=_name(it["FunctionArn"]),
            place=Place(it["FunctionArn"]),
            source=arn,
            batch_size=_number(it.get("BatchSize")),
            window=_number(it.get("MaximumBatchingWindowInSeconds")),
            partial="ReportBatchItemFailures" in (it.get("FunctionResponseTypes") or []),
            on_failure=failed,
            retries=_number(it.get("MaximumRetryAttempts")),
            age=_number(it.get("MaximumRecordAgeInSeconds")),
            concurrency=_number((it.get("ScalingConfig") or {}).get("MaximumConcurrency")),
            metrics="EventCount" in ((it.get("MetricsConfig") or {}).get("Metrics") or []),
            enabled=it.get("State") not in {"Disabled", "Disabling"},
        )


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _name(arn: str) -> str:
    return arn.rsplit(":function:", maxsplit=1)[-1].split(":", maxsplit=1)[0]


def _callers(asking: Asking, function: Function) -> Iterator[Source]:
    """Yield who may invoke a function asynchronously, by its own policy."""
    policy = asking.one("lambda", "get_policy", FunctionName=function.logical_id) or {}
    for statement in json.loads(policy.get("Policy", "{}")).get("Statement", []):
        principal = statement.get("Principal")
        service = str(principal.get("Service") if isinstance(principal, dict) else principal)
        if (name := service.removesuffix(".amazonaws.com")) in SERVICES:
            yield Source(
                kind="asynchronous", service=name, function=function.logical_id, place=function.place
            )


def _schedules(asking: Asking) -> Iterator[Source]:
    for it in asking.pages("scheduler", "list_schedules", "Schedules"):
        arn = str((it.get("Target") or {}).get("Arn"))
        if ":function:" in arn and it.get("State") != "DISABLED":
            yield Source(kind="asynchronous", service="schedule", function=_name(arn), place=Place(arn))


def _queues(asking: Asking, functions: list[Function], sources: list[Source]) -> Iterator[Queue]:
    """Yield the queues that functions read or send their failures to, and those queues' dead-letter queues."""
    wanted = [it.source for it in sources] + [it.on_failure for it in sources]
    wanted += [target for it in functions for target in (it.dead_letter, it.on_failure)]
    left, seen = [it for it in wanted if isinstance(it, str)], set[str]()
    while left:
        arn = left.pop()
        if ":sqs:" not in arn or arn in seen:
            continue
        seen.add(arn)
        queue = _queue(asking, arn)
        if queue is not None:
            yield queue
            left += [queue.dead_letters] if isinstance(queue.dead_letters, str) else []


def _queue(asking: Asking, arn: str) -> Queue | None:
    *_, owner, name = arn.split(":")
    url = asking.one("sqs", "get_queue_url", QueueName=name, QueueOwnerAWSAccountId=owner)
    if url is None:
        return None
    answer = asking.one("sqs", "get_queue_attributes", QueueUrl=url["QueueUrl"], AttributeNames=["All"])
    if answer is None:
        return None
    attributes = answer.get("Attributes", {})
    redrive = json.loads(attributes.get("RedrivePolicy") or "{}")
    return Queue(
        logical_id=name,
        name=name,
        place=Place(arn),
        fifo=attributes.get("FifoQueue") == "true",
        visibility=_number(attributes.get("VisibilityTimeout")),
        retention=_number(attributes.get("MessageRetentionPeriod")),
        dead_letters=redrive.get("deadLetterTargetArn"),
        receives=_number(redrive.get("maxReceiveCount")),
    )


def alarms(asking: Asking) -> Iterator[Alarm]:
    """Yield the alarms of an account and Region."""
    for it in asking.pages("cloudwatch", "describe_alarms", "MetricAlarms"):
        metrics, queries = list[Metric](), list[str]()
        if it.get("MetricName"):
            metrics.append(_metric(it, it.get("Period")))
        for query in it.get("Metrics") or []:
            if stat := query.get("MetricStat"):
                metrics.append(_metric(stat["Metric"], stat.get("Period")))
            elif "SELECT" in query.get("Expression", "").upper():
                queries.append(query["Expression"])
        yield Alarm(
            logical_id=it["AlarmName"],
            name=it["AlarmName"],
            place=Place(it["AlarmArn"]),
            metrics=tuple(metrics),
            queries=tuple(queries),
            periods=_number(it.get("EvaluationPeriods")),
            datapoints=_number(it.get("DatapointsToAlarm") or it.get("EvaluationPeriods")),
        )


def _metric(it: dict[str, Any], period: Any) -> Metric:
    return Metric(
        namespace=it.get("Namespace"),
        name=it.get("MetricName"),
        dimensions={one["Name"]: one["Value"] for one in it.get("Dimensions") or []},
        period=_number(period),
    )


def _log_groups(asking: Asking, functions: list[Function]) -> Iterator[LogGroup]:
    """Yield the log groups of functions: Lambda's own, and those that functions name."""
    named = {str(it.log_group) for it in functions if it.log_group is not None}
    prefixes = ["/aws/lambda/", *sorted(name for name in named if not name.startswith("/aws/lambda/"))]
    for prefix in prefixes:
        for it in asking.pages("logs", "describe_log_groups", "logGroups", logGroupNamePrefix=prefix):
            yield LogGroup(
                logical_id=it["logGroupName"],
                name=it["logGroupName"],
                place=Place(it["arn"]),
                retention=_number(it.get("retentionInDays")),
                kind=it.get("logGroupClass"),
            )
