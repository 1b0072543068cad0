"""Spans on their way: gathered into requests, and delivered to an endpoint or a file."""

import json
from collections.abc import Iterable, Mapping
from typing import Final, Protocol, TextIO

from lambda_guard.otlp import conventions, json_form, protobuf
from lambda_guard.otlp.span import Attributes, Span
from lambda_guard.tools.export.progress import Reached
from lambda_guard.tools.export.receiver import Receiver
from lambda_guard.tools.export.spans import Senders, resource_of, spans_of
from lambda_guard.tools.logs.invocation import Invocation

SPANS_MOST: Final = 500  # in a request
_JSON: Final = "application/json"
_PROTOBUF: Final = "application/x-protobuf"

Group = tuple[Attributes, list[Span]]


class Way(Protocol):
    """Takes the spans of a request, by their resources; returns how many were rejected, and why."""

    def __call__(self, groups: Iterable[Group]) -> tuple[int, str]:
        """Deliver them."""


def to_endpoint(receiver: Receiver, *, binary: bool) -> Way:
    """Return the way to an endpoint, in protobuf's form or in JSON."""

    def deliver(groups: Iterable[Group]) -> tuple[int, str]:
        if binary:
            return receiver.send(b"".join(_encoded(*group) for group in groups), _PROTOBUF)
        return receiver.send(_line(groups).encode("utf-8", "replace"), _JSON)

    return deliver


def to_file(file: TextIO) -> Way:
    """Return the way to a file, a request in JSON a line: what collectors read and write as OTLP JSON.

    https://opentelemetry.io/docs/specs/otel/protocol/file-exporter/
    """

    def deliver(groups: Iterable[Group]) -> tuple[int, str]:
        file.write(f"{_line(groups)}\n")
        return 0, ""

    return deliver


def _encoded(resource: Attributes, spans: list[Span]) -> bytes:
    scope = protobuf.scope(**conventions.SCOPE)
    return protobuf.request(protobuf.resource(resource), scope, [protobuf.span(span) for span in spans])


def _line(groups: Iterable[Group]) -> str:
    requests = [json_form.request(resource, conventions.SCOPE, spans) for resource, spans in groups]
    return json.dumps(
        {"resourceSpans": [each for one in requests for each in one["resourceSpans"]]}, separators=(",", ":")
    )


class Delivery:
    """The invocations that are gathered for the next request.

    Args:
        way: delivers a request.
        environ: OpenTelemetry's variables of this machine.

    Attributes:
        reached: what was delivered.
        why: why spans were rejected.
        untimed: invocations that no time is known of.
    """

    def __init__(self, way: Way, environ: Mapping[str, str]) -> None:
        self.reached, self.why, self.untimed = Reached(), "", 0
        self._way, self._environ = way, environ
        self._senders = Senders()
        self._groups: dict[str, Group] = {}
        self._ends: list[float] = []
        self._spans = 0

    def add(self, one: Invocation) -> None:
        """Take an invocation, and deliver what has been gathered if that is enough."""
        spans = spans_of(one, self._senders)
        if not spans:
            self.untimed += 1
            return
        resource = resource_of(one, self._environ)
        self._groups.setdefault(json.dumps(resource), (resource, []))[1].extend(spans)
        self._ends.append(one.end_ms or 0.0)
        self._spans += len(spans)
        if self._spans >= SPANS_MOST:
            self.deliver()

    def deliver(self) -> None:
        """Deliver what has been gathered."""
        if not self._spans:
            return
        rejected, why = self._way(self._groups.values())
        self.why = why or self.why
        self.reached.add(self._ends, self._spans, rejected)
        self._groups, self._ends, self._spans = {}, [], 0
