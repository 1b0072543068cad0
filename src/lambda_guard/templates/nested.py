"""Nested stacks whose templates are files: their resources become the template's own, each named after its stack.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-nested-stacks.html

`Fn` of the nested stack `Orders` is `OrdersFn` from then on: its logical id, and its name where it has none.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from lambda_guard.templates import sam
from lambda_guard.templates.document import Document, TemplateError
from lambda_guard.templates.intrinsics import Resolver, UnresolvedError
from lambda_guard.templates.template import Resource, Template, text

STACK: Final = "AWS::CloudFormation::Stack"
_MARK = re.compile(r"\{\{nested:(\w+)\}\}")
_VARIABLE = re.compile(r"\$\{(!?)([^}.]+)([^}]*)\}")
_LOCAL_PATHS = ("Code", "Content")  # of a function or a layer
_ASSET = "aws:asset:path"


def with_nested_stacks(template: Template, read: Callable[[Path, dict[str, str]], Template]) -> Template:
    """Put the resources of nested stacks into a template, and return it; one without a file is among `left_out`.

    Args:
        template: whose stacks they are.
        read: reads a nested template with values of its parameters; its own nested stacks are in it already.

    Raises:
        TemplateError: a nested template is wrong.
    """
    for it in list(template.resources(STACK)):
        path = _path(template, it)
        if isinstance(path, str):
            template.left_out[it.logical_id] = path
            continue
        given = it.written.get("Parameters") or {}
        literal = _literal_values(template, it, given)
        child = read(path, {name: literal.get(name, f"{{{{nested:{name}}}}}") for name in given})
        _put(
            template,
            child,
            it.logical_id,
            {name: value for name, value in given.items() if name not in literal},
        )
    return template


def _path(template: Template, it: Resource) -> Path | str:
    """Return the file of a nested template, or why there is none."""
    try:
        path = template.path(it, "TemplateURL")
    except TemplateError:
        path = None
    if path is None or ("://" in str(it.written.get("TemplateURL")) and not path.exists()):
        return "its template isn't a file on this machine"
    return (
        path if path.is_file() else f"its template {str(path)!r} isn't there: build it, or correct the path"
    )


def _literal_values(template: Template, it: Resource, given: Mapping[str, Any]) -> dict[str, str]:
    """Return the values that rest on no resource."""

    def refuse(logical_id: str, _attribute: str | None) -> Any:
        raise UnresolvedError(logical_id)

    resolver, found = Resolver(template.file, template.plain, template.values, refuse), {}
    for name, value in given.items():
        try:
            resolved = resolver.resolve(value, f"resource {it.logical_id}.Parameters.{name}")
        except UnresolvedError:
            continue
        found[name] = ",".join(map(text, resolved)) if isinstance(resolved, list) else text(resolved)
    return found


def _put(template: Template, child: Template, name: str, given: Mapping[str, Any]) -> None:
    values = {**child.values, **{key: _typed(child, key, value) for key, value in given.items()}}
    moved = _Moved(name, child, values)
    plain, parts = template.plain, child.plain
    plain["Resources"] |= {f"{name}{key}": moved.resource(it) for key, it in parts["Resources"].items()}
    for section in ("Conditions", "Mappings"):
        entries = {f"{name}{key}": moved.value(it) for key, it in (parts.get(section) or {}).items()}
        plain[section] = {**(plain.get(section) or {}), **entries}
    template.source["Resources"] |= {f"{name}{key}": it for key, it in child.source["Resources"].items()}
    template.paths |= {f"{name}{key}": str(child.base / path) for key, path in child.paths.items()}
    template.placeholders |= {f"{name}.{key}": value for key, value in child.placeholders.items()}
    template.left_out |= {f"{name}{key}": reason for key, reason in child.left_out.items()}
    outputs = {key: it.get("Value") for key, it in (parts.get("Outputs") or {}).items()}
    template.nested[name] = {key: moved.value(it) for key, it in outputs.items()}
    for key, of_nested in child.nested.items():
        template.nested[f"{name}{key}"] = {output: moved.value(it) for output, it in of_nested.items()}


def _typed(child: Template, name: str, value: Any) -> Any:
    """Return a parameter's value as the nested stack has it: a list, where it declares one, is given as text."""
    declared = (child.source.get("Parameters") or {}).get(name) or {}
    return {"Fn::Split": [",", value]} if "List" in str(declared.get("Type")) else value


class _Moved:
    """Writes parts of a nested template as they stand in the one that has it.

    Args:
        prefix: of all names.
        child: the nested template.
        values: of its parameters, as they are written in the other one.
    """

    def __init__(self, prefix: str, child: Template, values: Mapping[str, Any]) -> None:
        self._prefix = prefix
        self._child = child
        self._values = {key: value for key, value in values.items() if not key.startswith("AWS::")}
        self._functions: dict[str, Callable[[Any], Any]] = {
            "Ref": self._ref,
            "Fn::GetAtt": self._get_att,
            "Fn::Sub": self._sub,
            "Fn::If": lambda it: {"Fn::If": [f"{prefix}{it[0]}", *self.value(it[1:])]},
            "Fn::FindInMap": self._find_in_map,
            "Condition": lambda it: {"Condition": self._named(it)},
        }

    def resource(self, it: Document) -> Document:
        """Return a resource; paths of its own are absolute, since they are relative to the nested template."""
        moved: Document = self.value(
            {key: part for key, part in it.items() if key not in {"Condition", "DependsOn"}}
        )
        if "Condition" in it:
            moved["Condition"] = self._named(it["Condition"])
        if "DependsOn" in it:
            others = it["DependsOn"]
            moved["DependsOn"] = [
                self._named(other) for other in ([others] if isinstance(others, str) else others)
            ]
        base, properties = self._child.base, moved.get("Properties") or {}
        for key in _LOCAL_PATHS:
            if isinstance(properties.get(key), str):
                properties[key] = str(base / properties[key])
        if _ASSET in (metadata := moved.get("Metadata") or {}):
            metadata[_ASSET] = str(base / str(metadata[_ASSET]))
        return moved

    def value(self, value: Any) -> Any:
        """Return any part."""
        if isinstance(value, list):
            return [self.value(entry) for entry in value]
        if isinstance(value, str):
            return self._text(value)
        if not isinstance(value, dict):
            return value
        if len(value) == 1 and (function := self._functions.get(next(iter(value)))):
            return function(next(iter(value.values())))
        moved = {key: self.value(part) for key, part in value.items()}
        if value.get("S3Bucket", value.get("Bucket")) == sam.BUCKET:
            key = "S3Key" if "S3Key" in value else "Key"
            moved[key] = f"{self._prefix}{moved[key]}"
        return moved

    def _named(self, name: Any) -> Any:
        return f"{self._prefix}{name}" if isinstance(name, str) else self.value(name)

    def _ref(self, name: Any) -> Any:
        if name in self._values:
            return (
                self.value(self._values[name]) if isinstance(self._values[name], str) else self._values[name]
            )
        return {"Ref": self._named(name) if name in self._child.plain["Resources"] else name}

    def _get_att(self, it: Any) -> Any:
        name, attribute = it.split(".", 1) if isinstance(it, str) else it
        return {"Fn::GetAtt": [self._named(name), attribute]}

    def _find_in_map(self, it: Any) -> Any:
        return {"Fn::FindInMap": [self._named(it[0]), *self.value(it[1:])]}

    def _text(self, value: str) -> Any:
        """Return a text; where SAM has put a parameter's mark into it, the parameter's value."""
        if (whole := _MARK.fullmatch(value)) is not None:
            return self._values[whole[1]]
        return self._sub(value.replace("${", "${!")) if _MARK.search(value) else value

    def _sub(self, it: Any) -> Any:
        written, given = (it, {}) if isinstance(it, str) else it
        variables = {key: self.value(part) for key, part in given.items()}

        def moved(found: re.Match[str]) -> str:
            literal, name, attribute = found.groups()
            if literal or name in given:
                return found[0]
            if name in self._values:
                variables[name] = self._values[name]
            return (
                f"${{{self._prefix}{name}{attribute}}}"
                if name in self._child.plain["Resources"]
                else found[0]
            )

        substituted = _VARIABLE.sub(moved, _MARK.sub(r"${\1}", written))
        return {"Fn::Sub": [substituted, variables] if variables else substituted}
