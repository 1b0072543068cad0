"""Dead letters joined with the logs: the failed invocation's record has what the queue doesn't know."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Final

from lambda_guard import _names as names
from lambda_guard.propagation.header import TraceHeader
from lambda_guard.tools.aws import NoSuchResourceError
from lambda_guard.tools.dlq.errors import DeadLetterError
from lambda_guard.tools.dlq.letter import Failure, Letter
from lambda_guard.tools.logs.invocation import Block, Invocation, invocations_of
from lambda_guard.tools.logs.model import as_mapping, as_number
from lambda_guard.tools.logs.readers import Reader, reader_for
from lambda_guard.tools.logs.selection import Selection, Target, failures, received_ids
from lambda_guard.tools.terminal import warn

_FILE_BEGINNINGS: Final = ("./", "../", "~")
_FILE_ENDINGS: Final = (".log", ".gz", ".json", ".jsonl", ".txt", "/")


@dataclass(slots=True, frozen=True)
class Logs:
    """Where the functions' logs are: files, log groups, or both.

    Attributes:
        since_ms: how far back log groups are read, ms since 1970.
        warned: the warnings that were given already; `--prove` reads the logs again and again.
    """

    places: Sequence[str] = ()
    since_ms: float | None = None
    warned: set[str] = field(default_factory=set)

    @property
    def paths(self) -> tuple[str, ...]:
        """The files and directories."""
        return tuple(filter(_is_file, self.places))

    @property
    def groups(self) -> tuple[str, ...]:
        """The log groups."""
        return tuple(place for place in self.places if not _is_file(place))

    def check(self) -> None:
        """Check that all files are there.

        Raises:
            DeadLetterError: one is missing.
        """
        for path in self.paths:
            if path != "-" and not Path(path).exists():
                raise DeadLetterError(f"no such file: {path}")

    def failed(self) -> Iterator[Invocation]:
        """Return the failed invocations."""
        found = self._read(Selection(failed=True, since_ms=self.since_ms), lambda reader: reader.read())
        return (one for one in found if one.failed)

    def naming(self, ids: frozenset[str]) -> Iterator[Invocation]:
        """Return the invocations that name one of the ids, and maybe others."""
        return self._read(Selection(since_ms=self.since_ms), lambda reader: reader.read_naming(ids))

    def _read(self, selection: Selection, read: Callable[[Reader], Iterable[Block]]) -> Iterator[Invocation]:
        for target in (Target(paths=self.paths), Target(groups=self.groups)):
            if not (target.paths or target.groups):
                continue
            try:
                with reader_for(target, selection) as reader:
                    yield from invocations_of(read(reader))
                for text in reader.tally.warnings:
                    if text not in self.warned:
                        self.warned.add(text)
                        warn(text)
            except NoSuchResourceError as error:
                raise NoSuchResourceError(f"no such file: {', '.join(target.groups)}; and {error}") from error


@dataclass(slots=True)
class Causes:
    """What the logs know about failures, by message id and by invocation id."""

    found: dict[str, tuple[float, Failure]] = field(default_factory=dict)

    @classmethod
    def read(cls, logs: Logs) -> "Causes":
        """Read the failed invocations of the logs; nothing where there are none."""
        causes = cls()
        for invocation in logs.failed():
            causes.add(invocation)
        return causes

    def add(self, invocation: Invocation) -> None:
        """Note a failed invocation; the latest attempt counts."""
        for key, failure in failures_of(invocation):
            at = invocation.end_ms or 0.0
            if key not in self.found or self.found[key][0] <= at:
                self.found[key] = (at, failure)

    def explain(self, letter: Letter) -> Letter:
        """Return the letter with what the logs know, which wins over what the letter itself says."""
        for key in letter.ids:
            if key in self.found:
                return replace(letter, failure=_merged(letter.failure, self.found[key][1]))
        return letter


def failures_of(invocation: Invocation) -> Iterator[tuple[str, Failure]]:
    """Yield the failures by id: of the failed batch items, or of everything that the invocation was given."""
    whole = _of_invocation(invocation)
    listed = failures(invocation)
    for entry in listed:
        error = as_mapping(entry.get(names.ERROR))
        attempts = int(as_number(entry.get(names.ATTEMPT)) or 0)
        yield str(entry.get(names.MESSAGE_ID)), replace(whole, **_error(error), attempts=attempts)
    if not listed:
        for message_id in received_ids(invocation):
            yield message_id, whole
    yield invocation.invocation_id, whole


def _of_invocation(invocation: Invocation) -> Failure:
    span = invocation.text(names.SPAN_ID)
    header = TraceHeader(invocation.trace_id, span, "1").text() if span and invocation.trace_id else ""
    return Failure(
        code="" if invocation.outcome == names.FAILURE else invocation.outcome,
        function=invocation.function if invocation.function != "?" else "",
        version=invocation.version,
        invocation_id=invocation.invocation_id,
        trace_id=invocation.trace_id,
        trace_header=header,
        attempts=invocation.attempt or 0,
        **_error(invocation.error or {names.TYPE: invocation.outcome}),
    )


def _error(error: object) -> dict[str, Any]:
    document = as_mapping(error)
    stack = document.get(names.STACK)
    return {
        "type": str(document.get(names.TYPE) or ""),
        "message": str(document.get(names.MESSAGE) or ""),
        "fingerprint": str(document.get(names.FINGERPRINT) or ""),
        "stack": tuple(map(str, stack)) if isinstance(stack, list) else (),
    }


def _merged(told: Failure, known: Failure) -> Failure:
    """Return what the logs know, and where that is empty what the letter says; a service's code stays."""
    values = {one.name: getattr(known, one.name) or getattr(told, one.name) for one in fields(Failure)}
    return Failure(**{**values, "code": told.code or known.code})


def _is_file(place: str) -> bool:
    """Take what looks like a file's name for one: a mistyped one is reported as missing, and AWS isn't asked for it."""
    if place == "-" or Path(place).exists():
        return True
    is_group = place.startswith(("/aws/", "arn:"))
    return not is_group and (place.startswith(_FILE_BEGINNINGS) or place.endswith(_FILE_ENDINGS))
