"""What `lambda-guard policy` writes for Terraform and the CDK: both take it, and grant what it says."""

import json
import os
import shutil
import subprocess

import pytest

from lambda_guard.iam.resources import Place
from lambda_guard.tools.policy.evidence import Called, Evidence
from lambda_guard.tools.policy.formats.made import Made
from lambda_guard.tools.policy.formats.table import FORMATS
from lambda_guard.tools.policy.needs import needs_of
from lambda_guard.tools.policy.statements import Statement, statements

from .conftest import ALONE, INSTALLED, RUNTIME, SEARCHED, tool
from .test_terraform import MIRRORS, OFFLINE, PROVIDER

HERE = Place("eu-west-1", "123456789012")
AT = "eu-west-1:123456789012"
CALLS = {
    Called("dynamodb", "Query", "stock"): 812,
    Called("dynamodb", "GetItem", "stock"): 1,
    Called("sns", "Publish", f"arn:aws:sns:{AT}:news"): 3,
    Called("kms", "Decrypt", "alias/shop"): 1,
    Called("cloudwatch", "PutMetricData", None): 1,
}
MANY = {Called("dynamodb", "Query", f"stock-{number:050}"): 1 for number in range(140)}
ODD = Statement("Odd", ("s3:GetObject",), ('arn:aws:s3:::a"b\\c%{d}$/\u00e9',), {}, 'why"\n${x}')
"""Names as no record's come through, to see that a real reader takes the escapes as they are meant."""


def made(calls, *more):
    evidence = Evidence("orders")
    evidence.calls.update(calls)
    return Made("orders", [*statements(needs_of(evidence, HERE).granted, draft=False), *more], HERE)


def granted(policies):
    """Return what policies allow: action, resource, condition."""
    return {
        (action, arn, json.dumps(_plain(it.get("Condition", {}))))
        for policy in policies
        for it in _listed(policy["Statement"])
        for action in _listed(it["Action"])
        for arn in map(_joined, _listed(it["Resource"]))
    }


def _listed(value):
    return value if isinstance(value, list) else [value]


def _plain(condition):
    return {test: {key: _listed(value) for key, value in keys.items()} for test, keys in condition.items()}


def _joined(arn):
    return "".join(arn["Fn::Join"][1]) if isinstance(arn, dict) else arn


def wanted(one):
    return granted([{"Statement": [it.plain() for it in one.statements]}])


def run(*command, cwd):
    environ = {**os.environ, **ALONE, "PATH": SEARCHED}
    done = subprocess.run(
        command, cwd=cwd, env=environ, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


BOTH = {"inline": made(CALLS, ODD), "managed": made(MANY, ODD)}
MODULE = 'module "{name}" {{\n  source      = "./{name}"\n  orders_role = "orders-role"\n}}\n'


def test_terraform(tmp_path):
    """They are formatted and valid; AWS's provider makes of them policies that grant what was meant."""
    tool("terraform")
    for name, one in BOTH.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "main.tf").write_text(FORMATS["terraform"](one), encoding="utf-8")
        (tmp_path / f"{name}.tf").write_text(MODULE.format(name=name), encoding="utf-8")
    run("terraform", "fmt", "-check", "-diff", "-recursive", cwd=tmp_path)
    mirrors = [mirror for mirror in MIRRORS if any(mirror.glob(PROVIDER))]
    if not mirrors:
        pytest.skip("terraform validate needs AWS's provider, and no folder of this machine has it")
    (tmp_path / "offline.tf").write_text(OFFLINE, encoding="utf-8")
    run("terraform", "init", f"-plugin-dir={mirrors[0]}", cwd=tmp_path)
    run("terraform", "plan", "-out=plan", cwd=tmp_path)
    plan = json.loads(run("terraform", "show", "-json", "plan", cwd=tmp_path))
    for module in plan["planned_values"]["root_module"]["child_modules"]:
        one, values = BOTH[module["address"].split(".")[1]], [it["values"] for it in module["resources"]]
        policies = [json.loads(it["policy"]) for it in values if "policy" in it]
        assert len(policies) == len(one.parts)
        assert granted(policies) == wanted(one)
        assert {it["role"] for it in values if "role" in it} == {"orders-role"}


CDK_APP = """
import importlib, json
from aws_cdk import App, Stack, aws_iam as iam

app = App()
for name in ("inline", "managed"):
    role = iam.Role(Stack(app, name), "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
    for it in importlib.import_module(f"{name}_policy").statements():
        role.add_to_policy(it)
made = app.synth()
print(json.dumps({name: made.get_stack_by_name(name).template for name in ("inline", "managed")}))
"""


def test_cdk(tmp_path):
    """The statements are added to a role, and synthesised; what is too large for one policy CDK splits."""
    if not RUNTIME.exists() or shutil.which("node") is None:
        pytest.skip("aws-cdk-lib or node isn't here: `make test-deploy` installs what an index has")
    for name, one in BOTH.items():
        (tmp_path / f"{name}_policy.py").write_text(FORMATS["cdk"](one), encoding="utf-8")
    (tmp_path / "app.py").write_text(CDK_APP, encoding="utf-8")
    templates = json.loads(run(str(INSTALLED / "bin" / "python"), "app.py", cwd=tmp_path))
    for name, one in BOTH.items():
        policies = [it for it in templates[name]["Resources"].values() if "Policy" in it["Type"]]
        assert ("AWS::IAM::ManagedPolicy" in {it["Type"] for it in policies}) == (name == "managed")
        assert granted(it["Properties"]["PolicyDocument"] for it in policies) == wanted(one)
