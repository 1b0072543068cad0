"""The Lambda service's own part of a trace, before and after the function runs.

It takes the caller's header or starts a trace, records a segment of its own and one of the function (origins
`AWS::Lambda` and `AWS::Lambda::Function`), gives the function the id of the latter as parent, and adds a
`Lineage`.
Source: https://docs.aws.amazon.com/lambda/latest/dg/services-xray.html.
"""

import secrets
import time
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Self

from lambda_guard.propagation.header import fields
from lambda_guard.shapes.sample import fill


def new_root() -> str:
    """Return a new trace id, `1-<epoch seconds>-<96 random bits>`."""
    return f"1-{int(time.time()):08x}-{secrets.token_hex(12)}"


def fresh_header(upstream: Iterable[str | None]) -> str:
    """Return the header of the trace that an event source mapping starts for a batch.

    Lambda starts a new trace for messages from SQS and links the producers' traces; sampling is inherited from the
    messages' `AWSTraceHeader`s (None for a message without one), and left open where none of them decides.
    """
    decisions = {fields(header).get("Sampled") for header in upstream} & {"0", "1"}
    decided = f";Sampled={int('1' in decisions)}" if decisions else ""
    return f"Root={new_root()}{decided}"


@dataclass(frozen=True, slots=True)
class ServiceTrace:
    """The service's part of the trace of one invocation.

    Attributes:
        root: the trace id.
        parent: the caller's segment or subsegment; None where the trace starts here.
        sampled: whether it is recorded.
        service_id: the id of the service's own segment.
        function_id: the id of the function's segment: the parent of what the function records.
        lineage: the field `Lineage`, which protects against recursive loops.
    """

    root: str
    parent: str | None
    sampled: bool
    service_id: str
    function_id: str
    lineage: str

    @classmethod
    def begin(cls, arn: str, inbound: str | None, *, active: bool, sampled: bool) -> Self:
        """Continue the caller's trace, or start one.

        Args:
            arn: the function's.
            inbound: the caller's header; None where there is none.
            active: the function's tracing mode; with `PassThrough` Lambda samples nothing by itself.
            sampled: the decision where the caller has none.
        """
        given = fields(inbound)
        decision = given.get("Sampled")
        decided = decision == "1" if decision in {"0", "1"} else active and sampled
        return cls(
            root=given.get("Root") or new_root(),
            parent=given.get("Parent"),
            sampled=decided,
            service_id=secrets.token_hex(8),
            function_id=secrets.token_hex(8),
            lineage=f"1:{zlib.crc32(arn.encode()):08x}:0",
        )

    @property
    def header(self) -> str:
        """The function's `_X_AMZN_TRACE_ID`."""
        sampled = int(self.sampled)
        return f"Root={self.root};Parent={self.function_id};Sampled={sampled};Lineage={self.lineage}"

    def documents(
        self, name: str, arn: str, request_id: str, start: float, end: float, *, failed: bool
    ) -> list[dict[str, Any]]:
        """Return the two segments; times in seconds since the epoch."""
        segments = (
            ("AWS::Lambda", self.service_id, self.parent or None),
            ("AWS::Lambda::Function", self.function_id, self.service_id),
        )
        given = {**locals(), "trace_id": self.root, "fault": failed or None}
        return [
            fill("xray-segment", given, origin=origin, segment_id=segment_id, parent_id=parent_id)
            for origin, segment_id, parent_id in segments
        ]
