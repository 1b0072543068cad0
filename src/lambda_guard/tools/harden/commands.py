"""`lambda-guard harden`: the command."""

import difflib
from pathlib import Path

import click

from lambda_guard._printable import visible
from lambda_guard.templates.document import TemplateError
from lambda_guard.templates.writing import as_yaml
from lambda_guard.tools.audit.evidence import Records, evidence_options
from lambda_guard.tools.files import replacing
from lambda_guard.tools.harden.hardening import Hardened
from lambda_guard.tools.harden.hardening import harden as hardened
from lambda_guard.tools.harden.narrowing import Narrowed, narrow
from lambda_guard.tools.harden.settings import FILE, read_settings
from lambda_guard.tools.options import parameters_option
from lambda_guard.tools.terminal import say, warn

_EPILOG = f"""\b
Examples:
  lambda-guard harden template.yaml --diff
  lambda-guard harden template.yaml
  lambda-guard harden template.yaml --evidence app.log --diff         wildcards in roles, narrowed to what was called
  lambda-guard harden template.yaml --parameter Stage=prod --settings infrastructure/{FILE}

\b
Settings, in {FILE} beside the template, with what holds without it:
  [harden]
  alias = "live"
  preference = "Canary10Percent10Minutes"
  retention_days = 30
  dead_letter_days = 14
  max_receive_count = 5
  retry_attempts = 10

\b
Exit codes:
  0  everything that it can write is there; with --diff, also where it would write something
  1  a block could not be inserted, or a statement not replaced: it is printed, to be pasted; or a source of
     --evidence can't be read
  2  a wrong command line, or a template that can't be read
"""


@click.command(name="harden", epilog=_EPILOG)
@click.argument("template", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--diff", is_flag=True, help="Show what would be written, and write nothing.")
@parameters_option
@evidence_options
@click.option(
    "--settings",
    "settings_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help=f"In place of {FILE}.",
)
def harden(
    template: Path,
    diff: bool,
    parameters: dict[str, str],
    records: Records | None,
    settings_file: Path | None,
) -> int:
    """Write into a template what the checklist misses in it.

    Dead-letter queues and redrive, partial batch responses where the code answers them, tracing, log groups that
    expire, traffic shifting with alarms that look at the new version: what `lambda-guard audit` finds, and what can be
    written without knowing more. The rest is for people.

    Text is inserted, and nothing else changes: no comment, no order, no style. Each insertion is checked; what can't
    be inserted is printed, to be pasted. A second run writes nothing.

    With --evidence, statements with a wildcard are replaced by what the records of their functions ask for, if the
    evidence is enough and nothing that was called is left out.
    """
    try:
        text = template.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise TemplateError(f"{template}: the template can't be read: {error}") from error
    bom = "\ufeff" * text.startswith("\ufeff")
    settings = read_settings(settings_file, template)
    done = hardened(template, text.removeprefix(bom), parameters, settings)
    narrowed = Narrowed(done.text) if records is None else narrow(template, done.text, parameters, records)
    if diff:
        old, new = (it.splitlines(keepends=True) for it in (text.removeprefix(bom), narrowed.text))
        for line in difflib.unified_diff(old, new, str(template), str(template)):
            click.echo(visible(line.rstrip("\r\n")))
    elif done.done or narrowed.done:
        with replacing(template) as unfinished:
            unfinished.write_bytes((bom + narrowed.text).encode("utf-8"))
    _say(done, template, diff, narrowed)
    return 1 if done.refused or narrowed.refused else 0


def _say(done: Hardened, template: Path, diff: bool, narrowed: Narrowed) -> None:
    for block in done.done:
        say(f"{block.rule}  {block.what}")
    for it in done.refused:
        warn(
            f"{it.finding.rule} at {it.finding.place}: {it.finding.what}. Not inserted, since {it.why}; to paste:"
        )
        click.echo(visible(it.text(), "\n"))
    for name, statements in done.needed().items():
        warn(f"{name} has a Role of its own, which needs for this:")
        click.echo(visible(as_yaml({"Statement": statements}), "\n"))
    _say_narrowed(narrowed)
    count = f"{len(done.done) + len(narrowed.done)} blocks {'would be written' if diff else 'written'}"
    refused, left = len(done.refused) + len(narrowed.refused), len(done.left) - narrowed.mended
    say(f"{template}: {count}, {refused} refused, {left} findings left for people")


def _say_narrowed(narrowed: Narrowed) -> None:
    for it in narrowed.done:
        say(visible(f"{it.rule}  {it.what}: narrowed to what was called"))
        for line in it.instead.notes() if it.instead else ():
            say(f"  {visible(line)}")
    for it, why in narrowed.refused:
        paste = "; to paste:" if it.instead and it.instead.text else ""
        warn(visible(f"{it.rule} at {it.place}: {it.what}. Not replaced, since {why}{paste}"))
        if it.instead and it.instead.text:
            click.echo(visible(it.instead.text, "\n"), nl=False)
