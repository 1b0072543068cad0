"""Authorizers of APIs: functions decide as on AWS; the claims of tokens are believed.

REST APIs: https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-use-lambda-authorizer.html,
HTTP APIs: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-lambda-authorizer.html,
tokens: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-jwt-authorizer.html.
"""

import base64
import json
import re
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from lambda_guard.iam.matcher import PolicyError, Request, Verdict, decide, statements_of
from lambda_guard.local.proxying import document
from lambda_guard.local.runtime.http_server import HttpRequest, HttpResponse
from lambda_guard.local.runtime.result import InvocationResult
from lambda_guard.templates.stack import AuthorizerDeclaration, RouteDeclaration

CLAIMS: Final = "x-lambda-guard-claims"
"""The header with the claims of a token as JSON, in place of the token."""
_SOURCE: Final = re.compile(r"(header|querystring|stageVariables|context)\.([\w.-]+)$")
_KEPT_MOST: Final = 1000


class DeniedError(Exception):
    """A request isn't authorized; `answer` is API Gateway's."""

    def __init__(self, answer: HttpResponse) -> None:
        self.answer = answer
        super().__init__(answer.status)


class Decisions(dict[tuple[str, ...], tuple[float, Any]]):
    """What functions have answered, by API, authorizer and identity, with the time until which it counts."""

    def still(self, key: tuple[str, ...]) -> tuple[bool, Any]:
        """Return whether an answer still counts, and the answer."""
        ends, kept = self.get(key, (0.0, None))
        return ends > time.monotonic(), kept

    def keep(self, key: tuple[str, ...], seconds: float, answer: Any) -> None:
        """Keep an answer."""
        if len(self) >= _KEPT_MOST:
            self.clear()
        self[key] = (time.monotonic() + seconds, answer)


class Authorizers:
    """Decides on a request.

    Args:
        invoke: invokes a function with an event.
        decisions: of earlier requests, which count for as long as the authorizer says.
    """

    def __init__(self, invoke: Callable[[str, bytes], InvocationResult], decisions: Decisions) -> None:
        self._invoke = invoke
        self._decisions = decisions

    def context(
        self, route: RouteDeclaration, request: HttpRequest, event: Mapping[str, Any], arn: str
    ) -> dict[str, Any]:
        """Return what the event has of the authorizer.

        Args:
            route: the route.
            request: the request.
            event: as the authorizer's version has it, with whose query, headers and variables it decides.
            arn: of the method that is called.

        Raises:
            DeniedError: the caller isn't known, or may not.
        """
        it = route.authorizer
        if it is None:
            return {}
        if it.function is None:
            return _of_a_token(it, route, request, event)
        values = [_value(source, event, request) for source in it.identity]
        missing = not all(values) or (it.kind == "token" and not values)
        if missing or (it.kind == "token" and it.pattern and not re.fullmatch(it.pattern, values[0])):
            raise _unauthorized()
        asked = _asked(it, event, values, arn, rest=route.rest)
        return _allowed(it, route, self._answer(it, route.api, values, asked, rest=route.rest), arn)

    def _answer(
        self, it: AuthorizerDeclaration, api: str, values: list[str], event: dict[str, Any], *, rest: bool
    ) -> Any:
        key = (api, it.name, *values)
        counts, kept = self._decisions.still(key)
        if counts:
            return kept
        assert it.function is not None
        result = self._invoke(it.function, json.dumps(event).encode())
        if result.function_error is not None:
            raise _unauthorized() if result.error_message == "Unauthorized" else _broken(rest=rest)
        if it.ttl and values:  # without an identity there is nothing to keep it by
            self._decisions.keep(key, it.ttl, result.payload)
        return result.payload


def _value(source: str, event: Mapping[str, Any], request: HttpRequest) -> str:
    """Return what an identity source names in a request; empty where it isn't there."""
    found = _SOURCE.search(source)
    if found is None:
        return ""
    place, name = found.groups()
    if place == "header":
        return request.lower_headers.get(name.lower(), "")
    if place == "context":  # what the gateway notes, nested in one format and flat in the other
        value: Any = {**event, **event["requestContext"]}
        for part in name.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        return str(value or "")
    values = event.get("queryStringParameters" if place == "querystring" else "stageVariables") or {}
    return str(values.get(name, ""))


def _asked(
    it: AuthorizerDeclaration, event: Mapping[str, Any], values: list[str], arn: str, *, rest: bool
) -> dict[str, Any]:
    """Return the authorizer's event: a token, or the request without its body."""
    if it.kind == "token":
        return {"type": "TOKEN", "methodArn": arn, "authorizationToken": values[0]}
    kept = {key: value for key, value in event.items() if key not in {"body", "isBase64Encoded"}}
    if rest:
        return {"type": "REQUEST", "methodArn": arn, **kept}
    if it.version == "2.0":
        return {"type": "REQUEST", "routeArn": arn, "identitySource": values or None, **kept}
    joined = ",".join(values)
    named = {"methodArn": arn, "identitySource": joined, "authorizationToken": joined}
    return {"version": "1.0", "type": "REQUEST", **named, **kept}


def _allowed(it: AuthorizerDeclaration, route: RouteDeclaration, answer: Any, arn: str) -> dict[str, Any]:
    """Return the context that an authorizer's answer gives, if it allows the request."""
    if not isinstance(answer, dict):
        raise _broken(rest=route.rest)
    context = answer.get("context") or {}
    if it.simple and not route.rest:
        if answer.get("isAuthorized") is not True:
            raise _forbidden()
        return {"lambda": context or None} if route.version == "2.0" else dict(context)
    _check_policy(answer, arn, rest=route.rest)
    if route.rest:
        if not all(isinstance(value, str | int | float | bool) for value in context.values()):
            raise _broken(rest=True)
        context = {name: _text(value) for name, value in context.items()}
        return {"principalId": answer.get("principalId"), **context, "integrationLatency": 0}
    return (
        {"lambda": context or None}
        if route.version == "2.0"
        else {**context, "principalId": answer.get("principalId")}
    )


def _check_policy(answer: Mapping[str, Any], arn: str, *, rest: bool) -> None:
    try:
        statements = statements_of(answer["policyDocument"])
    except (KeyError, PolicyError):
        raise _broken(rest=rest) from None
    decision = decide(statements, Request("execute-api:Invoke", arn))
    if decision.allowed:
        return
    if not rest:
        raise _forbidden()
    explicit = " with an explicit deny" if decision.verdict is Verdict.DENIED else ""
    raise DeniedError(document(403, {"Message": f"User is not authorized to access this resource{explicit}"}))


def _of_a_token(
    it: AuthorizerDeclaration, route: RouteDeclaration, request: HttpRequest, event: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the claims of a token, or those of the header: the token's signature and issuer aren't looked at."""
    sources = it.identity or ("$request.header.Authorization",)
    claims = _claims(request.lower_headers.get(CLAIMS), _value(sources[0], event, request))
    if claims is None:
        raise _unauthorized(*[("www-authenticate", "Bearer")] * (not route.rest))
    if not isinstance(claims.get("exp", 0), str) and 0 < claims.get("exp", 0) < time.time():
        if route.rest:
            raise DeniedError(document(401, {"message": "The incoming token has expired"}))
        expired = 'Bearer scope="" error="invalid_token" error_description="the token has expired"'
        raise _unauthorized(("www-authenticate", expired))
    held = {*str(claims.get("scope", "")).split(), *_texts(claims.get("scp"))}
    if route.scopes and not held & {*route.scopes}:
        raise _unauthorized() if route.rest else _forbidden()
    written = {name: _text(value) for name, value in claims.items()}
    if route.rest or route.version == "1.0":
        return {"claims": written}
    return {"jwt": {"claims": written, "scopes": list(route.scopes) or None}}


def _claims(header: str | None, token: str) -> dict[str, Any] | None:
    try:
        if header is None:
            part = token.rpartition(" ")[2].split(".")[1]
            header = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)).decode()
        claims = json.loads(header)
    except (IndexError, ValueError):
        return None
    return claims if isinstance(claims, dict) else None


def _texts(value: Any) -> list[str]:
    return [str(each) for each in value] if isinstance(value, list) else str(value or "").split()


def _text(value: Any) -> str:
    """Return a value as the context has it: text, a list as `[a b]`."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"[{' '.join(map(_text, value))}]" if isinstance(value, list) else str(value)


def _forbidden() -> DeniedError:
    return DeniedError(document(403, {"message": "Forbidden"}))


def _unauthorized(*lines: tuple[str, str]) -> DeniedError:
    return DeniedError(document(401, {"message": "Unauthorized"}, *lines))


def _broken(*, rest: bool) -> DeniedError:
    """Return the refusal where an authorizer fails, or answers with something else."""
    return DeniedError(document(500, {"message": None if rest else "Internal Server Error"}))
