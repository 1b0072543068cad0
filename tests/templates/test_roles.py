"""The roles of a template's functions: what they grant, with every reference resolved."""

import pytest

from lambda_guard.templates.document import ANYWHERE
from lambda_guard.templates.roles import Role, read_roles
from lambda_guard.templates.template import Template

TOPIC = "arn:aws:sns:us-east-1:123456789012:Topic"
PUBLISH = {"Statement": [{"Effect": "Allow", "Action": "sns:Publish", "Resource": {"Ref": "Topic"}}]}
RESOLVED = {"Statement": [{"Effect": "Allow", "Action": "sns:Publish", "Resource": TOPIC}]}
TRUST = {"AssumeRolePolicyDocument": {}}
OWN = {"Role": {"Fn::GetAtt": ["Own", "Arn"]}}
BASIC = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"


def role(function=OWN, **resources):
    """Return the role of a function `Fn`, beside other resources."""
    properties = {"Handler": "app.handler", "Runtime": "python3.13", "InlineCode": "x", **function}
    template = {
        "Transform": "AWS::Serverless-2016-10-31",
        "Resources": {
            "Topic": {"Type": "AWS::SNS::Topic"},
            "Fn": {"Type": "AWS::Serverless::Function", "Properties": properties},
            **resources,
        },
    }
    return read_roles(Template(template, ANYWHERE))["Fn"]


def own(**properties):
    return {"Type": "AWS::IAM::Role", "Properties": {**TRUST, **properties}}


def policy(kind, **properties):
    return {"Type": f"AWS::IAM::{kind}", "Properties": {"PolicyDocument": PUBLISH, **properties}}


def test_inline_policies_of_a_role():
    """References within a policy are resolved."""
    inline = [{"PolicyName": "publish", "PolicyDocument": PUBLISH}]
    assert role(Own=own(Policies=inline)) == Role("Own", {"publish": RESOLVED})


@pytest.mark.parametrize(
    "attached",
    [
        policy("Policy", PolicyName="p", Roles=[{"Ref": "Own"}]),
        policy("RolePolicy", PolicyName="p", RoleName={"Ref": "Own"}),
        policy("ManagedPolicy", Roles=[{"Ref": "Own"}]),
    ],
)
def test_policies_that_name_the_role(attached):
    """Each type of policy that is attached from its own side."""
    assert role(Own=own(), Attached=attached) == Role("Own", {"Attached": RESOLVED})


def test_a_managed_policy_of_the_template_and_one_of_aws():
    """One in the template is read; another one is named."""
    arns = [{"Ref": "Managed"}, BASIC]
    found = role(Own=own(ManagedPolicyArns=arns), Managed=policy("ManagedPolicy"))
    assert found == Role("Own", {"Managed": RESOLVED}, managed=(BASIC,))


def test_the_role_that_sam_makes():
    """SAM's policy templates and names of managed policies become a role's."""
    policies = [
        {"SNSPublishMessagePolicy": {"TopicName": {"Fn::GetAtt": ["Topic", "TopicName"]}}},
        "AmazonS3ReadOnlyAccess",
    ]
    found = role({"Policies": policies})
    assert found.name == "FnRole"
    (document,) = found.policies.values()
    assert document["Statement"][0]["Resource"] == TOPIC
    assert found.managed == (BASIC, "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess")


@pytest.mark.parametrize(
    ("boundary", "expected"),
    [({"Ref": "Bounds"}, RESOLVED), ("arn:aws:iam::aws:policy/PowerUserAccess", None)],
)
def test_a_permissions_boundary(boundary, expected):
    """Its document, where the template has it."""
    arn = boundary if isinstance(boundary, str) else "arn:aws:iam::123456789012:policy/Bounds"
    found = role(Own=own(PermissionsBoundary=boundary), Bounds=policy("ManagedPolicy"))
    assert found.boundary == (arn, expected)


@pytest.mark.parametrize(
    ("function", "resources", "why"),
    [
        ({"Role": "arn:aws:iam::123456789012:role/team/elsewhere"}, {}, "isn't in the template"),
        ({"Role": {"Fn::ImportValue": "elsewhere"}}, {}, "its role can't be told"),
        (
            OWN,
            {"Own": own(Policies=[{"PolicyName": "p", "PolicyDocument": {"Fn::ImportValue": "p"}}])},
            "can't be read",
        ),
        (OWN, {"Own": own(Policies=["nonsense"])}, "can't be read"),
    ],
)
def test_a_role_that_cannot_be_told_says_why(function, resources, why):
    """Nothing is guessed."""
    assert why in role(function, **resources).unread


def test_the_name_of_a_role():
    """The one that it is given, as messages of IAM have it."""
    assert role(Own=own(RoleName="orders-role")).name == "orders-role"


def test_policies_of_other_roles():
    """They are theirs."""
    other = policy("Policy", PolicyName="p", Roles=[{"Ref": "Other"}])
    assert role(Own=own(), Other=own(), Attached=other) == Role("Own")
