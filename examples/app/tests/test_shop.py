"""The shop in the local cloud: what an order becomes, and what doesn't hold it up. No AWS account, no Docker."""

import json
from http import HTTPStatus
from pathlib import Path

import pytest

from lambda_guard.local import Cloud

TEMPLATE = Path(__file__).parent.parent / "template.yaml"


@pytest.fixture(scope="module")
def shop():
    """Have a shop with two orders, of which one can't be packed."""
    with Cloud(TEMPLATE, speed=40) as cloud:
        for order_id, grams in (("good", 900), ("bad", "heavy")):
            item = {"sku": "lamp", "price": 49.0, "count": 1, "grams": grams}
            order = {"id": order_id, "items": [item]}
            assert cloud.request("POST", "/orders", json.dumps(order)).status == HTTPStatus.ACCEPTED
        cloud.settle(timeout=240)
        yield cloud


def lines(cloud, function, message):
    found = (json.loads(line.message) for line in cloud.logs(function) if line.message.startswith("{"))
    return {line["order_id"] for line in found if line.get("message") == message}


def test_every_order_is_billed_once(shop):
    assert lines(shop, "Billing", "customer charged") == {"good", "bad"}


def test_an_order_that_cannot_be_packed_does_not_hold_up_the_others(shop):
    assert lines(shop, "Shipping", "parcel packed") == {"good"}
    assert shop.messages("Unshipped")["visible"] == 1
