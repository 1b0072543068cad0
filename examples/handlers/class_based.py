"""A handler that is a method: what it needs is given once, at the start, and can be faked in tests."""

from lambda_guard import logger, production


class Stock:
    """How many of each there are."""

    def __init__(self, counts):
        self.counts = counts

    def take(self, sku):
        self.counts[sku] -= 1
        return self.counts[sku]


class Reservations:
    def __init__(self, stock):
        self.stock = stock

    @production(service="stock")
    def handle(self, event, _context):
        left = self.stock.take(event["sku"])
        logger.info("reserved", sku=event["sku"], left=left)
        return {"left": left}


handler = Reservations(Stock({"tea": 7, "mug": 3})).handle
