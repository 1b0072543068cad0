"""The output of invocations as objects: `capture()`."""

import io
import json
from collections.abc import Iterator
from contextlib import ExitStack, redirect_stdout
from typing import Any, NamedTuple

from .. import _names
from .._failsafe import attempt
from ..otlp.span import Span
from ..propagation.place import set_environment
from ..sinks.tracer import collect
from ._loggers import write_as_in_lambda


class Metric(NamedTuple):
    """One metric of one EMF document under one set of dimensions.

    Attributes:
        namespace: e.g. `LambdaGuard`.
        name: e.g. `Errors`.
        unit: e.g. `Count`.
        values: the values written, one or several.
        dimensions: name → value.
    """

    namespace: str
    name: str
    unit: str
    values: tuple[float, ...]
    dimensions: dict[str, str]

    @property
    def value(self) -> float:
        """The sum of the values."""
        return sum(self.values)


class Segment(NamedTuple):
    """One X-Ray document, as it was sent to the daemon.

    Attributes:
        name: the name of the segment or subsegment.
        id: 16 hex digits.
        trace_id: the trace to which it belongs.
        parent_id: the id of its parent (sub)segment, or `None`.
        annotations: the keys and values that X-Ray can search for.
        document: the whole document.
    """

    name: str
    id: str
    trace_id: str
    parent_id: str | None
    annotations: dict[str, Any]
    document: dict[str, Any]

    @property
    def is_subsegment(self) -> bool:
        """Whether it is a subsegment rather than a segment."""
        return self.document.get("type") == "subsegment"


class Captured:
    """The output of the invocations inside a `with capture()` block."""

    def __init__(self) -> None:
        self._stream = io.StringIO()
        self._documents: list[dict[str, Any]] = []
        self._spans: list[Span] = []

    @property
    def output(self) -> str:
        """Everything that was written to standard output, unchanged."""
        return self._stream.getvalue()

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Every line, parsed.

        Raises:
            ValueError: a line isn't JSON.
        """
        return [json.loads(line) for line in self.output.split("\n") if line]

    def _objects(self) -> Iterator[dict[str, Any]]:
        """Yield the lines that are JSON objects; lines printed by a test, or by an unusual handler, may not be."""
        for line in self.output.split("\n"):
            try:
                found = json.loads(line)
            except ValueError:
                continue
            if isinstance(found, dict):
                yield found

    @property
    def logs(self) -> list[dict[str, Any]]:
        """The log lines: neither invocation records nor metric documents."""
        return [line for line in self._objects() if not _is_record(line) and _names.EMF not in line]

    @property
    def records(self) -> list[dict[str, Any]]:
        """The invocation records."""
        return [line for line in self._objects() if _is_record(line)]

    @property
    def record(self) -> dict[str, Any]:
        """The one invocation record.

        Raises:
            AssertionError: there isn't exactly one.
        """
        records = self.records
        if len(records) != 1:  # no `assert`, which `python -O` leaves out
            raise AssertionError(f"{len(records)} invocation records were written, not one")
        return records[0]

    @property
    def metrics(self) -> list[Metric]:
        """Every metric: your own, and those of the invocation records."""
        return [metric for line in self._objects() if _names.EMF in line for metric in _metrics(line)]

    @property
    def segments(self) -> list[Segment]:
        """Every X-Ray document, in the order in which they were sent."""
        return [
            Segment(
                document["name"],
                document["id"],
                document["trace_id"],
                document.get("parent_id"),
                document.get("annotations", {}),
                document,
            )
            for document in self._documents
        ]

    @property
    def spans(self) -> list[Span]:
        """Every span of OpenTelemetry's, if `LAMBDA_GUARD_TRACING=otlp`, in the order in which they were sent."""
        return list(self._spans)


def _is_record(line: dict[str, Any]) -> bool:
    return line.get(_names.RECORD) == _names.RECORD_INVOCATION


def _metrics(line: dict[str, Any]) -> list[Metric]:
    found = []
    for directive in line[_names.EMF][_names.EMF_DIRECTIVES]:
        for keys in directive[_names.EMF_DIMENSIONS]:
            dimensions = {key: line[key] for key in keys}
            for metric in directive[_names.EMF_METRICS]:
                values = line[metric[_names.EMF_NAME]]
                found.append(
                    Metric(
                        directive[_names.EMF_NAMESPACE],
                        metric[_names.EMF_NAME],
                        metric[_names.EMF_UNIT],
                        tuple(values) if isinstance(values, list) else (values,),
                        dimensions,
                    )
                )
    return found


class capture:  # noqa: N801 - used as a verb: `with capture() as captured:`
    """Collects the output of invocations, instead of writing and sending it.

    Args:
        trace_header: the value that Lambda would set for `_X_AMZN_TRACE_ID`, e.g.
            `lambda_guard.testing.TRACE_HEADER`. If not given, the variable stays as it is.

    Example:
        def test_that_an_order_is_counted():
            with capture() as captured:
                handler(events.sqs('{"id": 1}'), make_context())
            assert captured.record["outcome"] == "success"
            assert [metric.name for metric in captured.metrics if metric.namespace == "Orders"] == ["OrdersAccepted"]
    """

    def __init__(self, trace_header: str | None = None) -> None:
        self._header = trace_header
        self._entered: list[ExitStack] = []  # one for each block that is open

    def __enter__(self) -> Captured:
        captured = Captured()
        stream = captured._stream  # noqa: SLF001 - the other half of this class
        with ExitStack() as undo:  # what fails here leaves everything as it was
            undo.callback(write_as_in_lambda(stream))
            undo.enter_context(redirect_stdout(stream))
            if self._header is not None:
                undo.callback(set_environment, set_environment(self._header))
            # Without a header, too: messages may have their own.
            for kind, taken in (("xray", captured._documents), ("otlp", captured._spans)):  # noqa: SLF001 - as above
                stop = attempt("trace.collect", collect, kind, taken.append)
                if stop is not None:
                    undo.callback(stop)
            self._entered.append(undo.pop_all())
        return captured

    def __exit__(self, *_: object) -> None:
        self._entered.pop().close()
