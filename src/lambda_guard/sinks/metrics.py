"""`lambda_guard.metrics`: Powertools' EMF provider, one for each invocation, written by us.

Powertools' `Metrics` keeps its state in the class: one namespace's flush takes all metrics, and a value that can't be
serialised stays, and fails every invocation after it. Here an invocation has a provider of its own, what a provider refuses
becomes a warning in the log, and the documents are built within EMF's limits and written whole.
"""

import logging
import math
import time
import warnings
from collections.abc import Iterator
from typing import Any, Final

from aws_lambda_powertools.metrics.functions import (
    extract_cloudwatch_metric_resolution_value,
    extract_cloudwatch_metric_unit_value,
)
from aws_lambda_powertools.metrics.provider.cloudwatch_emf.cloudwatch import AmazonCloudWatchEMFProvider

from .. import _json, _names, _output, _scope
from .._scope import Defaults
from .._seam import attempt

_NAME_MOST: Final = 255  # characters of a metric's name, in EMF
_VALUE_MOST: Final = 1024  # characters of a dimension's value, in EMF
_DOCUMENT_BYTES_MOST: Final = 900_000


class _Provider(AmazonCloudWatchEMFProvider):
    """A metric set that never prints by itself, whatever its size.

    Powertools' constructor goes through its units on each call, which costs more than all else that we do in an
    invocation; so the lists are taken over from one that it made.
    """

    def __init__(self, namespace: str, service: str) -> None:
        self.__dict__.update(
            _MADE,
            namespace=namespace,
            service=service,
            metric_set={},
            dimension_set={},
            dimension_sets=[],
            metadata_set={},
            default_dimensions={},
        )

    def add_metric(self, name: str, unit: Any, value: float, resolution: Any = 60) -> None:
        name = name.strip()
        if not 0 < len(name) <= _NAME_MOST:
            raise ValueError(f"a metric's name has 1 to {_NAME_MOST} characters")
        number = float(value)
        if not math.isfinite(number):
            raise ValueError(f"{value!r} is not a finite number")
        unit = extract_cloudwatch_metric_unit_value(self._metric_units, self._metric_unit_valid_options, unit)
        resolution = extract_cloudwatch_metric_resolution_value(self._metric_resolutions, resolution)
        metric = self.metric_set.setdefault(name, {"Unit": unit, "StorageResolution": resolution, "Value": []})
        if metric["Unit"] != unit:
            raise ValueError(f"it already has the unit {metric['Unit']}, not {unit}: use another name")
        metric["Value"].append(number)

    def add_dimension(self, name: str, value: str) -> None:
        taken = len(self.dimension_set)
        if name not in self.dimension_set and taken >= _names.EMF_DIMENSIONS_MOST - 1:  # one is left for `service`
            raise ValueError(f"a metric has at most {_names.EMF_DIMENSIONS_MOST} dimensions, {_names.SERVICE} included")
        self.dimension_set.pop(name, None)
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # Powertools warns of an empty name or value and leaves the dimension out
            super().add_dimension(name, _json.cut(str(value), _VALUE_MOST))


_MADE: Final = vars(AmazonCloudWatchEMFProvider(namespace=_names.DEFAULT_NAMESPACE, service=""))


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
        else:
            _tell(f"metric {name!r}", _provider(scope).add_metric, name, unit, value, resolution)

    def add_dimension(self, name: str, value: str) -> None:
        """Add a dimension to this invocation's metrics."""
        if (scope := _scope.current()) is None:
            self.set_default_dimensions(**{name: value})
        else:
            _tell(f"dimension {name!r}", _provider(scope).add_dimension, name, value)

    def add_dimensions(self, **dimensions: str) -> None:
        """Add another set of dimensions to this invocation's metrics: they are aggregated by it as well."""
        if (scope := _scope.current()) is not None:
            _tell(f"dimensions {sorted(dimensions)}", _provider(scope).add_dimensions, **dimensions)

    def add_metadata(self, key: str, value: Any) -> None:
        """Add a property to this invocation's metric documents: to be searched in the logs, not a dimension."""
        if (scope := _scope.current()) is not None:
            _tell(f"metadata {key!r}", _provider(scope).add_metadata, key, value)

    def set_default_dimensions(self, **dimensions: str) -> None:
        """Set dimensions that every metric has from now on, in later invocations, too."""
        _Defaults.dimensions = {**_Defaults.dimensions, **{key: str(value) for key, value in dimensions.items()}}
        if (scope := _scope.current()) is not None and scope.metrics is not None:
            for name, value in dimensions.items():
                _tell(f"dimension {name!r}", scope.metrics.add_dimension, name, value)

    def set_timestamp(self, timestamp: Any) -> None:
        """Set the time of this invocation's metrics: epoch milliseconds or a datetime, 14 days ago to 2 hours ahead."""
        if (scope := _scope.current()) is not None:
            _tell("timestamp", _provider(scope).set_timestamp, timestamp)

    def single_metric(
        self, name: str, unit: Any, value: float, resolution: Any = 60, namespace: str | None = None
    ) -> "SingleMetric":
        """Write one metric in a document of its own, at the end of a `with` block, with dimensions of its own.

        Example:
            with metrics.single_metric(name="Refunds", unit="Count", value=1) as metric:
                metric.add_dimension(name="country", value="SE")
        """
        return SingleMetric(name, unit, value, resolution, namespace)

    def flush_metrics(self, raise_on_empty_metrics: bool = False) -> None:  # noqa: ARG002 - Powertools' signature
        """Write what has been added so far; needed only where the process ends by itself."""
        if (scope := _scope.current()) is not None:
            attempt("metrics.flush", flush, scope)


class SingleMetric:
    """A metric that is written when its `with` block ends, also when it ends with an exception."""

    def __init__(self, name: str, unit: Any, value: float, resolution: Any, namespace: str | None) -> None:
        self._provider = _new_provider(_namespace(namespace), {})
        _tell(f"metric {name!r}", self._provider.add_metric, name, unit, value, resolution)

    def __enter__(self) -> "SingleMetric":
        return self

    def __exit__(self, *_: object) -> None:
        self.write()

    def write(self) -> None:
        """Write the metric now."""
        attempt("metrics.single", _write_all, self._provider, _scope.current_keys())

    def add_dimension(self, name: str, value: str) -> None:
        """Add a dimension to this metric."""
        _tell(f"dimension {name!r}", self._provider.add_dimension, name, value)

    def add_metadata(self, key: str, value: Any) -> None:
        """Add a property to this metric's document."""
        _tell(f"metadata {key!r}", self._provider.add_metadata, key, value)


def flush(scope: _scope.Scope) -> None:
    """Write what the handler added to `metrics`; what is added later belongs to the next flush."""
    if scope.metrics is not None:
        provider, scope.metrics = scope.metrics, None
        _write_all(provider, scope.keys)


def _write_all(provider: _Provider, keys: dict[str, Any]) -> None:
    for document in documents(provider, keys):
        _output.write(_json.fit(document, _DOCUMENT_BYTES_MOST))


def documents(provider: _Provider, properties: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield EMF documents of at most 100 metrics with at most 100 values each.

    Args:
        provider: the metrics, dimensions and metadata.
        properties: root keys that aren't dimensions; a metric or a dimension of the same name goes before them.
    """
    dimensions = provider.dimension_set
    sets = [list(dimensions), *(list(more) for more in provider.dimension_sets)]
    roots = {**dimensions}
    for more in provider.dimension_sets:
        roots.update(more)
    metadata = {key: value for key, value in provider.metadata_set.items() if key != _names.EMF}
    for metrics in _chunks(provider.metric_set, roots):
        yield {
            **properties,
            **metadata,
            **roots,
            **{name: values[0] if len(values) == 1 else values for name, _, values in metrics},
            _names.EMF: {
                "Timestamp": provider.timestamp or int(time.time() * 1000),
                "CloudWatchMetrics": [
                    {
                        "Namespace": provider.namespace,
                        "Dimensions": sets,
                        "Metrics": [definition for _, definition, _ in metrics],
                    }
                ],
            },
        }


def _chunks(metric_set: dict[str, Any], roots: dict[str, str]) -> Iterator[list[tuple[str, dict[str, Any], list[float]]]]:
    layers: list[list[tuple[str, dict[str, Any], list[float]]]] = []
    for name, metric in metric_set.items():
        if name in roots or name == _names.EMF:
            _refuse(f"metric {name!r}", "a dimension has the same name")
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
        scope.metrics = _new_provider(scope.settings.namespace, _Defaults.dimensions)
    provider: _Provider = scope.metrics
    return provider


def _new_provider(namespace: str, dimensions: dict[str, str]) -> _Provider:
    scope = _scope.current()
    service = scope.settings.service if scope else Defaults.service
    provider = _Provider(namespace=namespace, service=service)
    provider.dimension_set[_names.SERVICE] = service
    for name, value in dimensions.items():
        _tell(f"dimension {name!r}", provider.add_dimension, name, value)
    return provider


def _namespace(given: str | None) -> str:
    scope = _scope.current()
    return given or (scope.settings.namespace if scope else Defaults.namespace)


def _tell(what: str, step: Any, *args: Any, **kwargs: Any) -> None:
    """Do what the handler asked for, or say in the log why it can't be done: never by raising into it."""
    try:
        step(*args, **kwargs)
    except Exception as error:
        attempt("metrics.refuse", _refuse, what, _json.text(error, 300))


def _refuse(what: str, why: str) -> None:
    logging.getLogger("lambda_guard").warning("%s was not recorded: %s", what, why)
