"""`lambda-guard local`, whose functions' lines are printed as `lambda-guard invocations` prints them."""

import sys
import threading
from typing import TYPE_CHECKING

import click

from lambda_guard.local import cli
from lambda_guard.tools.logs.reading.containers import line_of
from lambda_guard.tools.logs.reading.grouping import Grouper
from lambda_guard.tools.logs.reading.line_owner import Sign, identify
from lambda_guard.tools.logs.reading.streams import Stream
from lambda_guard.tools.logs.views.text import TextView
from lambda_guard.tools.terminal import columns, palette_for

if TYPE_CHECKING:
    from lambda_guard.local.runtime.log_group import LogEvent


class BlockPrinter:
    """Prints an invocation as soon as it has ended; what no invocation logs, at once."""

    def __init__(self) -> None:
        self._view = TextView(palette_for("auto"), columns())
        self._grouper = Grouper(grace_lines=0)
        self._held: dict[str, tuple[str, list[bytes]]] = {}  # by log stream: the log group, and the lines
        self._lock = threading.Lock()

    def write(self, function: str, event: "LogEvent") -> None:
        """Take an event: an environment's REPORT comes after all else that its invocation logs."""
        line = line_of({"timestamp": event.timestamp, "message": event.message})
        sign = identify(line).sign
        group = f"/aws/lambda/{function}"
        with self._lock:
            if sign in {Sign.INIT_START, Sign.START}:
                self._held.setdefault(event.stream, (group, []))
            _, lines = self._held.get(event.stream, (group, []))
            lines.append(line)
            if event.stream in self._held and sign is not Sign.REPORT:
                return
            self._held.pop(event.stream, None)
            self._grouper.feed(lines, Stream(group, exact=True))
            self._grouper.settle()
            self._print()

    def close(self) -> None:
        """Print what hasn't ended."""
        with self._lock:
            for group, lines in self._held.values():
                self._grouper.feed(lines, Stream(group, exact=True))
            self._grouper.finish()
            self._print()

    def _print(self) -> None:
        for block in self._grouper.take():
            sys.stdout.write(self._view.block(block))
        sys.stdout.flush()


@click.group(name=cli.local.name, help=cli.local.help, commands=cli.local.commands)
@click.pass_context
def local(context: click.Context) -> None:
    """Give `local up` a printer: what runs functions knows nothing of how logs are read."""
    context.obj = BlockPrinter
