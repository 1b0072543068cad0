"""Terraform: the configuration is formatted, valid, and plans what it should."""

import json
from pathlib import Path

import pytest

from .conftest import LAYER_ARN, WRAPPED, tool

# Where Terraform itself looks for providers that were put on a machine, and where images have them.
MIRRORS = [
    Path.home() / ".terraform.d" / "plugins",
    Path("/usr/share/terraform/plugins"),
    *Path("/opt").glob("*"),
]
PROVIDER = "*/hashicorp/aws/*"
# A provider that asks AWS for nothing.
OFFLINE = """
provider "aws" {
  region                      = "eu-west-1"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
}
"""


def test_it_is_formatted(project):
    """`terraform fmt` would change nothing."""
    project.run("terraform", "fmt", "-check", "-diff")


@pytest.fixture(scope="module")
def planned(project):
    """What would be created, by address, as planned by Terraform and AWS's provider."""
    tool("terraform")
    mirrors = [mirror for mirror in MIRRORS if any(mirror.glob(PROVIDER))]
    if not mirrors:
        pytest.skip("terraform validate needs AWS's provider, and no folder of this machine has it")
    for name in ("orders.zip", "code.zip"):  # `plan` takes their hashes alone
        (project.folder / name).touch()
    (project.folder / "offline.tf").write_text(OFFLINE, encoding="utf-8")
    project.run("terraform", "init", f"-plugin-dir={mirrors[0]}")
    assert json.loads(project.run("terraform", "validate", "-json"))["diagnostics"] == []
    project.run("terraform", "plan", "-out=plan", f"-var=lambda_guard_layer={LAYER_ARN}")
    plan = json.loads(project.run("terraform", "show", "-json", "plan"))
    return {each["address"]: each["values"] for each in plan["planned_values"]["root_module"]["resources"]}


@pytest.mark.parametrize("name", ["dependency", "layer"])
def test_a_function(project, planned, name):
    """The archives of the page, which its own tests run; the layer and its wrapper where they belong."""
    function = planned[f"aws_lambda_function.{name}"]
    assert function["handler"] == "app.handler"
    assert function["runtime"] == f"python{project.python}"
    assert function["architectures"] == ["x86_64"]
    archive, layers, environment = {
        "dependency": ("orders.zip", None, []),
        "layer": ("code.zip", [LAYER_ARN], [{"variables": WRAPPED}]),
    }[name]
    assert (function["filename"], function["layers"]) == (archive, layers)
    assert function["environment"] == environment
