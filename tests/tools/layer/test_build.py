"""`lambda-guard layer build`: one zip for every runtime, the same bytes each time, and nothing that a function doesn't need."""

import hashlib
import json
import os
import random
import subprocess
import sys
import zipfile
from base64 import b64encode
from pathlib import Path

import pytest

from lambda_guard import __version__
from lambda_guard.local import Function
from lambda_guard.tools.layer import byte_code
from lambda_guard.tools.layer.packages import LOCK
from lambda_guard.tools.layer.targets import PYTHONS

pytestmark = pytest.mark.slow

EXAMPLES = Path(__file__).parents[3] / "examples/handlers"
FOUND = [python for python in PYTHONS if byte_code.find(python)]
ONE = ("--python", FOUND[0], "--arch", "x86_64")


def build(folder, *options, before=None, **environ):
    """Run the command in a folder, in a process of its own; return its exit code, output and errors."""
    command = [sys.executable, "-m", "lambda_guard.tools", "layer", "build", *options]
    environ = {**os.environ, **environ}
    done = subprocess.run(
        command,
        cwd=folder,
        env=environ,
        preexec_fn=before,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The layer as it comes, and the command's document about it."""
    folder = tmp_path_factory.mktemp("layer")
    code, out, _ = build(folder, "--json")
    assert code == 0
    return folder / "lambda-guard-layer.zip", json.loads(out)


@pytest.fixture(scope="module")
def opt(built, tmp_path_factory):
    """The layer, unzipped."""
    folder = tmp_path_factory.mktemp("opt")
    with zipfile.ZipFile(built[0]) as archive:
        archive.extractall(folder)
    return folder


def test_two_builds_are_equal_to_the_byte(built, tmp_path):
    """Another folder, umask, time zone, locale and hash seed change nothing."""
    other = {"TZ": "Asia/Tokyo", "LC_ALL": "C", "PYTHONHASHSEED": "7", "TMPDIR": str(tmp_path)}
    code, _, _ = build(tmp_path, "-o", "other.zip", before=lambda: os.umask(0o077), **other)
    assert code == 0
    assert (tmp_path / "other.zip").read_bytes() == built[0].read_bytes()


def test_its_document_is_true(built):
    """Sizes, number of files and hashes are those of the zip."""
    path, said = built
    digest = hashlib.sha256(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
    assert said["zipped"] == path.stat().st_size
    assert said["unzipped"] == sum(entry.file_size for entry in entries)
    assert said["files"] == len(entries)
    assert (said["sha256"], said["code_sha256"]) == (digest.hexdigest(), b64encode(digest.digest()).decode())
    assert {python for python, modules in said["byte_code"].items() if modules} == set(FOUND)


def test_it_is_small(built):
    """The budget is 6 MB zipped and 20 MB unzipped, with four versions of Python and two architectures."""
    assert built[1]["zipped"] < 6_000_000
    assert built[1]["unzipped"] < 20_000_000


def test_it_holds_what_a_function_needs_and_nothing_else(opt):
    """Neither AWS's SDK, which the runtime has, nor what runs on a desk."""
    names = {path.name for path in (opt / "python").iterdir()} - {"__pycache__"}
    assert {name for name in names if not name.endswith(".dist-info")} == {
        "aws_lambda_powertools", "aws_xray_sdk", "jmespath", "lambda_guard", "lambda_guard_handler.py",
        "typing_extensions.py", "wrapt",
    }  # fmt: skip
    ours = {path.name for path in (opt / "python/lambda_guard").iterdir()}
    assert not ours & {"tools", "local", "templates", "iam", "testing"}
    compiled = {path.name for path in (opt / "python/wrapt").glob("*.so")}
    assert {(name.split("-")[1], name.split("-")[2]) for name in compiled} == {
        (python.replace(".", ""), machine) for python in PYTHONS for machine in ("x86_64", "aarch64")
    }


def test_modes_are_those_that_lambda_needs(built):
    """Everything can be read by everybody, and the wrapper run, whatever the umask of the builder."""
    with zipfile.ZipFile(built[0]) as archive:
        modes = {entry.filename: entry.external_attr >> 16 & 0o777 for entry in archive.infolist()}
    assert modes.pop("lambda-guard") == 0o755
    assert set(modes.values()) == {0o644}


def test_its_manifest_names_packages_licences_and_hashes(opt):
    """Who reads the layer finds what is in it."""
    manifest = json.loads((opt / "lambda-guard-layer.json").read_text())
    assert manifest["compatible_runtimes"] == [f"python{python}" for python in PYTHONS]
    assert manifest["compatible_architectures"] == ["arm64", "x86_64"]
    packages = {package["name"]: package for package in manifest["packages"]}
    assert {"aws-xray-sdk", "jmespath", "wrapt"} <= packages.keys()
    assert all(package["version"] and package["license"] for package in packages.values())
    assert all(len(package["sha256"]) == 64 for package in packages.values())


def test_its_version_is_known_without_our_metadata(opt):
    """A layer has no dist-info of ours: the code knows its version, and the manifest says the same."""
    code = "import sys; sys.path.insert(0, sys.argv[1]); import lambda_guard; print(lambda_guard.__version__)"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code, opt / "python"],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (
        done.stdout.strip()
        == json.loads((opt / "lambda-guard-layer.json").read_text())["version"]
        == __version__
    )
    assert not list((opt / "python").glob("*lambda_guard*.dist-info"))


@pytest.fixture(scope="module")
def sdk(tmp_path_factory):
    """Botocore alone, as the runtime has it beside a layer."""
    from uv import find_uv_bin

    folder = tmp_path_factory.mktemp("sdk")
    subprocess.run(
        [find_uv_bin(), "pip", "install", "--quiet", "--target", folder, "boto3"],
        check=True,
        capture_output=True,
    )
    return folder


RUN = """
import importlib, json, sys
sys.path[:0] = sys.argv[1:4]
name = sys.argv[4]
class Context:
    aws_request_id, function_name, function_version = "6f0c47a0-9c1e-4a59-8c35-0b2d6c9a1f11", "shop", "1"
    memory_limit_in_mb, invoked_function_arn = "128", "arn:aws:lambda:eu-west-1:123456789012:function:shop"
    def get_remaining_time_in_millis(self):
        return 3000
module = importlib.import_module(name)
event = json.load(open(f"{sys.argv[1]}/{name}.json"))
try:
    module.handler(event, Context())
except Exception as error:  # no AWS is there
    print(json.dumps({"raised": type(error).__name__}))
import importlib.util, lambda_guard._production as ours, wrapt
compiled = open(ours.__spec__.cached, "rb").read(8)
unchecked = compiled == importlib.util.MAGIC_NUMBER + bytes([1, 0, 0, 0])
print(json.dumps({"from": ours.__file__, "unchecked": unchecked, "wrapt": wrapt.__file__}))
"""


@pytest.mark.parametrize("python", FOUND)
@pytest.mark.parametrize("example", sorted(path.stem for path in EXAMPLES.glob("*.py")))
def test_every_example_runs_from_it(example, python, opt, sdk):
    """With botocore alone beside it, on each Python here; its byte code is what runs."""
    environ = {
        "AWS_LAMBDA_FUNCTION_NAME": "shop", "AWS_DEFAULT_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "none",
        "AWS_SECRET_ACCESS_KEY": "none", "AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_MAX_ATTEMPTS": "1",
        "LAMBDA_TASK_ROOT": "/var/task", "AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1:9",
        "TABLE_NAME": "orders", "QUEUE_URL": "http://127.0.0.1:9/q", "TOPIC_ARN": "arn:aws:sns:eu-west-1:123456789012:t",
        "_X_AMZN_TRACE_ID": "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1",
    }  # fmt: skip
    arguments = [str(EXAMPLES), str(opt / "python"), str(sdk), example]
    done = subprocess.run(
        [byte_code.find(python), "-S", "-c", RUN, *arguments],
        env=environ, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, done.stderr
    assert lines[-1]["from"].startswith(str(opt))
    assert lines[-1]["unchecked"]
    assert lines[-1]["wrapt"].startswith(str(opt))
    assert [line["outcome"] for line in lines if line.get("record") == "invocation"] != []


def test_its_wrapper_instruments_a_function_that_knows_nothing_of_it(built, tmp_path):
    """In the real runtime client, by the variable alone."""
    (tmp_path / "app.py").write_text("def handler(event, context):\n    print('at work')\n    return 1\n")
    wrapper = {"AWS_LAMBDA_EXEC_WRAPPER": "/opt/lambda-guard"}
    with Function(
        name="shop", handler="app.handler", code=tmp_path, layers=(built[0],), environment=wrapper
    ) as function:
        result = function.invoke({})
    lines = [json.loads(line) for line in result.lines if line.startswith("{")]
    assert result.payload == 1
    assert [line.get("record") for line in lines] == ["init", None, "invocation"]


# --- Additions --------------------------------------------------------------------------------------------------------


def wheel(folder, name, tag="py3-none-any", files=None):
    """Write a wheel; returns its path."""
    path = folder / f"{name}-1.0-{tag}.whl"
    info = f"{name}-1.0.dist-info"
    content = {
        f"{name}.py": "",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\nLicense: MIT\n",
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n",
        **(files or {}),
    }
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in content.items():
            archive.writestr(file, text)
        archive.writestr(f"{info}/RECORD", "".join(f"{file},,\n" for file in content))
    return path


def test_a_package_of_the_teams_own_is_in_it(tmp_path):
    """It is resolved with the rest, and stands in the manifest."""
    code, out, _ = build(tmp_path, *ONE, "--with", str(wheel(tmp_path, "shoplib")))
    assert code == 0
    with zipfile.ZipFile(tmp_path / "lambda-guard-layer.zip") as archive:
        assert "python/shoplib.py" in archive.namelist()
        manifest = json.loads(archive.read("lambda-guard-layer.json"))
    assert "shoplib" in {package["name"] for package in manifest["packages"]}
    assert "shoplib 1.0" in out


def test_a_package_without_a_wheel_for_an_architecture_is_refused(tmp_path):
    """The message names the package, the target and what to do, and no zip is written."""
    only = wheel(tmp_path, "odd", tag="py3-none-manylinux2014_x86_64")
    code, _, err = build(tmp_path, "--python", FOUND[0], "--with", str(only))
    assert code == 1
    assert f"can't be installed for Python {FOUND[0]} on arm64" in err
    assert "odd" in err
    assert "leave this target out with --python and --arch, or name a version with --with" in err
    assert not list(tmp_path.glob("lambda-guard-layer*"))


def test_a_package_with_other_files_for_each_target_is_refused(tmp_path):
    """The same name for two contents can't be in one zip: the message says what to do."""
    index = tmp_path / "wheels"
    index.mkdir()
    for machine in ("x86_64", "aarch64"):
        wheel(index, "rusty", f"py3-none-manylinux2014_{machine}", {"rusty/core.abi3.so": machine})
    options = ("--python", FOUND[0], "--with", "rusty")
    code, _, err = build(tmp_path, *options, UV_FIND_LINKS=str(index))
    assert code == 1
    assert "rusty/core.abi3.so is another file for" in err
    assert "build a layer for each, with --python and --arch" in err
    assert build(tmp_path, *options, "--arch", "arm64", UV_FIND_LINKS=str(index))[0] == 0


def test_what_only_describes_a_wheel_may_differ(tmp_path):
    """The list of what was compiled into it is another one for each target, and stays out: pydantic has one."""
    index = tmp_path / "wheels"
    index.mkdir()
    for machine in ("x86_64", "aarch64"):
        files = {
            f"rusty/core.cpython-{machine}.so": machine,
            "rusty-1.0.dist-info/sboms/rusty.cyclonedx.json": machine,
            "rusty/sboms/data.json": "its own",
        }
        wheel(index, "rusty", f"py3-none-manylinux2014_{machine}", files)
    code, _, err = build(tmp_path, "--python", FOUND[0], "--with", "rusty", UV_FIND_LINKS=str(index))
    assert code == 0, err
    with zipfile.ZipFile(tmp_path / "lambda-guard-layer.zip") as archive:
        names = {name for name in archive.namelist() if "rusty" in name and not name.endswith(".pyc")}
    assert names == {
        "python/rusty.py",
        "python/rusty/core.cpython-x86_64.so",
        "python/rusty/core.cpython-aarch64.so",
        "python/rusty/sboms/data.json",
        "python/rusty-1.0.dist-info/METADATA",
    }


@pytest.mark.parametrize(
    ("addition", "variables", "advice"),
    [
        (
            "wrapt<1.10",
            {},
            "ask for another version with --with: the layer's own packages keep those of its lock",
        ),
        ("two words", {}, "write --with as pip takes it, such as 'requests>=2'"),
        ("-r /etc/hosts", {}, "write --with as pip takes it, such as 'requests>=2'"),
        ("", {}, "write --with as pip takes it, such as 'requests>=2'"),
        (
            "requests",
            {"UV_DEFAULT_INDEX": "http://127.0.0.1:9/simple", "UV_HTTP_RETRIES": "0"},
            "check the names given to --with and the connection; UV_INDEX=URL adds a package index of your own",
        ),
    ],
)
def test_an_addition_that_cant_be_had_is_said_with_what_to_do(addition, variables, advice, tmp_path):
    """The reason of uv stands there, and below it what to change; no zip is written."""
    if variables:
        variables = {**variables, "UV_CACHE_DIR": str(tmp_path / "cache")}
    code, _, err = build(tmp_path, *ONE, "--with", addition, **variables)
    assert code == 1
    assert err.rstrip().endswith(advice)
    assert not list(tmp_path.glob("lambda-guard-layer*"))


def test_what_lambda_would_refuse_is_refused(tmp_path):
    """More than 250 MB unzipped: nothing is written, and the message names the limit."""
    big = wheel(tmp_path, "big", files={"big/data.bin": b"\0" * (251 * 1024 * 1024)})
    code, _, err = build(tmp_path, *ONE, "--with", str(big))
    assert code == 1
    assert "Lambda takes 250 MB" in err
    assert not list(tmp_path.glob("lambda-guard-layer*"))


# --- What is missing --------------------------------------------------------------------------------------------------


missing = next(python for python in PYTHONS if python != f"3.{sys.version_info.minor}")
MISSING = ("--python", missing, "--arch", "x86_64")


def nowhere(folder):
    """Return the variables of a machine on which that Python isn't found."""
    path = "/usr/bin:/bin" if not Path(f"/usr/bin/python{missing}").exists() else ""
    return {
        "PATH": path,
        "HOME": str(folder),
        "PYENV_ROOT": str(folder),
        "UV_PYTHON_INSTALL_DIR": str(folder),
    }


def test_a_python_that_isnt_here_is_named_and_left_out(tmp_path):
    """The layer is whole but for the byte code, and a line says what to install."""
    code, out, err = build(tmp_path, *MISSING, "--json", **nowhere(tmp_path))
    assert code == 0
    assert json.loads(out)["byte_code"] == {missing: None}
    # What it says can be typed as it stands: uv isn't on that path, and comes with the extra.
    assert f"Install it ({sys.executable} -m uv python install {missing}) and build again" in err
    uv = subprocess.run(
        [sys.executable, "-m", "uv", "python", "install", "--help"], capture_output=True, check=True
    )
    assert b"UV_PYTHON_INSTALL_DIR" in uv.stdout


def interpreter(path, prints="cpython 3.14", code=0):
    """Write what says of itself that it is this Python."""
    path.parent.mkdir(parents=True)
    path.write_text(f"#!/bin/sh\necho {prints}\nexit {code}\n")
    path.chmod(0o755)
    return str(path)


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine without any Python but this one; returns its home."""
    for name in ("PYENV_ROOT", "UV_PYTHON_INSTALL_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    "place",
    [
        "bin/python3.14",
        ".pyenv/versions/3.14.3/bin/python3",
        ".local/share/uv/python/cpython-3.14.3-linux-x86_64-gnu/bin/python3",
    ],
)
def test_a_python_is_found_where_the_page_says(place, machine):
    """On the path, and where pyenv and uv put it: `pyenv install 3.14` and `uv python install 3.14` are enough."""
    assert byte_code.find("3.14") is None
    path = interpreter(machine / place)
    assert byte_code.find("3.14") == path


@pytest.mark.parametrize("prints", ["cpython 3.13", "pypy 3.14", "cpythont 3.14", "nothing"])
def test_another_python_isnt_taken_for_it(prints, machine):
    """Another version, PyPy, a free-threaded build, whose modules are others than Lambda's, and one that is broken."""
    interpreter(machine / "bin/python3.14", prints)
    assert byte_code.find("3.14") is None


# On a full disk Python would write byte code as far as it may, and each later process would fail on it.
NO_BYTE_CODE = {"PYTHONDONTWRITEBYTECODE": "1"}


def test_a_full_disk_leaves_the_zip_as_it_was(tmp_path):
    """The message names the file and what to do; nothing half-written is left."""
    (tmp_path / "layer.zip").write_bytes(b"the old one")
    (tmp_path / "wheels").mkdir()
    noise = {f"noise/{number}.py": random.Random(number).randbytes(900_000) for number in range(5)}
    package = wheel(tmp_path / "wheels", "noise", files=noise)
    resource = pytest.importorskip("resource", reason="limits of files are POSIX's")
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (3_000_000, 3_000_000))  # noqa: E731 - for `preexec_fn`
    code, _, err = build(
        tmp_path, "-o", "layer.zip", *ONE, "--with", str(package), before=limit, **NO_BYTE_CODE
    )
    assert code == 1
    assert "can't write layer.zip: File too large: choose another place with --output, or make room" in err
    assert {path.name for path in tmp_path.iterdir()} == {"layer.zip", "wheels"}
    assert (tmp_path / "layer.zip").read_bytes() == b"the old one"


def other_uv(folder, script):
    """Put another uv in place of the real one; returns the variable for it. `$target` is where it is to install to."""
    (folder / "uv.py").write_text(f"def find_uv_bin():\n    return {str(folder / 'uv')!r}\n")
    (folder / "uv").write_text(
        f'#!/bin/sh\nwhile [ "$1" != --target ]; do shift; done; target=$2\n{script}\n'
    )
    (folder / "uv").chmod(0o755)
    return {"PYTHONPATH": str(folder)}


NO_ROOM = "echo 'failed to copy: No space left on device (os error 28)' >&2; exit 2"


@pytest.mark.parametrize(
    ("script", "most", "said"),
    [
        (NO_ROOM, -1, "failed to copy: No space left on device (os error 28)"),
        ("exit 0", 1_000, "can't build the layer in {}: File too large"),
        ("exit 0", LOCK.stat().st_size + 1_000, "can't build the layer in {}: [Errno 27] File too large"),
    ],
    ids=["packages", "lock", "own code"],
)
def test_a_full_disk_below_the_temporary_files_is_said(script, most, said, tmp_path):
    """With where it is and what to set, whatever is written when it is full; nothing is left there."""
    temporary, folder = tmp_path / "temporary", tmp_path / "folder"
    temporary.mkdir()
    folder.mkdir()
    uv = other_uv(tmp_path, script)
    resource = pytest.importorskip("resource", reason="limits of files are POSIX's")
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))  # noqa: E731 - for `preexec_fn`
    code, _, err = build(folder, *ONE, before=limit, TMPDIR=str(temporary), **NO_BYTE_CODE, **uv)
    assert code == 1
    assert said.format(temporary) in err
    assert "make room there, or set TMPDIR" in err
    assert [*folder.iterdir(), *temporary.iterdir()] == []


def test_a_place_that_cant_be_written_is_said_at_once(tmp_path):
    """Before any package is installed, with what to do."""
    (tmp_path / "file").write_text("")
    code, out, err = build(tmp_path, *ONE, "-o", "file/layer.zip")
    assert (code, out) == (1, "")
    assert (
        err
        == "lambda-guard: can't write file/layer.zip: File exists: choose another place with --output, or make room\n"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_more_than_an_upload_takes_is_said(tmp_path):
    """Over 50 MB zipped: it is written, and a line says how it can be published."""
    uv = other_uv(tmp_path, 'mkdir -p "$target" && head -c 53000000 /dev/urandom > "$target/data.bin"')
    code, _, err = build(tmp_path, *MISSING, "-o", "layer.zip", **nowhere(tmp_path), **uv)
    assert code == 0
    assert (
        "the zip is 51 MB, and Lambda takes 50 MB in an upload: put it into S3 and publish it from there"
        in err
    )
    assert (tmp_path / "layer.zip").stat().st_size > 50 * 1024 * 1024


def test_without_uv_one_line_says_what_to_install(tmp_path):
    """It comes with the extra."""
    (tmp_path / "uv.py").write_text("raise ModuleNotFoundError(\"No module named 'uv'\", name='uv')\n")
    code, _, err = build(tmp_path, *ONE, PYTHONPATH=str(tmp_path))
    assert code == 2
    assert err.endswith(
        "layer build needs uv, which isn't installed: pip install 'aws-lambda-guard[layer]'\n"
    )
