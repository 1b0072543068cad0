"""Surveys of what is deployed: of stacks, by their templates, and of a whole account and Region."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from lambda_guard.templates.survey.model import Survey
from lambda_guard.tools.audit.account import account, alarms, listed, refusals
from lambda_guard.tools.audit.asking import Asking
from lambda_guard.tools.audit.stacks import stack
from lambda_guard.tools.aws import new_clients
from lambda_guard.tools.progress import progress_bar
from lambda_guard.tools.terminal import say, warn


def deployed(stacks: Sequence[str], state: Path | None, *, whole: bool) -> Iterator[Survey]:
    """Yield the surveys of stacks, with the account's alarms beside them, and of the account.

    Args:
        stacks: their names.
        state: where answers are kept until all are there.
        whole: whether the account is surveyed.

    Raises:
        CloudError: AWS can't be reached, or has no such stack.
        TemplateError: a stack's template can't be read.
    """
    asking = Asking(new_clients(), state)
    if asking.resumed:
        say(f"{state}: going on with {asking.resumed:,} answers")
    for name in stacks:
        yield from stack(asking, name)
    if whole:
        with progress_bar("functions", len(listed(asking))) as progress:
            yield account(asking, progress)
    elif stacks:
        beside = Survey(file=f"alarms of account {asking.account}", alarms=tuple(alarms(asking)))
        yield replace(beside, **refusals(asking))
        for refused in asking.refused.values():
            warn(refused)
    asking.done()
