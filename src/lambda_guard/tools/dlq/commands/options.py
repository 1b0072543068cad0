"""Options that the commands about dead letters share, and what they open."""

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any, Final

import click

from lambda_guard.tools.aws import new_clients
from lambda_guard.tools.dlq.causes import Causes, Logs
from lambda_guard.tools.dlq.errors import NOTHING_MATCHED
from lambda_guard.tools.dlq.letter import Letter
from lambda_guard.tools.dlq.message import Message
from lambda_guard.tools.dlq.queue import Queue, Reading, find_queue, now_ms
from lambda_guard.tools.dlq.recognition import recognise
from lambda_guard.tools.dlq.render import counted
from lambda_guard.tools.dlq.report import Report
from lambda_guard.tools.dlq.where import Filter
from lambda_guard.tools.logs.views.documents import encoded
from lambda_guard.tools.options import added, color_option, json_option, where_option
from lambda_guard.tools.stopping import Stop
from lambda_guard.tools.terminal import say
from lambda_guard.tools.times import moment_ms, span

_SINCE: Final = "1d"


log_options = added(
    click.option(
        "--logs",
        "logs",
        multiple=True,
        metavar="FILE|GROUP",
        help="Where the functions' logs are: files, directories, or log groups.",
    ),
    click.option(
        "--since",
        default=_SINCE,
        show_default=True,
        metavar="TIME",
        help="How far back log groups are read: 2h, 3d, or an ISO time.",
    ),
)
filter_options = added(
    where_option(
        "Only letters with error=KeyError, error~declined, fingerprint=…, function=…, age>1h, "
        "origin=…; several must all hold."
    ),
    click.option("--match", metavar="JMESPATH", help="Only letters whose event makes this expression true."),
    click.option("--message-id", "ids", multiple=True, metavar="ID", help="Only this letter."),
    click.option("--limit", "-n", type=click.IntRange(min=1), metavar="N", help="At most this many letters."),
)
view_options = added(json_option, color_option)


class Session:
    """What a command works with: clients, logs and what they know of failures, filters.

    Args:
        read: whether all of the logs are read at once.

    Raises:
        click.UsageError: a filter asks for what only logs know, and none are named.
        DeadLetterError: a filter can't be read, or a file of logs isn't there.
    """

    def __init__(
        self,
        *,
        logs: Sequence[str] = (),
        since: str = _SINCE,
        conditions: Sequence[str] = (),
        ids: Sequence[str] = (),
        match: str | None = None,
        read: bool = True,
    ) -> None:
        self.wanted = Filter.parse(conditions, ids, match)
        if self.wanted.needs_logs and not logs:
            raise click.UsageError("only the logs have fingerprints: name them with --logs")
        if self.wanted.untold and not logs:
            asked = " and ".join(self.wanted.untold)
            say(
                f"lambda-guard: without --logs, a queue's own messages have no {asked}: "
                "= and ~ leave them out, != takes them in"
            )
        self.logs = Logs(tuple(logs), moment_ms(since, now_ms()))
        self.logs.check()
        self.clients = new_clients()
        self.causes = Causes.read(self.logs) if read else Causes()

    def queue(self, text: str) -> Queue:
        """Find a queue, and say what is unusual about it."""
        queue = find_queue(text, self.clients("sqs"))
        if queue.moves_to:
            moved = queue.moves_to.rpartition(":")[2]
            say(
                f"lambda-guard: {queue.name} has a redrive policy of its own: a message that is received "
                f"more than {queue.moves_after} times moves to {moved}, and reading counts"
            )
        return queue

    def understand(self, message: Message) -> Letter | None:
        """Make a letter of a message, with what the logs know; None where the filters leave it out."""
        letter = self.causes.explain(recognise(message))
        return letter if self.wanted.passes(letter, now_ms()) else None

    @contextmanager
    def reading(self, queue: Queue, stop: Stop) -> Iterator[Reading]:
        """Read a queue, release it, and say what that did to it."""
        began = time.monotonic()
        with Reading(queue, self.clients("sqs"), stop=stop) as reading:
            yield reading
        _say_read(queue, reading, time.monotonic() - began, stop)

    def report(self, queue: Queue, stop: Stop, limit: int | None) -> tuple[Report, Reading]:
        """Group the letters that are meant by what they died of; also returns what became of reading."""
        report = Report(queue)
        with self.reading(queue, stop) as reading:
            for letter in self.letters(reading, limit):
                report.add(letter)
        report.hidden = reading.hidden
        return report, reading

    def letters(self, reading: Reading, limit: int | None = None) -> Iterator[Letter]:
        """Return the letters that are meant, `limit` at most."""
        messages = (message for batch in reading.batches() for message in batch)
        letters = (letter for message in messages if (letter := self.understand(message)) is not None)
        return islice(letters, limit)


def write_json(document: Mapping[str, Any]) -> None:
    """Write a line of JSON to standard output."""
    sys.stdout.write(encoded(document))


def nothing_matched() -> int:
    """Report that there are letters, and that none matches; returns the exit code."""
    say("lambda-guard: no letter matches")
    return NOTHING_MATCHED


def say_hidden(reading: Reading) -> None:
    """Report that nothing could be read of what there is, and when it can be."""
    queue, behind = reading.queue, ""
    if reading.waiting:
        behind = f"; {reading.waiting:,} more wait behind in their FIFO groups"
    say(
        f"{queue.name}: nothing was read: about {counted(reading.hidden, 'letter')} in flight, with another reader or "
        f"a run that was killed{behind}. What isn't deleted comes back after its visibility timeout (the queue's is "
        f"{span(queue.visibility_ms)}): run this again then"
    )


def _say_read(queue: Queue, reading: Reading, seconds: float, stop: Stop) -> None:
    """Report what reading did to the queue, and what it couldn't see."""
    if reading.read:
        was = "its receive count is" if reading.read == 1 else "their receive counts are"
        say(
            f"{queue.name}: {reading.read:,} read, which hid them for {span(seconds * 1_000.0)}; "
            f"{was} one higher, nothing else has changed"
        )
    unseen = queue.count - reading.read
    if reading.hidden:
        say_hidden(reading)
    elif reading.full:
        say(f"{queue.name}: SQS keeps no more in flight; about {unseen:,} were not read")
    elif queue.fifo and unseen > 0 and reading.exhausted:
        say(
            f"{queue.name}: FIFO: about {unseen:,} more wait behind the head of their groups; they can be "
            "read when that is gone"
        )
    if stop.requested:
        say(f"{queue.name}: interrupted before the end")
