"""From plain CloudFormation resources to declarations."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, Literal, TypeVar

from lambda_guard.local._errors import TemplateError
from lambda_guard.templates import openapi
from lambda_guard.templates.intrinsics import NO_VALUE, Resolver, Template
from lambda_guard.templates.references import Place, references
from lambda_guard.templates.stack import (
    FunctionDeclaration,
    MappingDeclaration,
    QueueDeclaration,
    RouteDeclaration,
    ScheduleDeclaration,
    Stack,
    SubscriptionDeclaration,
    TopicDeclaration,
)
from lambda_guard.templates.support import runtime_warnings

T = TypeVar("T")
_QUEUE_ATTRIBUTES = (
    "VisibilityTimeout",
    "DelaySeconds",
    "FifoQueue",
    "ContentBasedDeduplication",
    "DeduplicationScope",
    "FifoThroughputLimit",
    "MaximumMessageSize",
    "MessageRetentionPeriod",
    "ReceiveMessageWaitTimeSeconds",
    "RedrivePolicy",
)
_NAME_PROPERTY = {
    "AWS::SQS::Queue": "QueueName",
    "AWS::SNS::Topic": "TopicName",
    "AWS::Lambda::Function": "FunctionName",
    "AWS::Events::Rule": "Name",
    "AWS::Scheduler::Schedule": "Name",
}


class _Properties(Mapping[str, Any]):
    """Properties that are resolved when they are read: what has no effect here may be beyond us."""

    def __init__(self, raw: Mapping[str, Any], resolver: Resolver, where: str) -> None:
        self._raw = raw
        self._resolver = resolver
        self._where = where

    def __getitem__(self, key: str) -> Any:
        value = self._resolver.resolve(self._raw[key], f"{self._where}.{key}")
        if value is NO_VALUE:
            raise KeyError(key)
        return value

    def __iter__(self) -> Iterator[str]:
        return (key for key in self._raw if key in self)

    def __len__(self) -> int:
        return len(list(iter(self)))


@dataclass(frozen=True, slots=True)
class _Resource:
    logical_id: str
    kind: str
    properties: Mapping[str, Any]


class StackReader:
    """Reads one translated template.

    Args:
        file: for messages.
        template: plain CloudFormation.
        places: where the code of functions is, by the key of their placeholder.
        base: the directory that relative paths start from.
        parameters: values of parameters and pseudo parameters.
        region: for ARNs.
        account: for ARNs.
        endpoint: for queue URLs.
        inline_code: a directory for `InlineCode`.
    """

    def __init__(
        self,
        *,
        file: str,
        template: Template,
        places: Mapping[str, Path],
        base: Path,
        parameters: Mapping[str, Any],
        region: str,
        account: str,
        endpoint: str,
        inline_code: Path,
    ) -> None:
        self._file = file
        self._template = template
        self._places = places
        self._base = base
        self._place = Place(region, account, endpoint)
        self._inline_code = inline_code
        self._resolver = Resolver(file, template, parameters, self._attribute)
        self._warnings: list[str] = []
        self._runtimes: set[str] = set()

    def read(self, warnings: list[str]) -> Stack:
        """Return the stack; `warnings` come first in its own."""
        self._warnings = list(warnings)
        functions = self._with_invoke_configs(self._each("AWS::Lambda::Function", self._function))
        stack = Stack(
            functions=tuple(functions),
            queues=tuple(self._each("AWS::SQS::Queue", self._queue)),
            topics=tuple(self._each("AWS::SNS::Topic", self._topic)),
            subscriptions=(
                *self._each("AWS::SNS::Subscription", self._subscription),
                *chain(*self._each("AWS::SNS::Topic", self._inline_subscriptions)),
            ),
            mappings=tuple(filter(None, self._each("AWS::Lambda::EventSourceMapping", self._mapping))),
            schedules=(
                *chain(*self._each("AWS::Events::Rule", self._rules)),
                *self._each("AWS::Scheduler::Schedule", self._schedule),
            ),
            routes=(
                *chain(*self._each("AWS::ApiGateway::RestApi", partial(self._routes, version="1.0"))),
                *chain(*self._each("AWS::ApiGatewayV2::Api", partial(self._routes, version="2.0"))),
            ),
            outputs=self._outputs(),
        )
        return replace(stack, warnings=(*self._warnings, *runtime_warnings(self._runtimes)))

    # --- Names and references -------------------------------------------------------------------------------

    def _of(self, kind: str) -> Iterator[_Resource]:
        for logical_id, resource in self._template["Resources"].items():
            if resource["Type"] != kind:
                continue
            if "Condition" in resource and not self._resolver.holds(resource["Condition"]):
                continue
            yield _Resource(logical_id, kind, self._properties(logical_id))

    def _each(self, kind: str, read: Callable[[_Resource], T]) -> list[T]:
        """Return what `read` makes of each resource of a type, what it yields as a list."""
        found: list[Any] = []
        for it in self._of(kind):
            try:
                declared: Any = read(it)
                found.append(list(declared) if isinstance(declared, Iterator) else declared)
            except TemplateError:
                raise
            except (AttributeError, KeyError, TypeError, ValueError) as error:
                raise self._error(
                    it.logical_id, f"a property isn't what {kind} has there: {error}"
                ) from error
        return found

    def _properties(self, logical_id: str) -> Mapping[str, Any]:
        properties = self._template["Resources"][logical_id].get("Properties") or {}
        return _Properties(properties, self._resolver, f"resource {logical_id}")

    def _name(self, logical_id: str) -> str:
        resource = self._template["Resources"][logical_id]
        properties = resource.get("Properties") or {}
        key = _NAME_PROPERTY.get(resource["Type"], "Name")
        if key in properties:
            return str(self._resolver.resolve(properties[key], f"resource {logical_id}.{key}"))
        fifo = properties.get("FifoQueue") or properties.get("FifoTopic")
        return f"{logical_id}.fifo" if str(fifo).lower() == "true" else logical_id

    def _attribute(self, logical_id: str, attribute: str | None) -> Any:
        """Return what `Ref` (None) or `GetAtt` gives."""
        kind, name = self._template["Resources"][logical_id]["Type"], self._name(logical_id)
        if kind in {"AWS::Lambda::Alias", "AWS::Lambda::Version"}:
            return self._properties(logical_id)["FunctionName"]
        known = references(kind, logical_id, name, self._place)
        if known is None:
            # Nothing stands behind it, which a warning says; its name may still be passed on.
            service = kind.split("::")[1].lower()
            return self._place.arn(service, name) if attribute and attribute.endswith("Arn") else name
        if attribute not in known:
            raise self._error(logical_id, f"{kind} has no attribute {attribute!r} here")
        return known[attribute]

    def _error(self, logical_id: str, message: str) -> TemplateError:
        return TemplateError(f"{self._file}: resource {logical_id}: {message}")

    def _number(self, it: _Resource, key: str, default: float, lowest: float, highest: float) -> float:
        value = it.properties.get(key, default)
        try:
            number = float(value)
        except (TypeError, ValueError):
            raise self._error(it.logical_id, f"{key} must be a number, not {value!r}") from None
        if not lowest <= number <= highest:
            raise self._error(
                it.logical_id, f"{key} must be between {lowest:g} and {highest:g}, not {number:g}"
            )
        return number

    # --- Functions ------------------------------------------------------------------------------------------

    def _function(self, it: _Resource) -> FunctionDeclaration:
        properties = it.properties
        runtime = str(properties.get("Runtime", "python"))
        if properties.get("PackageType") == "Image" or not runtime.startswith("python"):
            raise self._error(it.logical_id, "the local cloud runs Python functions from a directory only")
        self._runtimes.add(runtime)
        handler = properties.get("Handler")
        if not isinstance(handler, str) or "." not in handler:
            raise self._error(it.logical_id, f"Handler must be `module.function`, not {handler!r}")
        environment = (properties.get("Environment") or {}).get("Variables") or {}
        logging = properties.get("LoggingConfig") or {}
        return FunctionDeclaration(
            logical_id=it.logical_id,
            name=self._name(it.logical_id),
            handler=handler,
            code=self._code(it),
            timeout=self._number(it, "Timeout", 3, 0.01, 900),
            memory=int(self._number(it, "MemorySize", 128, 128, 10_240)),
            environment={name: _text(value) for name, value in environment.items()},
            log_format="JSON" if logging.get("LogFormat") == "JSON" else "Text",
            tracing=(properties.get("TracingConfig") or {}).get("Mode") == "Active",
            reserved_concurrency=int(self._number(it, "ReservedConcurrentExecutions", 10, 1, 1000)),
            dead_letter_arn=(properties.get("DeadLetterConfig") or {}).get("TargetArn"),
        )

    def _code(self, it: _Resource) -> Path:
        code = it.properties.get("Code")
        if isinstance(code, dict) and "ZipFile" in code:
            directory = self._inline_code / it.logical_id
            directory.mkdir(parents=True, exist_ok=True)
            (directory / "index.py").write_text(code["ZipFile"], encoding="utf-8")
            return directory
        key = code.get("S3Key") if isinstance(code, dict) else None
        place = self._places.get(str(key)) if key else self._base / code if isinstance(code, str) else None
        if place is None:
            raise self._error(it.logical_id, "the code must be a local directory")
        if not place.is_dir():
            raise self._error(it.logical_id, f"the code {str(place)!r} is no directory")
        return place

    def _with_invoke_configs(self, functions: list[FunctionDeclaration]) -> list[FunctionDeclaration]:
        found = {function.name: function for function in functions}

        def configure(it: _Resource) -> None:
            name = _function_name(it.properties.get("FunctionName"))
            if name not in found:
                raise self._error(it.logical_id, f"there is no function {name!r}")
            destinations = it.properties.get("DestinationConfig") or {}
            found[name] = replace(
                found[name],
                on_failure=self._destination(it, destinations, "OnFailure"),
                on_success=self._destination(it, destinations, "OnSuccess"),
                retries_most=int(self._number(it, "MaximumRetryAttempts", 2, 0, 2)),
                event_age_most=self._number(it, "MaximumEventAgeInSeconds", 21_600, 60, 21_600),
            )

        self._each("AWS::Lambda::EventInvokeConfig", configure)
        return list(found.values())

    def _destination(self, it: _Resource, destinations: dict[str, Any], key: str) -> str | None:
        arn = (destinations.get(key) or {}).get("Destination")
        if arn is None:
            return None
        if str(arn).split(":")[2:3] in (["sqs"], ["sns"], ["lambda"]):
            return str(arn)
        self._warnings.append(
            f"{it.logical_id}: the destination {arn} is not honoured: SQS, SNS and Lambda are"
        )
        return None

    # --- Queues and topics ----------------------------------------------------------------------------------

    def _queue(self, it: _Resource) -> QueueDeclaration:
        attributes = {key: _text(it.properties[key]) for key in _QUEUE_ATTRIBUTES if key in it.properties}
        if "RedrivePolicy" in attributes:
            attributes["RedrivePolicy"] = json.dumps(self._redrive(it))
        return QueueDeclaration(
            logical_id=it.logical_id, name=self._name(it.logical_id), attributes=attributes
        )

    def _redrive(self, it: _Resource) -> dict[str, Any]:
        policy = it.properties["RedrivePolicy"]
        policy = json.loads(policy) if isinstance(policy, str) else policy
        try:
            return {
                "deadLetterTargetArn": policy["deadLetterTargetArn"],
                "maxReceiveCount": int(policy["maxReceiveCount"]),
            }
        except (KeyError, TypeError, ValueError):
            message = "RedrivePolicy needs `deadLetterTargetArn` and a whole number `maxReceiveCount`"
            raise self._error(it.logical_id, message) from None

    def _topic(self, it: _Resource) -> TopicDeclaration:
        keys = ("DisplayName", "FifoTopic", "ContentBasedDeduplication")
        attributes = {key: _text(it.properties[key]) for key in keys if key in it.properties}
        return TopicDeclaration(
            logical_id=it.logical_id, name=self._name(it.logical_id), attributes=attributes
        )

    def _subscription(self, it: _Resource) -> SubscriptionDeclaration:
        properties = it.properties
        missing = [key for key in ("TopicArn", "Protocol", "Endpoint") if key not in properties]
        if missing:
            raise self._error(it.logical_id, f"{', '.join(missing)} is missing")
        attributes = {}
        if str(properties.get("RawMessageDelivery")).lower() == "true":
            attributes["RawMessageDelivery"] = "true"
        if "FilterPolicy" in properties:
            attributes["FilterPolicy"] = _text(properties["FilterPolicy"])
        if "FilterPolicyScope" in properties:
            attributes["FilterPolicyScope"] = properties["FilterPolicyScope"]
        return SubscriptionDeclaration(
            logical_id=it.logical_id,
            topic_arn=properties["TopicArn"],
            protocol=properties["Protocol"],
            endpoint=properties["Endpoint"],
            attributes=attributes,
        )

    def _inline_subscriptions(self, it: _Resource) -> Iterator[SubscriptionDeclaration]:
        for subscription in it.properties.get("Subscription") or []:
            properties = {**subscription, "TopicArn": self._attribute(it.logical_id, None)}
            yield self._subscription(_Resource(it.logical_id, it.kind, properties))

    def _mapping(self, it: _Resource) -> MappingDeclaration | None:
        properties = it.properties
        arn = str(properties.get("EventSourceArn", ""))
        if not arn.startswith("arn:aws:sqs:"):
            self._warnings.append(
                f"{it.logical_id}: the event source {arn or 'without an ARN'} is not polled here"
            )
            return None
        if str(properties.get("Enabled", True)).lower() == "false":
            return None
        fifo = arn.endswith(".fifo")
        return MappingDeclaration(
            logical_id=it.logical_id,
            function=_function_name(properties.get("FunctionName")),
            queue_arn=arn,
            batch_size=int(self._number(it, "BatchSize", 10, 1, 10 if fifo else 10_000)),
            window=self._number(it, "MaximumBatchingWindowInSeconds", 0, 0, 300),
            report_batch_item_failures="ReportBatchItemFailures"
            in (properties.get("FunctionResponseTypes") or []),
            concurrency_most=int((properties.get("ScalingConfig") or {}).get("MaximumConcurrency", 5)),
        )

    # --- Schedules and APIs ---------------------------------------------------------------------------------

    def _rules(self, it: _Resource) -> Iterator[ScheduleDeclaration]:
        expression = it.properties.get("ScheduleExpression")
        if expression is None:
            self._warnings.append(
                f"{it.logical_id} (AWS::Events::Rule): a rule without a schedule doesn't fire here"
            )
            return
        for target in it.properties.get("Targets") or []:
            yield self._scheduled(it, target, "aws.events", expression)

    def _schedule(self, it: _Resource) -> ScheduleDeclaration:
        expression = str(it.properties.get("ScheduleExpression", ""))
        return self._scheduled(it, it.properties.get("Target") or {}, "aws.scheduler", expression)

    def _scheduled(
        self,
        it: _Resource,
        target: dict[str, Any],
        source: Literal["aws.events", "aws.scheduler"],
        expression: str,
    ) -> ScheduleDeclaration:
        try:
            payload = json.loads(target["Input"]) if target.get("Input") else None
        except ValueError:
            raise self._error(it.logical_id, "the target's Input must be JSON") from None
        return ScheduleDeclaration(
            logical_id=it.logical_id,
            name=self._name(it.logical_id),
            arn=self._attribute(it.logical_id, "Arn"),
            source=source,
            expression=expression,
            function=_function_name(target.get("Arn")),
            payload=payload,
            enabled=it.properties.get("State", "ENABLED") == "ENABLED",
        )

    def _routes(self, it: _Resource, version: Literal["1.0", "2.0"]) -> Iterator[RouteDeclaration]:
        for route in openapi.routes(it.logical_id, it.properties.get("Body") or {}, version):
            if isinstance(route, str):
                self._warnings.append(route)
            else:
                yield route

    def _outputs(self) -> dict[str, str]:
        found = {}
        for name, output in (self._template.get("Outputs") or {}).items():
            if "Condition" in output and not self._resolver.holds(output["Condition"]):
                continue
            try:
                found[name] = _text(self._resolver.resolve(output.get("Value"), "Value"))
            except TemplateError as error:
                reason = str(error).removeprefix(f"{self._file}: ")
                self._warnings.append(f"The output {name} is left out: {reason}")
        return found


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return json.dumps(value) if isinstance(value, (dict, list)) else str(value)


def _function_name(name_or_arn: Any) -> str:
    parts = str(name_or_arn).split(":")
    return parts[parts.index("function") + 1] if "function" in parts[:-1] else parts[0]
