"""Uses that a type checker refuses: mypy reads this file, nobody runs it; an ignore without its error is one."""

from typing import Any

import lambda_guard
from lambda_guard import current_invocation, local, metrics, production

Event = dict[str, Any]


@production
def handler(event: Event, context: object) -> str:
    return ""


@production
async def asynchronous(event: Event, context: object) -> str:
    return ""


class Orders:
    @production
    def handle(self, event: Event, context: object) -> str:
        return ""


async def calls() -> None:
    """What a handler doesn't take, and doesn't give."""
    handler(1, 2)  # type: ignore[arg-type]
    handler({})  # type: ignore[call-arg]
    handler({}, None, more=1)  # type: ignore[call-arg]
    _: int = handler({}, None)  # type: ignore[assignment]
    asynchronous({})  # type: ignore[call-arg]
    await asynchronous({}, None)  # type: ignore[misc]
    Orders().handle(1, None)  # type: ignore[arg-type]
    handler.__wrapped__(1, None)  # type: ignore[arg-type]
    _ = handler.__wraped__  # type: ignore[attr-defined]


def decoration() -> None:
    """What isn't an option, and what isn't a handler."""
    production("orders")  # type: ignore[call-overload]
    production(7)  # type: ignore[call-overload]
    production(servce="orders")  # type: ignore[call-overload]
    production(service=7)  # type: ignore[call-overload]
    production(handler, service="orders")  # type: ignore[call-overload]
    production(capture_print="no")  # type: ignore[call-overload]
    production(dimensions=7)  # type: ignore[call-overload]
    production(report_batch_item_failures=True)  # type: ignore[call-overload]
    production(service="orders")("orders")  # type: ignore[call-overload]


def face() -> None:
    """What isn't there."""
    lambda_guard.producton(handler)  # type: ignore[attr-defined]
    local.Clowd("template.yaml")  # type: ignore[attr-defined]
    _ = current_invocation().invocation_id  # type: ignore[union-attr]
    metrics.add_metric(name="Orders", unit="Count")  # type: ignore[call-arg]
    metrics.add_metric(name="Orders", unit="Count", value="one")  # type: ignore[arg-type]
