"""A SAM or CloudFormation template: its resources, with every reference resolved when it is read."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from math import inf
from pathlib import Path
from typing import Any, TypeVar

from lambda_guard.shapes import arns
from lambda_guard.shapes.sample import fill
from lambda_guard.templates import sam
from lambda_guard.templates.document import (
    Document,
    Location,
    TemplateError,
    base_of,
    load,
    parameter_values,
    parse,
    placeholders,
    read_file,
    stored_values,
)
from lambda_guard.templates.intrinsics import NO_VALUE, Resolver, UnresolvedError
from lambda_guard.templates.packaged import packaged

T = TypeVar("T")
_NAME_PROPERTY = {
    "AWS::CloudWatch::Alarm": "AlarmName",
    "AWS::CloudWatch::CompositeAlarm": "AlarmName",
    "AWS::CloudWatch::Dashboard": "DashboardName",
    "AWS::Cognito::IdentityPool": "IdentityPoolName",
    "AWS::Cognito::UserPool": "UserPoolName",
    "AWS::Cognito::UserPoolClient": "ClientName",
    "AWS::Cognito::UserPoolGroup": "GroupName",
    "AWS::Cognito::UserPoolUser": "Username",
    "AWS::DynamoDB::GlobalTable": "TableName",
    "AWS::DynamoDB::Table": "TableName",
    "AWS::ECR::Repository": "RepositoryName",
    "AWS::Events::Archive": "ArchiveName",
    "AWS::IAM::ManagedPolicy": "ManagedPolicyName",
    "AWS::IAM::Policy": "PolicyName",
    "AWS::IAM::Role": "RoleName",
    "AWS::IAM::User": "UserName",
    "AWS::KMS::Alias": "AliasName",
    "AWS::Kinesis::StreamConsumer": "ConsumerName",
    "AWS::KinesisFirehose::DeliveryStream": "DeliveryStreamName",
    "AWS::Lambda::Function": "FunctionName",
    "AWS::Lambda::LayerVersion": "LayerName",
    "AWS::Logs::LogGroup": "LogGroupName",
    "AWS::S3::Bucket": "BucketName",
    "AWS::SNS::Topic": "TopicName",
    "AWS::SQS::Queue": "QueueName",
    "AWS::StepFunctions::StateMachine": "StateMachineName",
}
"""Type → the property that names a resource, where that isn't `Name`."""
_LOWER_CASE = frozenset({"AWS::ECR::Repository", "AWS::S3::Bucket"})
"""Types whose names have no capitals."""
_SHORTEST = 3  # name of a bucket or a table


def name_property(kind: str) -> str:
    """Return the property that names a resource of a type."""
    return _NAME_PROPERTY.get(kind, "Name")


class Properties(Mapping[str, Any]):
    """Properties that are resolved when they are read: one that nobody reads needn't be resolvable."""

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
class Resource:
    """A resource of the plain template; its condition holds.

    Attributes:
        properties: resolved.
        written: the properties as they are written.
    """

    logical_id: str
    kind: str
    properties: Mapping[str, Any]
    written: Mapping[str, Any]


class Template:
    """A template that was read.

    Args:
        template: a file in YAML or JSON, or the document itself.
        location: where its stack is, for ARNs and URLs.
        root: what `CodeUri` is relative to; by default the file's directory, or the current one.
        parameters: values that win over the parameters' defaults.
        placeholder: makes a value of the declaration of a parameter that has none; by default that is an error, and so
            is a resource with a value that can't be known here.

    Attributes:
        left_out: the resources that weren't read as a value of theirs can't be known here, with the reason.
        placeholders: the values that `placeholder` made.
        file: the template's name, for messages.
        source: the document as it is written.
        plain: plain CloudFormation, after SAM's translation.
        values: of the parameters and the pseudo parameters.
        base: what local paths are relative to.
        paths: the local paths by the key of the S3 address that stands for them in `plain`.
        nested: the outputs of nested stacks whose resources are in `plain`, by the stack's logical id.

    Raises:
        TemplateError: the message names the file, the resource and what is wrong.
    """

    def __init__(
        self,
        template: str | Path | Mapping[str, Any],
        location: Location,
        *,
        root: str | Path | None = None,
        parameters: Mapping[str, str] | None = None,
        placeholder: Callable[[Document], str] | None = None,
    ) -> None:
        self.file, self.source = load(template, root, parameters)
        self.base = base_of(template, root)
        self._location = location
        self.left_out = dict[str, str]()
        self._lenient = placeholder is not None
        given = parameters or {}
        self.placeholders = placeholders(self.source, given, placeholder) if placeholder else {}
        values = parameter_values(self.file, self.source, {**self.placeholders, **given}, location)
        if placeholder:
            values |= stored_values(self.source, values, self.placeholders)
        self.plain: Document
        self.plain, self.paths = sam.translate(self.file, self.source, values, location.region)
        for name, path in sam.definitions(self.plain, self.paths):
            if not (self.base / path).is_file():
                self.left_out[name] = f"its definition {path!r} isn't there: build it, or correct the path"
                continue
            text = read_file(self.base / path, f"{self.file}: resource {name}: {path!r}")
            self.plain["Resources"][name]["Properties"]["Body"] = parse(path, text)
        self._made: Callable[[str], Mapping[str, Any]] = lambda _logical_id: {}
        self.values = values
        self.nested = dict[str, Mapping[str, Any]]()
        self._resolver = Resolver(self.file, self.plain, values, self.attribute)

    def deployed(
        self, made: Callable[[str], Mapping[str, Any]], look_up: Callable[[str, str], str | None]
    ) -> None:
        """Resolve references from now on as what is deployed has them.

        Args:
            made: returns what a resource's service tells of it, by attribute or `Ref`; the rest is made of its name.
            look_up: returns the value of a dynamic reference by its service and the rest; None to leave it.
        """
        self._made, self._resolver.look_up = made, look_up

    def error(self, logical_id: str, message: str) -> TemplateError:
        """Return an error that names the file and the resource."""
        return TemplateError(f"{self.file}: resource {logical_id}: {message}")

    def resources(self, *kinds: str) -> Iterator[Resource]:
        """Yield the resources of some types, without those whose condition doesn't hold."""
        for logical_id, resource in self.plain["Resources"].items():
            if resource["Type"] in kinds and self._holds(resource):
                written = resource.get("Properties") or {}
                yield Resource(logical_id, resource["Type"], self._properties(logical_id), written)

    def depends_on(self, logical_id: str) -> list[str]:
        """Return what a resource's `DependsOn` names."""
        named = self.plain["Resources"][logical_id].get("DependsOn") or []
        return [named] if isinstance(named, str) else list(named)

    def read(self, reader: "Callable[[Template, Resource], Iterable[T]]", *kinds: str) -> tuple[T, ...]:
        """Return the declarations that `reader` makes of the resources of these types.

        Raises:
            TemplateError: also in place of what `reader` raises where a property has an unexpected type.
        """
        found: list[T] = []
        for resource in chain.from_iterable(map(self.resources, kinds)):
            try:
                found += reader(self, resource)
            except UnresolvedError as error:
                if not self._lenient:
                    raise
                self.left_out[resource.logical_id] = self.reason(error)
            except TemplateError:
                raise
            except (AttributeError, KeyError, TypeError, ValueError) as error:
                message = f"a property isn't what {resource.kind} has there: {error}"
                raise self.error(resource.logical_id, message) from error
        return tuple(found)

    def unread(self, kind: str) -> Iterator[str]:
        """Yield the logical ids of the resources of a type that are left out."""
        return (it for it in self.left_out if self.plain["Resources"][it]["Type"] == kind)

    def reason(self, error: Exception) -> str:
        """Return what an error says, without the file's name before it."""
        return str(error).removeprefix(f"{self.file}: ")

    def _holds(self, entry: Mapping[str, Any]) -> bool:
        return "Condition" not in entry or self._resolver.holds(entry["Condition"])

    def _properties(self, logical_id: str) -> Mapping[str, Any]:
        properties = self.plain["Resources"][logical_id].get("Properties") or {}
        return Properties(properties, self._resolver, f"resource {logical_id}")

    def name(self, logical_id: str) -> str:
        """Return a resource's name; one that the template doesn't name is called by its logical id."""
        resource = self.plain["Resources"][logical_id]
        properties = resource.get("Properties") or {}
        key = name_property(resource["Type"])
        if (given := self._properties(logical_id).get(key)) is not None:
            return str(given)
        fifo = properties.get("FifoQueue") or properties.get("FifoTopic")
        if resource["Type"] in _LOWER_CASE:
            return logical_id.lower().ljust(_SHORTEST, "0")
        if resource["Type"].startswith("AWS::DynamoDB::"):
            return logical_id.ljust(_SHORTEST, "0")
        return f"{logical_id}.fifo" if str(fifo).lower() == "true" else logical_id

    def attribute(self, logical_id: str, attribute: str | None = None) -> Any:
        """Return the value of `Fn::GetAtt` for a resource, or of `Ref` (None).

        "Return values" on each type's page of
        https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-template-resource-type-ref.html

        Raises:
            TemplateError: the type of the resource has no such attribute.
        """
        if (output := self._output(logical_id, attribute or "")) is not None:
            return output
        made = self._made(logical_id)
        if (attribute or "Ref") in made:
            return made[attribute or "Ref"]
        kind, name = self.plain["Resources"][logical_id]["Type"], self.name(logical_id)
        if kind in {"AWS::Lambda::Alias", "AWS::Lambda::Version"}:
            if attribute and attribute.endswith("Version"):
                return "$LATEST"  # the one that there is here
            function, _ = arns.function(str(self._properties(logical_id)["FunctionName"]))
            return self._location.arn("lambda", f"function:{function}")
        given = {
            "location": self._location,
            "name": name,
            "api_id": logical_id.lower(),
            "version": self._version(logical_id, kind, name),
        }
        known = fill("resource-references", given).get(kind)
        if known is None:  # its name may still be passed on
            service = kind.split("::")[1].lower()
            return self._location.arn(service, name) if attribute and attribute.endswith("Arn") else name
        if attribute is not None and attribute not in known.keys() - {"Ref"}:
            raise UnresolvedError(str(self.error(logical_id, f"{kind} has no attribute {attribute!r} here")))
        return known[attribute or "Ref"]

    def _output(self, stack: str, attribute: str) -> Any:
        """Return an output of a nested stack; None where it isn't one's."""
        section, _, name = attribute.partition(".")
        if section == "Outputs" and stack in self.left_out:
            raise UnresolvedError(str(self.error(stack, f"no {attribute!r}: {self.left_out[stack]}")))
        if not attribute or stack not in self.nested:
            return None
        if section != "Outputs" or name not in self.nested[stack]:
            raise UnresolvedError(str(self.error(stack, f"the nested stack has no output {attribute!r}")))
        return self._resolver.resolve(self.nested[stack][name], f"resource {stack}.{attribute}")

    def _version(self, logical_id: str, kind: str, name: str) -> int:
        """Return the number of a layer's version: those of one name count up in the template's order."""
        of_kind = [other for other, resource in self.plain["Resources"].items() if resource["Type"] == kind]
        before = of_kind[: of_kind.index(logical_id)] if kind == "AWS::Lambda::LayerVersion" else []
        return 1 + sum(self.name(other) == name for other in before)

    def path(self, resource: Resource, key: str) -> Path | None:
        """Return the local path of a function's `Code`, a layer's `Content` and the like; None where that is elsewhere.

        The CDK may write the path into the metadata:
        https://docs.aws.amazon.com/cdk/v2/guide/assets.html#assets-cfn
        """
        metadata = self.plain["Resources"][resource.logical_id].get("Metadata") or {}
        if metadata.get("aws:asset:property") == key and "aws:asset:path" in metadata:
            return self.base / str(metadata["aws:asset:path"])
        value = resource.written.get(key)
        if not isinstance(value, dict) or not value.keys() & {
            "S3Bucket",
            "Bucket",
        }:  # elsewhere, it needn't be resolvable
            value = resource.properties.get(key)
        if isinstance(value, str):
            return self.base / value
        if not isinstance(value, dict):
            return None
        s3_key = value.get("S3Key", value.get("Key"))
        if sam.BUCKET not in [value.get("S3Bucket"), value.get("Bucket")]:
            return packaged(self.base, s3_key)
        path = self.paths.get(str(s3_key))
        return None if path is None else self.base / path

    def written(self, logical_id: str) -> tuple[str, Document]:
        """Return a resource's logical id as the user wrote it, and what they wrote: SAM adds a hash to a layer's."""
        sources = self.source["Resources"]
        own = logical_id if logical_id in sources else logical_id[: -sam.HASH_DIGITS]
        return (own, sources[own]) if own in sources else (logical_id, {})

    def entries(self, resource: Resource, key: str) -> Iterator[tuple[str, str | None]]:
        """Yield the entries of a list as text, one by one: with each that can't be resolved, as it is written, why."""
        written = (self.plain["Resources"][resource.logical_id].get("Properties") or {}).get(key) or []
        for entry in written if isinstance(written, list) else [written]:
            try:
                value = self._resolver.resolve([entry], key)
            except TemplateError as error:
                yield text(entry), self.reason(error)
                continue
            for each in value[0] if value and isinstance(value[0], list) else value:
                yield text(each), None

    def variables(self, resource: Resource) -> Iterator[tuple[str, str, str | None]]:
        """Yield a function's environment: with each variable that can't be resolved, as it is written, why."""
        values = (resource.written.get("Environment") or {}).get("Variables")
        if not isinstance(values, dict) or any(name.startswith("Fn::") for name in values):
            values = (resource.properties.get("Environment") or {}).get("Variables") or {}
        where = f"resource {resource.logical_id}.Environment.Variables"
        for name, entry in values.items():
            try:
                value = self._resolver.resolve(entry, f"{where}.{name}")
            except UnresolvedError as error:
                if not self._lenient:
                    raise
                yield name, text(entry), self.reason(error)
                continue
            if value is not NO_VALUE:
                yield name, text(value), None

    def outputs(self) -> tuple[dict[str, str], dict[str, str]]:
        """Return the outputs by name, and of those that can't be resolved the reason."""
        found, unresolved = dict[str, str](), dict[str, str]()
        for name, output in (self.plain.get("Outputs") or {}).items():
            if not self._holds(output):
                continue
            try:
                found[name] = text(self._resolver.resolve(output.get("Value"), "Value"))
            except TemplateError as error:
                unresolved[name] = self.reason(error)
        return found, unresolved

    def number(
        self, resource: Resource, key: str, default: float, lowest: float, highest: float = inf
    ) -> float:
        """Return a property that is a number; a bound that AWS raises from time to time isn't given.

        Raises:
            TemplateError: it isn't one, or not within AWS's bounds.
        """
        value = resource.properties.get(key, default)
        try:
            number = float(value)
        except (TypeError, ValueError):
            raise self.error(resource.logical_id, f"{key} must be a number, not {value!r}") from None
        if not lowest <= number <= highest or number == inf:
            bounds = f"at least {lowest:g}" if highest == inf else f"between {lowest:g} and {highest:g}"
            raise self.error(resource.logical_id, f"{key} must be {bounds}, not {number:g}")
        return number


def text(value: Any) -> str:
    """Return a value as the services' APIs take it: text, or JSON."""
    if isinstance(value, bool):
        return str(value).lower()
    return json.dumps(value) if isinstance(value, (dict, list)) else str(value)
