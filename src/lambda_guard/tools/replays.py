"""What journals of `dlq replay` and `dlq discard` tell about messages, for those who follow them in logs."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from lambda_guard.errors import LambdaGuardError
from lambda_guard.tools.terminal import warn

DIRECTORY: Final = ".lambda-guard"
"""Where journals are unless said otherwise, below the current directory."""


class NoJournalError(LambdaGuardError):
    """A file that was named as a journal isn't there, or isn't one."""

    exit_code = 2


@dataclass(slots=True, frozen=True)
class Replay:
    """A letter's delivery to its target.

    Attributes:
        new_id: the message's or the invocation's id there; empty where the answer had none.
        at_ms: when the target acknowledged it, ms since 1970, to the second.
    """

    message_id: str
    new_id: str
    target: str
    at_ms: float | None


@dataclass(slots=True)
class LetterSteps:
    """What was done with a dead letter.

    Attributes:
        request_id: of the asynchronous invocation that failed; empty for others.
        queue: the ARN of the dead-letter queue.
        at_ms: when a run took it up first, ms since 1970.
        replays: its deliveries, in their order.
        refusals: why targets refused it.
        discarded_ms: when it was deleted without delivery; None where it wasn't.
        unsure: whether it was sent, and no answer is known.
    """

    message_id: str
    request_id: str = ""
    queue: str = ""
    at_ms: float | None = None
    replays: list[Replay] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    discarded_ms: float | None = None
    target: str = ""
    unsure: bool = False

    def learn(self, line: Mapping[str, Any], queue: str) -> None:
        """Take in a line of the journal."""
        step, at = line.get("do"), _moment(line.get("at"))
        if step in {"letter", "discard"}:
            self.queue, self.at_ms = queue, at if self.at_ms is None else self.at_ms
            self.request_id = str(line.get("request_id") or self.request_id)
            self.discarded_ms = at if step == "discard" else self.discarded_ms
        elif step == "send":
            self.target, self.unsure = str(line.get("target") or ""), True
        elif step == "delivered":
            self.unsure = False
            self.replays.append(Replay(self.message_id, str(line.get("new_id") or ""), self.target, at))
        elif step == "failed":
            self.unsure = False
            self.refusals.append(str(line.get("reason") or ""))


class Replays:
    """The letters of journals, and what they came back as."""

    def __init__(self, letters: Mapping[str, LetterSteps] | None = None) -> None:
        self.letters = letters or {}
        self.by_new_id = {
            replay.new_id: replay
            for letter in self.letters.values()
            for replay in letter.replays
            if replay.new_id
        }
        self._linked: dict[str, set[str]] = defaultdict(set)
        self._known_as: dict[str, list[LetterSteps]] = defaultdict(list)
        for letter in self.letters.values():
            ids = {letter.message_id, letter.request_id, *(replay.new_id for replay in letter.replays)} - {""}
            for one in ids:
                self._linked[one] |= ids
            for one in {letter.message_id, letter.request_id} - {""}:
                self._known_as[one].append(letter)

    def ids_of(self, ids: Iterable[str]) -> set[str]:
        """Return all ids that messages have had: before replays, and after them."""
        found, waiting = set[str](), list(ids)
        while waiting:
            one = waiting.pop()
            if one not in found:
                found.add(one)
                waiting.extend(self._linked.get(one, ()))
        return found

    def is_new(self, letter: LetterSteps) -> bool:
        """Return whether a letter is none that a replay had sent before, as far as the journals tell."""
        return letter.message_id not in self.by_new_id and letter.request_id not in self.by_new_id

    def lives_of(self, letter: LetterSteps) -> list[LetterSteps]:
        """Return a letter and those as which it came back, in the order of its replays."""
        found, seen = [letter], {letter.message_id}
        for one in found:  # which grows
            for replay in one.replays:
                for again in self._known_as.get(replay.new_id, ()):
                    if again.message_id not in seen:
                        seen.add(again.message_id)
                        found.append(again)
        return found


def read_replays(paths: Sequence[str]) -> Replays:
    """Read journals; where none are named, those of the current directory, as far as they can be read.

    A line that was cut is passed over, as `dlq replay` does.

    Raises:
        NoJournalError: one that was named isn't there, or is something else.
        OSError: one that was named can't be read.
    """
    letters: dict[str, LetterSteps] = {}
    for path in map(Path, paths):
        _read(path, letters)
    for path in () if paths else sorted(Path(DIRECTORY).glob("dlq-*.jsonl")):
        try:
            _read(path, letters)
        except (NoJournalError, OSError) as error:
            warn(f"what it tells of replays is missing: {error}")
    return Replays(letters)


def _read(path: Path, letters: dict[str, LetterSteps]) -> None:
    if not path.is_file():
        raise NoJournalError(f"no such journal: {path}")
    queue = ""
    with path.open("rb") as file:
        for number, raw in enumerate(file):
            line = journal_line(raw)
            if line is None and number == 0:
                raise NoJournalError(f"{path} isn't a journal: name another file with --journal")
            queue = str((line or {}).get("queue") or queue)
            if line is not None and (message_id := str(line.get("message_id") or "")):
                letters.setdefault(message_id, LetterSteps(message_id)).learn(line, queue)


def journal_line(raw: bytes) -> Mapping[str, Any] | None:
    """Return a line of a journal; None for anything else, such as one that was cut."""
    try:
        line = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    return line if isinstance(line, Mapping) and "do" in line else None


def _moment(text: object) -> float | None:
    try:
        return datetime.fromisoformat(str(text)).timestamp() * 1_000.0
    except ValueError:
        return None
