"""The example shop in the local cloud with lambda_guard from the built layer alone."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from uv import find_uv_bin

from lambda_guard.local import Cloud
from lambda_guard.tools.layer.building import build
from lambda_guard.tools.layer.targets import targets

TEMPLATE = Path(__file__).parents[2] / "examples/app/template.yaml"
LAYER = "arn:aws:lambda:eu-west-1:210987654321:layer:lambda-guard:3"
START = (
    '#!/bin/sh\nshift\nexec {python} "$@"\n'  # another Python in place of this one, which has lambda_guard
)


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """What Lambda's runtime has: AWS's SDK and the runtime client, and nothing of ours."""
    folder = tmp_path_factory.mktemp("runtime")
    uv = [find_uv_bin(), "--quiet"]
    subprocess.run([*uv, "venv", "--python", sys.executable, folder], check=True)
    packages = ["boto3", "awslambdaric"]
    subprocess.run([*uv, "pip", "install", "--python", folder / "bin/python", *packages], check=True)
    alone = [folder / "bin/python", "-c", "import lambda_guard"]
    assert b"No module named" in subprocess.run(alone, capture_output=True, check=False).stderr
    return folder / "bin/python"


@pytest.fixture(scope="module")
def layer(tmp_path_factory):
    """The layer, for this Python on this machine."""
    path = tmp_path_factory.mktemp("layer") / "layer.zip"
    machine = subprocess.run(["uname", "-m"], capture_output=True, text=True, check=True).stdout.strip()
    here = targets((f"3.{sys.version_info.minor}",), ("x86_64" if machine == "x86_64" else "arm64",))
    build(path, here, (), lambda _: None)
    return path


def lines(cloud, function):
    return [json.loads(event.message) for event in cloud.logs(function) if event.message.startswith("{")]


def test_one_trace_through_functions_that_have_it_from_the_layer_alone(python, layer, tmp_path):
    """An order has one trace in the three functions, in a Python without lambda_guard; the layer's wrapper starts them."""
    (tmp_path / "start").write_text(START.format(python=python))
    (tmp_path / "start").chmod(0o755)
    with Cloud(
        TEMPLATE,
        speed=40,
        parameters={"LambdaGuardLayer": LAYER},
        layers={"lambda-guard": layer},
        environment={
            "AWS_LAMBDA_EXEC_WRAPPER": "/opt/lambda-guard",
            "LAMBDA_GUARD_EXEC_WRAPPER": f"{tmp_path}/start",
        },
    ) as cloud:
        item = {"sku": "lamp", "price": 10.0, "count": 1, "grams": 100}
        order = {"id": "o-1", "items": [item]}
        assert cloud.request("POST", "/orders", json.dumps(order)).status == 202
        cloud.settle(timeout=240)
        found = {name: lines(cloud, name) for name in ("orders", "billing", "shipping")}
        documents = cloud.documents()
    traces = {
        name: {line["xray_trace_id"] for line in of_it if line.get("order_id") == "o-1"}
        for name, of_it in found.items()
    }
    [trace_id] = traces["orders"]
    assert traces == {name: {trace_id} for name in found}
    assert {it["name"] for it in documents if it["trace_id"] == trace_id} >= set(found)
    for of_it in found.values():
        records = [line["record"] for line in of_it if "record" in line]
        assert (records[0], set(records[1:])) == ("init", {"invocation"})
    assert not [
        line for of_it in found.values() for line in of_it if line.get("level") in {"WARNING", "ERROR"}
    ]
