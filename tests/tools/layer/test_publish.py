"""`lambda-guard layer publish`: every Region and account gets the layer once, whatever fails on the way."""

import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import pytest
import yaml
from werkzeug.wrappers import Response

from lambda_guard.tools.layer.grants import Grant, granted

from ..test_nothing_steers import FORGED, HOSTILE, assert_nothing_steers
from .cloud import FAULTS, HOME, SAYS, denied, layer_zip, role_in

pytestmark = pytest.mark.slow

ORGANIZATION = "o-a1b2c3d4e5"
OTHER = "222222222222"
NAME = "lambda-guard"
PARAMETERS = ("/lambda-guard/layer/0.1.0", "/lambda-guard/layer/latest")
READS = {
    "GetCallerIdentity", "AssumeRole", "ListLayerVersions", "GetLayerVersion", "GetLayerVersionPolicy", "GetParameters",
}  # fmt: skip
REGIONS = [
    "eu-west-1", "eu-west-2", "eu-west-3", "eu-central-1", "eu-north-1", "us-east-1", "us-east-2", "us-west-1",
    "us-west-2", "ap-south-1", "ap-southeast-1", "ap-southeast-2", "ap-northeast-1", "ca-central-1", "sa-east-1",
]  # fmt: skip


def arn(number, region="eu-west-1", account=HOME, name=NAME):
    return f"arn:aws:lambda:{region}:{account}:layer:{name}:{number}"


def state(cloud, region="eu-west-1", account=HOME, name=NAME):
    """Return what is there: numbers of versions, grants of each, and parameters."""
    functions, ssm = cloud.client("lambda", region, account), cloud.client("ssm", region, account)
    numbers = sorted(one["Version"] for one in functions.list_layer_versions(LayerName=name)["LayerVersions"])
    grants = {}
    for number in numbers:
        try:
            answer = functions.get_layer_version_policy(LayerName=name, VersionNumber=number)
            grants[number] = granted(answer["Policy"])
        except functions.exceptions.ResourceNotFoundException:
            grants[number] = set()
    found = ssm.describe_parameters()["Parameters"]
    values = ssm.get_parameters(Names=[one["Name"] for one in found])["Parameters"] if found else ()
    return numbers, grants, {one["Name"]: one["Value"] for one in values}


def whole(region="eu-west-1", account=HOME, grants=()):
    """What `state` is where all is done."""
    return [1], {1: set(grants)}, dict.fromkeys(PARAMETERS, arn(1, region, account))


def operations(cloud, region="eu-west-1"):
    """Return the calls of Lambda and Systems Manager in a Region."""
    return [
        name
        for there, name in cloud.calls
        if there == region and name not in {"GetCallerIdentity", "AssumeRole"}
    ]


# --- What is done -----------------------------------------------------------------------------------------------------


def test_every_region_of_every_account_gets_a_version_its_permissions_and_its_parameters(cloud, call, layer):
    """And a second run finds that there is nothing to do, and does nothing."""
    accounts = ["111111111111", OTHER]
    arguments = ["publish", layer, "--region", "eu-west-1,us-east-1", "--share-with", ORGANIZATION]
    arguments += ["--share-with", "333333333333", *(f"--role={role_in(account)}" for account in accounts)]
    assert call(*arguments)[0] == 0
    places = list(itertools.product(["eu-west-1", "us-east-1"], accounts))
    wanted = {Grant("organization", ORGANIZATION), Grant("account", "333333333333")}
    assert [state(cloud, *place) for place in places] == [whole(*place, wanted) for place in places]
    cloud.calls.clear()
    code, out, _ = call(*arguments)
    assert (code, out.count("nothing to do")) == (0, 4)
    assert {name for _, name in cloud.calls} == READS
    assert [state(cloud, *place) for place in places] == [whole(*place, wanted) for place in places]


def test_the_version_says_what_it_is(cloud, call, layer):
    """Its description names the release and the hash; runtimes and architectures are the manifest's."""
    call("publish", layer)
    (version,) = cloud.client("lambda").list_layer_versions(LayerName=NAME)["LayerVersions"]
    answer = cloud.client("lambda").get_layer_version(LayerName=NAME, VersionNumber=1)
    assert version["Description"] == f"lambda_guard 0.1.0, CodeSha256 {answer['Content']['CodeSha256']}"
    assert version["CompatibleRuntimes"] == ["python3.13", "python3.14"]
    assert version["CompatibleArchitectures"] == ["arm64", "x86_64"]


def test_a_dry_run_only_reads(cloud, call, layer, tmp_path):
    """It says what would be done: all, the rest of what is half done, or nothing."""
    code, out, _ = call("publish", layer, "--dry-run", "--share-with", ORGANIZATION)
    steps = (
        f"publish 0.1.0, share with organization {ORGANIZATION}, write {PARAMETERS[0]}, write {PARAMETERS[1]}"
    )
    assert (code, out) == (0, f"✓ eu-west-1  {HOME}  -  would {steps}\n")
    assert state(cloud) == ([], {}, {})
    call("publish", layer, "--no-parameters")
    cloud.calls.clear()
    _, out, _ = call("publish", layer, "--dry-run", "--json")
    (place,) = json.loads(out)["places"]
    assert (place["arn"], place["steps"]) == (arn(1), [f"write {name}" for name in PARAMETERS])
    assert {name for _, name in cloud.calls} <= READS
    assert state(cloud) == ([1], {1: set()}, {})
    cloud.client("ssm").put_parameter(Name=PARAMETERS[1], Value="mine", Type="String")
    other = layer_zip(tmp_path / "other.zip", "other")
    assert "holds 'mine', which isn't a version" in call("publish", str(other), "--dry-run")[1]


def test_public_is_said_aloud(cloud, call, layer):
    """Before anything is sent, and in a dry run as well."""
    for options in (["--dry-run"], []):
        code, _, err = call("publish", layer, "--share-with", "public", *options)
        assert code == 0
        assert err.startswith(
            "lambda-guard: public: every AWS account in the world may read the layer's code and use it"
        )
    assert state(cloud) == whole(grants=[Grant("public")])


def test_what_somebody_else_granted_stays(cloud, call, layer):
    """Nothing is taken away, and the report says so."""
    call("publish", layer, "--share-with", OTHER)
    _, out, _ = call("publish", layer)
    assert f"it is shared with account {OTHER} already, which stays" in out
    assert state(cloud) == whole(grants=[Grant("account", OTHER)])


def test_two_profiles_of_one_account_are_one_place(cloud, call, layer, profile):
    """Two at once would publish twice."""
    for name in ("first", "second"):
        profile(name, aws_access_key_id="AKIA", aws_secret_access_key="none")
    code, out, err = call("publish", layer, "--profile", "first", "--profile", "second")
    assert (code, out.count("arn:")) == (0, 1)
    assert f"profile second leads to account {HOME}, as profile first does\n" in err
    assert state(cloud) == whole()


def test_a_version_that_somebody_published_by_hand_is_known_by_its_content(cloud, call, layer):
    """Lambda's CodeSha256 counts, whatever the description says."""
    content = {"ZipFile": Path(layer).read_bytes()}
    cloud.client("lambda").publish_layer_version(LayerName=NAME, Description="by hand", Content=content)
    assert call("publish", layer)[0] == 0
    assert state(cloud) == whole()


def test_a_description_that_lies_is_not_believed(cloud, call, layer, tmp_path):
    """The hash in it only says where to look first."""
    call("publish", layer)
    (said,) = cloud.client("lambda").list_layer_versions(LayerName=NAME)["LayerVersions"]
    other = {"ZipFile": layer_zip(tmp_path / "other.zip", "other").read_bytes()}
    lying = cloud.client("lambda", "us-east-1")
    lying.publish_layer_version(LayerName=NAME, Description=said["Description"], Content=other)
    assert call("publish", layer, "--region", "us-east-1")[0] == 0
    assert state(cloud, "us-east-1")[0] == [1, 2]
    assert state(cloud, "us-east-1")[2][PARAMETERS[1]] == arn(2, "us-east-1")


def test_new_content_is_a_new_version_and_the_parameters_move_on(cloud, call, layer, tmp_path):
    """A run with the older zip leaves them where they are, and says how to go back, unless the newer one was deleted."""
    call("publish", layer)
    call("publish", str(layer_zip(tmp_path / "new.zip", "new", version="0.2.0+team")))
    moved = {PARAMETERS[0]: arn(1), "/lambda-guard/layer/0.2.0-team": arn(2), PARAMETERS[1]: arn(2)}
    assert state(cloud) == ([1, 2], {1: set(), 2: set()}, moved)
    code, out, _ = call("publish", layer)
    assert code == 0
    assert (
        f"{PARAMETERS[1]} stays at version 2, which is newer; to go back: aws ssm put-parameter --overwrite"
        in out
    )
    assert state(cloud)[2] == moved
    cloud.client("lambda").delete_layer_version(LayerName=NAME, VersionNumber=2)
    assert call("publish", layer)[0] == 0
    assert state(cloud)[2] == {**moved, PARAMETERS[1]: arn(1)}


def test_another_layer_has_parameters_of_its_own(cloud, call, layer):
    """Those of two layers don't overwrite each other."""
    call("publish", layer)
    call("publish", layer, "--name", "for_arm")
    assert set(state(cloud)[2]) == {*PARAMETERS, "/for_arm/layer/0.1.0", "/for_arm/layer/latest"}


def test_a_parameter_of_somebody_else_is_left_alone(cloud, call, layer):
    """What it holds isn't a version of this layer: nothing is overwritten, and the error says what to do."""
    cloud.client("ssm").put_parameter(Name=PARAMETERS[1], Value="theirs", Type="String")
    code, out, _ = call("publish", layer)
    assert code == 1
    assert (
        f"the parameter {PARAMETERS[1]} holds 'theirs', which isn't a version of this layer: it is left as it is"
        in out
    )
    assert state(cloud)[2] == {PARAMETERS[1]: "theirs"}


# --- Faults -----------------------------------------------------------------------------------------------------------


def from_the(number, fault):
    """Return a fault that begins with a call's repetition of this number, from 1."""
    count = itertools.count(1)

    def answer(request, service):
        return FAULTS[fault](request, service) if next(count) >= number else None

    return answer


@pytest.fixture(scope="module")
def numbered():
    """Every call that is made where nothing is there yet: its operation, and its number among those of the same name."""
    return [
        ("ListLayerVersions", 1), ("PublishLayerVersion", 1), ("ListLayerVersions", 2), ("GetLayerVersion", 1),
        ("GetLayerVersionPolicy", 1), ("AddLayerVersionPermission", 1), ("AddLayerVersionPermission", 2),
        ("GetLayerVersionPolicy", 2), ("GetParameters", 1), ("PutParameter", 1), ("PutParameter", 2),
    ]  # fmt: skip


SHARED = ("--share-with", ORGANIZATION, "--share-with", OTHER)
GRANTS = {Grant("organization", ORGANIZATION), Grant("account", OTHER)}


def test_the_calls_are_known(cloud, call, layer, numbered):
    """The faults below are put at each of them."""
    call("publish", layer, *SHARED)
    assert operations(cloud) == [operation for operation, _ in numbered]


@pytest.mark.parametrize("fault", ["503", "denied", "dropped", "unanswered"])
def test_a_rerun_completes_what_any_call_left_half_done(cloud, call, layer, numbered, fault):
    """Each call fails in a Region of its own, in the last one none: there is one version then, and all that belongs to it."""
    regions = REGIONS[: len(numbered) + 1]
    for region, (operation, number) in zip(regions, numbered, strict=False):
        cloud.faults[region, operation] = from_the(number, fault)
    arguments = ("publish", layer, "--region", ",".join(regions), *SHARED, "--json")
    code, out, err = call(*arguments)
    places = {place["region"]: place for place in json.loads(out)["places"]}
    failed = {region for region, place in places.items() if place["error"]}
    arrived = {regions[1]} if fault == "unanswered" else set()  # a look tells that the version is there
    assert (code, failed) == (1, set(regions[:-1]) - arrived)
    for region, (operation, _) in zip(regions, numbered, strict=False):
        assert region not in failed or expected(fault, operation) in places[region]["error"]
    assert f"{len(failed)} of {len(regions)} failed: mend that, and the same command goes on from here" in err
    cloud.faults.clear()
    for region in regions:
        assert_latest_is_verified(state(cloud, region), region)
    code, out, _ = call(*arguments)
    assert (code, [place["error"] for place in json.loads(out)["places"]]) == (0, [None] * len(regions))
    assert [state(cloud, region) for region in regions] == [
        whole(region, grants=GRANTS) for region in regions
    ]


def expected(fault, operation):
    """Return what the error must say of a call that fails."""
    return {
        "503": "ServiceUnavailableException: busy",
        "denied": f"the permission {operation} is missing",
    }.get(fault, "Connection was closed before we received a valid response")


def assert_latest_is_verified(found, region):
    """Parameters name only what is whole."""
    numbers, grants, values = found
    assert len(numbers) <= 1
    assert not values or (set(values.values()), grants) == ({arn(1, region)}, {1: GRANTS})


@pytest.mark.parametrize("fault", ["503", "denied", "dropped"])
@pytest.mark.parametrize("operation", ["AssumeRole", "GetCallerIdentity"])
def test_an_account_that_cant_be_reached_doesnt_stop_the_others(
    cloud, call, layer, *, profile, operation, fault
):
    """Its role, its error, and what to do stand in the report."""

    def of_the_role(request, service):
        own = operation == "GetCallerIdentity" and "Credential=AKIA/" in request.headers["Authorization"]
        return None if own else FAULTS[fault](request, service)

    profile("fine", aws_access_key_id="AKIA", aws_secret_access_key="none", region="us-east-1")
    cloud.faults["eu-west-1", operation] = of_the_role
    code, out, err = call(
        "publish", layer, "--profile", "fine", "--role", role_in(OTHER), "--region", "us-west-2"
    )
    assert code == 1
    assert f"✗ role {role_in(OTHER)}  -" in out
    assert fault != "denied" or f"the permission {operation} is missing ({SAYS})" in err
    assert state(cloud, "us-west-2") == whole("us-west-2")


def test_a_role_that_cant_be_assumed_says_what_it_takes(cloud, call, layer):
    """Both sides must agree: the credentials' own policy, and the role's trust policy."""
    cloud.faults["eu-west-1", "AssumeRole"] = "denied"
    code, _, err = call("publish", layer, "--role", role_in(OTHER))
    assert code == 1
    assert (
        f"AWS refused to assume {role_in(OTHER)}: the permission AssumeRole is missing ({SAYS}); the role's trust"
        in err
    )


def test_a_region_that_is_off_is_named_with_what_to_do(cloud, call, layer):
    """Lambda doesn't know the credentials there, which STS knew."""
    message = "The security token included in the request is invalid."
    cloud.faults["me-south-1", "ListLayerVersions"] = lambda _request, service: denied(
        service, "UnrecognizedClientException", message
    )
    code, out, _ = call("publish", layer, "--region", "me-south-1", "--region", "us-east-1")
    assert code == 1
    assert (
        "enable it (aws account enable-region --region-name me-south-1) and wait until it is on, or leave it out"
        in out
    )
    assert state(cloud, "us-east-1") == whole("us-east-1")


@pytest.mark.parametrize(
    ("hint", "code", "message"),
    [
        (
            "CompatibleArchitectures",
            "InvalidParameterValueException",
            "CompatibleArchitectures are not supported in eu-west-1. Please remove the CompatibleArchitectures value",
        ),
        (
            "CompatibleRuntimes",
            "ValidationException",
            "1 validation error detected: Value '[python3.14]' at 'compatibleRuntimes' failed to satisfy constraint",
        ),
    ],
)
def test_a_region_that_refuses_a_hint_gets_the_layer_without_it(cloud, call, layer, *, hint, code, message):
    """Which happens where Graviton or a new runtime comes late."""

    def refusing(request, service):
        return denied(service, code, message, 400) if hint in json.loads(request.get_data()) else None

    cloud.faults["eu-west-1", "PublishLayerVersion"] = refusing
    exit_code, out, _ = call("publish", layer)
    assert exit_code == 0
    assert f"the Region refuses {hint} (" in out
    assert state(cloud) == whole()


def test_another_parameter_that_is_refused_is_an_error(cloud, call, layer):
    """It isn't tried for ever."""
    cloud.faults["eu-west-1", "PublishLayerVersion"] = lambda _request, service: denied(
        service, "InvalidParameterValueException", "Unzipped size must be smaller than 262144000 bytes", 400
    )
    code, out, _ = call("publish", layer)
    assert (code, "Unzipped size must be smaller than" in out) == (1, True)


@pytest.mark.parametrize(
    ("operation", "code", "advice"),
    [
        (
            "PublishLayerVersion",
            "CodeStorageExceededException",
            "delete layer versions and functions that nobody uses",
        ),
        (
            "AddLayerVersionPermission",
            "PolicyLengthExceededException",
            "share it with the organization rather than",
        ),
    ],
)
def test_a_quota_that_is_used_up_says_what_to_do(cloud, call, layer, *, operation, code, advice):
    """AWS's own words, and the next step."""
    cloud.faults["eu-west-1", operation] = lambda _request, service: denied(service, code, "exceeded", 400)
    assert f"{code}: exceeded; {advice}" in call("publish", layer, *SHARED)[1]


def test_a_statement_that_says_something_else_is_reported(cloud, call, layer):
    """Somebody used the name: it isn't replaced, and the parameters aren't written."""
    call("publish", layer, "--no-parameters")
    cloud.client("lambda").add_layer_version_permission(
        LayerName=NAME, VersionNumber=1, StatementId=f"organization-{ORGANIZATION}", Action="lambda:GetLayerVersion",
        Principal=OTHER,
    )  # fmt: skip
    code, out, _ = call("publish", layer, "--share-with", ORGANIZATION)
    assert code == 1
    assert (
        f"the policy of version 1 doesn't show what was added (organization {ORGANIZATION}): look at it"
        in out
    )
    assert state(cloud)[2] == {}


# --- Two at once ------------------------------------------------------------------------------------------------------


def test_two_publishes_at_once_agree_on_one_version(cloud, call, layer):
    """Lambda can't be told to publish only once; the older of two equal versions is the one that counts."""
    content = {"ZipFile": Path(layer).read_bytes()}

    def first(request, _service):
        cloud.faults.clear()
        said = json.loads(request.get_data())["Description"]
        cloud.client("lambda").publish_layer_version(LayerName=NAME, Description=said, Content=content)

    cloud.faults["eu-west-1", "PublishLayerVersion"] = first
    code, out, _ = call("publish", layer)
    assert code == 0
    assert "version 2 is the same: another publish ran at the same time. It isn't used" in out
    assert state(cloud) == ([1, 2], {1: set(), 2: set()}, dict.fromkeys(PARAMETERS, arn(1)))


@pytest.mark.parametrize("there", [False, True])
@pytest.mark.parametrize(("theirs", "wins"), [(3, 3), (1, 2)])
def test_a_parameter_that_two_write_at_once_names_the_newer_version(
    cloud, call, layer, *, tmp_path, there, theirs, wins
):
    """Whoever comes last doesn't win: the newer version does."""
    call("publish", layer, *([] if there else ["--no-parameters"]))
    ssm, functions = cloud.client("ssm"), cloud.client("lambda")

    def between(request, _service):
        if json.loads(request.get_data())["Name"] == PARAMETERS[1]:
            cloud.faults.clear()
            for _ in range(theirs - 2):  # the version that the parameter will name
                functions.publish_layer_version(LayerName=NAME, Content={"ZipFile": b"theirs"})
            ssm.put_parameter(Name=PARAMETERS[1], Value=arn(theirs), Type="String", Overwrite=True)

    cloud.faults["eu-west-1", "PutParameter"] = between
    code, _, _ = call("publish", str(layer_zip(tmp_path / "new.zip", "new")))
    assert code == 0
    assert state(cloud)[2][PARAMETERS[1]] == arn(wins)


@pytest.mark.usefixtures("heeding_ctrl_c")
def test_after_a_ctrl_c_what_has_begun_is_finished_and_the_rest_isnt_begun(cloud, call, layer):
    """The same command goes on."""
    cloud.faults[REGIONS[0], "PublishLayerVersion"] = lambda _request, _service: os.kill(
        os.getpid(), signal.SIGINT
    )
    arguments = ("publish", layer, "--region", ",".join(REGIONS))
    code, out, err = call(*arguments)
    assert code == 130
    assert err.endswith("lambda-guard: interrupted; the same command goes on from here\n")
    left = [region for region in REGIONS if state(cloud, region)[0] == []]
    assert out.count("interrupted before it was begun") == len(left) > 0
    assert all(state(cloud, region) == whole(region) for region in REGIONS if region not in left)
    cloud.faults.clear()
    assert call(*arguments)[0] == 0
    assert [state(cloud, region) for region in REGIONS] == list(map(whole, REGIONS))


@pytest.mark.usefixtures("heeding_ctrl_c")
@pytest.mark.parametrize(("operation", "times"), [("GetCallerIdentity", 1), ("ListLayerVersions", 2)])
def test_a_ctrl_c_doesnt_wait_for_a_network_that_hangs(cloud, layer, operation, times):
    """The first one lets what has begun finish, and says so; the second one ends it at once."""
    asked, over = threading.Event(), threading.Event()

    def hanging(_request, service):
        asked.set()
        over.wait(240)
        return denied(service)  # which nobody hears; it would be a call of the next test's else

    cloud.faults["eu-west-1", operation] = hanging
    command = [sys.executable, "-m", "lambda_guard.tools", "layer", "publish", layer]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert asked.wait(240)
            for _ in range(times - 1):
                process.send_signal(signal.SIGINT)
                said = process.stderr.readline()
                assert said == "lambda-guard: finishing what has begun; Ctrl-C again ends it at once\n"
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=240)
        finally:
            over.set()
            process.kill()
    assert (process.returncode, out, err) == (130, "", "\n")


# --- What it writes ---------------------------------------------------------------------------------------------------


def test_the_document_names_every_place(cloud, call, layer):
    """As JSON, a place that failed and one that couldn't be reached among them."""
    cloud.faults["us-east-1", "PutParameter"] = "denied"
    _, out, _ = call(
        "publish",
        layer,
        "--region",
        "eu-west-1,us-east-1",
        "--profile",
        "none",
        "--role",
        role_in(OTHER),
        "--json",
    )
    document = json.loads(out)
    assert (document["layer"], document["version"], document["dry_run"]) == (NAME, "0.1.0", False)
    unreached, *places = document["places"]
    assert unreached["where"] == "profile none"
    assert unreached["error"].endswith("aws configure list-profiles names those that there are")
    assert [(one["region"], one["account"], one["arn"], one["layer_version"]) for one in places] == [
        ("eu-west-1", OTHER, arn(1, "eu-west-1", OTHER), 1),
        ("us-east-1", OTHER, arn(1, "us-east-1", OTHER), 1),
    ]
    assert places[0]["steps"] == ["publish 0.1.0", *(f"write {name}" for name in PARAMETERS)]
    assert (places[0]["error"], places[1]["steps"]) == (None, ["publish 0.1.0"])
    assert "the permission PutParameter is missing" in places[1]["error"]


def test_a_mapping_for_cloudformation(cloud, call, layer):
    """By Region, and by account where there are several; a place that failed isn't in it."""
    _, out, _ = call("publish", layer, "--region", "us-east-1,eu-west-1", "--cloudformation")
    assert yaml.safe_load(out) == {
        "Mappings": {
            "LambdaGuardLayer": {region: {"Arn": arn(1, region)} for region in ("eu-west-1", "us-east-1")}
        }
    }
    cloud.faults["us-east-1", "ListLayerVersions"] = "denied"
    roles = [f"--role={role_in(account)}" for account in ("111111111111", OTHER)]
    code, out, err = call("publish", layer, "--region", "us-east-1,eu-west-1", *roles, "--cloudformation")
    arns = {account: arn(1, account=account) for account in ("111111111111", OTHER)}
    assert (code, yaml.safe_load(out)) == (1, {"Mappings": {"LambdaGuardLayer": {"eu-west-1": arns}}})
    assert err.count("the permission ListLayerVersions is missing") == 2
    cloud.faults = {("us-east-1", "PutParameter"): "denied"}  # there is a version, but it isn't whole
    options = ("--region", "us-east-1", "--name", "fresh", "--cloudformation")
    assert call("publish", layer, *options)[1] == "Mappings: {}\n"


def test_locals_for_terraform(cloud, call, layer):
    """Region → ARN, or account → Region → ARN where there are several."""
    _, out, _ = call(
        "publish", layer, "--region", "eu-west-1,us-east-1", "--terraform", "--name", "2nd-layer"
    )
    first, second = (arn(1, region, name="2nd-layer") for region in ("eu-west-1", "us-east-1"))
    assert out == (
        f'locals {{\n  _2nd_layer_layer_arns = {{\n    "eu-west-1" = "{first}"\n    "us-east-1" = "{second}"\n  }}\n}}\n'
    )
    roles = [f"--role={role_in(account)}" for account in ("111111111111", OTHER)]
    _, out, _ = call("publish", layer, *roles, "--terraform")
    assert out == (
        "locals {\n  lambda_guard_layer_arns = {\n"
        f'    "111111111111" = {{\n      "eu-west-1" = "{arn(1, account="111111111111")}"\n    }}\n'
        f'    "{OTHER}" = {{\n      "eu-west-1" = "{arn(1, account=OTHER)}"\n    }}\n  }}\n}}\n'
    )


@pytest.mark.parametrize(
    ("operation", "options"),
    [
        ("AssumeRole", ()),
        ("ListLayerVersions", ()),
        ("GetParameters", ()),
        *(
            ("PutParameter", options)
            for options in ((), ("--json",), ("--cloudformation",), ("--terraform",))
        ),
    ],
)
def test_no_answer_of_aws_steers(cloud, call, layer, options, operation):
    """Neither an error's code and text, nor what stands in a parameter."""
    role = ("--role", role_in(OTHER)) if operation == "AssumeRole" else ()

    def hostile(_request, service):
        if operation == "GetParameters":
            value = {"Name": PARAMETERS[0], "Value": HOSTILE, "Version": 1}
            return Response(json.dumps({"Parameters": [value]}), content_type="application/json")
        message = HOSTILE if service != "sts" else f"&#x202e;{FORGED}\n{FORGED}"  # what XML can hold
        return denied(service, "Bad{}", message, 400)

    cloud.faults["eu-west-1", operation] = hostile
    exit_code, out, err = call("publish", layer, *role, *options)
    assert exit_code == 1
    assert_nothing_steers(out)
    assert_nothing_steers(err)
    assert "\\u202e" in err


# --- Bad input --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--name", arn(1)], "write the layer's name alone, in letters, digits, - and _, not its ARN"),
        (["--name", "two words"], "invalid --name 'two words'"),
        (["--name", "aws-layer"], "Systems Manager takes no parameter /aws-layer/…"),
        (["--region", "eu-west1"], "unknown Region 'eu-west1': did you mean eu-west-1?"),
        (["--region", "EU-WEST-1"], "unknown Region 'EU-WEST-1': did you mean eu-west-1?"),
        (["--region", " ,"], "an empty --region: write a name like eu-west-1, or leave it out"),
        (["--region", "Frankfurt"], "unknown Region 'Frankfurt': write one like eu-west-1"),
        (
            ["--role", "publisher"],
            "invalid --role 'publisher': write arn:aws:iam::123456789012:role/publisher",
        ),
        (["--share-with", "everybody"], "an organization (o-abcdefghij) or public"),
        (["--json", "--terraform"], "choose one of --json, --cloudformation and --terraform"),
        (["--dry-run", "--terraform"], "--dry-run only takes --json"),
    ],
)
def test_what_is_typed_wrong_is_said_before_anything_is_sent(cloud, call, layer, options, said):
    """With what to type instead, and exit code 2."""
    code, _, err = call("publish", layer, *options)
    assert (code, said in err) == (2, True)
    assert cloud.calls == []


def too_big(path):
    path.write_bytes(b"\0" * (51 * 1024 * 1024))


def too_big_unzipped(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a", "b")
        archive.filelist[0].file_size = 251 * 1024 * 1024


def cut(path):
    path.write_bytes(layer_zip(path, "x" * 1000).read_bytes()[:-30])


def damaged(path):
    data = bytearray(layer_zip(path, "x" * 1000).read_bytes())
    data[-300] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (lambda path: None, "isn't there: build it first (lambda-guard layer build --output "),
        (too_big, "is 51.0 MB, and Lambda takes 50 MB in an upload: build it for fewer targets"),
        (too_big_unzipped, "is 251 MB unzipped, and Lambda takes 250 MB of a function and all its layers"),
        (lambda path: path.write_text("no zip"), "File is not a zip file"),
        (cut, "File is not a zip file"),
        (damaged, "build it"),
        (lambda path: zipfile.ZipFile(path, "w").close(), "isn't a whole layer of lambda_guard"),
        (lambda path: layer_zip(path, manifest={"version": 1}), "can't be used (Expected `str`, got `int`"),
        (lambda path: layer_zip(path, version="0.1/../x"), "can't be used (Expected `str` matching regex"),
    ],
)  # fmt: skip
def test_a_zip_that_cant_be_published_is_refused_before_anything_is_sent(cloud, call, tmp_path, write, said):
    """Lambda's limits, and what isn't a layer of ours."""
    write(tmp_path / "bad.zip")
    code, _, err = call("publish", str(tmp_path / "bad.zip"))
    assert (code, said in err) == (1, True)
    assert cloud.calls == []


def test_without_credentials_or_a_region_the_error_says_what_to_set(cloud, call, layer, monkeypatch):
    """One sentence, and the next step."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    code, _, err = call("publish", layer)
    assert (code, "no credentials for AWS: log in (aws sso login)" in err) == (1, True)
    monkeypatch.setenv("AWS_REGION", "mars")
    code, _, err = call("publish", layer)
    assert (code, "unknown Region 'mars': write one like eu-west-1" in err) == (1, True)
    monkeypatch.delenv("AWS_REGION")
    code, _, err = call("publish", layer)
    assert (code, "no Region is set: name one or several with --region eu-west-1" in err) == (1, True)
    assert cloud.calls == []


def test_an_address_without_anybody_is_said(call, layer, cloud, monkeypatch):
    """With the Region, in case there isn't such a one."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", "http://127.0.0.1:9")
    code, out, _ = call("publish", layer)
    assert code == 1
    assert "has AWS a Region eu-west-1, and does a network lead there?" in out
