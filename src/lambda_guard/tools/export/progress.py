"""How far an export got, so that the next run can go on from there. Pure."""

from dataclasses import dataclass
from datetime import UTC, datetime
from math import floor

_DISORDER_MOST_MS = 900_000.0  # a function runs for 15 minutes at most: logs in order are no more out of it


@dataclass(slots=True)
class Reached:
    """The times of what was delivered.

    Attributes:
        invocations, spans, rejected: how many were delivered, and how many of their spans weren't taken.
        newest_ms: the newest end of an invocation among them.
        disorder_ms: how much older than that a later one was: files come one after the other, each in its own order.
    """

    invocations: int = 0
    spans: int = 0
    rejected: int = 0
    newest_ms: float = 0.0
    disorder_ms: float = 0.0

    def add(self, ends_ms: list[float], spans: int, rejected: int) -> None:
        """Note what was delivered: when each invocation ended, and how many spans they were."""
        for end in ends_ms:
            self.disorder_ms = max(self.disorder_ms, self.newest_ms - end)
            self.newest_ms = max(self.newest_ms, end)
        self.invocations += len(ends_ms)
        self.spans += spans
        self.rejected += rejected

    def since(self, *, whole: bool) -> str | None:
        """Return the time to go on from, for `--since`; `None` where there is none that is sure to miss nothing.

        Args:
            whole: whether all that there was has been delivered.
        """
        if not self.invocations:
            return None
        if whole:
            return _iso(floor(self.newest_ms))
        return (
            _iso(floor(self.newest_ms - self.disorder_ms)) if self.disorder_ms <= _DISORDER_MOST_MS else None
        )


def _iso(ms: int) -> str:
    moment = datetime.fromtimestamp(ms / 1_000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
