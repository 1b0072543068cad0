"""The AWS calls of an invocation: each while it is in progress, and their totals."""

from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from .. import _names
from .called import UNNAMED, More, account_of, named


class Call:
    """One AWS call in progress.

    Attributes:
        service: the service's id with hyphens, e.g. `sqs`.
        operation: e.g. `SendMessage`.
        endpoint: the service's name in traces, e.g. `sqs`, `states`.
        region: e.g. `eu-west-1`.
        params: the caller's parameters; never changed.
        header: the trace header that was sent with it, once it has been sent.
        tracer: the tracer that is notified of it; `span` is the tracer's own state.
        totals: the calls of the invocation that has begun it.
        environment: the trace header in the environment when it began; another invocation may change it meanwhile.
        given: the parameters that got the header, and their contents before.
        in_request: the name and value of the HTTP header, if we have set it.
        endpoint_url: where the client sends its requests.
        presigned: whether the request is signed for somebody else to send, and isn't sent.
    """

    __slots__ = (
        "endpoint", "endpoint_url", "environment", "given", "header", "in_request", "operation", "params", "presigned",
        "region", "service", "span", "totals", "tracer",
    )  # fmt: skip

    def __init__(
        self, service: str, operation: str, endpoint: str, region: str | None, params: Mapping[str, Any]
    ) -> None:
        self.service = service
        self.endpoint = endpoint
        self.operation = operation
        self.region = region
        self.params = params
        self.header: str | None = None
        self.tracer: Any = None
        self.span: Any = None
        self.totals: AwsCalls | None = None
        self.environment: str | None = None
        self.given: tuple[dict[str, Any], dict[str, Any]] | None = None
        self.in_request: tuple[str, str] | None = None
        self.endpoint_url: str | None = None
        self.presigned = False

    def resource(self) -> str | None:
        """Return the first resource that it names, or None."""
        return named(self.service, self.operation, self.params, None, self.endpoint_url)[0].resource


_Key: TypeAlias = tuple[str, str, str | None, str | None, More, bool]


class AwsCalls:
    """The AWS calls of one invocation, and the messages that they sent.

    Attributes:
        unnamed: whether resources are left out.
        in_flight: calls without a response yet → `time.perf_counter` at their start.
        counts: (service, operation, resource, Region, more, presigned) → [count, errors, seconds]; `more` counts the
            calls beyond the cap.
        denied: by the same key, those among them that were denied, in the record's form.
        sent: the messages sent, in the record's form; `sent_more` counts those beyond the cap.
    """

    def __init__(self, *, unnamed: bool = False) -> None:
        self.unnamed = unnamed
        self.in_flight: dict[Call, float] = {}
        self.counts: dict[_Key, list[Any]] = {}
        self.denied: dict[_Key, dict[str, Any]] = {}
        self.more = 0
        self.sent: list[dict[str, Any]] = []
        self.sent_more = 0

    def count(
        self,
        call: Call,
        response: Mapping[str, Any] | None = None,
        error: BaseException | None = None,
        took: float = 0.0,
    ) -> None:
        """Count a call that has ended, once for each resource that it named; the first one gets the `took` seconds."""
        service, operation = call.service, call.operation
        denials: list[dict[str, str]] = []
        if error is not None or operation in _DENIED_IN_PART:
            from .denial import denials_in  # late: most calls succeed

            denials = denials_in(service, operation, response, error)
        for resource, more in (
            _UNNAMED if self.unnamed else named(service, operation, call.params, response, call.endpoint_url)
        ):
            key = (service, operation, resource, call.region, more, call.presigned)
            count = self.counts.get(key)
            if count is None:
                if len(self.counts) >= _names.CALLS_MOST:
                    self.more += 1
                    continue
                count = self.counts[key] = [0, 0, 0.0]
            count[0] += 1
            count[1] += error is not None
            count[2] += took
            took = 0.0  # of several resources, the first one has the time
            if denials:
                self._add_denials(key, denials)

    def _add_denials(self, key: _Key, denials: list[dict[str, str]]) -> None:
        """Count the denials of a call; the newest is kept, since authorization ids expire."""
        before = self.denied.get(key, {}).get(_names.CALL_COUNT, 0)
        told = denials[-1]
        if self.unnamed:
            told = {name: value for name, value in told.items() if name not in _NAMING}
        self.denied[key] = {_names.CALL_COUNT: before + len(denials), **told}

    def as_record(self, region: str | None, account: str | None) -> list[dict[str, Any]]:
        """Return the calls as the record has them.

        Args:
            region: the function's own, which isn't repeated.
            account: likewise.
        """
        return [self._entry(key, count, region, account) for key, count in list(self.counts.items())]

    def _entry(self, key: _Key, count: list[Any], region: str | None, account: str | None) -> dict[str, Any]:
        service, operation, resource, there, more, presigned = key
        entry: dict[str, Any] = {
            _names.SERVICE: service,
            _names.OPERATION: operation,
            _names.RESOURCE: resource,
        }
        if there != region and there is not None and not there.endswith("-global"):
            entry[_names.CALL_REGION] = there
        if resource is not None and (owner := account_of(resource)) is not None and owner != account:
            entry[_names.CALL_ACCOUNT] = owner
        entry.update(more)
        if presigned:
            entry[_names.CALL_PRESIGNED] = True
        entry[_names.CALL_COUNT], entry[_names.CALL_ERRORS], took = count
        if took:
            entry[_names.DURATION_MS] = round(took * 1000, 3)
        if (denied := self.denied.get(key)) is not None:
            entry[_names.DENIED] = denied
        return entry


_UNNAMED: Final = (UNNAMED,)
_NAMING: Final = (_names.RESOURCE, _names.DENIED_POLICY)
_DENIED_IN_PART: Final = frozenset(
    {"BatchExecuteStatement", "BatchGetSecretValue", "DeleteObjects", "PutEvents"}
)
"""Operations that succeed although a part of them is denied: `denial` knows where the response says so."""
