"""The AWS calls that a program's source has. Pure."""

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from lambda_guard.tools.policy.code.evaluation import Evaluation
from lambda_guard.tools.policy.code.powertools import CALLS, PACKAGE, PROVIDERS
from lambda_guard.tools.policy.code.program import Program, Scope, Use, terminal
from lambda_guard.tools.policy.code.sdk import Sdk, Service
from lambda_guard.tools.policy.code.values import (
    CLIENT,
    RESOURCE,
    Client,
    Named,
    Outside,
    Provider,
    Thing,
    Value,
    member,
)

_BY_NAME: Final = {"get_paginator", "get_waiter", "generate_presigned_url", "_make_api_call"}
"""Methods of a client whose first argument says what is called."""

_NAMING: Final = (
    "QueueUrl", "TopicArn", "TargetArn", "TableName", "Bucket", "FunctionName", "stateMachineArn", "EventBusName",
    "StreamARN", "StreamName", "DeliveryStreamName", "SecretId", "Name", "Path", "KeyId", "logGroupName", "modelId",
    "resourceArn", "RoleArn", "topic",
)  # fmt: skip
"""Parameters that name a resource, as the records have it."""


class Place(NamedTuple):
    """A line of a file."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class CodeCall:
    """An AWS call that the code has.

    Attributes:
        service: as records have it, e.g. `secrets-manager`.
        operation: e.g. `GetSecretValue`.
        place: where it is.
        text: how the source has it, e.g. `table.put_item`.
        named: its resource; None where nothing names one.
        starting: whether a module calls it when it is imported, and no function.
        sure: false where only the method's name says that this is a client of AWS's.
    """

    service: str
    operation: str
    place: Place
    text: str
    named: Named | None = None
    starting: bool = False
    sure: bool = True


@dataclass(slots=True)
class Found:
    """What a program's source has.

    Attributes:
        calls: in the order of files and lines.
        unclear: places at which a call can't be told, each with why.
    """

    calls: list[CodeCall] = field(default_factory=list)
    unclear: list[tuple[Place, str]] = field(default_factory=list)


def find(program: Program, modules: Mapping[str, Scope], sdk: Sdk) -> Found:
    """Return the AWS calls in some modules of a program.

    Args:
        program: all of the code, through which values are followed.
        modules: those of which the calls are wanted.
        sdk: what botocore knows.
    """
    return _Finder(program, sdk).find(set(map(id, modules.values())))


class _Site(NamedTuple):
    """Where something is called, or an attribute is read."""

    node: ast.expr
    scope: Scope
    call: ast.Call | None


class _Finder:
    def __init__(self, program: Program, sdk: Sdk) -> None:
        self._program = program
        self._sdk = sdk
        self._values = Evaluation(program, sdk)
        self._services: dict[str, Service] = {}
        self._unclear: dict[tuple[Place, str], None] = {}

    def find(self, modules: set[int]) -> Found:
        """Return the calls in these modules, by the ids of their scopes."""
        calls = [(call, scope) for several in self._program.calls.values() for call, scope in several]
        uses = [(use.attribute.value, use.scope) for use in self._program.uses]
        self._values.settle([*calls, *uses])
        for call, scope in calls:
            self._note_service(call, scope)
        found = set[CodeCall]()
        for use in self._program.uses:
            if id(use.scope.top) in modules:
                found |= set(self._of_use(use))
        for call, scope in calls:
            if id(scope.top) in modules:
                found |= set(self._of_call(call, scope))
        return Found(
            sorted(found, key=lambda it: (it.place, it.service, it.operation, it.text)), sorted(self._unclear)
        )

    # --- Which services there are

    def _note_service(self, call: ast.Call, scope: Scope) -> None:
        makers = {CLIENT, RESOURCE} & self._values.of(call.func, scope)
        for value in self._values.of(call, scope):
            if isinstance(value, Client | Thing) and (known := self._sdk.service(value.service)) is not None:
                self._services[value.service] = known
        names = self._values.services(call, scope)
        if not makers and (names or not self._may_make(call, scope)):
            return
        for name in names:
            if self._sdk.service(name) is None:
                self._note(call, scope, f"botocore knows no service {name!r}")
        if not names:
            self._note(call, scope, f"which service {_text(call)} is for isn't written out")
            self._services |= self._named_anywhere()

    def _may_make(self, call: ast.Call, scope: Scope) -> bool:
        """Whether it is `session.client(…)` of a session that can't be told."""
        if not isinstance(call.func, ast.Attribute) or call.func.attr not in {"client", "create_client"}:
            return False
        return bool(call.args) and not self._values.of(call.func.value, scope)

    def _named_anywhere(self) -> dict[str, Service]:
        """Return the services whose names stand anywhere in the program: a client may be for each of them."""
        nodes = (node for scope in self._program.modules.values() for node in ast.walk(scope.node))
        texts = {
            node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)
        }
        return {
            name: known for name in texts & self._sdk.names if (known := self._sdk.service(name)) is not None
        }

    def _note(self, node: ast.expr, scope: Scope, why: str) -> None:
        self._unclear[Place(scope.file, node.lineno), why] = None

    # --- What is called

    def _of_use(self, use: Use) -> Iterator[CodeCall]:
        site = _Site(use.attribute, use.scope, use.call)
        values = self._values.of(use.attribute.value, use.scope)
        for value in values:
            yield from self._of_value(value, use.attribute.attr, site)
        if not values and (use.call is not None or use.passed) and not self._is_own(use):
            yield from self._by_name(use.attribute.attr, site)

    def _of_value(self, value: Value, method: str, site: _Site) -> Iterator[CodeCall]:
        if isinstance(value, Client):
            yield from self._of_client(value, method, site)
        elif isinstance(value, Thing) and (found := member(value, method, self._sdk)) is not None:
            name = value.named or (self._named(site) if found.kind == "action" else None)
            yield from self._made(value.service, found.operations, site, name)
        elif isinstance(value, Provider):
            for service, operation in PROVIDERS[value.name].get(method, ()):
                yield from self._made(service, (operation,), site, self._first(site))

    def _of_client(self, client: Client, method: str, site: _Site) -> Iterator[CodeCall]:
        service = self._sdk.service(client.service)
        if service is None:
            return
        operations = service.methods.get(method, ())
        if method == "generate_presigned_post":
            operations = ("PutObject",)
        elif method in _BY_NAME and site.call is not None:
            operations = self._operations(service, method, site.call, site.scope)
            if not operations:
                self._note(
                    site.node, site.scope, f"what {_text(site.call)} calls of {service.id} isn't written out"
                )
        yield from self._made(client.service, operations, site, self._named(site))

    def _operations(self, service: Service, method: str, call: ast.Call, scope: Scope) -> tuple[str, ...]:
        """Return what the first argument says is called."""
        given = call.args[0] if call.args else next((one.value for one in call.keywords), None)
        words = self._values.words(given, scope) if given is not None else []
        if method == "get_waiter":
            return tuple(service.waiters[word] for word in words if word in service.waiters)
        if method == "_make_api_call":
            return tuple(word for word in words if word in service.operations)
        return tuple(operation for word in words for operation in service.methods.get(word, ()))

    def _of_call(self, call: ast.Call, scope: Scope) -> Iterator[CodeCall]:
        """Yield what functions of Powertools' call, and what `getattr` gives."""
        site = _Site(call.func, scope, call)
        for value in self._values.of(call.func, scope):
            if isinstance(value, Outside) and value.path.startswith(PACKAGE):
                for service, operation in CALLS.get(value.path.rpartition(".")[2], ()):
                    yield from self._made(service, (operation,), site, self._first(site))
        if terminal(call.func) == "getattr" and len(call.args) > 1:
            yield from self._of_getattr(call, scope)

    def _of_getattr(self, call: ast.Call, scope: Scope) -> Iterator[CodeCall]:
        methods = self._values.words(call.args[1], scope)
        for value in self._values.of(call.args[0], scope):
            if isinstance(value, Client | Thing) and not methods:
                self._note(call, scope, f"which method {_text(call)} is isn't written out")
            for method in methods:
                yield from self._of_value(value, method, _Site(call, scope, None))

    def _by_name(self, method: str, site: _Site) -> Iterator[CodeCall]:
        """Yield what it may be, if it is a client: of the services that the code has clients of."""
        for name, service in sorted(self._services.items()):
            yield from self._made(name, service.methods.get(method, ()), site, self._named(site), sure=False)

    def _is_own(self, use: Use) -> bool:
        """Whether it is a method of the program's own, by `self`."""
        on_self = isinstance(use.attribute.value, ast.Name) and use.attribute.value.id in {"self", "cls"}
        return on_self and use.attribute.attr in self._program.functions

    def _made(
        self, name: str, operations: Iterable[str], site: _Site, named: Named | None, *, sure: bool = True
    ) -> Iterator[CodeCall]:
        if (service := self._sdk.service(name)) is None:
            return
        for operation in operations:
            place = Place(site.scope.file, site.node.lineno)
            yield CodeCall(service.id, operation, place, _text(site.node), named, site.scope.starting, sure)

    def _named(self, site: _Site) -> Named | None:
        """Return the resource that a call's keywords name."""
        given = {one.arg: one.value for one in site.call.keywords} if site.call is not None else {}
        name = next((given[key] for key in _NAMING if key in given), None)
        return self._values.named(name, site.scope) if name is not None else None

    def _first(self, site: _Site) -> Named | None:
        """Return the resource that a part of Powertools gets: its first argument, or first keyword."""
        given = [*site.call.args, *(one.value for one in site.call.keywords)] if site.call is not None else []
        return self._values.named(given[0], site.scope) if given else None


_TEXT_MOST: Final = 60


def _text(node: ast.expr) -> str:
    """Return an expression as it is written, in one line, cut if it is long."""
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= _TEXT_MOST else f"{text[: _TEXT_MOST - 1]}…"
