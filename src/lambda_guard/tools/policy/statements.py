"""Needs → the statements of a policy: minimal, in a stable order. Pure."""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

INLINE_MOST: Final = 10_240
"""Characters that all inline policies of a role may have, without white space.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
"""


class Need(NamedTuple):
    """One action on one resource.

    Attributes:
        action: e.g. `dynamodb:Query`.
        resource: an ARN, or `*`.
        condition: the statement's `Condition` as JSON; empty without one.
    """

    action: str
    resource: str
    condition: str = ""


def policy(needs: Iterable[Need], *, draft: bool) -> dict[str, Any]:
    """Return the policy document that allows these, and nothing else.

    Args:
        needs: in any order, also several times.
        draft: begin the name of every statement with `Draft`.
    """
    actions_on: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    for need in needs:
        actions_on[need.action.partition(":")[0], need.resource, need.condition].add(need.action)
    alike: dict[tuple[str, tuple[str, ...], str], list[str]] = defaultdict(list)
    for (service, resource, condition), actions in sorted(actions_on.items()):
        alike[service, tuple(sorted(actions)), condition].append(resource)
    statements: dict[str, Any] = {}
    for (service, actions_of_all, condition), on in sorted(alike.items(), key=lambda it: (it[0][0], it[1])):
        sid = _free(
            f"{'Draft' * draft}{_sid(service)}{_sid(_last(on[0])) if len(on) == 1 else ''}", statements
        )
        statements[sid] = {
            "Sid": sid,
            "Effect": "Allow",
            "Action": list(actions_of_all),
            "Resource": on,
            **({"Condition": json.loads(condition)} if condition else {}),
        }
    return {"Version": "2012-10-17", "Statement": list(statements.values())}


def size(document: Mapping[str, Any]) -> int:
    """Return how many of a policy's characters count: all but white space."""
    return len(re.sub(r"\s", "", json.dumps(document, separators=(",", ":"))))


def _last(arn: str) -> str:
    return re.split("[:/]", arn.rstrip("*?-:/"))[-1]


def _sid(text: str) -> str:
    """Return a part of a statement's name, which may have letters and digits alone."""
    return "".join(part[:1].upper() + part[1:] for part in re.findall("[A-Za-z0-9]+", text))[:40]


def _free(name: str, taken: Mapping[str, object]) -> str:
    number = 1
    while (free := name if number == 1 else f"{name}x{number}") in taken:
        number += 1
    return free
