"""What failed, and why: failures of one cause are one row. Pure."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from lambda_guard import _names as names
from lambda_guard.tools.logs.invocation import Invocation
from lambda_guard.tools.logs.model import as_mapping
from lambda_guard.tools.logs.selection import failures

_FIRST: Final = float("inf")

Error = Mapping[str, object]
"""`{type, message, fingerprint}`, as records have it."""


@dataclass(slots=True)
class Cause:
    """Failures that have one cause.

    Attributes:
        key: the fingerprint; where no record has one, the error's type, Lambda's own included; else the outcome.
        error: as the latest of them has it: messages may vary.
        count: how many invocations.
        records: how many records of batches, as far as invocation records list them; 0 where none were.
        first_ms: when the first began, ms since 1970; None where no time is known.
        last_ms: when the last began.
        functions: how many invocations of each function.
        example: the latest of them, whose logs are likely to be there still.
    """

    key: str
    error: Error
    example: Invocation
    count: int = 0
    records: int = 0
    first_ms: float | None = None
    last_ms: float | None = None
    functions: Counter[str] = field(default_factory=Counter)

    def add(self, invocation: Invocation, error: Error, records: int) -> None:
        """Count a failure."""
        self.count += 1
        self.records += records
        self.functions[invocation.function] += 1
        at = invocation.start_ms
        if at is not None and (self.last_ms is None or at >= self.last_ms):
            self.error, self.example, self.last_ms = error, invocation, at
        if at is not None:
            self.first_ms = min(at, _FIRST if self.first_ms is None else self.first_ms)


class Causes:
    """The causes of all failures that it is given."""

    def __init__(self) -> None:
        self._found: dict[str, Cause] = {}

    def add(self, invocation: Invocation) -> list[str]:
        """Count an invocation under each of its causes; returns their keys, none where it didn't fail."""
        if not invocation.failed or (invocation.late and invocation.record is None):
            return []
        told = Counter[str]()
        errors: dict[str, Error] = {}
        for error, records in _errors_of(invocation):
            key = _key(error)
            told[key] += records
            errors[key] = error
        for key, error in errors.items():
            cause = self._found.setdefault(key, Cause(key, error, invocation))
            cause.add(invocation, error, told[key])
        return list(errors)

    def rows(self) -> list[Cause]:
        """Return the causes, the most frequent first, and of equally frequent ones the latest."""
        return sorted(self._found.values(), key=lambda one: (-one.count, -(one.last_ms or 0.0), one.key))


def _key(error: Error) -> str:
    return str(error.get(names.FINGERPRINT) or error.get(names.TYPE) or "unknown")


def _errors_of(invocation: Invocation) -> Iterator[tuple[Error, int]]:
    """Yield what an invocation failed of, with how many records of its batch did.

    Where its record lists failed records, those are the causes: what the handler raised then only sums them up.
    Records that weren't begun have no error.
    """
    listed = [error for one in failures(invocation) if (error := as_mapping(one.get(names.ERROR)))]
    for error in listed:
        yield error, 1
    if not listed or invocation.outcome not in (*names.NO_FAILURE, names.FAILURE):
        yield _whole(invocation), 0


def _whole(invocation: Invocation) -> Error:
    """Return an invocation's error: its record's, the runtime's, Lambda's, or only how it ended."""
    if invocation.cause:
        return invocation.cause
    if invocation.answered_with_an_error:
        return {names.TYPE: f"answered {invocation.http.get(names.STATUS)}"}
    return {
        names.TYPE: invocation.verdict if invocation.outcome not in names.NO_FAILURE else "failed records"
    }
