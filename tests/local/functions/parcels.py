"""A shop's functions with a bug: an order whose weight is a text can't be packed. `FIXED` in the environment mends it."""

import json
import os
from pathlib import Path

from lambda_guard import logger, production


@production(each_record=True, report_batch_item_failures=True)
def batch(record):
    pack(json.loads(record.body))


@production
def single(event, context):
    pack(event)


def pack(order):
    grams = order["grams"]
    if "FIXED" in os.environ or Path(os.environ.get("FIX", "-")).exists():
        grams = 500 if grams == "heavy" else grams
    logger.info("packed", order_id=order["id"], total=int(grams) * 2)
