"""For CloudFormation: a template of policies of the function's role.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-iam-policy.html
"""

from collections.abc import Iterable, Mapping
from textwrap import indent
from types import MappingProxyType
from typing import Any

from lambda_guard.templates.writing import as_yaml
from lambda_guard.tools.policy.formats.made import Made, comment
from lambda_guard.tools.policy.statements import Statement


def cloudformation(made: Made) -> str:
    """Return resources in YAML; the role's name is a parameter, where the function's template doesn't settle it."""
    role = {"Type": "String", "Description": f"The name of the role of {made.function}"}
    parameters = as_yaml({"Parameters": {"Role": role}}) if made.role is None else ""
    roles = {"Roles": [{"Ref": "Role"} if made.role is None else made.role]}
    if made.managed:
        return f"{made.head()}{parameters}{managed_policies(made, roles)}"
    (name,) = made.named("Policy")
    policy = _resource(made, name, {"PolicyName": name, **roles}, made.statements)
    return f"{made.head()}{parameters}Resources:\n{policy}"


def managed_policies(made: Made, properties: Mapping[str, Any] = MappingProxyType({})) -> str:
    """Return `Resources` with the parts of a policy as managed policies."""
    named = zip(made.named("Policy"), made.parts, strict=True)
    return "Resources:\n" + "".join(_resource(made, name, properties, part) for name, part in named)


def _resource(made: Made, name: str, properties: Mapping[str, Any], part: Iterable[Statement]) -> str:
    kind = "AWS::IAM::ManagedPolicy" if made.managed else "AWS::IAM::Policy"
    document = {"PolicyDocument": {"Version": "2012-10-17"}}
    text = as_yaml({name: {"Type": kind, "Properties": {**properties, **document}}})
    allowed = listed((it.why, made.plain(it)) for it in part)
    return indent(f"{text}      Statement:\n{indent(allowed, ' ' * 6)}", "  ")


def listed(entries: Iterable[tuple[str, Mapping[str, Any]]]) -> str:
    """Return a list in YAML, each entry below its comment."""
    items = ((comment(why), indent(as_yaml(entry), "  ")) for why, entry in entries)
    return "".join(f"{above}- {text.removeprefix('  ')}" for above, text in items)
