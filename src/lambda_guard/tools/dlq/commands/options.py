"""Options that the commands about dead letters share, and what they open."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import click

from lambda_guard.tools.aws import Clients, new_clients
from lambda_guard.tools.dlq.causes import Causes, Logs
from lambda_guard.tools.dlq.letter import Letter
from lambda_guard.tools.dlq.queue import Queue, Reading, find_queue, now_ms
from lambda_guard.tools.dlq.shapes import read_letter
from lambda_guard.tools.dlq.where import Filter
from lambda_guard.tools.stopping import Stop
from lambda_guard.tools.terminal import say
from lambda_guard.tools.times import moment_ms, span

Command = TypeVar("Command", bound=Callable[..., Any])
_SINCE: Final = "1d"


def log_options(command: Command) -> Command:
    """Add --logs and --since."""
    for option in (
        click.option(
            "--since",
            default=_SINCE,
            show_default=True,
            metavar="TIME",
            help="How far back log groups are read: 2h, 3d, or an ISO time.",
        ),
        click.option(
            "--logs",
            "logs",
            multiple=True,
            metavar="FILE|GROUP",
            help="Where the functions' logs are: files, directories, or log groups.",
        ),
    ):
        command = option(command)
    return command


def filter_options(command: Command) -> Command:
    """Add --where, --match, --message-id and --limit."""
    for option in (
        click.option(
            "--limit", "-n", type=click.IntRange(min=1), metavar="N", help="At most so many letters."
        ),
        click.option("--message-id", "ids", multiple=True, metavar="ID", help="Only this letter."),
        click.option(
            "--match", metavar="JMESPATH", help="Only letters whose event makes this expression true."
        ),
        click.option(
            "--where",
            "conditions",
            multiple=True,
            metavar="CONDITION",
            help="Only letters with error=KeyError, error~declined, fingerprint=…, function=…, age>1h, "
            "origin=…; several must all hold.",
        ),
    ):
        command = option(command)
    return command


def view_options(command: Command) -> Command:
    """Add --json and --color."""
    for option in (
        click.option(
            "--color",
            type=click.Choice(["auto", "always", "never"]),
            default="auto",
            help="Colours; auto: on terminals, unless NO_COLOR is set.",
        ),
        click.option("--json", "as_json", is_flag=True, help="Write JSON instead of text."),
    ):
        command = option(command)
    return command


@dataclass(slots=True)
class Desk:
    """What a command works with: clients, logs, filters.

    Attributes:
        causes: what the logs know of failures.
    """

    clients: Clients
    logs: Logs
    wanted: Filter
    causes: Causes = field(default_factory=Causes)

    @classmethod
    def open(
        cls, logs: Sequence[str], since: str, wanted: Filter | None = None, *, read: bool = True
    ) -> "Desk":
        """Make clients, and read the logs.

        Raises:
            click.UsageError: a filter asks for what only logs know, and none are named.
            DeadLetterError: a file of logs is not there.
        """
        wanted = wanted or Filter()
        if wanted.needs_logs and not logs:
            raise click.UsageError("only the logs know fingerprints: name them with --logs")
        if wanted.untold and not logs:
            asked = " and ".join(wanted.untold)
            say(
                f"lambda-guard: without --logs, a queue's own messages have no {asked}: "
                "= and ~ leave them out, != takes them in"
            )
        places = Logs(tuple(logs), moment_ms(since, now_ms()))
        places.check()
        return cls(new_clients(), places, wanted, Causes.read(places) if read else Causes())

    @property
    def sqs(self) -> Any:
        """The client of SQS."""
        return self.clients("sqs")

    def queue(self, text: str) -> Queue:
        """Find a queue, and say what is unusual about it."""
        queue = find_queue(text, self.sqs)
        if queue.moves_to:
            moved = queue.moves_to.rpartition(":")[2]
            say(
                f"lambda-guard: {queue.name} has a redrive policy of its own: a message that is received "
                f"more than {queue.moves_after} times moves to {moved}, and reading counts"
            )
        return queue

    def letters(self, reading: Reading) -> Iterator[Letter]:
        """Give the letters that are meant, with what the logs know."""
        for batch in reading.batches():
            for message in batch:
                letter = self.causes.explain(read_letter(message))
                if self.wanted.passes(letter, now_ms()):
                    yield letter


def limited(letters: Iterable[Letter], limit: int | None) -> Iterator[Letter]:
    """Stop after so many."""
    for at, letter in enumerate(letters, 1):
        yield letter
        if at == limit:
            return


def say_read(queue: Queue, reading: Reading, seconds: float, stop: Stop | None = None) -> None:
    """Say what reading did to the queue, and what it could not see."""
    if reading.read:
        was = "its receive count is" if reading.read == 1 else "their receive counts are"
        say(
            f"{queue.name}: {reading.read:,} read, which hid them for {span(seconds * 1_000.0)}; "
            f"{was} one higher, nothing else has changed"
        )
    unseen = queue.count - reading.read
    if reading.full:
        say(f"{queue.name}: SQS keeps no more in flight; about {unseen:,} were not read")
    elif queue.fifo and unseen > 0 and reading.exhausted:
        say(
            f"{queue.name}: FIFO: about {unseen:,} more wait behind the head of their groups; they can be "
            "read when that is gone"
        )
    if stop is not None and stop.requested:
        say(f"{queue.name}: interrupted before the end")
