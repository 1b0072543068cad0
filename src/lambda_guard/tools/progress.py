"""A progress bar on standard error, where somebody sees it."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from lambda_guard._printable import visible


# long: rich is imported here alone, and its column is made here
@contextmanager
def progress_bar(what: str, total: int) -> Iterator[Callable[[int], object]]:
    """Show a bar with the rate and what is left; nothing where standard error isn't a terminal.

    Args:
        what: what is being done.
        total: about how many there are.

    Yields:
        A function to call with the number that were done since.
    """
    if not sys.stderr.isatty():
        yield lambda _count: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class Rate(ProgressColumn):
        """How many a second."""

        def render(self, task: Task) -> Text:
            """Draw it."""
            return Text(f"{task.speed:,.0f}/s" if task.speed else "", style="dim")

    named = TextColumn("{task.description}", markup=False)
    columns = (named, BarColumn(), MofNCompleteColumn(), Rate(), TimeRemainingColumn())
    # Rich would take what is written to standard output to its own console: to the terminal, past `> file` and `| jq`.
    console, redirect = Console(stderr=True), sys.stdout.isatty()
    with Progress(*columns, console=console, transient=True, redirect_stdout=redirect) as progress:
        task = progress.add_task(visible(what), total=total)
        yield lambda count: progress.update(task, advance=count)
