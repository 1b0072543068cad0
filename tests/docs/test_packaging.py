"""docs/packaging.md: what an image's entry point, command and variables start. `make test-deploy` builds the examples."""

import json
import re
import shlex
import sys

from .deployed import block, named, run

PAGE = "packaging.md"
IMAGE = """
import logging
import os
from lambda_guard import logger, metrics, production


@production
def handler(event, context):
    assert "LAMBDA_TASK_ROOT" not in os.environ
    logger.info("ours")
    logging.getLogger("library").warning("theirs")
    print("printed")
    metrics.add_metric(name="Orders", unit="Count", value=1)
    if "raise" in event:
        raise ValueError("refused")
"""


def line_of(dockerfile, instruction):
    """Return what follows the one instruction of a kind."""
    [found] = re.findall(rf"^{instruction} (.*)", dockerfile, re.MULTILINE)
    return found


def as_in_an_image(folder, entry, command):
    """Return what starts an image's entry, in its folder, without the variables that only AWS's own image sets."""
    start = folder / "start"
    unset = "unset LAMBDA_TASK_ROOT LAMBDA_RUNTIME_DIR AWS_EXECUTION_ENV"
    python, *arguments = entry
    assert python == "python"
    started = shlex.join([sys.executable, *arguments, *command])
    start.write_text(f"#!/bin/sh\n{unset}\nexec {started}\n")
    start.chmod(0o755)
    return str(start)


def test_the_entry_of_an_image(tmp_path):
    """What `ENTRYPOINT` and `CMD` of the other image start."""
    image = block(PAGE, "Container images", 0, "dockerfile")
    entry, command = (json.loads(line_of(image, each)) for each in ("ENTRYPOINT", "CMD"))
    start = as_in_an_image(tmp_path, entry, command)
    good, bad = run(tmp_path, IMAGE, {}, {"raise": True}, python=start)
    for ran, outcome in ((good, "success"), (bad, "error")):
        for message in ("ours", "theirs", "printed"):
            named(ran, message)
        assert ran.record["outcome"] == ran.status == outcome
        assert list(ran.metrics.values()) == [[1.0]]
        assert [document["name"] for document in ran.documents] == ["## handler"]
    assert bad.record["error"]["stack"] == ["app.py:15 in handler"]


def test_an_image_whose_code_stays_as_it_is(tmp_path):
    """The variable and `CMD` of the last image: the handler's record, and its lines with the keys."""
    image = block(PAGE, "Container images", 1, "dockerfile")
    environment = dict([line_of(image, "ENV").split("=")])
    entry = json.loads(line_of(block(PAGE, "Container images", 0, "dockerfile"), "ENTRYPOINT"))
    start = as_in_an_image(tmp_path, entry, json.loads(line_of(image, "CMD")))
    code = 'def handler(event, context):\n    print("printed")\n    return event\n'
    [ran] = run(tmp_path, code, {"id": "o-1"}, environment=environment, python=start)
    assert (ran.answer, ran.record["outcome"]) == ({"id": "o-1"}, "success")
    named(ran, "printed")
