"""The pages about the command line say what it does."""

import re
from pathlib import Path

import click
import pytest

from lambda_guard.tools.group import lambda_guard
from lambda_guard.tools.reference import reference

DOCS = Path(__file__).parents[2] / "docs"


def options_of(command, context):
    """Give all option names of a command and of those below it."""
    found = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            found |= options_of(command.get_command(context, name), context)
    return found


def test_the_reference_is_the_commands_own_help():
    """Made by `python -m lambda_guard.tools.reference > docs/cli.md`; whoever changes an option runs it again."""
    assert (DOCS / "cli.md").read_text(encoding="utf-8") == reference()


def test_every_option_of_the_user_s_page_exists():
    """A page that names an option that is not there sends its reader astray."""
    text = (DOCS / "seeing.md").read_text(encoding="utf-8")
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text)) - {"--tail"}
    known = options_of(lambda_guard, click.Context(lambda_guard))
    assert named <= known
    assert "--where" in named


@pytest.mark.parametrize("page", ["seeing.md", "cli.md"])
def test_links_lead_somewhere(page):
    """Pages and pictures that are pointed to are there."""
    text = (DOCS / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", text):
        assert (DOCS / target).exists(), target
