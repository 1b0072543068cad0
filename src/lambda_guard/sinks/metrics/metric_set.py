"""Metrics, dimensions and metadata as they are gathered, and the EMF documents that are made of them.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

import json
import logging
from collections.abc import Callable, Iterator
from enum import Enum
from time import time
from typing import Any, Final

from ... import _json, _names, _stdout
from ..._scope import Scope

_NAME_MOST: Final = 255  # characters of a metric's name
_DIMENSION_NAME_MOST: Final = 250
_VALUE_MOST: Final = 1024  # characters of a dimension's value
_PLAIN_MOST: Final = 8  # metrics that are written as text
_DOCUMENT_BYTES_MOST: Final = 900_000  # a CloudWatch Logs event holds 1 MB
_METADATA_BYTES_MOST: Final = _DOCUMENT_BYTES_MOST // 3
_PAST_MS_MOST: Final = 14 * 24 * 3_600_000
_FUTURE_MS_MOST: Final = 2 * 3_600_000
NAMELESS: Final = object()  # of a thing that has no name of its own
_STANDARD: Final = 60  # seconds of resolution; 1 is high
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricDatum.html
_SIZES: Final = ("Bytes", "Kilobytes", "Megabytes", "Gigabytes", "Terabytes", "Bits", "Kilobits", "Megabits",
                 "Gigabits", "Terabits", "Count")  # fmt: skip
_UNITS: Final = {
    **{unit: unit for unit in ("Seconds", "Microseconds", "Milliseconds", "Percent", "None", *_SIZES)},
    **{f"{unit}/Second": f"{unit}/Second" for unit in _SIZES},
    **{f"{unit}PerSecond": f"{unit}/Second" for unit in _SIZES},  # as Powertools' `MetricUnit` calls them
    "NoUnit": "None",
}


class RefusedError(Exception):
    """CloudWatch would refuse it; the text says why."""


def refuse(kind: str, name: object, why: str) -> None:
    """Say in the log what isn't recorded, and why."""
    what = f"{kind} {_shown(name)}" if name is not NAMELESS else kind
    logging.getLogger("lambda_guard").warning("%s was not recorded: %s", what, why)


def _shown(name: object) -> str:
    """Return how the handler wrote a name; where that raises, of what type it is."""
    try:
        return repr(name)
    except Exception:
        return f"<{_json.type_name(name)}>"


class Metric:
    """A metric with the values that it has been given."""

    __slots__ = ("resolution", "unit", "values")

    def __init__(self, unit: str, resolution: int) -> None:
        self.unit = unit
        self.resolution = resolution
        self.values: list[float] = []

    @classmethod
    def of(cls, Unit: str, Value: Any, StorageResolution: int = _STANDARD) -> "Metric":  # noqa: N803 - Powertools' keys
        """Make one of what Powertools' `metric_set` holds."""
        metric = cls(_known_unit(Unit), _known_resolution(StorageResolution))
        metric.values = list(Value) if isinstance(Value, list) else [Value]
        return metric


class MetricSet:
    """What an invocation has added.

    Args:
        namespace: of all of it.
        service: the first dimension.
    """

    def __init__(self, namespace: str, service: str) -> None:
        self.namespace = namespace
        self._metrics: dict[str, Metric] = {}
        self._dimensions = {_names.SERVICE: service}
        self._more_dimensions: list[dict[str, str]] = []
        self._metadata: dict[str, Any] = {}
        self.timestamp: int | None = None

    # --- Gathering: whatever CloudWatch would refuse raises `RefusedError` ----------------------------------

    def add_metric(self, name: str, unit: Any, value: float, resolution: Any) -> None:
        """Add a value to a metric."""
        number = value if type(value) is float else asked(float, value)
        if number - number != 0.0:
            raise RefusedError(f"{_json.text(value)} is not a finite number")
        metric = self._metrics.get(name) if type(name) is str else None
        if metric is None:
            metric = self._new_metric(name, unit, resolution)
        elif type(unit) is not str or metric.unit != unit:
            _check_unit(metric.unit, _known_unit(unit))
        metric.values.append(number)

    def _new_metric(self, name: Any, unit: Any, resolution: Any) -> Metric:
        name = name.strip() if type(name) is str else _text(name)
        if not 0 < len(name) <= _NAME_MOST:
            raise RefusedError(f"a metric's name has 1 to {_NAME_MOST} characters")
        unit = (_UNITS.get(unit) if type(unit) is str else None) or _known_unit(unit)
        metric = Metric(unit, _STANDARD if resolution is _STANDARD else _known_resolution(resolution))
        known = self._metrics.setdefault(name, metric)  # at once: threads may come with the same name
        if known is not metric:
            _check_unit(known.unit, unit)
        return known

    def add_dimension(self, name: str, value: str) -> None:
        """Add a dimension, or change its value."""
        name, value = self._new_dimension(name, value)
        if name not in self._dimensions and len(self._dimensions) >= _names.EMF_DIMENSIONS_MOST:
            raise RefusedError(
                f"a metric has at most {_names.EMF_DIMENSIONS_MOST} dimensions, {_names.SERVICE} included"
            )
        self._dimensions[name] = value

    def add_dimensions(self, dimensions: dict[str, str], defaults: dict[str, str]) -> None:
        """Add a set of dimensions, with the default ones in it; as in Powertools, the last value of a name wins."""
        added: dict[str, str] = {}
        for name, value in dimensions.items():
            try:
                added.update([self._new_dimension(name, value)])
            except RefusedError as error:
                refuse("dimension", name, str(error))
        if not dimensions or len(defaults | added) > _names.EMF_DIMENSIONS_MOST:
            raise RefusedError(f"a set has 1 to {_names.EMF_DIMENSIONS_MOST} dimensions")
        if added:
            self._more_dimensions.append(defaults | added)

    def _new_dimension(self, name: Any, value: Any) -> tuple[str, str]:
        name, value = asked(str.__str__, name), str.__str__(asked(str, value))
        if not name.strip() or len(name) > _DIMENSION_NAME_MOST or not value.strip():
            raise RefusedError(
                f"a dimension has a name of 1 to {_DIMENSION_NAME_MOST} characters, and a value"
            )
        if name[0] == ":" or name == _names.EMF:
            raise RefusedError(f"a dimension's name doesn't begin with a colon, and isn't {_names.EMF}")
        if (name, value) == (_names.RECORD, _names.RECORD_INVOCATION):
            raise RefusedError("it would make an invocation record of the metrics' document")
        return name, value[:_VALUE_MOST]

    def add_metadata(self, key: Any, value: Any) -> None:
        """Add a property of the documents."""
        name = _json.text(key)
        self._metadata[f"{name}_" if name == _names.RECORD and _json.marks_a_record(value) else name] = value

    def set_timestamp(self, timestamp: Any) -> None:
        """Set the time of all metrics: epoch milliseconds or a datetime."""
        ms = asked(_epoch_ms, timestamp)
        if not -_PAST_MS_MOST <= ms - time() * 1000 <= _FUTURE_MS_MOST:
            raise RefusedError(f"{_json.text(timestamp)} isn't within the last 14 days and the next 2 hours")
        self.timestamp = ms

    # --- As Powertools' `Metrics` shows it ------------------------------------------------------------------

    @property
    def is_empty(self) -> bool:
        """Whether there is no metric to be written."""
        return not self._metrics

    @property
    def shown(self) -> tuple[dict[str, Any], dict[str, str], dict[str, Any]]:
        """The metrics, the dimensions and the metadata, each in a new dict in Powertools' form."""
        metrics = {
            name: {"Unit": metric.unit, "StorageResolution": metric.resolution, "Value": list(metric.values)}
            for name, metric in tuple(self._metrics.items())
        }
        return metrics, dict(self._dimensions), dict(self._metadata)

    def document(self, metrics: Any, dimensions: Any, metadata: Any) -> dict[str, Any]:
        """Return the first document, with what is given in the place of what was gathered; values as lists."""
        other: MetricSet = object.__new__(MetricSet)
        other.__dict__ = {**self.__dict__}
        if metrics is not None:
            other._metrics = {name: Metric.of(**shown) for name, shown in metrics.items()}
        other._dimensions = self._dimensions if dimensions is None else dimensions
        other._metadata = self._metadata if metadata is None else metadata
        found: dict[str, Any] = next(other._documents(), {})
        for name in other._metrics.keys() & found.keys():
            found[name] = found[name] if isinstance(found[name], list) else [found[name]]
        return found

    # --- Writing --------------------------------------------------------------------------------------------

    def taken(self) -> "MetricSet":
        """Return a set with the metrics so far, which this one no longer has; dimensions and metadata stay."""
        other: MetricSet = object.__new__(MetricSet)
        metrics, self._metrics = self._metrics, {}
        other.__dict__ = {**self.__dict__, "_metrics": metrics}
        return other

    def write(self, scope: Scope | None) -> None:
        """Write the documents, each a line; `scope` gives them the invocation's keys."""
        if scope is not None and (line := self.plain_line(scope)) is not None:
            _stdout.write(line)
            return
        for document in self._documents():
            _stdout.write(_line(document, scope))

    def plain_line(self, scope: Scope) -> str | None:
        """Return the line of the usual set as text: a few metrics of one value, the service as their dimension."""
        if (
            not 0 < len(self._metrics) <= _PLAIN_MOST
            or self._metadata
            or self._more_dimensions
            or len(self._dimensions) != 1
        ):
            return None
        definitions, values = [], []
        for name, metric in tuple(self._metrics.items()):
            if name in _TAKEN or len(metric.values) != 1 or metric.resolution != _STANDARD:
                return None
            quoted = _json.quote(name)
            definitions.append(f'{_DEFINITION}{quoted}{_UNIT}{metric.unit}"}}')
            values.append(f",{quoted}:{metric.values[0]!r}")
        timestamp = self.timestamp or int(time() * 1000)
        return (
            f"{_EMF}{timestamp}{_DIRECTIVE}{_json.quote(self.namespace)}{_SERVICE_ALONE}{','.join(definitions)}]}}]}}"
            f"{_SERVICE}{_json.quote(self._dimensions[_names.SERVICE])}{''.join(values)}{scope.tail}}}"
        )

    def _documents(self) -> Iterator[dict[str, Any]]:
        """Yield EMF documents of at most 100 metrics with at most 100 values each.

        Where names clash, the dimension goes before the metric, and that before the metadata.
        """
        timestamp = self.timestamp or int(time() * 1000)
        roots = dict(self._dimensions)
        sets = [list(roots)]
        for more in self._more_dimensions:
            roots.update(more)
            sets.append(list(more))
        metadata = _shortened({key: value for key, value in self._metadata.items() if key != _names.EMF})
        for metrics in _chunks(self._metrics, roots):
            directive = {
                _names.EMF_NAMESPACE: self.namespace,
                _names.EMF_DIMENSIONS: sets,
                _names.EMF_METRICS: [definition for _, definition, _ in metrics],
            }
            yield {
                _names.EMF: {
                    _names.EMF_TIMESTAMP: timestamp,
                    _names.EMF_DIRECTIVES: [directive],
                },
                **metadata,
                **roots,
                **{name: values[0] if len(values) == 1 else values for name, _, values in metrics},
            }


_TAKEN: Final = frozenset((_names.EMF, _names.SERVICE, *_names.LINE_KEYS))
_EMF: Final = f'{{"{_names.EMF}":{{"{_names.EMF_TIMESTAMP}":'
_DIRECTIVE: Final = f',"{_names.EMF_DIRECTIVES}":[{{"{_names.EMF_NAMESPACE}":'
_SERVICE_ALONE: Final = f',"{_names.EMF_DIMENSIONS}":[["{_names.SERVICE}"]],"{_names.EMF_METRICS}":['
_DEFINITION: Final = f'{{"{_names.EMF_NAME}":'
_UNIT: Final = f',"{_names.EMF_UNIT}":"'
_SERVICE: Final = f',"{_names.SERVICE}":'


def asked(question: Callable[[Any], Any], value: Any) -> Any:
    """Ask something of a value that the handler gave; what it can't answer is refused."""
    try:
        return question(value)
    except BaseException as error:  # even `SystemExit`: raised by a value, it must not end the process
        raise RefusedError(_json.text(error, 300)) from error


def _text(name: Any) -> str:
    return asked(str.strip, name)  # type: ignore[no-any-return]


def _epoch_ms(timestamp: Any) -> int:
    return (
        round(timestamp.timestamp() * 1000)
        if isinstance(timestamp, _json.if_imported("datetime", "datetime"))
        else int.__index__(timestamp)
    )


def _known_unit(unit: Any) -> str:
    said = unit.value if issubclass(type(unit), Enum) else unit
    known: str | None = asked(_UNITS.get, said) if issubclass(type(said), str) else None
    if known is None:
        raise RefusedError(f"Invalid metric unit {_json.text(said)!r}, expected one of: {', '.join(_UNITS)}")
    return known


def _known_resolution(resolution: Any) -> int:
    said = resolution.value if issubclass(type(resolution), Enum) else resolution
    if not asked((1, _STANDARD).__contains__, said):
        raise RefusedError(
            f"Invalid metric resolution {_json.text(said)!r}, expected 1 or {_STANDARD} (seconds)"
        )
    return int(said)


def _check_unit(known: str, unit: str) -> None:
    if known != unit:
        raise RefusedError(f"it already has the unit {known}, not {unit}: use another name")


def _line(document: dict[str, Any], scope: Scope | None) -> str:
    """Return a document as a line, with the invocation's keys as properties where it has none of these names."""
    if scope is not None and document.keys().isdisjoint(_names.LINE_KEYS):
        line = f"{_json.encode(document)[:-1]}{scope.tail}}}"
        if len(line) <= _DOCUMENT_BYTES_MOST // 4:
            return line
    if scope is None:
        return _json.fit(document, _DOCUMENT_BYTES_MOST)
    own, claimed = scope.invocation.invocation_id, document.get(_names.INVOCATION_ID)
    if type(claimed) is str and claimed != own:  # or the line would be another invocation's
        document = {**document, _names.INVOCATION_ID: own, f"{_names.INVOCATION_ID}_": claimed}
    return _json.fit({**scope.keys, **document}, _DOCUMENT_BYTES_MOST)


def _shortened(metadata: dict[str, Any]) -> dict[str, Any]:
    """Return metadata that leaves room for the metrics: of a document that is too large, it goes before any value."""
    if not metadata or len(_json.encode(metadata)) <= _METADATA_BYTES_MOST // 4:
        return metadata
    shortened: dict[str, Any] = json.loads(_json.fit(metadata, _METADATA_BYTES_MOST))
    return shortened


Chunk = list[tuple[str, dict[str, Any], list[float]]]


def _chunks(metrics: dict[str, Metric], roots: dict[str, str]) -> Iterator[Chunk]:
    layers: list[Chunk] = []
    for name, metric in tuple(metrics.items()):
        if name in roots or name == _names.EMF:
            refuse("metric", name, "a dimension has the same name")
            continue
        definition: dict[str, Any] = {_names.EMF_NAME: name, _names.EMF_UNIT: metric.unit}
        if metric.resolution != _STANDARD:
            definition[_names.EMF_RESOLUTION] = metric.resolution
        values = metric.values
        for index, start in enumerate(range(0, len(values), _names.EMF_VALUES_MOST)):
            if index == len(layers):
                layers.append([])
            layers[index].append((name, definition, values[start : start + _names.EMF_VALUES_MOST]))
    for layer in layers:
        for start in range(0, len(layer), _names.EMF_METRICS_MOST):
            yield layer[start : start + _names.EMF_METRICS_MOST]
