"""A function: the real `python -m awslambdaric` in as many execution environments as are needed at once."""

import json
import random
import tempfile
import threading
import uuid
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

from lambda_guard.local._errors import LocalCloudError, require
from lambda_guard.local.runtime.environment import Environment
from lambda_guard.local.runtime.guardian import Guardian
from lambda_guard.local.runtime.layers import unpack
from lambda_guard.local.runtime.log_group import LogEvent, LogGroup
from lambda_guard.local.runtime.result import InvocationResult
from lambda_guard.local.runtime.runtime_api import Invocation
from lambda_guard.local.runtime.settings import OPT, FunctionSettings


class Function(AbstractContextManager["Function"]):
    """Runs a handler in processes of its own; a context manager.

    Environments are started when they are needed and kept; one that timed out or died is replaced at the next
    invocation. Where `reserved_concurrency` environments are busy, `invoke` waits for one.

    Args:
        name: the function's name.
        code: the directory that holds the module.
        reserved_concurrency: the most environments at once.
        log: the log group to write to; by default one of its own, in memory.
        guardian: starts the processes; by default one of its own.
        **settings: the rest of `FunctionSettings`, of which `handler` must be given.

    Attributes:
        settings: the configuration.
        cold_starts: how many environments were started so far.
        log: the log group.

    Raises:
        LocalCloudError: `code` isn't a directory, or `reserved_concurrency` is below 1.
        SystemNotSupportedError: the system is Windows.
        MissingExtraError: the runtime client isn't installed.
    """

    def __init__(
        self,
        *,
        name: str,
        code: str | Path,
        reserved_concurrency: int = 10,
        log: LogGroup | None = None,
        guardian: Guardian | None = None,
        **settings: Any,
    ) -> None:
        self.settings = FunctionSettings(name=name, code=_directory(name, code), **settings)
        require("a function in the runtime client", "awslambdaric", extra="try")
        if reserved_concurrency < 1:
            raise LocalCloudError(f"function {name}: reserved_concurrency must be at least 1")
        self.name = name
        self.arn = self.settings.arn
        self.log = log or LogGroup(self.settings.log_group)
        self.cold_starts = 0
        self._most = reserved_concurrency
        alone = self.settings.layers and self.settings.opt == OPT
        self._opt = tempfile.TemporaryDirectory(prefix="opt-") if alone else None
        if self._opt is not None:
            try:
                unpack(name, self.settings.layers, Path(self._opt.name))
            except BaseException:
                self._opt.cleanup()
                raise
            self.settings = replace(self.settings, opt=Path(self._opt.name))
        self._is_alone = guardian is None
        self._guardian = guardian or Guardian()
        self._changed = threading.Condition()
        self._idle: list[Environment] = []
        self._live: dict[Environment, int] = {}
        self._taken = self._generation = 0
        self._closed = False

    def invoke(
        self,
        event: Any = None,
        *,
        trace_header: str | None = None,
        client_context: Any = None,
        cognito_identity: Any = None,
        request_id: str | None = None,
    ) -> InvocationResult:
        """Invoke the function and wait for its end.

        Args:
            event: any JSON value; bytes are sent as they are.
            trace_header: what the handler finds in `_X_AMZN_TRACE_ID`.
            client_context: becomes `context.client_context`; a JSON value.
            cognito_identity: becomes `context.identity`; a JSON value.
            request_id: by default a new UUID.

        Raises:
            LocalCloudError: the function is closed.
            TypeError: the event can't be written as JSON.
        """
        payload = event if isinstance(event, bytes) else json.dumps(event).encode()
        environment = self._acquire()
        try:
            invocation = Invocation(
                request_id=request_id or str(uuid.uuid4()),
                event=payload,
                deadline_ms=0,
                function_arn=self.arn,
                trace_header=trace_header,
                client_context=None if client_context is None else json.dumps(client_context),
                cognito_identity=None if cognito_identity is None else json.dumps(cognito_identity),
            )
            return environment.run(invocation)
        finally:
            self._release(environment)

    def reload(self, opt: Path | None = None) -> None:
        """Have the next invocations start new environments; those under way end in theirs first.

        Args:
            opt: the directory that stands for `/opt` from now on; by default the same.
        """
        with self._changed:
            self._generation += 1
            self.settings = replace(self.settings, opt=opt or self.settings.opt)
            idle, self._idle = self._idle, []
        for environment in idle:
            self._discard(environment)

    def kill(self) -> bool:
        """Kill a random live environment, busy or idle, as a crash would; False where none is alive."""
        with self._changed:
            alive = [environment for environment in self._live if not environment.gone]
        if not alive:
            return False
        random.choice(alive).kill()  # noqa: S311 - a crash needs no secret
        return True

    @property
    def busy(self) -> bool:
        """Whether all environments that it may have are busy: an invocation would wait for one."""
        with self._changed:
            return self._taken >= self._most

    def pids(self) -> list[int]:
        """Return the process ids of the live environments."""
        with self._changed:
            return [environment.pid for environment in self._live if not environment.gone]

    def events(self) -> list[LogEvent]:
        """Return all log events of the function."""
        return self.log.events()

    def close(self) -> None:
        """Kill every environment; an invocation under way ends as killed."""
        with self._changed:
            if self._closed:
                return
            self._closed = True
            environments = list(self._live)
            self._changed.notify_all()
        for environment in environments:
            environment.kill()
        with self._changed:
            self._changed.wait_for(lambda: self._taken == 0, timeout=10)
        for environment in environments:
            environment.close()
        if self._opt is not None:
            self._opt.cleanup()
        if self._is_alone:
            self._guardian.close()
            self.log.close()

    def __exit__(self, *_: object) -> None:
        self.close()

    def _acquire(self) -> Environment:
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._taken < self._most)
            if self._closed:
                raise LocalCloudError(f"function {self.name} is closed: no more invocations")
            self._taken += 1
            environment = self._idle.pop() if self._idle else None
        if environment is not None and not environment.gone:
            return environment
        if environment is not None:
            self._discard(environment)
        try:
            return self._start()
        except BaseException:
            self._give_back()
            raise

    def _start(self) -> Environment:
        with self._changed:
            settings, generation = self.settings, self._generation
        environment = Environment(settings, self._guardian, self.log)
        with self._changed:
            self.cold_starts += 1
            self._live[environment] = generation
            closed = self._closed
        if closed:  # close() has not seen this one
            self._discard(environment)
            raise LocalCloudError(f"function {self.name} is closed: no more invocations")
        return environment

    def _release(self, environment: Environment) -> None:
        with self._changed:
            keep = self._closed or (not environment.gone and self._live.get(environment) == self._generation)
            if keep:
                self._idle.append(environment)
        if not keep:
            self._discard(environment)
        self._give_back()

    def _give_back(self) -> None:
        with self._changed:
            self._taken -= 1
            self._changed.notify_all()

    def _discard(self, environment: Environment) -> None:
        with self._changed:
            self._live.pop(environment, None)
        environment.close()


def _directory(name: str, code: str | Path) -> Path:
    path = Path(code).resolve()
    if not path.is_dir():
        raise LocalCloudError(
            f"function {name}: the code {str(code)!r} isn't a directory; pass the directory that holds the module"
        )
    return path
