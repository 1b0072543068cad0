"""A queue, one message at a time: what fails comes back alone, the others are done."""

import json

from lambda_guard import logger, metrics, production


@production(service="shipping", each_record=True, report_batch_item_failures=True)
def handler(record):
    order = json.loads(record.body)
    grams = sum(item["grams"] * item["count"] for item in order["items"])
    if not grams:
        raise ValueError("an order without weight can't be shipped")
    metrics.add_metric(name="ParcelWeight", unit="None", value=grams)
    logger.info("parcel packed", order_id=order["id"], grams=grams)
