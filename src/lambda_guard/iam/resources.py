"""The resource of a call → the ARNs that an action on it is granted for. Pure.

Names come from outside: a wildcard in one would widen the policy, so that what isn't a name as AWS has them is refused.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

from lambda_guard.iam.actions import kinds_of

REGION: Final = re.compile(r"[a-z]{2,}(?:-[a-z]+)+-[0-9]{1,2}")
ACCOUNT: Final = re.compile(r"[0-9]{12}")


@dataclass(slots=True, frozen=True)
class Place:
    """Where resources are that are named without an ARN; None where that isn't known.

    Attributes:
        region: e.g. `eu-west-1`.
        account: 12 digits.
    """

    region: str | None = None
    account: str | None = None

    @property
    def partition(self) -> str:
        """The partition that the Region belongs to."""
        region = self.region or ""
        return (
            "aws-cn" if region.startswith("cn-") else "aws-us-gov" if region.startswith("us-gov-") else "aws"
        )

    def arn(self, service: str, rest: str) -> str:
        """Return an ARN here.

        Raises:
            UnknownResource: the Region or the account isn't known.
        """
        if self.account is None or not ACCOUNT.fullmatch(self.account):
            raise UnknownResource("its account isn't known: name it with --account")
        return f"arn:{self.partition}:{service}:{self.known_region()}:{self.account}:{rest}"

    def known_region(self) -> str:
        """Return the Region.

        Raises:
            UnknownResource: it isn't known.
        """
        if self.region is None or not REGION.fullmatch(self.region):
            raise UnknownResource("its Region isn't known: name it with --region")
        return self.region


class UnknownResource(Exception):  # noqa: N818 - a result that is asked for, and never reaches a user
    """Which resource an action is on can't be known; the message says why."""


@dataclass(slots=True, frozen=True)
class On:
    """What an action is granted on.

    Attributes:
        arns: ARNs, or `*` for an action that can't be granted on less.
        condition: operator → key → value, as a policy's statement has it.
        wider: why this is more than the call needs; empty where it isn't.
    """

    arns: tuple[str, ...]
    condition: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    wider: str = ""


def granted_on(action: str, resource: str | None, place: Place) -> On:
    """Return what an action on a call's resource is granted on.

    Args:
        action: e.g. `sqs:SendMessage`; one that the service reference has.
        resource: the name, ARN or URL in the record.
        place: where it is, if it is a name.

    Raises:
        UnknownResource: that can't be known.
    """
    service = action.partition(":")[0]
    if not (kinds := kinds_of(action)):
        return On(("*",), wider="IAM grants it on nothing narrower")
    if resource is None:
        why = _UNNAMED.get(action) or _UNNAMED.get(service)
        raise UnknownResource("the record names no resource of the call" + (f": {why}" if why else ""))
    if not (_ARN if resource.startswith("arn:") else _NAME).fullmatch(resource):
        raise UnknownResource("its resource isn't named as AWS names any")
    for kind in kinds:
        rule = _RULES.get((service, kind))
        if rule is not None and (found := rule(resource, place)) is not None:
            return found
    raise UnknownResource(f"the record names something else than its {kinds[0]}")


_UNNAMED: Final = {
    "kms:Decrypt": "the key stands in the ciphertext, and in the response of a call that succeeds",
    "ses": "an identity may be an address, which no record has",
    "sns:Publish": "to a phone number it is granted on *",
}
"""By action or service, why no record names the resource."""

_Rule: TypeAlias = Callable[[str, Place], On | None]

_NAME: Final = re.compile(r"[A-Za-z0-9_.\-/#+=@,:$]+")
_ARN: Final = re.compile(
    r"arn:aws[a-z-]*:(?:"
    r"[a-z0-9-]+:[a-z0-9-]*:(?:[0-9]{12}|aws)?:[A-Za-z0-9_.\-/#+=@,:$]+"
    # Cut off by the records themselves, which have no ids of phones and executions: see `propagation.called`.
    r"|sns:[a-z0-9-]+:[0-9]{12}:endpoint/[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+/\*"
    r"|states:[a-z0-9-]+:[0-9]{12}:(?:execution|express):[A-Za-z0-9_.-]+:\*)"
)
_FIELDS: Final = 6


def _of_arn(arn: str, service: str, start: str) -> str | None:
    """Return what follows `start` in the last field of an ARN of a service, or None if it is another kind of ARN."""
    fields = arn.split(":", _FIELDS - 1)
    is_kind = len(fields) == _FIELDS and fields[2] == service and fields[5].startswith(start)
    return fields[5][len(start) :] if is_kind else None


def _named(service: str, start: str) -> _Rule:
    """Return the rule for a resource that is named by its name, or its ARN."""

    def rule(resource: str, place: Place) -> On | None:
        if resource.startswith("arn:"):
            return On((resource,)) if _of_arn(resource, service, start) else None
        return On((place.arn(service, f"{start}{resource}"),))

    return rule


def _by_arn(service: str, start: str) -> _Rule:
    """Return the rule for a resource that is named by its ARN alone."""

    def rule(resource: str, _place: Place) -> On | None:
        return On((resource,)) if _of_arn(resource, service, start) else None

    return rule


_QUEUE_URL: Final = re.compile(r"https?://([^/]+)/(?:.*/)?([0-9]{12})/([A-Za-z0-9_.-]+)")
_QUEUE_REGION: Final = re.compile(
    r"(?:sqs(?:-fips)?\.([a-z0-9-]+)|([a-z0-9-]+)\.queue)\.(?:amazonaws\.|api\.aws)"
)


def _queue(resource: str, place: Place) -> On | None:
    if (url := _QUEUE_URL.fullmatch(resource)) is None:
        return None if "/" in resource else _named("sqs", "")(resource, place)
    host, account, name = url.groups()
    region = _QUEUE_REGION.match(host)
    there = replace(place, account=account, region=(region[1] or region[2]) if region else place.region)
    return On((there.arn("sqs", name),))


def _object(resource: str, place: Place) -> On | None:
    bucket = _bucket(resource, place)
    if bucket is None:
        return None
    return On((f"{bucket.arns[0]}/*",), wider="a record has no keys of objects: name a prefix where you can")


def _bucket(resource: str, place: Place) -> On | None:
    if resource.startswith("arn:"):
        return On((resource,)) if _of_arn(resource, "s3", "") and ":::" in resource else None
    if resource.endswith("--x-s3"):
        raise UnknownResource("it is a directory bucket, whose calls ask for s3express:CreateSession")
    return None if ":" in resource or "/" in resource else On((f"arn:{place.partition}:s3:::{resource}",))


def _access_point_object(resource: str, _place: Place) -> On | None:
    if not _of_arn(resource, "s3", "accesspoint/"):
        return None
    return On((f"{resource}/object/*",), wider="a record has no keys of objects: name a prefix where you can")


def _parameter(resource: str, place: Place) -> On | None:
    """https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-access.html: one slash."""
    if resource.startswith("arn:"):
        return _named("ssm", "parameter/")(resource, place)
    return On((place.arn("ssm", f"parameter/{resource.partition(':')[0].removeprefix('/')}"),))


_RANDOM: Final = re.compile(r".+-[A-Za-z0-9]{6}")


def _secret(resource: str, place: Place) -> On | None:
    """https://docs.aws.amazon.com/secretsmanager/latest/userguide/auth-and-access_iam-policies.html: six characters."""
    if not resource.startswith("arn:"):
        return On((place.arn("secretsmanager", f"secret:{resource}-??????"),))
    if not _of_arn(resource, "secretsmanager", "secret:"):
        return None
    # An ARN may be written without the six characters, and a name may end like them.
    return On(tuple([resource] * bool(_RANDOM.fullmatch(resource)) + [f"{resource}-??????"]))


_KEY_ID: Final = re.compile(r"(?:mrk-[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")


def _key(resource: str, place: Place) -> On | None:
    """https://docs.aws.amazon.com/kms/latest/developerguide/alias-authorization.html: an alias is no resource."""
    if resource.startswith("arn:"):
        if (alias := _of_arn(resource, "kms", "alias/")) is None:
            return _by_arn("kms", "key/")(resource, place)
        keys = f"{resource.removesuffix(f'alias/{alias}')}key/*"
        resource = f"alias/{alias}"
    elif _KEY_ID.fullmatch(resource):
        return On((place.arn("kms", f"key/{resource}"),))
    elif resource.startswith("alias/"):
        keys = place.arn("kms", "key/*")
    else:
        return None
    return On((keys,), {"StringEquals": {"kms:RequestAlias": resource}})


_OF_ACCOUNT: Final = re.compile(r"([0-9]{12}):(?:function:)?(.+)")


def _function(resource: str, place: Place) -> On | None:
    if other := _OF_ACCOUNT.fullmatch(resource):
        return On((replace(place, account=other[1]).arn("lambda", f"function:{other[2]}"),))
    return _named("lambda", "function:")(resource, place)


def _log_group(resource: str, place: Place) -> On | None:
    """https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/iam-access-control-overview-cwl.html: `:*` ends it."""
    found = _named("logs", "log-group:")(resource, place)
    return On((f"{found.arns[0].removesuffix(':*')}:*",)) if found is not None else None


_PROFILE: Final = re.compile(r"(?:global|us|us-gov|eu|apac|jp|au|ca|sa|me|af)\.(.+\..+)")
_MODELS: Final = (
    "foundation-model",
    "provisioned-model",
    "imported-model",
    "custom-model-deployment",
    "inference-profile",
)


def _model(resource: str, place: Place) -> On | None:
    """https://docs.aws.amazon.com/bedrock/latest/userguide/inference-profiles-prereq.html: and its models."""
    kind, name = "foundation-model", resource
    if resource.startswith("arn:"):
        kind, _, name = resource.split(":", _FIELDS - 1)[5].partition("/")
        if kind not in _MODELS or not _of_arn(resource, "bedrock", ""):
            return None
    elif _PROFILE.fullmatch(resource):
        kind, resource = "inference-profile", place.arn("bedrock", f"inference-profile/{resource}")
    else:
        resource = f"arn:{place.partition}:bedrock:{place.known_region()}::foundation-model/{resource}"
    if kind != "inference-profile":
        return On((resource,))
    if (of_profile := _PROFILE.fullmatch(name)) is None:
        raise UnknownResource("the models of its inference profile are in no record")
    models = f"arn:{resource.split(':')[1]}:bedrock:*::foundation-model/{of_profile[1]}"
    return On(
        (resource, models), wider="the Regions that the inference profile chooses from are in no record"
    )


_CONFIGURATION: Final = re.compile("([a-z0-9]{7})/([a-z0-9]{7})/([a-z0-9]{7})")


def _configuration(resource: str, place: Place) -> On | None:
    """https://docs.aws.amazon.com/appconfig/2019-10-09/APIReference/API_Application.html: ids have seven characters."""
    if (ids := _CONFIGURATION.fullmatch(resource)) is None:
        raise UnknownResource("its ARN has ids, and the call names it by names")
    application, environment, profile = ids.groups()
    rest = f"application/{application}/environment/{environment}/configuration/{profile}"
    return On((place.arn("appconfig", rest),))


def _websocket_api(resource: str, place: Place) -> On | None:
    is_api = "/" in resource and ":" not in resource
    return On((place.arn("execute-api", f"{resource}/*/@connections/*"),)) if is_api else None


_RULES: Final[Mapping[tuple[str, str], _Rule]] = {
    ("appconfig", "configuration"): _configuration,
    ("athena", "workgroup"): _named("athena", "workgroup/"),
    ("bedrock", "agent-alias"): _named("bedrock", "agent-alias/"),
    ("bedrock", "foundation-model"): _model,
    ("bedrock", "guardrail"): _named("bedrock", "guardrail/"),
    ("bedrock", "knowledge-base"): _named("bedrock", "knowledge-base/"),
    ("cognito-idp", "userpool"): _named("cognito-idp", "userpool/"),
    ("dynamodb", "stream"): _by_arn("dynamodb", "table/"),
    ("dynamodb", "table"): _named("dynamodb", "table/"),
    ("events", "event-bus"): _named("events", "event-bus/"),
    ("execute-api", "execute-api-general"): _websocket_api,
    ("firehose", "deliverystream"): _named("firehose", "deliverystream/"),
    ("iot", "thing"): _named("iot", "thing/"),
    ("iot", "topic"): _named("iot", "topic/"),
    ("kinesis", "consumer"): _by_arn("kinesis", "stream/"),
    ("kinesis", "stream"): _named("kinesis", "stream/"),
    ("kms", "key"): _key,
    ("lambda", "function"): _function,
    ("logs", "log-group"): _log_group,
    ("logs", "log-stream"): _log_group,
    ("rds-data", "cluster"): _by_arn("rds", "cluster:"),
    ("s3", "accesspoint"): _by_arn("s3", "accesspoint/"),
    ("s3", "accesspointobject"): _access_point_object,
    ("s3", "bucket"): _bucket,
    ("s3", "object"): _object,
    ("secretsmanager", "Secret"): _secret,
    ("ses", "identity"): _by_arn("ses", "identity/"),
    ("sns", "topic"): _by_arn("sns", ""),
    ("sqs", "queue"): _queue,
    ("ssm", "parameter"): _parameter,
    ("states", "activity"): _by_arn("states", "activity:"),
    ("states", "execution"): _by_arn("states", "execution:"),
    ("states", "express"): _by_arn("states", "express:"),
    ("states", "statemachine"): _by_arn("states", "stateMachine:"),
    ("sts", "role"): _by_arn("iam", "role/"),
}
"""By service and kind of resource, as the service authorization reference has them."""
