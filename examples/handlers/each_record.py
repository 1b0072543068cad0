"""A FIFO queue: customers side by side, each one in order; what can't be booked holds up that one alone."""

import asyncio

from lambda_guard import logger, metrics, production

BALANCES = {"ada": 1000, "grace": 300}


class OverdrawnError(Exception):
    """There is less on the account than was to be taken."""


@production(service="accounts", each_record=True, report_batch_item_failures=True)
async def handler(record, context):
    customer = record.attributes.message_group_id
    logger.append_keys(customer=customer)
    await book(customer, record.json_body["cents"])
    logger.info("booked", balance=BALANCES[customer], left_ms=context.get_remaining_time_in_millis())


async def book(customer, cents):
    await asyncio.sleep(0.01)  # a database, say: meanwhile the other customers' messages are at work
    if BALANCES[customer] + cents < 0:
        raise OverdrawnError(f"{-cents} can't be taken")
    BALANCES[customer] += cents
    metrics.add_metric(name="CentsBooked", unit="Count", value=abs(cents))
