"""How much a policy may have, and what becomes of more: several managed policies that allow the same. Pure.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from lambda_guard.tools.policy.statements import Statement, distinct, document

INLINE_MOST: Final = 10_240
"""Characters that all inline policies of a role may have, without white space."""
MANAGED_MOST: Final = 6_144
"""Characters of a managed policy, without white space."""
ATTACHED_MOST: Final = 10
"""Managed policies of a role; AWS raises it to 20 on request."""
_LONGER: Final = 10
"""Characters of a name that is made distinct."""


def size(policy: Mapping[str, Any]) -> int:
    """Return how many of a policy's characters count: all but white space."""
    return len(re.sub(r"\s", "", json.dumps(policy, separators=(",", ":"))))


def parts(statements: Sequence[Statement]) -> list[list[Statement]]:
    """Return the policies that statements make: an inline one, or where that is too large several managed ones.

    They allow together what the statements allow. A statement goes into the first policy that has room for it; one that
    is larger than a policy by itself is split by its resources.
    """
    if size(document(statements)) <= INLINE_MOST:
        return [list(statements)]
    frame, made = size(document(())), list[tuple[int, list[Statement]]]()
    room = MANAGED_MOST - frame - _LONGER
    for it in distinct([piece for one in statements for piece in _pieces(one, room)]):
        characters = size(it.plain()) + 1  # and a comma
        for number, (used, policy) in enumerate(made):
            if used + characters <= MANAGED_MOST:
                made[number] = used + characters, [*policy, it]
                break
        else:
            made.append((frame + characters, [it]))
    return [policy for _, policy in made]


def _pieces(it: Statement, most: int) -> Iterator[Statement]:
    """Yield a statement in pieces of like size that are small enough: by its resources, or at last its actions."""
    many = len(it.resources) > 1
    whole = it.resources if many else it.actions
    count = min(-(-size(it.plain()) // most), len(whole))
    if count <= 1:
        yield it
        return
    length = -(-len(whole) // count)
    for some in (whole[start : start + length] for start in range(0, len(whole), length)):
        yield from _pieces(it._replace(resources=some) if many else it._replace(actions=some), most)
