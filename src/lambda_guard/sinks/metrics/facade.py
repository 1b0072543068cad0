"""`lambda_guard.metrics`: the interface of Powertools' `Metrics`, a set of its own for each invocation.

Powertools' `Metrics` keeps its state in the class: one namespace's flush takes all metrics, and a value that
can't be serialised stays, and fails every invocation after it. Here what CloudWatch would refuse becomes a warning in
the log, and the documents are built within EMF's limits and written whole.
"""

import threading
from typing import Any, Final, Self

from ... import _scope
from ..._failsafe import attempt, failed, never_raises
from ..._scope import Defaults
from .metric_set import NAMELESS, MetricSet, RefusedError, asked, refuse
from .powertools_names import PowertoolsNames, trying


class _Defaults:
    """What module-level code or a handler set for good."""

    dimensions: dict[str, str] = {}  # noqa: RUF012 - replaced, never changed in place
    namespace: str | None = None
    service: str | None = None


class Metrics(PowertoolsNames):
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
        """Add a dimension to this invocation's metrics; outside of one, to all metrics from now on."""
        if _scope.current() is not None:
            trying("dimension", name, self._apply, MetricSet.add_dimension, name, value)
        elif _scope.is_nobodys():
            refuse("dimension", name, "the invocation that it was meant for has ended")
        else:
            trying("dimension", name, _set_default_dimension, name, value)

    @never_raises
    def set_default_dimensions(self, **dimensions: str) -> None:
        """Set dimensions that every metric has from now on, in later invocations, too."""
        for name, value in dimensions.items():
            trying("dimension", name, _set_default_dimension, name, value)

    @never_raises
    def clear_default_dimensions(self) -> None:
        """Forget the default dimensions, for metrics that are begun from now on."""
        _Defaults.dimensions = {}

    @property
    def default_dimensions(self) -> dict[str, str]:
        """The default dimensions, in a new dict."""
        return {**_Defaults.dimensions}

    @never_raises
    def clear_metrics(self) -> None:
        """Forget what this invocation has added and not yet written."""
        if (scope := _scope.current()) is not None:
            scope.metrics = None
            _set_of(scope)

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
        return SingleMetric(name, unit, value, resolution, namespace, default_dimensions)

    @never_raises
    def flush_metrics(self, raise_on_empty_metrics: bool = False) -> None:
        """Write what has been added so far; needed only where the process ends by itself.

        Args:
            raise_on_empty_metrics: say in the log that there is nothing; nothing is raised.
        """
        scope = _scope.current()
        if scope is not None and scope.metrics is not None and not scope.metrics.is_empty:
            metrics, scope.metrics = scope.metrics, None
            _set_of(scope)  # as in Powertools, what comes next begins with the default dimensions of now
            metrics.write(scope)
        elif raise_on_empty_metrics:
            refuse("flush_metrics", NAMELESS, "no metric was added")

    def _gathered(self) -> MetricSet | None:
        scope = _scope.current()
        return _set_of(scope) if scope is not None else None

    @property
    def namespace(self) -> str:
        """The namespace; one that is set holds for what is begun from now on, in later invocations, too."""
        return _Defaults.namespace or _settings().namespace

    @namespace.setter
    def namespace(self, namespace: str | None) -> None:
        _Defaults.namespace = _known_text(namespace)

    @property
    def service(self) -> str:
        """The dimension `service`; one that is set holds like a namespace."""
        return _Defaults.service or _settings().service

    @service.setter
    def service(self, service: str | None) -> None:
        _Defaults.service = _known_text(service)


class SingleMetric(PowertoolsNames):
    """A metric that is written when its `with` block ends, also when it ends with an exception."""

    def __init__(  # noqa: PLR0917 - as `single_metric`
        self, name: str, unit: Any, value: float, resolution: Any, namespace: Any, dimensions: Any
    ) -> None:
        begun = attempt("metrics.single_metric", _begun_here, namespace)
        self._set = begun or MetricSet(Defaults.namespace, Defaults.service)
        self.add_metric(name, unit, value, resolution)
        if dimensions is not None:
            self._add_default_dimensions(dimensions)

    @never_raises
    def add_metric(self, name: str, unit: Any, value: float, resolution: Any = 60) -> None:
        """Set the metric, if there is none yet: there is only one."""
        if self._set.is_empty:
            trying("metric", name, self._set.add_metric, name, unit, value, resolution)

    @never_raises
    def _add_default_dimensions(self, dimensions: Any) -> None:
        try:
            for name, value in asked(dict, dimensions).items():
                self.add_dimension(name, value)
        except RefusedError as error:
            refuse("default_dimensions", NAMELESS, str(error))

    @never_raises
    def add_dimension(self, name: str, value: str) -> None:
        """Add a dimension to this metric."""
        trying("dimension", name, self._set.add_dimension, name, value)

    def _gathered(self) -> MetricSet:
        return self._set

    @property
    def namespace(self) -> str:
        """The metric's namespace."""
        return self._set.namespace

    @namespace.setter
    def namespace(self, namespace: str | None) -> None:
        self._set.namespace = _known_text(namespace) or self._set.namespace

    @property
    def service(self) -> str:
        """The dimension `service`."""
        return self.dimension_set["service"]

    @service.setter
    def service(self, service: str) -> None:
        self.add_dimension("service", service)

    @property
    def timestamp(self) -> int | None:
        """The time that was set, in epoch milliseconds."""
        return self._set.timestamp

    def __enter__(self) -> Self:
        return self

    @never_raises
    def __exit__(self, *_: object) -> None:
        self.write()

    @never_raises
    def write(self) -> None:
        """Write the metric now; it isn't written again."""
        self._set.taken().write(_scope.current())

    @never_raises
    def flush_metrics(self, raise_on_empty_metrics: bool = False) -> None:  # noqa: ARG002 - Powertools' signature
        """Write the metric now, as `write` does."""
        self.write()

    @never_raises
    def clear_metrics(self) -> None:
        """Forget the metric."""
        self._set.taken()


def _settings() -> Any:
    scope = _scope.current()
    return scope.settings if scope is not None else Defaults


def _begun_here(namespace: Any) -> MetricSet:
    return _begun(_settings(), _known_text(namespace))


def _begun(settings: Any, namespace: str | None = None) -> MetricSet:
    return MetricSet(
        namespace or _Defaults.namespace or settings.namespace, _Defaults.service or settings.service
    )


def _known_text(given: Any) -> str | None:
    """Return a namespace or service, `None` for none; anything but text is said in the log."""
    if given is None or (type(given) is str and given.strip()):
        return given
    refuse("namespace or service", given, "it must be text")
    return None


def _set_of(scope: _scope.Scope) -> MetricSet:
    if scope.metrics is None:
        with _beginning:  # threads that add an invocation's first metrics at once add them to one set
            if scope.metrics is None:
                begun = _begun(scope.settings)
                for name, value in _Defaults.dimensions.items():
                    trying("dimension", name, begun.add_dimension, name, value)
                scope.metrics = begun
    metrics: MetricSet = scope.metrics
    return metrics


_beginning: Final = threading.RLock()


def _set_default_dimension(name: str, value: Any) -> None:
    if (scope := _scope.current()) is not None:
        _set_of(scope).add_dimension(name, value)
    _Defaults.dimensions = {**_Defaults.dimensions, name: asked(str, value)}
