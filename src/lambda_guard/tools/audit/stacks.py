"""The templates of deployed stacks, with the values that their parameters have, and of the stacks nested in them."""

import json
from collections.abc import Iterator
from dataclasses import replace

from lambda_guard.templates.marks import written
from lambda_guard.templates.survey.model import Survey
from lambda_guard.templates.survey.reading import survey
from lambda_guard.tools.audit.asking import Asking
from lambda_guard.tools.aws import CloudError

_NESTED = "AWS::CloudFormation::Stack"


def stack(asking: Asking, name: str) -> Iterator[Survey]:
    """Yield what a stack's template says, then those of its nested stacks.

    Raises:
        CloudError: there is no such stack, or it may not be read.
        TemplateError: its template can't be read.
    """
    template = asking.one("cloudformation", "get_template", StackName=name, TemplateStage="Original")
    described = asking.one("cloudformation", "describe_stacks", StackName=name)
    if template is None or described is None:
        refused = [asking.refused.get(f"cloudformation.{it}") for it in ("get_template", "describe_stacks")]
        missing = f"there is no stack {name} in {asking.region} of account {asking.account}"
        raise CloudError(next((it for it in refused if it), missing))
    about = described["Stacks"][0]
    body = template["TemplateBody"]
    found = survey(
        written(f"stack {about['StackName']}", body if isinstance(body, str) else json.dumps(body, indent=1)),
        {**_pseudo(about["StackId"]), **_parameters(about)},
    )
    resources = asking.pages(
        "cloudformation", "list_stack_resources", "StackResourceSummaries", StackName=name
    )
    ids = {it["LogicalResourceId"]: it.get("PhysicalResourceId") for it in resources}
    physical = {it: value.rsplit("/", 1)[-1] for it, value in ids.items() if value}  # a queue's is its URL
    yield replace(
        found,
        functions=tuple(replace(it, name=physical.get(it.logical_id, it.name)) for it in found.functions),
        queues=tuple(replace(it, name=physical.get(it.logical_id, it.name)) for it in found.queues),
    )
    for it in resources:
        if it["ResourceType"] == _NESTED and it.get("PhysicalResourceId"):
            yield from stack(asking, it["PhysicalResourceId"])


def _parameters(about: dict[str, object]) -> dict[str, str]:
    """Return the values of the parameters; NoEcho ones are asterisks, and resolved ones what they resolved to."""
    listed = about.get("Parameters")
    entries = listed if isinstance(listed, list) else []
    return {it["ParameterKey"]: it.get("ResolvedValue") or it["ParameterValue"] for it in entries}


def _pseudo(stack_id: str) -> dict[str, str]:
    """Return the pseudo parameters of a stack.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/pseudo-parameter-reference.html
    """
    _, partition, _, region, account, resource = stack_id.split(":", 5)
    return {
        "AWS::AccountId": account,
        "AWS::Partition": partition,
        "AWS::Region": region,
        "AWS::StackId": stack_id,
        "AWS::StackName": resource.split("/")[1],
    }
