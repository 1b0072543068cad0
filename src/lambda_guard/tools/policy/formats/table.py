"""The formats by name, and what is to be known of a policy's size in each. Pure."""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from lambda_guard.tools.policy.formats.cdk import cdk
from lambda_guard.tools.policy.formats.cloudformation import cloudformation
from lambda_guard.tools.policy.formats.made import Made
from lambda_guard.tools.policy.formats.sam import sam
from lambda_guard.tools.policy.formats.terraform import terraform
from lambda_guard.tools.policy.limits import ATTACHED_MOST, INLINE_MOST, MANAGED_MOST, size
from lambda_guard.tools.policy.statements import document


def as_json(made: Made) -> str:
    """Return the policy document."""
    return f"{json.dumps(document(made.statements), indent=2)}\n"


FORMATS: Final[Mapping[str, Callable[[Made], str]]] = {
    "json": as_json,
    "sam": sam,
    "cloudformation": cloudformation,
    "terraform": terraform,
    "cdk": cdk,
}
_TOGETHER: Final = {
    "json": "written as one all the same: --format sam, cloudformation and terraform split it",
    "cdk": "written as one list of statements: CDK splits it",
}


def said_beside(made: Made, form: str) -> Iterator[str]:
    """Yield which calls asked for each statement, for JSON, which has no comments."""
    if form == "json":
        yield from (f"{it.sid}: {it.why}" for it in made.statements if it.called)


def too_large(made: Made, form: str) -> Iterator[str]:
    """Yield what doesn't fit into an inline policy, and what became of it."""
    if not made.managed:
        return
    count = len(made.parts)
    split = f"written as {count} managed policies of at most {MANAGED_MOST:,} each"
    yield (
        f"the policy has {size(document(made.statements)):,} characters, and a role's inline policies may have "
        f"{INLINE_MOST:,} in all: {_TOGETHER.get(form, split)}"
    )
    if count > ATTACHED_MOST:
        yield (
            f"it takes {count} managed policies, and a role has {ATTACHED_MOST} unless its quota is raised: "
            "divide the function, or widen some statements by hand"
        )
