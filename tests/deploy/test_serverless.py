"""The Serverless Framework: what `serverless package` makes, with osls, version 3's free successor."""

import json
import zipfile

import pytest

from .conftest import (
    BUILT,
    LAYER_ARN,
    OF_THE_RUNTIME,
    WRAPPED,
    assert_answers,
    assert_complete,
    assert_starts_with_the_layer,
    packages,
)


@pytest.fixture(scope="module")
def functions(project, tmp_path_factory):
    """The functions of the template that is deployed, and their archives, unpacked."""
    (project.folder / "node_modules").symlink_to(BUILT / "node_modules")
    cache = project.folder.parent / "cache"
    project.run(
        "serverless", "package", "--param", f"lambdaGuardLayer={LAYER_ARN}", XDG_CACHE_HOME=str(cache)
    )
    out = project.folder / ".serverless"
    template = json.loads((out / "cloudformation-template-update-stack.json").read_text(encoding="utf-8"))
    found = {}
    for each in template["Resources"].values():
        if each["Type"] == "AWS::Lambda::Function":
            properties = each["Properties"]
            name = properties["FunctionName"].removeprefix("orders-dev-")
            code = tmp_path_factory.mktemp(name)
            with zipfile.ZipFile(out / properties["Code"]["S3Key"].rpartition("/")[2]) as archive:
                archive.extractall(code)
            found[name] = properties, code
    return found


def test_a_dependency(project, functions):
    """The plugin's package is for Lambda's machine, without AWS's SDK, and keeps its metadata."""
    properties, code = functions["dependency"]
    assert (properties["Handler"], properties["Runtime"]) == ("app.handler", f"python{project.python}")
    assert properties["Architectures"] == ["x86_64"]
    assert_complete(code, project.python)
    assert not packages(code) & OF_THE_RUNTIME
    assert list(code.glob("aws_lambda_powertools-*.dist-info/METADATA")) != []
    assert list(code.rglob("*.pyc")) == []
    assert_answers(code)


def test_a_layer(project, functions):
    """The archive is the handler's file; layer and wrapper are set."""
    properties, code = functions["layer"]
    assert (properties["Handler"], properties["Runtime"]) == (
        "function/app.handler",
        f"python{project.python}",
    )
    assert properties["Layers"] == [LAYER_ARN]
    assert properties["Environment"]["Variables"] == WRAPPED
    assert packages(code) == {"function"}
    assert_starts_with_the_layer(code, properties["Handler"])
