"""The result of an invocation."""

import json
from dataclasses import dataclass
from typing import Any, Literal, Self

Status = Literal["success", "error", "timeout", "killed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class InvocationResult:
    """The result of one invocation.

    Attributes:
        request_id: the invocation's id.
        status: `success`, `error` (raised, or the process exited), `timeout` or `killed` (ended by a signal).
        payload: the answer or the error document, parsed; None where it isn't JSON.
        body: the same as bytes, as Invoke returns it.
        function_error: None or `Unhandled`, as in Invoke's `FunctionError`.
        error_type: the error document's `errorType`; None for success.
        error_message: the error document's `errorMessage`; None for success.
        cold_start: whether an environment was started for it.
        duration_ms: milliseconds.
        init_ms: milliseconds of the cold start; None for a warm one.
        max_memory_mb: the process's peak, in MB.
        lines: this invocation's log lines as written, the platform's included; a cold start's INIT comes
            first.
        log_stream: the environment that ran it.
        trace_header: its `_X_AMZN_TRACE_ID`; None without one.
    """

    request_id: str
    status: Status
    payload: Any
    body: bytes
    function_error: str | None
    error_type: str | None
    error_message: str | None
    cold_start: bool
    duration_ms: float
    init_ms: float | None
    max_memory_mb: int
    log_stream: str
    trace_header: str | None
    lines: tuple[str, ...] = ()

    @classmethod
    def of(cls, body: bytes, error_type: str | None, **facts: Any) -> Self:
        """Return a result, with the fields that follow from the answer or the error document filled in."""
        try:
            payload = json.loads(body)
        except ValueError:
            payload = None
        error = payload if error_type and isinstance(payload, dict) else {}
        return cls(
            payload=payload,
            body=body,
            function_error="Unhandled" if error_type else None,
            error_type=error_type,
            error_message=error.get("errorMessage"),
            **facts,
        )
