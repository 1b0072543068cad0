"""The reference page of the command line, made from the commands' own help, so that the two can't differ.

python -m lambda_guard.tools.reference > docs/cli.md
"""

import sys
from collections.abc import Iterator
from typing import Final

import click

from lambda_guard.tools.group import lambda_guard

WIDTH: Final = 90
_OPENING: Final = """\
# The command line

Every command's own help, as `--help` prints it. To read logs and traces with them, see [seeing](seeing.md).
"""


def reference() -> str:
    """Give the page as Markdown."""
    return "\n".join([_OPENING, *_sections(lambda_guard, "lambda-guard", None)])


def _sections(command: click.Command, name: str, parent: click.Context | None) -> Iterator[str]:
    settings = {**command.context_settings, "terminal_width": WIDTH, "max_content_width": WIDTH}
    context = click.Context(command, info_name=name, parent=parent, **settings)
    path = context.command_path
    yield f"## `{path}`\n\n```text\n{command.get_help(context)}\n```\n"
    if isinstance(command, click.Group):
        for child in command.list_commands(context):
            found = command.get_command(context, child)
            if found is not None and not found.hidden:
                yield from _sections(found, child, context)


if __name__ == "__main__":
    sys.stdout.write(reference())
