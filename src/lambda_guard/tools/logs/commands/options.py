"""Options that the commands share, and what they mean together."""

import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from lambda_guard.tools.logs.reading.grouping import Tally
from lambda_guard.tools.logs.reading.readers import Target
from lambda_guard.tools.terminal import Palette, When, wants_colour
from lambda_guard.tools.times import moment_ms

Command = TypeVar("Command", bound=Callable[..., Any])


def source_options(command: Command) -> Command:
    """Add SOURCE and the options that name log groups."""
    for option in (
        click.option(
            "--stack",
            "stacks",
            multiple=True,
            metavar="NAME",
            help="All functions of a CloudFormation stack.",
        ),
        click.option(
            "--function", "functions", multiple=True, metavar="NAME", help="The log group of a function."
        ),
        click.option(
            "--log-group",
            "groups",
            multiple=True,
            metavar="NAME",
            help="A log group; * and ? match, ARNs cross accounts.",
        ),
        click.argument("paths", nargs=-1, metavar="[SOURCE]...", type=click.Path(allow_dash=True)),
    ):
        command = option(command)
    return command


def time_options(command: Command) -> Command:
    """Add --since and --until."""
    for option in (
        click.option("--until", metavar="TIME", help="Up to then."),
        click.option(
            "--since",
            metavar="TIME",
            help="From then on: how long ago (15m, 2h, 3d), or an ISO time; local without a zone, while times are "
            "shown in UTC. CloudWatch: 1h by default.",
        ),
    ):
        command = option(command)
    return command


def output_options(command: Command) -> Command:
    """Add --json, --html and --color."""
    for option in (
        click.option(
            "--color",
            type=click.Choice(["auto", "always", "never"]),
            default="auto",
            help="Colours; auto: on terminals, unless NO_COLOR is set.",
        ),
        click.option(
            "--html",
            "html",
            metavar="FILE",
            type=click.Path(),
            help="Write one self-contained page instead of text.",
        ),
        click.option("--json", "as_json", is_flag=True, help="Write JSON instead of text."),
    ):
        command = option(command)
    return command


def target_of(
    paths: Sequence[str], groups: Sequence[str], functions: Sequence[str], stacks: Sequence[str]
) -> Target:
    """Check what was typed as source.

    Raises:
        click.UsageError: nothing was, and nothing is piped in; or both files and log groups; or an empty name.
    """
    if "" in (*paths, *groups, *functions, *stacks):
        raise click.UsageError("an empty name is no source: the variable that was to hold it may not be set")
    target = Target(tuple(paths), tuple(groups), tuple(functions), tuple(stacks))
    if target.in_the_cloud and target.paths:
        raise click.UsageError("name either files or log groups, not both")
    if target.in_the_cloud or target.paths:
        return target
    if sys.stdin.isatty():
        raise click.UsageError(
            "nothing to read: name files, - for standard input, --log-group, --function or --stack"
        )
    return Target(("-",))


def window(since: str | None, until: str | None) -> tuple[float | None, float | None]:
    """Read --since and --until, both in milliseconds since 1970.

    Raises:
        click.UsageError: nothing lies between them.
    """
    now = time.time() * 1_000.0
    since_ms, until_ms = (moment_ms(text, now) if text is not None else None for text in (since, until))
    if since_ms is not None and until_ms is not None and since_ms >= until_ms:
        raise click.UsageError(f"--since {since} is not before --until {until}: nothing lies between them")
    return since_ms, until_ms


def palette_for(when: When) -> Palette:
    """Choose the colours for standard output."""
    return Palette(on=wants_colour(when, sys.stdout))


def columns() -> int | None:
    """Give the terminal's width; None where standard output is none."""
    import shutil

    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def say(text: str) -> None:
    """Write a line to standard error: what is about the reading, not the logs."""
    sys.stderr.write(text + "\n")


def refuse_two_outputs(*, as_json: bool, html: str | None) -> None:
    """Have one way of output only.

    Raises:
        click.UsageError: there are two.
    """
    if html and as_json:
        raise click.UsageError("--html writes a page and --json writes lines: choose one of them")


def say_tally(tally: Tally, shown: int, filtered: bool) -> int:
    """End with what was read and what was odd; warnings last, where they are seen.

    Returns:
        The exit code: 1 where something could not be read.
    """
    say(_summary(tally, shown))
    for text in _oddities(tally, filtered):
        say(f"  {text}")
    for note in tally.notes:
        say(f"  {note}")
    for warning in tally.warnings:
        say(f"lambda-guard: {warning}")
    return 1 if tally.warnings else 0


def _summary(tally: Tally, shown: int) -> str:
    of = f" of {tally.invocations:,}" if shown != tally.invocations else ""
    plural = "s" * (tally.invocations != 1)
    return f"{shown:,}{of} invocation{plural}, {tally.failed:,} failed; {tally.lines:,} lines read"


def _oddities(tally: Tally, filtered: bool) -> list[str]:
    unshown = " (not shown: a filter is set)" if filtered else ""
    told = (
        (tally.strays, f"line{{}} of no invocation{unshown}"),
        (tally.broken, "broken or cut line{} of JSON shown"),
        (tally.duplicates, "line{} that stood there twice"),
        (tally.clock_jumps, "invocation{} shown with times that can't be true"),
        (tally.evicted, "invocation{} without an end, given out early to bound the memory"),
    )
    return [f"{count:,} {text.format('s' * (count != 1))}" for count, text in told if count]
