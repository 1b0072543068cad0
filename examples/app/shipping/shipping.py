"""Packs parcels, several orders at a time; an order that can't be packed doesn't hold up the others."""

import json

from lambda_guard import logger, metrics, production


# With its version as a dimension, a deployment's alarm can tell the new version's failing records from the old one's.
@production(each_record=True, report_batch_item_failures=True, dimensions=("function_version",))
def handler(record):
    order = json.loads(json.loads(record.body)["Message"])
    grams = weigh(order)
    metrics.add_metric(name="ParcelWeight", unit="None", value=grams)
    logger.info("parcel packed", order_id=order["id"], grams=grams)


def weigh(order):
    return sum(int(item["grams"]) * item["count"] for item in order["items"])
