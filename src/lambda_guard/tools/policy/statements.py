"""Needs → the statements of a policy: minimal, in a stable order. Pure."""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

_NAMED: Final = 3
"""Calls that a statement's comment names."""


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


class Statement(NamedTuple):
    """One statement of a policy, which allows.

    Attributes:
        sid: its name, letters and digits.
        actions: sorted.
        resources: ARNs, sorted, or `*`.
        condition: operator → key → value.
        why: what asked for it, in a line.
        called: whether a call shows it.
    """

    sid: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    condition: Mapping[str, Mapping[str, str]]
    why: str = ""
    called: bool = False

    def plain(self) -> dict[str, Any]:
        """Return it as a policy document has it."""
        return {
            "Sid": self.sid,
            "Effect": "Allow",
            "Action": list(self.actions),
            "Resource": list(self.resources),
            **({"Condition": self.condition} if self.condition else {}),
        }


def statements(needs: Mapping[Need, Mapping[str, int]], *, draft: bool) -> list[Statement]:
    """Return the statements that allow these needs, and nothing else.

    Args:
        needs: in any order; each with what asked for it, and in how many invocations.
        draft: begin the name of every statement with `Draft`.
    """
    actions_on: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    for need in needs:
        actions_on[need.action.partition(":")[0], need.resource, need.condition].add(need.action)
    alike: dict[tuple[str, tuple[str, ...], str], list[str]] = defaultdict(list)
    for (service, resource, condition), actions in sorted(actions_on.items()):
        alike[service, tuple(sorted(actions)), condition].append(resource)
    made: dict[str, Statement] = {}
    for (service, actions_of_all, condition), on in sorted(alike.items(), key=lambda it: (it[0][0], it[1])):
        sid = _free(
            f"{'Draft' * draft}{name_of(service)}{name_of(_last(on[0])) if len(on) == 1 else ''}", made
        )
        asked = [needs[Need(action, arn, condition)] for arn in on for action in actions_of_all]
        limit = json.loads(condition) if condition else {}
        called = any(count for one in asked for count in one.values())
        made[sid] = Statement(sid, actions_of_all, tuple(on), limit, why_of(asked), called)
    return list(made.values())


def distinct(made: Iterable[Statement]) -> list[Statement]:
    """Return statements with names that differ, as IAM wants them in a policy."""
    named: dict[str, Statement] = {}
    for it in made:
        sid = _free(it.sid, named)
        named[sid] = it._replace(sid=sid)
    return list(named.values())


def why_of(asked: Iterable[Mapping[str, int]]) -> str:
    """Return what asked for needs, in a line: calls with the number of invocations, then what no call shows."""
    counts: dict[str, int] = {}
    for one in asked:
        counts |= one
    calls = [f"{what} in {count:,} invocation{'s' * (count != 1)}" for what, count in counts.items() if count]
    unseen = [f"no call shows it: {what}" for what, count in counts.items() if not count]
    others = len(calls) - _NAMED
    more = [f"{others:,} other call{'s' * (others != 1)}"] if others > 0 else []
    listed = [*sorted(calls)[:_NAMED], *more, *unseen]
    return "; ".join(listed)


def policy(needs: Mapping[Need, Mapping[str, int]], *, draft: bool) -> dict[str, Any]:
    """Return the policy document of `statements`."""
    return document(statements(needs, draft=draft))


def document(made: Iterable[Statement]) -> dict[str, Any]:
    """Return the policy document with these statements."""
    return {"Version": "2012-10-17", "Statement": [it.plain() for it in made]}


def _last(arn: str) -> str:
    return re.split("[:/]", arn.rstrip("*?-:/"))[-1]


def name_of(text: str) -> str:
    """Return a part of a statement's name, which may have letters and digits alone."""
    return "".join(part[:1].upper() + part[1:] for part in re.findall("[A-Za-z0-9]+", text))[:40]


def _free(name: str, taken: Mapping[str, object]) -> str:
    number = 1
    while (free := name if number == 1 else f"{name}x{number}") in taken:
        number += 1
    return free
