"""Which AWS calls a part of Powertools makes, by the name that it is imported under.

https://docs.powertools.aws.dev/lambda/python/latest/utilities/parameters/ and its neighbours, each read in its source.
"""

from collections.abc import Mapping
from typing import Final

PACKAGE: Final = "aws_lambda_powertools"

_CONFIGURATION: Final = (
    ("appconfigdata", "StartConfigurationSession"),
    ("appconfigdata", "GetLatestConfiguration"),
)
_ITEMS: Final = tuple(("dynamodb", name) for name in ("GetItem", "PutItem", "UpdateItem", "DeleteItem"))
_KEYS: Final = (("kms", "GenerateDataKey"), ("kms", "Decrypt"))
_SECRETS: Final = (("secretsmanager", "BatchGetSecretValue"),)
_SET_SECRET: Final = (("secretsmanager", "PutSecretValue"), ("secretsmanager", "CreateSecret"))

CALLS: Final[Mapping[str, tuple[tuple[str, str], ...]]] = {
    "AWSEncryptionSDKProvider": _KEYS,
    "AppConfigStore": _CONFIGURATION,
    "CircuitBreakerDynamoDBPersistence": _ITEMS[:3],
    "DynamoDBPersistenceLayer": _ITEMS,
    "S3Object": (("s3", "HeadObject"), ("s3", "GetObject")),
    "get_app_config": _CONFIGURATION,
    "get_parameter": (("ssm", "GetParameter"),),
    "get_parameters": (("ssm", "GetParametersByPath"),),
    "get_parameters_by_name": (("ssm", "GetParameters"),),
    "get_secret": (("secretsmanager", "GetSecretValue"),),
    "get_secrets_by_name": _SECRETS,
    "set_parameter": (("ssm", "PutParameter"),),
    "set_secret": _SET_SECRET,
}
"""Name → the calls, as service of `boto3.client` and operation, that whoever calls it makes sooner or later."""

PROVIDERS: Final[Mapping[str, Mapping[str, tuple[tuple[str, str], ...]]]] = {
    "AppConfigProvider": {"get": _CONFIGURATION},
    "DynamoDBProvider": {"get": (("dynamodb", "GetItem"),), "get_multiple": (("dynamodb", "Query"),)},
    "SSMProvider": {
        "get": CALLS["get_parameter"],
        "get_multiple": CALLS["get_parameters"],
        "get_parameters_by_name": CALLS["get_parameters_by_name"],
        "set": CALLS["set_parameter"],
    },
    "SecretsProvider": {"get": CALLS["get_secret"], "get_multiple": _SECRETS, "set": _SET_SECRET},
}
"""Class → method → the calls."""
