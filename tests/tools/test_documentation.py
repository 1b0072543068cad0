"""The pages about the command line say what it does."""

import re
import shlex
from pathlib import Path

import click
import pytest

from lambda_guard.tools.group import lambda_guard

from .reference import reference

DOCS = Path(__file__).parents[2] / "docs"
PAGES = sorted([*DOCS.glob("*.md"), DOCS.parent / "README.md"])


def options_of(command, context):
    """Give all option names of a command and of those below it."""
    found = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            found |= options_of(command.get_command(context, name), context)
    return found


def test_the_reference_is_the_commands_own_help():
    """Made by `python tests/tools/reference.py > docs/cli.md`; whoever changes an option runs it again."""
    assert (DOCS / "cli.md").read_text(encoding="utf-8") == reference()


def test_every_option_of_the_user_s_page_exists():
    """A page that names an option that is not there sends its reader astray."""
    text = (DOCS / "seeing.md").read_text(encoding="utf-8")
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text)) - {"--tail"}
    known = options_of(lambda_guard, click.Context(lambda_guard))
    assert named <= known
    assert "--where" in named


def commands_of(page):
    """Yield each command of a page, in a block or in a sentence, without what explains it on the same line."""
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    for line in re.findall(r"^(?:.*[|$] |\s*)(lambda-guard [^`\n]+)$", text, re.MULTILINE):
        yield re.split(r"\s{3,}|\s+# | \| ", line)[0]
    yield from re.findall(r"`(lambda-guard [^`\n]+)`", text)


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_every_command_of_every_page_parses(page, monkeypatch, tmp_path):
    """Each subcommand and option exists, and takes the value that it is given."""
    monkeypatch.chdir(tmp_path)
    for name in (
        "alarms.yaml",
        "template.yaml",
        "examples/app/template.yaml",
        ".aws-sam/build/template.yaml",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    for text in commands_of(page):
        command, context, arguments = lambda_guard, None, shlex.split(text)
        try:
            while arguments:
                name, *arguments = arguments
                context = command.make_context(name, [*arguments], parent=context)
                if not isinstance(command, click.Group):
                    break
                _, command, _ = command.resolve_command(context, arguments)
        except (click.MissingParameter, click.exceptions.NoArgsIsHelpError):
            continue  # a sentence names the command alone
        except click.UsageError as error:
            pytest.fail(f"{page.name}: {text}: {error.format_message()}")


def test_the_pages_have_commands():
    """The test above finds what it is about."""
    found = [text for page in PAGES for text in commands_of(page)]
    assert len(found) > 30
    assert "lambda-guard dlq replay orders-dead --where error=KeyError --rate 20 --yes" in found
