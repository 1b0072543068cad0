"""Options that the commands share."""

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import click

from lambda_guard.tools.files import replacing
from lambda_guard.tools.terminal import ESCAPED, write_with

Command = TypeVar("Command", bound=Callable[..., Any])


def added(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Return a decorator that adds options; `--help` lists them in this order."""

    def add(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return add


def _to_be_json(_context: click.Context, _parameter: click.Parameter, value: bool) -> bool:
    if value:
        write_with(ESCAPED, sys.stdout)
    return value


json_option = click.option(
    "--json", "as_json", is_flag=True, callback=_to_be_json, help="Write JSON instead of text."
)
color_option = click.option(
    "--color",
    type=click.Choice(["auto", "always", "never"]),
    default="auto",
    help="Colours; auto: on terminals, unless NO_COLOR is set.",
)
output_option = click.option(
    "--output",
    "-o",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file to write; else standard output.",
)

least_options = added(
    click.option(
        "--least-invocations",
        type=click.IntRange(min=0),
        default=1_000,
        show_default=True,
        metavar="N",
        help="Evidence of fewer makes a draft.",
    ),
    click.option(
        "--least-days",
        type=click.IntRange(min=0),
        default=7,
        show_default=True,
        metavar="N",
        help="Evidence of fewer days makes a draft.",
    ),
)


def put(text: str, output: Path | None) -> None:
    """Write a text to the file of `output_option`, whole or not at all; without one to standard output.

    Raises:
        OSError: the disk is full, say; it names the file.
    """
    if output is None:
        click.echo(text, nl=False)
        return
    with replacing(output) as unfinished:
        unfinished.write_text(text, encoding="utf-8", errors=ESCAPED)


def where_option(text: str) -> Callable[[Command], Command]:
    """Make --where, which `where.Condition` reads; `text` is its help, for the keys differ."""
    return click.option("--where", "conditions", multiple=True, metavar="CONDITION", help=text)


def pairs(texts: Iterable[str], what: str, form: str) -> dict[str, str]:
    """Read options that are written KEY=VALUE, or NAME=VALUE, as `form` has it.

    Raises:
        click.UsageError: one isn't.
    """
    found = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not key or not equals:
            raise click.UsageError(f"{text!r} isn't a {what}: write {form}")
        found[key] = value
    return found


parameters_option = click.option(
    "--parameter",
    "-p",
    "parameters",
    multiple=True,
    metavar="NAME=VALUE",
    callback=lambda _context, _parameter, texts: pairs(texts, "parameter", "NAME=VALUE"),
    help="Of the template, in place of the default.",
)
