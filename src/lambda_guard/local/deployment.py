"""From the declarations of functions to functions that can be invoked."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import Any

from lambda_guard.local.aws.cloudwatch import CloudWatchWriter
from lambda_guard.local.aws.collector import Collector
from lambda_guard.local.aws.moto_process import MotoProcess
from lambda_guard.local.aws.xray_daemon import XRayDaemon
from lambda_guard.local.lambda_service.absent import AbsentFunctions
from lambda_guard.local.runnable import CONCURRENCY
from lambda_guard.local.runtime.callers import FUNCTION_KEY
from lambda_guard.local.runtime.function import Function
from lambda_guard.local.runtime.guardian import Guardian
from lambda_guard.local.runtime.layers import unpack
from lambda_guard.local.runtime.log_group import LogGroup
from lambda_guard.templates.stack import (
    AbsentFunction,
    FunctionDeclaration,
    LayerDeclaration,
    default_log_group,
)


@dataclass
class Deployment:
    """Makes functions, each with its log group and its layers.

    Attributes:
        directory: for what is unpacked.
        logs: the directory of the log files; None for no files.
        environment: variables for every function; they win over the template's.
        freeze: whether processes are stopped between invocations.
        log_groups: those made so far, by the function's name.
    """

    moto: MotoProcess
    cloudwatch: CloudWatchWriter
    guardian: Guardian
    daemon: XRayDaemon
    collector: Collector
    _: KW_ONLY
    directory: Path
    logs: Path | None
    environment: Mapping[str, str]
    freeze: bool
    log_groups: dict[str, LogGroup] = field(default_factory=dict)
    _opt: dict[tuple[Path, ...], Path] = field(default_factory=dict)

    def function(self, declaration: FunctionDeclaration, layers: tuple[LayerDeclaration, ...]) -> Function:
        """Make a function and its log group.

        Args:
            declaration: what the template says of it.
            layers: those that there are.
        """
        assert declaration.handler is not None
        assert declaration.code is not None
        return Function(
            name=declaration.name,
            handler=declaration.handler,
            code=declaration.code,
            **self._layers(declaration, layers),
            timeout=declaration.timeout,
            memory=declaration.memory,
            environment=self.collector.instead({**declaration.environment, **self.environment}),
            log_format=declaration.log_format,
            log_level=declaration.log_level,
            log_group=declaration.logs_to,
            reserved_concurrency=declaration.reserved_concurrency or CONCURRENCY,
            log=self._log_group(declaration.name, declaration.logs_to),
            guardian=self.guardian,
            region=self.moto.region,
            endpoint_url=self.moto.endpoint,
            daemon_address=self.daemon.address,
            freeze=self.freeze,
            access_key=f"{FUNCTION_KEY}{declaration.name}",
        )

    def absent(self, functions: tuple[AbsentFunction, ...]) -> AbsentFunctions:
        """Make the log groups of functions that can't run here, and what refuses to invoke them."""
        groups = [(it, self._log_group(it.name, default_log_group(it.name))) for it in functions]
        return AbsentFunctions(groups, self.moto)

    def _log_group(self, function: str, name: str) -> LogGroup:
        logs = self.moto.client("logs")
        group = self.log_groups[function] = LogGroup(name, self.logs)
        with suppress(logs.exceptions.ResourceAlreadyExistsException):  # it's a resource of the template
            logs.create_log_group(logGroupName=name)
        group.listen(lambda event: self.cloudwatch.write(name, event))
        return group

    def _layers(
        self, declaration: FunctionDeclaration, there: tuple[LayerDeclaration, ...]
    ) -> dict[str, Any]:
        """Return a function's layers and their `/opt`, which functions with the same ones share: they only read it."""
        found = {layer.arn: layer.content for layer in there}
        layers = tuple(content for arn in declaration.layers if (content := found[arn]) is not None)
        if not layers:
            return {}
        if layers not in self._opt:
            opt = self.directory / f"opt-{len(self._opt)}"
            opt.mkdir()
            unpack(declaration.name, layers, opt)
            self._opt[layers] = opt
        return {"layers": layers, "opt": self._opt[layers]}
