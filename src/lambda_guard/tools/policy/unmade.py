"""AWS calls that the code has and no invocation made: where a policy would cut off an error path."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click

from lambda_guard.iam.actions import asked_by
from lambda_guard.iam.called import Called, asked_in
from lambda_guard.tools.policy.code.calls import CodeCall, Found, Place, find
from lambda_guard.tools.policy.code.files import Sources, sources
from lambda_guard.tools.policy.code.indexing import index
from lambda_guard.tools.policy.code.program import Program, imported_from_elsewhere, reached
from lambda_guard.tools.policy.code.sdk import Sdk
from lambda_guard.tools.policy.evidence import counted
from lambda_guard.tools.python_source import parsed
from lambda_guard.tools.terminal import say, warn

_STARTING: Final = " (while the environment starts: no record tells of that)"

code_option = click.option(
    "--code",
    type=click.Path(exists=True, path_type=Path),
    metavar="PATH",
    help="The function's code, a file, folder, zip or template: tell which of its AWS calls no invocation made.",
)


@dataclass(frozen=True, slots=True)
class Code:
    """A function's code.

    Attributes:
        path: as it was named.
        modules: how many were read.
        found: the AWS calls that it has.
        unread: what wasn't read, each with why.
        beside: installed packages that call AWS by themselves.
        elsewhere: what it imports and isn't there, such as a layer.
    """

    path: Path
    modules: int
    found: Found
    unread: tuple[str, ...]
    beside: tuple[str, ...]
    elsewhere: tuple[str, ...]

    def unmade(self, called: Iterable[Called]) -> list[str]:
        """Return a line for each place with a call that no invocation made."""
        seen = _seen(called)
        return [*_unseen(self.found, seen), *_variables(self.found, seen)]

    def actions(self) -> dict[str, str]:
        """Return the actions that its calls ask for, in lower case, each with the first place."""
        places: dict[str, str] = {}
        for call in self.found.calls:
            for action in _asked(call.service, call.operation):
                places.setdefault(action.lower(), str(call.place))
        return places

    def unknown(self) -> Iterator[str]:
        """Yield what isn't known of the code."""
        yield from (f"{place}: {why}" for place, why in self.found.unclear)
        yield from (f"{one}, so that its calls aren't known" for one in self.unread)
        if self.beside:
            yield f"installed packages with AWS calls of their own, which weren't read: {', '.join(self.beside)}"
        if self.elsewhere:
            yield f"whether these call AWS, which it imports from elsewhere: {', '.join(self.elsewhere)}"


def code_at(path: Path, function: str) -> Code:
    """Read a function's code.

    Args:
        path: a file, folder, zip, or template.
        function: of a template, which of its functions.

    Raises:
        LambdaGuardError: the code can't be read, or boto3 isn't installed.
        TemplateError: the template can't be read.
    """
    found = sources(path, function)
    program, unread = _program(found)
    modules = reached(program, found.start) if found.start else program.modules
    calls = find(program, modules, Sdk())
    elsewhere = imported_from_elsewhere(program, modules) - found.installed
    return Code(
        path,
        len(modules),
        calls,
        (*found.unread, *unread),
        tuple(sorted(found.beside)),
        tuple(sorted(elsewhere)),
    )


def say_unmade(code: Code, unmade: Sequence[str]) -> None:
    """Say on standard error what the code has, and no invocation did."""
    calls = len({(one.place, one.text) for one in code.found.calls})
    say(f"code: {code.path}, {counted(code.modules, 'module')} with {counted(calls, 'AWS call')}")
    for line in code.unknown():
        say(f"not known of the code: {line}")
    for line in unmade:
        warn(f"no invocation made it: {line}")


def _program(found: Sources) -> tuple[Program, list[str]]:
    program, unread = Program(found.root), list[str]()
    for name, text in found.files.items():
        tree = parsed(text)
        module = name.removesuffix(".py").replace("/", ".").removesuffix(".__init__")
        try:
            if tree is None:
                unread.append(f"{name}: it can't be parsed by this Python")
            else:
                index(program, module, name, tree)
        except RecursionError:
            unread.append(f"{name}: it is nested too deeply")
    return program, unread


@dataclass(frozen=True, slots=True)
class _Seen:
    """What invocations called.

    Attributes:
        on: the resources of each action that they asked for; None stands for any.
        operations: (service, operation) of each call.
    """

    on: dict[str, set[str | None]]
    operations: set[tuple[str, str]]


def _seen(called: Iterable[Called]) -> _Seen:
    on: dict[str, set[str | None]] = defaultdict(set)
    operations = set[tuple[str, str]]()
    for one in called:
        operations.add((one.service, one.operation))
        asked = asked_in(one)
        if asked is None:
            on[f"{one.service}:{one.operation}"].add(one.resource)
            continue
        for action, resource in (*((action, one.resource) for action in asked.actions), *asked.others):
            on[action].add(resource)
        for action, _ in asked.besides:
            on[action].add(None)
    return _Seen(on, operations)


def _unseen(found: Found, seen: _Seen) -> Iterator[str]:
    """Yield the places at which something is asked of IAM that no invocation asked for."""
    places: dict[tuple[Place, str, str, bool, bool], dict[str, None]] = defaultdict(dict)
    for call in found.calls:
        on = _unseen_name(call, seen)
        for action in _asked(call.service, call.operation):
            unasked = action not in seen.on and (call.service, call.operation) not in seen.operations
            if unasked or on:
                places[call.place, call.text, on, call.sure, call.starting][action] = None
    for (place, text, on, sure, starting), actions in places.items():
        services = " or ".join(sorted({one.partition(":")[0] for one in actions}))
        doubt = "" if sure else f", if that is a client of {services}"
        yield f"{place}: {text} asks for {', '.join(actions)}{f' on {on}' if on else ''}{doubt}{_STARTING * starting}"


def _asked(service: str, operation: str) -> tuple[str, ...]:
    """Return the actions that an operation asks for; in place of those that nobody knows, the operation."""
    asked = asked_by(service, operation)
    if asked is None:
        return (f"{service}:{operation}",)
    return (*asked.actions, *(action for action, _ in asked.besides))


def _unseen_name(call: CodeCall, seen: _Seen) -> str:
    """Return the resource that a call names by its name, if invocations called others alone."""
    if call.named is None or call.named.kind != "name":
        return ""
    names = set[str | None]().union(
        *(seen.on.get(action, ()) for action in _asked(call.service, call.operation))
    )
    if not names or None in names or any(_is_called(call.named.text, str(name)) for name in names):
        return ""
    return call.named.text


def _is_called(name: str, resource: str) -> bool:
    """Whether a resource in a record, which may be an ARN or a URL, is the one of this name; or the other way round."""
    short, long = sorted((name.strip("/"), resource.strip("/")), key=len)
    return long == short or long.endswith((f"/{short}", f":{short}"))


def _variables(found: Found, seen: _Seen) -> Iterator[str]:
    """Yield the actions that the code has on more variables than invocations called resources."""
    told: dict[str, dict[str, Place]] = defaultdict(dict)
    for call in found.calls:
        if call.named is not None and call.named.kind != "expression" and not _unseen_name(call, seen):
            for action in _asked(call.service, call.operation):
                told[action].setdefault(call.named.text, call.place)
    for action, names in told.items():
        resources = seen.on.get(action, set())
        if resources and None not in resources and len(names) > len(resources):
            each = ", ".join(f"{name} ({place})" for name, place in sorted(names.items()))
            yield f"{action} on {each}: invocations called {len(resources)} of these {len(names)}"
