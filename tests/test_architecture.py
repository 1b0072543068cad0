"""The map of the house, `docs/architecture.md`, walked: its tables against the source and against what really happens."""

import ast
import functools
import re
import sys
from pathlib import Path

import pytest

from .architecture import FACE, PAGE, ROOT, SOURCES, table, ticked, with_line

DESK = {"testing", "templates", "iam", "refusal", "runtime", "local", "tools", "alarms", "audit", "export", "harden", "policy", "rates", "narrowing", "logs", "dlq", "try", "up"}  # fmt: skip
# Modules of the standard library that cost a cold start more than they give it; inside of functions they are late.
HEAVY = {
    "asyncio", "concurrent", "dataclasses", "email", "http", "importlib.metadata", "logging.config", "multiprocessing",
    "socket", "ssl", "subprocess", "unittest", "urllib.request", "uuid", "xml",
}  # fmt: skip
HEAVY_ALLOWED = {("_event_loop", "asyncio")}


class Imports(ast.NodeVisitor):
    """What a module imports, wherever it does: for type checkers, in functions, by name.

    Attributes:
        found: the names of modules; of ours below the package.
        at_top: those that are imported with the module.
        computed: whether it imports by a name that isn't written there.
    """

    def __init__(self, module, text, is_package, known):
        self.found, self.at_top, self.computed = set(), set(), False
        self._known = known
        self._package = ["lambda_guard", *module.split(".")] if module != FACE else ["lambda_guard"]
        if not is_package:
            self._package.pop()
        self._depth = 0
        self.visit(ast.parse(text))

    def visit_FunctionDef(self, node):
        self._depth += 1
        self.generic_visit(node)
        self._depth -= 1

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815 - as ast calls it

    def visit_If(self, node):
        for_types = ast.unparse(node.test) == "TYPE_CHECKING"
        self._depth += for_types
        self.generic_visit(node)
        self._depth -= for_types

    def visit_Import(self, node):
        for alias in node.names:
            self._add(alias.name)

    def visit_ImportFrom(self, node):
        base = [*self._package[: len(self._package) - node.level + 1]] if node.level else []
        base += node.module.split(".") if node.module else []
        for alias in node.names:
            whole = ".".join([*base, alias.name])
            self._add(whole if whole.removeprefix("lambda_guard.") in self._known else ".".join(base))

    def visit_Call(self, node):
        name = getattr(node.func, "attr", getattr(node.func, "id", None))
        if name in ("import_module", "__import__", "find_spec", "run_module") and node.args:
            if isinstance(node.args[0], ast.Constant):
                said = node.args[0].value
                dots = len(said) - len(said.lstrip("."))
                base = self._package[: len(self._package) - dots + 1] if dots else []
                self._add(".".join([*base, said.lstrip(".")]))
            else:
                self.computed = True
        self.generic_visit(node)

    def _add(self, name):
        name = FACE if name == "lambda_guard" else name.removeprefix("lambda_guard.")
        self.found.add(name)
        if not self._depth:
            self.at_top.add(name)


_imports = functools.cache(Imports)


def imports_of(module, known):
    """Return what a module imports, read once for each text of it."""
    return _imports(module, *known[module], frozenset(known))


ROOMS = {
    room: (ticked(modules), may.split(", ")) for room, modules, may in table("room", "modules", "may import")
}
FOREIGN = {ticked(package)[0]: ticked(modules) for package, modules in table("package", "imported in")}


def matches(pattern, module):
    """Whether a name of the page means a module: itself, or with `.*` what is in the package, too."""
    base = pattern.removesuffix(".*")
    return module == base or (pattern != base and module.startswith(f"{base}."))


@functools.cache
def room_of(module):
    """Return the room whose row has the most exact name for a module, or `None`."""
    fits = [
        (not pattern.endswith(".*"), len(pattern), room)
        for room, (patterns, _) in ROOMS.items()
        for pattern in patterns
        if matches(pattern, module)
    ]
    return max(fits)[2] if fits else None


def violations(known):
    """Return what the modules import against the tables of the page, a sentence each."""
    for module in known:
        imports, room = imports_of(module, known), room_of(module)
        if room is None:
            yield f"{module} has no room"
            continue
        for name in sorted(imports.found):
            top = name.split(".")[0]
            if name in known:
                if room_of(name) not in (room, *ROOMS[room][1]):
                    yield f"{module} imports {name}"
            elif top in FOREIGN and not any(matches(pattern, module) for pattern in FOREIGN[top]):
                yield f"{module} imports {name}"


def circles(known):
    """Return the modules that import each other, through others or directly: a set for each circle."""
    graph = {module: imports_of(module, known).found & known.keys() for module in known}
    reached = {module: reach(graph, module) for module in graph}
    return {
        frozenset({module} | {other for other in reached[module] if module in reached[other]})
        for module in graph
        if module in reached[module]
    }


def reach(graph, module):
    """Return the modules that a module imports, directly or through others."""
    found, left = set(), [*graph[module]]
    while left:
        if (name := left.pop()) not in found:
            found.add(name)
            left += graph[name]
    return found


def test_every_module_has_a_room_and_imports_what_the_table_allows():
    """A module that is added says where it belongs; nothing in the core reaches up; sinks don't know each other."""
    assert list(violations(SOURCES)) == []


def test_what_is_gone_is_gone_from_the_tables():
    """Every name of the tables is a module, and every room that may be imported exists."""
    patterns = [pattern for patterns, _ in ROOMS.values() for pattern in patterns]
    patterns += [pattern for patterns in FOREIGN.values() for pattern in patterns]
    assert [pattern for pattern in patterns if not any(matches(pattern, module) for module in SOURCES)] == []
    assert {room for _, may in ROOMS.values() for room in may if room} <= ROOMS.keys()


def test_packages_that_are_not_ours_are_imported_where_the_page_says():
    """What isn't ours and isn't the standard library has a row, and each row is true."""
    found = {}
    for module in SOURCES:
        for name in imports_of(module, SOURCES).found - SOURCES.keys():
            if (top := name.split(".")[0]) not in sys.stdlib_module_names:
                found.setdefault(top, set()).add(module)
    assert found.keys() == FOREIGN.keys()
    unused = {
        (package, pattern)
        for package, patterns in FOREIGN.items()
        for pattern in patterns
        if not any(matches(pattern, module) for module in found[package])
    }
    assert unused == set()


def test_computed_imports_are_named_on_the_page():
    """A module that imports by a computed name, which no test can follow, is named where the page says so."""
    (sentence,) = re.findall(
        r"^Some modules import by a name that is computed:.*?\n\n", PAGE, re.DOTALL | re.MULTILINE
    )
    computed = {module for module in SOURCES if imports_of(module, SOURCES).computed}
    assert set(ticked(sentence)) == computed


@pytest.mark.parametrize(
    ("module", "line", "noticed"),
    [
        ("local.cloud", "from ..tools import cli", "local.cloud imports tools.cli"),
        ("local.cloud", "def f():\n    from lambda_guard.tools.cli import main", "local.cloud imports tools.cli"),
        ("_guard", "import_module('boto3')", "_guard imports boto3"),
        ("_json", "def f():\n    return importlib.import_module('boto3.session')", "_json imports boto3.session"),
        ("_guard", "__import__('boto3')", "_guard imports boto3"),
        ("_process", "import_module('.tools.cli', 'lambda_guard')", "_process imports tools.cli"),
        ("_json", "if TYPE_CHECKING:\n    from ._guard import Guard", "_json imports _guard"),
        ("failure.exceptions", "if TYPE_CHECKING:\n    from ..sinks import record", "failure.exceptions imports sinks.record"),
        ("sinks.record", "from .xray import span", "sinks.record imports sinks.xray.span"),
        ("tools.dlq.replay", "from ...local.runtime import function", "tools.dlq.replay imports local.runtime.function"),
        ("_brand_new", "", "_brand_new has no room"),
    ],
)  # fmt: skip
def test_a_planted_import_is_noticed(module, line, noticed):
    """The walls are seen to hold: each kind of import that is forbidden is found where it is planted."""
    assert noticed in list(violations(with_line(module, line)))


def test_no_two_modules_import_each_other():
    """There is no circle, not even through type-checking imports."""
    assert circles(SOURCES) == set()


def test_a_planted_circle_is_noticed():
    """A circle through a type-checking import is found where it is planted."""
    known = with_line("errors", "if TYPE_CHECKING:\n    from . import _settings")
    assert any({"errors", "_settings"} <= circle for circle in circles(known))


@pytest.mark.parametrize("module", [module for module in SOURCES if room_of(module) not in DESK])
def test_nothing_heavy_is_imported_with_a_module(module):
    """What costs a cold start is imported inside of the function that needs it."""
    heavy = {
        name for name in imports_of(module, SOURCES).at_top if name in HEAVY or name.split(".")[0] in HEAVY
    }
    assert {(module, name) for name in heavy} <= HEAVY_ALLOWED


def test_where_to_add_something_exists():
    """Every path of the table that says where to add something is there."""
    paths = [
        path
        for _, where in table("what", "where")
        for path in ticked(where)
        if re.search(r"[/.]|^[a-z]+$", path)
    ]
    repository = Path(__file__).parent.parent
    assert paths
    assert [
        path
        for path in paths
        if not (repository if path.startswith(("tests/", "docs/")) else ROOT).joinpath(path).exists()
    ] == []


def test_drawings_name_modules_that_exist():
    """What the six drawings call by a module's name is a module, below the package or one of the tools."""
    drawings = re.findall(r"^### .*?^```\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert len(drawings) == 6
    dotted = set(re.findall(r"(?<![\w.])_?[a-z][a-z_]*(?:\.[a-z_]+)+", "".join(drawings))) - {"template.yaml"}
    known = {
        *SOURCES,
        *(f"{module}.{name}" for module, (text, _) in SOURCES.items() for name in defined(text)),
    }
    prefixes = ("", "tools.", "tools.logs.")
    assert {name for name in dotted if not any(f"{prefix}{name}" in known for prefix in prefixes)} == set()


def defined(text):
    """Return the functions, classes and methods of a module."""
    return {node.name for node in ast.walk(ast.parse(text)) if hasattr(node, "name")}


def test_one_word_means_one_thing():
    """The glossary has at most 25 words, each once."""
    glossary = (Path(__file__).parents[1] / "docs/glossary.md").read_text(encoding="utf-8")
    words = [word for word, _ in table("word", "means", page=glossary)]
    assert len(words) == len(set(words)) <= 25


def test_the_desk_is_out_of_reach_of_a_function(fresh):
    """Nothing that a function does with the face imports the desk, the local cloud, or what they need."""
    output = fresh(
        """
        import sys
        from lambda_guard import current_invocation, logger, metrics, production
        import lambda_guard.errors, lambda_guard.testing, lambda_guard.testing.plugin
        production(lambda event, context: metrics.add_metric("Orders", "Count", 1))({}, None)
        found = {name for name in sys.modules if name.startswith(("lambda_guard.tools", "lambda_guard.local", "lambda_guard.templates"))}
        print(sorted(found), sorted({"moto", "click", "rich", "awslambdaric", "boto3"} & sys.modules.keys()))
        """
    )
    assert output.splitlines()[-1] == "[] []"


LINES_MOST = 400
BODY_MOST = 25


def too_long(module, text):
    """Yield the module if it is too long, and its functions whose body is, unless `# long: why` stands above them."""
    lines = text.splitlines()
    if len(lines) > LINES_MOST:
        yield f"{module}: {len(lines)} lines"
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        body = node.body[ast.get_docstring(node) is not None :]
        length = node.end_lineno - body[0].lineno + 1 if body else 0
        first = min([node.lineno, *[each.lineno for each in node.decorator_list]])
        reason = re.fullmatch(r"\s*# long: \S.*", lines[first - 2]) if first > 1 else None
        if length > BODY_MOST and not reason:
            yield f"{module}.{node.name}: {length} lines"


@pytest.mark.parametrize("module", SOURCES)
def test_nothing_is_too_long_without_a_reason(module):
    """A module has at most 400 lines; a function's body has at most 25, or a comment `# long: …` above it says why."""
    assert [*too_long(module, SOURCES[module][0])] == []


def test_what_is_too_long_is_noticed():
    """A long function without a reason, and a long module, are found where they are planted."""
    body = "".join(f"    a{number} = {number}\n" for number in range(26))
    assert [*too_long("m", f"def f():\n{body}")] == ["m.f: 26 lines"]
    assert [*too_long("m", f"# long: a table\ndef f():\n{body}")] == []
    assert [*too_long("m", "\n" * 401)] == ["m: 401 lines"]
