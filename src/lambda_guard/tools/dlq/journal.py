"""The journal: what is about to be done with a letter is on the disk before it is done; what came of it follows.

One JSON object a line, appended, never changed. `letter` and `discard` hold the whole letter, and are synced
to the disk before it leaves the queue. Then `send`, and what came of it: `delivered`, `failed`, `deleted`. A letter
with `send` and no outcome may have been delivered or not: the process ended in between.
"""

import json
import os
import sys
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import msgspec

from lambda_guard.shapes import arns
from lambda_guard.tools.dlq.errors import DeadLetterError
from lambda_guard.tools.dlq.letter import Letter
from lambda_guard.tools.dlq.queue import Queue
from lambda_guard.tools.files import naming, open_to_append, write_all
from lambda_guard.tools.replays import DIRECTORY, journal_line

_encode_quickly: Final = msgspec.json.Encoder().encode
_encode_patiently: Final = json.JSONEncoder(separators=(",", ":")).encode
_FIRST: Final = b'{"do":"run"'
_BEYOND: Final = 2**40
SAME_CONTENT_MOST: Final = 2
"""In how many runs the same content is replayed under new ids; in the next one it is held back."""


class Step(StrEnum):
    """How far a letter got."""

    RECEIVED = "letter"
    SENT = "send"
    DELIVERED = "delivered"
    FAILED = "failed"
    DISCARDED = "discard"
    DELETED = "deleted"


_STEPS: Final = {str(step): step for step in Step}
_WITH_LETTER: Final = frozenset({Step.RECEIVED, Step.DISCARDED})
_OVER: Final = frozenset({Step.DELETED, Step.FAILED})


@dataclass(slots=True)
class LetterState:
    """How far a letter got, as the journal has it.

    Attributes:
        failed: how many attempts to deliver it are known to have failed.
        counted: whether its content counts among what was replayed.
        receipt: the receipt handle, where a run ended between two steps: empty once delivering failed or it is deleted.
    """

    state: Step
    digest: str = ""
    failed: int = 0
    receipt: str = ""
    counted: bool = False


@dataclass(slots=True)
class History:
    """What all runs so far did, as the lines of the journal have it. Pure."""

    letters: dict[str, LetterState] = field(default_factory=dict)
    replayed_as: dict[str, str] = field(default_factory=dict)
    runs_of: dict[str, tuple[int, str]] = field(default_factory=dict)
    run: str = ""

    def learn(self, line: Mapping[str, Any]) -> None:
        """Take one line in."""
        step, message_id = line.get("do"), str(line.get("message_id", ""))
        if step == "run":
            self.run = str(line.get("run", ""))
        elif step in _STEPS and message_id:
            reached, known = _STEPS[step], self.letters.get(message_id)
            if known is None:  # not by its first line alone, which may be damaged
                known = self.letters[message_id] = LetterState(reached)
            self._reached(reached, known, line)

    def _reached(self, step: Step, known: LetterState, line: Mapping[str, Any]) -> None:
        if step in _WITH_LETTER:
            known.digest, known.receipt = str(line.get("digest", "")), str(line.get("receipt", ""))
            if (
                known.state is Step.SENT
            ):  # a letter that may have been sent before stays one that may have been
                return
        known.state = step
        known.failed += step is Step.FAILED
        if step is Step.SENT and not known.counted:
            known.counted = True
            count, last = self.runs_of.get(known.digest, (0, ""))
            self.runs_of[known.digest] = (count + (last != self.run), self.run)
        if step in _OVER:
            known.receipt = ""
        if step is Step.DELIVERED and line.get("new_id"):
            self.replayed_as[str(line["new_id"])] = str(line.get("at", ""))

    def came_back(self, letter: Letter, this_run: str) -> str:
        """Return why a letter is taken for one that came back from an earlier replay; empty where it isn't.

        By its ids where the delivery was acknowledged. By its content where it wasn't, or where the same
        content was replayed in several runs before: then something on the way has given it new ids.
        """
        for key in letter.ids:
            if key in self.replayed_as:
                return f"it came back from the replay of {self.replayed_as[key]}"
        if letter.message_id in self.letters:
            return ""
        count, last = self.runs_of.get(letter.digest, (0, ""))
        earlier = count - (last == this_run)
        if earlier >= SAME_CONTENT_MOST:
            return f"the same content was replayed in {earlier} earlier runs"
        return ""


class Journal(AbstractContextManager["Journal"]):
    """An open journal, locked against a second replay.

    Args:
        path: the file; made if missing, readable by its owner only, for it holds letters.

    Raises:
        DeadLetterError: another process has it open, or it isn't a journal.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.run = uuid4().hex[:12]
        _check_kind(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = open_to_append(path)
        try:
            _lock(self._file, path)
            self.history = read_history(path)
            self._end_the_last_line()
        except BaseException:
            os.close(self._file)
            raise

    def __exit__(self, *exc_info: object) -> None:
        try:
            self.sync()
        finally:
            os.close(self._file)

    def begin(self, command: str, queue: Queue) -> None:
        """Note that a run begins."""
        self._write([{"do": "run", "run": self.run, "command": command, "queue": queue.arn}])

    def received(self, letters: Iterable[Letter]) -> None:
        """Note letters that are about to be sent, whole. `sync` puts them on the disk."""
        self._write({"do": Step.RECEIVED, **_whole(letter)} for letter in letters)

    def sync(self) -> None:
        """Put on the disk what was written; from any thread."""
        with naming(self.path):
            os.fsync(self._file)

    def sending(self, deliveries: Iterable[tuple[str, str, int]]) -> None:
        """Note what is sent now: message id, target, number of the attempt."""
        self._write(
            {"do": Step.SENT, "message_id": one, "target": target, "number": number}
            for one, target, number in deliveries
        )

    def discarding(self, letters: Iterable[Letter]) -> None:
        """Note what is about to be deleted, whole. On the disk when it returns."""
        if self._write({"do": Step.DISCARDED, **_whole(letter)} for letter in letters):
            self.sync()

    def delivered(self, ids: Iterable[tuple[str, str]]) -> None:
        """Note what the target has acknowledged: message id, and its id there."""
        self._write({"do": Step.DELIVERED, "message_id": one, "new_id": new} for one, new in ids)

    def failed(self, reasons: Iterable[tuple[str, str]]) -> None:
        """Note what the target has refused: message id and reason."""
        self._write({"do": Step.FAILED, "message_id": one, "reason": why} for one, why in reasons)

    def deleted(self, ids: Iterable[str]) -> None:
        """Note what is gone from the dead-letter queue."""
        self._write({"do": Step.DELETED, "message_id": one} for one in ids)

    def _write(self, lines: Iterable[dict[str, Any]]) -> bool:
        """Append lines in one write: a process that is killed has written all of them or none."""
        now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        kept = [{**line, "at": now} for line in lines]
        write_all(self._file, b"".join([b"%b\n" % _encoded(line) for line in kept]), self.path)
        for line in kept:
            self.history.learn(line)
        return bool(kept)

    def _end_the_last_line(self) -> None:
        """A power failure may have cut the last line: what follows must not be joined to it."""
        if os.fstat(self._file).st_size:
            os.lseek(self._file, -1, os.SEEK_END)
            if os.read(self._file, 1) != b"\n":
                write_all(self._file, b"\n", self.path)


def default_path(queue: Queue) -> Path:
    """Where a queue's journal is unless said otherwise: under the current directory."""
    arn = arns.parse(queue.arn)
    return Path(DIRECTORY) / f"dlq-{'-'.join(arn[2:] if arn else ('', '', queue.name))}.jsonl"


def read_history(path: Path) -> History:
    """Read what a journal knows, without opening it for writing; nothing where there is none.

    A line that was cut is passed over, a file of something else is refused.
    """
    history = History()
    _check_kind(path)
    if not path.exists():
        return history
    with path.open("rb") as file:
        for number, raw in enumerate(file, 1):
            line = journal_line(raw)
            if line is not None:
                history.learn(line)
            elif number == 1 and raw.strip() and not raw.startswith(_FIRST):
                raise DeadLetterError(f"{path} isn't a journal: name another file with --journal")
    return history


def _check_kind(path: Path) -> None:
    """Refuse a device such as /dev/null: what is written there can't be read by the next run."""
    if path.exists() and not path.is_file():
        raise DeadLetterError(f"{path} can't be a journal: name a file that stays with --journal")


def _encoded(line: dict[str, Any]) -> bytes:
    """Write a line in printable ASCII, whatever a letter has in it: nothing in a journal steers a terminal."""
    try:
        encoded = _encode_quickly(line)
        if encoded.isascii() and b"\x7f" not in encoded:
            return encoded
    except UnicodeEncodeError:  # halves of surrogate pairs
        pass
    return _encode_patiently(line).encode("ascii")


def _whole(letter: Letter) -> dict[str, Any]:
    message = letter.message
    return {
        "message_id": letter.message_id,
        **({"request_id": letter.request_id} if letter.request_id else {}),
        "origin": letter.origin.value,
        "digest": letter.digest,
        "receipt": message.receipt,
        "message": message.as_document(),
    }


def _lock(file: int, path: Path) -> None:
    try:
        if sys.platform == "win32":
            import msvcrt

            # It keeps everybody from reading what it locks: a byte that the file will never have.
            os.lseek(file, _BEYOND, os.SEEK_SET)
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise DeadLetterError(f"another replay is at work with the journal {path}: wait for it") from error
