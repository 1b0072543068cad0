"""`lambda-guard policy --diff ROLE`: what is read of an account, and what may not be."""

import json

import boto3
import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError
from moto import mock_aws

from .conftest import AT, QUERY, STOCK, allow

ASSUME = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
AWS_MANAGED = "arn:aws:iam::aws:policy/service-role/AWSLambdaSQSQueueExecutionRole"
FAILED = f"arn:aws:sqs:{AT}:failed"
DONE = f"arn:aws:sqs:{AT}:done"


def text(*statements):
    """Return a policy as the API takes it."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


@pytest.fixture
def account(deployed, monkeypatch):
    """The account, for the command."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_REGION": "eu-west-1",
    }.items():
        monkeypatch.setenv(name, value)
    return deployed


@pytest.fixture(scope="module")
def deployed():
    """An account with a role that has an inline policy, two managed ones and a boundary, and a function."""
    with mock_aws(config={"iam": {"load_aws_managed_policies": True}, "lambda": {"use_docker": False}}):
        iam = boto3.client("iam", region_name="eu-west-1")
        boundary = iam.create_policy(PolicyName="bound", PolicyDocument=text(allow("*", "*"), {"Sid": "NoKeys", "Effect": "Deny", "Action": "kms:*", "Resource": "*"}))["Policy"]["Arn"]  # fmt: skip
        own = iam.create_policy(PolicyName="own", PolicyDocument=text(allow("s3:*", "*", "Buckets")))[
            "Policy"
        ]["Arn"]
        role = iam.create_role(RoleName="orders-role", Path="/app/", AssumeRolePolicyDocument=text(ASSUME), PermissionsBoundary=boundary)["Role"]["Arn"]  # fmt: skip
        inline = (allow("dynamodb:Query", STOCK), allow("sqs:SendMessage", [FAILED, DONE], "Sending"), allow("kms:Verify", "*", "Keys"))  # fmt: skip
        iam.put_role_policy(RoleName="orders-role", PolicyName="inline", PolicyDocument=text(*inline))
        for arn in (own, AWS_MANAGED):
            iam.attach_role_policy(RoleName="orders-role", PolicyArn=arn)
        functions = boto3.client("lambda", region_name="eu-west-1")
        functions.create_function(FunctionName="orders", Role=role, Runtime="python3.13", Handler="app.handler", Code={"ZipFile": b"PK\5\6" + bytes(18)}, DeadLetterConfig={"TargetArn": FAILED})  # fmt: skip
        functions.put_function_event_invoke_config(FunctionName="orders", DestinationConfig={"OnSuccess": {"Destination": DONE}})  # fmt: skip
        yield {"role": role, "own": own}


@pytest.fixture
def refused(monkeypatch):
    """Have operations refused for want of a permission."""
    real, names = BaseClient._make_api_call, set()

    def call(self, operation, request):
        if operation in names:
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, operation)
        return real(self, operation, request)

    monkeypatch.setattr(BaseClient, "_make_api_call", call)
    return names


VERIFY = {
    **QUERY,
    "service": "kms",
    "operation": "Verify",
    "resource": f"arn:aws:kms:{AT}:key/1234abcd-12ab-34cd-56ef-1234567890ab",
}


@pytest.mark.parametrize("name", ["orders-role", "role"])
def test_a_role_is_read_with_all_its_policies(account, diff, name):
    """By its name, or by its ARN with a path: inline, attached, AWS's, and where Lambda sends failed events."""
    code, report, _ = diff(against=account.get(name, name))
    assert code == 1
    assert report["granted_by"] == "the role orders-role"
    assert [(it["statement"], it["policy"]) for it in report["wider"]] == [
        ("Keys", "inline"),
        ("Buckets", "own"),
    ]
    assert {(it["reason"], it["statement"]) for it in report["kept"]} == {
        ("Lambda sends failed events and results there", "Sending of inline"),
        ("Lambda writes the function's logs", "#1 of AWSLambdaSQSQueueExecutionRole"),
        ("Lambda polls a trigger, also one that sends nothing", "#1 of AWSLambdaSQSQueueExecutionRole"),
    }
    assert report["unread"] == report["not_granted"] == []


def test_the_boundary_denies(account, diff):
    """By its own statement, also what the role's policies allow."""
    _, report, _ = diff(against="orders-role", calls=(QUERY, VERIFY))
    assert [(it["action"], it["reason"]) for it in report["not_granted"]] == [
        ("kms:Verify", "denied by NoKeys of bound, the permissions boundary")
    ]


def test_a_managed_policy_is_read_by_its_arn(account, diff):
    """Alone, without any role."""
    _, report, _ = diff(against=account["own"])
    assert report["granted_by"] == "the policy own"
    assert [it["unused_actions"] for it in report["wider"]] == [["s3:*"]]


@pytest.mark.parametrize(
    ("operation", "statements"),
    [
        ("GetRole", {"Keys", "Buckets"}),
        ("ListRolePolicies", {"Buckets"}),
        ("GetRolePolicy", {"Buckets"}),
        ("ListAttachedRolePolicies", {"Keys"}),
        ("GetPolicy", {"Keys"}),
        ("GetPolicyVersion", {"Keys"}),
    ],
)
def test_what_may_not_be_read_is_said_and_the_rest_is_done(account, diff, refused, operation, statements):
    """Each permission that is missing, by its name."""
    refused.add(operation)
    code, report, _ = diff(against="orders-role")
    assert code == 1
    assert {it["statement"] for it in report["wider"]} >= statements
    assert all(f"the permission {operation} is missing (no)" in it for it in report["unread"])
    assert report["unread"]


def test_where_events_go_may_stay_unknown(account, diff, refused):
    """Then sending may be Lambda's own, and nothing is unread of the role."""
    refused.update({"GetFunctionConfiguration", "ListFunctionEventInvokeConfigs"})
    _, report, _ = diff(against="orders-role")
    assert report["unread"] == []
    sending = next(it for it in report["wider"] if it["statement"] == "Sending")
    assert "unless Lambda sends failed events" in sending["doubts"][0]


def test_a_role_of_which_nothing_may_be_read_ends_it(account, diff, refused):
    """Nothing could be compared."""
    refused.update({"GetRole", "ListRolePolicies", "ListAttachedRolePolicies"})
    code, report, said = diff(against="orders-role")
    assert (code, report) == (1, "")
    assert "nothing of the role orders-role could be read: AWS refused to call get_role of iam" in said


@pytest.mark.parametrize("name", ["other-role", "arn:aws:iam::123456789012:policy/other"])
def test_what_is_not_there_is_said(account, diff, name):
    """A role or a policy that nobody made."""
    code, report, said = diff(against=name)
    assert (code, report) == (1, "")
    assert "other" in said.splitlines()[-1]


SERVICE_CONTROL = "arn:aws:organizations::1:policy/o-1/service_control_policy/p-1"
ID = "abcdef0123456789abcdef"
ANSWER = {
    "evaluations": [
        {
            "action": "dynamodb:Query",
            "resource": STOCK,
            "evaluatedEffect": "EXPLICIT_DENY",
            "checks": [
                {
                    "checkType": "SERVICE_CONTROL_POLICY",
                    "evaluatedEffect": "EXPLICIT_DENY",
                    "matchedPolicies": [
                        {
                            "uri": SERVICE_CONTROL,
                            "matchedStatements": [{"sid": "NoTables", "evaluatedEffect": "DENY"}],
                        }
                    ],
                },
                {"checkType": "PRINCIPAL", "evaluatedEffect": "ALLOW"},
                {"checkType": "PERMISSIONS_BOUNDARY", "evaluatedEffect": "IMPLICIT_DENY"},
            ],
        }
    ]
}


def test_the_exact_statement_is_asked_for_by_the_authorization_id(account, diff, monkeypatch):
    """Of AWS's evaluation: the policy and its Sid, and each other requirement that wasn't met."""
    real, asked = BaseClient._make_api_call, []

    def call(self, operation, request):
        if operation == "GetRequestAuthorizationDetails":
            asked.append((self.meta.region_name, request))
            return ANSWER
        return real(self, operation, request)

    monkeypatch.setattr(BaseClient, "_make_api_call", call)
    denied = {"count": 1, "authorization_id": ID, "policy_type": "service control", "deny": "explicit"}
    code, report, _ = diff(against="orders-role", calls=({**QUERY, "region": "us-east-1", "denied": denied},))
    assert asked == [("us-east-1", {"authorizationId": ID})]
    assert code == 1
    assert report["denied"][0]["evaluated"] == [
        f"dynamodb:Query on {STOCK}: service control policy: denied by NoTables of {SERVICE_CONTROL}",
        f"dynamodb:Query on {STOCK}: permissions boundary: nothing allows it",
    ]


def test_without_the_permission_to_ask_the_command_to_ask_is_told(account, diff, refused):
    """Somebody else may have it."""
    refused.add("GetRequestAuthorizationDetails")
    denied = {"count": 1, "authorization_id": ID}
    _, report, _ = diff(against="orders-role", calls=({**QUERY, "denied": denied},), as_json=False)
    assert f"ask: aws iam-toolbox get-request-authorization-details --authorization-id {ID}" in report
