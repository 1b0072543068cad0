"""What `dlq replay` and `dlq discard` share: their options, the journal, the end."""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from lambda_guard.tools.dlq.commands.options import Desk
from lambda_guard.tools.dlq.errors import NOTHING_MATCHED
from lambda_guard.tools.dlq.journal import default_path
from lambda_guard.tools.dlq.letter import Letter
from lambda_guard.tools.dlq.message import Message
from lambda_guard.tools.dlq.proving import Proof
from lambda_guard.tools.dlq.queue import Queue, now_ms
from lambda_guard.tools.dlq.replay import Tally
from lambda_guard.tools.dlq.shapes import read_letter
from lambda_guard.tools.dlq.summary import proof_text, summary_document, summary_text
from lambda_guard.tools.terminal import When, palette_for, say

Command = TypeVar("Command", bound=Callable[..., Any])
HIDDEN_SECONDS = 30
"""How long a letter in hand is hidden, and so how long it takes to come back where this process is killed."""


def acting_options(command: Command) -> Command:
    """Add --yes and --journal."""
    for option in (
        click.option(
            "--journal", metavar="FILE", help="What is done, and the letters; by default in ./.lambda-guard/."
        ),
        click.option("--yes", is_flag=True, help="Do it; without this, only say what would be done."),
    ):
        command = option(command)
    return command


@dataclass(slots=True)
class Action:
    """A command that changes a queue: where its journal is, and how it ends."""

    desk: Desk
    queue: Queue
    journal_path: Path
    as_json: bool
    color: When
    verb: str

    @classmethod
    def open(
        cls, desk: Desk, queue_name: str, journal: str | None, *, as_json: bool, color: When, verb: str
    ) -> "Action":
        """Find the queue and the journal."""
        queue = desk.queue(queue_name)
        return cls(desk, queue, Path(journal) if journal else default_path(queue), as_json, color, verb)

    def understand(self, message: Message) -> Letter | None:
        """Make a letter of a message; None where the filters leave it out."""
        letter = self.desk.causes.explain(read_letter(message))
        return letter if self.desk.wanted.passes(letter, now_ms()) else None

    def end(self, tally: Tally, proof: Proof | None = None) -> int:
        """Say what became of everything.

        Returns:
            The exit code.
        """
        if self.as_json:
            document = summary_document(tally, self.queue, str(self.journal_path), proof)
            sys.stdout.write(json.dumps(document, ensure_ascii=False) + "\n")
        else:
            palette = palette_for(self.color)
            sys.stdout.write(summary_text(tally, self.queue, palette, self.verb))
            sys.stdout.write(proof_text(proof, palette) if proof is not None else "")
            sys.stdout.write(f"journal {self.journal_path}\n")
        if tally.interrupted:
            say("lambda-guard: interrupted; the same command goes on from here")
        if not tally.interrupted and tally.read and tally.read == tally.passed_over:
            say("lambda-guard: no letter matches")
            return NOTHING_MATCHED
        return tally.exit_code or (proof.exit_code if proof is not None else 0)
