"""From a resource's properties to a request: CloudFormation takes text for numbers, and JSON where an API wants text.

The shapes are botocore's, of the service's own API; a property that isn't in them is told, never dropped in silence.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

Fit = Callable[[Any, Any, str, list[str]], Any]


def parameters(client: Any, operation: str) -> Any:
    """Return the shape of the parameters of a boto3 client's operation."""
    return client.meta.service_model.operation_model(client.meta.method_to_api_mapping[operation]).input_shape


def fitted(client: Any, operation: str, given: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return a request as an operation takes it, and the places of the parts that it doesn't have."""
    unknown: list[str] = []
    return fit(parameters(client, operation), given, "", unknown), unknown


def fit(shape: Any, value: Any, place: str, unknown: list[str]) -> Any:
    """Return a value as the shape has it; what can't be is left as it is, and the service says what it wants.

    Args:
        shape: botocore's, of the request or a part of it.
        value: as the template has it.
        place: of the value within the properties; empty for the request.
        unknown: gets the place of each part that the shape doesn't have.
    """
    fitting = _FITTINGS.get(shape.type_name)
    try:
        return value if fitting is None else fitting(shape, value, place, unknown)
    except (TypeError, ValueError):
        return value


def _structure(shape: Any, value: Any, place: str, unknown: list[str]) -> Any:
    if not isinstance(value, Mapping):
        return value
    if set(shape.members) == {"TagKey", "TagValue"}:
        value = {f"Tag{key}": text for key, text in value.items()}
    members = {member.lower(): member for member in shape.members}
    fitted = {}
    for key, part in value.items():
        member, within = members.get(key.lower()), f"{place}.{key}" if place else key
        if member is None:
            unknown.append(within)
        elif part is not None:
            fitted[member] = fit(shape.members[member], part, within, unknown)
    return fitted


def _list(shape: Any, value: Any, place: str, unknown: list[str]) -> Any:
    if isinstance(value, Mapping):  # tags
        value = [{"Key": key, "Value": text} for key, text in value.items()]
    entries = value if isinstance(value, list) else [value]
    return [fit(shape.member, entry, place, unknown) for entry in entries]


def _map(shape: Any, value: Any, place: str, unknown: list[str]) -> Any:
    if isinstance(value, list):  # tags
        value = {tag["Key"]: tag["Value"] for tag in value}
    pairs = ((key, part) for key, part in value.items() if part is not None)
    return {key: fit(shape.value, part, f"{place}.{key}", unknown) for key, part in pairs}


def _text(_shape: Any, value: Any, _place: str, _unknown: list[str]) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict) and "Statement" in value:
        value = {
            "Version": "2012-10-17",
            **value,
        }  # AWS takes a policy without one, as SAM makes them; moto doesn't
    return json.dumps(value) if isinstance(value, (dict, list)) else str(value)


def _number(_shape: Any, value: Any, _place: str, _unknown: list[str]) -> Any:
    return int(value) if float(value).is_integer() else float(value)


def _yes_or_no(_shape: Any, value: Any, _place: str, _unknown: list[str]) -> Any:
    return str(value).lower() == "true" if str(value).lower() in {"true", "false"} else value


_FITTINGS: dict[str, Fit] = {
    "structure": _structure,
    "list": _list,
    "map": _map,
    "string": _text,
    "integer": _number,
    "long": _number,
    "float": _number,
    "double": _number,
    "boolean": _yes_or_no,
}
