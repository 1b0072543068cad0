"""The zero-code entry: whatever a handler's module does, the runtime client reports what it would without us."""

import http.server
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from importlib.util import find_spec
from pathlib import Path

import pytest

import lambda_guard
from lambda_guard import _names
from lambda_guard.local.runtime import bootstrap

WRAPPER = Path(lambda_guard.__file__).parent / "tools/layer/lambda-guard"
ENTRY = Path(find_spec("lambda_guard_handler").origin)
OK = "def handler(event, context):\n    return {'got': event}\n"

# name: (handler, files); what each does at import or at its first call, good and bad
CASES = {
    "returns": ("app.handler", {"app.py": OK}),
    "in a package": ("pkg.handler", {"pkg/__init__.py": OK}),
    "in a package's module": ("pkg.mod.handler", {"pkg/__init__.py": "", "pkg/mod.py": OK}),
    "with slashes": ("a/b/c.handler", {"a/b/c.py": OK}),
    "with dots": ("a.b.c.handler", {"a/b/c.py": OK}),
    "a mix of both": ("pkg/mod.handler", {"pkg/__init__.py": "", "pkg/mod.py": OK}),
    "a lambda": ("app.handler", {"app.py": "handler = lambda event, context: 1\n"}),
    "a class with a call": (
        "app.handler",
        {"app.py": "class H:\n    def __call__(self, event, context):\n        return 2\nhandler = H()\n"},
    ),
    "a method": (
        "app.handler",
        {"app.py": "class H:\n    def run(self, event, context):\n        return 3\nhandler = H().run\n"},
    ),
    "a partial": (
        "app.handler",
        {"app.py": "import functools\ndef f(x, event, context):\n    return x\nhandler = functools.partial(f, 4)\n"},
    ),
    "made by __getattr__": (
        "app.handler",
        {"app.py": "def __getattr__(name):\n    return lambda event, context: name\n"},
    ),
    "prints at import": ("app.handler", {"app.py": "print('hello')\n" + OK}),
    "prints halves at import": ("app.handler", {"app.py": "import sys\nsys.stdout.write('half')\n" + OK}),
    "writes to stderr at import": ("app.handler", {"app.py": "import sys\nsys.stderr.write('oh\\n')\n" + OK}),
    "logs at import": ("app.handler", {"app.py": "import logging\nlogging.warning('careful')\n" + OK}),
    "reads _HANDLER": (
        "app.handler",
        {"app.py": "import os\nname = os.environ['_HANDLER']\ndef handler(event, context):\n    return name\n"},
    ),
    "changes sys.path": ("app.handler", {"app.py": "import sys\nsys.path.insert(0, '/nowhere')\n" + OK}),
    "replaces stdout": ("app.handler", {"app.py": "import io, sys\nsys.stdout = io.StringIO()\n" + OK}),
    "isn't callable": ("app.handler", {"app.py": "handler = 5\n"}),
    "no dot": ("nodot", {"nodot.py": OK}),
    "nothing before the dot": (".handler", {"app.py": OK}),
    "module missing": ("missing.handler", {"app.py": OK}),
    "its import is missing": ("imp.handler", {"imp.py": "import nonexistent_dependency\n"}),
    "a name isn't in its import": ("imp.handler", {"imp.py": "from os import nonexistent\n"}),
    "a circle": ("one.handler", {"one.py": "from two import b\na = 1\n", "two.py": "from one import a\nb = 1\n"}),
    "an ImportError of its own": ("app.handler", {"app.py": "raise ImportError('mine')\n"}),
    "syntax error": ("syn.handler", {"syn.py": "def handler(event, context)\n    pass\n"}),
    "syntax error in its import": ("app.handler", {"app.py": "import syn\n", "syn.py": "x = (\n"}),
    "indentation": ("syn.handler", {"syn.py": "if 1:\nx = 2\n"}),
    "null bytes": ("nul.handler", {"nul.py": "x = 1\0\n"}),
    "not UTF-8": ("enc.handler", {"enc.py": b"x = '\xff'\n"}),
    "built-in module": ("sys.exit", {"app.py": OK}),
    "attribute missing": ("nohandler.handler", {"nohandler.py": "x = 1\n"}),
    "__getattr__ fails": ("app.handler", {"app.py": "def __getattr__(name):\n    raise RuntimeError(name)\n"}),
    "an exception": ("app.handler", {"app.py": "def connect():\n    raise ValueError('bad url')\nconnect()\n"}),
    "an exception without a text": ("app.handler", {"app.py": "raise RuntimeError\n"}),
    "an exception of several lines": ("app.handler", {"app.py": "raise RuntimeError('one\\ntwo')\n"}),
    "an exception with a cause": (
        "app.handler",
        {"app.py": "try:\n    1 / 0\nexcept ZeroDivisionError as e:\n    raise OSError(5, 'io') from e\n"},
    ),
    "an exception named bootstrap": ("bootstrap.handler", {"bootstrap.py": "raise ValueError('here')\n"}),
    "a group": ("app.handler", {"app.py": "raise ExceptionGroup('many', [ValueError('a')])\n"}),
    "exits with 3": ("app.handler", {"app.py": "import sys\nsys.exit(3)\n"}),
    "exits with a text": ("app.handler", {"app.py": "import sys\nsys.exit('gone')\n"}),
    "ends at once": ("app.handler", {"app.py": "import os\nos._exit(7)\n"}),
    "kills itself": ("app.handler", {"app.py": "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n"}),
    "logging.py": ("app.handler", {"app.py": OK, "logging.py": "x = 1\n"}),
    "queue.py": ("queue.handler", {"queue.py": OK}),
    **{
        f"its own {name}.py": ("app.handler", {"app.py": f"import {name}\n" + OK, f"{name}.py": "mine = 1\n"})
        for name in (
            "ast", "contextvars", "copy", "dis", "fnmatch", "gzip", "inspect", "pathlib", "resource", "typing", "zlib",
            "datetime", "decimal", "atexit", "wrapt", "statistics",
        )
    },
}  # fmt: skip


# Here the process ends in the client, or before anything of ours could be written.
SILENT = ("ends at once", "kills itself", "logging.py", "its own decimal.py")


class Api(http.server.ThreadingHTTPServer):
    """Lambda's Runtime API with one invocation; notes what the client posts."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answers)
        self.posts, self.given, self.done, self.ended = [], False, threading.Event(), threading.Event()
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()


class Answers(http.server.BaseHTTPRequestHandler):
    """Hands out the one event, then nothing more."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.server.given:
            self.server.done.set()
            self.server.ended.wait(240)
            return
        self.server.given = True
        self.send_response(200)
        self.send_header("Lambda-Runtime-Aws-Request-Id", "6f0c")
        self.send_header("Lambda-Runtime-Deadline-Ms", "4102444800000")
        self.send_header(
            "Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:eu-west-1:123456789012:function:shop"
        )
        self.send_header("Content-Type", "application/json")  # without it the client crashes
        self.send_header("Content-Length", "8")
        self.end_headers()
        self.wfile.write(b'{"id":1}')

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        kind = self.headers["Lambda-Runtime-Function-Error-Type"]
        self.server.posts.append((self.path, kind, body))
        self.send_response(202)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        """Nothing: not the test's."""


@pytest.fixture(scope="module")
def layer(tmp_path_factory):
    """Return a folder that stands for `/opt`, with the layer in it."""
    opt = tmp_path_factory.mktemp("opt")
    return make_layer(opt)


def make_layer(opt):
    shutil.copy(WRAPPER, opt / "lambda-guard")
    (opt / "lambda-guard").chmod(0o755)
    (opt / "python").mkdir()
    shutil.copy(ENTRY, opt / "python")
    package = Path(lambda_guard.__file__).parent
    shutil.copytree(package, opt / "python/lambda_guard", ignore=shutil.ignore_patterns("__pycache__"))
    return opt


def run(code, handler, opt, wrapper=None, **variables):
    """Run a function once as AWS's bootstrap does; return what it posted, its exit code, and its output."""
    api = Api()
    env = {
        "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{api.server_port}",
        "LAMBDA_TASK_ROOT": str(code),
        "_HANDLER": handler,
        "AWS_LAMBDA_FUNCTION_NAME": "shop",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
        "PATH": os.environ["PATH"],
        "PYTHONDONTWRITEBYTECODE": "1",
        "LANG": "C.UTF-8",
        **variables,
    }
    command = [*([str(wrapper)] if wrapper else []), sys.executable, bootstrap.__file__, str(opt)]
    process = subprocess.Popen(command, cwd=code, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    killer = threading.Thread(target=ended_by, args=(process, api), daemon=True)
    killer.start()
    out, err = process.communicate(timeout=240)
    code_of_exit = 0 if api.done.is_set() and process.returncode == -signal.SIGKILL else process.returncode
    # Nothing of it outlives the test: others look at the threads of this process.
    api.done.set()
    api.ended.set()
    killer.join()
    api.shutdown()
    api.server_close()
    return api.posts, code_of_exit, out.decode(), err.decode()


def ended_by(process, api):
    api.done.wait(240)
    process.kill()


def written(tmp_path, files):
    for name, content in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return tmp_path


def taken_out(output):
    """Return output without our lines, and our lines."""
    theirs, ours = [], []
    for line in output.splitlines(keepends=True):
        before, brace, rest = line.partition('{"level":')  # behind a half line of the function's
        if brace and json.loads(brace + rest).get("logger") == "lambda_guard":
            ours.append(json.loads(brace + rest))
            line = before  # noqa: PLW2901 - what is left of it
        elif brace and json.loads(brace + rest).get("record") == "invocation":
            line = before  # noqa: PLW2901 - as above
        theirs.append(line)
    return "".join(theirs), ours


def without_times(output):
    return re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "TIME", output)


FEW = (
    "returns", "in a package's module", "isn't callable", "module missing", "its import is missing", "syntax error",
    "an exception", "exits with 3", "logging.py", "queue.py", "its own typing.py",
)  # fmt: skip
PYTHONPATHS = {"unset": {}, "empty": {"PYTHONPATH": ""}, "set": {"PYTHONPATH": "/nowhere:/var/runtime"}}
EVERY = [(case, "unset") for case in CASES] + [(case, path) for path in ("empty", "set") for case in FEW]


@pytest.mark.slow
@pytest.mark.parametrize(("case", "pythonpath"), EVERY)
def test_the_client_reports_what_it_would_without_us(case, pythonpath, tmp_path, layer):
    """Posts, exit code, standard output but for our lines, and standard error are byte for byte the same."""
    handler, files = CASES[case]
    code, variables = written(tmp_path, files), PYTHONPATHS[pythonpath]
    bare = run(code, handler, layer, **variables)
    ours = run(code, handler, layer, layer / "lambda-guard", **variables)
    theirs, lines = taken_out(ours[2])
    assert ours[:2] == bare[:2]
    assert without_times(theirs) == without_times(bare[2])
    assert ours[3] == bare[3]
    assert bool(lines) == (case not in SILENT)


def test_a_recursion_at_import_is_reported_with_our_frames_fewer(tmp_path, layer):
    """The limit of the stack is the same, and our frames stand below it: the rest of the report is the same."""
    code = written(tmp_path, {"app.py": "def f():\n    f()\nf()\n"})
    (bare,), bare_code, *_ = run(code, "app.handler", layer)
    (ours,), our_code, *_ = run(code, "app.handler", layer, layer / "lambda-guard")
    counts = [re.search(rb"repeated (\d+) more times", each[2]) for each in (bare, ours)]
    texts = [each[2].replace(count[0], b"") for each, count in zip((bare, ours), counts, strict=True)]
    assert (ours[:2], our_code, texts[1]) == (bare[:2], bare_code, texts[0])
    assert 0 < int(counts[0][1]) - int(counts[1][1]) < 20


@pytest.mark.parametrize(
    "source",
    [
        "class E(Exception):\n    def __str__(self):\n        raise ValueError('no text')\nraise E\n",
        "raise KeyboardInterrupt\n",
    ],
)
def test_what_ends_the_client_ends_it_with_us(source, tmp_path, layer):
    """Nothing is posted, the exit code is the same, and standard error ends alike: a few frames of ours stand in it."""
    code = written(tmp_path, {"app.py": source})
    bare = run(code, "app.handler", layer)
    ours = run(code, "app.handler", layer, layer / "lambda-guard")
    assert ours[:2] == bare[:2]
    assert ours[3].splitlines()[-1] == bare[3].splitlines()[-1]


def of_the_layer(tmp_path, files, layer, **variables):
    """Run the function with the layer; return its answer, our lines and its records."""
    code = written(tmp_path, files)
    posts, _, out, err = run(code, "app.handler", layer, layer / "lambda-guard", **variables)
    lines = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    assert err == ""
    return posts, lines


def test_a_function_that_knows_nothing_of_us_has_records(tmp_path, layer):
    """Its handler's answer is the same, its lines are ours, and its invocation ends with a record."""
    files = {"app.py": "def handler(event, context):\n    print('at work')\n    return event\n"}
    posts, (init, line, record) = of_the_layer(tmp_path, files, layer)
    assert posts == [("/2018-06-01/runtime/invocation/6f0c/response", None, b'{"id": 1}')]
    assert (line["message"], line["invocation_id"]) == ("at work", "6f0c")
    assert (record["record"], record["outcome"]) == ("invocation", "success")
    took = init.pop("duration_ms")
    assert took > 0
    assert init.pop("timestamp")[-1] == "Z"
    assert init == {
        "level": "INFO", "location": "exec_wrapper", "message": f"app.handler imported in {took:.1f} ms",
        "logger": "lambda_guard", "record": "init", "outcome": "success", "function_name": "shop",
        "function_version": "$LATEST",
    }  # fmt: skip


def test_a_failed_import_is_recorded(tmp_path, layer):
    """The init record names the exception and the frames of the function, none of ours or the client's."""
    files = {
        "app.py": "import shop\n",
        "shop.py": "def connect():\n    raise ValueError('bad url')\nconnect()\n",
    }
    _, (init,) = of_the_layer(tmp_path, files, layer)
    assert (init["record"], init["outcome"], init["level"]) == ("init", "error", "ERROR")
    assert init["message"].endswith(" ms: ValueError: bad url")
    assert init["error"] == {
        "type": "ValueError",
        "message": "bad url",
        "stack": ["app.py:1 in <module>", "shop.py:3 in <module>", "shop.py:2 in connect"],
    }


def test_a_missing_import_is_recorded_as_the_client_reports_it(tmp_path, layer):
    """The type is the one of Lambda's report, and the frames lead to the import."""
    _, (init,) = of_the_layer(tmp_path, {"app.py": "import nonexistent_dependency\n"}, layer)
    assert init["error"] == {
        "type": "Runtime.ImportModuleError",
        "message": "Unable to import module 'app': No module named 'nonexistent_dependency'",
        "stack": ["app.py:1 in <module>"],
    }


def test_the_keys_of_the_init_record_are_known(tmp_path, layer):
    """The module can't import the names; it writes none that they lack."""
    _, (init,) = of_the_layer(tmp_path, {"app.py": "raise ValueError\n"}, layer)
    assert init.keys() <= _names.TOP_KEYS
    assert init["error"].keys() == {_names.TYPE, _names.MESSAGE, _names.STACK}


@pytest.mark.parametrize(
    "source",
    [
        "import lambda_guard\n@lambda_guard.production\ndef handler(event, context):\n    return 1\n",
        """
import functools, lambda_guard
def outer(f):
    @functools.wraps(f)
    def call(*args):
        return f(*args)
    return call
@outer
@lambda_guard.production
def handler(event, context):
    return 1
""",
    ],
    ids=["decorated", "decorated inside"],
)
def test_a_decorated_handler_is_instrumented_once(source, tmp_path, layer):
    """There is one record of its invocation."""
    _, lines = of_the_layer(tmp_path, {"app.py": source}, layer)
    assert [line.get("record") for line in lines] == ["init", "invocation"]


BROKEN = {
    "package missing": ("lambda_guard", None),
    "package without the decorator": ("lambda_guard/__init__.py", ""),
    "package with a syntax error": ("lambda_guard/_guard.py", "def (\n"),
    "package that exits": ("lambda_guard/__init__.py", "import sys\nsys.exit(4)\n"),
}


@pytest.mark.parametrize("part", BROKEN)
def test_with_a_broken_part_the_handler_still_runs(part, tmp_path, tmp_path_factory):
    """The answer is the same, and one line says what failed."""
    opt = make_layer(tmp_path_factory.mktemp("opt"))
    name, content = BROKEN[part]
    if content is None:
        shutil.rmtree(opt / "python" / name)
        written(
            opt / "python",
            {"lambda_guard.py": "raise ModuleNotFoundError(\"No module named 'lambda_guard'\")\n"},
        )
    else:
        written(opt / "python", {name: content})
    posts, (init, said) = of_the_layer(tmp_path, {"app.py": OK}, opt)
    assert posts == [("/2018-06-01/runtime/invocation/6f0c/response", None, b'{"got": {"id": 1}}')]
    assert init["outcome"] == "success"
    assert said["level"] == "ERROR"
    assert said["message"].startswith("app.handler runs without lambda_guard, which failed: ")


def test_without_powertools_the_handler_still_runs(tmp_path, tmp_path_factory):
    """`logger` needs nothing of it for a line."""
    opt = make_layer(tmp_path_factory.mktemp("opt"))
    written(opt / "python", {"aws_lambda_powertools.py": "raise ImportError('gone')\n"})
    source = "import lambda_guard\ndef handler(event, context):\n    lambda_guard.logger.info('here')\n    return 1\n"
    posts, lines = of_the_layer(tmp_path, {"app.py": source}, opt)
    assert posts == [("/2018-06-01/runtime/invocation/6f0c/response", None, b"1")]
    assert [line for line in lines if line["level"] == "WARNING"] == []
    assert lines[-1]["record"] == "invocation"


def test_without_our_module_the_script_runs_the_function(tmp_path, tmp_path_factory):
    """The handler's name stays as it was, and one line says so."""
    opt = make_layer(tmp_path_factory.mktemp("opt"))
    (opt / "python/lambda_guard_handler.py").unlink()
    posts, (said,) = of_the_layer(tmp_path, {"app.py": OK}, opt)
    assert posts == [("/2018-06-01/runtime/invocation/6f0c/response", None, b'{"got": {"id": 1}}')]
    assert said["message"].endswith(
        "is missing, the function runs without lambda_guard: publish the layer again"
    )


def test_an_older_package_of_the_function_is_used_and_named(tmp_path, layer):
    """The function's own comes first on the path; a line says which one runs."""
    files = {"app.py": OK, "lambda_guard/__init__.py": "def production(handler):\n    return handler\n"}
    posts, (_, said) = of_the_layer(tmp_path, files, layer)
    assert posts == [("/2018-06-01/runtime/invocation/6f0c/response", None, b'{"got": {"id": 1}}')]
    assert (
        said["message"]
        == f"app.handler runs with the lambda_guard in {tmp_path}/lambda_guard, not with the layer's"
    )


def test_the_kill_switch_leaves_the_function_alone(tmp_path, layer):
    """With LAMBDA_GUARD_DISABLED there are no lines of ours."""
    _, lines = of_the_layer(tmp_path, {"app.py": OK}, layer, LAMBDA_GUARD_DISABLED="1")
    assert lines == []


def test_another_wrapper_is_chained(tmp_path, layer):
    """It gets the runtime's command, and may change the handler in its turn."""
    vendor = tmp_path / "vendor"
    vendor.write_text('#!/bin/sh\nexport SEEN="$_HANDLER"\nexec "$@"\n')
    vendor.chmod(0o755)
    source = "import os\ndef handler(event, context):\n    return os.environ['SEEN']\n"
    posts, lines = of_the_layer(tmp_path, {"app.py": source}, layer, LAMBDA_GUARD_EXEC_WRAPPER=str(vendor))
    assert posts[0][2] == b'"lambda_guard_handler.handler"'
    assert [line["record"] for line in lines] == ["init", "invocation"]


@pytest.mark.parametrize("name", ["missing", "plain", "folder"])
def test_a_wrapper_that_cant_be_run_is_left_out(name, tmp_path, layer):
    """The function runs without it, and one line says what to check."""
    (tmp_path / "plain").write_text("no script")
    (tmp_path / "folder").mkdir()
    posts, lines = of_the_layer(
        tmp_path, {"app.py": OK}, layer, LAMBDA_GUARD_EXEC_WRAPPER=str(tmp_path / name)
    )
    assert posts[0][2] == b'{"got": {"id": 1}}'
    assert lines[0]["message"].startswith("LAMBDA_GUARD_EXEC_WRAPPER isn't an executable file")
    assert lines[-1]["record"] == "invocation"


def test_our_module_is_a_handler_where_the_wrapper_is_taken(tmp_path, layer):
    """`Handler: lambda_guard_handler.handler` with LAMBDA_GUARD_HANDLER does the same; also with both set."""
    code = written(tmp_path, {"app.py": OK})
    for wrapper in (None, layer / "lambda-guard"):
        entry = "lambda_guard_handler.handler"
        posts, _, out, _ = run(code, entry, layer, wrapper, LAMBDA_GUARD_HANDLER="app.handler")
        assert posts == [("/2018-06-01/runtime/invocation/6f0c/response", None, b'{"got": {"id": 1}}')]
        assert [json.loads(line)["record"] for line in out.splitlines()] == ["init", "invocation"]


@pytest.mark.parametrize("variables", [{}, {"LAMBDA_GUARD_HANDLER": "lambda_guard_handler.handler"}])
def test_without_a_handler_of_its_own_the_error_says_what_to_set(variables, tmp_path, layer):
    """The function can't run then: Lambda's report says which variable is missing."""
    posts, code, *_ = run(tmp_path, "lambda_guard_handler.handler", layer, **variables)
    assert code == 1
    assert json.loads(posts[0][2])["errorMessage"] == (
        "Unable to import module 'lambda_guard_handler': set LAMBDA_GUARD_HANDLER to the function's own handler, "
        "for example orders.handler"
    )
