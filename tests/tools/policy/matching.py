"""How IAM evaluates an identity's policy, as far as tests need it: wildcards, variables, and that Deny wins."""

import re


def allows(policy, action, resource):
    """Return whether a policy allows an action on a resource; a condition counts as one that holds."""
    effects = {
        statement["Effect"]
        for statement in policy["Statement"]
        if any(_matches(one, action, re.IGNORECASE) for one in statement["Action"])
        and any(_matches(one, resource) for one in statement["Resource"])
    }
    return effects == {"Allow"}


def _matches(pattern, text, flags=0):
    parts = (".*" if char == "*" else "." if char == "?" else re.escape(char) for char in pattern)
    return re.fullmatch("".join(parts), text, flags | re.DOTALL) is not None
