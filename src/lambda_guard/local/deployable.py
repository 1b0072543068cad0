"""The part of a template that runs here: the rest is left out with a warning."""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from lambda_guard.local import placeholders
from lambda_guard.local._errors import LocalCloudError
from lambda_guard.local.layers import on_this_machine
from lambda_guard.local.resources.making import SOURCES, TYPES
from lambda_guard.local.runnable import runnable
from lambda_guard.shapes import arns
from lambda_guard.templates.document import Document
from lambda_guard.templates.reading import read_stack
from lambda_guard.templates.stack import (
    FunctionDeclaration,
    MappingDeclaration,
    QueueDeclaration,
    ScheduleDeclaration,
    Stack,
    TopicDeclaration,
)
from lambda_guard.templates.template import Resource, Template

_UNCHECKED = "permissions are not checked without --enforce-policies"
_CUSTOM = ("AWS::CloudFormation::CustomResource", "Custom::")
_NOT_INVOKED = "what a custom resource's function makes isn't made here, and references to it have its name"
_DESTINATIONS = ("arn:aws:sqs:", "arn:aws:sns:", "arn:aws:lambda:", "arn:aws:events:")
_POLLED = ("arn:aws:sqs:", "arn:aws:kinesis:", "arn:aws:dynamodb:")
_HONOURED: Final = json.loads(files(__package__).joinpath("honoured.json").read_text("utf-8"))
"""What is honoured, by type.

- `properties`: of resources, those that are honoured and those that have no meaning on one machine.
- `without_effect`: types that have no effect here, with the reason; where SAM generated them, nothing need be said.
- `sam`: SAM's own properties that leave no trace in the translated template.
- `events`: the properties of SAM's events.
- `targets`: the services that rules send events to, as `aws.event_bus` does.
- `from_events`: what SAM generates from events and APIs, which are warned of as they are written.
"""


def deployable(
    template: Template,
    directory: Path,
    layers: Mapping[str, str | Path] | None = None,
    *,
    enforced: bool = False,
) -> tuple[Stack, tuple[str, ...]]:
    """Return the stack that can be run here, and a sentence for each thing that isn't honoured.

    Args:
        template: the template.
        directory: where `InlineCode` is written, and archives are unpacked.
        layers: directories or zip archives by a layer's name, its version's ARN or its logical id.
        enforced: whether functions are held to their roles' policies.

    Raises:
        OptionError: one of `layers` can't be used.
        TemplateError: the template is wrong.
    """
    given = {name: Path(path) for name, path in (layers or {}).items()}
    stack, layer_warnings = on_this_machine(read_stack(template), given)
    stack, function_warnings = runnable(template, stack, directory)
    warnings = [
        *placeholders.said(template.placeholders),
        *function_warnings,
        *_unread(template, stack),
        *_source_warnings(template.source),
        *_unhonoured(template.plain, template.source),
        *_warnings(template, stack),
        *template.read(_target_warnings, "AWS::Events::Rule"),
        *layer_warnings,
        *_runtime_warnings({it.runtime for it in stack.functions if it.runtime}),
    ]
    warnings = [warning for warning in warnings if not (enforced and _UNCHECKED in warning)]
    absent = {it.name for it in stack.absent}
    polled = (it for it in stack.mappings if _is_polled(it) and it.enabled and it.function not in absent)
    run = replace(
        stack,
        functions=tuple(_with_destinations(it) for it in stack.functions),
        mappings=tuple(polled),
        schedules=tuple(filter(_is_fired, stack.schedules)),
        routes=tuple(it for it in stack.routes if it.function is not None or it.mock is not None),
    )
    return run, tuple(warnings)


def _with_destinations(it: FunctionDeclaration) -> FunctionDeclaration:
    on_failure = it.on_failure if _is_destination(it.on_failure) else None
    return replace(
        it, on_failure=on_failure, on_success=it.on_success if _is_destination(it.on_success) else None
    )


def _unread(template: Template, stack: Stack) -> Iterator[str]:
    """Yield a sentence for each resource and variable with a value that isn't known here."""
    functions = {it.logical_id for it in stack.absent}
    for logical_id, reason in template.left_out.items():
        if logical_id not in functions:
            yield f"{logical_id} is left out: {reason}"
    for variable, reason in stack.unresolved_variables.items():
        yield f"The variable {variable} has its value as it is written: {reason}"


def _warnings(template: Template, stack: Stack) -> Iterator[str]:
    for function in stack.functions:
        for arn in (function.on_failure, function.on_success):
            if arn is not None and not _is_destination(arn):
                honoured = "SQS, SNS, Lambda and EventBridge are"
                yield f"{function.logical_id}: the destination {arn} is not honoured: {honoured}"
    yield from _mapping_warnings(stack.mappings)
    yield from _elsewhere(template, stack)
    for schedule in stack.schedules:
        if not _is_fired(schedule):
            yield f"{schedule.logical_id}: the target {schedule.target} gets nothing here"
    for pool in template.resources("AWS::Cognito::UserPool"):
        if "LambdaConfig" in (template.written(pool.logical_id)[1].get("Properties") or {}):
            yield f"{pool.logical_id}: the triggers of LambdaConfig don't fire here"
    yield from _route_warnings(stack)
    yield from _unchecked(stack)
    for output, reason in stack.unresolved_outputs.items():
        yield f"The output {output} is left out: {reason}"


def _route_warnings(stack: Stack) -> Iterator[str]:
    names = {it.name for it in stack.functions} | {it.name for it in stack.absent}
    for route in stack.routes:
        if route.function is None and route.mock is None:
            yield f"{route.api}: {route.method} {route.path} isn't integrated with a function, and is not served"
        elif route.function is not None and route.function not in names:
            yield f"{route.api}: {route.method} {route.path} fails: there is no function {route.function!r} here"


def _target_warnings(_template: Template, rule: Resource) -> Iterator[str]:
    for target in rule.properties.get("Targets") or []:
        arn = arns.parse(str(target.get("Arn")))
        if arn is None or arn.service not in _HONOURED["targets"] or "api-destination/" in arn.resource:
            yield f"{rule.logical_id}: the target {target.get('Arn')} gets nothing here"


def _mapping_warnings(mappings: Iterable[MappingDeclaration]) -> Iterator[str]:
    for mapping in mappings:
        if not _is_polled(mapping):
            source = mapping.source_arn or "without an ARN"
            yield f"{mapping.logical_id}: the event source {source} is not polled here"
        elif mapping.on_failure is not None and not mapping.on_failure.startswith(_DESTINATIONS[:2]):
            yield f"{mapping.logical_id}: the destination {mapping.on_failure} is not honoured: SQS and SNS are"


def _elsewhere(template: Template, stack: Stack) -> Iterator[str]:
    """Yield a sentence for each queue or stream that is polled, and that the template doesn't have."""
    names = {template.name(it.logical_id) for it in template.resources(*SOURCES)}
    run = {it.name for it in stack.functions}
    for mapping in filter(_is_polled, stack.mappings):
        arn = mapping.source_arn
        if (
            mapping.enabled
            and mapping.function in run
            and (arns.name if ":sqs:" in arn else arns.stream)(arn) not in names
        ):
            yield f"{mapping.logical_id}: {arn} isn't in the template, and is polled once it exists here"


def _is_polled(mapping: MappingDeclaration) -> bool:
    return mapping.source_arn.startswith(_POLLED)


def _is_fired(it: ScheduleDeclaration) -> bool:
    return it.source == "aws.events" or not it.target.startswith("arn:") or ":states:" in it.target


def _is_destination(arn: str | None) -> bool:
    return arn is not None and arn.startswith(_DESTINATIONS)


def _unchecked(stack: Stack) -> Iterator[str]:
    """Yield a sentence for each API that lets more through here than on AWS."""
    for api in dict.fromkeys(route.api for route in stack.routes):
        routes = [route for route in stack.routes if route.api == api]
        if any(route.api_key for route in routes):
            yield f"{api}: API keys are not checked here"
        if any(route.iam for route in routes):
            yield f"{api}: signatures (AWS_IAM) are not checked here"
        if any(route.authorizer and route.authorizer.function is None for route in routes):
            yield f"{api}: tokens are not verified here: their claims count, or those in X-Lambda-Guard-Claims"


def _unhonoured(plain: Document, source: Document) -> Iterator[str]:
    """Yield a sentence for each part of the translated template that isn't honoured.

    Args:
        plain: the template after SAM's translation.
        source: as the user wrote it: anything else was generated, and needs no warning.
    """
    for name, resource in plain["Resources"].items():
        kind, written = resource["Type"], source["Resources"].get(name)
        if kind in _HONOURED["without_effect"]:
            if written:
                yield f"{name} ({kind}) has no effect: {_HONOURED['without_effect'][kind]}"
        elif kind in TYPES:
            continue  # whatever isn't honoured is known once it's made
        elif kind not in _HONOURED["properties"]:
            reason = _NOT_INVOKED if kind.startswith(_CUSTOM) else "the local cloud has no such resource"
            yield f"{name} ({kind}) is not created: {reason}"
        elif written or kind not in _HONOURED["from_events"]:
            said = written.get("Properties", ()) if written and written["Type"] in _HONOURED["sam"] else ()
            properties = resource.get("Properties") or {}
            given = {key for key, value in properties.items() if value not in ("", None, [], {})}
            given |= {f"LoggingConfig.{key}" for key in properties.get("LoggingConfig") or ()}
            for key in sorted(given - set(_HONOURED["properties"][kind]) - set(said)):
                yield f"{name} ({kind}): the property {key} is not honoured"
            if properties.get("ProtocolType") == "WEBSOCKET":
                yield f"{name} ({kind}): WebSocket APIs are not served here"


def _runtime_warnings(runtimes: set[str]) -> Iterator[str]:
    """Yield a sentence for each runtime that isn't this interpreter."""
    here = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for runtime in sorted(runtimes - {here, "python"}):
        yield f"Runtime {runtime}: functions run with this interpreter, {here}"


def _source_warnings(source: Document) -> Iterator[str]:
    """Yield what only the template as written shows: events, policies, SAM's own."""
    with_policies = []
    defaults = (source.get("Globals") or {}).get("Function") or {}
    for name, resource in source["Resources"].items():
        kind, properties = resource["Type"], resource.get("Properties") or {}
        if kind == "AWS::Serverless::Function":
            yield from _event_warnings(name, properties.get("Events") or {})
            with_policies += [name] if {"Policies", "Role"} & {*properties, *defaults} else []
        elif kind in _HONOURED["sam"]:
            for key in sorted(set(properties) - set(_HONOURED["sam"][kind])):
                yield f"{name} ({kind}): the property {key} is not honoured"
    if with_policies:
        yield f"Policies and Role of {', '.join(with_policies)}: {_UNCHECKED}"


def _event_warnings(function: str, events: Any) -> Iterator[str]:
    for name, event in events.items() if isinstance(events, dict) else ():
        kind = event.get("Type") if isinstance(event, dict) else None
        if kind not in _HONOURED["events"]:
            yield f"{function}: the event {name} of type {kind} doesn't fire here"
            continue
        for key in sorted(set(event.get("Properties") or {}) - set(_HONOURED["events"][kind])):
            yield f"{function}: the property {key} of the event {name} ({kind}) is not honoured"


def is_idle(template: Template, stack: Stack) -> bool:
    """Return whether no function runs, and nothing else is there of which a function isn't the point."""
    if stack.functions or stack.queues or stack.topics or not stack.absent:
        return False
    others = (it for it in template.resources(*TYPES) if it.logical_id in template.source["Resources"])
    return all(it.kind.startswith(("AWS::IAM::", "AWS::Logs::")) for it in others)


def named(name: str, what: str, declarations: Iterable[QueueDeclaration | TopicDeclaration]) -> str:
    """Return the name of a queue or a topic by logical id or name; LocalCloudError where there is none."""
    names = {declaration.logical_id: declaration.name for declaration in declarations}
    if name not in names and name not in names.values():
        raise LocalCloudError(f"there is no {what} {name!r}; there are: {', '.join(names) or 'none'}")
    return names.get(name, name)
