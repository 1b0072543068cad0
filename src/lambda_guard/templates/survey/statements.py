"""Where a template grants permissions: roles, policies, SAM's `Policies`, and the policies of resources.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements.html
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from lambda_guard.templates.survey.functions import SAM, properties
from lambda_guard.templates.survey.model import Statement, Survey
from lambda_guard.templates.survey.nodes import Node, Template, Text

_ROLE: Final = "AWS::IAM::Role"
_IDENTITIES: Final = {
    "AWS::IAM::Policy",
    "AWS::IAM::ManagedPolicy",
    "AWS::IAM::RolePolicy",
    "AWS::IAM::UserPolicy",
    "AWS::IAM::GroupPolicy",
}
_OF_RESOURCES: Final = {
    "AWS::SQS::QueuePolicy": "PolicyDocument",
    "AWS::SQS::QueueInlinePolicy": "PolicyDocument",
    "AWS::SNS::TopicPolicy": "PolicyDocument",
    "AWS::SNS::TopicInlinePolicy": "PolicyDocument",
    "AWS::SecretsManager::ResourcePolicy": "ResourcePolicy",
    "AWS::Events::EventBus": "Policy",
    "AWS::ECR::Repository": "RepositoryPolicyText",
    "AWS::Kinesis::ResourcePolicy": "ResourcePolicy",
    "AWS::Logs::ResourcePolicy": "PolicyDocument",
    "AWS::KMS::Key": "KeyPolicy",
}
"""Types with a policy of who may use the resource, and the property that holds it."""
_PERMISSIONS: Final = {"AWS::Lambda::Permission", "AWS::Lambda::LayerVersionPermission"}


def statements(template: Template, survey: Survey) -> Iterator[Statement]:
    """Yield every statement that allows something."""
    users = _users(template)
    for logical_id, kind, resource in template.resources():
        it = properties(template, logical_id, kind, resource)
        if kind in {SAM, "AWS::Serverless::StateMachine"}:
            functions = (logical_id,) if kind == SAM else ()
            yield from _sam_policies(it, functions)
        elif kind == _ROLE:
            yield from _role(it, users.get(logical_id, ()))
        elif kind in _IDENTITIES:
            yield from _document(it.at("PolicyDocument"), "identity", _attached(it, users))
        elif kind in _OF_RESOURCES:
            key = "key" if kind == "AWS::KMS::Key" else "resource"
            yield from _document(it.at(_OF_RESOURCES[kind]), key, ())
        elif kind in _PERMISSIONS:
            yield from _permission(it, survey)


def _users(template: Template) -> dict[str, tuple[str, ...]]:
    """Return the functions of each role."""
    users: dict[str, tuple[str, ...]] = {}
    for logical_id, kind, resource in template.resources():
        if kind in {SAM, "AWS::Lambda::Function"}:
            role = str(properties(template, logical_id, kind, resource).at("Role").text)
            name = role.removeprefix("${").split(".")[0]
            users[name] = (*users.get(name, ()), logical_id)
    return users


def _attached(it: Node, users: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    roles = [*it.at("Roles").items(), *it.at("RoleName").items()]
    names = (str(role.text).removeprefix("${").removesuffix("}") for role in roles)
    return tuple(function for name in names for function in users.get(name, ()))


def _role(it: Node, functions: tuple[str, ...]) -> Iterator[Statement]:
    for policy in it.at("Policies").items():
        yield from _document(policy.at("PolicyDocument"), "identity", functions)
    for arn in it.at("ManagedPolicyArns").items():
        yield from _managed(arn, functions)
    yield from _document(it.at("AssumeRolePolicyDocument"), "resource", functions)


def _sam_policies(it: Node, functions: tuple[str, ...]) -> Iterator[Statement]:
    """Yield SAM's `Policies`: a name, an ARN, a document, or one of SAM's own templates with its arguments."""
    for policy in it.at("Policies").items():
        if isinstance(policy.raw, dict) and policy.at("Statement").raw is not None:
            yield from _document(policy, "identity", functions)
        elif isinstance(policy.raw, str):
            yield from _managed(policy, functions)
        else:
            for name, arguments in policy.entries():
                yield from _sam_template(name, arguments, functions)


def _sam_template(name: str, arguments: Node, functions: tuple[str, ...]) -> Iterator[Statement]:
    """Yield a statement for a policy template that is given `*` in place of a resource's name."""
    values = tuple(node.text for _, node in arguments.entries())
    if "*" in values:
        yield Statement(
            kind="identity",
            owner=str(arguments.steps[1]),
            place=arguments.place,
            actions=(name,),
            resources=("*",),
            functions=functions,
        )


def _managed(it: Node, functions: tuple[str, ...]) -> Iterator[Statement]:
    text = it.text
    if isinstance(text, str) or (text is not None and ":policy/" in str(text)):
        name = str(text).rsplit("/", 1)[-1]
        yield Statement(
            kind="identity", owner=str(it.steps[1]), place=it.place, managed=name, functions=functions
        )


def _document(it: Node, kind: Any, functions: tuple[str, ...]) -> Iterator[Statement]:
    if isinstance(it.raw, str):
        try:
            it = Node(it.template, json.loads(it.raw), it.steps)
        except ValueError:
            return
    for document in it.branches():
        for statement in document.at("Statement").items():
            if statement.at("Effect").text == "Allow":
                yield _statement(statement, kind, functions)


def _statement(it: Node, kind: Any, functions: tuple[str, ...]) -> Statement:
    return Statement(
        kind=kind,
        owner=str(it.steps[1]),
        place=it.place,
        actions=_texts(it.at("Action")),
        resources=_texts(it.at("Resource")),
        principals=_principals(it.at("Principal")),
        all_but_actions=it.at("NotAction").raw is not None,
        all_but_resources=it.at("NotResource").raw is not None,
        conditioned=it.at("Condition").raw is not None,
        functions=functions,
    )


def _texts(it: Node) -> tuple[Text, ...]:
    return tuple(node.text for node in it.items())


def _principals(it: Node) -> tuple[Text, ...]:
    """Return who is meant: `*` by itself, or `{"AWS": "*"}`, or services."""
    plain = [node.text for node in it.items() if not isinstance(node.raw, dict) or node.at("Ref").raw]
    return (*plain, *(text for _, node in it.entries() for text in _texts(node)))


def _permission(it: Node, survey: Survey) -> Iterator[Statement]:
    limits = ("SourceArn", "SourceAccount", "PrincipalOrgID", "OrganizationId", "FunctionUrlAuthType")
    function = survey.function(it.at("FunctionName").text)
    yield Statement(
        kind="resource",
        owner=str(it.steps[1]),
        place=it.place,
        actions=_texts(it.at("Action")),
        principals=_texts(it.at("Principal")),
        conditioned=any(it.at(limit).raw is not None for limit in limits),
        functions=(function.logical_id,) if function else (),
    )
