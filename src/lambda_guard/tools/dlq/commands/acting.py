"""What `dlq replay` and `dlq discard` share: their options, the journal, the end."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import click

from lambda_guard._printable import visible
from lambda_guard.tools.dlq.commands.options import Session, nothing_matched, write_json
from lambda_guard.tools.dlq.journal import Journal, default_path
from lambda_guard.tools.dlq.progress import progress_bar
from lambda_guard.tools.dlq.proving import Proof
from lambda_guard.tools.dlq.queue import Reading
from lambda_guard.tools.dlq.replay import Tally, recover
from lambda_guard.tools.dlq.summary import proof_text, summary_document, summary_text
from lambda_guard.tools.options import added
from lambda_guard.tools.stopping import Stop
from lambda_guard.tools.terminal import When, palette_for, say

HIDDEN_SECONDS = 30
"""How long a letter that was received is hidden, and so how long it takes to come back where this process is killed."""


acting_options = added(
    click.option("--yes", is_flag=True, help="Do it; without this, only show what would be done."),
    click.option(
        "--journal",
        metavar="FILE",
        help="Where to keep letters and what was done; by default in ./.lambda-guard/.",
    ),
)


Opened = tuple[Journal, Reading, Callable[[int], object]]
"""What is open while a command changes a queue, and who is told how many letters are done with."""


class Action:
    """A command that changes a queue: where its journal is, and how it ends."""

    def __init__(
        self,
        command: Literal["replay", "discard"],
        queue_name: str,
        *,
        journal: str | None,
        as_json: bool,
        color: When,
        **selected: Any,
    ) -> None:
        self.command = command
        self.session = Session(**selected)
        self.queue = self.session.queue(queue_name)
        self.journal_path = Path(journal) if journal else default_path(self.queue)
        self.as_json, self.color = as_json, color

    @contextmanager
    def opened(self, stop: Stop, limit: int | None) -> Iterator[Opened]:
        """Open the journal and the queue, in the order in which they must be closed."""
        queue = self.queue
        with (
            Journal(self.journal_path) as journal,
            progress_bar(
                f"{self.command}ing {queue.name}", min(queue.count, limit or queue.count)
            ) as progress,
            Reading(queue, self.session.clients("sqs"), stop=stop, seconds=HIDDEN_SECONDS) as reading,
        ):
            recovered = recover(reading, journal.history)
            if recovered:
                say(f"{queue.name}: going on where an earlier run ended ({recovered:,} in flight then)")
            journal.begin(self.command, queue)
            yield journal, reading, progress

    def run(self, work: Callable[[], Proof | None], tally: Tally, stop: Stop) -> int:
        """Work, and say what became of everything, also where the work ends early; returns the exit code."""
        proof: Proof | None = None
        try:
            proof = work()
            tally.complete = not stop.requested
        finally:
            tally.interrupted = stop.requested
            code = self._end(tally, proof)
        return code

    def _end(self, tally: Tally, proof: Proof | None) -> int:
        if self.as_json:
            write_json(summary_document(tally, self.queue, str(self.journal_path), proof))
        else:
            palette = palette_for(self.color)
            sys.stdout.write(summary_text(tally, self.queue, palette, f"{self.command}ed"))
            sys.stdout.write(proof_text(proof, palette) if proof is not None else "")
            sys.stdout.write(f"journal {visible(str(self.journal_path))}\n")
        if tally.interrupted:
            say("lambda-guard: interrupted; the same command goes on from here")
        elif tally.read and tally.read == tally.passed_over:
            return nothing_matched()
        return tally.exit_code or (proof.exit_code if proof is not None else 0)
