"""What an expression may be, as far as AWS's clients go. Pure.

Nothing is run. A name may be all that is assigned to it anywhere, a parameter all that callers pass, an attribute all
that is assigned to one of its name, and a container is its elements.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias

from lambda_guard.tools.policy.code.powertools import PACKAGE, PROVIDERS
from lambda_guard.tools.policy.code.program import Scope
from lambda_guard.tools.policy.code.sdk import Member, Sdk


@dataclass(frozen=True, slots=True)
class Client:
    """A client of a service, by the name that `boto3.client` takes."""

    service: str


@dataclass(frozen=True, slots=True)
class Named:
    """The name of a resource: itself, the environment variable that has it, or the expression that gives it."""

    text: str
    kind: Literal["name", "variable", "expression"]


@dataclass(frozen=True, slots=True)
class Thing:
    """A resource of boto3's, or a collection of such.

    Attributes:
        service: as for `boto3.resource`.
        type: e.g. `Table`; empty for the service itself.
        named: its name, as far as the source has it.
        several: whether it is a collection.
    """

    service: str
    type: str
    named: Named | None = None
    several: bool = False


@dataclass(frozen=True, slots=True)
class Outside:
    """What is imported from elsewhere, by its dotted name."""

    path: str


@dataclass(frozen=True, slots=True)
class Word:
    """A string."""

    text: str


@dataclass(frozen=True, slots=True)
class Variable:
    """What an environment variable holds."""

    name: str


@dataclass(frozen=True, slots=True)
class Provider:
    """An object of Powertools', by its class."""

    name: str


@dataclass(frozen=True, slots=True)
class Defined:
    """A function, class or module of the program."""

    scope: Scope


@dataclass(frozen=True, slots=True)
class Session:
    """What makes clients, of whichever SDK."""


Value: TypeAlias = Client | Thing | Session | Outside | Word | Variable | Defined | Provider
OfAws: TypeAlias = Client | Thing | Session | Provider
Values: TypeAlias = frozenset[Value]

CLIENT: Final = Outside("boto3.client")
RESOURCE: Final = Outside("boto3.resource")
MAKERS: Final = {"client": CLIENT, "create_client": CLIENT, "resource": RESOURCE}
"""What a session, or an SDK's module, makes its clients and resources with."""

_SDKS: Final = re.compile(r"(?:aio)?boto(?:3|core)(?:\.|$)")
_STUB: Final = re.compile(
    r"(?:mypy_boto3|types_boto3|types_aioboto3|types_aiobotocore)_([a-z0-9_]+)\.(?:\w+\.)*(\w+)"
)
_BATCH: Final = Outside("boto3.dynamodb.table.BatchWriter")
_OF_CONTAINERS: Final = frozenset({"get", "items", "pop", "setdefault", "values"})
_SAME: Final = frozenset({"all", "filter", "limit", "page_size", "pages"})
"""What a collection has that gives a part of it.

https://boto3.amazonaws.com/v1/documentation/api/latest/guide/collections.html
"""


def made(maker: Outside, services: Iterable[str]) -> Iterator[Value]:
    """Yield what a maker makes for the names of services."""
    for service in services:
        yield Client(service) if maker == CLIENT else Thing(service, "")


def from_outside(path: str) -> Value | None:
    """Return what a call of something imported makes, if that is known: a session, or a provider of Powertools'."""
    name = path.rpartition(".")[2]
    if _SDKS.match(path) and name in {"Session", "AioSession", "get_session"}:
        return Session()
    return Provider(name) if path.startswith(PACKAGE) and name in PROVIDERS else None


def attribute(value: Value, name: str, sdk: Sdk) -> Value | None:
    """Return what an attribute of a value is, if the value alone tells that."""
    if isinstance(value, Outside):
        path = f"{value.path}.{name}"
        return MAKERS[name] if name in MAKERS and _SDKS.match(value.path) else Outside(path)
    if isinstance(value, Session):
        return MAKERS.get(name)
    if isinstance(value, Thing) and name == "client":
        return Client(value.service)
    if isinstance(value, Client | Thing) and name == "meta":
        return value
    found = member(value, name, sdk) if isinstance(value, Thing) else None
    return (
        led_to(value, found)
        if isinstance(value, Thing) and found is not None and found.kind != "action"
        else None
    )


def answered(value: Client | Thing, name: str, named: Named | None, sdk: Sdk) -> Value | None:
    """Return what a call of a method gives: another resource, or the same where a container's method was meant."""
    if isinstance(value, Client):
        service = sdk.service(value.service)
        return (
            None
            if service is None or name in service.methods or name.startswith(("get_", "generate_"))
            else value
        )
    if value.several and name in _SAME:
        return value
    if name == "batch_writer":
        return _BATCH
    if (found := member(value, name, sdk)) is None:
        return value if name in _OF_CONTAINERS else None
    return led_to(replace(value, named=value.named or named), found)


def member(value: Thing, name: str, sdk: Sdk) -> Member | None:
    """Return what a resource has under a name; a collection has what it does at once, and what each item has."""
    service = sdk.service(value.service)
    if service is None:
        return None
    if value.several and name in service.batch_actions(value.type):
        return service.batch_actions(value.type)[name]
    return service.members(value.type).get(name)


def led_to(value: Thing, found: Member) -> Thing | None:
    """Return the resource that a member leads to."""
    if not found.type:
        return None
    return Thing(value.service, found.type, value.named, several=found.kind == "collection")


def typed(path: str, sdk: Sdk) -> Value | None:
    """Return what boto3's stubs call by a name: `mypy_boto3_s3.client.S3Client`."""
    if (stub := _STUB.fullmatch(path)) is None:
        return None
    service, name = stub[1].replace("_", "-"), stub[2]
    known = sdk.service(service)
    if known is None:
        return None
    if name.endswith("Client"):
        return Client(service)
    if name.endswith("ServiceResource"):
        return Thing(service, "")
    return Thing(service, name) if known.members(name) else None
