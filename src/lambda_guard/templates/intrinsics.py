"""CloudFormation's intrinsic functions, resolved.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference.html
"""

import base64
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from lambda_guard.templates.document import Document, TemplateError

_VARIABLE = re.compile(r"\$\{(!?)\s*([^}]+?)\s*\}")
_WITHOUT_DEFAULT = 3
_DYNAMIC = re.compile(r"\{\{resolve:([\w-]+):([^{}]+)\}\}")


class UnresolvedError(TemplateError):
    """A value can't be known from the template alone: it comes from elsewhere, or by a function unknown here."""


class Resolver:
    """Resolves values of one template.

    `attribute` returns a resource's attribute, or its reference (None).

    Attributes:
        look_up: returns the value of a dynamic reference by its service and the rest; None where it stands as it is.
    """

    def __init__(
        self,
        file: str,
        template: Document,
        parameters: Mapping[str, Any],
        attribute: Callable[[str, str | None], Any],
    ) -> None:
        self.look_up: Callable[[str, str], str | None] = lambda _service, _reference: None
        self._file = file
        self._template = template
        self._parameters = parameters
        self._attribute = attribute
        self._functions: dict[str, Callable[[Any, str], Any]] = {
            "Ref": self._ref,
            "Fn::GetAtt": self._get_att,
            "Fn::Sub": self._sub,
            "Fn::Base64": lambda value, where: base64.b64encode(self.resolve(value, where).encode()).decode(),
            "Fn::Join": self._join,
            "Fn::Select": lambda value, where: self.resolve(value[1], where)[
                int(self.resolve(value[0], where))
            ],
            "Fn::Split": lambda value, where: self.resolve(value[1], where).split(value[0]),
            "Fn::FindInMap": self._find_in_map,
            "Fn::GetAZs": self._get_azs,
            "Fn::Length": lambda value, where: len(self.resolve(value, where)),
            "Fn::ToJsonString": lambda value, where: json.dumps(self.resolve(value, where)),
            "Fn::If": lambda value, where: self.resolve(value[1 if self.holds(value[0]) else 2], where),
        }

    def resolve(self, value: Any, where: str) -> Any:
        """Return the value with every intrinsic function and dynamic reference replaced by its value.

        `AWS::NoValue` is left out. `where` is the resource and property, for messages.

        Raises:
            TemplateError: a function isn't supported, or names something unknown.
        """
        if isinstance(value, list):
            return [item for entry in value if (item := self.resolve(entry, where)) is not NO_VALUE]
        if not isinstance(value, dict):
            return self._with_dynamic(value)
        if len(value) == 1 and (name := next(iter(value))) and (name == "Ref" or name.startswith("Fn::")):
            return self._with_dynamic(self._call(name, value[name], where))
        items = ((key, self.resolve(entry, f"{where}.{key}")) for key, entry in value.items())
        return {key: entry for key, entry in items if entry is not NO_VALUE}

    def _with_dynamic(self, value: Any) -> Any:
        """Return a text with the dynamic references that can be looked up replaced by their values.

        https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/dynamic-references.html
        """
        if not isinstance(value, str) or "{{resolve:" not in value:
            return value
        found = ((whole, self.look_up(*whole.groups())) for whole in _DYNAMIC.finditer(value))
        values = {whole[0]: text for whole, text in found if text is not None}
        return _DYNAMIC.sub(lambda whole: values.get(whole[0], whole[0]), value)

    def _call(self, name: str, argument: Any, where: str) -> Any:
        function = self._functions.get(name)
        if function is None:
            known = ", ".join(sorted(self._functions))
            message = str(self.error(f"{name} isn't supported here (supported: {known})", where))
            raise UnresolvedError(message)
        try:
            return function(argument, where)
        except (TypeError, IndexError, KeyError, ValueError, AttributeError) as error:
            if isinstance(error, TemplateError):
                raise
            raise self.error(f"{name} has a malformed argument: {argument!r}", where) from error

    def error(self, message: str, where: str) -> TemplateError:
        """Return an error that names file and place."""
        return TemplateError(f"{self._file}: {where}: {message}")

    def _ref(self, name: Any, where: str) -> Any:
        if name == "AWS::NoValue":
            return NO_VALUE
        if name in self._parameters:
            return self._parameters[name]
        return self._resource(name, None, where)

    def _get_att(self, argument: Any, where: str) -> Any:
        name, attribute = (
            argument.split(".", 1) if isinstance(argument, str) else self.resolve(argument, where)
        )
        return self._resource(name, attribute, where)

    def _resource(self, name: str, attribute: str | None, where: str) -> Any:
        if name not in self._template["Resources"]:
            raise self.error(f"{name!r} is neither a resource nor a parameter of the template", where)
        return self._attribute(name, attribute)

    def _sub(self, argument: Any, where: str) -> str:
        text, given = (argument, {}) if isinstance(argument, str) else argument
        values = {name: self.resolve(value, where) for name, value in given.items()}

        def substitute(found: re.Match[str]) -> str:
            literal, name = found.groups()
            if literal:
                return f"${{{name}}}"
            if name in values:
                return str(values[name])
            return str(self._get_att(name, where) if "." in name else self._ref(name, where))

        return _VARIABLE.sub(substitute, text)

    def _join(self, argument: Any, where: str) -> str:
        separator, parts = argument
        return str(separator).join(str(part) for part in self.resolve(parts, where))

    def _find_in_map(self, argument: Any, where: str) -> Any:
        """Return a value of a mapping, or the default that the transform for language extensions takes.

        https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference-findinmap.html
        """
        table, row, column = (self.resolve(part, where) for part in argument[:3])
        try:
            return self._template["Mappings"][table][row][column]
        except KeyError:
            if len(argument) == _WITHOUT_DEFAULT:
                raise self.error(f"Mappings has no {table}.{row}.{column}", where) from None
            return self.resolve(argument[_WITHOUT_DEFAULT]["DefaultValue"], where)

    def _get_azs(self, region: Any, where: str) -> list[str]:
        name = self.resolve(region, where) or self._parameters["AWS::Region"]
        return [f"{name}{zone}" for zone in "abc"]

    def holds(self, name: str) -> bool:
        """Return whether a named condition holds.

        Raises:
            TemplateError: the template doesn't declare it.
        """
        conditions = self._template.get("Conditions") or {}
        if not isinstance(name, str) or name not in conditions:
            raise self.error(f"the condition {name!r} isn't declared", "Conditions")
        return self._condition(conditions[name], f"Conditions.{name}")

    def _condition(self, value: Any, where: str) -> bool:
        [(name, argument)] = value.items()
        if name == "Condition":
            return self.holds(argument)
        if name == "Fn::Equals":
            first, second = (str(self.resolve(part, where)) for part in argument)
            return first == second
        parts = [self._condition(part, where) for part in argument] if isinstance(argument, list) else []
        if name == "Fn::Not":
            return not parts[0]
        if name in {"Fn::And", "Fn::Or"}:
            return all(parts) if name == "Fn::And" else any(parts)
        raise self.error(f"{name} isn't a condition function", where)


NO_VALUE = object()
