"""What an operation of AWS's API asks IAM for. Pure.

Most operations are asked for under their own name, which the service authorization reference confirms. The others
stand here, each by the page of the reference of its service, and are reviewed by people.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Final

from lambda_guard.iam.service_reference import actions_of


@dataclass(slots=True, frozen=True)
class Asked:
    """What one operation asks for.

    Attributes:
        actions: the actions, on the resource that the call names, e.g. `("sqs:SendMessage",)`.
        besides: actions on a resource that no record names, each with what it is.
        wider: why this is more than a single call needs; empty where it isn't.
        others: actions on another resource that the record names, each with that.
    """

    actions: tuple[str, ...] = ()
    besides: tuple[tuple[str, str], ...] = ()
    wider: str = ""
    others: tuple[tuple[str, str], ...] = ()


_PREFIXES: Final[Mapping[str, str]] = json.loads(
    files(__package__).joinpath("prefixes.json").read_text("utf-8")
)
"""A service's id with hyphens → the prefix of its actions, where that isn't the id itself.

It is the name that requests are signed for, but for a few, and the reference confirms each action.
"""

_UNASKED: Final[Mapping[str, frozenset[str]]] = {
    # https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html: "No permissions are required"
    "sts": frozenset(
        {"AssumeRoleWithSAML", "AssumeRoleWithWebIdentity", "GetCallerIdentity", "GetSessionToken"}
    ),
    # The SDK doesn't sign these, so that nobody's permissions could be asked about:
    # https://docs.aws.amazon.com/cognitoidentity/latest/APIReference/API_GetId.html, "This is a public API"
    "cognito-identity": frozenset({"GetCredentialsForIdentity", "GetId", "GetOpenIdToken", "UnlinkIdentity"}),
    # https://docs.aws.amazon.com/cognito/latest/developerguide/authentication-flows-public-server-side.html:
    # unauthenticated, or authorized by the user's own token
    "cognito-idp": frozenset(
        {
            "AssociateSoftwareToken",
            "ChangePassword",
            "CompleteWebAuthnRegistration",
            "ConfirmDevice",
            "ConfirmForgotPassword",
            "ConfirmSignUp",
            "DeleteUser",
            "DeleteUserAttributes",
            "DeleteWebAuthnCredential",
            "ForgetDevice",
            "ForgotPassword",
            "GetDevice",
            "GetTokensFromRefreshToken",
            "GetUser",
            "GetUserAttributeVerificationCode",
            "GetUserAuthFactors",
            "GlobalSignOut",
            "InitiateAuth",
            "ListDevices",
            "ListUserSessions",
            "ListWebAuthnCredentials",
            "ResendConfirmationCode",
            "RespondToAuthChallenge",
            "RevokeToken",
            "RevokeUserSession",
            "SetUserMFAPreference",
            "SetUserSettings",
            "SignUp",
            "StartWebAuthnRegistration",
            "UpdateAuthEventFeedback",
            "UpdateDeviceStatus",
            "UpdateUserAttributes",
            "VerifySoftwareToken",
            "VerifyUserAttribute",
        }
    ),
}
"""Operations that ask IAM for nothing."""

_RENAMED: Final[Mapping[str, Mapping[str, str]]] = {
    # https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html
    "s3": {
        "CompleteMultipartUpload": "PutObject",
        "CreateMultipartUpload": "PutObject",
        "DeleteObjects": "DeleteObject",
        "HeadBucket": "ListBucket",
        "HeadObject": "GetObject",
        "ListBuckets": "ListAllMyBuckets",
        "ListMultipartUploads": "ListBucketMultipartUploads",
        "ListObjects": "ListBucket",
        "ListObjectsV2": "ListBucket",
        "ListObjectVersions": "ListBucketVersions",
        "ListParts": "ListMultipartUploadParts",
        "SelectObjectContent": "GetObject",
        "UploadPart": "PutObject",
    },
    # https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis-iam.html
    "dynamodb": {"TransactGetItems": "GetItem"},
    # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-api-permissions-reference.html
    "sqs": {
        "ChangeMessageVisibilityBatch": "ChangeMessageVisibility",
        "DeleteMessageBatch": "DeleteMessage",
        "SendMessageBatch": "SendMessage",
    },
    # https://docs.aws.amazon.com/sns/latest/api/API_PublishBatch.html
    "sns": {"PublishBatch": "Publish"},
    # https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
    "lambda": {"Invoke": "InvokeFunction", "InvokeWithResponseStream": "InvokeFunction"},
    # https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
    "bedrock": {
        "Converse": "InvokeModel",
        "ConverseStream": "InvokeModelWithResponseStream",
        "RetrieveAndGenerateStream": "RetrieveAndGenerate",
    },
    # https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-control-access-iam.html
    "execute-api": {
        "DeleteConnection": "ManageConnections",
        "GetConnection": "ManageConnections",
        "PostToConnection": "ManageConnections",
    },
}
"""Operations under another name, or by that of the single call that they repeat."""

_SOURCE: Final = "the object that it copies: the record names only where to"
STATEMENTS: Final = ("BatchExecuteStatement", "ExecuteStatement", "ExecuteTransaction")
OF_DATABASES: Final = (
    "BatchExecuteStatement",
    "BeginTransaction",
    "CommitTransaction",
    "ExecuteStatement",
    "RollbackTransaction",
)
_WRITES: Final = ("ConditionCheckItem", "DeleteItem", "PutItem", "UpdateItem")
_PARTIQL: Final = (
    "the table, and whether it selects, inserts, updates or deletes: that stands in the statement"
)
_QUERIED: Final = (
    "the tables, and the objects in S3 that hold them and get the results: they stand in the query"
)
_CREDENTIALS: Final = "the secret with the database's credentials (secretArn)"

_SEVERAL: Final[Mapping[tuple[str, str], Asked]] = {
    ("s3", "CopyObject"): Asked(("s3:PutObject",), (("s3:GetObject", _SOURCE),)),
    ("s3", "UploadPartCopy"): Asked(("s3:PutObject",), (("s3:GetObject", _SOURCE),)),
    ("s3", "GetObjectAttributes"): Asked(("s3:GetObject", "s3:GetObjectAttributes")),
    ("dynamodb", "TransactWriteItems"): Asked(
        tuple(f"dynamodb:{name}" for name in _WRITES),
        wider="the record doesn't say which of the four kinds of item the transaction had",
    ),
    **{("dynamodb", name): Asked((), (("dynamodb:PartiQL*", _PARTIQL),)) for name in STATEMENTS},
    ("athena", "StartQueryExecution"): Asked(
        ("athena:StartQueryExecution",), (("glue:GetTable, s3:GetObject, s3:PutObject", _QUERIED),)
    ),
    ("kms", "ReEncrypt"): Asked(
        (),
        (
            ("kms:ReEncryptFrom", "the key that it is encrypted with: no parameter has to name it"),
            ("kms:ReEncryptTo", "the key that it is encrypted with afterwards"),
        ),
    ),
    ("secretsmanager", "BatchGetSecretValue"): Asked(
        ("secretsmanager:BatchGetSecretValue",),
        (("secretsmanager:GetSecretValue", "the secrets: a record names none of a list"),),
    ),
    **{
        ("rds-data", name): Asked((f"rds-data:{name}",), (("secretsmanager:GetSecretValue", _CREDENTIALS),))
        for name in OF_DATABASES
    },
}


def asked_by(service: str, operation: str) -> Asked | None:
    """Return what an operation asks for, or None for one that neither the reference nor these tables know.

    Args:
        service: its id with hyphens, as records have it, e.g. `secrets-manager`.
        operation: e.g. `GetSecretValue`.
    """
    prefix = prefix_of(service)
    if operation in _UNASKED.get(prefix, ()):
        return Asked()
    if (several := _SEVERAL.get((prefix, operation))) is not None:
        return several
    name = _RENAMED.get(prefix, {}).get(operation, operation)
    return Asked((f"{prefix}:{name}",)) if name in actions_of(prefix) else None


def prefix_of(service: str) -> str:
    """Return the prefix of a service's actions, by its id with hyphens."""
    return _PREFIXES.get(service, service)


def kinds_of(action: str) -> tuple[str, ...]:
    """Return the kinds of resources of which an action names one; none where it is granted on `*` alone."""
    service, _, name = action.partition(":")
    return actions_of(service)[name]
