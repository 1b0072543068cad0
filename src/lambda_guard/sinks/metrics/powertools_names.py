"""The rest of the names of Powertools' `Metrics` and `SingleMetric`, so that code written for them runs as it is."""

from collections.abc import Callable
from typing import Any, Self

from ..._failsafe import attempt, never_raises
from .metric_set import NAMELESS, MetricSet, RefusedError, refuse

_NOT_NEEDED = (
    "metrics are written at the end of each invocation of @production: delete @metrics.log_metrics above %s"
)
_AND_COLD_STARTS = f"{_NOT_NEEDED}; cold starts are counted in the metric ColdStarts"


def trying(kind: str, name: object, step: Callable[..., object], *args: Any) -> None:
    """Do what the handler asked for, or say in the log why it can't be done."""
    try:
        step(*args)
    except RefusedError as error:
        refuse(kind, name, str(error))


class PowertoolsNames:
    """What the metrics of an invocation and a single metric have in common."""

    def _gathered(self) -> MetricSet | None:
        """Return what has been added so far; `None` outside of an invocation."""
        raise NotImplementedError

    def _apply(self, step: Callable[..., object], *args: Any) -> None:
        if (gathered := self._gathered()) is not None:
            step(gathered, *args)

    @property
    def default_dimensions(self) -> dict[str, str]:
        """The dimensions that stand in every set."""
        return {}

    @never_raises
    def add_dimensions(self, **dimensions: str) -> None:
        """Add another set of dimensions, the default ones in it: metrics are aggregated by it as well."""
        names, defaults = sorted(dimensions), self.default_dimensions
        trying("dimensions", names, self._apply, MetricSet.add_dimensions, dimensions, defaults)

    @never_raises
    def add_metadata(self, key: str, value: Any) -> None:
        """Add a property of the metrics' documents: to be searched in the logs, not a dimension."""
        trying("metadata", key, self._apply, MetricSet.add_metadata, key, value)

    @never_raises
    def set_timestamp(self, timestamp: Any) -> None:
        """Set the time of the metrics: epoch milliseconds or a datetime, 14 days ago to 2 hours ahead."""
        trying("timestamp", NAMELESS, self._apply, MetricSet.set_timestamp, timestamp)

    @property
    def metric_set(self) -> dict[str, Any]:
        """The metrics so far, in a new dict: `{name: {"Unit", "StorageResolution", "Value": [...]}}`."""
        return self._shown()[0]

    @property
    def dimension_set(self) -> dict[str, str]:
        """The dimensions so far, in a new dict."""
        return self._shown()[1]

    @property
    def metadata_set(self) -> dict[str, Any]:
        """The metadata so far, in a new dict."""
        return self._shown()[2]

    def _shown(self) -> tuple[dict[str, Any], dict[str, str], dict[str, Any]]:
        gathered = attempt("metrics.shown", self._gathered)
        return gathered.shown if gathered is not None else ({}, {}, {})

    @property
    def provider(self) -> Self:
        """The same: there is one provider, CloudWatch's embedded metric format."""
        return self

    def serialize_metric_set(
        self,
        metrics: dict[str, Any] | None = None,
        dimensions: dict[str, str] | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Return the document of the metrics so far, or of those that are given; empty where there are none.

        Args:
            metrics: in the form of `metric_set`.
            dimensions: by name.
            metadata: by key.
        """
        given = metrics, dimensions, metadata
        return attempt("metrics.serialize", self._serialized, *given) or {}

    def _serialized(self, *given: dict[str, Any] | None) -> dict[str, Any]:
        gathered = self._gathered()
        return gathered.document(*given) if gathered is not None else {}

    def log_metrics(self, lambda_handler: Any = None, **options: Any) -> Any:
        """Return the handler as it is, and say in the log that the decorator can be deleted.

        Args:
            lambda_handler: the handler; without it, a decorator is returned.
            options: Powertools'; `default_dimensions` are set, the others have no effect.
        """
        if lambda_handler is None:
            return lambda handler: self.log_metrics(handler, **options)
        attempt("metrics.log_metrics", self._say_what_to_delete, lambda_handler, options)
        return lambda_handler

    def _say_what_to_delete(self, handler: Any, options: dict[str, Any]) -> None:
        from logging import getLogger

        name = getattr(handler, "__name__", "the handler")
        said = _AND_COLD_STARTS if options.get("capture_cold_start_metric") else _NOT_NEEDED
        getLogger("lambda_guard").warning(said, name)
        if defaults := options.get("default_dimensions"):
            self.set_default_dimensions(**defaults)

    @never_raises
    def set_default_dimensions(self, **dimensions: str) -> None:
        """Set dimensions for good, where there is more than one metric."""
