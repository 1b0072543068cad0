"""Values for parameters that have none: enough for a stack to start, by the parameter's type.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/parameters-section-structure.html,
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-supplied-parameter-types.html
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from lambda_guard.local.projects import template_file
from lambda_guard.templates.document import Location, TemplateError
from lambda_guard.templates.nested import with_nested_stacks
from lambda_guard.templates.template import Template

_OF_A_TYPE: Final = {
    "Number": "1",
    "AWS::EC2::AvailabilityZone::Name": "eu-west-1a",
    "AWS::EC2::Image::Id": "ami-00000000000000000",
    "AWS::EC2::Instance::Id": "i-00000000000000000",
    "AWS::EC2::SecurityGroup::Id": "sg-00000000000000000",
    "AWS::EC2::Subnet::Id": "subnet-00000000000000000",
    "AWS::EC2::VPC::Id": "vpc-00000000000000000",
    "AWS::EC2::Volume::Id": "vol-00000000000000000",
    "AWS::Route53::HostedZone::Id": "Z00000000000000000000",
}
_USUAL: Final = (
    "placeholder",
    "placeholder@example.com",
    "https://example.com",
    "example.com",
    "arn:aws:service:eu-west-1:123456789012:placeholder",
    "10.0.0.0/16",
    "10.0.0.0",
    "1",
    "2026-01-01",
    "Placeholder1",
    "PLACEHOLDER",
)
"""What patterns usually ask for, the first that fits counts."""


def read_template(
    template: str | Path | Mapping[str, Any],
    location: Location,
    root: str | Path | None,
    parameters: Mapping[str, str] | None,
    within: tuple[Path, ...] = (),
) -> Template:
    """Read a template for the local cloud, or the one of a directory, with placeholders and nested stacks.

    `within` are the templates that have it as a nested one; for the rest see `Template`.
    """
    if not isinstance(template, Mapping) and Path(template).is_dir():
        template = template_file(Path(template))
    whole = within if isinstance(template, Mapping) else (*within, Path(template).resolve())
    if len(set(whole)) < len(whole):
        raise TemplateError(f"{template}: the template is nested in itself")
    read = Template(template, location, root=root, parameters=parameters, placeholder=placeholder)
    return with_nested_stacks(read, lambda path, given: read_template(path, location, None, given, whole))


def placeholder(declaration: Mapping[str, Any]) -> str:
    """Return a value for a parameter, within what its declaration allows as far as that is known."""
    if allowed := declaration.get("AllowedValues"):
        return str(allowed[0])
    kind = str(declaration.get("Type", "String"))
    kind = re.sub(r"^(?:AWS::SSM::Parameter::Value)?<?(?:List<)?(.*?)>*$", r"\1", kind)
    if kind == "Number":
        return str(declaration.get("MinValue", _OF_A_TYPE[kind]))
    if kind in _OF_A_TYPE:
        return _OF_A_TYPE[kind]
    usual = next((text for text in _USUAL if _fits(text, declaration)), _USUAL[0])
    return usual.ljust(int(declaration.get("MinLength", 0)), "x")[: int(declaration.get("MaxLength", 4096))]


def _fits(text: str, declaration: Mapping[str, Any]) -> bool:
    try:
        return re.fullmatch(str(declaration.get("AllowedPattern", ".*")), text) is not None
    except re.error:  # Java's patterns, which CloudFormation takes, have a little more
        return True


def said(given: Mapping[str, str]) -> list[str]:
    """Return the sentence that names the placeholders, if there are any."""
    if not given:
        return []
    values = ", ".join(f"{name}={value}" for name, value in given.items())
    return [
        f"Placeholders stand for parameters without a value: {values}; give them one with --parameter NAME=VALUE"
    ]
