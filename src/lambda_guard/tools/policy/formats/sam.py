"""For SAM: `Policies` of a function, with SAM's policy templates where they grant exactly what is needed. Pure.

https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/sam-resource-function.html
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from textwrap import indent
from typing import Any, Final

from lambda_guard.iam.resources import Place
from lambda_guard.iam.service_reference import actions_of
from lambda_guard.templates.policy_templates import PolicyTemplate, policy_templates
from lambda_guard.templates.writing import as_yaml
from lambda_guard.tools.policy.formats.cloudformation import listed, managed_policies
from lambda_guard.tools.policy.formats.made import Made
from lambda_guard.tools.policy.limits import INLINE_MOST, size
from lambda_guard.tools.policy.statements import Statement, distinct, document

_Pair = tuple[str, str]
_PARAMETER: Final = re.compile(r"\\\$\\\{(\w+)\\\}")


@dataclass(frozen=True, slots=True)
class Use:
    """A policy template with its arguments, the pairs of action and resource that it grants, and one resource."""

    name: str
    arguments: tuple[tuple[str, str], ...]
    pairs: frozenset[_Pair]
    resource: str

    def given(self, made: Made) -> dict[str, Any]:
        """Return the arguments, with references to what the function's template owns."""
        if len(self.arguments) > 1:
            return dict(self.arguments)
        return {name: made.owned.argument(self.resource, value) for name, value in self.arguments}


def sam(made: Made) -> str:
    """Return `Policies` in YAML; where that is too large for a role, managed policies and references to them."""
    if made.managed:
        names = as_yaml({"Policies": [{"Ref": name} for name in made.named("Policy")]})
        return f"{made.head()}{names}{managed_policies(made)}"
    uses = fitting({pair for it in made.statements for pair in _pairs(it)}, made.place)
    if size(document(made.statements)) + len(uses) * size(document(())) > INLINE_MOST:
        uses = []  # each would be an inline policy of its own
    covered = {pair for use in uses for pair in use.pairs}
    entries: list[tuple[str, Mapping[str, Any]]] = []
    for use in uses:
        why = "; ".join(dict.fromkeys(it.why for it in made.statements if use.pairs & set(_pairs(it))))
        entries.append((why, {use.name: use.given(made)}))
    left = distinct(piece for it in made.statements for piece in _without(it, covered))
    text = indent(listed(entries), "  ")
    if left:
        statements = indent(listed((it.why, made.plain(it)) for it in left), " " * 4)
        text += f"  - Statement:\n{statements}"
    return f"{made.head()}Policies:\n{text}"


def fitting(needed: set[_Pair], place: Place) -> list[Use]:
    """Return the policy templates that grant only what is needed, each pair by one of them at most.

    Args:
        needed: pairs of action and resource; those under a condition aren't among them.
        place: where a template's ARNs are.
    """
    candidates = {
        use
        for template in policy_templates().values()
        if (grants := _effective(template, place)) is not None
        for use in _uses(template, grants, needed)
        if use.pairs <= needed
    }
    chosen: list[Use] = []
    taken: set[_Pair] = set()
    for use in sorted(candidates, key=lambda it: (-len(it.pairs), it.name, sorted(it.pairs))):
        if not use.pairs & taken:
            chosen.append(use)
            taken |= use.pairs
    return sorted(chosen, key=lambda it: min(it.pairs))


def _uses(template: PolicyTemplate, grants: list[_Pair], needed: set[_Pair]) -> Iterator[Use]:
    """Yield a template with the arguments that a needed resource implies."""
    names = set(template.parameters)
    whole = next((it for it in grants if set(_PARAMETER.findall(re.escape(it[1]))) == names), None)
    for action, resource in needed if whole else ():
        assert whole is not None
        if action == whole[0] and (found := _pattern(whole[1]).fullmatch(resource)):
            arguments = found.groupdict()
            pairs = frozenset((one, _filled(text, arguments)) for one, text in grants)
            yield Use(template.name, tuple(sorted(arguments.items())), pairs, resource)


def _pattern(resource: str) -> re.Pattern[str]:
    return re.compile(_PARAMETER.sub(r"(?P<\1>[^*]+)", re.escape(resource)))


def _filled(resource: str, arguments: Mapping[str, str]) -> str:
    for name, value in arguments.items():
        resource = resource.replace(f"${{{name}}}", value)
    return resource


def _effective(template: PolicyTemplate, place: Place) -> list[_Pair] | None:
    """Return what a template grants at a place, without wildcards in actions and without what isn't an action.

    None where that can't be known.
    """
    here = {
        "AWS::Region": place.region,
        "AWS::AccountId": place.account,
        "AWS::Partition": place.partition,
    }
    found = []
    for action, resource in template.grants:
        service, _, name = action.partition(":")
        if not (known := actions_of(service)) or any(
            value is None and f"${{{key}}}" in resource for key, value in here.items()
        ):
            return None
        wanted = re.compile(re.escape(name).replace(r"\*", ".*"), re.IGNORECASE)
        text = _filled(resource, {key: value for key, value in here.items() if value is not None})
        found += [(f"{service}:{one}", text) for one in known if wanted.fullmatch(one)]
    return found or None


def _pairs(it: Statement) -> list[_Pair]:
    """Return the pairs of action and resource of a statement without a condition."""
    return [] if it.condition else [(action, arn) for action in it.actions for arn in it.resources]


def _without(it: Statement, covered: set[_Pair]) -> Iterator[Statement]:
    """Yield what is left of a statement when some pairs are granted elsewhere."""
    if it.condition or not covered & set(_pairs(it)):
        yield it
        return
    left: dict[tuple[str, ...], list[str]] = {}
    for arn in it.resources:
        actions = tuple(one for one in it.actions if (one, arn) not in covered)
        left.setdefault(actions, []).append(arn)
    for actions, arns in left.items():
        if actions:
            yield it._replace(actions=actions, resources=tuple(arns))
