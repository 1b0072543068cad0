"""What AWS says of a denial: from its own messages, without anybody's key or address."""

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from lambda_guard.propagation.denial import denials_in

AT = "eu-west-1:123456789012"
WHO = "User: arn:aws:sts::123456789012:assumed-role/orders/orders"
TABLE = f"arn:aws:dynamodb:{AT}:table/orders"
POLICY = "arn:aws:iam::123456789012:policy/NoDeletes"
ID = "EXAMPLE1a2b3c4d5e6f7g8h9i0j"


def denied(message, code="AccessDeniedException"):
    return denials_in(
        "sqs", "SendMessage", None, ClientError({"Error": {"Code": code, "Message": message}}, "Do")
    )


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (
            (f"{WHO} is not authorized to perform: dynamodb:Query on resource: {TABLE}/index/by-date because no "
            "identity-based policy allows the dynamodb:Query action"),
            {"action": "dynamodb:Query", "resource": f"{TABLE}/index/by-date", "deny": "implicit", "policy_type": "identity-based"},
        ),
        (
            (f'{WHO} is not authorized to perform: s3:GetObject on resource: "arn:aws:s3:::shop/ann/letter.txt" because '
            "no identity-based policy allows the s3:GetObject action"),
            {"action": "s3:GetObject", "resource": "arn:aws:s3:::shop/*", "deny": "implicit", "policy_type": "identity-based"},
        ),
        (
            f'{WHO} is not authorized to perform: s3:GetObject on resource: "arn:aws:s3:{AT}:accesspoint/in/object/ann"',
            {"action": "s3:GetObject", "resource": f"arn:aws:s3:{AT}:accesspoint/in/object/*"},
        ),
        (
            (f"{WHO} is not authorized to perform: iam:CreateInstanceProfile on resource: {POLICY} with an explicit deny "
            f"in an identity-based policy: {POLICY}. Go to https://us-east-1.console.aws.amazon.com/iam/home?region="
            f"us-east-1#/authorization-details/{ID} for complete details, or call the GetRequestAuthorizationDetails API "
            f"with the following authorization id: {ID}"),
            {"action": "iam:CreateInstanceProfile", "resource": POLICY, "deny": "explicit", "policy_type": "identity-based",
             "policy": POLICY, "authorization_id": ID},
        ),
        (
            f"{WHO} is not authorized to perform: codecommit:ListRepositories with an explicit deny in a service control policy",
            {"action": "codecommit:ListRepositories", "deny": "explicit", "policy_type": "service control"},
        ),
        (
            (f"{WHO} is not authorized to perform: sqs:sendmessage on resource: arn:aws:sqs:{AT}:orders with an explicit "
            "deny in a resource control policy."),
            {"action": "sqs:sendmessage", "resource": f"arn:aws:sqs:{AT}:orders", "deny": "explicit", "policy_type": "resource control"},
        ),
        (
            (f"{WHO} is not authorized to perform: SNS:Publish on resource: arn:aws:sns:{AT}:orders because no permissions "
            "boundary allows the SNS:Publish action"),
            {"action": "sns:Publish", "resource": f"arn:aws:sns:{AT}:orders", "deny": "implicit", "policy_type": "permissions boundary"},
        ),
        (
            f"{WHO} is not authorized to perform: sqs:SendMessage because no VPC endpoint policy allows the sqs:SendMessage action",
            {"action": "sqs:SendMessage", "deny": "implicit", "policy_type": "VPC endpoint"},
        ),
        (
            (f"User `arn:aws:sts::123456789012:assumed-role/a/b' is not authorized to perform `ses:SendEmail' on resource "
            f"`arn:aws:ses:{AT}:identity/ann@example.com'"),
            {"action": "ses:SendEmail"},
        ),
        (
            ("The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you "
            "are not allowed to access."),
            {},
        ),
        ("You are not authorized to perform this operation. Encoded authorization failure message: 4GIOHlTkIaWHQ", {}),
        ("Forbidden", {}),
        ("because no invented policy allows; authorization id: short", {"deny": "implicit"}),
    ],
)  # fmt: skip
def test_what_a_message_says(message, expected):
    """The missing action, what it is missing on, and which type of policy is to blame, as far as it says so."""
    assert denied(message) == [expected]


@pytest.mark.parametrize(
    "code", ["AccessDenied", "403", "UnauthorizedOperation", "AuthorizationError", "ForbiddenException"]
)
def test_denials_have_several_codes(code):
    """Each protocol has its own; a HEAD request has nothing but the status."""
    assert denied("", code) == [{}]


@pytest.mark.parametrize(
    "code",
    ["ExpiredToken", "SignatureDoesNotMatch", "ThrottlingException", "404", "NotAuthorizedException", None],
)
def test_another_error_is_no_denial(code):
    """Nor is one that comes with the status 403 for another reason, or a password that is wrong."""
    assert denied("no", code) == []


def test_an_exception_without_a_response_is_no_denial():
    """A connection that failed, or parameters that botocore refused."""
    assert denials_in("sqs", "SendMessage", None, OSError("not authorized to perform: sqs:SendMessage")) == []


@pytest.mark.parametrize(
    ("service", "operation", "response"),
    [
        (
            "s3",
            "DeleteObjects",
            {"Errors": [{"Key": "ann", "Code": "AccessDenied", "Message": "Access Denied"}]},
        ),
        (
            "eventbridge",
            "PutEvents",
            {"Entries": [{"EventId": "1"}, {"ErrorCode": "AccessDeniedException"}]},
        ),
        ("dynamodb", "BatchExecuteStatement", {"Responses": [{}, {"Error": {"Code": "AccessDenied"}}]}),
        (
            "secrets-manager",
            "BatchGetSecretValue",
            {"Errors": [{"SecretId": "s", "ErrorCode": "AccessDeniedException"}]},
        ),
    ],
)
def test_an_answer_may_have_denied_entries(service, operation, response):
    """The call succeeds, and its entries don't."""
    assert denials_in(service, operation, response, None) == [{}]


@given(st.text("onauthrizedfm: `'\"/.,arnwsx-0@", max_size=80))
def test_any_message(text):
    """Whatever a message is, it is read without an error, and no address is kept."""
    (found,) = denied(f"{WHO} is not authorized to perform: ses:SendEmail on resource: arn:{text}")
    assert "@" not in "".join(found.values())
