"""The parent's side of moto's process, and boto3 clients for it."""

import contextlib
import json
import os
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import CancelledError, Future
from http import HTTPStatus
from http.client import HTTPConnection
from typing import Any, Protocol

from lambda_guard.local._errors import LocalCloudError, OptionError
from lambda_guard.local.runtime.callers import FILTER
from lambda_guard.local.runtime.guardian import Guardian
from lambda_guard.local.runtime.http_server import HOST
from lambda_guard.local.runtime.output import Output
from lambda_guard.shapes import arns

_START_SECONDS_MOST = 60.0
_VARIABLES = {
    "NO_PROXY": f"{HOST},localhost",  # what moto sends to us and to itself needs none
    "no_proxy": f"{HOST},localhost",
    "MOTO_DISABLE_GLOBAL_CORS": "true",  # or any page may read what the services answer; buckets' own rules stay
}


class MotoProcess:
    """SQS, SNS, CloudWatch Logs and the rest of moto on one loopback port; `control` answers Lambda's API."""

    def __init__(
        self, guardian: Guardian, control: str, *, region: str, port: int = 0, enforced: bool = False
    ) -> None:
        self.region = region
        self._enforced = enforced
        self._guardian = guardian
        self._lines: list[str] = []
        self._port: Future[str] = Future()
        self._output = Output(self._hear)
        self._clients: dict[str, Any] = {}
        self._clients_lock = threading.Lock()
        self._process = self._start(port, control)
        self._output.start()
        self._waiter = threading.Thread(target=self._watch, name="moto", daemon=True)
        self._waiter.start()

    def _start(self, port: int, control: str) -> "_Process":
        variables = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        environment = {**variables, **_VARIABLES, "PYTHONUNBUFFERED": "1"}
        request = {"port": port, "control": control, "enforced": self._enforced}
        if sys.platform == "linux" and "pytest" in sys.modules:
            from lambda_guard.local.aws.moto_forks import fork

            forked = fork(environment, self._guardian, self._output.writer, region=self.region, **request)
            if forked is not None:
                return forked
        arguments = [str(port), control, *["enforced"] * self._enforced]
        environment["AWS_DEFAULT_REGION"] = self.region
        return _Spawned(arguments, environment, self._output.writer, self._guardian)

    def _watch(self) -> None:
        self._process.wait()
        if not self._port.done():
            self._port.cancel()

    def _hear(self, line: str) -> None:
        self._lines.append(line)
        if line.isdigit() and not self._port.done():
            self._port.set_result(line)

    @property
    def endpoint(self) -> str:
        """The URL of the services; waits for the server.

        Raises:
            LocalCloudError: it doesn't start; the message ends with what it printed.
        """
        try:
            return f"http://{HOST}:{self._port.result(_START_SECONDS_MOST)}"
        except (CancelledError, TimeoutError):
            self._output.drain()
            said = "\n".join(self._lines[-15:])
            raise LocalCloudError(
                f"the services did not start (is the port free? --port chooses another one); they said:\n{said}"
            ) from None

    def matching(self, patterns: Sequence[str], documents: Sequence[Any]) -> list[bool]:
        """Return of each document whether it matches any of the patterns, in EventBridge's language.

        Raises:
            ValueError: a pattern is wrong; the message says why.
        """
        connection = HTTPConnection(HOST, int(self._port.result(_START_SECONDS_MOST)))
        with contextlib.closing(connection):
            asked = json.dumps({"patterns": patterns, "documents": documents})
            connection.request("POST", FILTER, asked.encode())
            answer = connection.getresponse()
            body = answer.read().decode()
        if answer.status == HTTPStatus.BAD_REQUEST:
            raise ValueError(body)
        kept: list[bool] = json.loads(body)
        return kept

    def queue_url(self, arn: str) -> str:
        """Return the URL of a queue from its ARN."""
        queue = arns.parse(arn)
        return f"{self.endpoint}/{queue.account}/{queue.resource}" if queue else arn

    def client(self, service: str) -> Any:
        """Return a boto3 client of a service, for any thread; one per service is kept."""
        with self._clients_lock:
            if service not in self._clients:
                self._clients[service] = self._new_client(service)
            return self._clients[service]

    def _new_client(self, service: str) -> Any:
        from botocore.config import Config

        config = Config(
            proxies={},
            inject_host_prefix=False,  # before an address: `sync-127.0.0.1`
            max_pool_connections=64,
            read_timeout=None,  # a function may run for as long as its timeout says
            retries={"total_max_attempts": 1},
        )
        return own_session(self.region).client(service, endpoint_url=self.endpoint, config=config)

    def close(self) -> None:
        """Kill the process and close the clients."""
        self._process.kill()
        self._waiter.join(10)
        self._output.close()
        with self._clients_lock:
            for client in self._clients.values():
                client.close()
            self._clients.clear()


class _Process(Protocol):
    """moto's process."""

    pid: int

    def wait(self) -> None:
        """Wait for its end, in one thread only, then end what it has started."""

    def kill(self) -> None:
        """Kill it, unless it has ended."""


class _Spawned:
    """moto's process, started from nothing."""

    def __init__(
        self, arguments: list[str], environment: dict[str, str], output: int, guardian: Guardian
    ) -> None:
        self._guardian = guardian
        self._process = guardian.start(
            [sys.executable, "-m", "lambda_guard.local.aws.moto_server", *arguments],
            env=environment,
            cwd=os.path.dirname(os.path.abspath(__file__)),  # noqa: PTH100, PTH120 - just some directory
            output=output,
        )
        self.pid = self._process.pid

    def wait(self) -> None:
        """Wait for its end, in one thread only, then end what it has started."""
        self._guardian.reap(self._process)

    def kill(self) -> None:
        """Kill it, unless it has ended."""
        self._guardian.signal(self._process, 9)


def check_region(region: str) -> None:
    """Check that AWS has a region; OptionError if it hasn't."""
    session = own_session()
    partitions = session.get_available_partitions()
    if not any(region in session.get_available_regions("sqs", partition) for partition in partitions):
        raise OptionError(f"there is no region {region!r}; say, for example, eu-west-1")


def own_session(region: str | None = None) -> Any:
    """Return a boto3 session that knows nothing of the developer's profiles and files."""
    import boto3
    import botocore.session

    variables = {
        "profile": (None, None, None, None),
        "config_file": (None, None, os.devnull, None),
        "credentials_file": (None, None, os.devnull, None),
    }
    return boto3.session.Session(
        botocore_session=botocore.session.Session(session_vars=variables),
        region_name=region,
        aws_access_key_id="local",
        aws_secret_access_key="local",  # noqa: S106 - moto asks for one and checks none
    )
