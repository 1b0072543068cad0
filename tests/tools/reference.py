"""The reference page of the command line, made from the commands' own help, so that the two can't differ.

python tests/tools/reference.py > docs/cli.md
"""

import sys
from collections.abc import Iterator
from typing import Final

import click

from lambda_guard.tools.group import lambda_guard

WIDTH: Final = 90
_OPENING: Final = """\
# The command line

Every command's own help, as `--help` prints it. To read logs and traces with them, see [seeing](seeing.md);
for dead letters, [when it fails](when-it-fails.md).

## Conditions: `--where`

All commands that take `--where` read the same language. Several conditions must all hold. Quote those with `<`, `>`,
`!`, `~` or a space, which shells read in their own way.

| condition | holds where |
| --- | --- |
| `KEY=VALUE` | the value is this text, or this number: `12` and `12.0` are equal |
| `KEY!=VALUE` | `KEY=VALUE` doesn't hold, also because there is no such key |
| `KEY~PART` | the value contains this text, in upper or lower case |
| `KEY<N`, `KEY<=N`, `KEY>N`, `KEY>=N` | the value is a number, and less, more … than `N` |

- A duration such as `250ms`, `2s` or `1h30m` stands for a number of milliseconds: `duration_ms>2s`.
- Dots lead into objects, and into each object of a list: `trigger.type=sqs`, `sent.target~orders`. A list agrees
  where one of its values does.
- `true`, `false` and `null` are written so.
- Spaces around key, operator and value don't count.

The keys of `invocations` are those of the [invocation record](records.md) and of any log line: a condition holds where
the record agrees, or one of the lines. The keys of `dlq` are those of a dead letter, in the table of
[when it fails](when-it-fails.md#selecting); of them `age` is a duration, `receives` a count and all others are text.
"""


def reference() -> str:
    """Return the page as Markdown."""
    return "\n".join([_OPENING, *_sections(lambda_guard, "lambda-guard", None)])


def _sections(command: click.Command, name: str, parent: click.Context | None) -> Iterator[str]:
    settings = {**command.context_settings, "terminal_width": WIDTH, "max_content_width": WIDTH}
    context = click.Context(command, info_name=name, parent=parent, **settings)
    path = context.command_path
    yield f"## `{path}`\n\n```text\n{command.get_help(context)}\n```\n"
    for option, mode in getattr(command, "modes", {}).items():
        yield from _sections(mode, f"{name} {option}", parent)
    if isinstance(command, click.Group):
        for child in command.list_commands(context):
            found = command.get_command(context, child)
            if found is not None and not found.hidden:
                yield from _sections(found, child, context)


if __name__ == "__main__":
    sys.stdout.write(reference())
