"""Points the aliases of a stack back to the versions before.

    python pipeline/rollback.py shop                  # the functions of the last release; asks first
    python pipeline/rollback.py shop --function Billing
    python pipeline/rollback.py shop --function Billing --to 41
    python pipeline/rollback.py shop --under-way      # only stop a release whose traffic is being shifted, and wait

A release that is still being shifted is stopped: CodeDeploy then puts the alias back by itself. Otherwise the version
before is the one that CodeDeploy replaced, which needn't be the number before: a version that an alarm has rolled back
has a number, too. Needs boto3, credentials, and a Region.
"""

import argparse
import sys
import time
from datetime import UTC, timedelta

import boto3
import yaml
from botocore.exceptions import BotoCoreError, ClientError

SHIFTING = ["Created", "Queued", "InProgress", "Baking", "Ready"]
ONE_RELEASE = timedelta(hours=1)  # its deployments begin within minutes of each other
ROLLBACKS = {"codeDeployRollback", "CloudFormationRollback"}
TIME = "%Y-%m-%d %H:%M UTC"
NO_WEIGHTS = {"AdditionalVersionWeights": {}}


class RollbackError(Exception):
    """What can't be done, and what to say instead."""


def main(arguments, client=boto3.client, sleep=time.sleep, ask=input):
    options = parse(arguments)
    try:
        stack = Stack(options.stack, client)
        steps = plan(stack, options)
        for step in steps:
            print(step)
        to_do = [step for step in steps if step.do]
        if to_do and not options.yes and ask("roll back? [y/N] ").strip().lower() not in ("y", "yes"):
            sys.exit("nothing was changed")
        for step in to_do:
            step.run()
        if not to_do:
            print("nothing to do")
        if options.under_way:
            stack.settle(sleep)
    except (BotoCoreError, ClientError, RollbackError) as error:
        sys.exit(f"rollback: {error}")


def parse(arguments):
    parser = argparse.ArgumentParser(
        prog="rollback.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("stack", help="name of the CloudFormation stack")
    parser.add_argument(
        "--function", action="append", default=[], metavar="ID", help="its name in the template"
    )
    parser.add_argument("--to", metavar="VERSION", help="a version's number; with one --function")
    parser.add_argument("--under-way", action="store_true", help="only stop what is being shifted, and wait")
    parser.add_argument("--yes", action="store_true", help="don't ask")
    options = parser.parse_args(arguments)
    if options.to and len(options.function) != 1:
        parser.error(
            "--to needs one --function: versions of different functions have nothing to do with each other"
        )
    return options


class Stack:
    """The aliases of a stack, and the deployments that moved them."""

    def __init__(self, name, client):
        self.name, self.lambda_ = name, client("lambda")
        self.cloudformation, self.codedeploy = client("cloudformation"), client("codedeploy")
        pages = self.cloudformation.get_paginator("list_stack_resources").paginate(StackName=name)
        kinds = {}
        for resource in (resource for page in pages for resource in page["StackResourceSummaries"]):
            # A resource that couldn't be created has no id.
            if found := resource.get("PhysicalResourceId"):
                kinds.setdefault(resource["ResourceType"], {})[resource["LogicalResourceId"]] = found
        self.application = next(iter(kinds.get("AWS::CodeDeploy::Application", {}).values()), None)
        # SAM names them `OrdersAliaslive` and `OrdersDeploymentGroup`:
        # https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/sam-specification-generated-resources-function.html
        groups = kinds.get("AWS::CodeDeploy::DeploymentGroup", {})
        self.functions = {
            logical.removesuffix("DeploymentGroup"): (alias, group)
            for logical, group in groups.items()
            for name_, alias in kinds.get("AWS::Lambda::Alias", {}).items()
            if name_.startswith(logical.removesuffix("DeploymentGroup") + "Alias")
        }
        if not self.functions:
            raise RollbackError(f"{name} has no function with an alias and a DeploymentPreference")

    def alias(self, function):
        arn, _, alias = self.functions[function][0].rpartition(":")
        return self.lambda_.get_alias(FunctionName=arn, Name=alias) | {"FunctionName": arn}

    def shifting(self, function):
        return self._deployments(function, SHIFTING)

    def replacements(self, function):
        """Return what each release of a function did, the newest first: (begin, version before, version after)."""
        found = self._details(self._deployments(function, ["Succeeded"]))
        releases = [one for one in found if one.get("creator") not in ROLLBACKS]
        return [
            (one["createTime"], *versions(one))
            for one in sorted(releases, key=lambda one: one["createTime"], reverse=True)
        ]

    def settle(self, sleep):
        """Wait until CloudFormation has rolled back, too: until then it refuses the next deployment."""
        for _ in range(180):
            status = self.cloudformation.describe_stacks(StackName=self.name)["Stacks"][0]["StackStatus"]
            if not status.endswith("_IN_PROGRESS"):
                return print(f"{self.name} is at rest: {status}")
            sleep(5)
        raise RollbackError(
            f"{self.name} is still {status} after 15 minutes: look at its events in the console"
        )

    def _deployments(self, function, statuses):
        pages = self.codedeploy.get_paginator("list_deployments").paginate(
            applicationName=self.application,
            deploymentGroupName=self.functions[function][1],
            includeOnlyStatuses=statuses,
        )
        return [deployment for page in pages for deployment in page["deployments"]]

    def _details(self, deployments):
        for first in range(0, len(deployments), 25):  # as many as one call takes
            answer = self.codedeploy.batch_get_deployments(deploymentIds=deployments[first : first + 25])
            yield from answer["deploymentsInfo"]


def versions(deployment):
    """Return the version that a deployment replaced and the one that it put there, from its AppSpec, JSON or YAML.

    https://docs.aws.amazon.com/codedeploy/latest/userguide/reference-appspec-file-structure-resources.html
    """
    revision = deployment["revision"]
    content = (revision.get("appSpecContent") or revision.get("string") or {}).get("content", "")
    resources = (yaml.safe_load(content) or {}).get("Resources") or [{}]
    properties = next(iter(resources[0].values()), {}).get("Properties", {})
    return str(properties.get("CurrentVersion")), str(properties.get("TargetVersion"))


class Step:
    """What is done with one function, and why; nothing, where `do` is None."""

    def __init__(self, function, text, do=None):
        self.function, self.text, self.do = function, text, do

    def __str__(self):
        return f"{self.function}: {self.text}"

    def run(self):
        self.do()
        print(f"{self.function}: done")


def plan(stack, options):
    chosen = options.function or list(stack.functions)
    if unknown := set(chosen) - stack.functions.keys():
        raise RollbackError(
            f"{', '.join(sorted(unknown))} isn't in {stack.name}: {', '.join(stack.functions)}"
        )
    stops = {function: stack.shifting(function) for function in chosen}
    if any(stops.values()) or options.under_way:
        return [stop(stack, function, one) for function in chosen for one in stops[function]]
    if options.to:
        return [back(stack, stack.alias(chosen[0]), chosen[0], options.to, "as asked")]
    releases = {function: stack.replacements(function) for function in chosen}
    newest = max((found[0][0] for found in releases.values() if found), default=None)
    return [one_back(stack, function, found, options, newest) for function, found in releases.items()]


def stop(stack, function, deployment):
    return Step(
        function,
        f"stop {deployment}, which is shifting its traffic; CodeDeploy puts the alias back",
        lambda: stack.codedeploy.stop_deployment(deploymentId=deployment, autoRollbackEnabled=True),
    )


def one_back(stack, function, releases, options, newest):
    alias = stack.alias(function)
    now = alias["FunctionVersion"]
    if (alias.get("RoutingConfig") or {}).get("AdditionalVersionWeights"):
        return back(stack, alias, function, now, "without the weights that a stopped deployment left")
    release = next((one for one in releases if one[2] == now), None)
    if release is None:
        known = "its first, or one that was pointed to by hand"
        return Step(function, f"left alone at version {now}, {known}: name one with --to")
    begun, before = release[0].astimezone(UTC), release[1]
    if not options.function and newest - begun > ONE_RELEASE:
        return Step(
            function, f"left alone at version {now}: released {begun:{TIME}}, before the last release"
        )
    return back(stack, alias, function, before, f"which the release of {begun:{TIME}} replaced")


def back(stack, alias, function, version, why):
    # Weights that a stopped deployment left behind make every later deployment fail; the empty ones take them away.
    # https://docs.aws.amazon.com/codedeploy/latest/userguide/troubleshooting-deployments-lambda.html
    def move():
        stack.lambda_.update_alias(
            FunctionName=alias["FunctionName"],
            Name=alias["Name"],
            FunctionVersion=version,
            RoutingConfig=NO_WEIGHTS,
            RevisionId=alias["RevisionId"],  # refused, if somebody else has moved it since
        )

    return Step(
        function, f"{alias['Name']} from version {alias['FunctionVersion']} to {version}, {why}", move
    )


if __name__ == "__main__":
    main(sys.argv[1:])
