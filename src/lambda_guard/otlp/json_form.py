"""Spans as an OTLP `ExportTraceServiceRequest` in JSON, and back.

Ids are hex digits, 64-bit numbers text: https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding
"""

from collections.abc import Iterable
from typing import Any

from .span import Attributes, Span


def request(resource: Attributes, scope: Attributes, spans: Iterable[Span]) -> dict[str, Any]:
    """Return a request of spans that share a resource and an instrumentation scope."""
    of_scope = {"scope": scope, "spans": [span(each) for each in spans]}
    return {"resourceSpans": [{"resource": {"attributes": _attributes(resource)}, "scopeSpans": [of_scope]}]}


def span(of: Span) -> dict[str, Any]:
    """Return a `Span`."""
    found: dict[str, Any] = {
        "traceId": of.trace_id,
        "spanId": of.span_id,
        "parentSpanId": of.parent_id,
        "flags": of.flags,
        "name": of.name,
        "kind": of.kind,
        "startTimeUnixNano": str(of.start),
        "endTimeUnixNano": str(of.end),
        "attributes": _attributes(of.attributes),
        "status": {"code": 2, "message": of.description} if of.failed else {},
    }
    if of.events:
        found["events"] = [
            {"timeUnixNano": str(time), "name": name, "attributes": _attributes(attributes)}
            for time, name, attributes in of.events
        ]
    if of.links:
        found["links"] = [
            {"traceId": trace_id, "spanId": span_id, "attributes": _attributes(attributes)}
            for trace_id, span_id, attributes in of.links
        ]
    return found


def _attributes(of: Attributes) -> list[dict[str, Any]]:
    return [{"key": key, "value": _any(value)} for key, value in of.items()]


def _any(value: Any) -> dict[str, Any]:
    if type(value) is str:
        return {"stringValue": value}
    if type(value) is bool:
        return {"boolValue": value}
    if type(value) is int:
        return {"intValue": str(value)}
    if type(value) is float:
        return {"doubleValue": value}
    return {"arrayValue": {"values": [_any(each) for each in value]}}
