"""Invocation records as evidence for an audit: the option, and what the records tell of each function."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import Any, Final

import click

from lambda_guard.tools.logs.commands.invocations import selected
from lambda_guard.tools.logs.commands.options import between, say_tally, time_options
from lambda_guard.tools.logs.invocation import invocations_of
from lambda_guard.tools.logs.readers import reader_for
from lambda_guard.tools.logs.selection import Selection, Target
from lambda_guard.tools.options import added, least_options
from lambda_guard.tools.policy.gathering import Gathering
from lambda_guard.tools.terminal import say

_options: Final = added(
    click.option(
        "--evidence",
        "sources",
        multiple=True,
        metavar="SOURCE",
        help="Logs with invocation records, a file or a log group (/aws/lambda/shop-*): a wide statement is narrowed "
        "to what was called.",
    ),
    time_options,
    least_options,
)


@dataclass(slots=True)
class Records:
    """What records tell of functions.

    Attributes:
        least_invocations: what makes enough evidence.
        least_days: likewise.
        by_name: what was gathered of each function.
        unread: whether a source couldn't be read whole.
    """

    least_invocations: int
    least_days: int
    by_name: dict[str, Gathering] = field(default_factory=dict)
    unread: bool = False

    def read(self, target: Target, selection: Selection) -> None:
        """Take a source in."""
        with reader_for(target, selection) as reader:
            for one in invocations_of(selected(reader.read(), selection, reader)):
                self.by_name.setdefault(one.function, Gathering(one.function)).add(one)
            self.unread |= bool(say_tally(reader.tally, reader.tally.invocations, filtered=True))


def evidence_options(command: Callable[..., int]) -> Callable[..., int]:
    """Add the options; the command takes `records`, which is None without --evidence.

    Its exit code is 1 at least where a source couldn't be read whole.

    Raises:
        click.UsageError: what was typed can't all hold.
    """

    @wraps(command)
    def run(
        *,
        sources: Sequence[str],
        since: str | None,
        until: str | None,
        least_invocations: int,
        least_days: int,
        **others: Any,
    ) -> int:
        if not sources:
            if since or until:
                raise click.UsageError("--since and --until go with --evidence")
            return command(records=None, **others)
        records = Records(least_invocations, least_days)
        for target in _targets(sources):
            records.read(target, between(since, until))
        return max(command(records=records, **others), records.unread)

    return _options(run)


def _targets(sources: Sequence[str]) -> Iterator[Target]:
    """Yield files and log groups apart: a name with a slash in front that no file has is a log group's."""
    if "" in sources:
        raise click.UsageError("the name of a source is empty: is the variable that should hold it set?")
    groups = tuple(it for it in sources if it.startswith(("/", "arn:")) and not Path(it).exists())
    if files := tuple(it for it in sources if it not in groups):
        yield Target(files)
    if groups:
        for it in groups:
            if not it.startswith(("/aws/", "arn:")):
                say(f"there is no file {it}: read as the name of a log group")
        yield Target((), groups)
