"""Round trip: random calls → policy → matcher, which allows all of them and nothing beside them."""

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambda_guard.iam.matcher import Request, decide, statements_of
from lambda_guard.iam.service_reference import actions_of
from lambda_guard.tools.policy.evidence import Evidence
from lambda_guard.tools.policy.needs import needs_of
from lambda_guard.tools.policy.statements import policy

from .test_policy import CALLS, HERE, SHAPES, asks, called, shape_of

REGIONS = [
    "eu-west-1",
    "us-east-1",
    "eu-west-2",
    "eu-central-1",
    "ap-south-1",
    "ca-west-1",
    "sa-east-1",
    "us-gov-west-1",
]
ACCOUNTS = ["123456789012", "210987654321", "123456789013"]
NEIGHBOURS = 1_000


def other_names(name):
    """Return the name, and those beside it: longer, shorter, with another letter, in another case."""
    changed = [f"{name[:place]}{it}{name[place + 1 :]}" for place in range(len(name)) for it in "z0"]
    return [name, f"{name}x", f"x{name}", name[:-1], name[1:], name.upper(), f"{name}-2", *changed]


def neighbours(call):
    """Return what is beside a call, as (action, ARN): other resources, actions, Regions and accounts, and mixtures."""
    action, _ = asks(call)
    service = action.partition(":")[0]
    form = SHAPES[shape_of(call)][1]
    places = [f"{region}:{account}" for region, account in product(REGIONS, ACCOUNTS)]
    arns = [form.format(at=at, name=name) for at, name in product(places, other_names(call.resource))]
    actions = [action, *(f"{service}:{name}" for name in actions_of(service))]
    of_all = [other.partition("/")[0] for other in arns[:5]]  # a table's ARN without the table
    other_calls = {asks(called(shape, call.resource, call.region)) for shape in SHAPES}
    return other_calls | {*product(actions[:4], arns), *product(actions, [*arns[:8], *of_all, "*"])}


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(st.lists(CALLS, min_size=1, max_size=8, unique=True))
def test_a_policy_allows_every_call_and_none_of_a_thousand_neighbours(calls):
    """Another table, another action, another Region, another account: none is allowed that wasn't called itself."""
    evidence = Evidence("orders")
    evidence.calls.update(calls)
    statements = statements_of(policy(needs_of(evidence, HERE).granted, draft=False))
    asked = {asks(call) for call in calls}
    beside = sorted(set().union(*map(neighbours, calls)) - asked)
    beside = beside[:: len(beside) // NEIGHBOURS][:NEIGHBOURS]
    assert len(beside) == NEIGHBOURS
    assert all(decide(statements, Request(*one)).allowed for one in asked)
    assert not [one for one in beside if decide(statements, Request(*one)).allowed]
