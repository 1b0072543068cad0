"""Values of a template, as far as it settles them.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference.html
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from lambda_guard.templates.marks import Steps, Written

_VARIABLE: Final = re.compile(r"\$\{(!?)\s*([^}]+?)\s*\}")
_REFERENCE: Final = re.compile(r"\$\{(\w+)(?:\.[\w.]+)?\}")


_INCLUDED: Final = "Fn::Transform"


@dataclass(frozen=True, slots=True)
class Unknown:
    """A value that only a deployment settles.

    Attributes:
        text: as `Fn::Sub` would write it: `${Orders.Arn}`, `${AWS::StackName}-orders`. Two with one text are equal.
    """

    text: str

    def __str__(self) -> str:
        return self.text


Text = str | Unknown | None
Number = float | Unknown | None


@dataclass(frozen=True, slots=True)
class Place:
    """Where something is: a line of a template, or a deployed resource.

    Attributes:
        file: the template, or the ARN.
        steps: the way to the value; empty for a deployed resource.
        line: from 1; None where there are no lines.
    """

    file: str
    steps: Steps = ()
    line: int | None = None

    def __str__(self) -> str:
        return self.file if self.line is None else f"{self.file}:{self.line}"


class Template:
    """A template with its parameters' values: the context of its nodes.

    Args:
        written: the template.
        parameters: values in place of the defaults; of pseudo parameters, too.
    """

    def __init__(self, written: Written, parameters: Mapping[str, str]) -> None:
        self.written = written
        self.document = written.document
        declared = self.section("Parameters")
        defaults = {name: _default(entry) for name, entry in declared.items()}
        self._parameters = {**defaults, **parameters}
        self._mappings = self.section("Mappings")

    def section(self, name: str) -> dict[str, Any]:
        """Return a section of the document; empty where it is missing or isn't a mapping."""
        found = self.document.get(name)
        return found if isinstance(found, dict) else {}

    def resources(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """Yield id, type and definition of each resource; loops and includes aren't expanded."""
        for name, resource in self.section("Resources").items():
            if isinstance(resource, dict) and isinstance(resource.get("Type"), str):
                yield name, resource["Type"], resource

    def place(self, steps: Steps) -> Place:
        """Return the place of a value, which may stand in the resource or in `Globals`."""
        lines = self.written.lines
        if steps[3:] and steps not in lines:
            for_all = ("Globals", "Function", *steps[3:])
            if for_all in lines:
                return Place(self.written.file, steps, lines[for_all])
        return Place(self.written.file, steps, self.written.line(steps))

    def value(self, raw: Any) -> Any:
        """Return a value with its intrinsics resolved, each that can't be as `Unknown`; None for `AWS::NoValue`."""
        if isinstance(raw, list):
            return [item for entry in raw if (item := self.value(entry)) is not None or entry is None]
        if isinstance(raw, str) and raw.startswith("{{resolve:"):
            return Unknown(raw)
        if not isinstance(raw, dict):
            return raw
        if (name := intrinsic(raw)) is None:
            return {key: value for key, entry in raw.items() if (value := self.value(entry)) is not None}
        try:
            return self._call(name, raw[name])
        except (TypeError, ValueError, LookupError, AttributeError):
            return _open(raw)

    def _call(self, name: str, argument: Any) -> Any:
        functions: dict[str, Callable[[Any], Any]] = {
            "Ref": self._ref,
            "Fn::GetAtt": lambda it: Unknown(f"${{{it if isinstance(it, str) else '.'.join(it)}}}"),
            "Fn::Sub": lambda it: self._sub(*([it, {}] if isinstance(it, str) else it)),
            "Fn::Join": lambda it: joined(it[0], self.value(it[1])),
            "Fn::Select": lambda it: self.value(it[1])[int(self.value(it[0]))],
            "Fn::Split": lambda it: self.value(it[1]).split(it[0]),
            "Fn::FindInMap": self._find_in_map,
            "Fn::If": self._if,
        }
        function = functions.get(name)
        return _open({name: argument}) if function is None else function(argument)

    def _find_in_map(self, argument: Any) -> Any:
        table, row, column = (self.value(part) for part in argument[:3])
        return self._mappings[table][row][column]

    def _if(self, argument: Any) -> Any:
        """A condition's truth belongs to a deployment: only what both branches say is settled."""
        first, second = (self.value(branch) for branch in argument[1:3])
        return first if first == second else _open({"Fn::If": argument})

    def _ref(self, name: str) -> Any:
        if name == "AWS::NoValue":
            return None
        value = self._parameters.get(name)
        return Unknown(f"${{{name}}}") if value is None else value

    def _sub(self, text: str, given: Mapping[str, Any]) -> Any:
        settled = True

        def put(found: re.Match[str]) -> str:
            nonlocal settled
            literal, name = found.groups()
            if literal:
                return f"${{{name}}}"
            value = self.value(given[name]) if name in given else self._ref(name)
            settled = settled and not isinstance(value, Unknown | dict | list)
            return str(value)

        made = _VARIABLE.sub(put, text)
        return made if settled else Unknown(made)


def _default(parameter: Any) -> Any:
    """Return a parameter's default; none for a value that Systems Manager holds."""
    if not isinstance(parameter, dict) or str(parameter.get("Type", "")).startswith("AWS::SSM::"):
        return None
    value = parameter.get("Default")
    listed = isinstance(value, str) and "List" in str(parameter.get("Type"))
    return [part.strip() for part in value.split(",")] if listed and isinstance(value, str) else value


def joined(separator: str, parts: Any) -> str | Unknown:
    """Return parts as one text.

    Raises:
        TypeError: a part isn't text.
    """
    if not isinstance(parts, list) or any(isinstance(part, dict | list) for part in parts):
        raise TypeError("parts of a text are texts")
    text = separator.join(str(part) for part in parts)
    return Unknown(text) if any(isinstance(part, Unknown) for part in parts) else text


def intrinsic(raw: Any) -> str | None:
    """Return the name of the intrinsic function that a value is; None for any other value."""
    if isinstance(raw, dict) and len(raw) == 1:
        name = next(iter(raw))
        if isinstance(name, str) and (name == "Ref" or name.startswith("Fn::")):
            return name
    return None


def _open(raw: Any) -> Unknown:
    return Unknown(json.dumps(raw, sort_keys=True, default=str))


def references(raw: Any) -> Iterator[str]:
    """Yield the resources and parameters that a value names, in any intrinsic, however deep."""
    if isinstance(raw, list):
        for entry in raw:
            yield from references(entry)
    elif isinstance(raw, dict):
        name = intrinsic(raw)
        if name == "Ref" and isinstance(raw[name], str):
            yield raw[name]
        elif name == "Fn::GetAtt":
            argument = raw[name]
            first = argument.split(".")[0] if isinstance(argument, str) else (argument or [""])[0]
            yield from [first] if isinstance(first, str) else references(first)
        else:
            if name == "Fn::Sub":
                text = raw[name] if isinstance(raw[name], str) else (raw[name] or [""])[0]
                yield from _REFERENCE.findall(text) if isinstance(text, str) else ()
            yield from (found for entry in raw.values() for found in references(entry))
    elif isinstance(raw, Unknown):
        yield from _REFERENCE.findall(raw.text)


def _entry(raw: Any, key: str) -> Any:
    """Return an entry of a mapping; a macro within may add whatever isn't there."""
    if isinstance(raw, Unknown):
        return raw
    if not isinstance(raw, dict):
        return None
    return raw.get(key, Unknown(_INCLUDED) if _INCLUDED in raw else None)


class Node:
    """A value of a template and the way to it; what isn't there is a node, too, whose `raw` is None."""

    __slots__ = ("raw", "steps", "template")

    def __init__(self, template: Template, raw: Any, steps: Steps) -> None:
        self.template = template
        self.raw = raw
        self.steps = steps

    def at(self, *keys: str) -> "Node":
        """Return what is below keys; open where an intrinsic stands for the mapping."""
        raw, steps = self.raw, self.steps
        for key in keys:
            if isinstance(raw, Unknown):
                break
            if intrinsic(raw):
                raw = self.template.value(raw)
            raw = _entry(raw, key)
            steps = (*steps, key)
        return Node(self.template, raw, steps)

    def branches(self) -> Iterator["Node"]:
        """Yield this node, or in place of an `Fn::If` what stands in either branch."""
        if intrinsic(self.raw) != "Fn::If":
            if self.raw is not None and self.raw != {"Ref": "AWS::NoValue"}:
                yield self
            return
        argument = self.raw["Fn::If"]
        for number, branch in enumerate(argument[1:3] if isinstance(argument, list) else [], 1):
            yield from Node(self.template, branch, (*self.steps, "Fn::If", number)).branches()

    def items(self) -> Iterator["Node"]:
        """Yield the entries of a list, in either branch of each `Fn::If`; a single value is a list of one."""
        for node in self.branches():
            if not isinstance(node.raw, list):
                yield node
                continue
            for number, raw in enumerate(node.raw):
                yield from Node(self.template, raw, (*node.steps, number)).branches()

    def entries(self) -> Iterator[tuple[str, "Node"]]:
        """Yield the keys and nodes of a mapping, in either branch of an `Fn::If`."""
        for node in self.branches():
            if isinstance(node.raw, dict) and not intrinsic(node.raw):
                for key, raw in node.raw.items():
                    yield str(key), Node(self.template, raw, (*node.steps, key))

    @property
    def place(self) -> Place:
        """Where it stands."""
        return self.template.place(self.steps)

    @property
    def value(self) -> Any:
        """The value, resolved as far as the template settles it."""
        return self.template.value(self.raw)

    @property
    def text(self) -> Text:
        """The value as text; a list or mapping is unknown."""
        value = self.value
        if value is None or isinstance(value, str | Unknown):
            return value
        return _open(value) if isinstance(value, dict | list) else str(value)

    @property
    def number(self) -> Number:
        """The value as a number; anything else is unknown."""
        value = self.value
        try:
            return value if value is None or isinstance(value, Unknown) else float(value)
        except (TypeError, ValueError):
            return _open(value)

    @property
    def flag(self) -> bool | Unknown | None:
        """The value as true or false, which may be written as text."""
        value = self.value
        if value is None or isinstance(value, Unknown):
            return value
        return {"true": True, "false": False}.get(str(value).lower(), _open(value))
