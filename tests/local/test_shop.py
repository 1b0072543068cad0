"""The example shop in the local cloud: one trace over three functions, and nothing lost when consumers are killed."""

import json
import random
import re
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lambda_guard.local.cloud import Cloud

TEMPLATE = Path(__file__).parent.parent.parent / "examples" / "app" / "template.yaml"
SECOND_TRACE = "1-6742a1b5-00000000000000000000aaaa"


def order(order_id, grams=100):
    return {"id": order_id, "items": [{"sku": "lamp", "price": 10.0, "count": 1, "grams": grams}]}


def place(cloud, *orders):
    for each in orders:
        assert cloud.request("POST", "/orders", json.dumps(each)).status == 202


def lines(cloud, function):
    return [json.loads(event.message) for event in cloud.logs(function) if event.message.startswith("{")]


def records(cloud, function):
    return [line for line in lines(cloud, function) if line.get("record") == "invocation"]


def drain(cloud, queue):
    sqs, url, found = cloud.client("sqs"), cloud.queue_url(queue), []
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        found += [json.loads(message["Body"]) for message in messages]
        for message in messages:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return found


@pytest.fixture(scope="module")
def shop():
    """One order, a message from another trace beside it, and an order that can't be packed."""
    with Cloud(TEMPLATE, speed=40) as cloud:
        cloud.client("sqs").send_message(
            QueueUrl=cloud.queue_url("Parcels"),
            MessageBody=json.dumps({"Type": "Notification", "Message": json.dumps(order("other"))}),
            MessageSystemAttributes={
                "AWSTraceHeader": {
                    "DataType": "String",
                    "StringValue": f"Root={SECOND_TRACE};Parent=00000000000000aa;Sampled=1",
                }
            },
        )
        place(cloud, order("good"), order("poison", grams="heavy"))
        cloud.settle(timeout=240)
        yield cloud


@pytest.fixture(scope="module")
def documents(shop):
    """All X-Ray documents by id, subsegments within a segment, too."""
    found = {}

    def add(document, parent=None):
        found[document["id"]] = {"parent_id": parent, "trace_id": None, **document}
        for child in document.get("subsegments", ()):
            add({"trace_id": document["trace_id"], **child}, document["id"])

    for document in shop.documents():
        add(document)
    return found


def trace_of(cloud, order_id):
    return next(line["xray_trace_id"] for line in lines(cloud, "orders") if line.get("order_id") == order_id)


def path_up(documents, span):
    """Return the names from a span up to where its trace begins, as far as documents tell."""
    names = []
    while span in documents:
        names.append(documents[span]["name"])
        span = documents[span]["parent_id"]
    return names


def test_one_trace_id_in_the_log_lines_of_all_three(shop):
    """The order's lines have one and the same trace id in the three functions, across SNS and SQS."""
    found = {
        name: {line["xray_trace_id"] for line in lines(shop, name) if line.get("order_id") == "good"}
        for name in ("orders", "billing", "shipping")
    }
    assert found == {name: {trace_of(shop, "good")} for name in ("orders", "billing", "shipping")}


def test_each_consumer_hangs_below_the_call_that_sent_to_it(shop, documents):
    """Both consumers' spans hang below the subsegment of the Publish call, and that below the handler that called."""
    trace_id = trace_of(shop, "good")
    publish = [
        found for found in documents.values() if found["trace_id"] == trace_id and found["name"] == "sns"
    ]
    assert len(publish) == 1
    assert path_up(documents, publish[0]["id"])[:2] == ["sns", "## handler"]
    shipping = [
        found for found in documents.values() if found["trace_id"] == trace_id and found["name"] == "shipping"
    ]
    assert [found["parent_id"] for found in shipping] == [publish[0]["id"]]


def test_records_of_other_traces_in_one_batch_keep_their_own(shop, documents):
    """A batch of three traces has a segment in each of them, with the sender as its parent."""
    traces = {trace_of(shop, "good"), trace_of(shop, "poison"), SECOND_TRACE}
    segments = {found["trace_id"] for found in documents.values() if found["name"] == "shipping"}
    assert traces <= segments
    other = next(
        found
        for found in documents.values()
        if found["trace_id"] == SECOND_TRACE and found["name"] == "shipping"
    )
    assert other["parent_id"] == "00000000000000aa"


def test_each_attempt_is_a_segment_of_the_same_trace(shop, documents):
    """The order that fails three times has three faulty segments in its trace, and ends in the dead-letter queue."""
    trace_id = trace_of(shop, "poison")
    failed = [
        found
        for found in documents.values()
        if found["trace_id"] == trace_id and found["name"] == "shipping" and found.get("fault")
    ]
    assert len(failed) == 3
    assert [json.loads(body["Message"])["id"] for body in drain(shop, "Unshipped")] == ["poison"]


@pytest.fixture
def slower_shop(tmp_path):
    """The shop with consumers that take a while, before and after their work, so that a kill finds them at it."""
    shutil.copytree(TEMPLATE.parent, tmp_path / "app")
    for name in ("billing", "shipping"):
        module = tmp_path / "app" / name / f"{name}.py"
        source = module.read_text()
        slower, count = re.subn(
            r"^(    logger.info.*)$",
            r"    time.sleep(0.01)\n\1\n    time.sleep(0.01)",
            source,
            flags=re.MULTILINE,
        )
        assert count == 1
        module.write_text(f"import time\n{slower}")
    return tmp_path / "app" / "template.yaml"


@pytest.mark.slow
def test_a_thousand_orders_with_consumers_killed_at_random(slower_shop):
    """Of 1,000 orders, with billing and shipping killed at random, each is processed or in a dead-letter queue: none is lost."""
    ids = [f"o-{number}" for number in range(1000)]
    with Cloud(slower_shop, speed=40) as cloud:
        rng, kills = random.Random(7), []
        killers = {order_id: rng.choice(["billing", "shipping"]) for order_id in rng.sample(ids, 100)}

        def place_and_kill(order_id):
            place(cloud, order(order_id))
            if order_id in killers:
                kills.append(cloud.kill(killers[order_id]))

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(place_and_kill, ids))
        for _ in range(10):  # and some more, while they do what is left
            time.sleep(rng.uniform(0.05, 0.3))
            kills.append(cloud.kill(rng.choice(["billing", "shipping"])))
        cloud.settle(timeout=500)
        billed = [
            line["order_id"] for line in lines(cloud, "billing") if line.get("message") == "customer charged"
        ]
        packed = [
            line["order_id"] for line in lines(cloud, "shipping") if line.get("message") == "parcel packed"
        ]
        unbilled = [
            json.loads(body["Records"][0]["Sns"]["Message"])["id"] for body in drain(cloud, "Unbilled")
        ]
        unshipped = [json.loads(body["Message"])["id"] for body in drain(cloud, "Unshipped")]
    print(
        f"{sum(kills)} kills; billed {len(billed)} times, {len(billed) - len(set(billed))} of them duplicates, "
        f"{len(unbilled)} dead; packed {len(packed)} times, {len(packed) - len(set(packed))} duplicates, {len(unshipped)} dead"
    )
    assert sum(kills) > 10
    assert set(billed) | set(unbilled) == set(ids)
    assert set(packed) | set(unshipped) == set(ids)
