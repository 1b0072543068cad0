"""What the roles of deployed functions allow: inline policies, the account's managed ones, and AWS's by name.

https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetRolePolicy.html
"""

from collections.abc import Iterator
from typing import Any

from lambda_guard.templates.survey.model import Statement
from lambda_guard.templates.survey.nodes import Place
from lambda_guard.tools.audit.asking import Asking


def statements(asking: Asking, configurations: list[dict[str, Any]]) -> Iterator[Statement]:
    """Yield what allows something, each role once."""
    users: dict[str, tuple[str, ...]] = {}
    for it in configurations:
        role = str(it.get("Role"))
        users[role] = (*users.get(role, ()), it["FunctionName"])
    for role, functions in users.items():
        yield from _of_role(asking, role, functions)


def _of_role(asking: Asking, role: str, functions: tuple[str, ...]) -> Iterator[Statement]:
    name = role.rsplit("/", 1)[-1]
    for policy in asking.pages("iam", "list_role_policies", "PolicyNames", RoleName=name):
        answer = asking.one("iam", "get_role_policy", RoleName=name, PolicyName=policy) or {}
        yield from _of_document(answer.get("PolicyDocument"), role, functions)
    for attached in asking.pages("iam", "list_attached_role_policies", "AttachedPolicies", RoleName=name):
        arn = attached["PolicyArn"]
        if ":aws:policy/" in arn:
            yield Statement(
                kind="identity",
                owner=name,
                place=Place(role),
                managed=attached["PolicyName"],
                functions=functions,
            )
        else:
            yield from _of_document(_managed(asking, arn), arn, functions)


def _managed(asking: Asking, arn: str) -> Any:
    policy = asking.one("iam", "get_policy", PolicyArn=arn)
    if policy is None:
        return None
    version = policy["Policy"]["DefaultVersionId"]
    answer = asking.one("iam", "get_policy_version", PolicyArn=arn, VersionId=version) or {}
    return (answer.get("PolicyVersion") or {}).get("Document")


def _of_document(document: Any, where: str, functions: tuple[str, ...]) -> Iterator[Statement]:
    """Yield the statements of a document, which botocore has decoded."""
    for it in _listed(document.get("Statement") if isinstance(document, dict) else None):
        if isinstance(it, dict) and it.get("Effect") == "Allow":
            yield Statement(
                kind="identity",
                owner=where.rsplit("/", 1)[-1],
                place=Place(where),
                actions=tuple(map(str, _listed(it.get("Action")))),
                resources=tuple(map(str, _listed(it.get("Resource")))),
                all_but_actions="NotAction" in it,
                all_but_resources="NotResource" in it,
                conditioned="Condition" in it,
                functions=functions,
            )


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]
