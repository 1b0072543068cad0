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
    ours = ["lambda_guard", "lambda_guard.testing", "lambda_guard.testing.plugin"]
    assert sorted(name for name in sys.modules if name.startswith("lambda_guard")) == ours
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


STANDARD_LOGGERS = """
import logging

import pytest
from aws_lambda_powertools import Logger

from lambda_guard import logger, production

powertools = Logger(service="powertools", level="INFO")

@production
def handler(event, context):
    logger.info("ours")
    logging.getLogger("shop.stock").warning("stock is low")
    powertools.info("powertools")

def test_each_line_is_there_once(lambda_context, captured):
    handler({}, lambda_context())
    assert [line["message"] for line in captured.logs] == ["ours", "stock is low", "powertools"]

def test_and_again(lambda_context, captured_trace):
    handler({}, lambda_context())
    assert [line["message"] for line in captured_trace.logs] == ["ours", "stock is low", "powertools"]
"""
FOR_CAPLOG = """
def test_caplog_has_them_too(lambda_context, captured, caplog):
    handler({}, lambda_context())
    assert [line["message"] for line in captured.logs] == ["ours", "stock is low", "powertools"]
    assert caplog.messages == ["ours", "stock is low", "powertools"]

def test_a_level_of_the_tests_own(captured, caplog):
    with caplog.at_level(logging.DEBUG):
        logging.getLogger("shop.stock").debug("counted")
    assert [line["message"] for line in captured.logs] == ["counted"]
"""


OF_OUR_TESTS = (
    "cacheprovider",
    "randomly",
    "hypothesispytest",
    "xdist",
    "xdist.looponfail",
    "timeout",
    "anyio",
)
"""The plugins of pytest that are here for our own tests; some take longer to import than pytest."""


def run_pytest(folder, *arguments):
    """Run pytest in a project of a user's."""
    environment = {key: os.environ[key] for key in ("PATH", "HOME", "PYTHONPATH") if key in os.environ}
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            *[f"-pno:{name}" for name in OF_OUR_TESTS],
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


@pytest.mark.parametrize(
    "options",
    [(), ("-p", "no:logging"), ("--log-level=INFO",), ("--log-cli-level=INFO",), ("-s",)],
    ids=" ".join,
)
def test_standard_loggers_are_captured_whatever_pytest_does_with_them(tmp_path, options):
    """Each line is there once, with pytest's own log capture, without it, at its levels and on a live log."""
    (tmp_path / "test_loggers.py").write_text(STANDARD_LOGGERS + FOR_CAPLOG * ("no:logging" not in options))
    done = run_pytest(tmp_path, *options)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_plugin_imports_nothing(fresh):
    """Whoever has lambda_guard installed pays for three small modules, until a fixture is asked for."""
    imported = fresh(
        """
        import sys, pytest

        before = set(sys.modules)
        import lambda_guard.testing.plugin
        print(*sorted(sys.modules.keys() - before))
        """
    )
    assert imported == "lambda_guard lambda_guard.testing lambda_guard.testing.plugin\n"


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
