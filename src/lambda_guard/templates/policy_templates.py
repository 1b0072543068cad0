"""SAM's policy templates, as aws-sam-translator has them.

https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/serverless-policy-templates.html
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final

_REFERENCE: Final = re.compile(r"\$\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class PolicyTemplate:
    """One policy template, such as `SQSSendMessagePolicy`.

    Attributes:
        parameters: their names, such as `QueueName`.
        grants: pairs of an action and a resource, each as the template has it: wildcards may stand in both. A parameter
            is `${QueueName}` in a resource, a pseudo parameter `${AWS::Region}`.
    """

    name: str
    parameters: tuple[str, ...]
    grants: tuple[tuple[str, str], ...]


@cache
def policy_templates() -> Mapping[str, PolicyTemplate]:
    """Return the policy templates by name, without those that have conditions."""
    file = files("samtranslator").joinpath("policy_templates_data", "policy_templates.json")
    rows = json.loads(file.read_text("utf-8"))["Templates"]
    found = {}
    for name, row in rows.items():
        statements = row["Definition"]["Statement"]
        if all(it.keys() <= {"Effect", "Action", "Resource", "Sid"} for it in statements):
            grants = tuple(grant for it in statements for grant in _grants(it))
            found[name] = PolicyTemplate(name, tuple(row["Parameters"]), grants)
    return found


def _grants(statement: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for action in _listed(statement["Action"]):
        for resource in _listed(statement["Resource"]):
            yield action, resource if isinstance(resource, str) else _text(resource["Fn::Sub"])


def _text(sub: Any) -> str:
    """Return an `Fn::Sub` with its own variables as the parameters that they are."""
    text, given = (sub, {}) if isinstance(sub, str) else sub
    return _REFERENCE.sub(lambda found: f"${{{given.get(found[1], {}).get('Ref', found[1])}}}", text)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
