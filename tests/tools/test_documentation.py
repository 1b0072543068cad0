"""The pages about the command line say what it does."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

from lambda_guard.tools.group import lambda_guard

DOCS = Path(__file__).parents[2] / "docs"
ROOT = DOCS.parent
PAGES = sorted([*DOCS.rglob("*.md"), *ROOT.glob("*.md")])
SOURCES = sorted(
    path
    for folder in ("src", "examples", "release")
    for path in (ROOT / folder).rglob("*")
    if path.suffix in {".md", ".py", ".sh", ".toml", ".yaml", ".yml"}
)


def options_of(command, context):
    """Give all option names of a command and of those below it."""
    found = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            found |= options_of(command.get_command(context, name), context)
    return found


def test_the_reference_is_the_commands_own_help():
    """Made by `python tests/tools/reference.py > docs/cli.md`; whoever changes an option runs it again."""
    # In a process of its own: click keeps a command's help option as it was when it was first asked for.
    made = subprocess.run(
        [sys.executable, Path(__file__).with_name("reference.py")], stdout=subprocess.PIPE, check=True
    )
    assert (DOCS / "cli.md").read_text(encoding="utf-8") == made.stdout.decode()


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


@pytest.fixture
def templates(monkeypatch, tmp_path):
    """Go where the files are that commands of pages name."""
    monkeypatch.chdir(tmp_path)
    for name in (
        "alarms.yaml",
        "template.yaml",
        "examples/app/template.yaml",
        ".aws-sam/build/template.yaml",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()


def what_is_wrong_with(text):
    """Parse a command as the shell would have it parsed, without running it; None where all is right."""
    try:
        command, context, arguments = lambda_guard, None, shlex.split(text)
        while arguments:
            name, *arguments = arguments
            context = command.make_context(name, [*arguments], parent=context)
            if not isinstance(command, click.Group):
                break
            _, command, _ = command.resolve_command(context, arguments)
    except (click.MissingParameter, click.exceptions.NoArgsIsHelpError, click.exceptions.Exit):
        return None  # a sentence names the command alone, or its help
    except click.BadOptionUsage as error:
        return None if text.endswith(f" {error.option_name}") else f"{text}: {error}"  # or an option alone
    except click.BadParameter as error:
        stands_for_others = re.search(r" [A-Z]{4,}\b|\w\|\w", text)  # `--code PATH`, `--format sam|cdk`
        return None if stands_for_others else f"{text}: {error}"
    except (click.UsageError, ValueError) as error:
        return f"{text}: {error}"
    return None


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_every_command_of_every_page_parses(page, templates):
    """Each subcommand and option exists, and takes the value that it is given."""
    assert [wrong for text in commands_of(page) if (wrong := what_is_wrong_with(text))] == []


def test_every_command_of_every_source_parses(templates):
    """Docstrings, messages and comments name commands, too."""
    found = {path: [text for text in commands_of(path) if "{" not in text] for path in SOURCES}
    wrong = {
        path: [one for text in texts if (one := what_is_wrong_with(text))] for path, texts in found.items()
    }
    assert {str(path): texts for path, texts in wrong.items() if texts} == {}
    assert sum(map(len, found.values())) > 50


@pytest.mark.parametrize("text", ["lambda-guard invocation", "lambda-guard trace --nope", "lambda-guard dlq replay q --rate x", "lambda-guard invocations -n 0", "lambda-guard invocations 'app.log"])  # fmt: skip
def test_what_does_not_parse_is_found(text):
    """No such command, no such option, no such value, no end of a text."""
    assert what_is_wrong_with(text).startswith(text)


def test_the_pages_have_commands():
    """The test above finds what it is about."""
    found = [text for page in PAGES for text in commands_of(page)]
    assert len(found) > 30
    assert "lambda-guard dlq replay orders-dead --where error=KeyError --rate 20 --yes" in found
