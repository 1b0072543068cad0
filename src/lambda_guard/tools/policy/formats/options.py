"""Options that say what a policy is written as, and what they mean together."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, Final

import click

from lambda_guard._printable import visible
from lambda_guard.iam.resources import Place
from lambda_guard.templates.marks import Written, read
from lambda_guard.templates.owned import Owned, owned
from lambda_guard.tools.aws import explained, new_clients
from lambda_guard.tools.options import added
from lambda_guard.tools.policy.evidence import Evidence
from lambda_guard.tools.policy.formats.made import Made
from lambda_guard.tools.policy.formats.table import FORMATS, said_beside, too_large
from lambda_guard.tools.policy.needs import Needs
from lambda_guard.tools.policy.statements import statements
from lambda_guard.tools.terminal import say, warn

_WITH_TEMPLATE: Final = ("sam", "cloudformation")
_options = added(
    click.option(
        "--format",
        "form",
        type=click.Choice(list(FORMATS)),
        default="json",
        show_default=True,
        help="Of the policy.",
    ),
    click.option(
        "--template",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="The function's template: what it owns is referred to, for the formats sam and cloudformation.",
    ),
    click.option(
        "--stack",
        metavar="NAME",
        help="The template's stack, for names that CloudFormation made; it needs cloudformation:ListStackResources.",
    ),
)


@dataclass(frozen=True, slots=True)
class Form:
    """What a policy is written as.

    Attributes:
        name: of the format.
        template: the function's, whose resources are referred to.
        parameters: values in place of its defaults.
        physical: the physical ids of its stack's resources.
    """

    name: str
    template: Written | None
    parameters: dict[str, str]
    physical: dict[str, str]

    def made(self, evidence: Evidence, needs: Needs, place: Place, doubts: Sequence[str]) -> Made:
        """Return the policy of a function; a draft, if there are doubts."""
        notes = (*evidence.lines(), *([f"a draft: {'; '.join(doubts)}"] if doubts else []))
        found = statements(needs.granted, draft=bool(doubts))
        return Made(evidence.function, found, place, notes, self._owned(place))

    def _owned(self, place: Place) -> Owned:
        if self.template is None:
            return Owned()
        here = {
            "AWS::Region": place.region,
            "AWS::AccountId": place.account,
            "AWS::Partition": place.partition,
        }
        known = {key: value for key, value in here.items() if value is not None}
        return owned(self.template, {**known, **self.parameters}, self.physical)

    def text(self, made: Made) -> str:
        """Return the policy in this format."""
        return FORMATS[self.name](made)

    def say(self, made: Made) -> None:
        """Say what the format itself doesn't."""
        for line in (*said_beside(made, self.name), *_unmatched(made)):
            say(line)
        for line in too_large(made, self.name):
            warn(line)


def _unmatched(made: Made) -> Iterator[str]:
    for arn in dict.fromkeys(arn for it in made.statements for arn in it.resources):
        if why := made.owned.unmatched(arn):
            yield f"written as it is: {arn}: {visible(why)}"


def format_options(command: Callable[..., int]) -> Callable[..., int]:
    """Add the options of the format; the command takes `form`. `--parameter` is that of `--diff`, for both.

    Raises:
        click.UsageError: what was typed can't all hold.
    """

    @wraps(command)
    def run(
        *, form: str, template: Path | None, stack: str | None, parameters: dict[str, str], **others: Any
    ) -> int:
        if template is not None and form not in _WITH_TEMPLATE:
            raise click.UsageError(f"--template goes with --format {' or '.join(_WITH_TEMPLATE)}")
        if template is None and stack is not None:
            raise click.UsageError("--stack goes with --template")
        written = read(template) if template is not None else None
        names = {"AWS::StackName": stack} if stack is not None else {}
        physical = _physical_ids(stack) if stack is not None else {}
        others["parameters"] = {} if template is not None and others["diff"] is None else parameters
        return command(form=Form(form, written, {**names, **parameters}, physical), **others)

    return _options(run)


def _physical_ids(stack: str) -> dict[str, str]:
    """Return the physical ids of a stack's resources by their logical ids.

    Raises:
        CloudError: AWS refuses, or has no such stack.
    """
    cloudformation = new_clients()("cloudformation")
    with explained(f"list the resources of stack {stack}"):
        pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack)
        found = [it for page in pages for it in page["StackResourceSummaries"]]
        return {
            it["LogicalResourceId"]: it["PhysicalResourceId"] for it in found if it.get("PhysicalResourceId")
        }
