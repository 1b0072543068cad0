"""A function that does what its event says, bare and decorated."""

import asyncio
import logging
import sys
import time
import warnings

from aws_lambda_powertools import Logger

from lambda_guard import current_invocation, logger, metrics, production

warnings.simplefilter("always", UserWarning)
theirs = logging.getLogger("theirs")
own = Logger(service="shop-own", logger_formatter=None)
formatted = logging.getLogger("formatted")
formatted.propagate = False
stream = logging.StreamHandler(sys.stdout)
stream.setFormatter(
    logging.Formatter('{"said": "%(message)s", "id": "%(invocation_id)s", "field": "%(field)s"}')
)
formatted.addHandler(stream)


def write(event):
    """Write a line in every way there is."""
    logger.info("ours", order_id="o-1")
    logger.debug("too quiet to be written")
    theirs.warning("theirs %s", "formatted", extra={"order_id": "o-2"})
    theirs.info("too quiet to be written in the text format")
    own.info("own", order_id="o-3")
    own.info({"own": "as an object"})
    own.info("own of %s", "arguments")
    own.info("own with a key of ours", extra={"invocation_id": "theirs"})
    formatted.warning("formatted", extra={"field": "kept"})
    print("printed")
    print("printed", "in", "parts", sep="-", end="")
    print()
    print("two\nlines")
    print('{"printed": "object"}')
    sys.stdout.write("unfinished")
    warnings.warn("deprecated", stacklevel=1)
    metrics.add_metric(name="Orders", unit="Count", value=1)
    try:
        raise KeyError("inner")  # noqa: TRY301 - to be logged with its traceback
    except KeyError:
        theirs.exception("failed")
    return {"written": True}


def refuse(event):
    """Fail, two calls deep."""
    raise ValueError(event.get("message", "refused"))


def give_something_else(event):
    """Return what JSON has no word for."""
    return object()


def write_and_exit(event):
    """End the process."""
    logger.info("leaving")
    sys.exit(3)


def sleep(event):
    """Take longer than there is time."""
    logger.info("sleeping")
    time.sleep(30)


def tell(event):
    """Tell the invocation's id, as it is known inside."""
    found = current_invocation()
    return found and found.invocation_id


DO = {
    "write": write,
    "refuse": refuse,
    "give": give_something_else,
    "exit": write_and_exit,
    "sleep": sleep,
    "tell": tell,
}


def bare(event, context):
    """Do what the event says."""
    return DO[event["do"]](event)


async def bare_async(event, context):
    """Do it in a coroutine."""
    await asyncio.sleep(0)
    return DO[event["do"]](event)


guarded = production(bare)
guarded_async = production(bare_async)


class Shop:
    """A handler that is a method."""

    @production
    def handle(self, event, context):
        """Do what the event says."""
        return DO[event["do"]](event)


method = Shop().handle
