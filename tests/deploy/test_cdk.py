"""CDK: what `cdk synth` makes of the stack, and of its assets."""

import json

import pytest

from .conftest import (
    OF_THE_RUNTIME,
    WRAPPED,
    assert_answers,
    assert_complete,
    assert_has_byte_code,
    assert_starts_with_the_layer,
    packages,
)


@pytest.fixture(scope="module")
def functions(project):
    """The functions of the template that is deployed, by what their names begin with, and their code."""
    project.run("cdk", "synth", "--quiet", below="cdk")
    out = project.folder / "cdk" / "cdk.out"
    template = json.loads((out / "Orders.template.json").read_text(encoding="utf-8"))
    found = [each for each in template["Resources"].values() if each["Type"] == "AWS::Lambda::Function"]
    return {
        each["Metadata"]["aws:cdk:path"].split("/")[1]: (
            each["Properties"],
            out / each["Metadata"]["aws:asset:path"],
        )
        for each in found
    }


def assert_settings(properties, python):
    """Handler, runtime and architecture are those of the package."""
    assert properties["Handler"] == "app.handler"
    assert properties["Runtime"] == f"python{python}"
    assert properties["Architectures"] == ["x86_64"]


def test_a_dependency(project, functions):
    """The asset is what function/build.sh makes."""
    properties, code = functions["Dependency"]
    assert_settings(properties, project.python)
    assert "Layers" not in properties
    assert_complete(code, project.python)
    assert not packages(code) & OF_THE_RUNTIME
    assert_has_byte_code(code, project.python)
    assert_answers(code)


def test_a_layer(project, functions):
    """The asset is the handler's file, and the layer is the parameter's."""
    properties, code = functions["Layer"]
    assert_settings(properties, project.python)
    assert properties["Layers"] == [{"Ref": "LambdaGuardLayer"}]
    assert properties["Environment"]["Variables"] == WRAPPED
    assert packages(code) == {"app.py"}
    assert_starts_with_the_layer(code)
