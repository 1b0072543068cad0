"""The pipeline of the example: what its scripts do, in a repository and with AWS's services, and what its workflows call."""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

import boto3
import pytest
import yaml
from moto import mock_aws

from lambda_guard.templates import sam
from lambda_guard.templates.document import load

ROOT = Path(__file__).parents[2]
APP = ROOT / "examples" / "app"
WORKFLOWS = {
    path.stem: yaml.safe_load(path.read_text()) for path in (APP / ".github" / "workflows").glob("*.yml")
}
ALL = ["Billing", "Orders", "Shipping"]


def script(name):
    spec = importlib.util.spec_from_file_location(name, APP / "pipeline" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# What a branch changes.


@pytest.fixture
def repository(tmp_path):
    """Return a function that runs git in a copy of the shop, which is committed to `main`; a branch is checked out."""
    where = tmp_path / "shop"
    shutil.copytree(APP, where, ignore=shutil.ignore_patterns("__pycache__", ".aws-sam", ".demo"))
    own = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    author = ["-c", "user.name=t", "-c", "user.email=t@example.com"]

    def git(*arguments):
        command = ["git", *author, *arguments]
        subprocess.run(command, cwd=git.where, check=True, capture_output=True, env=os.environ | own)

    git.where = where
    git("init", "-q", "-b", "main")
    git("add", "-A")
    git("commit", "-q", "-m", "one")
    git("switch", "-q", "-c", "branch")
    return git


def commit(git, *paths):
    for path in paths:
        (git.where / path).parent.mkdir(exist_ok=True)
        (git.where / path).write_text("changed")
    git("add", "-A")
    git("commit", "-q", "-m", "two")


def changed(git, base="main"):
    command = [sys.executable, "pipeline/changed.py", base]
    done = subprocess.run(command, cwd=git.where, check=True, capture_output=True, text=True)
    return json.loads(done.stdout), done.stderr


@pytest.mark.parametrize(
    ("paths", "functions"),
    [
        (["billing/billing.py"], ["Billing"]),
        (["billing/new/deep.py", "orders/requirements.txt"], ["Billing", "Orders"]),
        (["billing/README.md"], ["Billing"]),  # it is in the package
        (["README.md", "tests/test_shop.py", ".github/workflows/x.yml", "pipeline/rollback.py"], []),
        (["constraints.txt"], ALL),
        (["shared/prices.py"], ALL),
        (["samconfig.toml"], ALL),
        (["billingual/a.py"], ALL),  # another folder, whose name begins alike
    ],
    ids=lambda value: "+".join(value) or "none",
)
def test_what_a_change_reaches(repository, paths, functions):
    """A function's folder is its own, what is never packaged is nobody's, and anything else is everybody's."""
    commit(repository, *paths)

    assert changed(repository) == (functions, "")


def test_a_change_of_the_template_reaches_all(repository):
    """Also where it only adds a comment: what it means isn't judged."""
    with (repository.where / "template.yaml").open("a") as template:
        template.write("# one more\n")
    commit(repository)

    assert changed(repository)[0] == ALL


def test_a_file_that_moves_changes_both_folders(repository):
    """The function that loses a file is another one, too."""
    repository("mv", "orders/orders.py", "billing/prices.py")
    commit(repository)

    assert changed(repository)[0] == ["Billing", "Orders"]


def test_what_main_did_since_is_not_the_branchs(repository):
    """Compared is with where the branch left main, not with main as it is now."""
    commit(repository, "billing/billing.py")
    repository("switch", "-q", "main")
    commit(repository, "orders/orders.py")
    repository("switch", "-q", "branch")

    assert changed(repository)[0] == ["Billing"]


def test_in_a_folder_of_a_larger_repository(repository, tmp_path):
    """What is beside the application is nobody's, and paths are those below it."""
    shutil.rmtree(repository.where / ".git")
    repository.where = tmp_path
    repository("init", "-q", "-b", "main")
    commit(repository, "README.md")
    repository("switch", "-q", "-c", "branch")
    commit(repository, "shop/billing/billing.py", "elsewhere/orders.py")
    repository.where = tmp_path / "shop"

    assert changed(repository)[0] == ["Billing"]


@pytest.mark.parametrize("base", ["0" * 40, "1" * 40, "origin/none"])
def test_without_a_known_commit_to_compare_with_all_are_built(repository, base):
    """The first push of a branch (zeros), a commit that a force push took away, a clone without history."""
    functions, said = changed(repository, base)

    assert functions == ALL
    assert said.endswith("all functions are built\n")


# The rollback.

NOW = datetime(2026, 11, 29, 3, 41, tzinfo=timezone(timedelta(hours=1)))  # as boto3 gives it: local
STACK = [
    ("ServerlessDeploymentApplication", "AWS::CodeDeploy::Application", "shop-app"),
    *((f"{name}DeploymentGroup", "AWS::CodeDeploy::DeploymentGroup", f"{name}-group") for name in ALL),
]


class CloudFormation:
    """Its two calls: the resources of a stack, over two pages, and the stack's status."""

    def __init__(self, resources, statuses):
        self.resources, self.statuses = resources, statuses

    def get_paginator(self, _operation):
        return self

    def paginate(self, StackName):
        yield {
            "StackResourceSummaries": [{"LogicalResourceId": "Broken", "ResourceType": "AWS::Lambda::Alias"}]
        }
        yield {
            "StackResourceSummaries": [
                {"LogicalResourceId": name, "ResourceType": kind, "PhysicalResourceId": physical}
                for name, kind, physical in self.resources
            ]
        }

    def describe_stacks(self, StackName):
        return {"Stacks": [{"StackStatus": self.statuses.pop(0)}]}


class CodeDeploy:
    """Deployments by group, and those that were stopped; moto's have no status but `Created`."""

    def __init__(self):
        self.deployments, self.stopped = {}, []

    def add(self, function, before, after, *, ago=timedelta(), status="Succeeded", creator="CloudFormation"):
        properties = {"Name": "x", "Alias": "live", "CurrentVersion": before, "TargetVersion": after}
        content = {
            "version": 0.0,
            "Resources": [{"x": {"Type": "AWS::Lambda::Function", "Properties": properties}}],
        }
        name = f"d-{len(self.deployments)}"
        self.deployments[name] = {
            "deploymentId": name,
            "deploymentGroupName": f"{function}-group",
            "status": status,
            "creator": creator,
            "createTime": NOW - ago,
            "revision": {
                "revisionType": "AppSpecContent",
                "appSpecContent": {"content": json.dumps(content)},
            },
        }
        return name

    def get_paginator(self, _operation):
        return self

    def paginate(self, applicationName, deploymentGroupName, includeOnlyStatuses):
        assert applicationName == "shop-app"
        names = [
            name
            for name, one in self.deployments.items()
            if one["deploymentGroupName"] == deploymentGroupName and one["status"] in includeOnlyStatuses
        ]
        yield {"deployments": names[:1]}
        yield {"deployments": names[1:]}

    def batch_get_deployments(self, deploymentIds):
        assert 0 < len(deploymentIds) <= 25
        return {"deploymentsInfo": [self.deployments[name] for name in deploymentIds]}

    def stop_deployment(self, deploymentId, autoRollbackEnabled):
        self.stopped.append((deploymentId, autoRollbackEnabled))


class Shop:
    """The functions with versions and aliases in moto, and the rollback's way to them."""

    def __init__(self, lambda_):
        self.lambda_, self.codedeploy, self.slept = lambda_, CodeDeploy(), []
        self.statuses, aliases = ["UPDATE_COMPLETE"], []
        for name in ALL:
            arn = lambda_.get_function(FunctionName=name)["Configuration"]["FunctionArn"]
            aliases.append((f"{name}Aliaslive", "AWS::Lambda::Alias", f"{arn}:live"))
        self.cloudformation = CloudFormation([*STACK, *aliases], self.statuses)

    def point(self, function, version, weights=None):
        routing = {"AdditionalVersionWeights": weights or {}}
        self.lambda_.update_alias(
            FunctionName=function, Name="live", FunctionVersion=version, RoutingConfig=routing
        )

    def live(self):
        found = {name: self.lambda_.get_alias(FunctionName=name, Name="live") for name in ALL}
        assert not any(
            (one.get("RoutingConfig") or {}).get("AdditionalVersionWeights") for one in found.values()
        )
        return {name: int(one["FunctionVersion"]) for name, one in found.items()}

    def roll_back(self, *arguments, answer="y"):
        clients = {
            "lambda": self.lambda_,
            "cloudformation": self.cloudformation,
            "codedeploy": self.codedeploy,
        }
        script("rollback").main(
            ["shop", *arguments], clients.get, self.slept.append, lambda _question: answer
        )


@pytest.fixture
def functions():
    """Have the shop's functions with four published versions each, and an alias."""
    # Without docker, which moto's way of running functions wants; here none runs.
    with mock_aws(config={"lambda": {"use_docker": False}}):
        lambda_ = boto3.client("lambda", region_name="eu-west-1")
        iam = boto3.client("iam", region_name="eu-west-1")
        role = iam.create_role(RoleName="shop", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
        code = {"ZipFile": bytes.fromhex("504b0506" + "00" * 18)}  # an empty one
        for name in ALL:
            lambda_.create_function(
                FunctionName=name, Runtime="python3.12", Role=role, Handler="a.b", Code=code
            )
            for number in range(4):
                lambda_.update_function_configuration(FunctionName=name, Description=str(number))
                lambda_.publish_version(FunctionName=name)
            lambda_.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
        yield lambda_


@pytest.fixture
def shop(functions):
    """Have a shop whose Billing and Orders were released just now, and Shipping in March."""
    found = Shop(functions)
    for function, before, after in (("Billing", "1", "2"), ("Orders", "1", "2"), ("Shipping", "1", "2")):
        found.codedeploy.add(function, before, after, ago=timedelta(days=250))
        found.point(function, after)
    for function in ("Billing", "Orders"):
        found.codedeploy.add(function, "2", "3")
        found.point(function, "3")
    return found


def test_the_functions_of_the_last_release_go_back(shop, capsys):
    """Billing and Orders get the version that the release replaced; Shipping, untouched since March, keeps its own."""
    shop.roll_back("--yes")

    assert shop.live() == {"Billing": 2, "Orders": 2, "Shipping": 2}
    assert (
        "Billing: live from version 3 to 2, which the release of 2026-11-29 02:41 UTC replaced"
        in capsys.readouterr().out
    )


def test_the_version_before_is_not_the_number_before(shop):
    """Version 3 was rolled back by an alarm, 4 replaced 2: from 4 the way leads to 2."""
    shop.codedeploy.add("Billing", "2", "3", status="Stopped", ago=timedelta(minutes=-10))
    shop.codedeploy.add("Billing", "3", "2", creator="codeDeployRollback", ago=timedelta(minutes=-11))
    shop.codedeploy.add("Billing", "2", "4", ago=timedelta(minutes=-20))
    shop.point("Billing", "4")

    shop.roll_back("--function", "Billing", "--yes")

    assert shop.live()["Billing"] == 2


def test_a_rollback_is_no_release_to_roll_back(shop, capsys):
    """After CodeDeploy has put an alias back, the version before isn't the one that failed."""
    shop.codedeploy.add("Shipping", "2", "3", status="Failed", ago=timedelta(minutes=5))
    shop.codedeploy.add("Shipping", "3", "2", creator="codeDeployRollback", ago=timedelta(minutes=4))

    shop.roll_back("--function", "Shipping", "--yes")

    assert shop.live()["Shipping"] == 1  # what the release of March replaced
    assert "live from version 2 to 1" in capsys.readouterr().out


def test_a_version_that_was_pointed_to_by_hand_is_left_alone(shop, capsys):
    """A deployment that failed put nothing there: it doesn't tell what was there before."""
    shop.codedeploy.add("Shipping", "2", "3", status="Failed")
    shop.point("Shipping", "3")

    shop.roll_back("--function", "Shipping", "--yes")

    assert shop.live()["Shipping"] == 3
    assert "or one that was pointed to by hand: name one with --to" in capsys.readouterr().out


def test_a_second_rollback_does_not_go_further_back_by_itself(shop, capsys):
    """What points to the version before already was released long ago, and is left alone."""
    shop.roll_back("--yes")
    shop.codedeploy.add("Shipping", "2", "4")
    shop.point("Shipping", "4")
    shop.roll_back("--yes")

    assert shop.live() == {"Billing": 2, "Orders": 2, "Shipping": 2}
    assert (
        "Billing: left alone at version 2: released 2026-03-24 02:41 UTC, before the last release"
        in capsys.readouterr().out
    )


def test_a_release_under_way_is_stopped(shop, capsys):
    """CodeDeploy puts the alias back; it isn't moved by hand beside it."""
    deployment = shop.codedeploy.add("Billing", "3", "4", status="InProgress")
    shop.lambda_.update_alias(
        FunctionName="Billing", Name="live", RoutingConfig={"AdditionalVersionWeights": {"4": 0.1}}
    )
    before = shop.lambda_.get_alias(FunctionName="Billing", Name="live")["RevisionId"]

    shop.roll_back("--yes")

    assert shop.codedeploy.stopped == [(deployment, True)]
    assert shop.lambda_.get_alias(FunctionName="Billing", Name="live")["RevisionId"] == before
    assert f"Billing: stop {deployment}" in capsys.readouterr().out


def test_a_hotfix_waits_until_the_stack_is_at_rest(shop, capsys):
    """`--under-way` stops what is being shifted, and waits for CloudFormation, which rolls back as well."""
    shop.codedeploy.add("Orders", "3", "4", status="Created")
    shop.statuses[:] = ["UPDATE_IN_PROGRESS", "UPDATE_ROLLBACK_IN_PROGRESS", "UPDATE_ROLLBACK_COMPLETE"]

    shop.roll_back("--under-way", "--yes")

    assert len(shop.codedeploy.stopped) == 1
    assert shop.slept == [5, 5]
    assert capsys.readouterr().out.endswith("shop is at rest: UPDATE_ROLLBACK_COMPLETE\n")


def test_a_hotfix_with_nothing_under_way_changes_nothing(shop, capsys):
    """`--under-way` alone never moves an alias."""
    shop.roll_back("--under-way", "--yes")

    assert shop.live() == {"Billing": 3, "Orders": 3, "Shipping": 2}
    assert capsys.readouterr().out == "nothing to do\nshop is at rest: UPDATE_COMPLETE\n"


def test_a_stack_that_does_not_come_to_rest_is_said(shop):
    """After a quarter of an hour a person has to look."""
    shop.statuses[:] = ["UPDATE_IN_PROGRESS"] * 180

    with pytest.raises(SystemExit, match="shop is still UPDATE_IN_PROGRESS after 15 minutes"):
        shop.roll_back("--under-way", "--yes")


@pytest.mark.parametrize(
    "arguments", [[], ["--function", "Billing", "--to", "3"]], ids=["by itself", "by hand"]
)
def test_weights_that_were_left_behind_are_taken_away(shop, arguments, capsys):
    """A deployment that was stopped without a rollback leaves two versions; later deployments would all fail."""
    shop.point("Billing", "3", {"4": 0.1})

    shop.roll_back(*arguments, "--yes")

    assert shop.live()["Billing"] == 3
    assert "Billing: live from version 3 to 3" in capsys.readouterr().out


def test_it_asks_first(shop, capsys):
    """Without a yes nothing is changed, and the plan has been shown."""
    with pytest.raises(SystemExit, match="nothing was changed"):
        shop.roll_back(answer="")

    assert shop.live() == {"Billing": 3, "Orders": 3, "Shipping": 2}
    assert "Orders: live from version 3 to 2" in capsys.readouterr().out


def test_somebody_who_was_quicker_is_not_overruled(shop):
    """What was shown belongs to one revision of the alias; Lambda refuses to move another one (moto doesn't)."""
    seen = shop.lambda_.get_alias(FunctionName="Billing", Name="live")["RevisionId"]
    asked = []
    events = shop.lambda_.meta.events
    events.register("before-parameter-build.lambda.UpdateAlias", lambda params, **_: asked.append(params))

    shop.roll_back("--function", "Billing", "--yes")

    assert [params["RevisionId"] for params in asked] == [seen]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--function", "Nobody"], "Nobody isn't in shop: Billing, Orders, Shipping"),
        (["--function", "Orders", "--to", "99"], "99"),
        (["--to", "3"], "2"),  # the exit code of a wrong command line
    ],
)
def test_mistakes_are_told_apart(shop, arguments, said):
    """A function, a version that isn't there, and a version without its function."""
    with pytest.raises(SystemExit, match=said):
        shop.roll_back(*arguments, "--yes")

    assert shop.live() == {"Billing": 3, "Orders": 3, "Shipping": 2}


def test_the_first_version_has_none_before(shop, capsys):
    """A function that was never deployed again is left alone, and it says how to choose."""
    shop.codedeploy.deployments.clear()
    shop.roll_back("--yes")

    assert shop.live() == {"Billing": 3, "Orders": 3, "Shipping": 2}
    assert "name one with --to" in capsys.readouterr().out


def test_a_stack_that_is_not_there(monkeypatch):
    """AWS's own words, and no traceback."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")

    with mock_aws(), pytest.raises(SystemExit, match=r"rollback: .*nowhere"):
        script("rollback").main(["nowhere", "--yes"])


# The workflows.


def resources(shifting):
    _, document = load(APP / "template.yaml")
    return sam.translate("template.yaml", document, {"Shifting": shifting, "Layer": ""}, "eu-west-1")[0][
        "Resources"
    ]


@pytest.mark.parametrize(
    ("workflow", "configuration"),
    [("hotfix", "LambdaAllAtOnce"), ("release", "LambdaCanary10Percent10Minutes")],
)
def test_a_path_to_production_shifts_as_it_says(workflow, configuration):
    """The parameter that a workflow gives to `sam deploy` becomes CodeDeploy's configuration of each function."""
    shifting = WORKFLOWS[workflow]["jobs"]["production"]["with"]["shifting"]
    [deploy] = [
        step for step in WORKFLOWS["deploy"]["jobs"]["deploy"]["steps"] if "sam deploy" in step.get("run", "")
    ]
    assert '--parameter-overrides "Shifting=$SHIFTING"' in deploy["run"]
    assert deploy["env"]["SHIFTING"] == "${{ inputs.shifting }}"

    groups = [
        one for one in resources(shifting).values() if one["Type"] == "AWS::CodeDeploy::DeploymentGroup"
    ]
    assert len(groups) == 3
    for group in groups:
        prefix, values = group["Properties"]["DeploymentConfigName"]["Fn::Sub"]
        assert prefix.replace("${ConfigName}", values["ConfigName"]) == f"CodeDeployDefault.{configuration}"


def test_each_function_is_rolled_back_by_alarms_that_can_fire_within_a_step():
    """At most ten alarms a function, all of its new version, and each decided in less than the canary's ten minutes."""
    found = resources("Canary10Percent10Minutes")
    for name in ALL:
        group = found[f"{name}DeploymentGroup"]["Properties"]
        assert "DEPLOYMENT_STOP_ON_ALARM" in group["AutoRollbackConfiguration"]["Events"]
        alarms = [alarm["Name"]["Ref"] for alarm in group["AlarmConfiguration"]["Alarms"]]
        assert 1 <= len(alarms) <= 10
        for alarm in alarms:
            properties = found[alarm]["Properties"]
            periods = re.findall(r'"Period": (\d+)', json.dumps(properties))
            assert max(map(int, periods)) * properties["EvaluationPeriods"] < 600
            assert re.search(
                rf'"ExecutedVersion", "Value": {{"Fn::GetAtt": \["{name}Version', json.dumps(properties)
            )


def test_a_hotfix_skips_staging_and_waiting_and_nothing_else():
    """Its tests, its build and its deployment are those of a release; it needs both before it goes to production."""
    hotfix, release = WORKFLOWS["hotfix"]["jobs"], WORKFLOWS["release"]["jobs"]

    assert hotfix["test"] == release["test"]
    assert hotfix["build"] == release["build"]
    assert hotfix["production"]["uses"] == release["production"]["uses"]
    assert hotfix["production"]["needs"] == ["test", "build"]
    assert hotfix["production"]["with"]["interrupt"] is True
    assert release.keys() - hotfix.keys() == {"staging"}


def test_production_gets_the_bytes_that_were_in_staging():
    """Both deployments name the same artefact by its SHA-256, and a release builds once."""
    release = WORKFLOWS["release"]["jobs"]

    assert release["staging"]["with"]["sha256"] == release["production"]["with"]["sha256"]
    assert [name for name, job in release.items() if job["uses"].endswith("build.yml")] == ["build"]


def test_only_jobs_that_deploy_can_ask_for_a_role():
    """A pull request, whose code nobody has read, can't get a token that AWS takes for a role."""
    for name in ("pull-request", "test", "build"):
        assert "id-token" not in json.dumps(WORKFLOWS[name])


def commands(steps):
    """Return what steps run, with the variables and parameters of both services written alike."""
    texts = (step.get("run", "") for step in steps if isinstance(step, dict))
    found = [text["command"] if isinstance(text, dict) else text for text in texts]
    return [re.sub(r"<< parameters\.shifting >>", "$SHIFTING", text) for text in found]


def test_circleci_runs_the_same_commands():
    """Testing, deploying, stopping and rolling back are spelt alike on both services."""
    jobs = yaml.safe_load((APP / ".circleci" / "config.yml").read_text())["jobs"]
    conditional = [step for one in jobs["deploy"]["steps"] if "when" in one for step in one["when"]["steps"]]
    names = ("test", "deploy", "roll-back")
    circle = commands([*(step for name in names for step in jobs[name]["steps"]), *conditional])
    github = [
        command
        for name, job in (("test", "test"), ("deploy", "deploy"), ("rollback", "rollback"))
        for command in commands(WORKFLOWS[name]["jobs"][job]["steps"])
    ]

    for start in (
        "python -m pytest",
        "sam deploy",
        'python pipeline/rollback.py "$STACK" --under',
        'python pipeline/rollback.py "$STACK" $',
    ):
        [ours] = [command for command in github if command.startswith(start)]
        assert ours in circle


def test_a_hotfix_on_circleci_needs_tests_and_build_and_nobodys_yes():
    """Its jobs run for the tag alone, in the order of a release, without staging and without an approval."""
    workflows = yaml.safe_load((APP / ".circleci" / "config.yml").read_text())["workflows"]
    hotfix = {
        name: job for one in workflows["hotfix"]["jobs"] if isinstance(one, dict) for name, job in one.items()
    }

    assert list(hotfix) == ["test", "build", "deploy", "merged"]
    assert hotfix["deploy"]["requires"] == ["test", "build"]
    assert hotfix["deploy"]["shifting"] == "AllAtOnce"
    assert {str(job["filters"]) for job in hotfix.values()} == {
        "{'tags': {'only': '/^hotfix\\\\/.*/'}, 'branches': {'ignore': '/.*/'}}"
    }
    assert any(
        job.get("type") == "approval"
        for one in workflows["release"]["jobs"]
        if isinstance(one, dict)
        for job in one.values()
    )


class Tags(yaml.SafeLoader):
    """Reads `!Sub text` as the text."""


Tags.add_multi_constructor("!", lambda loader, _tag, node: getattr(node, "value", None))


def test_the_role_may_do_what_the_rollback_calls(shop):
    """Every call of the rollback is among the actions of the pipeline's role."""
    template = yaml.load((APP / "pipeline" / "roles.yaml").read_text(), Tags)
    [policy] = template["Resources"]["Pipeline"]["Properties"]["Policies"]
    allowed = {
        action
        for statement in policy["PolicyDocument"]["Statement"]
        for action in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
    }
    source = (APP / "pipeline" / "rollback.py").read_text()
    called = re.findall(
        r"self\.(lambda_|cloudformation|codedeploy)\.(?:get_paginator\(\"(\w+)|(\w+)\()", source
    )
    called += re.findall(r"stack\.(lambda_|codedeploy)\.()(\w+)\(", source)
    needed = {
        f"{service.rstrip('_')}:{(paged or single).title().replace('_', '')}"
        for service, paged, single in called
    }

    assert len(needed) == 7
    assert needed <= allowed


def test_every_file_and_script_that_a_workflow_names_is_there():
    """Copied as it stands, the folder has what its workflows call."""
    files = [*(APP / ".github" / "workflows").glob("*.yml"), APP / ".circleci" / "config.yml"]
    text = "\n".join(path.read_text() for path in files)
    named = set(re.findall(r"\b(?:pipeline/[\w./-]+\.\w+|[\w-]+\.txt)", text)) | set(
        re.findall(r"\./(\.github/\S+)", text)
    )

    assert {
        "pipeline/changed.py",
        "pipeline/rollback.py",
        "constraints.txt",
        ".github/workflows/deploy.yml",
    } <= named
    assert [name for name in sorted(named) if not (APP / name).exists()] == []


def test_the_lock_has_what_the_functions_and_the_tests_ask_for():
    """Each requirement is pinned: a build from the same commit has the same packages in a year."""
    pinned = set(re.findall(r"^([\w.-]+)==", (APP / "constraints.txt").read_text(), re.MULTILINE))
    asked = [
        re.split(r"[\[=<>; ]", line)[0]
        for path in [*APP.glob("*/requirements.txt"), APP / "requirements-dev.txt"]
        for line in path.read_text().splitlines()
        if line and not line.startswith("#") and path.parent.name != "pipeline"
    ]

    assert set(asked) <= pinned
    assert {"aws-lambda-powertools", "aws-xray-sdk", "botocore", "wrapt"} <= pinned


@pytest.mark.slow
def test_the_shops_own_tests_pass_where_it_was_copied_to(tmp_path):
    """The step `python -m pytest tests`, away from this repository."""
    shutil.copytree(APP, tmp_path / "shop", ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", "tests"]
    done = subprocess.run(command, cwd=tmp_path / "shop", check=False, capture_output=True, text=True)

    assert done.returncode == 0, done.stdout
