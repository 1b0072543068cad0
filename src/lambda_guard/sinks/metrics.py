"""`lambda_guard.metrics`: Powertools' EMF provider, one for each invocation, written by us.

Powertools' `Metrics` keeps its state in the class: one namespace's flush takes all metrics, and a value that
can't be serialised stays, and fails every invocation after it. Here an invocation has a provider of its own,
what a provider refuses becomes a warning in the log, and the documents are built within EMF's limits and
written whole.
"""

import json
import logging
import threading
import time
from collections.abc import Iterator
from typing import Any, Final, Self

from aws_lambda_powertools.metrics.functions import (
    convert_timestamp_to_emf_format,
    extract_cloudwatch_metric_resolution_value,
    extract_cloudwatch_metric_unit_value,
    validate_emf_timestamp,
)
from aws_lambda_powertools.metrics.provider.cloudwatch_emf.cloudwatch import AmazonCloudWatchEMFProvider

from .. import _json, _names, _scope, _stdout
from .._failsafe import attempt
from .._scope import Defaults

_NAME_MOST: Final = 255  # characters of a metric's name, in EMF
_DIMENSION_NAME_MOST: Final = 250
_VALUE_MOST: Final = 1024  # characters of a dimension's value, in EMF
_PLAIN_MOST: Final = 8  # metrics that are written as text
_DOCUMENT_BYTES_MOST: Final = 900_000
_METADATA_BYTES_MOST: Final = _DOCUMENT_BYTES_MOST // 3


class _Provider(AmazonCloudWatchEMFProvider):
    """A metric set that never prints by itself, whatever its size.

    Powertools' constructor goes through its units on each call, which costs more than all else that we do in an
    invocation; so its lists are taken over, for the class, from one that it made.
    """

    def __init__(self, namespace: str, service: str) -> None:
        self.namespace = namespace
        self.service = service
        self.metric_set = {}
        self.dimension_set = {_names.SERVICE: service}
        self.dimension_sets = []
        self.metadata_set = {}
        self.default_dimensions = {}

    def add_metric(self, name: str, unit: Any, value: float, resolution: Any = 60) -> None:
        number = float(value)
        if number - number != 0.0:
            raise ValueError(f"{value!r} is not a finite number")
        metric = self.metric_set.get(name)
        if metric is None:
            metric = self.metric_set.setdefault(*self._new_metric(name, unit, resolution))
        elif metric["Unit"] != unit:
            _check_unit(metric["Unit"], _known_unit(unit))
        metric["Value"].append(number)

    def _new_metric(self, name: str, unit: Any, resolution: Any) -> tuple[str, dict[str, Any]]:
        name = name.strip()
        if not 0 < len(name) <= _NAME_MOST:
            raise ValueError(f"a metric's name has 1 to {_NAME_MOST} characters")
        unit = unit if type(unit) is str and unit in _UNITS else _known_unit(unit)
        if resolution != 60:  # noqa: PLR2004 - seconds, the standard
            resolution = extract_cloudwatch_metric_resolution_value(self._metric_resolutions, resolution)
        if name in self.metric_set:
            _check_unit(self.metric_set[name]["Unit"], unit)
        return name, {"Unit": unit, "StorageResolution": resolution, "Value": []}

    def flush(self, scope: _scope.Scope) -> None:
        """Write what the handler added to `metrics`; what it adds later belongs to the next flush."""
        scope.metrics = None
        _write_all(self, scope)

    def flush_so_far(self, scope: _scope.Scope) -> None:
        """Write what has been added, on another thread than the handler's, which goes on with what else it has set."""
        taken: _Provider = object.__new__(_Provider)
        metric_set, self.metric_set = self.metric_set, {}
        taken.__dict__ = {**self.__dict__, "metric_set": metric_set}
        _write_all(taken, scope)

    def leave(self, scope: _scope.Scope) -> None:
        """Do the same at the end of the invocation, when the invocation record is about to be written."""
        if (line := _plain_line(self, scope)) is not None:
            scope.metrics = None
            scope.unwritten = f"{line}\n"
        else:
            self.flush(scope)

    def add_dimension(self, name: str, value: str) -> None:
        """Add a dimension, or change its value."""
        name, value = self._new_dimension(name, value)
        if name not in self.dimension_set and len(self.dimension_set) >= _names.EMF_DIMENSIONS_MOST:
            raise ValueError(
                f"a metric has at most {_names.EMF_DIMENSIONS_MOST} dimensions, {_names.SERVICE} included"
            )
        self.dimension_set[name] = value

    def add_dimensions(self, **dimensions: str) -> None:
        """Add a set of dimensions."""
        if not 0 < len(dimensions) <= _names.EMF_DIMENSIONS_MOST:
            raise ValueError(f"a set has 1 to {_names.EMF_DIMENSIONS_MOST} dimensions")
        added = dict(self._new_dimension(name, value) for name, value in dimensions.items())
        for name, value in added.items():
            if self.dimension_set.get(name, value) != value:
                raise ValueError(
                    f"{name!r} is {self.dimension_set[name]!r} already, and a document has one value for it"
                )
        self.dimension_sets.append(added)

    def _new_dimension(self, name: str, value: str) -> tuple[str, str]:
        name, value = name.strip(), str(value).strip()
        if not 0 < len(name) <= _DIMENSION_NAME_MOST or name[0] == ":" or name == _names.EMF or not value:
            raise ValueError(f"a dimension has a name of 1 to {_DIMENSION_NAME_MOST} characters, and a value")
        if any(others.get(name, value) != value for others in self.dimension_sets):
            raise ValueError("another set of dimensions has another value for it")
        return name, value[:_VALUE_MOST]

    def set_timestamp(self, timestamp: Any) -> None:
        """Set the time of all metrics."""
        if not validate_emf_timestamp(timestamp):  # Powertools warns, and CloudWatch leaves the metrics out
            raise ValueError(f"{timestamp!r} isn't within the last 14 days and the next 2 hours")
        self.timestamp = convert_timestamp_to_emf_format(timestamp)


def _known_unit(unit: Any) -> str:
    known = extract_cloudwatch_metric_unit_value(
        _MADE["_metric_units"], _MADE["_metric_unit_valid_options"], unit
    )
    if known not in _UNITS:  # Powertools lets everything pass that isn't text
        raise ValueError(f"{unit!r} is not a unit of CloudWatch")
    return known


def _check_unit(known: str, unit: str) -> None:
    if known != unit:
        raise ValueError(f"it already has the unit {known}, not {unit}: use another name")


_MADE: Final = vars(AmazonCloudWatchEMFProvider(namespace=_names.DEFAULT_NAMESPACE, service=""))
for _name, _value in _MADE.items():
    setattr(_Provider, _name, _value)

_UNITS: Final = frozenset(_MADE["_metric_units"])


class _Defaults:
    """Dimensions that module-level code or a handler set for good."""

    dimensions: dict[str, str] = {}  # noqa: RUF012 - replaced, never changed in place


class Metrics:
    """Your metrics, with the interface of Powertools' `Metrics`; flushed at the end of the invocation.

    Nothing here raises into the handler: a metric, unit or dimension that CloudWatch would refuse is left out with a
    WARNING in the log that says why. Outside of an invocation a metric is written at once.
    """

    def add_metric(self, name: str, unit: Any, value: float, resolution: Any = 60) -> None:
        """Add a value to a metric.

        Args:
            name: 1 to 255 characters.
            unit: a CloudWatch unit, e.g. `"Count"`, `"Milliseconds"`, or Powertools' `MetricUnit`.
            value: a finite number.
            resolution: 60 (seconds, standard) or 1 (high).
        """
        scope = _scope.current()
        if scope is None:
            self.single_metric(name, unit, value, resolution).write()
            return
        try:
            (scope.metrics or _provider(scope)).add_metric(name, unit, value, resolution)
        except Exception as error:
            _refused("metric", name, error)

    def add_dimension(self, name: str, value: str) -> None:
        """Add a dimension to this invocation's metrics."""
        if (scope := _scope.current()) is None:
            self.set_default_dimensions(**{name: value})
        else:
            _tell("dimension", name, _provider(scope).add_dimension, name, value)

    def add_dimensions(self, **dimensions: str) -> None:
        """Add another set of dimensions to this invocation's metrics: they are aggregated by it as well."""
        if (scope := _scope.current()) is not None:
            _tell("dimensions", sorted(dimensions), _provider(scope).add_dimensions, **dimensions)

    def add_metadata(self, key: str, value: Any) -> None:
        """Add a property to this invocation's metric documents: to be searched in the logs, not a dimension."""
        if (scope := _scope.current()) is not None:
            _tell("metadata", key, _provider(scope).add_metadata, key, value)

    def set_default_dimensions(self, **dimensions: str) -> None:
        """Set dimensions that every metric has from now on, in later invocations, too."""
        for name, value in dimensions.items():
            _tell("dimension", name, self._set_default_dimension, name, value)

    def _set_default_dimension(self, name: str, value: str) -> None:
        _Defaults.dimensions = {**_Defaults.dimensions, name: str(value)}
        if (scope := _scope.current()) is not None and scope.metrics is not None:
            scope.metrics.add_dimension(name, value)

    def clear_default_dimensions(self) -> None:
        """Forget the default dimensions, for metrics that are begun from now on."""
        _Defaults.dimensions = {}

    def clear_metrics(self) -> None:
        """Forget what this invocation has added and not yet written."""
        if (scope := _scope.current()) is not None:
            scope.metrics = None

    def set_timestamp(self, timestamp: Any) -> None:
        """Set the time of this invocation's metrics: epoch milliseconds or a datetime, 14 days ago to 2 hours ahead."""
        if (scope := _scope.current()) is not None:
            _tell("timestamp", _NAMELESS, _provider(scope).set_timestamp, timestamp)

    def single_metric(  # noqa: PLR0917 - Powertools' signature
        self,
        name: str,
        unit: Any,
        value: float,
        resolution: Any = 60,
        namespace: str | None = None,
        default_dimensions: dict[str, str] | None = None,
    ) -> "SingleMetric":
        """Write one metric in a document of its own, at the end of a `with` block, with dimensions of its own.

        Example:
            with metrics.single_metric(name="Refunds", unit="Count", value=1) as metric:
                metric.add_dimension(name="country", value="SE")
        """
        metric = SingleMetric(name, unit, value, resolution, namespace)
        for dimension, said in (default_dimensions or {}).items():
            metric.add_dimension(dimension, said)
        return metric

    def flush_metrics(self, raise_on_empty_metrics: bool = False) -> None:  # noqa: ARG002 - Powertools' signature
        """Write what has been added so far; needed only where the process ends by itself."""
        if (scope := _scope.current()) is not None and scope.metrics is not None:
            attempt("metrics.flush", scope.metrics.flush, scope)


class SingleMetric:
    """A metric that is written when its `with` block ends, also when it ends with an exception."""

    def __init__(self, name: str, unit: Any, value: float, resolution: Any, namespace: str | None) -> None:
        self._provider = _new_provider(_namespace(namespace), {})
        _tell("metric", name, self._provider.add_metric, name, unit, value, resolution)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.write()

    def write(self) -> None:
        """Write the metric now."""
        attempt("metrics.single", _write_all, self._provider, _scope.current())

    def add_dimension(self, name: str, value: str) -> None:
        """Add a dimension to this metric."""
        _tell("dimension", name, self._provider.add_dimension, name, value)

    def add_metadata(self, key: str, value: Any) -> None:
        """Add a property to this metric's document."""
        _tell("metadata", key, self._provider.add_metadata, key, value)


def _write_all(provider: _Provider, scope: _scope.Scope | None) -> None:
    if scope is not None and (line := _plain_line(provider, scope)) is not None:
        _stdout.write(line)
        return
    for document in documents(provider):
        _stdout.write(_line(document, scope))


def _line(document: dict[str, Any], scope: _scope.Scope | None) -> str:
    """Return a document as a line, with the invocation's keys as properties where it has none of these names."""
    if scope is not None and document.keys().isdisjoint(_names.LINE_KEYS):
        line = f"{_json.encode(document)[:-1]}{scope.tail}}}"
        if len(line) <= _DOCUMENT_BYTES_MOST // 4:
            return line
    return _json.fit({**(scope.keys if scope is not None else {}), **document}, _DOCUMENT_BYTES_MOST)


def _plain_line(provider: _Provider, scope: _scope.Scope) -> str | None:
    """Return the line of the usual metric set as text: a few metrics of one value, the service as their dimension."""
    metrics = provider.metric_set
    if (
        len(metrics) > _PLAIN_MOST
        or provider.metadata_set
        or provider.dimension_sets
        or len(provider.dimension_set) != 1
    ):
        return None
    definitions, values = [], []
    for name, metric in tuple(metrics.items()):
        if name in _TAKEN or len(metric["Value"]) != 1 or metric["StorageResolution"] != 60:  # noqa: PLR2004
            return None
        quoted = _json.quote(name)
        definitions.append(f'{{"Name":{quoted},"Unit":"{metric["Unit"]}"}}')
        values.append(f"{quoted}:{metric['Value'][0]!r}")
    return (
        definitions
        and (
            f'{{"_aws":{{"Timestamp":{provider.timestamp or int(time.time() * 1000)},"CloudWatchMetrics":[{{'
            f'"Namespace":{_json.quote(provider.namespace)},"Dimensions":[["service"]],"Metrics":[{",".join(definitions)}]}}]}},'
            f'"service":{_json.quote(provider.dimension_set[_names.SERVICE])},{",".join(values)}{scope.tail}}}'
        )
    ) or None


_TAKEN: Final = frozenset((_names.EMF, _names.SERVICE, *_names.LINE_KEYS))


def documents(provider: _Provider) -> Iterator[dict[str, Any]]:
    """Yield EMF documents of at most 100 metrics with at most 100 values each.

    Args:
        provider: the metrics, dimensions and metadata; where names clash, the dimension goes before the metric,
            and that before the metadata.
    """
    roots = dict(provider.dimension_set)
    sets = [list(roots)]
    for more in provider.dimension_sets:
        roots.update(more)
        sets.append(list(more))
    metadata = _shortened({key: value for key, value in provider.metadata_set.items() if key != _names.EMF})
    for metrics in _chunks(provider.metric_set, roots):
        directive = {
            "Namespace": provider.namespace,
            "Dimensions": sets,
            "Metrics": [definition for _, definition, _ in metrics],
        }
        yield {
            _names.EMF: {
                "Timestamp": provider.timestamp or int(time.time() * 1000),
                "CloudWatchMetrics": [directive],
            },
            **metadata,
            **roots,
            **{name: values[0] if len(values) == 1 else values for name, _, values in metrics},
        }


def _shortened(metadata: dict[str, Any]) -> dict[str, Any]:
    """Return metadata that leaves room for the metrics: of a document that is too large, it goes before any value."""
    if not metadata or len(_json.encode(metadata)) <= _METADATA_BYTES_MOST // 4:
        return metadata
    shortened: dict[str, Any] = json.loads(_json.fit(metadata, _METADATA_BYTES_MOST))
    return shortened


def _chunks(
    metric_set: dict[str, Any], roots: dict[str, str]
) -> Iterator[list[tuple[str, dict[str, Any], list[float]]]]:
    layers: list[list[tuple[str, dict[str, Any], list[float]]]] = []
    for name, metric in tuple(metric_set.items()):
        if name in roots or name == _names.EMF:
            _refuse("metric", name, "a dimension has the same name")
            continue
        definition = {"Name": name, "Unit": metric["Unit"]}
        if metric["StorageResolution"] == 1:
            definition["StorageResolution"] = 1
        values = metric["Value"]
        for index, start in enumerate(range(0, len(values), _names.EMF_VALUES_MOST)):
            if index == len(layers):
                layers.append([])
            layers[index].append((name, definition, values[start : start + _names.EMF_VALUES_MOST]))
    for layer in layers:
        for start in range(0, len(layer), _names.EMF_METRICS_MOST):
            yield layer[start : start + _names.EMF_METRICS_MOST]


def _provider(scope: _scope.Scope) -> _Provider:
    if scope.metrics is None:
        with _beginning:  # threads that add an invocation's first metrics at once add them to one set
            if scope.metrics is None:
                scope.metrics = _new_provider(scope.settings.namespace, _Defaults.dimensions)
    provider: _Provider = scope.metrics
    return provider


_beginning: Final = threading.RLock()


def _new_provider(namespace: str, dimensions: dict[str, str]) -> _Provider:
    scope = _scope.current()
    service = scope.settings.service if scope else Defaults.service
    provider = _Provider(namespace=namespace, service=service)
    for name, value in dimensions.items():
        _tell("dimension", name, provider.add_dimension, name, value)
    return provider


def _namespace(given: str | None) -> str:
    scope = _scope.current()
    return given or (scope.settings.namespace if scope else Defaults.namespace)


def _tell(kind: str, name: object, step: Any, *args: Any, **kwargs: Any) -> None:
    """Do what the handler asked for, or say in the log why it can't be done: never by raising into it."""
    try:
        step(*args, **kwargs)
    except Exception as error:
        _refused(kind, name, error)


def _refused(kind: str, name: object, error: Exception) -> None:
    attempt("metrics.refuse", _refuse, kind, name, _json.text(error, 300))


def _refuse(kind: str, name: object, why: str) -> None:
    what = kind if name is _NAMELESS else f"{kind} {_shown(name)}"
    logging.getLogger("lambda_guard").warning("%s was not recorded: %s", what, why)


_NAMELESS: Final = object()


def _shown(name: object) -> str:
    """Return how the handler wrote a name; where that raises, of what type it is."""
    try:
        return repr(name)
    except Exception:
        return f"<{_json.type_name(name)}>"
