"""lambda_guard: one decorator that makes an AWS Lambda function fit for production.

    from lambda_guard import production, logger, metrics, current_invocation

    @production
    def handler(event, context):
        logger.info("order accepted", order_id=event["id"])
        metrics.add_metric(name="OrdersAccepted", unit="Count", value=1)

`logger` and `metrics` are made when they are first asked for, since a function that uses neither needn't pay for
importing Powertools.
"""

from typing import TYPE_CHECKING, Any

from ._invocation import Invocation
from ._production import production
from ._scope import current as _current

if TYPE_CHECKING:
    from aws_lambda_powertools import Logger

    from .sinks.metrics import Metrics

    logger: Logger
    metrics: Metrics

__all__ = ["Invocation", "current_invocation", "logger", "metrics", "production"]


def current_invocation() -> Invocation | None:
    """Return the facts of the invocation that is at work here, or `None` outside of one."""
    scope = _current()
    return scope.invocation if scope is not None else None


if not TYPE_CHECKING:  # a type checker would take every name for one of ours

    def __getattr__(name: str) -> Any:
        if name not in ("logger", "metrics"):
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from . import _face

        found = globals()[name] = getattr(_face, name)()
        return found


def __dir__() -> list[str]:
    return [*__all__]
