"""`lambda-guard layer list`: what of the layer is where, who uses it, and who is behind."""

import io
import json
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from werkzeug.wrappers import Response

from ..test_nothing_steers import FORGED, HOSTILE, assert_nothing_steers
from .cloud import HOME, denied, layer_zip, role_in

OTHER = "222222222222"
TODAY = f"{datetime.now(UTC):%Y-%m}"


def arn(number, region="eu-west-1", account=HOME, name="lambda-guard"):
    return f"arn:aws:lambda:{region}:{account}:layer:{name}:{number}"


@pytest.fixture
def function(cloud):
    """Make a function with layers."""
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("app.py", "")

    def make(name, *layers, region="eu-west-1", account=HOME, publish=False):
        iam, functions = cloud.client("iam", region, account), cloud.client("lambda", region, account)
        try:
            role = iam.create_role(RoleName="role", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
        except iam.exceptions.EntityAlreadyExistsException:
            role = iam.get_role(RoleName="role")["Role"]["Arn"]
        functions.create_function(
            FunctionName=name, Runtime="python3.13", Role=role, Handler="app.handler",
            Code={"ZipFile": code.getvalue()}, Layers=list(layers), Publish=publish,
        )  # fmt: skip

    return make


@pytest.fixture
def two_versions(cloud, call, layer, tmp_path):
    """Two versions of the layer in two Regions."""
    for path in (layer, str(layer_zip(tmp_path / "new.zip", "new", version="0.2.0"))):
        assert call("publish", path, "--region", "eu-west-1,us-east-1")[0] == 0


@pytest.mark.usefixtures("two_versions")
def test_versions_functions_and_those_that_are_behind(cloud, call, function, layer):
    """A table by Region and account; versions that nobody uses are counted."""
    content = {"ZipFile": Path(layer).read_bytes()}
    cloud.client("lambda").publish_layer_version(LayerName="other", Content=content)
    function("orders", arn(1), arn(1, name="other"))
    function("billing", arn(2))
    function("neither", arn(1, name="other"))
    code, out, err = call("list", "--region", "eu-west-1,us-east-1,us-west-2")
    assert code == 0
    assert [line for line in out.splitlines() if not line.startswith("  version")] == [
        f"eu-west-1  {HOME}",
        "  billing  version 2",
        "  orders   version 1, behind 2",
        f"us-east-1  {HOME}",
        "  1 more, which no function here uses",
        f"us-west-2  {HOME}",
        "  nothing",
        "lambda-guard: used by 2 of the functions here, 1 of them behind",
    ]
    versions = [line for line in out.splitlines() if line.startswith("  version")]
    assert [line[:14] for line in versions] == [f"  version {number}  {TODAY[0]}" for number in (2, 1, 2)]
    assert [line[31:] for line in versions] == [
        "lambda_guard 0.2.0  latest",
        "lambda_guard 0.1.0",
        "lambda_guard 0.2.0  latest",
    ]
    assert "3/3" in err


@pytest.mark.usefixtures("two_versions")
def test_the_document_has_everything(call, function):
    """All versions with their ARNs, and for each function whether it is behind."""
    function("orders", arn(1))
    _, out, _ = call("list", "--json")
    (place,) = json.loads(out)["places"]
    assert (place["account"], place["region"], place["latest"], place["error"]) == (
        HOME,
        "eu-west-1",
        2,
        None,
    )
    assert [(one["version"], one["arn"]) for one in place["versions"]] == [(1, arn(1)), (2, arn(2))]
    assert place["functions"] == [
        {"function": "orders", "version": "$LATEST", "layer_arn": arn(1), "layer_version": 1, "behind": True}
    ]


@pytest.mark.usefixtures("two_versions")
def test_published_versions_of_functions_count_if_they_are_asked_for(call, function):
    """An alias may lead to them, whatever $LATEST has."""
    function("orders", arn(1), publish=True)
    assert "  orders  version 1, behind 2\n" in call("list")[1]
    _, out, _ = call("list", "--all-versions")
    assert "  orders    version 1, behind 2\n  orders:1  version 1, behind 2\n" in out


@pytest.mark.usefixtures("two_versions")
def test_a_layer_of_another_account_is_behind_if_that_account_is_listed(call, cloud, profile):
    """What its latest is isn't known otherwise, and isn't guessed."""
    functions = {"Functions": [{"FunctionName": "orders", "Version": "$LATEST", "Layers": [{"Arn": arn(1)}]}]}

    def in_the_other(request, _service):
        own = "Credential=AKIA/" in request.headers["Authorization"]
        return Response(json.dumps({"Functions": []} if own else functions), content_type="application/json")

    cloud.faults["eu-west-1", "ListFunctions"] = in_the_other
    profile("central", aws_access_key_id="AKIA", aws_secret_access_key="none")
    _, out, _ = call("list", "--role", role_in(OTHER))
    assert f"  orders  version 1 of account {HOME}; list that account, too, to know its latest\n" in out
    assert out.endswith("used by 1 of the functions here, 0 of them behind\n")
    (use,) = json.loads(call("list", "--role", role_in(OTHER), "--json")[1])["places"][0]["functions"]
    assert use["behind"] is None
    _, out, _ = call("list", "--role", role_in(OTHER), "--profile", "central")
    assert f"  orders  version 1 of account {HOME}, behind 2\n" in out


@pytest.mark.usefixtures("two_versions")
def test_a_version_that_was_deleted_is_said(cloud, call, function):
    """Its functions go on, but can't be updated with it."""
    function("orders", arn(1))
    cloud.client("lambda").delete_layer_version(LayerName="lambda-guard", VersionNumber=1)
    assert "  orders  version 1, which was deleted, behind 2\n" in call("list")[1]
    cloud.client("lambda").delete_layer_version(LayerName="lambda-guard", VersionNumber=2)
    assert "  orders  version 1, which was deleted\n" in call("list")[1]


@pytest.mark.usefixtures("two_versions")
@pytest.mark.parametrize("operation", ["ListLayerVersions", "ListFunctions"])
def test_a_place_that_cant_be_listed_doesnt_stop_the_others(cloud, call, profile, operation):
    """It is named, and the exit code is 1."""
    cloud.faults["us-east-1", operation] = "denied"
    profile("fine", aws_access_key_id="AKIA", aws_secret_access_key="none")
    code, out, err = call("list", "--region", "eu-west-1,us-east-1", "--profile", "none", "--profile", "fine")
    assert code == 1
    assert f"us-east-1  {HOME}\n  AWS refused to list the" in out
    assert f"the permission {operation} is missing" in out
    assert "profile none\n  The config profile (none) could not be found: aws configure list-profiles" in out
    assert "lambda_guard 0.2.0  latest" in out
    assert err.endswith("lambda-guard: 2 of 3 failed: mend that, and the same command lists all\n")


def test_a_name_that_cant_be_one_is_refused(cloud, call):
    """As for publishing; names that parameters can't have are fine."""
    assert call("list", "--name", arn(1))[0] == 2
    assert call("list", "--name", "aws-layer")[0] == 0
    assert ("eu-west-1", "ListFunctions") in cloud.calls


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_no_answer_of_aws_steers(cloud, call, options):
    """Names, descriptions and dates are shown as text."""
    versions = {"Version": 1, "LayerVersionArn": arn(1), "Description": HOSTILE, "CreatedDate": HOSTILE}
    function = {"FunctionName": HOSTILE, "Version": HOSTILE, "Layers": [{"Arn": arn(1)}, {"Arn": HOSTILE}]}
    cloud.faults["eu-west-1", "ListLayerVersions"] = lambda _request, _service: Response(
        json.dumps({"LayerVersions": [versions]}), content_type="application/json"
    )
    cloud.faults["eu-west-1", "ListFunctions"] = lambda _request, _service: Response(
        json.dumps({"Functions": [function]}), content_type="application/json"
    )
    cloud.faults["us-east-1", "ListFunctions"] = lambda _request, service: denied(
        service, HOSTILE[:9], HOSTILE, 400
    )
    code, out, err = call("list", "--region", "eu-west-1,us-east-1", *options)
    assert code == 1
    assert_nothing_steers(out)
    assert_nothing_steers(err)
    assert options or FORGED in out
