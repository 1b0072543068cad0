"""A function's configuration, in Lambda's terms."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

OPT = Path("/opt")
ACCOUNT = "123456789012"  # moto's
NOWHERE = "http://127.0.0.1:9"  # the discard port: without a cloud, a call to AWS is refused on the spot


@dataclass(frozen=True, kw_only=True)
class FunctionSettings:
    """A function's configuration, in Lambda's terms.

    Attributes:
        handler: `module.attribute`.
        code: the directory of the code; becomes `LAMBDA_TASK_ROOT` and the working directory.
        timeout: seconds, fractions allowed; the process is killed then.
        memory: MB; reported, not enforced.
        environment: the function's own variables.
        log_level: of the application's lines, in the JSON format.
        log_group: the name of its log group; by default Lambda's own.
        region: for ARNs and `AWS_REGION`.
        account: for ARNs.
        version: `AWS_LAMBDA_FUNCTION_VERSION`.
        endpoint_url: where AWS is for this function; by default nowhere, so that no call leaves the machine.
        daemon_address: the X-Ray daemon's `host:port`; None leaves the variable out.
        initialization_type: `on-demand`, `provisioned-concurrency` or `snap-start`.
        freeze: whether the process is stopped between invocations, as on AWS.
        python: the interpreter.
        layers: directories and zip archives, in their order.
        opt: the directory with the layers' content, which stands for `/opt`; by default `Function` makes it.
        access_key: the id of the key in its credentials, by which the local cloud knows it.
    """

    name: str
    handler: str
    code: Path
    timeout: float = 3.0
    memory: int = 128
    environment: Mapping[str, str] = field(default_factory=dict)
    log_format: Literal["Text", "JSON"] = "Text"
    log_level: str = "INFO"
    log_group: str = ""
    region: str = "eu-west-1"
    account: str = ACCOUNT
    version: str = "$LATEST"
    endpoint_url: str = NOWHERE
    daemon_address: str | None = None
    initialization_type: str = "on-demand"
    freeze: bool = True
    python: str = sys.executable
    layers: tuple[Path, ...] = ()
    opt: Path = OPT
    access_key: str = "local"

    @property
    def arn(self) -> str:
        """The function's ARN, without a qualifier."""
        return f"arn:aws:lambda:{self.region}:{self.account}:function:{self.name}"

    def __post_init__(self) -> None:
        """Name the log group."""
        object.__setattr__(self, "log_group", self.log_group or f"/aws/lambda/{self.name}")
