"""The pytest plugin: what a project gets by having lambda_guard installed."""

import os
import re
import runpy
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from lambda_guard.testing import plugin

USERS_TESTS = """
import sys

def test_that_nothing_is_imported_before_a_fixture_is_asked_for():
    assert not [name for name in sys.modules if name.startswith(("aws_xray_sdk", "aws_lambda_powertools", "botocore"))]

def test_an_order_is_accepted(lambda_context, captured):
    from lambda_guard import logger, production

    @production(service="orders")
    def handler(event, context):
        logger.info("order accepted", order_id=event["id"])

    handler({"id": "o-1"}, lambda_context(function_name="accept"))
    assert captured.record["outcome"] == "success"
    assert captured.logs[0]["order_id"] == "o-1"
    assert captured.logs[0]["function_name"] == "accept"

def test_a_trace(lambda_context, captured_trace):
    from lambda_guard import production

    production(lambda event, context: None)({}, lambda_context())
    assert [segment.name for segment in captured_trace.segments] == ["## lambda"]

def test_the_logger_is_heard(caplog):
    from lambda_guard import logger

    logger.warning("heard")
    assert caplog.messages == ["heard"]

def test_what_is_printed(capsys):
    from lambda_guard import production

    production(lambda event, context: print("through"))({}, None)
    assert '"message":"through"' in capsys.readouterr().out
"""


def run_pytest(folder, *arguments):
    """Run pytest in a project of a user's."""
    environment = {key: os.environ[key] for key in ("PATH", "HOME", "PYTHONPATH") if key in os.environ}
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "no:cacheprovider",
            "-p",
            "no:randomly",
            "-W",
            "error",
            *arguments,
        ],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def test_the_fixtures_work_in_a_users_project(tmp_path):
    """Contexts, captured output and captured traces come as fixtures, and nothing is imported for those who don't ask."""
    (tmp_path / "test_orders.py").write_text(textwrap.dedent(USERS_TESTS))
    done = run_pytest(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "5 passed" in done.stdout


def test_an_older_pytest_takes_the_plugin(monkeypatch):
    """It is loaded into every session, so that it asks of pluggy only what the oldest one has, too."""

    def hookimpl(hookwrapper=False, optionalhook=False, tryfirst=False, trylast=False, specname=None):
        return lambda hook: hook

    monkeypatch.setattr(pytest, "hookimpl", hookimpl)
    assert "pytest_runtest_call" in runpy.run_path(plugin.__file__)


OWN_FIXTURE = """
import pytest

@pytest.fixture
def captured():
    return ["a prisoner"]

def test_a_chess_game(captured):
    assert captured == ["a prisoner"]
"""


def test_a_fixture_of_the_users_own_may_have_the_same_name(tmp_path):
    """Where a project has a fixture `captured`, installing lambda_guard breaks none of its tests."""
    (tmp_path / "test_chess.py").write_text(OWN_FIXTURE)
    done = run_pytest(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_fixtures_say_what_they_are_for(tmp_path):
    """`pytest --fixtures` shows each with a sentence."""
    shown = run_pytest(tmp_path, "--fixtures").stdout
    for name in ("lambda_context", "captured", "captured_trace"):
        assert f"{name} -- " in shown.replace("\x1b[0m", "").replace("\x1b[32m", "") or f"\n{name}" in shown


def test_the_page_on_testing_passes(tmp_path):
    """Every test that the documentation shows is run, in one module, as a reader would."""
    page = Path(__file__).parents[2].joinpath("docs", "testing.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    (tmp_path / "test_page.py").write_text("\n".join(blocks), encoding="utf-8")
    done = run_pytest(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(re.findall('^def test_', chr(10).join(blocks), re.MULTILINE))} passed" in done.stdout
