"""What each function is held to: its role's policies as the template has them, or a policy that is given instead."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, TypeAlias

from lambda_guard.iam.matcher import PolicyError, statements_of
from lambda_guard.iam.on_behalf import LOGGING, POLLING, TRACING
from lambda_guard.local._errors import OptionError
from lambda_guard.local.aws.managed_policies import managed_policy
from lambda_guard.local.permissions.deciding import Held, Permissions
from lambda_guard.shapes import arns
from lambda_guard.templates.roles import Role, read_roles
from lambda_guard.templates.stack import FunctionDeclaration, MappingDeclaration, Stack
from lambda_guard.templates.template import Template

PolicySource: TypeAlias = "str | Path | Mapping[str, Any]"
_GIVEN: Final = "the policy given"


def enforced(
    permissions: Permissions, template: Template, stack: Stack, given: Mapping[str, PolicySource]
) -> tuple[Stack, list[str]]:
    """Hold functions to policies, and return what of the stack runs then.

    Args:
        permissions: decides from then on.
        template: has the roles.
        stack: that would run here otherwise.
        given: policies in place of a role's, by a function's logical id or name.

    Returns:
        The stack, and a sentence for each function that can't be held, and for all that the Lambda service can't do.

    Raises:
        OptionError: one of `given` can't be used.
    """
    documents = {name: _document(name, source) for name, source in given.items()}
    known = {key for it in stack.functions for key in (it.logical_id, it.name)}
    if unknown := sorted(documents.keys() - known):
        raise OptionError(f"there is no function {unknown[0]!r} for a policy: name one of the template's")
    roles = read_roles(template)
    said = list[str]()
    for it in stack.functions:
        own = documents.get(it.name, documents.get(it.logical_id))
        try:
            permissions.hold(it.name, _held(it, roles[it.name], own))
        except PolicyError as error:
            said.append(
                f"{it.logical_id} isn't held to policies: {error}. --policy {it.logical_id}=FILE gives it one"
            )
        said += _missed(permissions, it)
    unpolled = {it: why for it in stack.mappings if (why := _unpolled(permissions, it))}
    return replace(stack, mappings=tuple(it for it in stack.mappings if it not in unpolled)), [
        *said,
        *unpolled.values(),
    ]


def hold(permissions: Permissions | None, function: str, policy: PolicySource) -> None:
    """Hold a function to a policy in place of its role's, within its permissions boundary.

    Raises:
        OptionError: it can't be used, or nothing is enforced.
    """
    if permissions is None:
        raise OptionError("policies hold nothing without enforce_policies=True")
    statements = statements_of(_document(function, policy), _GIVEN)
    before = permissions.held(function) or Held(function, ())
    permissions.hold(function, replace(before, statements=statements))


def _document(name: str, source: PolicySource) -> Any:
    if isinstance(source, Mapping):
        document: Any = source
    else:
        try:
            document = json.loads(Path(source).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise OptionError(
                f"the policy of {name}, {str(source)!r}, can't be read as JSON: {error}"
            ) from error
    try:
        statements_of(document)
    except PolicyError as error:
        raise OptionError(f"the policy of {name}: {error}") from error
    return document


def _held(function: FunctionDeclaration, role: Role, own: Any) -> Held:
    """Return what a function is held to: its role, or its own policy within the role's boundary.

    Raises:
        PolicyError: that can't be told.
    """
    if role.unread and own is not None:
        return Held(role.name or function.name, statements_of(own, _GIVEN))
    if role.unread:
        raise PolicyError(role.unread)
    documents = (
        {_GIVEN: own}
        if own is not None
        else {**role.policies, **{arn: _managed(arn) for arn in role.managed}}
    )
    statements = [one for name, document in documents.items() for one in statements_of(document, name)]
    if role.boundary is None:
        return Held(role.name, statements)
    arn, document = role.boundary
    return Held(role.name, statements, statements_of(_managed(arn) if document is None else document, arn))


def _managed(arn: str) -> Any:
    if (document := managed_policy(arn)) is None:
        raise PolicyError(
            f"the managed policy {arn} is neither in the template nor one of AWS's that moto knows"
        )
    return document


def _missed(permissions: Permissions, it: FunctionDeclaration) -> Iterator[str]:
    """Yield what the Lambda service can't do in the function's name on AWS, though it is done here."""
    group = f"log-group:{it.logs_to}:log-stream:any"
    if missing := permissions.missing(it.name, LOGGING, permissions.place.arn("logs", group)):
        yield f"{it.logical_id}: {_without(missing)}: its log lines are lost on AWS, and kept here"
    if it.tracing and (missing := permissions.missing(it.name, TRACING, "*")):
        yield f"{it.logical_id}: {_without(missing)}: its traces are lost on AWS, and kept here"
    for what, arn in (
        ("dead letters", it.dead_letter_arn),
        ("failed events", it.on_failure),
        ("results", it.on_success),
    ):
        if arn is not None and (missing := permissions.missing(it.name, permissions.sending(arn), arn)):
            yield f"{it.logical_id}: {_without(missing)} on {arn}: its {what} are lost, and AWS refuses such a function"


def _without(actions: Sequence[str]) -> str:
    return f"its role doesn't grant {', '.join(actions)}"


def _unpolled(permissions: Permissions, mapping: MappingDeclaration) -> str | None:
    """Return why an event source mapping can't poll its source: AWS refuses to create it. None where it can.

    https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html#events-sqs-permissions
    """
    source = arns.parse(mapping.source_arn)
    wanted = POLLING.get(source.service, ()) if source is not None else ()
    if missing := permissions.missing(mapping.function, wanted, mapping.source_arn):
        return (
            f"{mapping.logical_id}: {mapping.source_arn} is not polled for {mapping.function}, since "
            f"{_without(missing)}: AWS refuses such a mapping"
        )
    return None
