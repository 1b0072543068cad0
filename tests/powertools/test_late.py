"""Our logger without Powertools, and once it has been imported: one object, and the same lines."""

import json
import textwrap

import pytest

LINES = textwrap.dedent("""
    import sys, json, threading
    from lambda_guard import logger, metrics, production

    @production
    @logger.inject_lambda_context
    def handler(event, context):
        logger.append_keys(order_id="o-1")
        logger.thread_safe_append_keys(worker=3)
        with logger.append_context_keys(step="pay"):
            logger.info("paid %s", 7, extra={"amount": 1}, currency="EUR")
        logger.set_correlation_id("c-1")
        try:
            raise ValueError("refused")
        except ValueError:
            logger.exception("failed")
        logger.setLevel("DEBUG")
        logger.log(10, "now")
        logger.remove_keys(["order_id"])
        logger.structure_logs(append=True, tier="gold")
        logger.clear_state()
        assert logger.name == "lambda_guard" and logger.isEnabledFor(20) and not logger.propagate
        assert logger.get_correlation_id() is None and logger.service == "unknown"

    handler({}, None)
""")


def test_what_a_handler_does_with_its_logger_imports_no_powertools(fresh):
    """Lines, keys, levels, exceptions and correlation ids are ours."""
    said = fresh(LINES + "print(sorted(name for name in sys.modules if name.startswith('aws_')))")
    *lines, imported = said.splitlines()
    assert imported == "[]"
    assert [json.loads(line)["message"] for line in lines][1:4] == ["paid 7", "failed", "now"]


def test_the_lines_are_those_with_powertools(fresh):
    """Byte for byte, but for ids, times and durations."""

    def written(said):
        lines = [json.loads(line) for line in said.splitlines()]
        own = {"timestamp", "invocation_id"}
        return [
            [(key, value) for key, value in line.items() if key not in own]
            for line in lines
            if line.get("record") != "invocation"
        ]

    without = written(fresh(LINES))
    assert without == written(fresh("import aws_lambda_powertools" + LINES))
    assert len(without) == 4


@pytest.mark.parametrize(
    "ask",
    [
        "import aws_lambda_powertools",
        "threading.Thread(target=__import__, args=('aws_lambda_powertools',)).start(), *map(threading.Thread.join, threading.enumerate()[1:])",
        "logger.registered_formatter",
        "logger.flush_buffer()",
        "from aws_lambda_powertools.logging import utils",
        "hasattr(logger, 'nobody_has_this')",
    ],
)
def test_it_is_powertools_logger_once_that_is_there(fresh, ask):
    """Whoever imports it, or asks our logger for what only it has: the one object is an instance of it."""
    output = fresh(
        f"""
        import threading
        from lambda_guard import logger
        logger.append_keys(region="eu")
        logger.thread_safe_append_keys(worker=3)
        before = logger
        {ask}
        from aws_lambda_powertools import Logger
        import lambda_guard
        assert lambda_guard.logger is before and isinstance(before, Logger)
        assert before.registered_handler.formatter is before.registered_formatter
        assert (before.child, before.log_level, before.sampling_rate) == (False, 20, None)
        before.info("ours", a=1)
        Logger(service="theirs").info("theirs")
        """
    )
    ours, theirs = (json.loads(line) for line in output.splitlines())
    assert {key: ours[key] for key in ("message", "region", "worker", "a")} == {
        "message": "ours", "region": "eu", "worker": 3, "a": 1,
    }  # fmt: skip
    assert (theirs["message"], theirs["worker"]) == ("theirs", 3)


def test_its_handler_is_copied_to_other_loggers(fresh):
    """Powertools' utility takes our logger, though it was made before Powertools was imported."""
    output = fresh(
        """
        import logging
        from lambda_guard import logger
        logger.info("before")
        theirs = logging.getLogger("theirs")
        theirs.addHandler(logging.NullHandler())
        from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers
        copy_config_to_registered_loggers(source_logger=logger, include={"theirs"})
        theirs.info("copied")
        """
    )
    assert [json.loads(line)["message"] for line in output.splitlines()] == ["before", "copied"]


def test_where_it_refuses_one_of_its_variables_a_stand_in_answers(fresh):
    """What only Powertools has is answered without it, and that is said once; lines come as before."""
    output = fresh(
        """
        from lambda_guard import logger
        logger.info("before")
        assert (logger.log_level, logger.child, logger.sampling_rate) == (20, False, None)
        assert logger.registered_formatter is logger.registered_formatter
        assert not hasattr(logger, "nobody_has_this")
        logger.info("after")
        """,
        POWERTOOLS_LOG_DEDUPLICATION_DISABLED="maybe",
    )
    lines = [json.loads(line) for line in output.splitlines()]
    assert [line["location"] for line in lines if line["level"] == "WARNING"][-1:] == ["log.logger"]
    assert [line["message"] for line in lines if line["level"] == "INFO"] == ["before", "after"]


def test_without_powertools_a_stand_in_answers(fresh):
    """A function whose package lacks it runs; one line says what is missing where it is asked for."""
    output = fresh(
        """
        import sys
        sys.modules["aws_lambda_powertools"] = None
        from lambda_guard import logger, metrics, production

        @production
        def handler(event, context):
            logger.info("at work")
            metrics.add_metric("Orders", "Count", 1)
            return logger.registered_handler is logger.handlers[0] and logger.log_level == 20

        assert handler({}, None) is True
        logger.flush_buffer()
        """
    )
    lines = [json.loads(line) for line in output.splitlines()]
    assert [line.get("exception_name") for line in lines] == [None, "ModuleNotFoundError", None, None]
    assert lines[-1]["GuardErrors"] == 1
