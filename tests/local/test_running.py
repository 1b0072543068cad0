"""`local env`: which clouds run on this machine, and the variables that lead to one."""

import signal
import subprocess
import sys

import pytest
from click.testing import CliRunner

from lambda_guard.local._errors import LocalCloudError
from lambda_guard.local.cli import local
from lambda_guard.local.running import Running, chosen, registered, running

ENV = """\
export AWS_ENDPOINT_URL={endpoint}
export AWS_DISABLE_HOST_PREFIX_INJECTION=true
export AWS_REGION=eu-west-1
export AWS_DEFAULT_REGION=eu-west-1
export AWS_ACCESS_KEY_ID=local
export AWS_SECRET_ACCESS_KEY=local
unset AWS_PROFILE AWS_SESSION_TOKEN
"""
HOLD = """
import sys, time
from lambda_guard.local.running import Running, registered
with registered(Running("killed", "http://127.0.0.1:4570", "eu-west-1", "/k/template.yaml")):
    print("registered", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def cloud(tmp_path):
    """Return what makes a cloud of the template of a directory, as far as it is known here."""
    return lambda name, port: Running.of(
        f"http://127.0.0.1:{port}", "eu-west-1", tmp_path / name / "template.yaml"
    )


def test_the_only_cloud_needs_no_name(cloud):
    """Its variables, as a shell reads them; nothing else is on standard output."""
    with registered(cloud("shop", 4566)):
        result = CliRunner().invoke(local, ["env"])
    assert (result.exit_code, result.stdout) == (0, ENV.format(endpoint="http://127.0.0.1:4566"))
    assert running() == []


def test_one_of_several_is_chosen_by_name_or_port(cloud):
    """Where more than one fits, the error names them with their ports."""
    shop, other, again = cloud("shop", 4567), cloud("other's", 4566), cloud("shop", 4568)
    with registered(shop), registered(other), registered(again):
        assert running() == [other, shop, again]
        assert chosen("other's", None) == other
        assert chosen(None, 4568) == chosen("shop", 4568) == again
        with pytest.raises(
            LocalCloudError, match=r"2 local clouds fit: .*\n  --port 4567  shop .*\n  --port 4568"
        ):
            chosen("shop", None)
        with pytest.raises(LocalCloudError, match=r"3 local clouds fit"):
            chosen(None, None)
        with pytest.raises(
            LocalCloudError, match=r"no local cloud named 'nobody' is running; these are:\n  --port 4566"
        ):
            chosen("nobody", None)
        with pytest.raises(LocalCloudError, match="no local cloud on port 9 is running"):
            chosen("shop", 9)


def test_without_a_cloud_the_error_says_how_to_start_one():
    """It is an error that the command line shows, with exit code 1."""
    from lambda_guard.tools.group import run

    with pytest.raises(LocalCloudError, match="start one with lambda-guard local up TEMPLATE"):
        chosen(None, None)
    assert run(["local", "env"]) == 1


def test_one_that_was_killed_is_not_found(tmp_path):
    """Its lock ended with it, and its file is removed."""
    with subprocess.Popen([sys.executable, "-c", HOLD], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "registered\n"
        assert [it.name for it in running()] == ["killed"]
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert running() == []
    assert list((tmp_path / "run/lambda-guard/local").iterdir()) == []


def test_files_are_the_users_own_and_odd_ones_are_passed_over(cloud, tmp_path):
    """What `eval` runs comes from a directory that nobody else may write to."""
    directory = tmp_path / "run/lambda-guard/local"
    with registered(cloud("shop", 4566)):
        assert directory.stat().st_mode & 0o777 == 0o700
        assert [path.stat().st_mode & 0o777 for path in directory.iterdir()] == [0o600]
    (directory / "odd.json").write_text("{")
    assert running() == []


@pytest.mark.parametrize(
    ("template", "name"),
    [
        ("shop/template.yaml", "shop"),
        ("shop/.aws-sam/build/template.yaml", "shop"),
        ("shop/cdk.out/Stack.template.json", "shop"),
    ],
)
def test_a_cloud_is_named_after_its_directory(tmp_path, template, name):
    """Not after the one into which SAM or CDK builds."""
    assert Running.of("http://127.0.0.1:4566", "eu-west-1", tmp_path / template).name == name
