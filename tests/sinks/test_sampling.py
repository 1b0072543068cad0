"""`POWERTOOLS_LOGGER_SAMPLE_RATE`: DEBUG lines of a share of the invocations."""

import json
import logging

import pytest

from lambda_guard import logger, production
from lambda_guard.testing import capture, make_context


@pytest.fixture(autouse=True)
def _afterwards():
    """Don't have the key in the next test."""
    yield
    logger.remove_keys(["sampling_rate"])


@pytest.fixture
def sampled(monkeypatch):
    """Run a function `times` times under a rate; return the messages of each invocation."""

    def run(rate, handler, times=1, **options):
        monkeypatch.setenv("POWERTOOLS_LOGGER_SAMPLE_RATE", str(rate))
        decorated = production(**options)(handler)
        said = []
        for _ in range(times):
            with capture() as captured:
                decorated({}, make_context())
            assert all(line["sampling_rate"] == float(rate) for line in captured.logs)
            said.append([line["message"] for line in captured.logs])
        return said

    return run


def both_levels(event, context):
    """Log on either side of the level."""
    logger.debug("detail")
    logger.info("said")


def test_all_or_none(sampled):
    """With 1 each invocation writes its DEBUG lines, the first and later ones; with 0 none does."""
    assert sampled("1", both_levels, times=3) == [["detail", "said"]] * 3
    assert sampled("0", both_levels, times=3) == [["said"]] * 3


def test_each_invocation_decides_anew(sampled):
    """As with Powertools, a warm invocation isn't bound to what an earlier one drew."""
    said = sampled("0.5", both_levels, times=100)
    assert ["said"] in said
    assert ["detail", "said"] in said


def test_the_level_is_back_afterwards(sampled):
    """Between invocations the level is the one that was asked for; one that is set meanwhile stays."""
    sampled("1", both_levels, log_level="WARNING")
    assert logger.log_level == logging.WARNING
    sampled("1", lambda event, context: logger.setLevel("ERROR"))
    assert logger.log_level == logging.ERROR


def test_a_level_below_debug_stays(sampled):
    """Sampling takes no line away."""

    def handler(event, context):
        logger.setLevel(5)

    sampled("1", handler)
    production(both_levels)
    logger.setLevel(5)
    with capture():
        production(both_levels)
    assert logger.log_level == logging.DEBUG


def test_a_refresh_draws_again(sampled):
    """Powertools' method for loops that handle several pieces of work in one invocation."""

    def handler(event, context):
        for _ in range(100):
            logger.refresh_sample_rate_calculation()
            logger.debug("detail")

    (said,) = sampled("0.5", handler)
    assert 0 < len(said) < 100


def test_without_a_rate_a_refresh_changes_nothing():
    """It may be called anywhere."""
    with capture() as captured:
        production(lambda event, context: logger.refresh_sample_rate_calculation())({}, make_context())
    assert captured.record["outcome"] == "success"
    assert logger.log_level == logging.INFO


def test_module_level_code_is_sampled_too(fresh):
    """Before anything is decorated, and between the decoration and the first invocation."""
    output = fresh(
        """
        from lambda_guard import logger, production
        from lambda_guard.testing import make_context
        logger.debug("before")

        @production
        def handler(event, context):
            logger.debug("in")

        logger.debug("after")
        handler({}, make_context())
        logger.debug("not sampled")
        """,
        POWERTOOLS_LOGGER_SAMPLE_RATE="1",
    )
    lines = [json.loads(line) for line in output.splitlines()]
    assert [line["message"] for line in lines if "record" not in line] == ["before", "after", "in"]


def test_a_rate_that_is_none_warns_and_is_ignored(fresh):
    """An operator's mistake costs no handler; with Powertools the module can't be imported."""
    output = fresh(
        """
        from lambda_guard import logger, production
        from lambda_guard.testing import make_context

        @production
        def handler(event, context):
            logger.debug("no")
            logger.refresh_sample_rate_calculation()
            logger.info("yes")

        handler({}, make_context())
        handler({}, make_context())
        """,
        POWERTOOLS_LOGGER_SAMPLE_RATE="many",
    )
    lines = [json.loads(line) for line in output.splitlines()]
    assert [line["message"] for line in lines if "record" not in line] == [
        "POWERTOOLS_LOGGER_SAMPLE_RATE='many' is not a number from 0 to 1: ignored",
        "yes",
        "yes",
    ]
