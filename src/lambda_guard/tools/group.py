"""The command group: a subcommand's module is imported when it is called, so that `--help` stays quick."""

import errno
import gc
import io
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Final

import click

from lambda_guard._printable import visible
from lambda_guard._version import __version__
from lambda_guard.errors import LambdaGuardError, MissingExtraError
from lambda_guard.tools.terminal import IN_ASCII, warn, write_with

SUBCOMMANDS: Final = {
    "invocations": ("tools.logs.commands.invocations", "Show logs, one block per invocation."),
    "trace": ("tools.logs.commands.trace", "Show a trace across functions, as a tree with times."),
    "message": ("tools.logs.commands.message", "Show a message's whole life, and how it ended."),
    "export": ("tools.export.commands", "Hand records to other systems, as OpenTelemetry's spans."),
    "dlq": ("tools.dlq.commands", "Show why messages failed, and replay them."),
    "alarms": ("tools.alarms.commands", "Make alarms that cover every function."),
    "audit": ("tools.audit.commands", "Hold templates and accounts against the checklist."),
    "harden": ("tools.harden.commands", "Write into a template what the checklist misses."),
    "policy": ("tools.policy.commands", "Make an IAM policy of the AWS calls that a function made."),
    "layer": ("tools.layer.commands", "Build the Lambda layer."),
    "local": ("tools.local_cloud", "Run functions, queues and topics on this machine."),
}
"""Name → the module with the command of this name, and its line in the list. Adding one takes one line here."""

_READER_GONE: Final = (errno.EPIPE, errno.EINVAL)
_OF_OUTPUT: Final = {errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
"""Errors that no file of ours has without its name (`files.naming`)."""

_EXTRAS: Final = {
    "alarms": "alarms",
    "audit": "audit",
    "harden": "audit",
    "local": "local",
    "policy": "audit",
}
"""What a command needs beyond the extra `tools`."""

EPILOG: Final = """\b
Examples:
  lambda-guard invocations app.log                    one block per invocation
  lambda-guard invocations --function orders --failed --since 2h
  lambda-guard trace 1-6742a1b5-0123456789abcdef01234567 *.log --html trace.html

\b
Shell completion (bash; zsh and fish likewise):
  eval "$(_LAMBDA_GUARD_COMPLETE=bash_source lambda-guard)"
"""


class LazyGroup(click.Group):
    """A group that knows its subcommands by name and import string."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Name the subcommands."""
        return list(SUBCOMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - likewise
        """Import the subcommand.

        Raises:
            MissingExtraError: it needs packages that are not installed.
        """
        if cmd_name not in SUBCOMMANDS:
            return None
        try:
            command = getattr(import_module(f"lambda_guard.{SUBCOMMANDS[cmd_name][0]}"), cmd_name)
        except ModuleNotFoundError as error:
            extra = _EXTRAS.get(cmd_name, "tools")
            raise MissingExtraError(
                f"{cmd_name} needs {error.name}, which isn't installed: pip install 'aws-lambda-guard[{extra}]'",
                name=error.name,
            ) from error
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - likewise
        """List the subcommands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in SUBCOMMANDS.items()])


@click.group(
    cls=LazyGroup,
    name="lambda-guard",
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(__version__, message="%(prog)s %(version)s")
def lambda_guard() -> None:
    """Read what Lambda functions wrote: logs by invocation, traces across functions, dead letters.

    The log lines are all it needs: from files, standard input or CloudWatch Logs. Functions that use lambda_guard
    show the most; others are grouped, too.
    """


def run(arguments: Sequence[str]) -> int:
    """Run a command line.

    Returns:
        The exit code: 0 done, 1 something could not be read or found, or the reader of the output went away,
        2 a wrong command line or a missing extra, 130 interrupted.
    """
    # Lines by the million make the cyclic collector run all the time, for nothing: they hold no cycles.
    gc.set_threshold(200_000)
    # A shell (`>&-`) or cron may have closed them.
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode, encoding="utf-8"))
    # Logs may hold invalid Unicode, and terminals may not know all of what is valid.
    write_with(IN_ASCII, sys.stdout, sys.stderr)
    try:
        code = _run(arguments)
        sys.stdout.flush()
        return code
    except OSError as error:
        if _is_of_output(error):
            error.filename = "standard output"
            # The rest of the buffer can't be written either: without this, the interpreter complains when it ends.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if error.filename != "standard output" or error.errno not in _READER_GONE:
            warn(f"{error.filename}: {error.strerror}" if error.filename else error.strerror or str(error))
        return 1
    except KeyboardInterrupt:
        return 130


def _is_of_output(error: OSError) -> bool:
    if error.filename is None and error.errno == errno.EINVAL and sys.platform == "win32":
        try:
            sys.stdout.flush()
        except OSError:  # once more: that is how Windows says that nobody reads it
            return True
    return error.filename is None and error.errno in _OF_OUTPUT


def _run(arguments: Sequence[str]) -> int:
    try:
        code = lambda_guard.main(args=list(arguments), prog_name="lambda-guard", standalone_mode=False)
    except click.exceptions.Abort:
        return 130
    except click.ClickException as error:
        said = io.StringIO()
        error.show(said)
        sys.stderr.write(visible(said.getvalue(), "\n"))
        return error.exit_code
    except LambdaGuardError as error:
        warn(str(error))
        return error.exit_code
    return code if isinstance(code, int) else 0
