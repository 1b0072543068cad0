"""`dlq try`: what is the letter's failure, and what is this machine's; and when two errors are the same one."""

import pytest

from lambda_guard.tools.dlq.errors import DeadLetterError
from lambda_guard.tools.dlq.letter import Failure, Letter, Origin
from lambda_guard.tools.dlq.message import Message
from lambda_guard.tools.dlq.trying import local_function, run

APP = """
def missing(event, context):
    import nobody_has_this

def refusing(event, context):
    raise KeyError("sku")
"""


def letter(**failure):
    return Letter(Message("m-1", "{}"), Origin.FUNCTION, "{}", Failure(**failure))


@pytest.fixture
def tried(tmp_path):
    """Run a letter through a handler."""
    (tmp_path / "app.py").write_text(APP)
    (tmp_path / "unset.py").write_text(
        "import os\nTABLE = os.environ['NOBODY_SETS_THIS']\ndef handler(event, context): ...\n"
    )

    def run_it(handler, one):
        with local_function(handler, str(tmp_path), timeout=30.0, environment={}) as function:
            return run(function, one, {})

    return run_it


@pytest.mark.parametrize(
    ("handler", "said"),
    [("unset.handler", "KeyError: 'NOBODY_SETS_THIS'"), ("app.nothing", "Runtime.HandlerNotFound: ")],
)
def test_a_module_that_cannot_be_imported_is_no_letters_failure(tried, handler, said):
    """Whatever its import raises: it would for every letter."""
    with pytest.raises(DeadLetterError, match="can't be loaded: ") as caught:
        tried(handler, letter(type="KeyError"))
    assert said in str(caught.value)


def test_a_package_that_is_missing_here_is_no_letters_failure(tried):
    """An import inside of the handler says something of this machine, unless the letter died of it."""
    trial = tried("app.missing", letter(type="ValueError"))
    assert (trial.failure, trial.passed) == (None, False)
    assert trial.problem.startswith("ModuleNotFoundError: No module named 'nobody_has_this': install it")
    again = tried("app.missing", letter(type="ModuleNotFoundError"))
    assert again.failure is not None


@pytest.mark.parametrize(
    ("died_of", "same"),
    [({"type": "ValueError"}, False), ({"type": "KeyError"}, None), ({"message": "'sku'"}, None), ({}, None)],
)
def test_the_same_type_is_not_yet_the_same_error(tried, died_of, same):
    """A KeyError may come from anywhere: only a fingerprint tells, and this handler writes none."""
    assert tried("app.refusing", letter(**died_of)).same is same
