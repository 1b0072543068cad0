"""The runtime half of the local cloud, without what the other half is built on."""

import subprocess
import sys

import pytest

from lambda_guard.errors import MissingExtraError
from lambda_guard.local import Function

RUN_ALONE = """
import sys

class NothingElse:
    def find_spec(self, name, path=None, target=None):
        package = name.partition(".")[0]
        if package not in {*sys.stdlib_module_names, "lambda_guard", "awslambdaric"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, NothingElse())
from lambda_guard.local.runtime.function import Function

with Function(name="orders", handler="single.handler", code=sys.argv[1], timeout=30) as function:
    result = function.invoke({"id": 1})
print(result.status, sorted({"boto3", "moto", "samtranslator", "click"} & sys.modules.keys()))
"""


def test_a_function_needs_the_runtime_client_alone(functions):
    """A handler runs where neither moto, the SAM translator, boto3 nor any other package can be imported."""
    command = [sys.executable, "-c", RUN_ALONE, str(functions)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (done.stdout, done.stderr, done.returncode) == ("success []\n", "", 0)


def test_without_the_runtime_client_the_extra_is_named(functions, monkeypatch):
    """The error says what to install: the small extra, not the whole local cloud."""
    monkeypatch.delitem(sys.modules, "awslambdaric", raising=False)
    monkeypatch.setattr(sys, "path", [])

    with pytest.raises(
        MissingExtraError, match=r"needs awslambdaric: pip install 'aws-lambda-guard\[try\]'$"
    ):
        Function(name="orders", handler="single.handler", code=functions)
