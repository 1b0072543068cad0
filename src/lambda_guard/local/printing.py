"""Functions' lines on a terminal, as they come: the printer that needs nothing else."""

import itertools
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

import click

from lambda_guard._printable import visible

if TYPE_CHECKING:
    from lambda_guard.local.cloud import Cloud
    from lambda_guard.local.runtime.log_group import LogEvent

_COLOURS = ("cyan", "magenta", "green", "yellow", "blue", "bright_cyan", "bright_magenta", "bright_green")


class Printer(Protocol):
    """Prints what functions log; called from several threads."""

    def write(self, function: str, event: "LogEvent") -> None:
        """Take an event of a function's log group."""

    def close(self) -> None:
        """Print what is held back."""


class RawPrinter:
    """Prints each line behind its function's name.

    Args:
        functions: the names of all functions.
    """

    def __init__(self, functions: Sequence[str]) -> None:
        width = max((len(name) for name in functions), default=0)
        colours = zip(functions, itertools.cycle(_COLOURS), strict=False)
        self._prefixes = {
            name: click.style(f"{visible(name):<{width}} │ ", fg=colour) for name, colour in colours
        }
        self._lock = threading.Lock()

    def write(self, function: str, event: "LogEvent") -> None:
        """Print an event; the runtime joins the lines of a traceback with carriage returns."""
        prefix = self._prefixes[function]
        text = prefix + visible(event.message.replace("\r", "\n"), f"\n{prefix}")
        with self._lock:
            click.echo(text)

    def close(self) -> None:
        """Do nothing: nothing is held back."""


def listen(cloud: "Cloud", functions: Sequence[str], printer: Printer, gone: Callable[[], object]) -> None:
    """Have a printer print what these functions log from now on.

    Args:
        cloud: has the functions.
        functions: their names.
        printer: prints.
        gone: called when nobody reads what is printed any more; the functions go on.
    """

    def listener(name: str) -> Callable[["LogEvent"], None]:
        def write(event: "LogEvent") -> None:
            try:
                printer.write(name, event)
            except OSError:
                gone()

        return write

    for name in functions:
        cloud.log_group(name).listen(listener(name))
