"""The shop's template is what the checklist asks for, and its alarms ring for what they are meant for."""

import json
import re
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from lambda_guard.local.cloud import Cloud
from lambda_guard.tools.group import run

TEMPLATE = Path(__file__).parent.parent.parent / "examples" / "app" / "template.yaml"
SPEED = 40
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
TIMESTAMP = re.compile(r'(?<="Timestamp":)\d{13}')


def order(order_id, grams=100, price=10.0):
    return {"id": order_id, "items": [{"sku": "lamp", "price": price, "count": 1, "grams": grams}]}


def stretched(events, first):
    """Return lines with the times that they would have without the local cloud's speed."""

    def moment(found):
        at = datetime.fromisoformat(found[0])
        slow = first + (at - first) * SPEED
        return slow.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def stamp(found):
        begin = first.timestamp() * 1000
        return str(int(begin + (int(found[0]) - begin) * SPEED))

    return [TIMESTAMP.sub(stamp, TIME.sub(moment, event.message.strip())) for event in events]


@pytest.fixture(scope="module")
def rehearsed(tmp_path_factory):
    """Three incidents: a request that isn't JSON, a price that is none, a parcel that can't be weighed."""
    with Cloud(TEMPLATE, speed=SPEED) as cloud:
        assert cloud.request("POST", "/orders", json.dumps(order("good"))).status == 202
        assert cloud.request("POST", "/orders", "not JSON").status == 500
        for each in (order("free", price="none"), order("heavy", grams="heavy")):
            assert cloud.request("POST", "/orders", json.dumps(each)).status == 202
        cloud.settle(timeout=240)
        events = {name: cloud.logs(name) for name in ("orders", "billing", "shipping")}
    folder = tmp_path_factory.mktemp("logs")
    moments = [
        datetime.fromisoformat(it)
        for each in events.values()
        for event in each
        for it in TIME.findall(event.message)
    ]
    first = min(moments) - timedelta(seconds=1)
    for name, each in events.items():
        (folder / f"{name}.log").write_text("\n".join(stretched(each, first)) + "\n")
    return sorted(map(str, folder.iterdir()))


def test_the_checklist_finds_nothing(capsys):
    """Not even a note; what is silenced has its reason."""
    assert run(["audit", str(TEMPLATE), "--format", "json", "--fail-on", "note"]) == 0
    (report,) = json.loads(capsys.readouterr().out)["reports"]
    assert report["findings"] == []
    assert {it["rule"] for it in report["silenced"]} == {"IG702", "WG302"}
    assert run(["harden", str(TEMPLATE), "--diff"]) == 0
    assert capsys.readouterr().out == ""


def test_each_incident_is_seen_by_the_alarm_that_should(rehearsed, capsys):
    """The deployment's alarms: those of the function that failed, each with its own invocations, and no other."""
    assert run(["alarms", "rehearse", str(TEMPLATE), *rehearsed, "--json"]) == 0
    found = {it["alarm"]: it for it in json.loads(capsys.readouterr().out)["alarms"]}
    assert all(it["rehearsed"] for it in found.values())
    rang = {name: it["rings"] for name, it in found.items() if it["rings"]}
    of_shipping = {
        "NewShippingFails",
        "NewShippingFailsRecords",
    }  # alone in its batch, a message fails all of it
    assert rang.keys() == {"NewOrdersFails", "NewBillingFails", *of_shipping}
    assert [ring["value"] for ring in rang["NewOrdersFails"]] == [1.0]
    assert len(rang["NewBillingFails"][0]["invocations"]) == 1


def test_the_fleets_alarms_see_them_too(rehearsed, tmp_path, capsys):
    """A message that failed for the last time pages; the shop's namespace has to be said."""
    fleet = str(tmp_path / "fleet.yaml")
    assert run(["alarms", "fleet", "-o", fleet, "--namespace", "Shop"]) == 0
    capsys.readouterr()
    assert run(["alarms", "rehearse", fleet, *rehearsed, "--json"]) == 0
    rang = {it["alarm"]: it["rings"] for it in json.loads(capsys.readouterr().out)["alarms"] if it["rings"]}
    assert [ring["contributor"] for ring in rang["FinalAttempts"]] == ["shipping"]
    assert (
        {"FinalAttempts", "RecordFailures"}
        <= rang.keys()
        <= {"FinalAttempts", "RecordFailures", "MessageAge", "Errors", "Cpu", "ColdStarts"}
    )
