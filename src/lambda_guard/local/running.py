"""Which clouds run on this machine: each has a file, locked for as long as its process lives, so that none is stale."""

import contextlib
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Self

from lambda_guard.local._errors import LocalCloudError

_BUILT: Final = {".aws-sam", "cdk.out", ".serverless"}


@dataclass(frozen=True, slots=True)
class Running:
    """A cloud that runs.

    Attributes:
        name: of its template's directory.
        endpoint: the URL of all services.
        region: of everything.
        template: the file.
    """

    name: str
    endpoint: str
    region: str
    template: str

    @classmethod
    def of(cls, endpoint: str, region: str, template: Path) -> Self:
        """Return the cloud of a template, named after its directory: not after the one into which a tool builds."""
        path = template.resolve()
        built = [
            path.parents[len(path.parents) - place] for place, part in enumerate(path.parts) if part in _BUILT
        ]
        return cls((built or [path.parent])[0].name, endpoint, region, str(path))

    @property
    def port(self) -> int:
        """The endpoint's port."""
        return int(self.endpoint.rpartition(":")[2])

    @property
    def variables(self) -> dict[str, str]:
        """The environment variables with which an SDK, the AWS CLI or lambda-guard uses it."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_DISABLE_HOST_PREFIX_INJECTION": "true",  # before an address: `sync-127.0.0.1`
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,  # the AWS CLI and boto3 know only this one
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
        }


@contextmanager
def registered(cloud: Running) -> Iterator[None]:
    """Make a cloud known to `running` until the end of the block, or of this process, whatever ends it.

    Raises:
        OSError: the directory can't be written.
    """
    directory = _directory()
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = directory / f"{os.getpid()}-{cloud.port}.json"
    new = path.with_suffix(".new")  # nobody looks at it before it is locked
    with os.fdopen(os.open(new, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        _is_free(file.fileno())  # takes the lock
        json.dump(asdict(cloud), file)
        file.flush()
        new.rename(path)
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def running() -> list[Running]:
    """Return the clouds that run, by port; files that killed ones have left are removed."""
    found = list[Running]()
    for path in _directory().glob("*.json"):
        with contextlib.suppress(OSError, ValueError, TypeError), path.open(encoding="utf-8") as file:
            if _is_free(file.fileno()):
                path.unlink(missing_ok=True)
            else:
                found.append(Running(**json.load(file)))
    return sorted(found, key=lambda cloud: cloud.port)


def chosen(name: str | None, port: int | None) -> Running:
    """Return the one cloud that runs under this name or port, or the only one there is.

    Raises:
        LocalCloudError: there is none, or more than one; the message names those that run.
    """
    known = running()
    fit = [it for it in known if name in {None, it.name} and port in {None, it.port}]
    if len(fit) == 1:
        return fit[0]
    if not known:
        raise LocalCloudError("no local cloud is running: start one with lambda-guard local up TEMPLATE")
    listed = "".join(f"\n  --port {it.port}  {it.name}  {it.template}" for it in fit or known)
    if fit:
        raise LocalCloudError(f"{len(fit)} local clouds fit: say which by name or --port{listed}")
    asked = f"named {name!r}" if port is None else f"on port {port}"
    raise LocalCloudError(f"no local cloud {asked} is running; these are:{listed}")


def _directory() -> Path:
    """Return the directory of the files, which is the user's own: what stands there ends up in a shell."""
    base = os.environ.get("XDG_RUNTIME_DIR") or os.environ.get("XDG_CACHE_HOME")
    return Path(base or Path.home() / ".cache") / "lambda-guard" / "local"


def _is_free(file: int) -> bool:
    """Take the lock of a file, if nobody holds it."""
    if sys.platform == "win32":  # where no cloud runs
        return True
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
