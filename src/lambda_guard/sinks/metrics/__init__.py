"""The user's metrics: `facade` is what users see, `metric_set` what an invocation has gathered; here is the sink."""

from ..._invocation import Outcome
from ..._scope import Scope
from .. import Sink


class UserMetrics(Sink):
    """Writes what the handler added to `lambda_guard.metrics`; costs nothing where it added nothing."""

    part = "metrics"

    def leave(self, scope: Scope, _: Outcome) -> None:
        """Write it, in one write with the invocation record where that can be."""
        if (metrics := scope.metrics) is not None:
            scope.metrics = None
            if (line := metrics.plain_line(scope)) is not None:
                scope.unwritten = f"{line}\n"
            else:
                metrics.write(scope)

    def warn(self, scope: Scope, _: Outcome) -> None:
        """Write what there is so far: the handler goes on with what else it has set."""
        if (metrics := scope.metrics) is not None:
            metrics.taken().write(scope)
