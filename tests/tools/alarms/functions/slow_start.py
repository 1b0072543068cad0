"""A module that takes longer to load than anybody waits for."""

import time

from lambda_guard import production

time.sleep(5.2)


@production
def handler(event, context):
    """Answer at once."""
