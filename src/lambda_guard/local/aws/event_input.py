"""What a rule's target gets of an event: the event, a part of it, a constant, or a text made of its parts.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-transform-target-input.html
"""

import json
import re
from collections.abc import Mapping
from typing import Any, Final

_STEP: Final = re.compile(r"\.([\w-]+)|\[(\d+)\]|\['([^']*)'\]|\[\"([^\"]*)\"\]")
_PLACEHOLDER: Final = re.compile(r"<([\w.-]+)>")
_QUOTE: Final = re.compile(r'(?<!\\)"')
_MISSING: Final = object()


def target_input(target: Mapping[str, Any], event: Mapping[str, Any], reserved: Mapping[str, Any]) -> str:
    """Return what is sent, which should be JSON.

    Args:
        target: as `PutTargets` has it.
        event: as it was put to the bus.
        reserved: the values of EventBridge's own variables.
    """
    if target.get("Input"):
        return str(target["Input"])
    if transformer := target.get("InputTransformer"):
        paths = transformer.get("InputPathsMap") or {}
        values = {**reserved, **{name: _at(event, path) for name, path in paths.items()}}
        return _filled(transformer["InputTemplate"], values)
    found = _at(event, target.get("InputPath") or "$")
    return json.dumps(None if found is _MISSING else found)


def _at(event: Any, path: str) -> Any:
    """Return what is at a path, such as `$.detail.items[0].sku`."""
    found = event
    for step in _STEP.finditer(path.removeprefix("$")):
        key = next(part for part in step.groups() if part is not None)
        try:
            found = found[int(key)] if step[2] else found[key]
        except (KeyError, IndexError, TypeError):
            return _MISSING
    return found


def _filled(template: str, values: Mapping[str, Any]) -> str:
    """Return a template with its variables: JSON where one stands by itself, text where it stands in quotes."""
    filled, end, quoted = "", 0, False
    for variable in _PLACEHOLDER.finditer(template):
        before = template[end : variable.start()]
        quoted ^= len(_QUOTE.findall(before)) % 2 == 1
        known = variable[1] in values
        filled += before + (_shown(values[variable[1]], quoted=quoted) if known else variable[0])
        end = variable.end()
    return filled + template[end:]


def _shown(value: Any, *, quoted: bool) -> str:
    if not quoted:
        return json.dumps(None if value is _MISSING else value)
    if value is _MISSING:  # "that variable isn't created and won't appear in the output"
        return ""
    return json.dumps(value if isinstance(value, str) else json.dumps(value))[1:-1]
