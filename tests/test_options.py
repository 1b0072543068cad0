"""Each option is written down once: what `production` shows, and the tables of the docs, are the table of `_settings`."""

import inspect
import re
import typing
from pathlib import Path

import pytest

import lambda_guard._names as names
from lambda_guard import production
from lambda_guard._settings import OPTIONS, resolve
from lambda_guard.errors import ConfigurationError

PAGE = Path(__file__).parent.parent / "docs/configuration.md"
KEYWORDS = {option.name: option for option in OPTIONS if option.accept}
NONE = "\N{EN DASH}"
# What stands for a value that isn't one, or that a variable has another word for.
SHOWN = {
    "service": "the function's name",
    "metrics_all": "`frugal`",
    "tracing": "`on`",
    "max_receive_count": NONE,
    "replayed_lines": "`on`",
    "call_resources": "`on`",
    "disabled": "off",
}


def rows():
    """Return the rows of the page's table: option, environment, fallback, default, what it does."""
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


def test_the_signature_shows_every_option():
    """`inspect.signature` has each keyword with its type and default; the decorator's own machinery isn't in it."""
    assert str(inspect.signature(production)) == (
        "(handler: Any = None, /, *, service: str | None = None, namespace: str | None = None, "
        "log_level: str | None = None, each_record: bool = False, report_batch_item_failures: bool = False, "
        "dimensions: collections.abc.Collection[str] = (), capture_print: bool | None = None) -> Any"
    )


def test_the_signature_is_the_tables():
    """Keywords come in the table's order; a default is the table's, or None where the environment is asked first."""
    options = list(inspect.signature(production).parameters.values())[1:]
    assert [each.name for each in options] == list(KEYWORDS)
    for each in options:
        option = KEYWORDS[each.name]
        assert each.default == (None if option.variables else option.default)


@pytest.mark.parametrize("overload", typing.get_overloads(production)[2:])
def test_an_overload_shows_every_option(overload):
    """What an editor shows has the same keywords with the same defaults, but for the one that tells overloads apart."""
    whole = inspect.signature(production).parameters
    found = inspect.signature(overload).parameters
    assert set(found) == set(KEYWORDS)
    for name, parameter in found.items():
        required = name == "each_record" and parameter.default is parameter.empty
        assert required or parameter.default == whole[name].default


@pytest.mark.parametrize("name", KEYWORDS)
def test_the_docstring_says_what_the_page_says(name):
    """The docstring describes each option by the page's words, with its variable and its default."""
    described = re.search(rf"^ +{name}: (.*?)(?=^ +\w+: |\n\n)", production.__doc__, re.DOTALL | re.MULTILINE)
    text = " ".join(described[1].split())
    option = KEYWORDS[name]
    meaning = rows()[OPTIONS.index(option)][-1]
    assert text.startswith(re.sub(r": \[[^]]*\]\([^)]*\)", "", meaning))  # without the link to a page
    for variable in [variable for variable in option.variables if variable.startswith("LAMBDA_GUARD_")]:
        assert f"`{variable}`" in text
        assert SHOWN.get(name, f"`{option.default}`") in text


def test_the_page_is_the_table():
    """Every option stands in the page's table, in its order, with its variables, its default and what it does."""
    for option, (keyword, ours, fallback, default, meaning) in zip(OPTIONS, rows(), strict=True):
        assert keyword == (f"`{option.name}`" if option.name in KEYWORDS else NONE)
        variables = [f"`{name}`" for name in option.variables]
        assert ours == next((name for name in variables if "LAMBDA_GUARD_" in name), NONE)
        assert fallback == (", ".join(name for name in variables if "LAMBDA_GUARD_" not in name) or NONE)
        assert default == SHOWN.get(option.name, f"`{option.default}`")
        assert meaning


def test_every_variable_of_ours_belongs_to_an_option():
    """No `LAMBDA_GUARD_*` is read besides, and the option without a variable is one that code alone decides."""
    ours = {
        value
        for name, value in vars(names).items()
        if name.startswith("ENV_") and value.startswith("LAMBDA_GUARD_")
    }
    of_the_layer = {names.ENV_HANDLER, names.ENV_EXEC_WRAPPER}  # read before anything is decorated
    assert ours - of_the_layer == {
        name for option in OPTIONS for name in option.variables if name.startswith("LAMBDA_GUARD_")
    }
    assert all(f"`{name}`" in PAGE.read_text() for name in of_the_layer)
    assert [option.name for option in OPTIONS if not option.variables] == [
        "each_record", "report_batch_item_failures", "dimensions",
    ]  # fmt: skip


def test_an_option_of_the_environment_alone_takes_no_argument():
    """What isn't a keyword can't be given by one, and a variable is read by its kind."""
    assert resolve({"disabled": True}, {}).disabled is False
    assert resolve({}, {"LAMBDA_GUARD_DISABLED": "yes"}).disabled
    with pytest.raises(ConfigurationError, match="service must be a non-empty string, not ' '"):
        resolve({"service": " "}, {})
