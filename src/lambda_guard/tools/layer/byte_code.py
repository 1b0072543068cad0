"""Byte code for the modules that a cold start reaches: without it, Python compiles them anew at each cold start.

It is checked against nothing (`unchecked-hash`), for a layer can't change: https://peps.python.org/pep-0552/
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from lambda_guard.tools.layer.errors import LayerError

# Run in the other Python: prints the modules below the tree that a first invocation needs.
_REACH: Final = """
import json, os, sys
sys.dont_write_bytecode, sys.stdout = True, open(os.devnull, "w")
tree = sys.argv[1]
sys.path.insert(0, tree)
os.environ.update(
    AWS_LAMBDA_FUNCTION_NAME="layer", AWS_LAMBDA_FUNCTION_MEMORY_SIZE="128", LAMBDA_TASK_ROOT="/var/task",
    AWS_XRAY_DAEMON_ADDRESS="127.0.0.1:9",
    _X_AMZN_TRACE_ID="Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1",
)
from lambda_guard import logger, metrics, production

class Context:
    aws_request_id, function_name, function_version = "6f0c47a0-9c1e-4a59-8c35-0b2d6c9a1f11", "layer", "1"
    memory_limit_in_mb = "128"
    def get_remaining_time_in_millis(self):
        return 3000

@production
def handler(event, context):
    logger.info("reached", order_id=1)
    metrics.add_metric(name="Reached", unit="Count", value=1)

@production(each_record=True, report_batch_item_failures=True)
def batch(record, context):
    logger.info("reached")

handler({"id": 1}, Context())
batch({"Records": [{
    "messageId": "059f36b4-87a3-44ab-83d2-661975830a7d", "body": "x", "eventSource": "aws:sqs",
    "eventSourceARN": "arn:aws:sqs:eu-west-1:123456789012:layer",
    "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "1764083045135"},
}]}, Context())
files = {getattr(module, "__file__", None) or "" for module in list(sys.modules.values())}
below = [file for file in files if file.startswith(tree + os.sep) and file.endswith(".py")]
json.dump(sorted(os.path.relpath(file, tree).replace(os.sep, "/") for file in below), sys.__stdout__)
"""
_COMPILE: Final = """
import json, os, py_compile, sys
tree, files = sys.argv[1], json.load(sys.stdin)
for file in files:
    py_compile.compile(os.path.join(tree, file), dfile="/opt/python/" + file, doraise=True,
                       invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
"""
# Without it, Python can't open a socket on Windows.
_OF_WINDOWS: Final = {name: os.environ[name] for name in ("SYSTEMROOT",) if name in os.environ}


def compile_for(python: str, tree: Path) -> int | None:
    """Write the byte code of one Python beside the modules.

    Args:
        python: the version, such as `3.13`.
        tree: the merged tree, with our code.

    Returns:
        The number of modules, or None if there is no such Python on this machine.

    Raises:
        LayerError: it is there, and fails.
    """
    interpreter = find(python)
    if interpreter is None:
        return None
    ours = {path.relative_to(tree).as_posix() for path in tree.glob("lambda_guard/**/*.py")}
    reached = set(json.loads(_run(interpreter, _REACH, tree, "")))
    modules = sorted(ours | reached | {"lambda_guard_handler.py"})
    _run(interpreter, _COMPILE, tree, json.dumps(modules))
    return len(modules)


def find(python: str) -> str | None:
    """Return an interpreter of this version that works: this one, from the path, or of pyenv or uv."""
    for candidate in _candidates(python):
        if Path(candidate).exists() and _version(candidate) == python:
            return candidate
    return None


def how_to_get(python: str) -> str:
    """Return a command that installs this version where `find` looks: the one of the uv that builds layers."""
    uv = "uv" if shutil.which("uv") else f"{sys.executable} -m uv"
    return f"{uv} python install {python}"


def _candidates(python: str) -> Iterator[str]:
    yield sys.executable
    if on_path := shutil.which(f"python{python}"):
        yield on_path
    if sys.platform == "win32" and (launcher := shutil.which("py")):
        yield _asked([launcher, f"-{python}", "-X", "utf8"], "import sys; print(sys.executable)") or launcher
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    uv = Path(os.environ.get("UV_PYTHON_INSTALL_DIR") or Path.home() / ".local/share/uv/python")
    for folder in (*sorted(pyenv.glob(f"versions/{python}.*")), *sorted(uv.glob(f"cpython-{python}.*"))):
        yield str(folder / "bin" / "python3")


def _version(interpreter: str) -> str | None:
    # A free-threaded or debug build has other modules than Lambda's.
    flags = "getattr(sys, 'abiflags', '')"
    program = f"import sys; print(sys.implementation.name + {flags}, '%d.%d' % sys.version_info[:2])"
    name, _, version = _asked([interpreter, "-I", "-S"], program).partition(" ")
    return version if name == "cpython" else None


def _asked(interpreter: Sequence[str], program: str) -> str:
    """Return what a program prints; nothing where it fails."""
    done = subprocess.run(  # noqa: S603 - a Python of this machine
        [*interpreter, "-c", program], capture_output=True, encoding="utf-8", errors="replace", check=False
    )
    return "" if done.returncode else done.stdout.strip()


def _run(interpreter: str, program: str, tree: Path, given: str) -> str:
    # The same byte code twice: without it, the order of sets of constants is another one each time.
    environ = {"PATH": os.environ.get("PATH", os.defpath), "PYTHONHASHSEED": "0", **_OF_WINDOWS}
    command: Sequence[str] = [interpreter, "-S", "-c", program, str(tree)]
    done = subprocess.run(  # noqa: S603 - as above
        command,
        input=given,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        env=environ,
        check=False,
    )
    if done.returncode:
        raise LayerError(f"{interpreter} can't make the layer's byte code:\n{done.stderr.strip()}")
    return done.stdout
