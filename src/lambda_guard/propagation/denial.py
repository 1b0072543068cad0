"""Calls that AWS has denied: what it says of why, as far as that names nobody. Pure.

- https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html has the messages;
- https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied-authorization-id.html has the id by which
  `iam-toolbox:GetRequestAuthorizationDetails` tells which policies were evaluated.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from .. import _names
from .called import resource_name

_CODES: Final = frozenset(
    {
        "403",  # of a HEAD request, whose response has no body
        "AccessDenied",
        "AccessDeniedException",
        "AccessDeniedFault",
        "AuthorizationError",
        "AuthorizationErrorException",
        "ForbiddenException",
        "UnauthorizedException",
        "UnauthorizedOperation",
    }
)
_IN_ANSWER: Final = {
    ("dynamodb", "BatchExecuteStatement"): ("Responses", "Code"),
    ("eventbridge", "PutEvents"): ("Entries", "ErrorCode"),
    ("s3", "DeleteObjects"): ("Errors", "Code"),
    ("secrets-manager", "BatchGetSecretValue"): ("Errors", "ErrorCode"),
}
"""Operations that succeed although a part of them is denied → where the response says so."""

_MOST: Final = 4096  # characters of a message that are looked at; a policy's ARN has 2,048 at most
_QUOTE: Final = "[`'\"]?"
_ACTION: Final = re.compile(
    rf"not authorized to perform:? {_QUOTE}([A-Za-z0-9-]+):([A-Za-z0-9]+){_QUOTE}"
    rf"(?: on (?:the )?resource:? {_QUOTE}(arn:[^\s`'\"]+))?"
)
_IMPLICIT: Final = re.compile(r"because no ([A-Za-z -]+?)(?: policy)? allows")
_EXPLICIT: Final = re.compile(
    r"explicit deny in (?:an?|the) ([A-Za-z -]+?)(?: policy)?(?:: (arn:aws[a-z-]*:[^\s]+)|[.,;]|$)"
)
_ID: Final = re.compile(r"authorization id: ([A-Za-z0-9_-]{8,256})", re.IGNORECASE)
_POLICY_TYPES: Final = frozenset(
    {
        "identity-based",
        "permissions boundary",
        "resource control",
        "resource-based",
        "role trust",
        "service control",
        "session",
        "VPC endpoint",
    }
)


def denials_in(
    service: str, operation: str, response: Mapping[str, Any] | None, error: BaseException | None
) -> list[dict[str, str]]:
    """Return the denials of a call, each as the record has it but for the count.

    Args:
        service: as in `named`.
        operation: e.g. `DeleteObjects`.
        response: the service's response, if there is one.
        error: what was raised instead.
    """
    if error is not None:
        answer = getattr(error, "response", None)
        said = answer.get("Error") if isinstance(answer, Mapping) else None
        return list(_denials([said], "Code"))
    where = _IN_ANSWER.get((service, operation))
    if where is None or response is None:
        return []
    listed = response.get(where[0]) or ()
    return list(_denials([it.get("Error", it) for it in listed if isinstance(it, Mapping)], where[1]))


def _denials(errors: list[Any], code_key: str) -> Iterator[dict[str, str]]:
    for error in errors:
        if not isinstance(error, Mapping):
            continue
        message = error.get("Message") or error.get("ErrorMessage")
        text = message[:_MOST] if isinstance(message, str) else ""
        if error.get(code_key) in _CODES or _ACTION.search(text):
            yield _told(text)


def _told(message: str) -> dict[str, str]:
    found: dict[str, str | None] = {}
    if asked := _ACTION.search(message):
        found[_names.DENIED_ACTION] = f"{asked[1].lower()}:{asked[2]}"
        found[_names.RESOURCE] = resource_name(_without_key((asked[3] or "").rstrip(".,;"))) or None
    if (why := _EXPLICIT.search(message)) is not None:
        found[_names.DENIED_BY] = "explicit"
        found[_names.DENIED_POLICY] = resource_name((why[2] or "").rstrip(".,;")) or None
    elif (why := _IMPLICIT.search(message)) is not None:
        found[_names.DENIED_BY] = "implicit"
    if why is not None and why[1] in _POLICY_TYPES:
        found[_names.DENIED_POLICY_TYPE] = why[1]
    if (id_ := _ID.search(message)) is not None:
        found[_names.AUTHORIZATION_ID] = id_[1]
    return {key: value for key, value in found.items() if value is not None}


def _without_key(arn: str) -> str:
    """Return the ARN without the key of an object."""
    if ":s3:" not in arn:
        return arn
    before, is_object, _ = arn.partition("/object/")
    if is_object:
        return f"{before}/object/*"
    bucket, has_key, _ = arn.partition("/")
    return f"{bucket}/*" if has_key and ":::" in bucket else arn
