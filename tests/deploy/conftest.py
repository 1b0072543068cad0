"""A copy of examples/deploy, the tools that `make test-deploy` installs, and a runtime that has what Lambda's has."""

import os
import re
import shutil
import subprocess
import uuid
from pathlib import Path

import pytest

from lambda_guard.local import Function

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "lambda_guard"
INSTALLED = ROOT / ".venv-test-deploy"
RUNTIME = INSTALLED / "runtime" / "bin" / "python"  # with the runtime client and boto3, and nothing else
BUILT = ROOT / "build" / "deploy"
LAYER = BUILT / "layer.zip"
WRAPPED = {"AWS_LAMBDA_EXEC_WRAPPER": "/opt/lambda-guard"}
OF_THE_RUNTIME = {"boto3", "botocore", "s3transfer", "dateutil", "six.py", "urllib3"}
LAYER_ARN = "arn:aws:lambda:eu-west-1:123456789012:layer:lambda-guard:7"
PATH = [INSTALLED / "bin", BUILT / "node_modules" / ".bin", ROOT / ".venv" / "bin"]
SEARCHED = os.pathsep.join([*map(str, PATH), os.environ["PATH"]])


def wheels():
    """Return a folder with the project's wheel that no other run had: uv keeps what it has unpacked by path and version."""
    folder = BUILT / f"wheel-{uuid.uuid4().hex}"
    if (BUILT / "wheel").exists():
        shutil.copytree(BUILT / "wheel", folder)
    return folder


# The project isn't on an index: pip and uv find its wheel beside what they find there.
FOUND = wheels()
WHEEL = {name: f"{FOUND} {os.environ.get(name, '')}".strip() for name in ("PIP_FIND_LINKS", "UV_FIND_LINKS")}
# Nobody's credentials, and no call that leaves the machine but to an index.
ALONE = {
    "AWS_ACCESS_KEY_ID": "none",
    "AWS_SECRET_ACCESS_KEY": "none",
    "AWS_REGION": "eu-west-1",
    "AWS_DEFAULT_REGION": "eu-west-1",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
    "CDK_DISABLE_CLI_TELEMETRY": "true",
    "CHECKPOINT_DISABLE": "1",
    "SAM_CLI_TELEMETRY": "0",
    "SLS_NOTIFICATIONS_MODE": "off",
    "SLS_TELEMETRY_DISABLED": "1",
    "TF_CLI_CONFIG_FILE": os.devnull,
}


def tool(name):
    """Return a tool's path, or skip the test."""
    found = shutil.which(name, path=SEARCHED)
    if found is None or not RUNTIME.exists():
        pytest.skip(f"{name} isn't here: `make test-deploy` installs what an index or npm has")
    return found


class Project:
    """A copy of examples/deploy that can be built in, for the Python that is here.

    Attributes:
        folder: where it is.
        python: the version, `3.13` unless that isn't here.
    """

    def __init__(self, folder):
        self.folder = folder
        version = "import sys; print('%d.%d' % sys.version_info[:2])"
        self.python = subprocess.check_output([RUNTIME, "-c", version], text=True).strip()
        for path in filter(Path.is_file, folder.rglob("*")):
            path.write_text(self._here(path.read_text(encoding="utf-8")), encoding="utf-8")

    def _here(self, text):
        return text.replace("3.13", self.python).replace("3_13", self.python.replace(".", "_"))

    def shell(self, script):
        """Run commands as on the page."""
        return self.run("sh", "-e", "-c", self._here(script))

    def run(self, name, *arguments, below=".", **environ):
        """Run a tool in a folder below, and return what it wrote to standard output."""
        home = self.folder.parent / "tools"
        environ = {
            **os.environ,
            **ALONE,
            **WHEEL,
            "PATH": SEARCHED,
            "__SAM_CLI_APP_DIR": str(home),
            **environ,
        }
        done = subprocess.run(
            [tool(name), *arguments],
            cwd=self.folder / below,
            env=environ,
            capture_output=True,
            text=True,
            timeout=540,  # a builder of packages beside twenty busy loops
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """The examples, copied."""
    if not RUNTIME.exists():
        pytest.skip("nothing is installed: run `make test-deploy`")
    folder = tmp_path_factory.mktemp("deploy") / "deploy"
    shutil.copytree(ROOT / "examples" / "deploy", folder)
    return Project(folder)


def packages(folder):
    """Return the names at a package's root, without byte code and metadata."""
    return {path.name for path in folder.iterdir()} - {"__pycache__"}


def assert_complete(code, python, machine="x86_64"):
    """A package has this very lambda_guard, and what is compiled in it is for Lambda's machine."""
    for name in ("_production.py", "_guard.py"):
        assert (code / "lambda_guard" / name).read_bytes() == (SOURCE / name).read_bytes()
    compiled = {path.name for path in code.rglob("*.so")}
    assert compiled == {f"_wrappers.cpython-{python.replace('.', '')}-{machine}-linux-gnu.so"}


def assert_has_byte_code(code, python):
    """All modules but the handler's, which may be edited, have byte code that isn't checked (PEP 552)."""
    magic = "import importlib.util, sys; sys.stdout.buffer.write(importlib.util.MAGIC_NUMBER)"
    start = subprocess.check_output([RUNTIME, "-c", magic]) + (1).to_bytes(4, "little")
    modules = {path for path in code.rglob("*.py") if path.parent != code or path.name != "app.py"}
    assert modules
    for module in modules:
        compiled = module.parent / "__pycache__" / f"{module.stem}.cpython-{python.replace('.', '')}.pyc"
        assert compiled.read_bytes().startswith(start)
    assert list(code.glob("__pycache__/app.*")) == []


def assert_answers(code, python=RUNTIME, handler="app.handler", **settings):
    """The function answers in a runtime that has nothing of the project's, and leaves its record."""
    with Function(
        name="orders", code=code, handler=handler, python=str(python), timeout=60, **settings
    ) as orders:
        result = orders.invoke({"id": "o-1"})
    assert (result.status, result.payload) == ("success", {"id": "o-1"}), result.lines
    written = "".join(result.lines)
    assert '"message":"order accepted"' in written
    assert '"service":"orders","record":"invocation","outcome":"success"' in written
    return result.lines


def assert_starts_with_the_layer(code, handler="app.handler"):
    """The code alone answers with the layer, whose wrapper adds the init record; without the layer it can't start."""
    lines = assert_answers(code, handler=handler, environment=WRAPPED, layers=(LAYER,))
    assert sum('"record":"init"' in line for line in lines) == 1
    with Function(
        name="orders", code=code, handler=handler, python=str(RUNTIME), environment=WRAPPED
    ) as orders:
        result = orders.invoke({"id": "o-1"})
    assert "exit status 127" in str(result.payload)


def commands(heading, number=0):
    """Return the commands below a heading of the page, but those that call AWS."""
    page = (ROOT / "docs" / "packaging.md").read_text(encoding="utf-8")
    section = re.split(rf"^## {heading}\n", page, flags=re.MULTILINE)[1].split("\n## ")[0]
    block = re.findall(r"^```sh\n(.*?)^```", section, re.MULTILINE | re.DOTALL)[number]
    block = block.replace("\\\n", " ")
    return "".join(line for line in block.splitlines(keepends=True) if not line.startswith("aws "))
