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
    """Return resources in YAML, and the role's name as a parameter."""
    role = {"Type": "String", "Description": f"The name of the role of {made.function}"}
    if made.managed:
        roles = {"Roles": [{"Ref": "Role"}]}
        texts = [
            managed_policy(name, part, roles)
            for name, part in zip(made.named("Policy"), made.parts, strict=True)
        ]
    else:
        (name,) = made.named("Policy")
        properties = {"PolicyName": name, "Roles": [{"Ref": "Role"}]}
        texts = [_resource(name, "AWS::IAM::Policy", properties, made.statements)]
    resources = indent("".join(texts), "  ")
    return f"{made.head()}{as_yaml({'Parameters': {'Role': role}})}Resources:\n{resources}"


def managed_policy(
    name: str, part: Iterable[Statement], properties: Mapping[str, Any] = MappingProxyType({})
) -> str:
    """Return a managed policy as an entry of `Resources`."""
    return _resource(name, "AWS::IAM::ManagedPolicy", properties, part)


def _resource(name: str, kind: str, properties: Mapping[str, Any], part: Iterable[Statement]) -> str:
    document = {"PolicyDocument": {"Version": "2012-10-17"}}
    text = as_yaml({name: {"Type": kind, "Properties": {**properties, **document}}})
    return f"{text}      Statement:\n{indent(listed((it.why, it.plain()) for it in part), ' ' * 6)}"


def listed(entries: Iterable[tuple[str, Mapping[str, Any]]]) -> str:
    """Return a list in YAML, each entry below its comment."""
    items = ((comment(why), indent(as_yaml(entry), "  ")) for why, entry in entries)
    return "".join(f"{above}- {text.removeprefix('  ')}" for above, text in items)
