"""A coroutine function: lines of its tasks and threads have the invocation's keys, too."""

import asyncio

from lambda_guard import logger, production

PRICES = {"tea": 450, "mug": 900}


@production(service="prices")
async def handler(event, context):
    prices = await asyncio.gather(*(price(sku) for sku in event["skus"]))
    return {"cents": sum(prices)}


async def price(sku):
    await asyncio.sleep(0)
    cents = await asyncio.to_thread(look_up, sku)
    logger.info("price found", sku=sku, cents=cents)
    return cents


def look_up(sku):
    return PRICES[sku]
