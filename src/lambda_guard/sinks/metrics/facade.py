"""`lambda_guard.metrics`: the interface of Powertools' `Metrics`, a set of its own for each invocation.

Powertools' `Metrics` keeps its state in the class: one namespace's flush takes all metrics, and a value that
can't be serialised stays, and fails every invocation after it. Here what CloudWatch would refuse becomes a warning in
the log, and the documents are built within EMF's limits and written whole.
"""

import threading
from collections.abc import Callable
from typing import Any, Final, Self

from ... import _scope
from ..._failsafe import attempt, failed, never_raises
from ..._scope import Defaults
from .metric_set import NAMELESS, MetricSet, RefusedError, asked, refuse


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
        try:  # as `never_raises` and `_try`, without what they cost
            if (scope := _scope.current()) is None:
                self.single_metric(name, unit, value, resolution).write()
            else:
                (scope.metrics or _set_of(scope)).add_metric(name, unit, value, resolution)
        except RefusedError as error:
            attempt("metrics.refuse", refuse, "metric", name, str(error))
        except Exception as error:
            failed("Metrics.add_metric", error)

    @never_raises
    def add_dimension(self, name: str, value: str) -> None:
        """Add a dimension to this invocation's metrics."""
        if (scope := _scope.current()) is None:
            self.set_default_dimensions(**{name: value})
        else:
            _try("dimension", name, _apply, scope, MetricSet.add_dimension, name, value)

    @never_raises
    def add_dimensions(self, **dimensions: str) -> None:
        """Add another set of dimensions to this invocation's metrics: they are aggregated by it as well."""
        if (scope := _scope.current()) is not None:
            _try("dimensions", sorted(dimensions), _apply, scope, MetricSet.add_dimensions, dimensions)

    @never_raises
    def add_metadata(self, key: str, value: Any) -> None:
        """Add a property to this invocation's metric documents: to be searched in the logs, not a dimension."""
        if (scope := _scope.current()) is not None:
            _try("metadata", key, _apply, scope, MetricSet.add_metadata, key, value)

    @never_raises
    def set_default_dimensions(self, **dimensions: str) -> None:
        """Set dimensions that every metric has from now on, in later invocations, too."""
        for name, value in dimensions.items():
            _try("dimension", name, _set_default_dimension, name, value)

    @never_raises
    def clear_default_dimensions(self) -> None:
        """Forget the default dimensions, for metrics that are begun from now on."""
        _Defaults.dimensions = {}

    @never_raises
    def clear_metrics(self) -> None:
        """Forget what this invocation has added and not yet written."""
        if (scope := _scope.current()) is not None:
            scope.metrics = None

    @never_raises
    def set_timestamp(self, timestamp: Any) -> None:
        """Set the time of this invocation's metrics: epoch milliseconds or a datetime, 14 days ago to 2 hours ahead."""
        if (scope := _scope.current()) is not None:
            _try("timestamp", NAMELESS, _apply, scope, MetricSet.set_timestamp, timestamp)

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

    @never_raises
    def flush_metrics(self, raise_on_empty_metrics: bool = False) -> None:  # noqa: ARG002 - Powertools' signature
        """Write what has been added so far; needed only where the process ends by itself."""
        if (scope := _scope.current()) is not None and scope.metrics is not None:
            metrics, scope.metrics = scope.metrics, None
            metrics.write(scope)


class SingleMetric:
    """A metric that is written when its `with` block ends, also when it ends with an exception."""

    def __init__(self, name: str, unit: Any, value: float, resolution: Any, namespace: str | None) -> None:
        scope = _scope.current()
        settings = scope.settings if scope is not None else Defaults
        self._set = MetricSet(namespace or settings.namespace, settings.service)
        self._add(name, unit, value, resolution)

    @never_raises
    def _add(self, name: str, unit: Any, value: float, resolution: Any) -> None:
        _try("metric", name, self._set.add_metric, name, unit, value, resolution)

    def __enter__(self) -> Self:
        return self

    @never_raises
    def __exit__(self, *_: object) -> None:
        self.write()

    @never_raises
    def write(self) -> None:
        """Write the metric now."""
        self._set.write(_scope.current())

    @never_raises
    def add_dimension(self, name: str, value: str) -> None:
        """Add a dimension to this metric."""
        _try("dimension", name, self._set.add_dimension, name, value)

    @never_raises
    def add_metadata(self, key: str, value: Any) -> None:
        """Add a property to this metric's document."""
        _try("metadata", key, self._set.add_metadata, key, value)


def _apply(scope: _scope.Scope, step: Callable[..., object], *args: Any) -> None:
    step(scope.metrics or _set_of(scope), *args)


def _set_of(scope: _scope.Scope) -> MetricSet:
    if scope.metrics is None:
        with _beginning:  # threads that add an invocation's first metrics at once add them to one set
            if scope.metrics is None:
                begun = MetricSet(scope.settings.namespace, scope.settings.service)
                for name, value in _Defaults.dimensions.items():
                    _try("dimension", name, begun.add_dimension, name, value)
                scope.metrics = begun
    metrics: MetricSet = scope.metrics
    return metrics


_beginning: Final = threading.RLock()


def _set_default_dimension(name: str, value: Any) -> None:
    _Defaults.dimensions = {**_Defaults.dimensions, name: asked(str, value)}
    if (scope := _scope.current()) is not None and scope.metrics is not None:
        scope.metrics.add_dimension(name, value)


def _try(kind: str, name: object, step: Callable[..., object], *args: Any) -> None:
    """Do what the handler asked for, or say in the log why it can't be done."""
    try:
        step(*args)
    except RefusedError as error:
        refuse(kind, name, str(error))
