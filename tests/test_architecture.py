"""Who may import whom: the layers of the core, its sinks, and the desk, walked in the source."""

import ast
from pathlib import Path

import pytest

import lambda_guard

ROOT = Path(lambda_guard.__file__).parent

# A module imports from the layers above it here, and from no other one of ours.
LAYERS = (
    {"_names", "errors"},
    {
        "_json", "_stdout", "_process", "failure", "failure.stack_frames", "trigger", "trigger.plain", "trigger.table", "timeout",
        "batch", "propagation", "sinks", "sinks.log", "sinks.xray", "propagation._envelope", "propagation.calls",
        "propagation.header",
    },
    {"shapes", "shapes.arns", "shapes.eventbridge", "shapes.http"},
    {"shapes.kinesis", "shapes.sns", "shapes.sqs"},
    {
        "_settings", "_scope", "failure.fingerprint", "trigger.read", "_event_loop", "propagation._carriers",
    },
    {"failure.exceptions", "_failsafe", "batch.source", "propagation.extract"},
    {"_invocation", "timeout.watchdog", "propagation.inject"},
    {"failure.attempts", "timeout.snapshot"},
    {
        "sinks.log.lines", "sinks.log.plain", "sinks.log.powertools", "sinks.log.printed", "sinks.log.final_attempt",
        "sinks.metrics", "sinks.record", "sinks.xray.document", "sinks.xray.recorder", "sinks.xray.span",
        "sinks.xray.timeout",
    },
    {"batch.partial_response", "batch.report", "_aws_calls", "_public"},
    {"_guard", "batch.loop"},
    {"_production"},
    {""},
    {
        "testing", "testing._bus_events", "testing._queue_events", "testing._request_events", "testing._samples",
        "testing._service_events", "testing._stream_events", "testing.capture", "testing.context", "testing.events",
        "testing.plugin",
    },
)  # fmt: skip
LEVEL = {module: level for level, modules in enumerate(LAYERS) for module in modules}
# Parts of one thing, which know each other.
TOGETHER = ("sinks.log.", "sinks.xray.", "testing")
# What the desk and the local cloud take from the core.
FOR_THE_DESK = {"_names", "_settings", "errors", "propagation.header"}
FOR_THE_DESK |= {
    "shapes",
    *(f"shapes.{name}" for name in ("arns", "eventbridge", "http", "kinesis", "sns", "sqs")),
}
# Who imports what isn't ours and isn't the standard library.
FOREIGN = {
    "wrapt": {"_production", "_guard", "propagation.inject"},
    "aws_lambda_powertools": {"sinks.log.powertools", "sinks.metrics", "batch.source"},
    "aws_xray_sdk": {"sinks.xray.recorder"},
    "pytest": {"testing.plugin"},
}
# Modules of the standard library that cost a cold start more than they give it; inside of functions they are late.
HEAVY = {
    "asyncio",
    "concurrent",
    "dataclasses",
    "email",
    "http",
    "importlib.metadata",
    "logging.config",
    "multiprocessing",
}
HEAVY |= {"socket", "ssl", "subprocess", "unittest", "urllib.request", "uuid", "xml"}
HEAVY_ALLOWED = {("_event_loop", "asyncio")}


class Imports(ast.NodeVisitor):
    """The modules that a module imports, those for type checkers apart."""

    def __init__(self, module, package):
        self.found = set()
        self.late = set()
        self._package = package
        self._depth = 0
        tree = ast.parse(path_of(module).read_text(encoding="utf-8"))
        self.visit(tree)

    def visit_If(self, node):
        if ast.unparse(node.test) != "TYPE_CHECKING":
            self.generic_visit(node)

    def visit_FunctionDef(self, node):
        self._depth += 1
        self.generic_visit(node)
        self._depth -= 1

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815 - as ast calls it

    def visit_Import(self, node):
        for alias in node.names:
            self._add(alias.name)

    def visit_ImportFrom(self, node):
        base = node.module or ""
        if node.level:
            parts = self._package.split(".")
            base = ".".join([*parts[: len(parts) - node.level + 1], *([node.module] if node.module else [])])
        for alias in node.names:
            whole = f"{base}.{alias.name}"
            self._add(whole if base.startswith("lambda_guard") and path_of(short(whole)) else base)

    def _add(self, name):
        (self.late if self._depth else self.found).add(name)


def short(name):
    """Return a module's name below the package: `_names`, `sinks.record`, `` for the package itself."""
    return name.removeprefix("lambda_guard").removeprefix(".")


def path_of(module):
    """Return the file of one of our modules, or None."""
    base = ROOT / module.replace(".", "/")
    for path in (base / "__init__.py", base.with_suffix(".py")):
        if path.exists():
            return path
    return None


def modules():
    """Return our modules, name → what they import."""
    found = {}
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        is_package = parts[-1] == "__init__"
        module = ".".join(parts[:-1] if is_package else parts)
        name = f"lambda_guard.{module}".rstrip(".")
        found[module] = Imports(module, name if is_package else name.rpartition(".")[0])
    return found


MODULES = modules()
CORE = {
    module: imports
    for module, imports in MODULES.items()
    if module.split(".")[0] not in ("tools", "local", "templates")
}
DESK = {module: imports for module, imports in MODULES.items() if module not in CORE}


def ours(imports):
    """Return what a module imports of ours."""
    return {short(name) for name in imports.found | imports.late if name.split(".")[0] == "lambda_guard"}


def test_every_module_of_the_core_has_its_layer():
    """A module that is added says where it belongs; one that is gone is gone from here."""
    assert set(CORE) == set(LEVEL)


@pytest.mark.parametrize("module", CORE)
def test_a_module_imports_from_lower_layers_only(module):
    """Nothing in the core reaches up: facts know nothing of sinks, sinks nothing of the guard."""
    for name in ours(CORE[module]):
        together = any(module.startswith(part) and name.startswith(part) for part in TOGETHER)
        assert together or LEVEL[name] < LEVEL[module], f"{module} imports {name}"


@pytest.mark.parametrize("module", [module for module in CORE if module.startswith("sinks.")])
def test_sinks_know_nothing_of_each_other(module):
    """Logs, metrics, the record and traces can each be replaced alone."""
    own = module.split(".")[1]
    assert {name.split(".")[1] for name in ours(CORE[module]) if name.startswith("sinks.")} <= {own}


def test_only_the_recorder_knows_the_sdk_and_so_on():
    """Each package that isn't ours is imported where its adapter is, and boto3 nowhere."""
    known = {}
    for module, imports in CORE.items():
        for name in imports.found | imports.late:
            package = name.split(".")[0]
            if package in FOREIGN or package in (
                "boto3",
                "botocore",
                "jmespath",
                "awslambdaric",
                "moto",
                "click",
                "rich",
            ):
                known.setdefault(package, set()).add(module)
    assert known == FOREIGN


@pytest.mark.parametrize("module", [module for module in CORE if not module.startswith("testing")])
def test_nothing_heavy_is_imported_with_a_module(module):
    """What costs a cold start is imported inside of the function that needs it."""
    heavy = {name for name in CORE[module].found if name in HEAVY or name.split(".")[0] in HEAVY}
    assert {(module, name) for name in heavy} <= HEAVY_ALLOWED


@pytest.mark.parametrize("module", DESK)
def test_the_desk_takes_what_is_shared(module):
    """Tools and the local cloud take names, settings, errors, shapes and the trace header, and nothing else of the runtime."""
    allowed = {name for name in ours(DESK[module]) if name.split(".")[0] in ("tools", "local", "templates")}
    assert ours(DESK[module]) - allowed <= FOR_THE_DESK


def test_the_desk_is_out_of_reach_of_a_function(fresh):
    """Nothing that a function does with the face imports the desk, the local cloud, or what they need."""
    output = fresh(
        """
        import sys
        from lambda_guard import current_invocation, logger, metrics, production
        import lambda_guard.errors, lambda_guard.testing, lambda_guard.testing.plugin
        production(lambda event, context: metrics.add_metric("Orders", "Count", 1))({}, None)
        found = {name for name in sys.modules if name.startswith(("lambda_guard.tools", "lambda_guard.local"))}
        print(sorted(found), sorted({"moto", "click", "rich", "awslambdaric", "boto3"} & sys.modules.keys()))
        """
    )
    assert output.splitlines()[-1] == "[] []"
