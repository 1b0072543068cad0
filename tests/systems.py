"""What one system has and another one hasn't, and where our source uses it."""

import ast
import re
from pathlib import Path

MODULES = frozenset(
    {"fcntl", "grp", "msvcrt", "nt", "posix", "pty", "pwd", "resource", "syslog", "termios", "tty", "winreg"}
)
PATHS = re.compile(r"/(bin|dev|etc|proc|sys|tmp|usr)(/|$)")
ARGUMENTS = frozenset(
    {"creationflags", "pass_fds", "preexec_fn", "process_group", "start_new_session", "umask"}
)
ASKED = ("os", "select", "signal", "socket", "time")


def names_of_some_systems(stubs):
    """Return the names, `os.fork`, that typeshed declares for some systems alone.

    Args:
        stubs: the folder of the standard library's stubs.
    """
    found = set()
    for module in ASKED:
        path = stubs / module / "__init__.pyi"
        tree = ast.parse((path if path.exists() else stubs / f"{module}.pyi").read_text(encoding="utf-8"))
        found |= {f"{module}.{name}" for name in _declared(tree.body, inside=False)}
        found -= {f"{module}.{name}" for name in _everywhere(tree.body)}
    return found


def _declared(body, *, inside):
    for node in body:
        if isinstance(node, ast.If):
            asks = "sys.platform" in ast.unparse(node.test)
            yield from _declared(node.body, inside=inside or asks)
            yield from _declared(node.orelse, inside=inside or asks)
        elif inside:
            yield from _names(node)


def _everywhere(body):
    for node in body:
        if isinstance(node, ast.If):
            if "sys.platform" in ast.unparse(node.test):
                if node.orelse:
                    yield from set(_all(node.body)) & set(_all(node.orelse))
            else:
                yield from _everywhere([*node.body, *node.orelse])
        else:
            yield from _names(node)


def _all(body):
    for node in body:
        yield from _all([*node.body, *node.orelse]) if isinstance(node, ast.If) else _names(node)


def _names(node):
    match node:
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name) | ast.AnnAssign(target=ast.Name(id=name)):
            yield name
        case ast.ImportFrom(names=names):
            yield from (alias.asname or alias.name for alias in names)
        case ast.Assign(targets=[ast.Name(id=name)]):
            yield name


def used(source, some):
    """Return what a source uses that not every system has, whether or not it asks for it first.

    Args:
        source: the text of a module.
        some: names that some systems have.
    """
    tree = ast.parse(source)
    spoken = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}  # docstrings
    return {thing for node in ast.walk(tree) if id(node) not in spoken for thing in _used(node, some)}


def _used(node, some):
    match node:
        case ast.Import(names=names):
            yield from (alias.name for alias in names if alias.name in MODULES)
        case ast.ImportFrom(module=module, names=names, level=0):
            yield from (name for alias in names if (name := f"{module}.{alias.name}") in some)
            yield from {module} & MODULES
        case ast.Attribute(value=ast.Name(id=module), attr=name) if f"{module.strip('_')}.{name}" in some:
            yield f"{module.strip('_')}.{name}"
        case ast.Call(
            func=ast.Name(id="getattr" | "hasattr"), args=[ast.Name(id=module), ast.Constant(value=name), *_]
        ):
            yield from {f"{module.strip('_')}.{name}"} & some
        case ast.Constant(value=str(text)) if PATHS.match(text):
            yield text
        case ast.keyword(arg=name) if name in ARGUMENTS:
            yield f"{name}="


def in_the_usual_encoding(source):
    """Return the lines on which text is read or written in whatever encoding the system prefers."""
    return {
        node.lineno for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call) and _guesses(node)
    }


def _guesses(call):
    given = {keyword.arg for keyword in call.keywords}
    if "encoding" in given or None in given:
        return False
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    on_path = isinstance(call.func, ast.Attribute) and ast.unparse(call.func.value) not in {
        "gzip",
        "os",
        "io",
    }
    if name in {"read_text", "write_text"}:
        return len(call.args) <= (name == "write_text")
    if name in {"open", "fdopen", "NamedTemporaryFile", "TemporaryFile", "TextIOWrapper"}:
        if ast.unparse(call.func) in {"os.open", "gzip.open"}:
            return False
        modes = [*call.args[0 if on_path and name == "open" else 1 :][:1]]
        modes += [keyword.value for keyword in call.keywords if keyword.arg == "mode"]
        if not modes:
            return name in {"open", "fdopen", "TextIOWrapper"}
        # What isn't written out is no mode: `archive.open(entry)`.
        return isinstance(modes[0], ast.Constant) and "b" not in str(modes[0].value)
    switches = [it.value for it in call.keywords if it.arg in {"text", "universal_newlines"}]
    return any(isinstance(value, ast.Constant) and value.value is True for value in switches)  # of subprocess


def stubs():
    """Return typeshed's folder, which mypy brings."""
    import mypy

    return Path(mypy.__file__).parent / "typeshed/stdlib"
