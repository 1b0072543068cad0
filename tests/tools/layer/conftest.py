"""Accounts to publish to."""

import configparser
import time

import pytest

from lambda_guard.tools.group import run

from .cloud import Cloud, layer_zip


@pytest.fixture(scope="module")
def running_cloud():
    cloud = Cloud()
    yield cloud
    cloud.close()


@pytest.fixture
def cloud(running_cloud, monkeypatch, tmp_path):
    """A cloud without anything in it, which the commands talk to with keys of the account `cloud.HOME`."""
    running_cloud.reset()
    for name, value in {
        "AWS_ENDPOINT_URL": running_cloud.url,
        "AWS_REGION": "eu-west-1",
        "AWS_ACCESS_KEY_ID": "AKIA",
        "AWS_SECRET_ACCESS_KEY": "none",
        "AWS_CONFIG_FILE": str(tmp_path / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials"),
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    slept, monotonic = [0.0], time.monotonic  # between two tries of a call, on a clock that it moves
    monkeypatch.setattr(time, "sleep", slept.append)
    monkeypatch.setattr(time, "monotonic", lambda: monotonic() + sum(slept))
    return running_cloud


@pytest.fixture
def profile(tmp_path):
    """Write a profile into ~/.aws/config."""

    def write(name, **settings):
        config = configparser.ConfigParser()
        config.read(tmp_path / "config")
        config[f"profile {name}"] = settings
        with (tmp_path / "config").open("w") as file:
            config.write(file)

    return write


@pytest.fixture
def layer(tmp_path):
    """The zip that is published."""
    return str(layer_zip(tmp_path / "layer.zip"))


@pytest.fixture
def call(capsys):
    """Run the command in this process; gives its exit code, output and errors."""

    def call(*arguments):
        code = run(["layer", *arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call
