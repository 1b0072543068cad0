"""SAM: the template is valid, and what `sam build` makes of it runs."""

import pytest
import yaml

from .conftest import (
    LAYER_ARN,
    OF_THE_RUNTIME,
    WRAPPED,
    assert_answers,
    assert_complete,
    assert_has_byte_code,
    assert_starts_with_the_layer,
    packages,
)


def test_the_template_is_valid(project):
    """`sam validate --lint` finds nothing."""
    assert "is a valid SAM Template" in project.run("sam", "validate", "--lint")


@pytest.fixture(scope="module")
def built(project):
    """The folder that `sam deploy` uploads from."""
    project.run("sam", "build", "--parallel", "--parameter-overrides", f"LambdaGuardLayer={LAYER_ARN}")
    return project.folder / ".aws-sam" / "build"


def test_a_dependency(project, built):
    """What requirements.txt asks for brings botocore along."""
    code = built / "Dependency"
    assert_complete(code, project.python)
    assert packages(code) > {"app.py", "botocore", "urllib3"}
    assert_answers(code)


def test_a_dependency_without_botocore(project, built):
    """The Makefile's package has neither botocore nor what only botocore needs, and its byte code is used."""
    code = built / "Small"
    assert_complete(code, project.python)
    assert not packages(code) & OF_THE_RUNTIME
    assert_has_byte_code(code, project.python)
    assert_answers(code)


def test_a_layer(project, built):
    """The code alone, the layer and its wrapper."""
    template = yaml.load((built / "template.yaml").read_text(encoding="utf-8"), yaml.BaseLoader)
    layered = template["Resources"]["Layer"]["Properties"]
    assert layered["Layers"] == [{"Ref": "LambdaGuardLayer"}]
    assert layered["Environment"]["Variables"] == WRAPPED
    code = (built / layered["CodeUri"]).resolve()
    assert code == project.folder / "function"
    assert_starts_with_the_layer(code)
