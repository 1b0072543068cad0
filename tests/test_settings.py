"""Settings: argument, then our variable, then the fallback, then the default."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_guard import _names
from lambda_guard._settings import resolve

DEFAULTS = {
    "service": "unknown",
    "namespace": "LambdaGuard",
    "log_level": "INFO",
    "function_name": "unknown",
    "function_version": "$LATEST",
    "memory_limit_mb": None,
    "dimensions": (),
    "metrics_all": False,
    "capture_print": True,
    "tracing": "xray",
    "disabled": False,
    "each_record": False,
    "report_batch_item_failures": False,
    "max_receive_count": None,
    "log_sample_rate": None,
    "replayed_lines": True,
    "call_resources": True,
    "initialization_type": "",
    "managed_instances": False,
    "warnings": (),
}


def test_without_anything_the_defaults_hold():
    """No option and no variable is needed."""
    assert vars(resolve({}, {})) == DEFAULTS


def test_in_lambda_the_function_says_what_it_is():
    """Name, version and memory come from Lambda's own variables; the service is called like the function."""
    environ = {
        "AWS_LAMBDA_FUNCTION_NAME": "orders",
        "AWS_LAMBDA_FUNCTION_VERSION": "7",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
    }
    assert vars(resolve({}, environ)) == {
        **DEFAULTS,
        "service": "orders",
        "function_name": "orders",
        "function_version": "7",
        "memory_limit_mb": 512,
    }


@pytest.mark.parametrize(
    ("option", "value", "variables", "said", "read"),
    [
        (
            "service",
            "a",
            ("LAMBDA_GUARD_SERVICE", "POWERTOOLS_SERVICE_NAME", "AWS_LAMBDA_FUNCTION_NAME"),
            "bcd",
            "bcd",
        ),
        ("namespace", "A", ("LAMBDA_GUARD_NAMESPACE", "POWERTOOLS_METRICS_NAMESPACE"), "BC", "BC"),
        (
            "log_level",
            "debug",
            ("LAMBDA_GUARD_LOG_LEVEL", "AWS_LAMBDA_LOG_LEVEL", "POWERTOOLS_LOG_LEVEL", "LOG_LEVEL"),
            ("warn", "ERROR", "fatal", "Trace"),
            ("WARNING", "ERROR", "CRITICAL", "DEBUG"),
        ),
    ],
)
def test_what_goes_before_what(option, value, variables, said, read):
    """The argument wins over our variable, that one over the fallbacks, in their order."""
    environ = dict(zip(variables, said, strict=True))
    assert getattr(resolve({option: value}, environ), option).lower() == value.lower()
    for variable, expected in zip(variables, read, strict=True):
        assert getattr(resolve({}, environ), option) == expected
        assert getattr(resolve({option: None}, environ), option) == expected
        del environ[variable]
    assert getattr(resolve({}, environ), option) == DEFAULTS[option]


@pytest.mark.parametrize("said", ["", " ", "\t\n"])
@pytest.mark.parametrize("variable", [name for key, name in vars(_names).items() if key.startswith("ENV_")])
def test_an_empty_variable_is_none(said, variable):
    """A variable that a template left empty is as good as not there, without a warning."""
    settings = vars(resolve({}, {variable: said}))
    assert (
        settings | {"function_name": "unknown", "function_version": "$LATEST", "service": "unknown"}
        == DEFAULTS
    )


@pytest.mark.parametrize(
    ("said", "value"),
    [("1", True), ("TRUE", True), (" on ", True), ("0", False), ("No", False), ("off", False)],
)
@pytest.mark.parametrize(
    ("variable", "name"),
    [
        ("LAMBDA_GUARD_CAPTURE_PRINT", "capture_print"),
        ("LAMBDA_GUARD_TRACING", "tracing"),
        ("LAMBDA_GUARD_DISABLED", "disabled"),
    ],
)
def test_switches_take_the_usual_words(variable, name, said, value):
    """On and off, true and false, yes and no, 1 and 0, in any case."""
    read = {True: "xray", False: ""}[value] if name == "tracing" else value
    assert vars(resolve({}, {variable: said})) == {**DEFAULTS, name: read}


@pytest.mark.parametrize(
    ("ours", "powertools", "tracing"),
    [
        (None, "true", ""),
        (None, "false", "xray"),
        ("on", "true", "xray"),
        ("off", "false", ""),
        (None, None, "xray"),
        ("otlp", "true", "otlp"),
        (" OTLP ", None, "otlp"),
    ],
)
def test_tracing_is_off_where_powertools_is_told_so(ours, powertools, tracing):
    """`POWERTOOLS_TRACE_DISABLED` counts, unless `LAMBDA_GUARD_TRACING` says otherwise."""
    environ = {"LAMBDA_GUARD_TRACING": ours, "POWERTOOLS_TRACE_DISABLED": powertools}
    assert resolve({}, {name: said for name, said in environ.items() if said}).tracing == tracing


@pytest.mark.parametrize(
    ("variable", "said", "warning"),
    [
        (
            "LAMBDA_GUARD_LOG_LEVEL",
            "loud",
            "LAMBDA_GUARD_LOG_LEVEL='loud' is not one of DEBUG, INFO, WARNING, ERROR, CRITICAL: ignored",
        ),
        ("LAMBDA_GUARD_METRICS", "some", "LAMBDA_GUARD_METRICS='some' is not frugal or all: ignored"),
        ("LAMBDA_GUARD_CAPTURE_PRINT", "2", "LAMBDA_GUARD_CAPTURE_PRINT='2' is not true or false: ignored"),
        ("LAMBDA_GUARD_TRACING", "x-ray", "LAMBDA_GUARD_TRACING='x-ray' is not on, otlp or off: ignored"),
        ("LAMBDA_GUARD_DISABLED", "maybe", "LAMBDA_GUARD_DISABLED='maybe' is not true or false: ignored"),
        *(
            (
                "POWERTOOLS_LOGGER_SAMPLE_RATE",
                said,
                f"POWERTOOLS_LOGGER_SAMPLE_RATE={said!r} is not a number from 0 to 1: ignored",
            )
            for said in ("many", "1.5", "-1", "nan", "10%")
        ),
        (
            "LAMBDA_GUARD_MAX_RECEIVE_COUNT",
            "0",
            "LAMBDA_GUARD_MAX_RECEIVE_COUNT='0' is not a positive whole number: ignored",
        ),
        (
            "LAMBDA_GUARD_MAX_RECEIVE_COUNT",
            "-3",
            "LAMBDA_GUARD_MAX_RECEIVE_COUNT='-3' is not a positive whole number: ignored",
        ),
        (
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
            "\u00b2",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE='\u00b2' is not a positive whole number: ignored",
        ),
        (
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
            "9" * 5000,
            f"AWS_LAMBDA_FUNCTION_MEMORY_SIZE='{'9' * 64}' is not a positive whole number: ignored",
        ),
    ],
)
def test_an_operators_mistake_warns_and_takes_the_default(variable, said, warning):
    """A malformed variable is named, with what it holds and what it may hold; nothing raises."""
    assert vars(resolve({}, {variable: said})) == {**DEFAULTS, "warnings": (warning,)}


def test_a_variable_of_everybodys_name_may_mean_something_else():
    """`LOG_LEVEL` counts, as with Powertools; what can't be read there is other code's, and no mistake."""
    assert resolve({}, {"LOG_LEVEL": "debug"}).log_level == "DEBUG"
    assert vars(resolve({}, {"LOG_LEVEL": "verbose"})) == DEFAULTS


@pytest.mark.parametrize(
    ("option", "variables", "level", "dropped"),
    [
        ("DEBUG", {}, "DEBUG", "DEBUG"),
        (None, {"LAMBDA_GUARD_LOG_LEVEL": "INFO"}, "INFO", "INFO"),
        (None, {"POWERTOOLS_LOG_LEVEL": "INFO"}, "WARNING", "INFO"),
        (None, {"LOG_LEVEL": "DEBUG"}, "WARNING", "DEBUG"),
        ("ERROR", {"POWERTOOLS_LOG_LEVEL": "INFO"}, "ERROR", None),
        (None, {"LAMBDA_GUARD_LOG_LEVEL": "WARN"}, "WARNING", None),
        (None, {"POWERTOOLS_LOG_LEVEL": "ERROR"}, "WARNING", None),
        (None, {}, "WARNING", None),
    ],
)
def test_lines_that_lambda_drops_are_told(option, variables, level, dropped):
    """Where a level is asked for that Lambda's own filters out, a warning says so, and where that is changed."""
    settings = resolve({"log_level": option}, {"AWS_LAMBDA_LOG_LEVEL": "WARN", **variables})
    assert settings.log_level == level
    if dropped is None:
        assert settings.warnings == ()
    else:
        (warning,) = settings.warnings
        assert warning == (
            f"lines of level {dropped} are asked for, but AWS_LAMBDA_LOG_LEVEL=WARNING lets no lower ones through: "
            "set the application log level in the function's logging configuration"
        )


def test_a_malformed_variable_gives_way_to_the_fallback():
    """Where ours is malformed, Powertools' still says what is wanted."""
    settings = resolve({}, {"LAMBDA_GUARD_LOG_LEVEL": "loud", "POWERTOOLS_LOG_LEVEL": "ERROR"})
    assert settings.log_level == "ERROR"
    assert len(settings.warnings) == 1


@given(
    st.dictionaries(
        st.sampled_from([name for key, name in vars(_names).items() if key.startswith("ENV_")]), st.text()
    )
)
def test_no_environment_raises(environ):
    """Whatever the variables hold, there are settings, of the right types."""
    settings = resolve({}, environ)
    assert all(
        type(value) is type(DEFAULTS[name]) or DEFAULTS[name] is None
        for name, value in vars(settings).items()
    )
    assert settings.service
    assert settings.namespace
