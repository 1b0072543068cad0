"""lambda_guard: one decorator that makes an AWS Lambda function fit for production.

    from lambda_guard import production, logger, metrics, current_invocation

    @production
    def handler(event, context):
        logger.info("order accepted", order_id=event["id"])
        metrics.add_metric(name="OrdersAccepted", unit="Count", value=1)

Each of them is imported on first use: a function that uses neither `logger` nor `metrics` doesn't pay for importing
Powertools, and the command-line tools import none of it.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aws_lambda_powertools import Logger

    from ._invocation import Invocation
    from ._production import production
    from ._public import current_invocation
    from .sinks.metrics.facade import Metrics

    logger: Logger
    metrics: Metrics
    __version__: str

__all__ = ["Invocation", "current_invocation", "logger", "metrics", "production"]

if not TYPE_CHECKING:  # with it, a type checker would accept any name

    def __getattr__(name: str) -> Any:
        if name == "production":
            from ._production import production as found
        elif name == "Invocation":
            from . import _invocation

            found = _invocation.Invocation
        elif name == "current_invocation":
            from ._public import current_invocation as found
        elif name in ("logger", "metrics"):
            from . import _public

            found = getattr(_public, name)()
        elif name == "__version__":
            from ._version import __version__ as found
        else:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        globals()[name] = found
        return found


def __dir__() -> list[str]:
    return [*__all__]
