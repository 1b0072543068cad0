"""What boto3's clients and resources have: which method makes which call, by the models that botocore and boto3 bring.

https://boto3.amazonaws.com/v1/documentation/api/latest/guide/resources.html
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Literal

from lambda_guard.errors import MissingExtraError

_UPLOAD: Final = ("PutObject", "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload")
_DOWNLOAD: Final = ("HeadObject", "GetObject")
_COPY: Final = ("HeadObject", "CopyObject", "UploadPartCopy", *_UPLOAD[1:])
_TRANSFERS: Final = {
    # https://boto3.amazonaws.com/v1/documentation/api/latest/reference/customizations/s3.html
    "copy": _COPY,
    "download_file": _DOWNLOAD,
    "download_fileobj": _DOWNLOAD,
    "upload_file": _UPLOAD,
    "upload_fileobj": _UPLOAD,
}
_ADDED: Final[Mapping[tuple[str, str], Mapping[str, tuple[str, ...]]]] = {
    ("s3", "Bucket"): _TRANSFERS,
    ("s3", "Object"): _TRANSFERS,
    ("s3", "ObjectSummary"): _TRANSFERS,
    # https://boto3.amazonaws.com/v1/documentation/api/latest/reference/customizations/dynamodb.html
    ("dynamodb", "Table"): {"batch_writer": ("BatchWriteItem",)},
}
"""What boto3 adds to its resources by hand, by service and type of resource."""

Kind = Literal["action", "attribute", "resource", "collection"]


@dataclass(frozen=True, slots=True)
class Member:
    """What a resource of boto3's has.

    Attributes:
        kind: an action is called; an attribute is read, which may make a call; the others lead to more of them.
        operations: of the API, which it calls.
        type: of the resource that it leads to; empty where it leads to none.
    """

    kind: Kind
    operations: tuple[str, ...] = ()
    type: str = ""


class Service:
    """A service of AWS as botocore knows it.

    Args:
        model: of its API.
        waiters: of its waiters.
        resources: of boto3's resources, where there are any.

    Attributes:
        id: as records have it: `secrets-manager`.
    """

    def __init__(self, model: Any, waiters: Mapping[str, Any], resources: Mapping[str, Any]) -> None:
        self.id: str = model.service_id.hyphenize()
        self._model = model
        self._waiters = waiters
        self._resources = resources
        self._members: dict[str, Mapping[str, Member]] = {}

    @cached_property
    def methods(self) -> Mapping[str, tuple[str, ...]]:
        """The methods of a client that call something, and the operations that they call."""
        own = {_method(name): (name,) for name in self._model.operation_names}
        return own | (_TRANSFERS if self.id == "s3" else {})

    @cached_property
    def operations(self) -> frozenset[str]:
        """All operations of the API."""
        return frozenset(self._model.operation_names)

    @cached_property
    def waiters(self) -> Mapping[str, str]:
        """The waiters of a client, as `get_waiter` names them, and the operation that each repeats."""
        return {_method(name): str(one["operation"]) for name, one in self._waiters.items()}

    def members(self, type_: str) -> Mapping[str, Member]:
        """Return what a resource of a type has; `""` is the type of `boto3.resource("s3")` itself."""
        if type_ not in self._members:
            self._members[type_] = dict(self._found(type_))
        return self._members[type_]

    def batch_actions(self, type_: str) -> Mapping[str, Member]:
        """Return what a collection of such resources does with all of them at once."""
        actions = self._definition(type_).get("batchActions", {})
        return {_method(name): Member("action", _called(one)) for name, one in actions.items()}

    def _definition(self, type_: str) -> Mapping[str, Any]:
        found = self._resources.get("resources", {}).get(type_) if type_ else self._resources.get("service")
        return found if isinstance(found, dict) else {}

    def _found(self, type_: str) -> Iterator[tuple[str, Member]]:
        definition = self._definition(type_)
        loads = _called(definition.get("load", {}))
        for name in self._attributes(definition) if loads else ():
            yield _method(name), Member("attribute", loads)
        if loads:
            yield from dict.fromkeys(("load", "reload"), Member("action", loads)).items()
        for name in self._resources.get("resources", {}) if not type_ else ():
            yield name, Member("resource", (), name)
        for name, one in definition.get("has", {}).items():
            leads_to = Member("resource", (), one["resource"]["type"])
            yield from ((name, leads_to), (_method(name), leads_to))
        for name, one in definition.get("hasMany", {}).items():
            yield _method(name), Member("collection", _called(one), one["resource"]["type"])
        for name, one in definition.get("waiters", {}).items():
            repeated = self._waiters.get(one["waiterName"], {}).get("operation")
            yield f"wait_until_{_method(name)}", Member("action", (repeated,) if repeated else ())
        for name, one in definition.get("actions", {}).items():
            yield _method(name), Member("action", _called(one), one.get("resource", {}).get("type", ""))
        for name, operations in _ADDED.get((self.id, type_), {}).items():
            yield name, Member("action", operations)

    def _attributes(self, definition: Mapping[str, Any]) -> Iterator[str]:
        identifiers = {one.get("memberName", one["name"]) for one in definition.get("identifiers", ())}
        if (shape := definition.get("shape")) is not None:
            yield from (name for name in self._model.shape_for(shape).members if name not in identifiers)


class Sdk:
    """The services that botocore knows.

    Raises:
        MissingExtraError: boto3 isn't installed.
    """

    def __init__(self) -> None:
        try:
            import boto3
            from botocore.loaders import create_loader
        except ModuleNotFoundError as error:
            raise MissingExtraError(
                "--code needs boto3, which isn't installed: pip install 'aws-lambda-guard[tools]'",
                name="boto3",
            ) from error
        self._loader = create_loader(str(Path(boto3.__file__).parent / "data"))
        self._services: dict[str, Service | None] = {}

    @cached_property
    def names(self) -> frozenset[str]:
        """The names of all services."""
        return frozenset(self._loader.list_available_services("service-2"))

    def service(self, name: str) -> Service | None:
        """Return a service by the name that `boto3.client` takes; None for one that botocore doesn't know."""
        if name not in self._services:
            self._services[name] = self._loaded(name)
        return self._services[name]

    def _loaded(self, name: str) -> Service | None:
        from botocore.model import ServiceModel

        api = self._read(name, "service-2")
        if not api:
            return None
        waiters = self._read(name, "waiters-2").get("waiters", {})
        return Service(ServiceModel(api, name), waiters, self._read(name, "resources-1"))

    def _read(self, name: str, kind: str) -> Mapping[str, Any]:
        from botocore.exceptions import DataNotFoundError

        try:
            return dict(self._loader.load_service_model(name, kind))
        except (DataNotFoundError, OSError, ValueError):
            return {}


def _called(definition: Mapping[str, Any]) -> tuple[str, ...]:
    operation = definition.get("request", {}).get("operation")
    return (operation,) if operation else ()


def _method(name: str) -> str:
    from botocore import xform_name

    return str(xform_name(name))
