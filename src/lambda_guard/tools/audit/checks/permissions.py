"""What functions may do, and who may use them: wildcards in every place where a policy can stand.

https://docs.aws.amazon.com/IAM/latest/UserGuide/best-practices.html#grant-least-privilege
"""

import re
from functools import cache
from typing import Final

from lambda_guard.iam.service_reference import actions_of
from lambda_guard.templates.survey.nodes import Text
from lambda_guard.tools.audit.findings import Found, Subject, Yield, unread

_WIDE: Final = re.compile(r".*(FullAccess|PowerUser\w*)$|^AdministratorAccess$")
_ALL: Final = re.compile(r"^(\*|arn:[^:]*:[^:]*:[^:]*:[^:]*:\*)$")
_EVERYBODY: Final = "*"
_AS_AWS: Final = frozenset(
    {
        # AWSLambdaBasicExecutionRole grants these on `*`.
        "logs:createloggroup",
        "logs:createlogstream",
        "logs:putlogevents",
        # AWSLambdaVPCAccessExecutionRole grants these on `*`: Lambda makes and removes the interfaces.
        "ec2:createnetworkinterface",
        "ec2:deletenetworkinterface",
        "ec2:describenetworkinterfaces",
        "ec2:describesubnets",
        "ec2:assignprivateipaddresses",
        "ec2:unassignprivateipaddresses",
        # Terminologies and parallel data are something besides.
        "translate:translatetext",
        "translate:translatedocument",
    }
)
"""https://docs.aws.amazon.com/lambda/latest/dg/lambda-intro-execution-role.html"""


def every_action(subject: Subject) -> Yield:
    """Yield statements that allow everything."""
    yield from unread(subject, "roles")
    for it in subject.survey.statements:
        if it.kind == "identity" and ("*" in it.actions or "*:*" in it.actions or it.all_but_actions):
            what = "everything but some actions" if it.all_but_actions else "every action"
            yield Found(it.place, f"{it.owner} allows {what}", it.functions)


def whole_services(subject: Subject) -> Yield:
    """Yield statements that allow all actions of a service."""
    for it in subject.survey.statements:
        wide = [str(one) for one in it.actions if isinstance(one, str) and re.fullmatch(r"[\w-]+:\*", one)]
        if it.kind == "identity" and wide:
            yield Found(it.place, f"{it.owner} allows {', '.join(wide)}", it.functions)


def every_resource(subject: Subject) -> Yield:
    """Yield statements that allow, on every resource, actions which could name theirs."""
    for it in subject.survey.statements:
        if it.kind != "identity" or it.conditioned or "*" in it.actions:
            continue
        if not (it.all_but_resources or any(_ALL.match(str(one)) for one in it.resources)):
            continue
        narrow = [str(one) for one in it.actions if could_name_resource(one)]
        if narrow:
            listed = ", ".join(narrow[:3]) + (f" and {len(narrow) - 3} more" if narrow[3:] else "")
            yield Found(it.place, f"{it.owner} allows {listed} on every resource", it.functions)


def could_name_resource(action: Text) -> bool:
    """Return whether IAM lets an action be granted for single resources.

    https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
    """
    if not isinstance(action, str) or action.lower() in _AS_AWS:
        return False
    service, _, name = action.lower().partition(":")
    if not name:
        return service.endswith("policy")  # one of SAM's policy templates
    pattern = re.compile(re.escape(name).replace(r"\*", ".*").replace(r"\?", "."))
    of_service = _resources_of(service)
    return any(
        named and f"{service}:{one}" not in _AS_AWS
        for one, named in of_service.items()
        if pattern.fullmatch(one)
    )


@cache
def _resources_of(service: str) -> dict[str, bool]:
    """Return the actions of a service, and whether they can name a resource; none for an unknown service."""
    return {name.lower(): bool(kinds) for name, kinds in actions_of(service).items()}


def everybody(subject: Subject) -> Yield:
    """Yield policies of resources that let anybody in."""
    for it in subject.survey.statements:
        if it.kind in {"resource", "key"} and _EVERYBODY in it.principals and not it.conditioned:
            yield Found(it.place, f"{it.owner} lets anybody in", it.functions)


def managed_policies(subject: Subject) -> Yield:
    """Yield managed policies that allow all of a service, or all of AWS."""
    for it in subject.survey.statements:
        if it.managed is not None and _WIDE.match(it.managed):
            yield Found(it.place, f"{it.owner} has the managed policy {it.managed}", it.functions)
