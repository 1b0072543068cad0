"""Actions that no record can show, since Lambda or a service asks for them in the function's name, or botocore doesn't.

They are never said to be unused.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from lambda_guard.iam.on_behalf import INTERFACES, LISTING, LOGGING, POLLING, TRACING

_LOGS: Final = ("logs:CreateLogGroup", *LOGGING)
_TRACES: Final = (
    "xray:GetSamplingRules",
    "xray:GetSamplingStatisticSummaries",
    "xray:GetSamplingTargets",
    *sorted(TRACING),
)
_OF_QUEUES: Final = tuple(sorted(POLLING["sqs"]))
_OF_STREAMS: Final = (*POLLING["kinesis"], LISTING["kinesis"], "kinesis:SubscribeToShard")
_OF_TABLES: Final = (*POLLING["dynamodb"], LISTING["dynamodb"])
_OF_BROKERS: Final = ("kafka:DescribeCluster", "kafka:DescribeClusterV2", "kafka:GetBootstrapBrokers")
_DURABLE: Final = ("lambda:CheckpointDurableExecution", "lambda:GetDurableExecutionState")

_REASONS: Final[Mapping[tuple[str, ...], str]] = {
    _LOGS: "Lambda writes the function's logs",
    _TRACES: "X-Ray's daemon sends the traces",
    (
        *INTERFACES,
        "ec2:DescribeSecurityGroups",
        "ec2:DescribeVpcs",
        "ec2:GetSecurityGroupsForVpc",
    ): "Lambda makes network interfaces in a VPC",
    # https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventsourcemapping.html
    (
        *_OF_QUEUES,
        *_OF_STREAMS,
        *_OF_TABLES,
        *_OF_BROKERS,
        "sqs:ChangeMessageVisibility",
        "kafka:ListScramSecrets",
        "kafka-cluster:*",
        "mq:DescribeBroker",
    ): "Lambda polls a trigger, also one that sends nothing",
    # https://docs.aws.amazon.com/kms/latest/developerguide/service-integration.html
    (
        "kms:CreateGrant",
        "kms:Decrypt",
        "kms:DescribeKey",
        "kms:Encrypt",
        "kms:GenerateDataKey*",
        "kms:ReEncrypt*",
    ): "services use the key of what is encrypted in the function's name",
    _DURABLE: "the runtime keeps the state of a durable execution",
    (
        "aoss:APIAccessAll",
        "appsync:GraphQL",
        "dax:*",
        "elasticache:Connect",
        "elasticfilesystem:Client*",
        "es:ESHttp*",
        "execute-api:Invoke",
        "lambda:InvokeFunctionUrl",
        "neptune-db:*",
        "rds-db:connect",
        "s3express:CreateSession",
        "vpc-lattice-svcs:*",
    ): "it isn't asked for by a call of botocore's",
    ("iam:PassRole",): "another call asks for it",
}

_SENDING: Final = re.compile(
    r"sqs:SendMessage|sns:Publish|lambda:InvokeFunction|events:PutEvents|s3:PutObject", re.IGNORECASE
)


_PATTERNS: Final = {
    re.compile("|".join(re.escape(one).replace(r"\*", ".*") for one in actions), re.IGNORECASE): reason
    for actions, reason in _REASONS.items()
}


def reason_of(action: str) -> str | None:
    """Return why no call shows an action, or None for one that calls do show."""
    return next((reason for pattern, reason in _PATTERNS.items() if pattern.fullmatch(action)), None)


def sends(action: str) -> bool:
    """Return whether Lambda does it itself, with an event that failed or a result.

    https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
    """
    return _SENDING.fullmatch(action) is not None


_EXECUTION_ROLES: Final[Mapping[str, tuple[str, ...]]] = {
    "AWSLambdaBasicExecutionRole": _LOGS,
    "AWSLambdaBasicDurableExecutionRolePolicy": (*_LOGS, *_DURABLE),
    "AWSLambdaDynamoDBExecutionRole": (*_LOGS, *_OF_TABLES),
    "AWSLambdaKinesisExecutionRole": (*_LOGS, *_OF_STREAMS),
    "AWSLambdaSQSQueueExecutionRole": (*_LOGS, *_OF_QUEUES),
    "AWSLambdaVPCAccessExecutionRole": (*_LOGS, *INTERFACES),
    "AWSXRayDaemonWriteAccess": _TRACES,
    "AWSXrayWriteOnlyAccess": _TRACES,
}


def execution_role(name: str) -> dict[str, Any] | None:
    """Return one of AWS's policies for what Lambda does in a function's name, which SAM adds by itself.

    https://docs.aws.amazon.com/lambda/latest/dg/permissions-managed-policies.html

    Args:
        name: e.g. `AWSLambdaBasicExecutionRole`; None is returned for any other policy.
    """
    if (actions := _EXECUTION_ROLES.get(name)) is None:
        return None
    return {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": list(actions), "Resource": "*"}],
    }
