"""The policy made from a run lets the same run pass, and nothing of it can be taken away."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from lambda_guard.local import Cloud
from lambda_guard.local.permissions.deciding import Permissions
from lambda_guard.local.permissions.holding import enforced
from lambda_guard.templates.document import Location
from lambda_guard.templates.template import Template
from lambda_guard.tools.policy.commands import policy

SHOP = Path(__file__).parent.parent.parent / "examples" / "app" / "template.yaml"
SHOPS = ("Orders", "Billing", "Shipping")

EVERYTHING = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
ENOUGH = ("--least-invocations", "1", "--least-days", "0")


def policy_of(cloud, function, folder, *more):
    """Return the policy that the command makes of the function's lines so far."""
    (folder / "lines.log").write_text("\n".join(line.message for line in cloud.logs(function)))
    options = ["--function", cloud.function(function).name, *ENOUGH, *more, "-o", str(folder / "policy.json")]
    result = CliRunner().invoke(policy, [str(folder / "lines.log"), *options], standalone_mode=False)
    assert (result.return_value, result.exception) == (0, None), result.output
    return json.loads((folder / "policy.json").read_text())


def without(document, statement):
    return {**document, "Statement": [one for one in document["Statement"] if one is not statement]}


@pytest.fixture(scope="module")
def shop():
    """The shop with roles that may everything, after two orders."""
    with Cloud(SHOP, speed=40, enforce_policies=True, policies=dict.fromkeys(SHOPS, EVERYTHING)) as cloud:
        assert [place(cloud, number) for number in (1, 2)] == [202, 202]
        cloud.settle(240)
        yield cloud


@pytest.fixture(scope="module")
def made(shop, tmp_path_factory):
    """The policies of the shop's functions, made by the command from the run."""
    dead = ("--dead-letters", shop.queue_arn("Unbilled"))
    return {
        it: policy_of(
            shop,
            it,
            tmp_path_factory.mktemp(it),
            "--account",
            "123456789012",
            "--region",
            "eu-west-1",
            *dead * (it == "Billing"),
        )
        for it in SHOPS
    }


def place(cloud, number):
    order = {"id": f"o-{number}", "items": [{"sku": "lamp", "price": 10.0, "count": 1, "grams": 100}]}
    return cloud.request("POST", "/orders", order).status


def done(cloud, function, message):
    return sum(
        f'"message":"{message}"' in line.message.replace('": "', '":"') for line in cloud.logs(function)
    )


def test_the_shop_runs_with_the_policies_of_its_run(shop, made):
    """Held to what its records ask for, an order is placed, billed and packed as before, and nothing is denied."""
    for function, document in made.items():
        shop.hold(function, document)
    before = [done(shop, "Billing", "customer charged"), done(shop, "Shipping", "parcel packed")]
    denied = dict(shop.denied)
    assert place(shop, 3) == 202
    shop.settle(240)
    after = [done(shop, "Billing", "customer charged"), done(shop, "Shipping", "parcel packed")]
    assert after == [count + 1 for count in before]
    assert shop.denied == denied


def said(shop, policies):
    """Return what a cloud says at its start of the shop with these policies."""
    template = Template(SHOP, Location("eu-west-1", "123456789012", shop.endpoint))
    return enforced(Permissions("eu-west-1"), template, shop.stack, policies)[1]


def test_the_shop_needs_every_statement(shop, made):
    """With any one taken away an order isn't placed, or the cloud says at its start what Lambda misses."""
    assert said(shop, made) == []
    found = {}
    for function, document in made.items():
        for statement in document["Statement"]:
            found[function, statement["Sid"]] = said(shop, {**made, function: without(document, statement)})
    (unsaid,) = [key for key, sentences in found.items() if not sentences]
    assert unsaid == ("Orders", "SnsPlaced")
    assert len(found) == 9
    (statement,) = [one for one in made["Orders"]["Statement"] if one["Sid"] == "SnsPlaced"]
    shop.hold("Orders", without(made["Orders"], statement))
    assert place(shop, 4) == 500
    assert [(it.function, it.action) for it in shop.denied] == [("orders", "sns:Publish")]
