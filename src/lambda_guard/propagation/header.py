"""The X-Ray trace header as a value, read from its own form and from W3C's: the one parser, for tools and `local` too.

`Root=1-6742a1b5-0123456789abcdef01234567;Parent=53995c3f42cd8ad8;Sampled=1;Lineage=a87bd80c:1`, as in
https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader. What isn't of
that form isn't a header at all: services refuse a call that carries a malformed one, so it is never sent on.
"""

import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from lambda_guard._names import HTTP_TRACE_HEADER, SQS_TRACE_ATTRIBUTE

if TYPE_CHECKING:
    from collections.abc import Callable

# What senders call an X-Ray header: SQS, Step Functions, EventBridge, HTTP, Lambda's environment.
XRAY_NAMES: Final = (
    SQS_TRACE_ATTRIBUTE,
    "traceHeader",
    "TraceHeader",
    "trace-header",
    HTTP_TRACE_HEADER,
    HTTP_TRACE_HEADER.lower(),
    "_X_AMZN_TRACE_ID",
)
_LONGEST: Final = 1024  # characters; AWS names no limit, a real header has about 120
_KNOWN: Final = frozenset(("Root", "Parent", "Sampled", "Lineage"))
# Version (not `ff`), trace id and span id (not all zeros), flags; later versions may append fields after a "-".
_W3C: Final = (
    "(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{8})([0-9a-f]{24})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})"
    "(-(?s:.*))?"
)
_W3C_SAMPLED: Final = 1  # bit 0 of the flags


class _Usual:
    """A header as Lambda, SQS and SNS write it: one match instead of a dozen string operations.

    Compiled with the first header: that costs a cold start more than all headers of an
    invocation, and a function that doesn't trace needs none.
    """

    match: "Callable[[str], re.Match[str] | None] | None" = None


def _usual(text: str) -> "re.Match[str] | None":
    if _Usual.match is None:
        _Usual.match = re.compile(
            "Root=(1-[0-9a-f]{8}-[0-9a-f]{24})"
            "(?:;Parent=([0-9a-f]{16}))?(?:;Sampled=([01?]))?(?:;Lineage=([!-:<-~]+))?",
        ).fullmatch
    return _Usual.match(text)


class TraceHeader(NamedTuple):
    """One X-Ray trace header; immutable.

    Attributes:
        root: the trace id, `1-<8 hex>-<24 hex>`.
        parent: the id of the segment or subsegment that sent it, 16 hex digits.
        sampled: the sampling decision as it stood: `"1"`, `"0"`, `"?"` (the receiver may decide) or None.
        lineage: what Lambda counts recursive loops by; only ever pass on the one of your own environment.
        extra: fields that X-Ray doesn't define for senders (`Self` of a load balancer …), in their order.
    """

    root: str
    parent: str | None = None
    sampled: str | None = None
    lineage: str | None = None
    extra: tuple[tuple[str, str], ...] = ()

    @property
    def is_sampled(self) -> bool:
        """Whether the sender decided to record this trace."""
        return self.sampled == "1"

    def text(self) -> str:
        """The header as it travels: known fields in AWS's order, then the others."""
        text = f"Root={self.root}"
        if self.parent is not None:
            text += f";Parent={self.parent}"
        if self.sampled is not None:
            text += f";Sampled={self.sampled}"
        if self.lineage is not None:
            text += f";Lineage={self.lineage}"
        for name, value in self.extra:
            text += f";{name}={value}"
        return text

    def w3c(self) -> str | None:
        """The same as a W3C `traceparent`; None without a parent, which W3C's can't do without."""
        if self.parent is None:
            return None
        return f"00-{self.root[2:10]}{self.root[11:]}-{self.parent}-{'01' if self.is_sampled else '00'}"

    def with_parent(self, parent: str | None) -> "TraceHeader":
        """The same trace, sent by another (sub)segment."""
        return TraceHeader(self.root, parent, self.sampled, self.lineage, self.extra)

    def with_lineage(self, lineage: str | None) -> "TraceHeader":
        """The same trace, with another lineage."""
        return TraceHeader(self.root, self.parent, self.sampled, lineage, self.extra)


def parse(text: object) -> TraceHeader | None:
    """Read a trace header; fields in any order, blanks around them tolerated.

    Args:
        text: whatever stood where a header was expected.

    Returns:
        The header; None where there is none: not a string, empty, without a well-formed `Root`, with a
        malformed `Parent`, or with characters that no header field may have. Never raises.
    """
    if type(text) is not str:
        return parse(str.__str__(text)) if issubclass(type(text), str) else None
    if len(text) > _LONGEST:
        return None
    usual = (_Usual.match or _usual)(text)
    if usual is None:
        return _parse_fields(text)
    root, parent, sampled, lineage = usual.groups()
    return TraceHeader(root, parent, sampled, lineage)


def _parse_fields(text: str) -> TraceHeader | None:
    if "Root" not in text or not (text.isascii() and text.strip().isprintable()):
        return None
    known = fields(text)
    root, parent, sampled = known.get("Root", ""), known.get("Parent") or None, known.get("Sampled")
    if _usual(f"Root={root}" if parent is None else f"Root={root};Parent={parent}") is None:
        return None
    if sampled not in ("0", "1", "?"):
        sampled = None
    extra = tuple((name, value) for name, value in _pairs(text) if name not in _KNOWN)
    return TraceHeader(root, parent, sampled, known.get("Lineage") or None, extra)


def fields(text: str | None) -> dict[str, str]:
    """Return a header's fields as they stand, well-formed or not; the first of several with one name.

    For reading what others wrote, a local cloud or an old log. What is sent on goes through `parse`.
    """
    return dict(reversed(_pairs(text or "")))


def _pairs(text: str) -> list[tuple[str, str]]:
    parts = (part.partition("=") for part in text.split(";"))
    return [(name.strip(), value.strip()) for name, equals, value in parts if equals and name.strip()]


def from_w3c(traceparent: Any) -> TraceHeader | None:
    """Read a W3C `traceparent` as the X-Ray header of the same trace.

    The first 8 of the trace id's 32 hex digits become X-Ray's time part, as OpenTelemetry has it.

    Returns:
        The header, with `sampled` from bit 0 of the flags; None where `traceparent` isn't a valid one
        (https://www.w3.org/TR/trace-context/#traceparent-header). Never raises.
    """
    text = str.strip(traceparent) if issubclass(type(traceparent), str) else ""
    match = re.fullmatch(_W3C, text) if len(text) <= _LONGEST else None
    if match is None:
        return None
    version, time, rest, span, flags, more = match.groups()
    if version == "00" and more:
        return None
    return TraceHeader(f"1-{time}-{rest}", span, "1" if int(flags, 16) & _W3C_SAMPLED else "0")
