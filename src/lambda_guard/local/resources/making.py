"""Makes a template's resources, each before those that refer to it, and tells the values of their attributes."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from http import HTTPStatus
from importlib.resources import files
from typing import Any, Final

from lambda_guard.local.resources.computed import computed
from lambda_guard.local.resources.fitting import fitted, parameters
from lambda_guard.local.resources.lookups import Lookups
from lambda_guard.templates.document import TemplateError
from lambda_guard.templates.stack import Stack
from lambda_guard.templates.template import Resource, Template, name_property

TYPES: Final[Mapping[str, Any]] = json.loads(files(__package__).joinpath("types.json").read_text("utf-8"))
"""How a resource is made, by type. A property that is called as a parameter of `create` becomes that parameter.

- `create`: the service, and the operation that makes it, if `then` doesn't.
- `name`: the parameter that takes the resource's name.
- `with`: parameters that are called or built otherwise, each a JMESPath expression over the properties, `name`,
  `region` and what `computed` adds.
- `then`: further operations, each with all of its parameters; one of which a parameter has no value isn't called. The
  expressions may use the `answer` of the creation too, and `each` entry of a list, for which the operation is repeated.
- `returns`: the values of attributes, and of `Ref`, likewise; others are made of the name.
- `meaningless`: properties that change nothing on one machine.
"""
SOURCES: Final = frozenset(
    {"AWS::DynamoDB::GlobalTable", "AWS::DynamoDB::Table", "AWS::Kinesis::Stream", "AWS::SQS::Queue"}
)
_WORD: Final = re.compile(r"\w+")


def make(template: Template, client: Callable[[str], Any], region: str) -> "Resources":
    """Make a template's resources.

    Args:
        template: of which they are; from now on it resolves references to them as their services have them.
        client: returns a boto3 client of a service.
        region: of all of them.

    Raises:
        CircleError: some depend on each other in a circle.
    """
    resources = Resources(template, client, region)
    resources.make()
    return resources


class CircleError(TemplateError):
    """Resources depend on each other."""


class Resources:
    """Makes each resource when it's first asked for, with the arguments of `make`."""

    def __init__(self, template: Template, client: Callable[[str], Any], region: str) -> None:
        self._said: dict[str, list[str]] = {}
        self._template = template
        self._client = client
        self._region = region
        self._made: dict[str, Mapping[str, Any]] = {}
        self._begun: list[str] = []
        self._refused: list[str] = []
        self._resources = {it.logical_id: it for it in template.resources(*TYPES)}
        self._lookups = Lookups(template, client, self.attributes)
        template.deployed(self.attributes, self._lookups.look_up)

    @property
    def warnings(self) -> list[str]:
        """A sentence for each resource that isn't made, property that isn't honoured, and value that isn't found."""
        return [*(it for said in self._said.values() for it in said), *self._lookups.said.values()]

    def attributes(self, logical_id: str) -> Mapping[str, Any]:
        """Return the values that a resource's service tells of it, by attribute or `Ref`; it's made if it isn't yet.

        Raises:
            CircleError: it depends on itself.
        """
        if logical_id in self._begun:
            circle = " → ".join([*self._begun[self._begun.index(logical_id) :], logical_id])
            message = f"resources depend on each other in a circle: {circle}"
            raise CircleError(str(self._template.error(logical_id, message)))
        if logical_id not in self._made and (resource := self._resources.get(logical_id)):
            self._begun.append(logical_id)
            self._made[logical_id] = self._attributes(resource)
            self._begun.pop()
        return self._made.get(logical_id, {})

    def polled(self, stack: Stack) -> Stack:
        """Return a stack without event source mappings of what was refused; a warning names each."""
        refused = {
            it: self._template.attribute(it, "Arn")
            for it in self._refused
            if self._resources[it].kind in SOURCES
        }
        mappings = []
        for mapping in stack.mappings:
            source = next(
                (it for it, arn in refused.items() if f"{mapping.source_arn}/".startswith(f"{arn}/")), None
            )
            if source is None:
                mappings.append(mapping)
            else:
                said = (
                    f"{mapping.logical_id}: {mapping.source_arn} is not polled, since {source} isn't created"
                )
                self._said[mapping.logical_id] = [said]
        return replace(stack, mappings=tuple(mappings))

    def make(self) -> None:
        """Make them all, and once more what was refused: it may name by its text what has been made since.

        A role that SAM adds to a function is made if another resource refers to it: there is one for each function.
        """
        for logical_id, it in self._resources.items():
            if it.kind != "AWS::IAM::Role" or logical_id in self._template.source["Resources"]:
                self.attributes(logical_id)
        refused, self._refused = self._refused, []
        for logical_id in refused:
            del self._made[logical_id]
            self.attributes(logical_id)

    def _attributes(self, it: Resource) -> Mapping[str, Any]:
        from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

        for other in self._template.depends_on(it.logical_id):
            self.attributes(other)
        self._said[it.logical_id] = []
        properties = self._properties(it)
        try:
            return self._created(it, TYPES[it.kind], properties)
        except (ClientError, ParamValidationError) as error:
            reason = _refusal(error)
        except (BotoCoreError, TemplateError) as error:
            reason = self._template.reason(error)
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            reason = f"a property isn't what {it.kind} has there: {error}"
        self._say(it, f" isn't created: {reason}")
        self._refused.append(it.logical_id)
        return {}

    def _properties(self, it: Resource) -> dict[str, Any]:
        """Return a resource's properties but for those that can't be resolved, which a warning names."""
        properties = {}
        for key in it.written:
            try:
                properties[key] = it.properties.get(key)
            except CircleError:
                raise
            except TemplateError as error:
                self._say(it, f": the property {key} is left out: {self._template.reason(error)}")
        return properties

    def _created(self, it: Resource, row: Mapping[str, Any], properties: dict[str, Any]) -> Mapping[str, Any]:
        service, _, operation = row["create"].partition(".")
        client = self._client(service)
        scope = {**properties, "name": self._template.name(it.logical_id), "region": self._region}
        scope |= computed(self._template, it, properties, client)
        if operation:
            built = {key: _found(expression, scope) for key, expression in row.get("with", {}).items()}
            if "name" in row:
                built[row["name"]] = scope["name"]
            elsewhere = {*_words(row), name_property(it.kind)}
            given = _given(properties, parameters(client, operation).members, elsewhere)
            scope["answer"] = self._call(client, operation, {**given, **built}, it)
        for step in row.get("then", ()):
            self._further(client, step, scope, it)
        returns = {key: _found(expression, scope) for key, expression in row.get("returns", {}).items()}
        return {key: value for key, value in returns.items() if value is not None}

    def _further(self, client: Any, step: Mapping[str, Any], scope: dict[str, Any], it: Resource) -> None:
        from botocore.exceptions import ClientError, ParamValidationError

        for each in (_found(step["each"], scope) or ()) if "each" in step else [None]:
            within = {**scope, "each": each}
            given = {key: _found(expression, within) for key, expression in step["with"].items()}
            if not all(given.values()):
                continue
            try:
                self._call(client, step["call"], given, it)
            except (ClientError, ParamValidationError) as error:
                self._say(it, f" is there without what was refused: {_refusal(error)}")

    def _call(self, client: Any, operation: str, given: dict[str, Any], it: Resource) -> Any:
        request, unknown = fitted(client, operation, given)
        for key in unknown:
            self._say(it, f": the property {key} is not honoured")
        return getattr(client, operation)(**request)

    def _say(self, it: Resource, what: str) -> None:
        self._said[it.logical_id].append(f"{it.logical_id} ({it.kind}){what}")


def _given(properties: Mapping[str, Any], members: Iterable[str], elsewhere: set[str]) -> dict[str, Any]:
    """Return the properties that are parameters by the same name, in whatever case, and those that nobody reads."""
    names = {member.lower(): member for member in members}
    known = {names.get(key.lower(), key): value for key, value in properties.items()}
    return {key: value for key, value in known.items() if key in names.values() or key not in elsewhere}


def _words(row: Mapping[str, Any]) -> Iterator[str]:
    """Yield all that stands in a row's expressions: properties that are read there, or that have no meaning."""
    yield from row.get("meaningless", ())
    for step in (row, *row.get("then", ())):
        for expression in (*step.get("with", {}).values(), step.get("each", "")):
            yield from _WORD.findall(expression)


def _refusal(error: Any) -> str:
    """Return why a service, or botocore in its place, refuses a call."""
    answer = getattr(error, "response", None)
    if answer is None:
        return str(error.kwargs["report"])
    if answer["ResponseMetadata"]["HTTPStatusCode"] >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return f"moto failed in {error.operation_name}; is a property missing that AWS wants?"
    return f"{error.operation_name}: {answer['Error']['Code']}: {answer['Error']['Message']}"


def _found(expression: str, scope: Any) -> Any:
    import jmespath  # type: ignore[import-untyped]  # the stubs are not ours to ask for

    return jmespath.search(expression, scope)
