"""Charges the customer, as soon as an order is placed."""

import json

from lambda_guard import logger, metrics, production


@production
def handler(event, context):
    order = json.loads(event["Records"][0]["Sns"]["Message"])
    logger.append_keys(order_id=order["id"])
    amount = sum(item["price"] * item["count"] for item in order["items"])
    metrics.add_metric(name="Revenue", unit="None", value=amount)
    logger.info("customer charged", amount=amount)
