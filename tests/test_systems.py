"""What not every system has: the source uses it where the map says, and what is said to run without it does."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from . import systems
from .architecture import ROOT, SOURCES, table, ticked

HERE = Path(__file__).parent
SYSTEMS = pytest.mark.parametrize("system", ["win32", "darwin"])
HANDLERS = """
import asyncio, logging, sys
from lambda_guard import logger, metrics, production
from lambda_guard.testing import capture, make_context

@production
def handler(event, context):
    logger.info("caf\\u00e9 \\u2603", order_id=1)
    print("unfinished", end="")
    metrics.add_metric(name="Orders", unit="Count", value=1)
    if event.get("fail"):
        raise ValueError("declined")
    return {"ok": True}

@production
async def waiting(event, context):
    await asyncio.sleep(0)
    return 3

assert handler({}, make_context()) == {"ok": True}
assert waiting({}, make_context()) == 3
try:
    handler({"fail": True}, make_context())
except ValueError:
    pass
with capture() as captured:
    handler({}, make_context())
assert captured.record["outcome"] == "success"
assert [line["message"] for line in captured.logs] == ["caf\\u00e9 \\u2603", "unfinished"]
"""
PROJECT = """
from lambda_guard import production
from lambda_guard.testing import events

@production(each_record=True, report_batch_item_failures=True)
def handler(record, context):
    if record.body == "bad":
        raise KeyError("sku")

def test_a_record(lambda_context, captured):
    assert len(handler(events.sqs("good", "bad"), lambda_context)["batchItemFailures"]) == 1
    assert captured.record["outcome"] == "success"
    assert captured.record.get("GuardErrors") is None
"""


def run(system, *command, given=None, **options):
    """Run a program on a stand-in for another system, where a text that isn't escaped may be in Windows' code page."""
    done = subprocess.run(
        [sys.executable, HERE / "elsewhere.py", system, *map(str, command)],
        input=given,
        capture_output=True,
        check=False,
        timeout=240,
        env={name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        | {"PYTHONPATH": str(ROOT.parent), "PYTHONDONTWRITEBYTECODE": "1"},
        **options,
    )
    assert done.returncode == 0, done.stderr.decode("cp1252")
    return done


def test_what_not_every_system_has_is_on_the_page():
    """With the module that uses it, and what is done without it: names, files and arguments alike."""
    pytest.importorskip("mypy", reason="typeshed, which knows what systems lack, comes with mypy")
    some = systems.names_of_some_systems(systems.stubs())
    assert {"os.fork", "signal.SIGKILL", "time.clock_gettime"} <= some
    assert not {"os.kill", "os.open", "time.time"} & some
    rows = table("name", "in", "where it's missing")
    told = {(name, place) for names, places, _ in rows for name in ticked(names) for place in ticked(places)}
    assert told == {
        (name, place) for place, (text, _) in SOURCES.items() for name in systems.used(text, some)
    }


@pytest.mark.parametrize(
    "source",
    [
        "import fcntl",
        "from os import fork",
        "import os\nos.killpg(1, 9)",
        "import os\nif hasattr(os, 'fork'): pass",
        "open('/proc/self/stat')",
        "Popen([], preexec_fn=print)",
    ],
)
def test_each_use_is_seen(source):
    """Asked for, imported, called, or only named."""
    assert len(systems.used(source, {"os.fork", "os.killpg"})) == 1


def test_text_is_never_in_the_encoding_that_the_system_prefers():
    """On Windows that is a code page, in which half of what people write can't be said."""
    assert {
        (name, line) for name, (text, _) in SOURCES.items() for line in systems.in_the_usual_encoding(text)
    } == set()


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("open(path)", 1),
        ("open(path, 'w')", 1),
        ("open(path, 'rb')", 0),
        ("path.open()", 1),
        ("path.open('ab')", 0),
        ("path.read_text()", 1),
        ("path.read_text('utf-8')", 0),
        ("path.write_text(text, encoding='utf-8')", 0),
        ("path.write_text(text)", 1),
        ("run([], text=True)", 1),
        ("run([], encoding='utf-8')", 0),
        ("os.fdopen(file, 'w')", 1),
        ("os.open(path, flags)", 0),
    ],
)
def test_each_guess_is_seen(source, found):
    """Files, paths, descriptors and the output of programs."""
    assert len(systems.in_the_usual_encoding(source)) == found


@pytest.mark.slow
@SYSTEMS
def test_handlers_run_in_the_tests_of_users(system, tmp_path):
    """Each record is whole, no part of ours fails, and a console in a code page takes every line."""
    (tmp_path / "handlers.py").write_text(HANDLERS, encoding="utf-8")
    done = run(system, tmp_path / "handlers.py")
    lines = [
        json.loads(line)
        for line in done.stdout.decode("ascii" if system == "win32" else "utf-8").splitlines()
    ]
    records = [line for line in lines if line.get("record") == "invocation"]
    assert done.stderr == b""
    assert [line["outcome"] for line in records] == ["success", "success", "error"]
    assert [line for line in lines if line.get("logger") == "lambda_guard" and "location" not in line] == []
    assert all("cpu_ms" in line and "GuardErrors" not in line for line in records)
    assert system == "darwin" or not any("memory_used_mb" in line for line in records)
    assert [line["message"] for line in lines if line.get("order_id")] == ["café \N{SNOWMAN}"] * 2


@pytest.mark.slow
@SYSTEMS
def test_the_pytest_plugin_works(system, tmp_path):
    """A project's tests, with our fixtures."""
    (tmp_path / "test_project.py").write_text(PROJECT, encoding="utf-8")
    options = ("-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:randomly", "-p", "no:faulthandler", "-q")
    plugin = ("-p", "lambda_guard.testing.plugin") if "lambda_guard.testing.plugin" not in _plugins() else ()
    done = run(system, "pytest", *options, *plugin, "test_project.py", cwd=tmp_path)
    assert b"1 passed" in done.stdout


def _plugins():
    from importlib.metadata import entry_points

    return {point.value for point in entry_points(group="pytest11")}
