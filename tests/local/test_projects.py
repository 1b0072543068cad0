"""What `local up` starts: a template, a project, or what a tool left; and the parameters that samconfig.toml has."""

import json
import os
import zipfile

import pytest

from lambda_guard.local import OptionError
from lambda_guard.local.deployable import deployable
from lambda_guard.local.placeholders import read_template
from lambda_guard.local.projects import configured, newer_build, overrides, template_file
from lambda_guard.templates.document import Location

LOCATION = Location("eu-west-1", "123456789012", "http://127.0.0.1:1")
QUEUE = {"Resources": {"Queue": {"Type": "AWS::SQS::Queue"}}}


def put(directory, **files):
    """Write files, whose names have an underscore where they have a dot or a slash: `__`."""
    for name, content in files.items():
        path = directory / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))
    return directory


def stack(name):
    return {"type": "aws:cloudformation:stack", "properties": {"templateFile": name}}


def function(runtime="python3.11", **properties):
    return {
        "Type": "AWS::Lambda::Function",
        "Properties": {"Handler": "app.handler", "Runtime": runtime, **properties},
    }


def run(path, tmp_path):
    """Return what would run of a template."""
    return deployable(read_template(path, LOCATION, None, None), tmp_path / "unpacked")


def test_a_project_is_its_template(tmp_path):
    """By the names that the SAM CLI looks for, before what a tool made."""
    put(tmp_path, cdk_dot_out__manifest_dot_json={}, template_dot_yml="x", template_dot_yaml="x")
    assert template_file(tmp_path) == tmp_path / "template.yaml"
    assert template_file(tmp_path / "template.yml") == tmp_path / "template.yml"


@pytest.mark.parametrize("inside", ["", "cdk.out"])
def test_an_assembly_of_the_cdk_is_its_stack(inside, tmp_path):
    """Whether the project is named or its `cdk.out`; one that is in a stage, too."""
    put(
        tmp_path,
        cdk_dot_out__manifest_dot_json={
            "artifacts": {
                "Tree": {"type": "cdk:tree", "properties": {"file": "tree.json"}},
                "Shop.assets": {"type": "cdk:asset-manifest", "properties": {"file": "Shop.assets.json"}},
                "Stage": {"type": "cdk:cloud-assembly", "properties": {"directoryName": "assembly-Prod"}},
            }
        },
        **{
            "cdk_dot_out__assembly-Prod__manifest_dot_json": {
                "artifacts": {"Shop": stack("Shop.template.json")}
            }
        },
    )
    assert template_file(tmp_path / inside) == tmp_path / "cdk.out/assembly-Prod/Shop.template.json"


def test_several_stacks_are_listed(tmp_path):
    """One of them is to be named; an assembly that has none, or isn't one, is an error in words."""
    put(
        tmp_path,
        manifest_dot_json={"artifacts": {"A": stack("A.template.json"), "B": stack("B.template.json")}},
    )
    with pytest.raises(
        OptionError, match=r"has several stacks, name one: .*A\.template\.json, .*B\.template\.json"
    ):
        template_file(tmp_path)
    put(tmp_path, manifest_dot_json={"artifacts": {}})
    with pytest.raises(OptionError, match="has no stack"):
        template_file(tmp_path)
    put(tmp_path, manifest_dot_json={"artifacts": {"A": {"type": "aws:cloudformation:stack"}}})
    with pytest.raises(OptionError, match="isn't a cloud assembly's"):
        template_file(tmp_path)


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("cdk_dot_json", "run cdk synth"),
        ("serverless_dot_yml", "run serverless package"),
        ("other", "a template is template.yaml, template.yml, template.json, cdk.out or .serverless there"),
    ],
)
def test_a_project_that_is_not_built_is_told_how(file, said, tmp_path):
    """By what there is of the tool's."""
    with pytest.raises(OptionError, match=f"no template in '.*{said}"):
        template_file(put(tmp_path, **{file: "x"}))
    with pytest.raises(OptionError, match="there is no '"):
        template_file(tmp_path / "nowhere")


def test_a_function_of_the_cdk_without_metadata_has_its_asset(tmp_path):
    """The manifest of the assets has it by the key in S3, as a directory or a zip archive; the CDK's own parts say nothing."""
    place = {"current_account-current_region": {"bucketName": "cdk-assets", "objectKey": "0a1b.zip"}}
    code = {
        "S3Bucket": {"Fn::Sub": "cdk-hnb659fds-assets-${AWS::AccountId}-${AWS::Region}"},
        "S3Key": "0a1b.zip",
    }
    metadata = {
        "Type": "AWS::CDK::Metadata",
        "Properties": {"Analytics": "v2:deflate64:H4s"},
        "Condition": "Has",
    }
    bootstrap = {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/cdk-bootstrap/hnb659fds/version"}
    put(
        tmp_path,
        manifest_dot_json={"artifacts": {"Shop": stack("Shop.template.json")}},
        broken_dot_assets_dot_json="{",
        Shop_dot_assets_dot_json={
            "files": {"0a1b": {"source": {"path": "asset.0a1b", "packaging": "zip"}, "destinations": place}}
        },
        Shop_dot_template_dot_json={
            "Resources": {"Orders": function(Code=code), "CDKMetadata": metadata},
            "Conditions": {"Has": {"Fn::Equals": [{"Ref": "AWS::Region"}, "eu-west-1"]}},
            "Parameters": {"BootstrapVersion": bootstrap},
            "Rules": {"CheckBootstrapVersion": {"Assertions": [{"Assert": {"Ref": "BootstrapVersion"}}]}},
        },
        asset_dot_0a1b__app_dot_py="def handler(event, context): ...",
    )
    stack_, warnings = run(tmp_path, tmp_path)
    assert [it.code for it in stack_.functions] == [tmp_path / "asset.0a1b"]
    assert [warning for warning in warnings if not warning.startswith("Runtime")] == []


def test_a_package_of_the_serverless_framework_has_its_archive(tmp_path):
    """By the name at the end of its key in S3; handlers with folders are the framework's usual ones."""
    code = {"S3Bucket": {"Ref": "Deployment"}, "S3Key": "serverless/shop/dev/1700000000000-2023/shop.zip"}
    put(
        tmp_path,
        **{
            "_dot_serverless__cloudformation-template-update-stack_dot_json": {
                "Resources": {
                    "OrdersLambdaFunction": function(Code=code, Handler="src/orders.handler"),
                    "OtherLambdaFunction": function(Code={**code, "S3Key": "x/other.zip"}),
                    "Deployment": {"Type": "AWS::S3::Bucket"},
                }
            }
        },
    )
    with zipfile.ZipFile(tmp_path / ".serverless/shop.zip", "w") as archive:
        archive.writestr("src/orders.py", "def handler(event, context): ...")
    stack_, warnings = run(tmp_path, tmp_path)
    assert [it.logical_id for it in stack_.functions] == ["OrdersLambdaFunction"]
    assert "OtherLambdaFunction doesn't run here: its code is in S3, not on this machine" in warnings
    assert not any("handler" in warning for warning in warnings)


def test_what_sam_has_built_later_is_said(tmp_path):
    """A template that was changed since needn't be."""
    put(tmp_path, template_dot_yaml="x", **{"_dot_aws-sam__build__template_dot_yaml": "x"})
    os.utime(tmp_path / "template.yaml", (1, 1))
    [said] = newer_build(tmp_path / "template.yaml")
    assert said.startswith(
        f"'{tmp_path}/.aws-sam/build/template.yaml' is newer than '{tmp_path}/template.yaml'"
    )
    os.utime(tmp_path / ".aws-sam/build/template.yaml", (0, 0))
    assert list(newer_build(tmp_path / "template.yaml")) == []


@pytest.mark.parametrize(
    "written",
    [
        'A="1" B="x y" C=',
        "ParameterKey=A,ParameterValue=1 ParameterKey=B,ParameterValue='x y' ParameterKey=C,ParameterValue=",
        ["A=1", 'B="x y"', "C="],
        {"A": 1, "B": "x y", "C": ""},
        [{"A": "1"}, {"B": "x y", "C": ""}],
    ],
)
def test_parameter_overrides_have_many_forms(written, tmp_path):
    """Those that the SAM CLI takes."""
    assert overrides(tmp_path, written) == {"A": "1", "B": "x y", "C": ""}


def test_values_of_other_types_are_text(tmp_path):
    """As CloudFormation takes them."""
    assert overrides(tmp_path, {"List": ["a", "b"], "Yes": True}) == {"List": "a,b", "Yes": "true"}
    assert overrides(tmp_path, "Url=https://x?a=b") == {"Url": "https://x?a=b"}
    for wrong in ("A", "=1", "A='1", 7):
        with pytest.raises(OptionError, match="parameter_overrides must be like"):
            overrides(tmp_path, wrong)


CONFIGURATION = """
version = 0.1
[default.global.parameters]
parameter_overrides = "Stage=all Size=1"
[default.deploy.parameters]
parameter_overrides = ["Stage=dev", "Old=x"]
[prod.deploy.parameters]
parameter_overrides = "Stage=prod"
"""


def test_samconfig_has_parameters_by_environment(tmp_path):
    """Those of `deploy` win; one that the template doesn't have is said; it's found from what `sam build` made, too."""
    template = {**QUEUE, "Parameters": {"Stage": {"Type": "String"}, "Size": {"Type": "Number"}}}
    files = {"template_dot_yaml": template, "_dot_aws-sam__build__template_dot_yaml": template}
    put(tmp_path, samconfig_dot_toml=CONFIGURATION, **files)
    for path in (tmp_path / "template.yaml", tmp_path / ".aws-sam/build/template.yaml"):
        values, [said] = configured(path, "default")
        assert values == {"Stage": "dev", "Size": "1"}
        assert (
            said == f"'{tmp_path}/samconfig.toml' has values for Old, which the template has no parameter for"
        )
    assert configured(path, "prod") == ({"Stage": "prod"}, [])
    with pytest.raises(OptionError, match="has no environment 'test'; environments: default, prod"):
        configured(path, "test")


def test_samconfig_may_be_yaml_or_missing_or_broken(tmp_path):
    """Without one there are no values, but an environment can't be asked for."""
    put(tmp_path, template_dot_yaml={**QUEUE, "Parameters": {"Stage": {"Type": "String"}}})
    template = tmp_path / "template.yaml"
    assert configured(template, "default") == ({}, [])
    with pytest.raises(OptionError, match="there is no samconfig"):
        configured(template, "prod")
    put(
        tmp_path,
        samconfig_dot_yaml="version: 0.1\nprod: {deploy: {parameters: {parameter_overrides: Stage=prod}}}",
    )
    assert configured(template, "prod") == ({"Stage": "prod"}, [])
    assert configured(template, "default") == ({}, [])
    put(tmp_path, samconfig_dot_toml="[")
    with pytest.raises(OptionError, match=r"samconfig.*' can't be read: "):
        configured(template, "default")
