"""Options that the log commands share, and what they mean together."""

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import wraps

import click

from lambda_guard.tools.logs.reading.streams import Tally
from lambda_guard.tools.logs.selection import Selection, Target
from lambda_guard.tools.logs.views.html.page_file import PageFile
from lambda_guard.tools.options import added, color_option, json_option, where_option
from lambda_guard.tools.terminal import say, warn
from lambda_guard.tools.times import moment_ms
from lambda_guard.tools.where import Condition

time_options = added(
    click.option(
        "--since",
        metavar="TIME",
        help="From then on: how long ago (15m, 2h, 3d), or an ISO time; local without a zone, while times are "
        "shown in UTC. CloudWatch: 1h by default.",
    ),
    click.option("--until", metavar="TIME", help="Up to then."),
)
_source_options = added(
    click.argument("paths", nargs=-1, metavar="[SOURCE]...", type=click.Path(allow_dash=True)),
    click.option(
        "--log-group",
        "groups",
        multiple=True,
        metavar="NAME",
        help="A log group; * and ? match, ARNs cross accounts.",
    ),
    click.option(
        "--function", "functions", multiple=True, metavar="NAME", help="The log group of a function."
    ),
    click.option(
        "--stack", "stacks", multiple=True, metavar="NAME", help="All functions of a CloudFormation stack."
    ),
    time_options,
)
wanted_argument = click.argument("wanted", metavar="[ID]", default="")
wanted_where = where_option(
    "Instead of an ID: what has this in its record or in a line, such as order_id=o-6; several must all hold."
)
journal_option = click.option(
    "--journal",
    "journals",
    multiple=True,
    metavar="FILE",
    help="A journal of dlq replay, which tells what was replayed; by default those in ./.lambda-guard/.",
)
output_options = added(
    json_option,
    click.option(
        "--html", metavar="FILE", type=click.Path(), help="Write one self-contained page instead of text."
    ),
    click.option(
        "--map",
        "picture",
        metavar="FILE",
        type=click.Path(),
        help="Write the map of the system alone, as a picture (SVG); also beside --html.",
    ),
    click.option("--force", is_flag=True, help="Let --html and --map replace any file, also through a link."),
    color_option,
)


def source_options(command: Callable[..., int]) -> Callable[..., int]:
    """Add the options that say where to read from, and between when, and check those of the output, if it has them.

    The command takes `target` and `selection`, and with `output_options` also `files`.

    Raises:
        click.UsageError: what was typed can't all hold.
    """

    @wraps(command)
    def run(  # noqa: PLR0917 - click passes options by name
        paths: Sequence[str],
        groups: Sequence[str],
        functions: Sequence[str],
        stacks: Sequence[str],
        since: str | None,
        until: str | None,
        **others: object,
    ) -> int:
        selection = between(since, until)
        if "wanted" in others:
            paths, selection = _sought(paths, selection, others)
        target = checked(Target(tuple(paths), tuple(groups), tuple(functions), tuple(stacks)))
        if "html" in others:
            paths_of = {"--html": others.pop("html"), "--map": others.pop("picture")}
            others["files"] = _files(paths_of, others.pop("force"), others["as_json"], target)
        return command(target=target, selection=selection, **others)

    return _source_options(run)


def _sought(
    paths: Sequence[str], selection: Selection, others: dict[str, object]
) -> tuple[Sequence[str], Selection]:
    """Tell an id from a source: where conditions are given, there is no id."""
    texts = others.pop("conditions")
    assert isinstance(texts, tuple)
    if texts:
        paths = tuple(filter(None, (str(others["wanted"]), *paths)))
        others["wanted"] = ""
    elif not others["wanted"]:
        raise click.UsageError("name an ID, or what to look for with --where KEY=VALUE")
    return paths, replace(selection, conditions=tuple(map(Condition.parse, texts)))


def _files(
    paths: Mapping[str, object], force: object, as_json: object, target: Target
) -> dict[str, PageFile]:
    """Return the files to write, by their option: those that are given."""
    files = {option: PageFile(str(path), bool(force), option) for option, path in paths.items() if path}
    if files and as_json:
        what = "a page" if "--html" in files else "a picture"
        raise click.UsageError(
            f"{next(iter(files))} writes {what} and --json writes lines: choose one of them"
        )
    if len({file.path for file in files.values()}) < len(files):
        raise click.UsageError("--html and --map name the same file: the page has the map in it already")
    for file in files.values():
        file.check(target.paths)
    return files


def checked(target: Target) -> Target:
    """Return where to read from: standard input where nothing is named.

    Raises:
        click.UsageError: what was typed can't all hold, or there is nothing to read.
    """
    if "" in (*target.paths, *target.groups, *target.functions, *target.stacks):
        raise click.UsageError("the name of a source is empty: is the variable that should hold it set?")
    if target.in_the_cloud and target.paths:
        raise click.UsageError("name either files or log groups, not both")
    if target.in_the_cloud or target.paths:
        return target
    if sys.stdin.isatty():
        raise click.UsageError(
            "nothing to read: name files, - for standard input, --log-group, --function or --stack"
        )
    return Target(("-",))


def between(since: str | None, until: str | None) -> Selection:
    """Return the selection of what `--since` and `--until` say.

    Raises:
        click.UsageError: nothing lies between them.
    """
    now = time.time() * 1_000.0
    since_ms, until_ms = (moment_ms(text, now) if text is not None else None for text in (since, until))
    if since_ms is not None and until_ms is not None and since_ms >= until_ms:
        raise click.UsageError(f"--since {since} isn't before --until {until}: nothing lies between them")
    return Selection(since_ms=since_ms, until_ms=until_ms)


def say_tally(tally: Tally, shown: int, filtered: bool, failed: int | None = None) -> int:
    """Finish with what was read and what was odd about it; warnings come last, where they are seen.

    Args:
        tally: what was read.
        shown: how many invocations were shown.
        filtered: whether a filter was set.
        failed: how many of those that were shown failed; None for commands that don't show any.

    Returns:
        The exit code: 1 where something could not be read.
    """
    sys.stdout.flush()  # where both streams go to one place, this comes last
    say(f"{_counts(tally, shown, failed)}; {tally.lines:,} line{'s' * (tally.lines != 1)} read")
    for text in (*_oddities(tally, filtered), *tally.notes):
        say(f"  {text}")
    if tally.strays and not tally.invocations:
        say(f"  {_LOOKED_FOR}")
    for warning in tally.warnings:
        warn(warning)
    return 1 if tally.warnings else 0


def _counts(tally: Tally, shown: int, failed: int | None) -> str:
    """Describe how much was shown of what was read."""
    plural = "s" * (tally.invocations != 1)
    if shown == tally.invocations:
        return f"{shown:,} invocation{plural}, {tally.failed:,} failed"
    if failed is None:
        return f"{shown:,} of {tally.invocations:,} invocation{plural}, {tally.failed:,} failed"
    failures = f"{failed:,} of {tally.failed:,} failure{'s' * (tally.failed != 1)}"
    return f"{shown:,} of {tally.invocations:,} invocation{plural} and {failures} shown"


_LOOKED_FOR = (
    "looked for: records, START, END and REPORT, JSON and text of the runtimes, behind the prefixes of sam, aws, sls, "
    "docker, kubectl and syslog; documents of CloudWatch Logs, Logs Insights, subscriptions and the Telemetry API"
)


def _oddities(tally: Tally, filtered: bool) -> list[str]:
    unshown = " (not shown: a filter is set)" if filtered else ""
    told = (
        (tally.strays, f"line{{}} of no invocation{unshown}"),
        (tally.broken, "broken or cut line{} of JSON shown"),
        (tally.duplicates, "line{} found twice"),
        (tally.clock_jumps, "invocation{} shown with times that can't be true"),
        (tally.evicted, "invocation{} shown before the end was read, to bound memory"),
    )
    return [f"{count:,} {text.format('s' * (count != 1))}" for count, text in told if count]
