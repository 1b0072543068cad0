"""A Lambda context for tests, with the attributes of the runtime client's context and no others."""

import sys
import uuid
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Final

from ._samples import ACCOUNT, REGION


@dataclass(slots=True, eq=False)
class CognitoIdentity:
    """The identity that invokes the function from a mobile app; otherwise both ids are None."""

    cognito_identity_id: str | None = None
    cognito_identity_pool_id: str | None = None


@dataclass(slots=True, eq=False)
class ClientContext:
    """The client context sent by the caller of `Invoke`: `custom` and `env` are dicts or None."""

    custom: Any = None
    env: Any = None
    client: Any = None


@dataclass(kw_only=True, eq=False, repr=False)
class LambdaContext:
    """The second argument of a handler, as created by the runtime client; made by `make_context`.

    Attributes:
        aws_request_id: the invocation's id.
        function_name: the function's name.
        function_version: `$LATEST` or a number.
        invoked_function_arn: the ARN that was invoked, including the qualifier.
        memory_limit_in_mb: MB, as a string, as in the runtime client.
        log_group_name: the log group.
        log_stream_name: the log stream.
        identity: a `CognitoIdentity`.
        client_context: a `ClientContext`, or None.
        tenant_id: the tenant, or None.
    """

    aws_request_id: str
    function_name: str
    function_version: str = "$LATEST"
    invoked_function_arn: str
    memory_limit_in_mb: str = "128"
    log_group_name: str
    log_stream_name: str = "2025/11/25/[$LATEST]0123456789abcdef0123456789abcdef"
    identity: Any = field(default_factory=CognitoIdentity)
    client_context: Any = None
    tenant_id: str | None = None
    _deadline_ms: float
    _w3c: dict[str, str]

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds until Lambda kills the function; 0 once the deadline has passed."""
        return max(0, round(self._deadline_ms - monotonic() * 1000))

    def w3c(self) -> dict[str, str]:
        """Return the invocation's W3C trace context: `traceparent`, `tracestate`, `baggage`, as far as given."""
        return dict(self._w3c)

    def log(self, msg: object) -> None:
        """Write a message to the log, unchanged and without a newline."""
        sys.stdout.write(str(msg))

    def __repr__(self) -> str:
        shown = ",".join(f"{name}={getattr(self, name)}" for name in _ATTRIBUTES)
        return f"{type(self).__name__}([{shown}])"


_ATTRIBUTES: Final = tuple(name for name in LambdaContext.__annotations__ if name[0] != "_")


def make_context(
    *,
    timeout_ms: float = 900_000,
    function_name: str = "orders",
    w3c: dict[str, str] | None = None,
    **overrides: Any,
) -> LambdaContext:
    """Make a Lambda context, as the runtime client passes it to a handler.

    ```python
    handler(event, make_context(function_name="billing", timeout_ms=500))
    ```

    Args:
        timeout_ms: milliseconds from now until the deadline; `get_remaining_time_in_millis()` counts down. By default
            Lambda's most, 15 minutes: a test on a slow machine or in a debugger sees no timeout that it didn't ask for.
        function_name: the function; its ARN and log group are named after it.
        w3c: the result of the method `w3c()`.
        overrides: any other attribute of the context: `aws_request_id` (new in each context),
            `function_version`, `invoked_function_arn`, `memory_limit_in_mb`, `log_group_name`,
            `log_stream_name`, `identity`, `client_context`, `tenant_id`.

    Raises:
        TypeError: the runtime client's context has no such attribute.
    """
    unknown = overrides.keys() - set(_ATTRIBUTES)
    if unknown:
        raise TypeError(
            f"a Lambda context has no {', '.join(sorted(unknown))}: it has {', '.join(_ATTRIBUTES)}; "
            "set anything else on the object itself",
        )
    named = {
        "aws_request_id": str(uuid.uuid4()),
        "function_name": function_name,
        "invoked_function_arn": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{function_name}",
        "log_group_name": f"/aws/lambda/{function_name}",
    }
    deadline_ms = monotonic() * 1000 + timeout_ms
    return LambdaContext(**named | overrides, _deadline_ms=deadline_ms, _w3c=dict(w3c or {}))
