"""A topic: one notification an invocation, tried twice more by Lambda when the handler raises."""

import json

from lambda_guard import logger, metrics, production


class CardRefusedError(Exception):
    """The card can't be charged: trying again won't help, so the dead-letter queue is the place for it."""


@production(service="billing")
def handler(event, context):
    order = json.loads(event["Records"][0]["Sns"]["Message"])
    logger.append_keys(order_id=order["id"])
    if order["card"] != "valid":
        raise CardRefusedError
    metrics.add_metric(name="Charged", unit="Count", value=1)
    logger.info("card charged", cents=order["cents"])
