"""Who may use a version of a layer besides its own account: asked for, and read from the version's policy. Pure.

https://docs.aws.amazon.com/lambda/latest/dg/permissions-layer-cross-account.html
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from lambda_guard.tools.layer.errors import LayerOptionError

ACTION: Final = "lambda:GetLayerVersion"
PUBLIC_WARNING: Final = (
    "public: every AWS account in the world may read the layer's code and use it, and whoever has it keeps it; "
    "nothing here takes that back"
)
_ACCOUNT: Final = re.compile(r"\d{12}")
_ORGANIZATION: Final = re.compile(r"o-[a-z0-9]{10,32}")


@dataclass(frozen=True, slots=True, order=True)
class Grant:
    """One permission to use a version.

    Attributes:
        whom: the id of the account or organisation; empty for everybody.
    """

    kind: Literal["account", "organization", "public"]
    whom: str = ""

    @property
    def statement(self) -> dict[str, str]:
        """The parameters of AddLayerVersionPermission: the same grant has the same statement id each time."""
        principal = self.whom if self.kind == "account" else "*"
        organization = {"OrganizationId": self.whom} if self.kind == "organization" else {}
        return {"StatementId": str(self).replace(" ", "-"), "Principal": principal, **organization}

    def __str__(self) -> str:
        return f"{self.kind} {self.whom}" if self.whom else self.kind


PUBLIC: Final = Grant("public")


def parse(texts: Iterable[str]) -> tuple[Grant, ...]:
    """Read what `--share-with` takes.

    Raises:
        LayerOptionError: one is neither an account, nor an organisation, nor `public`.
    """
    return tuple(sorted(set(map(_parse, texts))))


def _parse(text: str) -> Grant:
    if text == "public":
        return PUBLIC
    if _ACCOUNT.fullmatch(text):
        return Grant("account", text)
    if _ORGANIZATION.fullmatch(text):
        return Grant("organization", text)
    raise LayerOptionError(
        f"invalid --share-with {text!r}: write an account (123456789012), an organization (o-abcdefghij) or public"
    )


def granted(policy: str) -> set[Grant]:
    """Return the grants of a version's policy; statements that say something else aren't any.

    Args:
        policy: of GetLayerVersionPolicy; empty where there is none.
    """
    statements = json.loads(policy)["Statement"] if policy else ()
    return {grant for statement in statements for grant in _grants(statement)}


def _grants(statement: Mapping[str, Any]) -> Iterator[Grant]:
    if statement["Effect"] != "Allow" or ACTION not in _listed(statement["Action"]):
        return
    principal, condition = statement["Principal"], statement.get("Condition")
    for one in _listed(principal["AWS"] if isinstance(principal, Mapping) else principal):
        account = _ACCOUNT.search(one)
        if account and not condition:
            yield Grant("account", account[0])
        elif one == "*":
            yield from _of_everybody(condition)


def _of_everybody(condition: Any) -> Iterator[Grant]:
    if not condition:
        yield PUBLIC
    elif condition.keys() == {"StringEquals"} and condition["StringEquals"].keys() == {"aws:PrincipalOrgID"}:
        for organization in _listed(condition["StringEquals"]["aws:PrincipalOrgID"]):
            yield Grant("organization", organization)


def _listed(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]
