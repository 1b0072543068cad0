"""A call as a record has it, and what it asks IAM for. Pure."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from lambda_guard.iam.actions import OF_DATABASES, STATEMENTS, Asked, asked_by, kinds_of, prefix_of
from lambda_guard.iam.resources import ACCOUNT, REGION, On, Place, UnknownResource, granted_on


@dataclass(slots=True, frozen=True)
class Called:
    """One kind of call, with the keys of the record's `calls`; a text is empty where the record doesn't have it.

    Attributes:
        service: its id with hyphens, e.g. `secrets-manager`.
        operation: e.g. `GetSecretValue`.
        resource: its name, ARN or URL; None where the record names none.
        region: where it isn't the function's own.
        account: likewise.
        kind: of a transaction's item, e.g. `Put`, or of a PartiQL statement, e.g. `Select`.
        index: of a table.
        source: the bucket or access point that is copied from; the key that `ReEncrypt` decrypts with.
        secret: the secret with a database's credentials.
        qualifier: the version or alias of a function or an agent.
        consumer: the name of a stream's consumer.
        presigned: whether it was signed for somebody else to send.
    """

    service: str
    operation: str
    resource: str | None
    region: str = ""
    account: str = ""
    kind: str = ""
    index: str = ""
    source: str = ""
    secret: str = ""
    qualifier: str = ""
    consumer: str = ""
    presigned: bool = False

    def __str__(self) -> str:
        """Say it in words."""
        more = [self.kind, f"index {self.index}" * bool(self.index), "presigned" * self.presigned]
        said = ", ".join(filter(None, more))
        named = [self.service, self.operation, self.resource or ""]
        return " ".join(filter(None, named)) + (f" ({said})" if said else "")

    def place(self, own: Place) -> Place:
        """Return where a resource is that it names without an ARN.

        Args:
            own: where the function is.
        """
        region = self.region if REGION.fullmatch(self.region) else own.region
        return replace(
            own, region=region, account=self.account if ACCOUNT.fullmatch(self.account) else own.account
        )


@dataclass(slots=True, frozen=True)
class Grant:
    """One action that a call asks for.

    Attributes:
        action: e.g. `dynamodb:Query`.
        on: what it is granted on; None where that can't be known.
        why: why not; empty otherwise.
    """

    action: str
    on: On | None
    why: str = ""


def asked_in(called: Called) -> Asked | None:
    """Return what a call asks for, or None for an operation that neither the reference nor our tables know.

    Like `asked_by`, but by all that the record says of the call; an older record says less.
    """
    asked = asked_by(called.service, called.operation)
    by_more = _BY_MORE.get((prefix_of(called.service), called.operation))
    return (by_more(called) if asked is not None and by_more is not None else None) or asked


def _of_transaction(called: Called) -> Asked | None:
    """https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis-iam.html: by its items."""
    known = called.kind in ("ConditionCheck", "Delete", "Put", "Update")
    return Asked((f"dynamodb:{called.kind}Item",)) if known else None


def _of_statement(called: Called) -> Asked | None:
    """https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ql-iam.html: by what the statement does."""
    known = called.kind in ("Delete", "Insert", "Select", "Update") and called.resource is not None
    return Asked((f"dynamodb:PartiQL{called.kind}",)) if known else None


def _of_copy(called: Called) -> Asked | None:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html: reading the source as well."""
    return Asked(("s3:PutObject",), others=(("s3:GetObject", called.source),)) if called.source else None


def _of_encryption(called: Called) -> Asked | None:
    """https://docs.aws.amazon.com/kms/latest/APIReference/API_ReEncrypt.html: on each of two keys."""
    known = called.source and called.resource is not None
    return Asked(("kms:ReEncryptTo",), others=(("kms:ReEncryptFrom", called.source),)) if known else None


def _of_database(called: Called) -> Asked | None:
    """https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/data-api.access.html: and its credentials."""
    action = f"rds-data:{called.operation}"
    return Asked((action,), others=((_GET_SECRET, called.secret),)) if called.secret else None


def _of_secrets(called: Called) -> Asked | None:
    """https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_BatchGetSecretValue.html: each of them."""
    return Asked(("secretsmanager:BatchGetSecretValue", _GET_SECRET)) if called.resource is not None else None


_GET_SECRET: Final = "secretsmanager:GetSecretValue"  # noqa: S105 - the name of an action
_BY_MORE: Final[Mapping[tuple[str, str], Callable[[Called], Asked | None]]] = {
    ("dynamodb", "TransactWriteItems"): _of_transaction,
    **{("dynamodb", name): _of_statement for name in STATEMENTS},
    ("kms", "ReEncrypt"): _of_encryption,
    **{("rds-data", name): _of_database for name in OF_DATABASES},
    ("s3", "CopyObject"): _of_copy,
    ("s3", "UploadPartCopy"): _of_copy,
    ("secretsmanager", "BatchGetSecretValue"): _of_secrets,
}
"""Prefix and operation → what it asks for, where the record tells enough."""


def grants_of(called: Called, own: Place) -> Iterator[Grant]:
    """Yield what a call asks for, each action with what it is granted on; nothing for an unknown operation.

    Args:
        called: the call.
        own: where the function is.
    """
    asked, place = asked_in(called), called.place(own)
    if asked is None:
        return
    for action, resource in (*((action, called.resource) for action in asked.actions), *asked.others):
        try:
            yield Grant(action, _narrowed(action, granted_on(action, resource, place), called))
        except UnknownResource as reason:
            yield Grant(action, None, str(reason))


def _narrowed(action: str, on: On, called: Called) -> On:
    """Return what an action is granted on, by what the record says of the call besides its resource.

    Raises:
        UnknownResource: that isn't a name as AWS has them, or it is missing.
    """
    part = called.index or called.qualifier or called.consumer
    if part and not _PART.fullmatch(part):
        raise UnknownResource("its resource isn't named as AWS names any")
    if action == "cloudwatch:PutMetricData" and called.resource and _NAMESPACE.fullmatch(called.resource):
        # https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/iam-cw-condition-keys-namespace.html
        return On(("*",), {"StringEquals": {"cloudwatch:namespace": called.resource}})
    narrow = _NARROWED.get(next(iter(kinds_of(action)), ""))
    return replace(on, arns=(narrow(on.arns[0], called),)) if narrow is not None else on


def _index(arn: str, called: Called) -> str:
    """https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/specifying-conditions.html: it alone."""
    return f"{arn}/index/{called.index}" if called.index else arn


def _version(arn: str, called: Called) -> str:
    """https://docs.aws.amazon.com/lambda/latest/dg/lambda-api-permissions-ref.html: as the call names it."""
    return f"{arn}:{called.qualifier}" if called.qualifier and arn.count(":") == _UNQUALIFIED else arn


def _agent(arn: str, called: Called) -> str:
    if not called.qualifier:
        raise UnknownResource("the record doesn't name the agent's alias")
    return f"{arn}/{called.qualifier}"


def _consumer(arn: str, called: Called) -> str:
    """https://docs.aws.amazon.com/kinesis/latest/APIReference/API_Consumer.html: the time of its creation ends it."""
    if "/consumer/" in arn:
        return arn
    if not called.consumer:
        raise UnknownResource("the record doesn't name the stream's consumer")
    return f"{arn}/consumer/{called.consumer}:*"


def _connections(arn: str, called: Called) -> str:
    """https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-control-access-iam.html."""
    return arn.replace("/*/@", f"/{_METHODS.get(called.operation, '*')}/@")


_PART: Final = re.compile(r"[A-Za-z0-9_.$-]+")
_NAMESPACE: Final = re.compile(r"[A-Za-z0-9_.\-/#: ]+")
_UNQUALIFIED: Final = 6  # colons of a function's ARN without a version or alias
_METHODS: Final = {"DeleteConnection": "DELETE", "GetConnection": "GET", "PostToConnection": "POST"}
_NARROWED: Final[Mapping[str, Callable[[str, Called], str]]] = {
    "agent-alias": _agent,
    "consumer": _consumer,
    "execute-api-general": _connections,
    "function": _version,
    "index": _index,
}
"""The kind of resource that the reference names first → its ARN, from that of the call's resource."""
