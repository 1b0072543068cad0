"""What CloudFormation's own transforms do to a template before it's read: loops are written out, files put in.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference-foreach.html,
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/transform-aws-include.html
"""

import re
from collections.abc import Callable, Iterator
from typing import Any, Final

_LOOP: Final = "Fn::ForEach::"
_INCLUDE: Final = "Fn::Transform"


def transformed(part: Any, value_of: Callable[[str], Any], include: Callable[[Any], Any]) -> Any:
    """Return a part of a template with its loops written out and its included files put in.

    Args:
        part: any value.
        value_of: returns a parameter's value by its name; None for one without.
        include: returns the document that `Fn::Transform` asks for; None where that isn't here.

    Raises:
        ValueError: a loop is malformed.
    """
    if isinstance(part, list):
        return [transformed(each, value_of, include) for each in part]
    if not isinstance(part, dict):
        return part
    found = dict[str, Any]()
    for key, value in part.items():
        if key.startswith(_LOOP):
            for each in _rounds(key, value, value_of):
                found |= transformed(each, value_of, include)
        elif key == _INCLUDE and isinstance(included := include(value), dict):
            found |= included
        else:
            found[key] = transformed(value, value_of, include)
    return found


def _rounds(key: str, loop: Any, value_of: Callable[[str], Any]) -> Iterator[dict[str, Any]]:
    """Yield a loop's body once for each of its items, with the item in the name's place."""
    match loop:
        case [str(name), {"Ref": str(parameter)}, dict(body)]:
            items = str(value_of(parameter) or "").split(",")
        case [str(name), list(items), dict(body)] if all(isinstance(each, str) for each in items):
            pass
        case _:
            raise ValueError(f"{key} must be a name, a list of texts or a parameter's `Ref`, and a mapping")
    for each in items:
        yield _with(body, name, each.strip())


def _with(part: Any, name: str, item: str) -> Any:
    if isinstance(part, str):
        return part.replace(f"${{{name}}}", item).replace(f"&{{{name}}}", re.sub(r"[^A-Za-z0-9]", "", item))
    if isinstance(part, list):
        return [_with(each, name, item) for each in part]
    if not isinstance(part, dict):
        return part
    if part == {"Ref": name}:
        return item
    return {_with(key, name, item): _with(value, name, item) for key, value in part.items()}
