"""What the roles of a template's functions grant, with every reference resolved.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-iam-role.html
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from lambda_guard.templates.document import TemplateError
from lambda_guard.templates.template import Resource, Template

_ROLE: Final = "AWS::IAM::Role"
_MANAGED: Final = "AWS::IAM::ManagedPolicy"
_ATTACHED: Final = ("AWS::IAM::Policy", "AWS::IAM::RolePolicy", _MANAGED)


@dataclass(frozen=True, slots=True)
class Role:
    """A function's role.

    Attributes:
        name: the last part of its ARN.
        policies: its policies that the template has, by name.
        managed: the ARNs, or names, of managed policies that are elsewhere.
        boundary: the ARN of its permissions boundary, and its document where the template has it; None without one.
        unread: why it can't be told what it grants; empty where it can.
    """

    name: str
    policies: Mapping[str, Any] = field(default_factory=dict)
    managed: tuple[str, ...] = ()
    boundary: tuple[str, Any] | None = None
    unread: str = ""


def read_roles(template: Template) -> dict[str, Role]:
    """Return the role of each function, by the function's name."""
    return {
        template.name(it.logical_id): _of(template, it) for it in template.resources("AWS::Lambda::Function")
    }


def _of(template: Template, function: Resource) -> Role:
    try:
        arn = str(function.properties["Role"])
    except (KeyError, TemplateError) as error:
        return Role("", unread=f"its role can't be told: {error}")
    name = arn.rpartition("/")[2]
    for it in template.resources(_ROLE):
        if template.attribute(it.logical_id, "Arn") == arn:
            try:
                return _role(template, it, name)
            except (AttributeError, KeyError, TypeError, TemplateError) as error:
                return Role(name, unread=f"the role {it.logical_id} can't be read: {error}")
    return Role(name, unread=f"its role {arn} isn't in the template")


def _role(template: Template, it: Resource, name: str) -> Role:
    own = {policy["PolicyName"]: policy["PolicyDocument"] for policy in it.properties.get("Policies") or ()}
    here = {template.attribute(one.logical_id): one for one in template.resources(_MANAGED)}
    arns = [str(arn) for arn in it.properties.get("ManagedPolicyArns") or ()]
    of_arns = {here[arn].logical_id: here[arn].properties["PolicyDocument"] for arn in arns if arn in here}
    boundary = it.properties.get("PermissionsBoundary")
    bounds = here.get(str(boundary))
    return Role(
        name,
        policies={**own, **of_arns, **dict(_attached(template, name))},
        managed=tuple(arn for arn in arns if arn not in here),
        boundary=None
        if boundary is None
        else (str(boundary), None if bounds is None else bounds.properties["PolicyDocument"]),
    )


def _attached(template: Template, role: str) -> Iterator[tuple[str, Any]]:
    """Yield the policies that name the role, rather than the other way round."""
    for kind in _ATTACHED:
        for it in template.resources(kind):
            roles = it.properties.get("Roles") or [it.properties.get("RoleName")]
            if role in roles:
                yield it.logical_id, it.properties.get("PolicyDocument")
