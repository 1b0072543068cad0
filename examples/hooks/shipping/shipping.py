"""Packs parcels; a message that fails comes back alone."""

import json

from lambda_guard import logger, production


@production(each_record=True, report_batch_item_failures=True, dimensions=("function_version",))
def handler(record):
    order = json.loads(record.body)
    grams = sum(item["grams"] * item["count"] for item in order["items"])
    logger.info("parcel packed", order_id=order["id"], grams=grams)
