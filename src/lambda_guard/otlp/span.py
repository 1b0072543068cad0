"""One span, as OTLP has it.

https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/trace/v1/trace.proto
"""

from typing import Any, Final, NamedTuple

INTERNAL: Final = 1
SERVER: Final = 2
CLIENT: Final = 3
PRODUCER: Final = 4
CONSUMER: Final = 5
EXCEPTION: Final = "exception"  # the name of an event
_SAMPLED: Final = 0x1
_REMOTE_KNOWN: Final = 0x100  # whether the parent is another process's is known …
_REMOTE: Final = 0x200  # … and it is

Attributes = dict[str, Any]  # text, whole numbers, floats, booleans, and lists of text


class Link(NamedTuple):
    """A span of another trace that this one belongs to as well; ids in hex digits."""

    trace_id: str
    span_id: str
    attributes: Attributes


class Event(NamedTuple):
    """What happened during a span, at `time`, nanoseconds since the epoch."""

    time: int
    name: str
    attributes: Attributes


class Span:
    """A span that has ended.

    Attributes:
        trace_id: 32 hex digits.
        span_id: 16 hex digits.
        parent_id: the same of its parent; empty at the beginning of a trace.
        name: what it's called.
        kind: `INTERNAL`, `SERVER`, …
        start, end: nanoseconds since the epoch.
        attributes: what is known of it.
        events: what happened meanwhile.
        links: spans of other traces that it belongs to.
        failed: whether it has the status ERROR; any other is unset.
        description: of the status.
        sampled: whether its trace is recorded.
        remote: whether its parent belongs to another process.
    """

    __slots__ = (
        "attributes", "description", "end", "events", "failed", "kind", "links", "name", "parent_id", "remote",
        "sampled", "span_id", "start", "trace_id",
    )  # fmt: skip

    def __init__(self, trace_id: str, span_id: str, parent_id: str | None, started: float) -> None:
        self.trace_id, self.span_id, self.parent_id = trace_id, span_id, parent_id or ""
        self.name, self.kind = "", INTERNAL
        self.start = self.end = nanoseconds(started)
        self.attributes: Attributes = {}
        self.events: list[Event] = []
        self.links: list[Link] = []
        self.failed, self.description = False, ""
        self.sampled = self.remote = True

    @property
    def flags(self) -> int:
        """The flags, as `SpanFlags` has them."""
        return (
            (_SAMPLED if self.sampled else 0)
            | _REMOTE_KNOWN
            | (_REMOTE if self.remote and self.parent_id else 0)
        )

    @flags.setter
    def flags(self, value: int) -> None:
        self.sampled, self.remote = bool(value & _SAMPLED), bool(value & _REMOTE)

    def end_at(self, ended: float) -> None:
        """Set the end, in epoch seconds; not before the start, as after a clock was set back."""
        self.end = max(self.start, nanoseconds(ended))


def nanoseconds(seconds: float) -> int:
    """Return epoch seconds as nanoseconds; 0 for what is no time."""
    return int(seconds * 1_000_000_000) if 0 <= seconds < 10_000_000_000 else 0  # noqa: PLR2004 - the year 2286


def hex_id(root: str) -> str:
    """Return the 32 hex digits of an X-Ray trace id, `1-<8 hex>-<24 hex>`."""
    return root[2:10] + root[11:]
