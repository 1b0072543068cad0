"""Functions as a template declares them, with their asynchronous invocations and event source mappings.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-lambda-function.html
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from lambda_guard.shapes import arns
from lambda_guard.templates.stack import FunctionDeclaration, MappingDeclaration
from lambda_guard.templates.template import Resource, Template, text


def read_functions(template: Template) -> tuple[FunctionDeclaration, ...]:
    """Return the functions, each with what its `EventInvokeConfig` says."""
    found = {function.name: function for function in template.read("AWS::Lambda::Function", _function)}

    for logical_id, name, settings in template.read("AWS::Lambda::EventInvokeConfig", _asynchronous):
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
    environment = (properties.get("Environment") or {}).get("Variables") or {}
    reserved = "ReservedConcurrentExecutions"
    yield FunctionDeclaration(
        logical_id=it.logical_id,
        name=template.name(it.logical_id),
        runtime=None if image else str(properties.get("Runtime", "python")),
        handler=handler if isinstance(handler, str) else None,
        code=template.code(it),
        inline_code=code.get("ZipFile") if isinstance(code, dict) else None,
        timeout=template.number(it, "Timeout", 3, 0.01, 900),
        memory=int(template.number(it, "MemorySize", 128, 128, 10_240)),
        environment={name: text(value) for name, value in environment.items()},
        log_format="JSON" if (properties.get("LoggingConfig") or {}).get("LogFormat") == "JSON" else "Text",
        tracing=(properties.get("TracingConfig") or {}).get("Mode") == "Active",
        reserved_concurrency=int(template.number(it, reserved, 0, 0, 1000))
        if reserved in properties
        else None,
        dead_letter_arn=(properties.get("DeadLetterConfig") or {}).get("TargetArn"),
    )


def _destination(destinations: dict[str, Any], key: str) -> str | None:
    arn = (destinations.get(key) or {}).get("Destination")
    return None if arn is None else str(arn)


def read_mapping(template: Template, it: Resource) -> Iterator[MappingDeclaration]:
    """Yield an event source mapping."""
    properties = it.properties
    arn = str(properties.get("EventSourceArn", ""))
    queue = arn.startswith("arn:aws:sqs:")
    concurrency = (properties.get("ScalingConfig") or {}).get("MaximumConcurrency")
    yield MappingDeclaration(
        logical_id=it.logical_id,
        function=arns.function(str(properties.get("FunctionName")))[0],
        source_arn=arn,
        batch_size=int(
            template.number(it, "BatchSize", 10 if queue else 100, 1, 10 if arn.endswith(".fifo") else 10_000)
        ),
        batching_window=template.number(it, "MaximumBatchingWindowInSeconds", 0, 0, 300),
        report_batch_item_failures="ReportBatchItemFailures"
        in (properties.get("FunctionResponseTypes") or []),
        maximum_concurrency=None if concurrency is None else int(concurrency),
        enabled=str(properties.get("Enabled", True)).lower() != "false",
    )
