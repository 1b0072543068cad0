"""Which log groups: from names, globs, ARNs, functions and stacks."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Final

from lambda_guard.shapes import arns
from lambda_guard.tools.aws import Clients, CloudError, NoSuchResourceError, explained
from lambda_guard.tools.logs.selection import Target

_WILD: Final = "*?["


@dataclass(slots=True, frozen=True)
class LogGroup:
    """A log group.

    Attributes:
        name: as in `/aws/lambda/orders`.
        arn: for groups of other accounts, which the service knows by their ARN alone; empty otherwise.
    """

    name: str
    arn: str = ""

    @property
    def parameter(self) -> dict[str, str]:
        """Name it in a call of FilterLogEvents."""
        return {"logGroupIdentifier": self.arn} if self.arn else {"logGroupName": self.name}


def log_groups(target: Target, clients: Clients, note: Callable[[str], object]) -> list[LogGroup]:
    """Find the log groups that were named.

    Args:
        target: what was named.
        clients: gives clients of AWS.
        note: called with each name that stands for no group, if others do.

    Raises:
        NoSuchResourceError: no name stands for a group: a glob matches none, a stack doesn't exist or has no functions.
        CloudError: AWS could not be asked.
    """
    found, missing = list[LogGroup](), list[NoSuchResourceError]()
    kinds = ((_named, target.groups), (_of_function, target.functions), (_of_stack, target.stacks))
    for find, name in ((find, name) for find, names in kinds for name in names):
        try:
            found += find(name, clients)
        except NoSuchResourceError as error:
            missing.append(error)
    if missing and not found:
        raise missing[0]
    for one in missing:
        note(str(one))
    return list(dict.fromkeys(found))


def _named(name: str, clients: Clients) -> list[LogGroup]:
    if name.startswith("arn:"):
        arn = name.removesuffix(":*")
        return [LogGroup(arn.partition(":log-group:")[2] or arn, arn)]
    return _matching(name, clients("logs")) if any(char in name for char in _WILD) else [LogGroup(name)]


def _matching(glob: str, logs: Any) -> list[LogGroup]:
    """Ask for the groups that begin like the glob, and match the rest here."""
    prefix = glob[: min(glob.index(char) for char in _WILD if char in glob)]
    narrowed = {"logGroupNamePrefix": prefix} if prefix else {}
    with explained(f"list the log groups that match {glob}"):
        pages = logs.get_paginator("describe_log_groups").paginate(**narrowed)
        names = [group["logGroupName"] for page in pages for group in page["logGroups"]]
    found = [LogGroup(name) for name in names if fnmatchcase(name, glob)]
    if not found:
        raise NoSuchResourceError(f"no log group matches {glob!r} in this account and region")
    return found


def _of_function(function: str, clients: Clients) -> list[LogGroup]:
    """Ask where a function logs; it is the default place where that may not be asked, or the function is gone."""
    name, _ = arns.function(function)
    try:
        with explained(f"read the configuration of {name}"):
            configuration = clients("lambda").get_function_configuration(FunctionName=function)
    except CloudError:
        configuration = {}
    return [LogGroup(configuration.get("LoggingConfig", {}).get("LogGroup") or f"/aws/lambda/{name}")]


def _of_stack(stack: str, clients: Clients) -> list[LogGroup]:
    found = list(_physical_ids(stack, clients("cloudformation")))
    if not found:
        raise NoSuchResourceError(f"the stack {stack} has no Lambda functions")
    return [group for name in found for group in _of_function(name, clients)]


def _physical_ids(stack: str, cloudformation: Any) -> Iterator[str]:
    """Yield the functions of a stack, those of the stacks nested in it included."""
    with explained(f"list the resources of the stack {stack}"):
        pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack)
        resources = [one for page in pages for one in page["StackResourceSummaries"]]
    for resource in resources:
        physical_id = resource.get("PhysicalResourceId", "")
        if resource["ResourceType"] == "AWS::Lambda::Function" and physical_id:
            yield physical_id
        elif resource["ResourceType"] == "AWS::CloudFormation::Stack" and physical_id:
            yield from _physical_ids(physical_id, cloudformation)
